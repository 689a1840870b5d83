"""The neighbour graph of all rows, made and learned from on a cluster of dask."""

import copy
import os
import pickle
import signal
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from skspectralnet import SpectralNetClustering, SpectralNetEmbedding
from skspectralnet._eigen import grassmann_distance
from skspectralnet._graph import repeated_graph
from skspectralnet._neighbor_graph import neighbor_affinity
from skspectralnet._rows import Rows, Units, standardised
from skspectralnet._stages import Stages

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from skspectralnet.dask import (  # noqa: E402
    DaskSpectralNetClustering,
    DaskSpectralNetEmbedding,
    _cells,
    _edges,
    _neighbors,
    _rank,
)

pytestmark = [
    pytest.mark.skipif(
        not torch.distributed.is_available(), reason="torch without torch.distributed"
    ),
    pytest.mark.filterwarnings(
        "ignore:The spectral loss was still falling",
        "ignore:The .* graph .*:UserWarning",
        "ignore:The learned eigenvectors",
    ),
]
# A fit in seconds by two ranks; of blobs the map finds all in a few steps.
ON_GRAPH = {
    **{"subsample": None, "metric_learner": None, "neighbors_in": "data"},
    **{"batch_size": 128, "max_iter": 2, "hidden_layer_sizes": (64, 32)},
    "random_state": 0,
}


def recipe(n_columns=2, k=5, **task):
    """As far as neighbours and edges need it: points as they are."""
    units = Units(np.zeros(n_columns), 1.0)
    settings = {"affinity": "self_tuning", "gamma": None, "batch_size": 2}
    task = SimpleNamespace(**{**settings, "n_neighbors": k, **task})
    return SimpleNamespace(
        points=units,
        inputs=units,
        task=task,
        seed=0,
        dtype=np.dtype(float),
        stages=Stages(None, None, "euclidean", "metric"),
    )


def nodes_of(X):
    return _cells.Nodes(X, None, np.ones(X.shape[0]))


def computed(tasks):
    return dask.compute(*tasks, scheduler="sync")


# --- cells


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_halves_are_all_rows_and_small(kind, rng):
    X = rng.normal(size=(1000, 3)).astype(np.float32) * [1.0, 5.0, 1.0]
    halves = _cells._halves(kind(X), 130)
    assert_array_equal(np.sort(np.concatenate(halves)), np.arange(1000))
    assert max(map(len, halves)) <= 130
    assert min(map(len, halves)) >= 60
    # Cut where the rows spread most: no half is as wide as all rows.
    widths = [np.ptp(X[half, 1]) for half in halves]
    assert max(widths) < 0.7 * np.ptp(X[:, 1])
    equal = _cells._halves(kind(np.ones((300, 2), dtype=np.float32)), 100)
    assert [len(half) for half in equal] == [75] * 4


def test_pieces_are_all_rows_each_place_once(global_random_seed):
    X = np.random.RandomState(global_random_seed).normal(size=(60, 2))
    X[30:] = X[:30]
    places = np.array([[-1.0, 0.0], [1.0, 0.0], [99.0, 0.0]])
    pieces = [
        _cells.pieces_of_groups(block, (i, start), recipe(), places)
        for i, (block, start) in enumerate([(X[:40], 0), (X[:0], 40), (X[40:], 40)])
    ]
    assert pieces[1] == (None, None, None)
    left, right, none = (
        _cells.together(parts, recipe()) for parts in zip(*pieces, strict=True)
    )
    assert none is None
    assert_array_equal(np.sort(left.points, axis=0), np.sort(X[:30][X[:30, 0] < 0], 0))
    assert len(left.points) + len(right.points) == 30
    assert_array_equal(np.concatenate([left.counts, right.counts]), 2)
    assert _cells.cells_of_group(None, recipe(), 5) == []
    cells = _cells.cells_of_group(left, recipe(), 5)
    assert sum(len(cell.points) for cell in cells) == len(left.points)


# --- neighbours


def all_cells(X, most):
    """Cells of rows in memory, and the rows in the order of the nodes."""
    cells = _cells.cells_of_group(nodes_of(X), recipe(X.shape[1]), most)
    sizes = np.array([len(cell.points) for cell in cells])
    centers = np.stack([_cells.mean_of(cell, recipe(X.shape[1])) for cell in cells])
    near = _cells.near_cells(centers)
    nodes = [dask.delayed(cell, traverse=False) for cell in cells]
    found = _cells.Cells(nodes, sizes, len(X), centers, near)
    return found, np.concatenate([cell.points for cell in cells])


