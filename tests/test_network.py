"""The perceptron, the orthonorm layer, and the map that is kept."""

import copy
import io
import pickle
import pickletools

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from skspectralnet import _network
from skspectralnet._network import (
    ACTIVATIONS,
    MLP,
    Orthonorm,
    RowMap,
    SpectralMap,
    orthonormalizer,
    orthonormalizer_of,
    placed_mlp,
)
from skspectralnet._rows import Units, pulled_in

NUMPY_ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": special.expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
}


def generator(seed=0):
    return torch.Generator(device="cpu").manual_seed(seed)


def spectral_map(activation="relu", seed=0):
    """A map of 3 columns to 2 components, by way of 5 and 4 units and 3 outputs."""
    mlp = MLP((3, 5, 4, 3), activation, generator(seed))
    rng = np.random.RandomState(seed)
    return SpectralMap(Units(rng.normal(size=3), 2.5), mlp, rng.normal(size=(3, 2)))


def outputs_of(rng, b, q, condition):
    """Outputs whose Gram matrix has about the given condition number."""
    left = np.linalg.qr(rng.normal(size=(b, q)))[0]
    right = np.linalg.qr(rng.normal(size=(q, q)))[0]
    sizes = np.geomspace(1, condition**-0.5, q)
    return torch.tensor(left * sizes @ right)


def weighted_gram(Y, weights):
    return (Y.T @ (weights[:, None] * Y) / len(Y)).numpy()


# --- the orthonorm layer while training


@pytest.mark.parametrize("condition", [1, 1e2, 1e4])
@pytest.mark.parametrize("seed", range(10))
def test_batch_becomes_orthonormal(condition, seed):
    rng = np.random.RandomState(seed)
    outputs = outputs_of(rng, 40, 5, condition)
    weights = torch.tensor(rng.uniform(0.5, 2, size=40))
    Y = outputs @ orthonormalizer(outputs, weights)
    assert_allclose(weighted_gram(Y, weights), np.eye(5), atol=1e-6 * condition**0.5)


@pytest.mark.parametrize("condition", [1e6, 1e8, 1e12, 1e16])
@pytest.mark.parametrize("seed", range(5))
def test_bad_conditioning_costs_no_more_than_the_jitter(condition, seed):
    # Directions below the jitter are shrunk, never blown up: the Gram matrix of the
    # result lies between 0 and I.
    rng = np.random.RandomState(seed)
    outputs = outputs_of(rng, 40, 5, condition)
    weights = torch.ones(40, dtype=torch.float64)
    Y = outputs @ orthonormalizer(outputs, weights)
    energies = np.linalg.eigvalsh(weighted_gram(Y, weights))
    assert energies.min() > -1e-9
    assert energies.max() < 1 + 1e-6


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_orthonormality_whatever_the_size_of_the_outputs(size, rng):
    outputs = size * torch.tensor(rng.normal(size=(30, 4)))
    weights = torch.ones(30, dtype=torch.float64)
    Y = outputs @ orthonormalizer(outputs, weights)
    assert_allclose(weighted_gram(Y, weights), np.eye(4), atol=1e-6)


def test_matrix_is_triangular_so_leading_spans_are_kept(rng):
    outputs = torch.tensor(rng.normal(size=(30, 4)))
    matrix = orthonormalizer(outputs, torch.ones(30, dtype=torch.float64))
    assert_array_equal(matrix.tril(-1), 0.0)
    assert (matrix.diagonal() > 0).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("condition", [1, 1e3])
def test_numeric_gradients_through_the_layer(seed, condition):
    rng = np.random.RandomState(seed)
    outputs = outputs_of(rng, 12, 3, condition).requires_grad_()
    weights = torch.tensor(rng.uniform(0.5, 2, size=12))
    cotangent = torch.tensor(rng.normal(size=(12, 3)))

    def through(outputs):
        return ((outputs @ orthonormalizer(outputs, weights)) * cotangent).sum()

    assert torch.autograd.gradcheck(through, (outputs,), rtol=1e-4, atol=1e-5)


def test_gradient_vanishes_along_a_change_of_basis(rng):
    # The span is all that counts: moving the outputs inside it changes no rotation
    # invariant function of the result.
    outputs = torch.tensor(rng.normal(size=(30, 4)), requires_grad=True)
    weights = torch.ones(30, dtype=torch.float64)
    target = torch.tensor(rng.normal(size=(30, 30)))
    target = target + target.T
    Y = outputs @ orthonormalizer(outputs, weights)
    (Y * (target @ Y)).sum().backward()
    assert_allclose(outputs.detach().T @ outputs.grad, 0.0, atol=1e-5)


