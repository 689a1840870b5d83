"""The spectral stage: batches, both orthonorm modes, training, alignment."""

import inspect
import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg

from skspectralnet import (
    SpectralNetClustering,
    SpectralNetEmbedding,
    _batch_graph,
    _rows,
    metrics,
)
from skspectralnet._affinity import batch_affinity
from skspectralnet._batch_graph import (
    BatchReader,
    BatchTask,
    _random_batches,
    align,
    fit_map,
    new_map,
)
from skspectralnet._network import MLP
from skspectralnet._rows import Rows, center_and_scale
from skspectralnet._spectral import STEPS, joint_loss
from skspectralnet._tasks import Epochs, FitTask, Interrupts
from skspectralnet._training import Schedule
from skspectralnet._validation import NoContext

LAPLACIANS = ["random_walk", "symmetric", "unnormalized"]


def make_task(**changes):
    settings = {
        "n_components": 3,
        "affinity": "self_tuning",
        "gamma": None,
        "n_neighbors": 5,
        "batch_size": 40,
        "laplacian": "random_walk",
        "orthonorm": "joint",
        "loss": "log",
        "hidden_layer_sizes": (8,),
        "activation": "relu",
        "tol": 1e-2,
        "n_iter_no_change": 5,
        "validation_fraction": 0.0,
        "device": torch.device("cpu"),
    }
    return BatchTask(**{**settings, **changes})


def generator(seed=0):
    return torch.Generator(device="cpu").manual_seed(seed)


def reader_of(X, **changes):
    rows = Rows(X, *center_and_scale(X))
    return BatchReader(rows, rows, make_task(**changes))


class Recorder(BatchReader):
    """A reader that keeps the row numbers it was asked for."""

    def __init__(self, X, **changes):
        rows = Rows(X, *center_and_scale(X))
        super().__init__(rows, rows, make_task(**changes))
        self.asked = []

    def read(self, rows):
        self.asked.append(np.array(rows))
        return super().read(rows)

    def read_graph(self, rows):
        self.asked.append(np.array(rows))
        return super().read_graph(rows)


# --- a graph whose eigenvectors are known


def path_graph(n):
    W = np.zeros((n, n))
    W[np.arange(n - 1), np.arange(1, n)] = 1
    return W + W.T


def ring_graph(n):
    W = path_graph(n)
    W[0, -1] = W[-1, 0] = 1
    return W


def exact_pairs(W, laplacian):
    d = W.sum(axis=1)
    L, M = np.diag(d) - W, np.eye(len(W))
    if laplacian == "random_walk":
        M = np.diag(d)
    elif laplacian == "symmetric":
        L = L / np.sqrt(np.outer(d, d))
    values, vectors = linalg.eigh(L, M)
    return values, vectors * math.sqrt(np.trace(M)), M / np.trace(M)


def one_hot_reader(W, **changes):
    """Rows that are told apart completely, and a given graph between them.

    The network sees row i as the unit vector e_i; the points are the row numbers, by
    which a callable affinity looks up the weights.
    """
    n, weights = len(W), torch.tensor(W)

    def look_up(points):
        rows = points.round().long().ravel()
        return weights[rows][:, rows]

    return BatchReader(
        Rows(np.eye(n), np.zeros(n), 1.0),
        Rows(np.arange(n, dtype=float)[:, None], np.zeros(1), 1.0),
        make_task(affinity=look_up, batch_size=n, n_neighbors=1, **changes),
    )


def train_linear(reader, seed, n_outputs=6):
    n, random = len(reader.inputs), generator(seed)
    mlp = MLP((n, n_outputs), "identity", random)
    fit_map(
        reader,
        mlp,
        Schedule(300, 0.05, 0.0, 1e-6, 20),
        generator=random,
        interrupts=Interrupts(),
        epochs=Epochs(FitTask(NoContext(), None, None, None)),
    )
    pairs = align(reader, mlp.double(), generator=random)[0]
    outputs = mlp(torch.eye(n, dtype=torch.float64)).detach().numpy()
    return pairs.eigenvalues, outputs @ pairs.coefficients


