"""What both learned stages keep: rows and their types, seeds, copies, how fits end."""

import copy
import pickle
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    _autoencoder,
    _siamese,
    _training,
)

FAST = {"hidden_layer_sizes": (32,), "max_iter": 3}


class Stage(NamedTuple):
    """An estimator, and what its module calls the loss of a step."""

    name: str
    estimator: type
    module: object
    loss: str

    def __call__(self, n_components=2, seed=0, **params):
        return self.estimator(n_components, random_state=seed, **{**FAST, **params})


STAGES = [
    Stage("autoencoder", Autoencoder, _autoencoder, "_denoising_loss"),
    Stage("siamese", SiameseEmbedding, _siamese, "_pair_loss"),
]


@pytest.fixture(params=STAGES, ids=lambda stage: stage.name)
def stage(request):
    return request.param


@pytest.fixture
def rows(rng):
    """A noisy curve in six dimensions, in units of 100."""
    t = rng.uniform(0, 3 * np.pi, size=300)
    k = np.arange(6)
    return 300 + 100 * np.cos((k + 1) * t[:, None] / 3 + k)


def assert_same_weights(one, other):
    pairs = zip(one.network_.parameters(), other.network_.parameters(), strict=True)
    for mine, its in pairs:
        assert_array_equal(mine.numpy(), its.numpy())


# --- the rows and their types


def test_each_row_is_mapped_on_its_own(stage, rows, rng):
    fitted = stage().fit(rows)
    Z, order = fitted.transform(rows), rng.permutation(len(rows))
    alone = np.concatenate([fitted.transform(row[None]) for row in rows[:20]])
    assert_allclose(alone, Z[:20], rtol=1e-10, atol=1e-12)
    assert_allclose(fitted.transform(rows[order]), Z[order], rtol=1e-10, atol=1e-12)
    assert_array_equal(stage().fit_transform(rows), Z)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_of_rows_and_points(stage, rows, dtype):
    X = rows.astype(dtype)
    fitted = stage().fit(X)
    assert fitted.transform(X).dtype == dtype
    assert stage().fit_transform(X).dtype == dtype
    assert {p.dtype for p in fitted.network_.parameters()} == {torch.float64}


def test_kinds_of_rows_agree(stage, rng, tmp_path):
    X = rng.poisson(9.0, size=(120, 6)).astype(np.uint8)
    np.save(tmp_path / "integers.npy", X)
    np.save(tmp_path / "floats.npy", X.astype(np.float64))
    Z = stage().fit_transform(X.astype(np.float64))
    for kind, same in {
        "uint8": X,
        "float32": X.astype(np.float32),
        "int64": X.astype(np.int64),
        "memory map of integers": np.load(tmp_path / "integers.npy", mmap_mode="r"),
        "memory map of floats": np.load(tmp_path / "floats.npy", mmap_mode="r"),
        "list": X.tolist(),
        "Fortran": np.asfortranarray(X, dtype=np.float64),
    }.items():
        found = stage().fit(same).transform(same)
        assert_allclose(found, Z, rtol=1e-5, atol=1e-6, err_msg=kind)


@pytest.mark.parametrize(
    "convert", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array, sparse.coo_array]
)
def test_sparse_rows_are_the_dense_ones(stage, convert, rng):
    # Continuous entries: no two neighbours are equally far.
    X = rng.exponential(size=(150, 8)) * (rng.uniform(size=(150, 8)) < 0.6)
    Z = stage().fit_transform(X)
    fitted = stage().fit(convert(X))
    assert_allclose(fitted.transform(convert(X)), Z, rtol=1e-5, atol=1e-6)
    assert_allclose(fitted.transform(X), Z, rtol=1e-5, atol=1e-6)


def test_input_is_left_as_it_was(stage, rows):
    before = rows.copy()
    stage().fit(rows).transform(rows)
    assert_array_equal(rows, before)


# --- seeds, pickles, state


@pytest.mark.parametrize(
    ("stage", "params", "known"),
    [
        (STAGES[0], {"noise": 0.1}, {}),
        (STAGES[1], {}, {"partial_labels": np.arange(300) % 4 - 1}),
    ],
    ids=["autoencoder", "siamese"],
)
def test_same_seed_same_bits(stage, params, known, rows, global_random_seed):
    def fit(seed):
        return stage(2, seed, **params).fit(rows, **known)

    one, two = fit(global_random_seed), fit(global_random_seed)
    assert_same_weights(one, two)
    assert one.loss_curve_ == two.loss_curve_
    assert one.loss_curve_ != fit(global_random_seed + 1).loss_curve_