def degenerate_outputs(rng):
    full = rng.normal(size=(20, 4))
    return {
        "zero batch": np.zeros((20, 4)),
        "zero column": full * [1, 0, 1, 1],
        "all columns equal": np.repeat(full[:, :1], 4, axis=1),
        "equal pair of columns": full[:, [0, 1, 1, 2]],
        "constant": np.ones((20, 4)),
        "equal rows": np.repeat(full[:1], 20, axis=0),
        "rank one below rows": full[:3],
        "tiny": 1e-30 * full,
        "huge": 1e30 * full,
        "mixed sizes": full * [1e-12, 1e-4, 1, 1e8],
    }


@pytest.mark.parametrize("name", sorted(degenerate_outputs(np.random)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_degenerate_batches_stay_finite(name, dtype, rng):
    outputs = torch.tensor(degenerate_outputs(rng)[name], dtype=dtype).requires_grad_()
    weights = torch.ones(len(outputs), dtype=torch.float64)
    Y = outputs.double() @ orthonormalizer(outputs, weights)
    (Y * torch.tensor(rng.normal(size=Y.shape))).sum().backward()
    assert torch.isfinite(Y).all()
    assert torch.isfinite(outputs.grad).all()
    energies = np.linalg.eigvalsh(weighted_gram(Y.detach(), weights))
    assert energies.max() < 1 + 1e-6


def test_zero_row_weights_stay_finite(rng):
    outputs = torch.tensor(rng.normal(size=(10, 3)), requires_grad=True)
    matrix = orthonormalizer(outputs, torch.zeros(10, dtype=torch.float64))
    assert torch.isfinite(matrix).all()


@pytest.mark.parametrize(
    ("least", "jitter"), [(1e-3, 1e-8), (-1e-7, 1e-6), (-1e-5, 1e-4), (-1e-3, 1e-2)]
)
def test_the_least_jitter_that_is_enough_is_taken(least, jitter):
    # Of the mean of the diagonal, which is about 1: rounding made an eigenvalue
    # negative.
    gram = np.diag([1.0, 2.0 - least, least])
    factor = np.linalg.cholesky(gram + jitter * np.eye(3))
    found = orthonormalizer_of(torch.tensor(gram), 50)
    assert_allclose(found, np.sqrt(50) * np.linalg.inv(factor).T, rtol=1e-12)


# --- the perceptron


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_forward_equals_numpy(activation, rng):
    mlp = MLP((3, 5, 4, 2), activation, generator()).double()
    x = rng.normal(size=(7, 3))
    expected = x
    for i, (W, b) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        expected = expected @ W.detach().numpy().T + b.detach().numpy()
        if i < 2:
            expected = NUMPY_ACTIVATIONS[activation](expected)
    assert_allclose(mlp(torch.tensor(x)).detach(), expected, rtol=1e-12, atol=1e-14)


def test_every_activation_has_its_numpy_twin():
    assert set(ACTIVATIONS) == set(NUMPY_ACTIVATIONS)


def test_weights_come_from_the_generator_alone():
    def states(seed):
        return [
            p.detach() for p in MLP((3, 5, 2), "relu", generator(seed)).parameters()
        ]

    before = torch.get_rng_state()
    one, same, other = states(0), states(0), states(1)
    assert_array_equal(torch.get_rng_state(), before)
    for a, b, c in zip(one, same, other, strict=True):
        assert_array_equal(a, b)
        assert (a != c).any()


def test_weights_keep_the_variance_of_their_inputs():
    mlp = MLP((400, 300, 200), "relu", generator())
    for weight, fan_in in zip(mlp.weights, (400, 300), strict=True):
        assert float(weight.detach().var()) == pytest.approx(1 / fan_in, rel=0.02)


def test_units_of_the_first_layer_begin_at_their_rows(rng):
    rows = torch.tensor(rng.normal(size=(5, 3)), dtype=torch.float32)
    mlp = MLP((3, 5, 2), "relu", generator(), rows)
    preactivation = rows @ mlp.weights[0].T + mlp.biases[0]
    assert_allclose(preactivation.diagonal().detach(), 0.0, atol=1e-6)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_placed_units_are_steeper(activation, rng):
    rows = torch.tensor(rng.normal(size=(5, 3)), dtype=torch.float32)
    plain, placed = (
        MLP((3, 5, 2), activation, generator(), *given) for given in ((), (rows,))
    )
    gain = 4 if activation == "tanh" else 2
    assert_array_equal(placed.weights[0].detach(), gain * plain.weights[0].detach())
    assert_array_equal(placed.weights[1].detach(), plain.weights[1].detach())
    assert_array_equal(placed.biases[1].detach(), plain.biases[1].detach())


def test_units_are_placed_at_random_rows(rng, global_random_seed):
    X = rng.normal(size=(50, 3)).astype(np.float32)
    read = []

    def rows(chosen):
        read.append(chosen)
        return X[chosen]

    mlp = placed_mlp(rows, 50, (20, 4, 2), "tanh", generator(global_random_seed))
    assert [w.shape for w in mlp.weights] == [(20, 3), (4, 20), (2, 4)]
    (chosen,) = read
    assert len(chosen) == 20
    assert len(set(chosen)) > 10
    at = torch.from_numpy(X[chosen]) @ mlp.weights[0].T + mlp.biases[0]
    assert_allclose(at.diagonal().detach(), 0.0, atol=1e-5)


def test_without_generator_all_weights_are_zero():
    assert all((p == 0).all() for p in MLP((3, 5, 2), "relu").parameters())


# --- the map


def test_orthonorm_matrix_is_a_buffer():
    layer = Orthonorm(np.eye(3))
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["matrix"]
    assert layer(torch.ones(2, 3)).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_map_equals_numpy(dtype, rng):
    net = spectral_map()
    x = torch.tensor(rng.normal(size=(6, 3)), dtype=dtype)
    hidden = (x.double().numpy() - net.center.numpy()) / 2.5
    for i, (W, b) in enumerate(zip(net.mlp.weights, net.mlp.biases, strict=True)):
        hidden = hidden @ W.detach().numpy().T + b.detach().numpy()
        hidden = np.maximum(hidden, 0) if i < 2 else hidden
    Y = net(x).detach()
    assert Y.dtype == torch.float64
    assert_allclose(Y, hidden @ net.orthonorm.matrix.numpy(), rtol=1e-12)


def test_map_is_float64_throughout():
    tensors = [*spectral_map().parameters(), *spectral_map().buffers()]
    assert {t.dtype for t in tensors} == {torch.float64}


def test_flip_signs(rng):
    net = spectral_map()
    x = torch.tensor(rng.normal(size=(6, 3)))
    before = net(x).detach()
    net.flip_signs(np.array([1.0, -1.0]))
    assert_array_equal(net(x).detach(), before * torch.tensor([1.0, -1.0]))


def leaves(value):
    """The values inside nested dicts and lists."""
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in leaves(v)]
    if isinstance(value, list | tuple):
        return [leaf for v in value for leaf in leaves(v)]
    return [value]


def test_state_is_numpy_only():
    kinds = {type(leaf) for leaf in leaves(spectral_map().__getstate__())}
    assert kinds == {np.ndarray, float, int, str, type(None)}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_names_nothing_of_torch(protocol):
    written = pickle.dumps(spectral_map(), protocol=protocol)
    strings = [arg for _, arg, _ in pickletools.genops(written) if isinstance(arg, str)]
    assert not [s for s in strings if s.startswith("torch")]


def joblib_round_trip(net, mmap_mode, folder):
    path = folder / "net.joblib"
    joblib.dump(net, path)
    return joblib.load(path, mmap_mode=mmap_mode)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("way", ["pickle", "deepcopy", "joblib", "joblib mmap"])
def test_round_trip_is_bitwise(activation, way, rng, tmp_path):
    net = spectral_map(activation)
    if way == "pickle":
        back = pickle.load(io.BytesIO(pickle.dumps(net)))  # noqa: S301
    elif way == "deepcopy":
        back = copy.deepcopy(net)
    else:
        mode = "r" if way == "joblib mmap" else None
        back = joblib_round_trip(net, mode, tmp_path)
    x = torch.tensor(rng.normal(size=(6, 3)))
    assert_array_equal(back(x).detach(), net(x).detach())
    back.flip_signs(np.array([-1.0, -1.0]))  # its memory is its own and writable
    assert_array_equal(back(x).detach(), -net(x).detach())


# --- the map of a stage


def row_map(activation="relu", seed=0):
    rng = np.random.RandomState(seed)
    mlp = MLP((3, 5, 2), activation, generator(seed))
    return RowMap(Units(rng.normal(size=3), 2.5), mlp)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_row_map_formula(activation, rng):
    mapped = row_map(activation)
    X = rng.normal(size=(7, 3))
    first, last = (w.numpy() for w in mapped.mlp.weights)
    b, c = (bias.numpy() for bias in mapped.mlp.biases)
    hidden = (X - mapped.center.numpy()) / 2.5 @ first.T + b
    expected = NUMPY_ACTIVATIONS[activation](hidden) @ last.T + c
    assert_allclose(mapped(torch.tensor(X)), expected, rtol=1e-10, atol=1e-12)


def test_row_map_is_frozen_in_float64(rng):
    mapped = row_map()
    assert {t.dtype for t in mapped.state_dict().values()} == {torch.float64}
    assert not any(p.requires_grad for p in mapped.parameters())
    X = torch.tensor(rng.normal(size=(7, 3)), dtype=torch.float32)
    assert mapped(X).dtype == torch.float64
    alone = torch.cat([mapped(row[None]) for row in X])
    assert_allclose(alone, mapped(X), rtol=1e-12, atol=1e-14)


def test_a_frozen_network_keeps_no_gradients(rng):
    mlp = MLP((3, 5, 2), "relu", generator())
    mlp(torch.ones(4, 3)).sum().backward()
    assert all(p.grad is not None for p in mlp.parameters())
    assert all(p.grad is None for p in mlp.frozen().parameters())


def test_rows_of_another_width_are_refused():
    text = "takes rows of 3 columns, and the stages before it have made 4"
    with pytest.raises(ValueError, match=text):
        row_map()(torch.zeros(7, 4))


def test_a_constant_before_the_outputs(rng):
    mlp = MLP((3, 5, 4, 2), "tanh", generator()).frozen()
    x = torch.tensor(rng.normal(size=(6, 3)))
    found = mlp.with_constant()(x).detach()
    assert_array_equal(found[:, 0], 1.0)
    assert_allclose(found[:, 1:], mlp(x), rtol=1e-12)


@pytest.mark.parametrize("n_columns", [25, 40, 79])
def test_wide_batches_are_multiplied_in_parts(n_columns, rng, monkeypatch):
    monkeypatch.setattr(_network, "_WHOLE_ENTRIES", 200)
    x = torch.tensor(rng.normal(size=(5, n_columns)), requires_grad=True)
    weight, bias = (torch.tensor(rng.normal(size=s)) for s in ((3, n_columns), 3))
    multiplied, whole = [], _network.F.linear

    def counted(part, *others):
        multiplied.append(part.shape[1])
        return whole(part, *others)

    monkeypatch.setattr(_network.F, "linear", counted)
    for given in ((), (bias,)):
        multiplied.clear()
        expected = x @ weight.T + (given[0] if given else 0.0)
        assert_allclose(
            _network.linear(x, weight, *given).detach(), expected.detach(), rtol=1e-9
        )
        assert sum(multiplied) == n_columns
        assert max(multiplied) <= 40
        assert (len(multiplied) == 1) == (n_columns <= 40)


def test_row_map_through_a_pickle(rng):
    mapped, X = row_map("tanh"), torch.tensor(rng.normal(size=(7, 3)))
    written = pickle.dumps(mapped)
    assert b"torch" not in written
    for copied in (pickle.loads(written), copy.deepcopy(mapped)):  # noqa: S301
        assert type(copied) is RowMap
        assert_array_equal(copied(X), mapped(X))
        assert copied.mlp.activation == "tanh"


# --- outliers


def test_pulled_in_is_that_of_arrays_and_can_be_undone(rng):
    Z = rng.normal(size=(50, 3)) * 10.0 ** rng.uniform(-1, 5, size=(50, 1))
    near = _network.pulled_in(torch.tensor(Z), 4.0)
    assert_allclose(near, pulled_in(Z, 4.0))
    assert_allclose(_network.put_back(near, 4.0), Z)


def test_the_form_of_a_stored_map_is_numbered():
    # A form that changes gets the next number, and a reader of the older one.
    net = row_map()
    state = net.__getstate__()
    assert state["_state_version"] == 1
    del state["_state_version"]  # as before there was one
    net.__setstate__(state)
    for newer in (2, 10):
        with pytest.raises(ValueError, match=f"RowMap .* version {newer}.* up to 1"):
            net.__setstate__(state | {"_state_version": newer})


def test_reach_is_part_of_the_state(rng):
    net = RowMap(Units(np.zeros(3), 1.0, 2.0), MLP((3, 5, 2), "tanh", generator()))
    far = torch.tensor([[1e3, 0.0, 0.0]])
    loaded = copy.deepcopy(net)  # by its state
    assert_allclose(loaded(far), net(far))
    plain = RowMap(Units(np.zeros(3), 1.0), net.mlp)
    assert_allclose(net(far), plain(_network.pulled_in(far.double(), 2.0)))
