"""Neighbours of all rows, their graph, and the modularity of labels on it."""

import sys
import types

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.metrics import pairwise_distances

from skspectralnet import SiameseEmbedding, _graph
from skspectralnet._graph import (
    checked_graph,
    cut_share,
    graph_of_rows,
    modularity,
    modularity_parts,
    nearest_neighbors,
    neighbor_graph,
    normalized_cut,
    squared_lengths,
    symmetric_graph,
)


def find(X, k, algorithm="exact", seed=0, **limit):
    rng = np.random.RandomState(seed)
    return nearest_neighbors(X, k, algorithm=algorithm, random_state=rng, **limit)


def brute_force(X, k):
    """The k nearest other rows by all distances, nearest first."""
    distances = pairwise_distances(X)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def share_found(X, indices):
    """Share of the true neighbours among the found ones, over all rows."""
    distances = pairwise_distances(X)
    np.fill_diagonal(distances, np.inf)
    k = indices.shape[1]
    true = np.argpartition(distances, k, axis=1)[:, :k]
    return (true[:, :, None] == indices[:, None, :]).any(axis=2).mean()


def clustered(seed, n=5000):
    X, _ = make_blobs(n, n_features=8, centers=30, cluster_std=2.0, random_state=seed)
    return X


@pytest.fixture
def small_cells(monkeypatch):
    """Many cells, as with very many rows."""
    monkeypatch.setattr(_graph, "_CELL_ROWS", 100)


# --- neighbours


@pytest.mark.parametrize("k", [1, 5, 59])
@pytest.mark.parametrize("algorithm", ["auto", "exact"])
def test_exact_neighbours_are_those_of_all_distances(k, algorithm, rng):
    X = rng.normal(size=(60, 4))
    found = find(X, k, algorithm)
    assert_array_equal(found.indices, brute_force(X, k))
    assert found.recall == 1.0
    assert_array_equal(find(sparse.csr_array(X), k, algorithm).indices, found.indices)


def test_neighbours_by_hand():
    X = np.array([[0.0], [1.0], [3.0], [7.0]])
    for algorithm in ("exact", "cells"):
        found = find(X, 2, algorithm).indices
        assert found.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]


def duplicated(rng):
    """Rows many times over, more often than there are neighbours."""
    return np.r_[np.ones((20, 3)), np.repeat(rng.normal(size=(20, 3)), 3, axis=0)]


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("algorithm", ["exact", "cells"])
def test_no_row_is_its_own_neighbour(k, algorithm, rng, small_cells):
    for X in (rng.normal(size=(300, 3)), duplicated(rng), np.ones((9, 2))):
        indices = find(X, k, algorithm).indices
        assert indices.shape == (len(X), k)
        assert indices.dtype == np.int64
        assert not (indices == np.arange(len(X))[:, None]).any()
        assert all(len(set(row)) == k for row in indices)


@pytest.mark.parametrize("algorithm", ["exact", "cells"])
def test_equal_rows_are_each_others_neighbours(algorithm, rng):
    X = duplicated(rng)
    indices = find(X, 2, algorithm).indices
    assert_array_equal(X[indices], np.repeat(X[:, None], 2, axis=1))


def test_cells_find_most_neighbours(global_random_seed, small_cells):
    X = clustered(global_random_seed)
    found = find(X, 10, "cells", global_random_seed)
    own = share_found(X, found.indices)
    assert 0.97 <= own <= 1.0
    assert found.recall == pytest.approx(own, abs=0.02)


@pytest.mark.parametrize("n_columns", [2, 12])
def test_as_many_cells_are_searched_as_it_takes(
    n_columns, global_random_seed, small_cells
):
    X = np.random.RandomState(global_random_seed).normal(size=(3000, n_columns))
    found = find(X, 10, "cells", global_random_seed)
    assert 0.97 <= share_found(X, found.indices) <= 1.0


def test_recall_says_when_little_is_found(global_random_seed, small_cells, monkeypatch):
    monkeypatch.setattr(_graph, "_MOST_SEARCHED", 1)
    X = np.random.RandomState(global_random_seed).normal(size=(3000, 12))
    found = find(X, 10, "cells", global_random_seed)
    own = share_found(X, found.indices)
    assert own < 0.8
    assert found.recall == pytest.approx(own, abs=0.04)


