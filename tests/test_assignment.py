"""Embedding to labels: centres, their order, and too few distinct rows."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from skspectralnet._assignment import fit_centers, nearest_center


def groups(rng, sizes, spread=0.01):
    """Rows around the corners 10 e_j of a simplex."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    Z = 10.0 * np.eye(len(sizes))[labels]
    return Z + spread * rng.normal(size=Z.shape), labels


def fit(Z, n_clusters, seed=0):
    return fit_centers(
        Z, n_clusters, n_init=10, random_state=np.random.RandomState(seed)
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_largest_cluster_first(dtype, rng):
    Z, labels = groups(rng, [5, 40, 20, 10])
    centers, _ = fit(Z.astype(dtype), 4)
    order = np.array([3, 0, 1, 2])  # the names of the groups, by size
    assert_array_equal(nearest_center(Z.astype(dtype), centers), order[labels])
    assert_allclose(centers, 10 * np.eye(4)[[1, 2, 3, 0]], atol=0.1)


def test_inertia_is_the_sum_of_squared_distances(rng):
    Z, _ = groups(rng, [20, 10], spread=1.0)
    centers, inertia = fit(Z, 2)
    own = centers[nearest_center(Z, centers)]
    assert isinstance(inertia, float)
    assert inertia == pytest.approx(((Z - own) ** 2).sum())
    for j in range(2):
        members = Z[nearest_center(Z, centers) == j]
        assert_allclose(centers[j], members.mean(axis=0))


def test_same_seed_same_centers(rng):
    Z = rng.normal(size=(100, 3))
    assert_array_equal(fit(Z, 5, seed=1)[0], fit(Z, 5, seed=1)[0])


@pytest.mark.parametrize("n_distinct", [1, 2, 3])
def test_fewer_distinct_rows_than_clusters(n_distinct, rng):
    Z = np.repeat(np.eye(4)[:n_distinct], [7, 6, 5][:n_distinct], axis=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        centers, inertia = fit(Z, 4)
    assert len(caught) == 1
    assert issubclass(caught[0].category, ConvergenceWarning)
    assert f"Only {n_distinct} clusters were found" in str(caught[0].message)
    assert "n_clusters=4" in str(caught[0].message)
    assert_allclose(centers, np.eye(4)[:n_distinct], atol=1e-12)
    assert inertia == pytest.approx(0.0, abs=1e-12)


def test_distinct_rows_are_counted_past_the_first_ones():
    # 600 equal rows before the others: a look at the first ones is not enough.
    Z = np.r_[np.zeros((600, 2)), np.full((50, 2), 3.0), np.full((20, 2), 9.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        centers, _ = fit(Z, 3)
    assert_allclose(centers, [[0, 0], [3, 3], [9, 9]], atol=1e-12)


def test_nearest_center_equals_brute_force(rng):
    Z, centers = rng.normal(size=(200, 4)), rng.normal(size=(7, 4))
    brute = np.linalg.norm(Z[:, None] - centers[None], axis=2).argmin(axis=1)
    labels = nearest_center(Z, centers)
    assert labels.dtype == np.int64
    assert_array_equal(labels, brute)


def test_nearest_center_in_the_precision_of_the_rows(rng):
    Z, centers = rng.normal(size=(200, 4)), rng.normal(size=(7, 4))
    narrow = nearest_center(Z.astype(np.float32), centers)
    assert_array_equal(narrow, nearest_center(Z, centers))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_that_differ_by_rounding_are_not_distinct(dtype, rng):
    # The same row in different places of a batch may differ in its last bits.
    labels = np.arange(60) % 2
    Z = (10 * np.eye(2)[labels] + 3).astype(dtype)
    Z *= 1 + np.finfo(dtype).eps * rng.randint(-1, 2, size=Z.shape).astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        centers, _ = fit(Z, 5)
    assert len(centers) == 2
    assert ["Only 2 clusters" in str(w.message) for w in caught] == [True]
    assert_array_equal(np.unique(nearest_center(Z, centers)), [0, 1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(5))
def test_every_center_has_rows(seed):
    # Few values, many clusters: no centre may be left without a row.
    rng = np.random.RandomState(seed)
    Z = rng.randint(3, size=(40, 2)) + 1e-15 * rng.normal(size=(40, 2))
    for n_clusters in (2, 5, 9, 12, 40):
        centers, _ = fit(Z, n_clusters)
        labels = nearest_center(Z, centers)
        assert_array_equal(np.unique(labels), np.arange(len(centers)))
        assert (np.diff(np.bincount(labels)) <= 0).all()
