"""The autoencoder: what its codes keep, on which rows, and how training ends."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skspectralnet import Autoencoder, SpectralNetEmbedding, _autoencoder, _tensors
from skspectralnet._autoencoder import _code_width, _denoising_loss, _Task
from skspectralnet._rows import Rows, center_and_scale
from skspectralnet._tensors import GaussianNoise

FAST = {"hidden_layer_sizes": (32,), "max_iter": 3}


def curve(n, rng):
    """Rows on a curve in ten dimensions that no plane comes near, in units of 100."""
    t = rng.uniform(0, 3 * np.pi, size=n)
    k = np.arange(10)
    return 300 + 100 * np.cos((k + 1) * t[:, None] / 3 + k)


@pytest.fixture
def rows(rng):
    return curve(400, rng)


def missed(X, rebuilt):
    """What is not rebuilt, as a share of the variance."""
    return np.sum((X - rebuilt) ** 2) / np.sum((X - X.mean(axis=0)) ** 2)


def rebuilt(model, X):
    return model.inverse_transform(model.transform(X))


# --- what the codes keep


@pytest.mark.parametrize("n_components", [1, 2])
def test_tells_more_of_a_curve_than_principal_components(n_components, rng):
    X, new = curve(1000, rng), curve(300, rng)
    model = Autoencoder(n_components, random_state=0).fit(X)
    pca = PCA(n_components).fit(X)
    linear = missed(new, pca.inverse_transform(pca.transform(new)))
    assert missed(new, rebuilt(model, new)) < 0.5 * linear


def test_reconstruction_error_is_the_share_of_the_variance_missed(rows):
    # Without held-out rows it is taken over all of these rows.
    model = Autoencoder(2, early_stopping=False, random_state=0, **FAST).fit(rows)
    assert model.validation_loss_curve_ is None
    share = missed(rows, rebuilt(model, rows))
    assert 0 < share < 1
    assert model.reconstruction_error_ == pytest.approx(share, rel=1e-4)


def test_error_of_held_out_rows_is_the_best_of_the_curve(rng):
    model = Autoencoder(2, random_state=0, **FAST).fit(curve(600, rng))
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) == model.n_iter_
    assert model.reconstruction_error_ == min(model.validation_loss_curve_)


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e6])
def test_units_do_not_matter(rows, factor):
    model = Autoencoder(2, random_state=0, **FAST).fit(rows)
    other = Autoencoder(2, random_state=0, **FAST).fit(factor * rows)
    assert_allclose(other.transform(factor * rows), model.transform(rows), rtol=1e-3)
    expected = factor * rebuilt(model, rows)
    assert_allclose(rebuilt(other, factor * rows), expected, rtol=1e-3)


def test_constant_columns_come_back(rows):
    X = np.c_[np.full(len(rows), 7.0), rows, np.zeros(len(rows))]
    model = Autoencoder(3, random_state=0).fit(X)
    back = rebuilt(model, X)
    assert_allclose(back[:, 0], 7.0, atol=0.2 * X.std())
    assert_allclose(back[:, -1], 0.0, atol=0.2 * X.std())


def test_equal_rows_come_back():
    X = np.tile([3.0, 5.0], (20, 1))
    model = Autoencoder(random_state=0).fit(X)
    assert_allclose(rebuilt(model, X), X, atol=0.05)


def test_noise_is_added_to_what_the_network_sees_only():
    task = _Task(4, 1, 0, 0.5, False, torch.device("cpu"))
    inputs, seen = torch.zeros(2000, 3, dtype=torch.float32), []

    def network(x):
        seen.append(x)
        return torch.ones_like(x)

    noise = GaussianNoise(task.noise, torch.Generator().manual_seed(0))
    loss = _denoising_loss(network, inputs, task, noise)
    assert seen[0].std().item() == pytest.approx(0.5, rel=0.05)
    assert seen[0].mean().item() == pytest.approx(0.0, abs=0.05)
    assert loss.item() == 1.0  # against the clean rows
    assert not inputs.any()


def test_denoising_rebuilds_clean_rows_from_noisy_ones(rng):
    X, new = curve(1000, rng), curve(300, rng)
    noisy = new + rng.normal(scale=0.5 * X.std(), size=new.shape)
    errors = {
        noise: missed(new, rebuilt(Autoencoder(4, noise=noise, **SEEDED).fit(X), noisy))
        for noise in (0.0, 0.5)
    }
    assert errors[0.5] < 0.8 * errors[0.0]


SEEDED = {"random_state": 0, "hidden_layer_sizes": (64, 64)}


# --- the width


@pytest.mark.parametrize(
    ("n_directions", "width"), [(2, 2), (8, 4), (20, 10), (90, 16)]
)
def test_width_is_half_the_directions(n_directions, width, rng):
    # Orthonormal columns: exactly so many equal eigenvalues.
    basis = np.linalg.qr(rng.normal(size=(400, n_directions)))[0]
    turn = np.linalg.qr(rng.normal(size=(100, 100)))[0]
    X = 1e3 * basis @ turn[:n_directions]
    rows = Rows(X, *center_and_scale(X))
    assert _code_width(rows, np.arange(400)) == width
    few = X[:, :60].T  # more columns than rows
    rows = Rows(few, *center_and_scale(few))
    assert _code_width(rows, np.arange(60)) == pytest.approx(width, abs=2)


@pytest.mark.parametrize(("n_features", "width"), [(1, 1), (2, 1), (3, 2)])
def test_width_is_below_the_columns(n_features, width, rng):
    X = rng.normal(size=(50, n_features))
    model = Autoencoder(random_state=0, **FAST).fit(X)
    assert model.n_components_ == width
    assert model.transform(X).shape == (50, width)
    assert len(model.get_feature_names_out()) == width


def test_endless_batches_are_closed(rows, collected):
    # Who waits for the garbage collector loses a Ctrl-C that comes while it works.
    made = collected(_autoencoder, "_random_batches")
    Autoencoder(max_iter=2).fit(rows)
    assert [inspect.getgeneratorstate(batches) for batches in made] == ["GEN_CLOSED"]


@pytest.mark.parametrize(
    ("shape", "first"), [((30, 4), 128), ((1000, 30), 256), ((2000, 500), 512)]
)
def test_hidden_layers_follow_the_size_of_the_rows(shape, first):
    encoder, decoder = Autoencoder()._new_network(shape, 2, torch.Generator())
    assert encoder.weights[0].shape == (first, shape[1])
    mirrored = [tuple(w.shape[::-1]) for w in reversed(decoder.weights)]
    assert [tuple(w.shape) for w in encoder.weights] == mirrored


@pytest.mark.parametrize(
    ("hidden", "rate"), [((8,), 5e-3), ((256, 9), 5e-3), ((9, 257), 2e-3)]
)
def test_rate_follows_the_width(hidden, rate):
    model = Autoencoder(hidden_layer_sizes=hidden)
    network = model._new_network((9, 3), 1000, torch.Generator())
    assert model._learning_rate(network) == rate
    model.set_params(learning_rate_init=0.5)
    assert model._learning_rate(network) == 0.5


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_steps"),
    [
        (20, 20, 10),
        (200, 32, 20),
        (2000, 250, 30),
        (40000, 256, 157),
        (10**6, 256, 300),
    ],
)
def test_steps_of_an_epoch(n_rows, batch_size, n_steps):
    model = Autoencoder(early_stopping=False)
    task = model._task((n_rows, 3), torch.device("cpu"))
    assert (task.batch_size, task.n_steps) == (min(n_rows, batch_size), n_steps)
    held_out = Autoencoder()._task((n_rows, 3), torch.device("cpu")).n_held_out
    assert held_out == {20: 0, 200: 0, 2000: 200}.get(n_rows, 2000)


@pytest.mark.parametrize(("columns", "noise"), [(50, 0.0), (51, 0.3)])
def test_only_wide_rows_get_noise_by_themselves(columns, noise):
    assert Autoencoder()._task((400, columns), torch.device("cpu")).noise == noise
    task = Autoencoder(noise=0.1)._task((400, columns), torch.device("cpu"))
    assert task.noise == 0.1


@pytest.mark.parametrize("n_rows", [2, 3, 10])
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_few_rows(n_rows, n_features, rng):
    X = rng.normal(size=(n_rows, n_features))
    model = Autoencoder(random_state=0, max_iter=2).fit(X)
    assert np.isfinite(rebuilt(model, X)).all()


# --- the rows and their types


def test_each_row_is_rebuilt_on_its_own(rows):
    model = Autoencoder(random_state=0, **FAST).fit(rows)
    codes = model.transform(rows)
    back = model.inverse_transform(codes)
    assert_allclose(model.inverse_transform(codes[3:4]), back[3:4], rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_of_rebuilt_rows(rows, dtype):
    X = rows.astype(dtype)
    model = Autoencoder(random_state=0, **FAST).fit(X)
    assert rebuilt(model, X).dtype == dtype


def test_rows_are_never_copied_as_floats(monkeypatch, rng):
    sizes = []
    original = _autoencoder.read_batch

    def spy(rows, which, **kwargs):
        sizes.append(len(which))
        return original(rows, which, **kwargs)

    monkeypatch.setattr(_autoencoder, "read_batch", spy)
    X = rng.poisson(3.0, size=(3000, 5)).astype(np.uint8)
    Autoencoder(random_state=0, **FAST).fit(X)
    assert max(sizes) <= 256


def test_is_an_encoder_of_the_spectral_estimators(rows):
    encoder = Autoencoder(2, **FAST)
    model = SpectralNetEmbedding(1, encoder=encoder, max_iter=3, random_state=0)
    model.fit(rows)
    assert model.encoder_.n_components_ == 2
    assert not hasattr(encoder, "network_")


# --- seeds, pickles, state


def pickled(model):
    return pickle.loads(pickle.dumps(model))  # noqa: S301


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_copies_rebuild_the_same_bits(rows, copied):
    model = Autoencoder(2, random_state=0, **FAST).fit(rows)
    assert_array_equal(rebuilt(copied(model), rows), rebuilt(model, rows))


# --- how training ends


def test_early_stop_keeps_the_best_weights(rng):
    # Rows without any structure: the held-out loss soon rises.
    X = rng.normal(size=(500, 20))
    model = Autoencoder(
        10,
        hidden_layer_sizes=(256, 256),
        max_iter=100,
        n_iter_no_change=3,
        learning_rate_init=1e-2,
        random_state=0,
    ).fit(X)
    losses = model.validation_loss_curve_
    assert model.n_iter_ < 100
    assert min(losses) < losses[-1]
    assert model.reconstruction_error_ == min(losses)


def test_loss_that_is_no_number_is_a_clear_error(rows, monkeypatch):
    def loss(network, inputs, task, generator):
        return network(inputs).mean() * torch.nan

    monkeypatch.setattr(_autoencoder, "_denoising_loss", loss)
    model = Autoencoder(2, random_state=0, **FAST)
    with pytest.raises(ValueError, match=r"learning_rate_init=.*noise="):
        model.fit(rows)
    with pytest.raises(NotFittedError):
        model.transform(rows)


# --- precision


def test_bfloat16_is_honoured_and_close(rng):
    X = curve(200, rng)
    params = {"hidden_layer_sizes": (16,), "max_iter": 3, "random_state": 0}
    exact = Autoencoder(2, precision="float32", **params).fit(X)
    coarse = Autoencoder(2, precision="bfloat16", **params).fit(X)
    assert coarse.loss_curve_ != exact.loss_curve_
    assert_allclose(coarse.loss_curve_, exact.loss_curve_, rtol=0.05)
    assert coarse.transform(X).dtype == np.float64


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_mode_of_the_caller_does_not_matter(precision, rng):
    X = curve(100, rng)
    params = {"hidden_layer_sizes": (16,), "max_iter": 2, "random_state": 0}
    expected = Autoencoder(2, precision=precision, **params).fit(X)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        model = Autoencoder(2, precision=precision, **params).fit(X)
        assert_array_equal(model.transform(X), expected.transform(X))
    assert model.loss_curve_ == expected.loss_curve_


@pytest.mark.parametrize("fast", [False, True])
def test_auto_precision_asks_the_device(rows, fast, monkeypatch):
    monkeypatch.setattr(_tensors, "fast_bfloat16", lambda device: fast)
    model = Autoencoder(2)
    assert model._task((400, 3), torch.device("cpu")).bfloat16 is fast
    model.set_params(precision="float32")
    assert not model._task((400, 3), torch.device("cpu")).bfloat16


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx2": True, "avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_bfloat16_of_a_cpu(capabilities, fast, monkeypatch):
    cpu, mkldnn = torch.device("cpu"), torch.backends.mkldnn
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: capabilities, raising=False
    )
    monkeypatch.setattr(mkldnn, "is_available", lambda: True)
    assert _tensors.fast_bfloat16(cpu) is fast
    monkeypatch.setattr(mkldnn, "is_available", lambda: False)
    assert not _tensors.fast_bfloat16(cpu)


def test_no_bfloat16_where_torch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not _tensors.fast_bfloat16(torch.device("cpu"))


# --- bad input


INVALID = "must be .* Got .* instead"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"noise": -0.1}, INVALID),
        ({"noise": np.nan}, INVALID),
        ({"precision": "float16"}, INVALID),
        ({"noise": 1e300}, "noise=1e\\+300"),
    ],
)
def test_bad_parameters(params, text, rows):
    model = Autoencoder(**params)
    with pytest.raises(ValueError, match=text):
        model.fit(rows)
    with pytest.raises(NotFittedError):
        model.transform(rows)


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        (np.zeros((3, 5)), "Z has 5 columns, .*n_components_=2"),
        (np.zeros(2), "Reshape your data"),
        (np.full((3, 2), np.nan), "NaN"),
    ],
)
def test_bad_codes(codes, text, rows):
    model = Autoencoder(2, random_state=0, **FAST).fit(rows)
    with pytest.raises(ValueError, match=text):
        model.inverse_transform(codes)


def test_unfitted():
    with pytest.raises(NotFittedError):
        Autoencoder().inverse_transform(np.zeros((2, 2)))