@pytest.mark.parametrize("loss", ["log", "trace"])
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_linear_network_recovers_the_eigenvectors_of_a_path(
    laplacian, loss, global_random_seed
):
    W = path_graph(24)
    reader = one_hot_reader(W, n_components=4, laplacian=laplacian, loss=loss)
    values, Y = train_linear(reader, global_random_seed)
    exact, vectors, M = exact_pairs(W, laplacian)
    assert_allclose(values[:4], exact[:4], atol=1e-6)
    overlaps = Y[:, :4].T @ M @ vectors[:, :4]
    assert_allclose(np.abs(overlaps), np.eye(4), atol=1e-4)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_linear_network_recovers_the_eigenspaces_of_a_ring(
    laplacian, global_random_seed
):
    # Eigenvalues of a ring come in pairs, 1 - cos(2 pi j / n) after the first.
    n = 20
    W = ring_graph(n)
    reader = one_hot_reader(W, n_components=5, laplacian=laplacian)
    values, Y = train_linear(reader, global_random_seed, n_outputs=7)
    j = np.array([0, 1, 1, 2, 2])
    size = 2 if laplacian == "unnormalized" else 1
    assert_allclose(values[:5], size * (1 - np.cos(2 * np.pi * j / n)), atol=1e-6)
    _, vectors, M = exact_pairs(W, laplacian)
    for block in (slice(0, 1), slice(1, 3), slice(3, 5)):
        overlaps = Y[:, block].T @ M @ vectors[:, block]
        assert_allclose(linalg.svdvals(overlaps), 1.0, atol=1e-6)


def test_linear_network_finds_the_components_of_a_graph(global_random_seed):
    W = linalg.block_diag(*(np.ones((m, m)) - np.eye(m) for m in (6, 5, 4)))
    reader = one_hot_reader(W, n_components=3)
    values, Y = train_linear(reader, global_random_seed)
    assert_allclose(values[:3], 0.0, atol=1e-6)
    blocks = np.split(Y[:, :3], [6, 11])
    for block in blocks:
        assert np.ptp(block, axis=0).max() < 1e-3
    centers = np.array([block.mean(axis=0) for block in blocks])
    assert np.linalg.matrix_rank(centers, tol=0.1) == 3


# --- losses of a batch


def batch_and_mlp(rng, **changes):
    X = rng.normal(size=(40, 3))
    reader = reader_of(X, **changes)
    return reader.read(np.arange(40)), MLP((3, 16, 5), "tanh", generator()), reader


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("loss", ["log", "trace"])
def test_joint_loss_sees_only_the_span(laplacian, loss, rng):
    batch, mlp, reader = batch_and_mlp(rng, laplacian=laplacian, loss=loss)
    before = joint_loss(mlp, iter([batch]), reader.task)
    # The log loss looks at leading spans too: those an upper triangle leaves alone.
    change = torch.tensor(np.triu(rng.uniform(0.5, 2, size=(5, 5))).T).float()
    with torch.no_grad():
        mlp.weights[-1].copy_(change @ mlp.weights[-1])
        mlp.biases[-1].copy_(change @ mlp.biases[-1])
    after = joint_loss(mlp, iter([batch]), reader.task)
    assert after.item() == pytest.approx(before.item(), abs=1e-4)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_trace_loss_is_the_mean_ritz_value_of_the_batch(laplacian, rng):
    batch, mlp, reader = batch_and_mlp(rng, laplacian=laplacian, loss="trace")
    loss = joint_loss(mlp, iter([batch]), reader.task)
    pairs = align(reader, mlp.double(), generator=generator())[0]
    assert loss.item() == pytest.approx(pairs.eigenvalues.mean(), rel=1e-4)


def degenerate_rows(rng):
    return {
        "equal": np.ones((40, 3)),
        "two values": np.repeat(rng.normal(size=(2, 3)), 20, axis=0),
        "integers": rng.randint(2, size=(40, 3)).astype(float),
        "one outlier": np.r_[np.ones((39, 3)), [[1e6, 0, 0]]],
        "constant columns": rng.normal(size=(40, 3)) * [1, 0, 0],
    }