def test_cells_are_searched_nearest_first(rng, small_cells):
    X = rng.normal(size=(1000, 3))
    indices = find(X, 6, "cells").indices
    distances = np.linalg.norm(X[:, None] - X[indices], axis=2)
    assert (np.diff(distances, axis=1) >= -1e-12).all()


def test_cells_follow_the_seed(global_random_seed, small_cells, monkeypatch):
    monkeypatch.setattr(_graph, "_MOST_SEARCHED", 1)
    X = np.random.RandomState(global_random_seed).normal(size=(1500, 10))
    one, two, other = (
        find(X, 5, "cells", global_random_seed + i).indices for i in (0, 0, 1)
    )
    assert_array_equal(one, two)
    assert (one != other).any()


def test_a_few_rows_far_from_all_others(rng, small_cells):
    X = np.r_[rng.normal(size=(1000, 3)), 1e4 + rng.normal(size=(3, 3))]
    indices = find(X, 10, "cells").indices
    assert_array_equal(
        np.sort(indices[-3:, :2]), [[1001, 1002], [1000, 1002], [1000, 1001]]
    )
    assert not (indices == np.arange(1003)[:, None]).any()
    assert share_found(X, indices) > 0.97


def test_cells_of_sparse_rows(rng, small_cells):
    X = rng.exponential(size=(1500, 12)) * (rng.uniform(size=(1500, 12)) < 0.5)
    found = find(sparse.csr_array(X), 8, "cells")
    assert share_found(X, found.indices) > 0.97
    assert found.recall > 0.97


def test_many_rows_take_cells(small_cells):
    X = clustered(0, 1200)
    many = find(X, 5, "auto", exact_rows=1199)
    assert_array_equal(many.indices, find(X, 5, "cells").indices)
    few = find(X, 5, "auto", exact_rows=1200)
    assert few.recall == 1.0
    assert_array_equal(few.indices, find(X, 5, "exact").indices)


def test_pynndescent_finds_neighbours(global_random_seed):
    pytest.importorskip("pynndescent")
    X, n_threads = clustered(global_random_seed, 2000), torch.get_num_threads()
    found = find(X, 10, "pynndescent", global_random_seed)
    assert torch.get_num_threads() == n_threads  # numba has set another number
    assert found.indices.dtype == np.int64
    assert not (found.indices == np.arange(2000)[:, None]).any()
    assert share_found(X, found.indices) > 0.9
    assert found.recall == pytest.approx(share_found(X, found.indices), abs=0.05)


def test_without_pynndescent_the_error_says_what_to_do(monkeypatch, rng):
    monkeypatch.setitem(sys.modules, "pynndescent", None)
    X = rng.normal(size=(30, 2))
    with pytest.raises(
        ImportError, match=r"pip install pynndescent.*'exact' or 'cells'"
    ):
        find(X, 3, "pynndescent")
    model = SiameseEmbedding(neighbors_algorithm="pynndescent")
    with pytest.raises(ImportError, match="neighbors_algorithm='pynndescent'"):
        model.fit(X)


class _Descent:
    """What pynndescent says of five rows on a line; of row 3 it has missed itself."""

    def __init__(self, X, *, n_neighbors, random_state):
        assert (X.shape, n_neighbors) == ((5, 1), 3)
        indices = [[0, 1, 2], [1, 0, 2], [2, 1, 3], [2, 4, 1], [4, 3, 2]]
        self.neighbor_graph = np.array(indices, dtype=np.int32), np.zeros((5, 3))


def test_what_pynndescent_finds_without_the_rows_themselves(monkeypatch):
    module = types.SimpleNamespace(NNDescent=_Descent)
    monkeypatch.setitem(sys.modules, "pynndescent", module)
    X = np.array([[0.0], [1.0], [2.1], [3.3], [4.6]])
    found = find(X, 2, "pynndescent")
    assert found.indices.dtype == np.int64
    assert found.indices.tolist() == [[1, 2], [0, 2], [1, 3], [2, 4], [3, 2]]
    assert found.recall == 1.0


# --- the graph


def test_graph_by_hand():
    # On the line 0, 1, 3, 7 the nearest of 0 is 1, of 1 is 0, of 3 is 1, of 7 is 3.
    graph = neighbor_graph(np.array([[0.0], [1.0], [3.0], [7.0]]), 1)
    expected = [[0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0.5, 0]]
    assert_array_equal(graph.toarray(), expected)