def all_lists(X, most, monkeypatch, k=5):
    """The cells of rows in memory, their lists, and the rows in that order."""
    monkeypatch.setattr(_neighbors, "_BUCKET_ROWS", most)
    cells, X = all_cells(X, most // _neighbors._BUCKETS)
    lists = computed(_neighbors._list_tasks(cells, recipe(X.shape[1], k)))
    return cells, lists, X


def exact_of(X, k):
    return NearestNeighbors(n_neighbors=k).fit(X).kneighbors()


@pytest.mark.parametrize("most", [4000, 300, 160])
def test_neighbours_by_buckets(most, rng, monkeypatch):
    """All of them where all rows are in one bucket, else nearly all."""
    X = rng.normal(size=(600, 3))
    cells, lists, X = all_lists(X, most, monkeypatch)
    numbers, squared = (np.concatenate(x) for x in zip(*lists, strict=True))
    distances, exact = exact_of(X, 5)
    found = (numbers[:, :, None] == exact[:, None, :]).any(axis=1)
    recall, width = computed([_neighbors._recall_task(cells, lists, recipe(3))])[0]
    assert recall == pytest.approx(found.mean(), abs=1e-9)
    assert width == pytest.approx(np.median(distances[:, -1]), rel=1e-5)
    assert recall == 1.0 if most == 4000 else recall > 0.9
    assert np.all(numbers != np.arange(600)[:, None])
    assert np.all(np.diff(squared, axis=1) >= 0)
    between = np.sum((X[numbers] - X[:, None]) ** 2, axis=2)
    assert_allclose(squared, between, rtol=1e-4, atol=1e-9)


def test_buckets_are_capped_and_keep_the_nearest_guests(rng):
    own, guests = rng.normal(size=(20, 2)), rng.normal(size=(50, 2))
    squared = rng.permutation(50).astype(float)
    visitors = [
        (100, _neighbors.Guests(np.arange(30), guests[:30], squared[:30])),
        (200, _neighbors.Guests(np.arange(5, 25), guests[30:], squared[30:])),
    ]
    sides = _neighbors.found_in_bucket(nodes_of(own), recipe(), 7, visitors, (5, 45))
    assert sum(len(places) for places, _ in sides) == 45
    assert_array_equal(sides[0][0], np.arange(20))
    kept = np.concatenate([sides[1][0], sides[2][0] + 25])
    assert_array_equal(kept, np.flatnonzero(squared < 25))
    numbers = np.unique(np.concatenate([lists.numbers for _, lists in sides]))
    assert set(numbers) <= {*range(7, 27), *range(100, 130), *range(205, 225)}


def test_lists_of_few_nodes_say_what_is_missing():
    X = np.array([[0.0, 0.0], [3.0, 4.0]])
    lists = _neighbors._lists(X, np.array([10, 20]), 3)
    assert_array_equal(lists.numbers, [[20, -1, -1], [10, -1, -1]])
    assert_array_equal(lists.squared[:, 0], 25.0)
    assert np.all(np.isinf(lists.squared[:, 1:]))
    one = _neighbors._lists(X[:1], np.array([10]), 3)
    assert np.all(one.numbers == -1)
    first = _neighbors.Lists(*(x[:1] for x in lists))
    merged = _neighbors.merged((None, lists), [(np.array([1]), first)])
    assert_array_equal(merged.numbers[0], [20, -1, -1])
    assert_array_equal(np.sort(merged.numbers[1]), [-1, 10, 20])


def test_sparse_points_have_the_same_neighbours(rng, monkeypatch):
    X = sparse.random(300, 60, density=0.2, format="csr", random_state=rng)
    few = {**vars(recipe(60)), "points": Units(np.zeros(60), 1.0)}
    cells = _cells.cells_of_group(nodes_of(X), SimpleNamespace(**few), 80)
    dense = _cells.cells_of_group(nodes_of(X.toarray()), SimpleNamespace(**few), 80)
    for cell, other in zip(cells, dense, strict=True):
        assert sparse.issparse(cell.points)
        assert_array_equal(cell.points.toarray(), other.points)
    one, other = (
        _neighbors.found_in_bucket(c[0], SimpleNamespace(**few), 0, [], (5, 80))
        for c in (cells, dense)
    )
    assert_array_equal(one[0][1].numbers, other[0][1].numbers)


# --- edges


def parts_of(X, counts, n_ranks, monkeypatch, **task):
    """The GraphPart of each rank, and the rows in the order of the nodes."""
    cells, lists, X = all_lists(X, 4000, monkeypatch)
    cell = computed(cells.nodes)[0]._replace(counts=counts)
    nodes = [dask.delayed(cell, traverse=False)]
    cells = cells._replace(nodes=nodes, n_rows=int(counts.sum()))
    lists, asked = [dask.delayed(lists[0], traverse=False)], recipe(2, **task)
    ((recall, width),) = computed([_neighbors._recall_task(cells, lists, asked)])
    found = _neighbors.Neighborhoods(cells, lists, recall, width)
    weighing = _edges.weighing_of(found, asked, n_ranks)
    assert weighing.n_ranks == n_ranks
    return computed(_edges._tasks(found, weighing)), X


@pytest.mark.parametrize("n_ranks", [1, 2, 3])
@pytest.mark.parametrize("affinity", ["self_tuning", "nearest_neighbors", "rbf"])
def test_parts_are_the_graph_of_one_memory(n_ranks, affinity, rng, monkeypatch):
    X = rng.normal(size=(300, 2))
    X[:3] = [[40.0, 0.0], [40.1, 0.0], [40.0, 0.2]]  # an island
    counts = rng.randint(1, 4, size=300).astype(float)
    parts, X = parts_of(X, counts, n_ranks, monkeypatch, affinity=affinity)
    points = standardised(Rows(X, *recipe().points))
    settings = {"gamma": None, "random_state": rng}
    graph = neighbor_affinity(points, affinity, 5, **settings)
    graph = repeated_graph(graph, counts / counts.mean()).toarray()
    degrees, start = graph.sum(axis=1), 0
    for part in parts:
        n_own = part.graph.shape[0]
        nodes = [np.flatnonzero((row == X).all(axis=1))[0] for row in part.inputs]
        assert_array_equal(nodes[:n_own], np.arange(start, start + n_own))
        found = np.zeros((n_own, 300))
        found[:, nodes] = part.graph.toarray()
        assert_allclose(found, graph[start : start + n_own], rtol=1e-4, atol=1e-12)
        assert_allclose(part.degrees, degrees[nodes], rtol=1e-5)
        start += n_own
    assert start == 300


def test_nodes_without_an_edge_are_left_out(rng, monkeypatch):
    X = rng.normal(size=(100, 2)) * 0.01
    X[:4] = [[50.0, 0.0], [0.0, 60.0], [-70.0, 0.0], [0.0, -80.0]]
    task = {"affinity": "rbf", "gamma": 1.0}
    parts, X = parts_of(X, np.ones(100), 3, monkeypatch, **task)
    assert sum(part.graph.shape[0] for part in parts) == 96
    for part in parts:
        assert part.degrees.min() > 0
        assert len(part.degrees) == part.inputs.shape[0] == part.graph.shape[1]


# --- the fit


@pytest.fixture(scope="module")
def on_graph(client, sorted_blobs):
    """A model of the graph of all rows, which lie in four chunks."""
    X = da.from_array(sorted_blobs[0], chunks=(200, 3))
    return DaskSpectralNetClustering(4, **ON_GRAPH).fit(X), X


def test_labels_are_those_of_the_plain_estimator(
    client, on_graph, sorted_blobs, nothing_runs
):
    model, _ = on_graph
    plain = SpectralNetClustering(4, **ON_GRAPH).fit(sorted_blobs[0])
    labels = model.labels_.compute()
    assert adjusted_rand_score(labels, plain.labels_) == 1.0
    assert model.neighbors_recall_ == 1.0
    assert model.n_neighbors_ == plain.n_neighbors_
    # The same graph: the eigenvalues of clusters, and that after them.
    assert_allclose(model.eigenvalues_[:4], 0.0, atol=1e-3)
    error = model.approximation_error_
    assert error.distance is None
    assert np.all(error.residuals[:4] < 0.1)
    local = model.to_local()
    assert_array_equal(local.predict(sorted_blobs[0]), labels)
    for name in ("subsample", "neighbors_in", "random_state"):
        assert getattr(local, name) == getattr(model, name)
    stored = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert stored.neighbors_recall_ == 1.0
    assert nothing_runs(client)
    assert not torch.distributed.is_initialized()


def test_parts_of_the_rows_change_nothing(assert_same_map, client, on_graph):
    """Others, one of them empty, and the last row alone."""
    model, X = on_graph
    again = clone(model).fit(X.rechunk(((500, 0, 299, 1), 3)))
    assert_same_map(again, model)


def test_many_buckets_and_the_order_of_the_rows(client, sorted_blobs, monkeypatch):
    """And copies of rows, which would fill the lists of each other."""
    monkeypatch.setattr(_neighbors, "_BUCKET_ROWS", 400)
    parts = collected_parts(monkeypatch)
    order = np.append(np.random.RandomState(0).permutation(800), [5] * 40)
    X, y = sorted_blobs[0][order], sorted_blobs[1][order]
    model = DaskSpectralNetClustering(4, **ON_GRAPH)
    model.fit(da.from_array(X, chunks=((300, 0, 540), 3)))
    assert adjusted_rand_score(model.labels_.compute(), y) == 1.0
    assert 0.9 < model.neighbors_recall_ <= 1.0
    assert len(parts) == 2
    assert sum(part.graph.shape[0] for part in parts) == 800


def collected_parts(monkeypatch):
    found, original = [], _rank.PartReader

    def reader(inputs, part, task):
        found.append(part)
        return original(inputs, part, task)

    monkeypatch.setattr(_rank, "PartReader", reader)
    return found


def arc(n_rows, seed=0):
    """Rows along half a circle, in the order of their angles."""
    rng = np.random.RandomState(seed)
    angles = np.sort(rng.uniform(0, np.pi, n_rows))
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    return X + rng.normal(scale=0.03, size=X.shape)


@pytest.mark.parametrize(
    "init", ["spectral", pytest.param("random", marks=pytest.mark.slow)]
)
def test_embedding_is_that_of_the_plain_estimator(client, init):
    X = arc(500)
    settings = {**ON_GRAPH, "init": init}
    settings["max_iter"] = 10 if init == "spectral" else 40
    model = DaskSpectralNetEmbedding(2, **settings)
    Z = model.fit_transform(da.from_array(X, chunks=(150, 2))).compute()
    plain = SpectralNetEmbedding(2, **settings).fit_transform(X)
    assert grassmann_distance(Z, plain) < 0.1
    assert model.n_iter_ == len(model.loss_curve_)
    assert DaskSpectralNetEmbedding().get_params()["neighbors_in"] == "data"


def test_recall_is_that_of_the_last_fit(client, on_graph):
    model, X = copy.copy(on_graph[0]), on_graph[1]
    assert model.neighbors_recall_ == 1.0
    model.set_params(neighbors_in="batch").fit(X)
    with pytest.raises(AttributeError, match="neighbors_recall_"):
        _ = model.neighbors_recall_
    assert not hasattr(model, "approximation_error_")


def test_a_lost_rank_changes_nothing(assert_same_map, client, on_graph, monkeypatch):
    model, X = on_graph
    keep, lost = _rank.Checkpoints.keep, []

    def keep_until(self, state):
        keep(self, state)
        if self._held is None and len(state()["curves"]) == 1 and not lost:
            lost.append(True)
            raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr(_rank.Checkpoints, "keep", keep_until)
    assert_same_map(clone(model).fit(X), model)
    assert lost


def test_nothing_of_the_size_of_the_rows_comes_to_the_client(client, monkeypatch):
    """What tasks return is hardly larger for five times as many rows: some numbers for
    each cell of thousands."""
    sizes = {}
    result, gather = distributed.Future.result, distributed.Client.gather

    def noted(value):
        sizes[n_rows] = max(sizes.get(n_rows, 0), len(pickle.dumps(value)))
        return value

    monkeypatch.setattr(
        distributed.Future, "result", lambda *args, **kw: noted(result(*args, **kw))
    )
    monkeypatch.setattr(
        distributed.Client, "gather", lambda *args, **kw: noted(gather(*args, **kw))
    )
    settings = {**ON_GRAPH, "max_iter": 1, "hidden_layer_sizes": 8}
    for n_rows in (400, 2000):
        X = da.random.RandomState(0).normal(size=(n_rows, 2), chunks=(400, 2))
        DaskSpectralNetClustering(2, **settings).fit(X)
    assert sizes[2000] < 1.5 * sizes[400] < 8_000  # 2,000 numbers are 16,000 bytes


@pytest.mark.parametrize(
    ("changes", "labels", "says"),
    [
        ({"orthonorm": "alternating"}, None, "orthonorm='joint'"),
        ({"affinity": np.dot}, None, "affinity='self_tuning', or give subsample"),
        ({}, np.zeros(10), "partial_labels are edges.*neighbors_in='batch'"),
    ],
)
def test_what_a_graph_in_parts_cannot_follow(client, changes, labels, says):
    X = da.zeros((10, 2), chunks=(5, 2))
    model = DaskSpectralNetClustering(2, **ON_GRAPH).set_params(**changes)
    with pytest.raises(ValueError, match=says):
        model.fit(X, partial_labels=labels)


def test_bad_rows_and_a_graph_without_edges(client, sorted_blobs, nothing_runs):
    X = da.from_array(sorted_blobs[0], chunks=(400, 3))
    model = DaskSpectralNetClustering(4, **ON_GRAPH)
    broken = sorted_blobs[0].copy()
    broken[700, 1] = np.nan
    with pytest.raises(ValueError, match=r"Part 1 of X .*NaN"):
        model.fit(da.from_array(broken, chunks=(400, 3)))
    with pytest.raises(ValueError, match="distinct rows"):
        model.fit(da.zeros((800, 3), chunks=(400, 3)))
    with pytest.raises(ValueError, match="no edges"):
        clone(model).set_params(affinity="rbf", gamma=1e12).fit(X)
    assert nothing_runs(client)


# --- processes


@pytest.mark.slow
@pytest.mark.parametrize("init", ["spectral", "random"])
@pytest.mark.parametrize("data", ["moons", "blobs"])
def test_processes_find_what_the_plain_estimator_finds(processes, data, init):
    """Rows sorted by place, an empty part among them."""
    if data == "moons":
        X, y = make_moons(4000, noise=0.05, random_state=0)
    else:
        X, y = make_blobs(4000, centers=6, n_features=10, random_state=0)
    order = np.argsort(X[:, 0])
    X, n_clusters = X[order], len(np.unique(y))
    settings = {**{"metric_learner": None, "neighbors_in": "data"}, "init": init}
    settings |= {"subsample": None, "random_state": 0}
    plain = SpectralNetClustering(n_clusters, **settings).fit(X)
    model = DaskSpectralNetClustering(n_clusters, **settings, client=processes)
    model.fit(da.from_array(X, chunks=((900, 0, 2000, 1100), X.shape[1])))
    labels = processes.compute(model.labels_).result()
    assert adjusted_rand_score(labels, plain.labels_) >= 0.99
    assert adjusted_rand_score(labels, y[order]) >= 0.99
    assert model.neighbors_recall_ >= 0.9


def kill_at(client, prefix, over, killed):
    """Kill (-9) the first worker that has a task of a kind for a while."""
    pids = client.run(os.getpid)
    while not over.wait(0.02):
        for address, keys in client.processing().items():
            if any(str(key).startswith(prefix) for key in keys):
                # Of a training some epochs are to be made before.
                if not over.wait(1.0 if prefix == "on_rank" else 0.0):
                    killed.append(pids[address])
                    os.kill(pids[address], signal.SIGKILL)
                return


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("prefix", ["found_in_bucket", "on_rank"])
def test_a_killed_worker_changes_nothing(assert_same_map, processes, prefix):
    """While the graph is made, or learned from."""
    X = da.from_array(make_moons(20_000, noise=0.05, random_state=0)[0], (5000, 2))
    settings = {**ON_GRAPH, "max_iter": 30, "tol": 0.0, "n_iter_no_change": 40}
    model = DaskSpectralNetClustering(2, **settings, client=processes)
    processes.wait_for_workers(2, timeout=300)
    expected = clone(model).fit(X)
    over, killed = threading.Event(), []
    args = processes, prefix, over, killed
    killer = threading.Thread(target=kill_at, args=args, daemon=True)
    killer.start()
    found = clone(model).fit(X)
    over.set()
    killer.join()
    assert killed
    assert_same_map(found, expected)
    assert found.neighbors_recall_ == expected.neighbors_recall_
    processes.wait_for_workers(2, timeout=300)