@pytest.mark.parametrize("name", sorted(degenerate_rows(np.random)))
@pytest.mark.parametrize("orthonorm", ["joint", "alternating"])
@pytest.mark.parametrize("loss", ["log", "trace"])
@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("zero", [False, True])
def test_degenerate_batches_have_finite_loss_and_gradient(
    name, orthonorm, loss, laplacian, zero, rng
):
    reader = reader_of(
        degenerate_rows(rng)[name], orthonorm=orthonorm, loss=loss, laplacian=laplacian
    )
    batch = reader.read(np.arange(40))
    mlp = MLP((3, 16, 5), "relu", None if zero else generator())
    value = STEPS[orthonorm](mlp, iter([batch, batch]), reader.task)
    value.backward()
    assert torch.isfinite(value)
    for parameter in mlp.parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


# --- reading


def test_inputs_are_the_points_where_they_are_the_same_rows(rng):
    batch = reader_of(rng.normal(size=(40, 3))).read(np.arange(10))
    assert batch.inputs.dtype == torch.float32
    assert batch.inputs.shape == (10, 3)


@pytest.mark.parametrize("entries", [2**20, 20])
def test_outputs_in_the_precision_of_the_network(entries, rng, monkeypatch):
    monkeypatch.setattr(_rows, "_BLOCK_ENTRIES", entries)  # in parts of 6 rows
    X = rng.normal(size=(40, 3))
    reader, mlp = reader_of(X), MLP((3, 4, 2), "tanh", generator())
    standard = torch.tensor((X - X.mean(0)) / np.sqrt(X.var(0).mean()))
    rows = rng.permutation(40)[:25]
    for network in (mlp, mlp.double()):
        inputs = standard[rows].to(network.biases[0].dtype)
        found = reader.outputs(network, rows)
        assert found.dtype == inputs.dtype
        rtol = 1e-4 if found.dtype == torch.float32 else 1e-12
        expected = network(inputs).detach()
        assert_allclose(found.detach(), expected, rtol=rtol, atol=1e-6)