@pytest.mark.parametrize("k", [1, 5, 29])
def test_graph_is_symmetric_with_two_ends_for_each_neighbour(k, rng):
    X = rng.normal(size=(30, 3))
    W = neighbor_graph(X, k).toarray()
    assert_array_equal(W, W.T)
    assert_array_equal(W.diagonal(), 0)
    assert W.sum() == 30 * k
    assert set(np.unique(W)) <= {0, 0.5, 1}
    assert_array_equal(neighbor_graph(sparse.csr_array(X), k).toarray(), W)


def test_equal_rows_are_not_their_own_neighbours():
    W = neighbor_graph(np.ones((6, 2)), 3).toarray()
    assert_array_equal(W.diagonal(), 0)
    assert W.sum() == 18


def test_modularity_by_hand():
    # Pairs 0-1 and 2-3 of weight 1, and an edge of 1/2 between them. All entries
    # sum to 5, 4 of it inside the pairs; each pair has half of the degrees.
    W = [[0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0.5, 0, 1], [0, 0, 1, 0]]
    graph = sparse.csr_array(np.array(W))
    assert modularity(graph, np.array([0, 0, 1, 1])) == pytest.approx(4 / 5 - 1 / 2)
    assert modularity(graph, np.array([0, 0, 0, 0])) == pytest.approx(0.0)
    # Single rows: nothing inside, degrees 1, 3/2, 3/2, 1.
    alone = -(1 + 2.25 + 2.25 + 1) / 25
    assert modularity(graph, np.arange(4)) == pytest.approx(alone)


def test_modularity_is_the_sum_over_pairs(rng):
    graph = neighbor_graph(rng.normal(size=(40, 2)), 4)
    labels = rng.randint(5, size=40)
    A, d = graph.toarray(), graph.toarray().sum(axis=1)
    same = labels[:, None] == labels
    total = d.sum()
    expected = ((A - np.outer(d, d) / total) * same).sum() / total
    assert type(modularity(graph, labels)) is float
    assert modularity(graph, labels) == pytest.approx(expected)
    names = rng.permutation(5)
    assert_allclose(modularity(graph, names[labels]), expected, rtol=1e-12)


def test_random_labels_score_nothing(rng):
    graph = neighbor_graph(rng.normal(size=(300, 2)), 10)
    scores = [modularity(graph, rng.randint(3, size=300)) for _ in range(20)]
    assert abs(np.mean(scores)) < 0.02


# --- weighted graphs


def test_squared_lengths_keep_the_digits_of_near_rows(rng, monkeypatch):
    monkeypatch.setattr(_graph, "_BLOCK_ROWS", 7)
    X = rng.normal(size=(30, 4)) * 1e-6 + 1.0
    indices = brute_force(X, 3)
    expected = ((X[:, None] - X[indices]) ** 2).sum(axis=2)
    assert_allclose(squared_lengths(X, indices), expected, rtol=1e-14)
    rows = sparse.csr_array(X)
    assert_allclose(squared_lengths(rows, indices), expected, rtol=1e-14)


def test_symmetric_graph_is_the_mean_with_the_transpose(rng):
    indices, weights = brute_force(rng.normal(size=(20, 2)), 4), rng.uniform(size=80)
    weights = weights.reshape(20, 4)
    weights[3] = 0.0
    A = np.zeros((20, 20))
    np.put_along_axis(A, indices, weights, axis=1)
    graph = symmetric_graph(indices, weights)
    assert_allclose(graph.toarray(), (A + A.T) / 2)
    assert (graph.data > 0).all()
    same = neighbor_graph(np.arange(20.0)[:, None] ** 2, 2)
    indices = brute_force(np.arange(20.0)[:, None] ** 2, 2)
    found = symmetric_graph(indices, np.ones((20, 2)))
    assert_array_equal(found.toarray(), same.toarray())


def test_checked_graph_is_a_copy_without_self_loops(rng):
    W = rng.uniform(size=(6, 6))
    W = W + W.T
    given = sparse.csr_matrix(W)
    graph = checked_graph(given, 6)
    assert_array_equal(graph.diagonal(), 0)
    assert_array_equal(given.toarray(), W)
    assert_array_equal(graph.toarray(), checked_graph(W.tolist(), 6).toarray())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda W: W[:3], r"shape \(3, 4\).*expected \(4, 4\).*[Cc]ross-validation"),
        (lambda W: W - 2, "weight -1.*at least 0"),
        (lambda W: np.triu(W), "not symmetric.*graph.T"),
        (lambda W: W * np.nan, "NaN"),
        (lambda W: np.where(W > 0, np.inf, 0), "infinity"),
        (lambda W: np.eye(4), "no edges"),
    ],
)
def test_checked_graph_says_what_is_wrong(change, text):
    W = np.ones((4, 4)) - np.eye(4)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=text):
        checked_graph(change(W), 4)