def pickled(fitted):
    return pickle.loads(pickle.dumps(fitted))  # noqa: S301


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_copies_are_the_same_to_the_bit(stage, rows, copied):
    fitted = stage().fit(rows)
    other = copied(fitted)
    assert_same_weights(other, fitted)
    assert_array_equal(other.transform(rows), fitted.transform(rows))
    assert_same_weights(other.fit(rows), fitted)


def test_pickle_holds_no_tensor(stage, rows):
    assert b"torch" not in pickle.dumps(stage().fit(rows))


@pytest.mark.parametrize(
    ("params", "bad", "text"),
    [
        ({"hidden_layer_sizes": ()}, slice(3), "hidden_layer_sizes"),
        ({"device": "abacus"}, slice(3), "device='abacus'"),
        ({}, np.nan, "NaN"),
    ],
)
def test_failed_fit_leaves_the_old_model(stage, rows, params, bad, text):
    fitted = stage().fit(rows)
    before, Z = dict(vars(fitted)), fitted.transform(rows)
    X = rows[:, bad] if isinstance(bad, slice) else np.full((20, 3), bad)
    with pytest.raises(ValueError, match=text):
        fitted.set_params(**params).fit(X)
    assert set(vars(fitted)) == set(before)
    for name in [name for name in before if name.endswith("_")]:
        assert vars(fitted)[name] is before[name]
    assert_array_equal(fitted.set_params(device="cpu").transform(rows), Z)


def test_fitted_network_stays_on_the_cpu(stage, rows):
    fitted = stage().fit(rows)
    assert {t.device.type for t in fitted.network_.state_dict().values()} == {"cpu"}
    assert not any(p.requires_grad for p in fitted.network_.parameters())


# --- how training ends


def spied(monkeypatch, stage, interrupted_at=()):
    """Count the steps; Ctrl-C is pressed in the given ones."""
    original, count = getattr(stage.module, stage.loss), []

    def loss(*args):
        count.append(1)
        if len(count) in interrupted_at:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(stage.module, stage.loss, loss)
    return count


def test_interrupted_once_keeps_the_best_weights(stage, rows, monkeypatch):
    with monkeypatch.context() as patched:
        count = spied(patched, stage)
        n_epochs = stage(max_iter=6).fit(rows).n_iter_
    n_steps = len(count) // n_epochs
    ended = []
    # In the middle of the third epoch, and before it: what it changed is dropped.
    for call in (2 * n_steps + n_steps // 2, 2 * n_steps + 1):
        with monkeypatch.context() as patched:
            spied(patched, stage, [call])
            with pytest.warns(UserWarning, match="interrupted by user after 2 epochs"):
                ended.append(stage(max_iter=6).fit(rows))
    assert [fitted.n_iter_ for fitted in ended] == [2, 2]
    assert [len(fitted.loss_curve_) for fitted in ended] == [2, 2]
    assert np.isfinite(ended[0].transform(rows)).all()
    assert all(w.isfinite().all() for w in ended[0].network_.parameters())
    assert_same_weights(*ended)


def test_interrupted_twice_leaves_the_old_model(stage, rows, monkeypatch):
    fitted = stage().fit(rows)
    Z = fitted.transform(rows)
    monkeypatch.setattr(
        _training.Interrupts,
        "accept",
        lambda self: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    spied(monkeypatch, stage, [5])
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(rows[:, :3])
    assert_array_equal(fitted.transform(rows), Z)


def test_silent_without_warning_and_with_a_bar(stage, rows, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = stage().fit(rows)
    assert fitted.n_iter_ == 3
    assert capfd.readouterr() == ("", "")
    stage(verbose=1).fit(rows)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert stage.name in shown.err
    n_epochs = 4 if stage.name == "siamese" else 3  # with the one of its start
    assert f"{n_epochs}/{n_epochs}" in shown.err


# --- bad input


INVALID = "must be .* Got .* instead"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"n_components": 0}, INVALID),
        ({"n_components": "all"}, INVALID),
        ({"n_components": 2.0}, INVALID),
        ({"batch_size": 0}, INVALID),
        ({"activation": "step"}, INVALID),
        ({"learning_rate_init": 0}, INVALID),
        ({"max_iter": 0}, INVALID),
        ({"validation_fraction": 1.0}, INVALID),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_bad_parameters(stage, params, text, rows):
    fitted = stage().set_params(**params)
    with pytest.raises(ValueError, match=text):
        fitted.fit(rows)
    with pytest.raises(NotFittedError):
        fitted.transform(rows)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (np.full((9, 2), np.inf), "infinity"),
        (np.zeros((1, 2)), "minimum of 2"),
        (np.zeros(5), "Reshape your data"),
        ([["a", "b"], ["c", "d"]], "convert"),
        (np.array([[-1.7e308], [1.7e308], [1.7e308]]), "Rescale X"),
    ],
)
def test_bad_rows(stage, bad, text):
    with pytest.raises(ValueError, match=text):
        stage().fit(bad)