def test_a_batch_without_inputs_has_the_same_graph(rng):
    reader, rows = reader_of(rng.normal(size=(40, 3))), np.arange(5, 35)
    whole, graph = reader.read(rows), reader.read_graph(rows)
    assert graph.inputs is None
    for one, other in zip(whole.affinity, graph.affinity, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_gamma_is_in_the_units_of_the_rows(size, rng):
    X = size * (rng.normal(size=(40, 3)) + 5)
    gamma = 0.3 / size**2
    W = reader_of(X, affinity="rbf", gamma=gamma).read(np.arange(40)).affinity.matrix
    squared = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    expected = np.exp(-gamma * squared) - np.eye(40)
    assert_allclose(W, expected, rtol=1e-3, atol=1e-6)


def test_callable_sees_the_rows_as_the_user_knows_them(rng):
    X = 1e3 + 50 * rng.normal(size=(40, 3))
    seen = []

    def spy(points):
        seen.append(points)
        return torch.ones(len(points), len(points))

    reader_of(X, affinity=spy).read(np.array([3, 1, 4]))
    assert seen[0].dtype == torch.float64
    assert_allclose(seen[0], X[[3, 1, 4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [(40, 10), (20, 5), (30, 8), (12, 5), (6, 5), (5, 4), (2, 1)],
)
def test_neighbours_of_a_smaller_batch(n_rows, expected, rng):
    # The same share of the batch, but at least 5 and never the row itself.
    X = rng.normal(size=(40, 3))
    reader = reader_of(X, n_neighbors=10, affinity="nearest_neighbors")
    affinity = reader.read(np.arange(n_rows)).affinity
    assert float(affinity.degrees.sum()) == n_rows * expected  # weights are 1


def test_batches_take_every_row_of_a_pass(rng):
    X = rng.normal(size=(103, 3))
    recorder = Recorder(X, batch_size=20)
    rows = np.arange(3, 103)
    batches = _random_batches(recorder, rows, generator())
    sizes = [len(next(batches).inputs) for _ in range(20)]  # 5 batches, gone 4 times
    assert set(sizes) == {20}
    assert_array_equal(np.sort(np.concatenate(recorder.asked)), rows)
    next(batches)  # a new pass draws new batches
    assert_array_equal(np.sort(np.concatenate(recorder.asked[5:10])), rows)
    assert (recorder.asked[0] != recorder.asked[5]).any()


def test_batches_are_nearly_equal_and_at_most_as_asked(rng):
    recorder = Recorder(rng.normal(size=(101, 3)), batch_size=50)
    next(_random_batches(recorder, np.arange(101), generator()))
    assert sorted(map(len, recorder.asked)) == [33, 34, 34]


def test_one_batch_of_all_rows_is_read_once(rng):
    recorder = Recorder(rng.normal(size=(40, 3)), batch_size=40)
    batches = _random_batches(recorder, np.arange(40), generator())
    for _ in range(50):
        next(batches)
    assert len(recorder.asked) == 1


@pytest.mark.parametrize(("n", "n_held_out"), [(1000, 250), (700, 0)])
def test_held_out_rows_are_never_trained_on(n, n_held_out, rng):
    # A quarter of 700 rows is below the 200 that make a loss worth looking at.
    recorder = Recorder(
        rng.normal(size=(n, 3)), batch_size=125, **{"validation_fraction": 0.25}
    )
    random = generator()
    mlp = new_map(recorder, random)
    history = fit_map(
        recorder,
        mlp,
        Schedule(3, 0.01, 0.0, 1e-2, 5),
        generator=random,
        interrupts=Interrupts(),
        epochs=Epochs(FitTask(NoContext(), None, None, None)),
    )
    asked = recorder.asked
    n_parts = n_held_out // 125
    held_out = set(np.concatenate([[], *asked[:n_parts]]).astype(int))
    trained = set(np.concatenate(asked[n_parts:]))
    assert len(held_out) == n_held_out
    assert not held_out & trained
    assert (history.validation_loss_curve is None) == (n_held_out == 0)
    if n_held_out:
        assert len(history.validation_loss_curve) == len(history.loss_curve) == 3


def test_new_map_has_a_few_outputs_more_and_fits_the_batch(rng):
    X = rng.normal(size=(40, 3))
    reader = reader_of(X, n_components=3, hidden_layer_sizes=(8, 7))
    mlp = new_map(reader, generator())
    assert [tuple(w.shape) for w in mlp.weights][:2] == [(8, 3), (7, 8)]
    assert 3 < len(mlp.biases[-1]) <= 40
    small = reader_of(rng.normal(size=(4, 3)), n_components=3, batch_size=4)
    assert len(new_map(small, generator()).biases[-1]) == 4


def test_endless_batches_are_closed(rng, collected):
    # Who waits for the garbage collector loses a Ctrl-C that comes while it works.
    made = collected(_batch_graph, "_random_batches")
    SpectralNetClustering(3, max_iter=2).fit(rng.normal(size=(90, 3)))
    assert [inspect.getgeneratorstate(batches) for batches in made] == ["GEN_CLOSED"]


# --- alignment


@pytest.fixture
def last_order(monkeypatch):
    """The order in which an estimator's reader was last asked for rows."""
    orders = []

    class Spy(BatchReader):
        def read_graph(self, rows):
            orders[:] = [np.array(rows)]
            return super().read_graph(rows)

    monkeypatch.setattr(_batch_graph, "BatchReader", Spy)
    return lambda: orders[0]


def graph_of(model, X, order):
    """The graph of all rows as one batch, built again from outside.

    In the order of the alignment: float32 distances differ in their last bit with the
    order of the rows, and with it, where two are as far, who is whose neighbour.
    """
    rows = Rows(X, *center_and_scale(X))
    points = torch.tensor(rows.batch(order), dtype=torch.float32)
    affinity = batch_affinity(
        points, model.affinity, n_neighbors=model.n_neighbors_, gamma=None
    )
    W = affinity.apply(torch.eye(len(X), dtype=torch.float64)).numpy()
    return W, W.sum(axis=1)


def laplacian_and_weights(W, d, laplacian):
    L = np.diag(d) - W
    if laplacian == "symmetric":
        return L / np.sqrt(np.outer(d, d)), np.ones(len(d))
    return L, d if laplacian == "random_walk" else np.ones(len(d))


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("affinity", ["self_tuning", "nearest_neighbors", "rbf"])
def test_orthonormal_after_alignment(
    laplacian, affinity, last_order, global_random_seed, rng
):
    # 400 rows are one batch, so the inner product of the alignment can be built
    # again from outside.
    X = rng.normal(size=(400, 3)) + 8 * rng.randint(2, size=(400, 1))
    model = SpectralNetClustering(
        3,
        diffusion_time=0,
        laplacian=laplacian,
        affinity=affinity,
        random_state=global_random_seed,
    ).fit(X)
    order = last_order()
    W, d = graph_of(model, X, order)
    L, weights = laplacian_and_weights(W, d, laplacian)
    Y = model.transform(X[order])
    assert metrics.orthonormality_error(Y, weights) <= 1e-6
    narrow = model.transform(X[order].astype(np.float32))
    assert metrics.orthonormality_error(narrow, weights) <= 1e-4
    # Ritz values: the Rayleigh quotients of these very outputs, ascending.
    quotients = np.einsum("ij,ij->j", Y, L @ Y) / (weights @ Y**2)
    assert_allclose(model.eigenvalues_, quotients, rtol=1e-4, atol=1e-7)
    off_diagonal = Y.T @ L @ Y / weights.sum()
    assert_allclose(off_diagonal, np.diag(model.eigenvalues_), atol=1e-5)
    assert (np.diff(model.eigenvalues_) >= 0).all()


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_orthonormal_after_a_float32_fit(
    laplacian, last_order, global_random_seed, rng
):
    X = (rng.normal(size=(400, 3)) + 8 * rng.randint(2, size=(400, 1))).astype("f4")
    model = SpectralNetEmbedding(
        4,
        drop_first=False,
        laplacian=laplacian,
        neighbors_in="batch",
        init="random",
        random_state=global_random_seed,
    ).fit(X)
    order = last_order()
    weights = laplacian_and_weights(*graph_of(model, X, order), laplacian)[1]
    assert model.embedding_.dtype == np.float32
    assert metrics.orthonormality_error(model.embedding_[order], weights) <= 1e-4


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_alignment_over_many_batches(laplacian, rng):
    # Orthonormal and diagonal in the *mean* over the batches of the partition.
    network = {"hidden_layer_sizes": (16,), "activation": "tanh"}
    recorder = Recorder(rng.normal(size=(230, 3)), laplacian=laplacian, **network)
    mlp = new_map(recorder, generator()).double()
    recorder.asked.clear()
    alignment = align(recorder, mlp, generator=generator())
    asked = list(recorder.asked)
    assert_array_equal(np.sort(np.concatenate(asked)), np.arange(230))
    gram = form = total = largest = 0.0
    for rows in asked:
        batch = recorder.read_graph(rows)
        b = len(rows)
        W = batch.affinity.apply(torch.eye(b, dtype=torch.float64)).numpy()
        L, weights = laplacian_and_weights(W, W.sum(axis=1), laplacian)
        Y = recorder.outputs(mlp, rows).detach().numpy() @ alignment.pairs.coefficients
        gram = gram + Y.T @ (weights[:, None] * Y)
        form = form + Y.T @ L @ Y
        total += weights.sum()
        largest = max(largest, W.sum(axis=1).max())
    assert_allclose(gram / total, np.eye(len(gram)), atol=1e-6)
    values = alignment.pairs.eigenvalues
    assert_allclose(form / total, np.diag(values), atol=1e-6)
    assert alignment.largest_degree == pytest.approx(largest, rel=1e-5)
    assert (np.diff(values) >= 0).all()


def test_graph_without_edges_is_named(rng):
    X = 1e3 * rng.normal(size=(40, 3))
    reader = reader_of(X, affinity="rbf", gamma=1e3)
    mlp = new_map(reader, generator()).double()
    with pytest.raises(ValueError, match=r"no edges.*smaller gamma"):
        align(reader, mlp, generator=generator())