def test_which_of_tied_neighbours_are_taken_does_not_follow_their_order(rng):
    """All rows of a cube: as far along one column as along another."""
    n_columns, k = 8, 3
    X = (np.arange(2**n_columns)[:, None] >> np.arange(n_columns)) % 2
    for Z in (X, X - X.mean(axis=0), 1.7 * (X + 3.1)):
        for rows in (Z, sparse.csr_array(Z)):
            found = nearest_neighbors(rows.astype(np.float32), k, random_state=rng)
            i = np.repeat(np.arange(len(X)), k)
            flipped = X[i] != X[found.indices.ravel()]
            assert_array_equal(flipped.sum(axis=1), 1)
            shares = flipped.mean(axis=0)
            # Four deviations of a share of 768 that is 1/8.
            assert np.all(np.abs(shares - 1 / n_columns) < 4 * 0.012)
            assert all(len(set(row)) == k for row in found.indices)


def test_ties_do_not_move_nearer_neighbours(rng):
    X = np.r_[0.0, 0.5, -0.6, 1.0, -1.0, 5.0, 6.0][:, None]
    found = nearest_neighbors(X, 3, random_state=rng).indices
    assert_array_equal(found[0, :2], [1, 2])
    assert found[0, 2] in (3, 4)
    assert_array_equal(found[5], [6, 3, 1])


@pytest.mark.parametrize("k", [2, 3, 4])
def test_which_of_tied_neighbours_are_taken_is_up_to_the_pair(k, rng):
    # Row 0 has one neighbour at .5 and four at 1, in any order of finding them.
    distances = np.array([[0.5, 1.0, 1.0 + 1e-6, 1.0, 1.0 - 1e-6, 1.5]])
    found = np.array([[7, 1, 2, 3, 4, 5]])
    chosen = set()
    for _ in range(20):
        order = np.r_[0, 1 + rng.permutation(4), 5]
        near = _graph._some_of_tied(distances, found[:, order], np.zeros(1, int), k)
        chosen.add(tuple(sorted(near[0])))
    (taken,) = chosen
    lots = _graph._lots(np.zeros(4, int), np.arange(1, 5))
    assert taken == (*sorted(1 + np.argsort(lots)[: k - 1]), 7)


def test_lots_are_those_of_pairs_and_as_good_as_random():
    i, j = np.triu_indices(200, 1)
    lots = _graph._lots(i, j)
    assert_array_equal(lots, _graph._lots(j, i))
    assert ((lots >= 0) & (lots < 1)).all()
    assert len(set(lots)) == len(lots)
    # Of 19,900 uniform numbers: four deviations of the share in each tenth, .0021.
    shares = np.bincount((10 * lots).astype(int), minlength=10) / len(lots)
    assert np.all(np.abs(shares - 0.1) < 4 * 0.0022)
    # The least of the pairs of a row is as often one column as another.
    least = _graph._lots(np.arange(200, 2200)[:, None], np.arange(10)).argmin(axis=1)
    shares = np.bincount(least, minlength=10) / 2000
    assert np.all(np.abs(shares - 0.1) < 4 * 0.0067)


