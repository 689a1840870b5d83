"""Scores: arrays in, floats out."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import accuracy_score

from skspectralnet import metrics


def test_accuracy_by_hand():
    # Cluster 1 is class 0; of class 1 the cluster 0 covers one row of two.
    assert metrics.clustering_accuracy([0, 0, 1, 1], [1, 1, 0, 2]) == 0.75


def test_accuracy_is_the_best_naming(rng):
    true, pred = rng.randint(4, size=50), rng.randint(4, size=50)
    best = max(
        accuracy_score(true, np.array(names)[pred])
        for names in itertools.permutations(range(4))
    )
    assert metrics.clustering_accuracy(true, pred) == pytest.approx(best)


def test_accuracy_ignores_names(rng):
    true = rng.randint(3, size=60)
    names = np.array(["c", "a", "b"])
    assert metrics.clustering_accuracy(true, names[true]) == 1.0
    assert metrics.clustering_accuracy(names[true], true + 100) == 1.0
    assert isinstance(metrics.clustering_accuracy(true, true), float)


def test_accuracy_counts_rows_of_left_over_clusters_as_wrong():
    assert metrics.clustering_accuracy([0] * 4, [0, 1, 2, 3]) == 0.25
    assert metrics.clustering_accuracy([0, 1, 2, 3], [0] * 4) == 0.25


@pytest.mark.parametrize(
    ("true", "pred", "match"),
    [
        ([0, 1], [0], "inconsistent numbers of samples"),
        ([], [], "no rows is undefined"),
        ([[0, 1]], [0, 1], "1d array"),
    ],
)
def test_accuracy_bad_input(true, pred, match):
    with pytest.raises(ValueError, match=match):
        metrics.clustering_accuracy(true, pred)


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1e306])
def test_grassmann_distance_of_columns_of_any_length(size, rng):
    first, second = rng.normal(size=(2, 40, 3))
    expected = metrics.grassmann_distance(first, second)
    for sizes in (size, [1.0, size, -1.0]):
        scaled = first * sizes
        with np.errstate(all="raise"):
            found = metrics.grassmann_distance(scaled, second)
        # A number of size 1e-320 has three digits.
        near = 1e-9 if size > 1e-300 else 1e-1
        assert found == pytest.approx(expected, rel=near)


def test_orthonormality_error(rng):
    Q = np.linalg.qr(rng.normal(size=(40, 3)))[0] * np.sqrt(40)
    assert metrics.orthonormality_error(Q) < 1e-12
    assert metrics.orthonormality_error(Q * [1, 1, 2]) == pytest.approx(3.0)
    assert metrics.orthonormality_error(Q.astype(np.float32)) < 1e-5


def test_orthonormality_error_with_weights(rng):
    weights = rng.uniform(0.5, 2, size=40)
    Q = np.linalg.qr(rng.normal(size=(40, 3)))[0]
    Y = Q / np.sqrt(weights / weights.sum())[:, None]
    assert metrics.orthonormality_error(Y, weights) < 1e-12
    assert metrics.orthonormality_error(Y, 5 * weights) < 1e-12
    assert metrics.orthonormality_error(Y) > 1e-3


@pytest.mark.parametrize(
    ("embedding", "weights", "match"),
    [
        ([[np.nan], [1.0]], None, "NaN"),
        ([1.0, 2.0], None, "2D array"),
        ([[1.0], [1.0]], [1.0], "inconsistent numbers of samples"),
        ([[1.0], [1.0]], [1.0, np.inf], "infinity"),
    ],
)
def test_orthonormality_error_bad_input(embedding, weights, match):
    with pytest.raises(ValueError, match=match):
        metrics.orthonormality_error(embedding, weights)


def test_normalized_cut_by_hand():
    # Two pairs of weight 1 and an edge of 1/2 between them: degrees 5/2 each.
    W = np.array([[0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0.5, 0, 1], [0, 0, 1, 0]])
    assert metrics.normalized_cut(W, [0, 0, 1, 1]) == pytest.approx(0.4)
    assert metrics.normalized_cut(sparse.coo_array(W), list("bbaa")) == pytest.approx(
        0.4
    )
    assert metrics.normalized_cut(W, [7, 7, 7, 7]) == 0.0
    assert metrics.normalized_cut(W, [0, 1, 2, 3]) == pytest.approx(4.0)
    assert metrics.normalized_cut(W + 9 * np.eye(4), [0, 0, 1, 1]) == pytest.approx(0.4)


def test_a_row_without_edges_cuts_nothing():
    W = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert metrics.normalized_cut(W, [0, 0, 1]) == 0.0


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (np.ones((3, 2)), r"shape \(3, 2\).* 3 rows"),
        (
            np.array([[0, 1, 0], [2, 0, 0], [0, 0, 0]]),
            "not symmetric: .*row 0 to row 1",
        ),
        (-np.ones((3, 3)), "weight -1"),
        (np.zeros((3, 3)), "no edges"),
    ],
)
def test_normalized_cut_refuses_what_is_no_graph(graph, text):
    with pytest.raises(ValueError, match=text):
        metrics.normalized_cut(graph, [0, 0, 1])


def test_grassmann_distance_of_lists_is_a_float(rng):
    A, B = rng.normal(size=(2, 20, 3))
    assert type(metrics.grassmann_distance(A.tolist(), B.tolist())) is float
    assert metrics.grassmann_distance(A, -A[:, ::-1]) == pytest.approx(0)
    weights = np.arange(20)
    once = metrics.grassmann_distance(A, B, weights)
    assert metrics.grassmann_distance(A[1:], B[1:], weights[1:]) == pytest.approx(once)


@pytest.mark.parametrize(
    ("first", "second", "weights", "text"),
    [
        ([[1.0]], [[1.0, 2.0]], None, "shapes"),
        ([[1.0], [2.0]], [[1.0]], None, "shapes"),
        ([[np.nan]], [[1.0]], None, "NaN"),
        ([[1.0]], [[1.0]], [1.0, 2.0], "inconsistent"),
        ([[1.0]], [[1.0]], [-1.0], "at least 0"),
    ],
)
def test_grassmann_distance_refuses(first, second, weights, text):
    with pytest.raises(ValueError, match=text):
        metrics.grassmann_distance(first, second, weights)
