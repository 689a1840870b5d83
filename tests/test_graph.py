"""The neighbour graph of all rows, and the modularity of labels on it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skspectralnet._graph import modularity, neighbor_graph


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