@pytest.mark.parametrize(
    ("n_samples", "k", "expected"),
    [(1000, 10, 125), (1000, 70, 140), (4_000_000, 10, 160)],
)
def test_rows_of_a_cell_by_hand(n_samples, k, expected, monkeypatch):
    # 125, twice the neighbours, or .08 of the root of all rows: of 2,000.
    asked = []

    def stop(X, n_rows, random_state):
        asked.append(n_rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(_graph, "_cells", stop)
    X = np.broadcast_to(0.0, (n_samples, 1))
    with pytest.raises(KeyboardInterrupt):
        _graph._cell_neighbors(X, k, None, None)
    assert asked == [expected]


def test_a_group_without_rows_has_no_cells(monkeypatch):
    # Of three groups the second is empty; the others are divided into two each.
    X = np.arange(60.0)[:, None]
    found = iter([np.repeat([0, 2], [40, 20]), np.arange(40) % 2, np.arange(20) % 2])

    def k_means(rows, n_clusters, random_state):
        labels = next(found)
        assert len(labels) == len(rows)
        return labels, np.full((n_clusters, 1), float(len(rows)))

    monkeypatch.setattr(_graph, "_k_means", k_means)
    cells, centers = _graph._cells(X, 6, None)
    assert_array_equal(cells[:40], np.arange(40) % 2)
    n_first = round(40 / 6)
    assert_array_equal(cells[40:], n_first + np.arange(20) % 2)
    assert_array_equal(centers.ravel(), [40.0] * n_first + [20.0] * round(20 / 6))


def test_rounding_of_the_directions_is_taken_for_none(rng):
    # In float64 and as float32 and float16 leave it; the mean is taken, the diagonal
    # is not.
    W = rng.uniform(0.5, 1.0, size=(6, 6))
    W = W + W.T
    for kind, eps in (("f8", 1e-7), ("f4", 1e-7), ("f2", 1e-3)):
        given = (W * (1 + eps * rng.uniform(-1, 1, size=W.shape))).astype(kind)
        expected = given.astype(float)
        expected = (expected + expected.T) / 2
        np.fill_diagonal(expected, 0.0)
        for form in (np.asarray, sparse.csr_matrix, sparse.coo_array):
            if kind == "f2" and form is not np.asarray:
                continue  # there is no such sparse matrix
            assert_allclose(checked_graph(form(given), 6).toarray(), expected)
    given = W.copy()
    given[1, 4] *= 1 + 1e-4
    with pytest.raises(ValueError, match=r"from row (1 to row 4|4 to row 1) is"):
        checked_graph(given, 6)


def test_a_graph_of_some_rows(rng):
    W = rng.uniform(size=(6, 6))
    graph = checked_graph(W + W.T, 6)
    rows, weights = np.array([0, 2, 5]), np.array([1.0, 2.0, 3.0])
    some = graph_of_rows(graph, rows, weights).toarray()
    expected = graph.toarray()[np.ix_(rows, rows)] * np.outer(weights, weights)
    assert_allclose(some, expected, rtol=1e-14)
    assert_array_equal(graph_of_rows(graph, None, None).toarray(), graph.toarray())
    alone = np.zeros((3, 3))
    alone[0, 1] = alone[1, 0] = 1.0
    with pytest.raises(ValueError, match="no edges between the rows whose sample_w"):
        graph_of_rows(checked_graph(alone, 3), np.array([0, 2]), None)


def test_parts_of_the_modularity_by_hand():
    # The pairs of above, weight 5 in all: p = 1/5 each, s = (1, 3/2, 3/2, 1) / 5, the
    # sum of squares of a is 1/2, P = 4/5. So row 0 has
    # 3/10 + 4 (1/5 - 1/5 + 1/5 (1 - 4/5)), row 1 3/10 + 4 (1/5 - 3/10 + 3/10 / 5).
    W = [[0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0.5, 0, 1], [0, 0, 1, 0]]
    graph, labels = sparse.csr_array(np.array(W)), np.array([0, 0, 1, 1])
    parts = modularity_parts(graph, labels)
    assert_allclose(parts, [0.46, 0.14, 0.14, 0.46], rtol=1e-12)
    assert cut_share(graph, labels) == pytest.approx(1 / 5)


def test_the_mean_of_the_parts_is_the_modularity(rng):
    graph = neighbor_graph(rng.normal(size=(50, 2)), 5)
    labels = rng.randint(4, size=50)
    parts = modularity_parts(graph, labels)
    assert parts.mean() == pytest.approx(modularity(graph, labels), abs=1e-12)


def test_normalized_cut_by_hand():
    # Pairs 0-1 of weight .2 and 2-3 of .4, an edge of .1 between them, and a cluster
    # without edges: .1 / (.2 + .2 + .1) + .1 / (.4 + .4 + .1).
    W = np.zeros((6, 6))
    W[0, 1], W[2, 3], W[1, 2] = 0.2, 0.4, 0.1
    graph = sparse.csr_array(W + W.T)
    cut = normalized_cut(graph, np.array([0, 0, 1, 1, 2, 2]))
    assert cut == pytest.approx(0.1 / 0.5 + 0.1 / 0.9)
