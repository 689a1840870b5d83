"""Memberships: their formula, their sharpness and what it is found from."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs

from skspectralnet._assignment import Centers, fit_assignment, named_like
from skspectralnet._probability import (
    Sharpness,
    shares_of_neighbors,
    shares_of_others,
)

WAYS = ["kmeans", "cluster_qr", "mixture"]


def test_memberships_by_hand():
    # Squared distances 1 and 9, scale 3: strengths 3/4 and 1/4; power 2: 9/10, 1/10.
    centers = Centers(np.array([[0.0], [4.0]]), 0.0)
    found = Sharpness(3.0, 2.0).probabilities(centers, np.array([[1.0]]))
    assert_allclose(found, [[0.9, 0.1]])


def test_ties_go_to_the_label():
    # Very far rows are as far from all centres, the middle one as near to two.
    centers = Centers(np.array([[-1.0], [1.0]]), 0.0)
    Z = np.array([[0.0], [1e12], [-1e12], [1e100]])
    found = Sharpness(1.0, 1e-3).probabilities(centers, Z)
    assert_array_equal(found.argmax(axis=1), centers.labels(Z))
    assert_allclose(found, 0.5)


@pytest.mark.parametrize("how", WAYS)
def test_the_label_is_the_largest(how, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    Z = rng.normal(size=(500, 4)) * 10.0 ** rng.uniform(-8, 8, size=(500, 1))
    assignment = fit_assignment(Z[:200], 4, how, n_init=1, random_state=rng)
    for power in (1e-3, 1.0, 400.0):
        found = Sharpness(assignment.spread(Z), power).probabilities(assignment, Z)
        assert_array_equal(found.argmax(axis=1), assignment.labels(Z))
        assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize("power", [0.5, 2.0, 6.0])
def test_the_power_of_memberships_is_found_again(power, rng):
    """Labels drawn from the memberships of a power are as sharp as that power."""
    Z = rng.normal(size=(4000, 2))
    centers = Centers(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.5]]), 0.0)
    true = Sharpness(centers.spread(Z), power).probabilities(centers, Z)
    drawn = (rng.uniform(size=(4000, 1)) > true.cumsum(axis=1)).sum(axis=1)
    shares = np.eye(3)[np.minimum(drawn, 2)]
    found = Sharpness.fit(centers, Z, shares, None)
    assert found.power == pytest.approx(power, rel=0.2)
    # A row that counts twice is two rows.
    weights = rng.randint(1, 3, size=4000)
    twice = Sharpness.fit(
        centers, np.repeat(Z, weights, axis=0), np.repeat(shares, weights, axis=0), None
    )
    counted = Sharpness.fit(centers, Z, shares, weights)
    assert counted.power == pytest.approx(twice.power, rel=0.05)


def test_nothing_known_is_a_power_of_one():
    centers = Centers(np.array([[0.0], [4.0]]), 0.0)
    assert Sharpness.fit(centers, np.zeros((5, 1)), None, None).power == 1.0


def test_names_by_hand():
    assert_array_equal(named_like(np.array([1, 1, 0]), np.array([0, 0, 2])), [0, 0, 2])


def test_shares_of_neighbors_by_hand():
    # Row 1 has weight 3 to a row of cluster 0 and 1 to one of cluster 1; row 3 none.
    graph = sparse.csr_array(
        np.array([[0, 3, 0, 0], [3, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=float)
    )
    rows, shares = shares_of_neighbors(graph, np.array([0, 0, 1, 1]), 2)
    assert_array_equal(rows, [0, 1, 2])
    assert_allclose(shares, [[1, 0], [0.75, 0.25], [1, 0]])


def test_other_clusterings_agree_on_what_is_apart(global_random_seed):
    centers = 12.0 * np.eye(3)
    X, y = make_blobs(300, centers=centers, random_state=global_random_seed)
    rows, shares, weights = shares_of_others(X, y, 3)
    assert_array_equal(rows, np.arange(300))
    assert weights is None
    assert_allclose(shares, np.eye(3)[y])
    # Copies count as often as they occur.
    repeated = np.r_[X, X[:100]]
    rows, shares, weights = shares_of_others(repeated, np.r_[y, y[:100]], 3)
    assert len(rows) == 300
    assert_allclose(weights[:100] / weights[100:200], 2.0)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_rows_say_nothing(n):
    X = np.arange(n, dtype=float)[:, None]
    assert shares_of_others(X, np.zeros(n, dtype=int), 2)[1] is None


@pytest.mark.parametrize("n", [20, 30])
def test_a_row_too_far_for_an_edge_says_nothing_of_the_others(n, global_random_seed):
    """It has no eigenvector, and its zero degree made NaN of all of them."""
    centers = 12.0 * np.eye(2)
    X, y = make_blobs(n, centers=centers, random_state=global_random_seed)
    far = np.r_[X, [[1e30, 1e30]]]
    rows, shares, _ = shares_of_others(far, np.r_[y, 0], 2)
    assert_array_equal(rows, np.arange(n + 1))
    assert_array_equal(shares[:-1].argmax(axis=1), y)
    assert_allclose(shares.sum(axis=1), 1.0)
