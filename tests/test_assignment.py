"""Embedding to labels: the three ways, their order, and too few distinct rows."""

import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal, ortho_group
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import spectral_embedding
from sklearn.metrics import adjusted_rand_score

from skspectralnet import _assignment
from skspectralnet._assignment import (
    Centers,
    Mixture,
    Rotation,
    fit_assignment,
    named_after,
)

WAYS = {"kmeans": Centers, "cluster_qr": Rotation, "mixture": Mixture}
each = pytest.mark.parametrize("how", WAYS)


def groups(rng, sizes, spread=0.01):
    """Rows around the corners 10 e_j of a simplex."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    Z = 10.0 * np.eye(len(sizes))[labels]
    return Z + spread * rng.normal(size=Z.shape), labels


def fit(Z, n_clusters, how="kmeans", seed=0, n_init=10):
    """The assignment, of the class that its name means."""
    rng = np.random.RandomState(seed)
    assignment = fit_assignment(Z, n_clusters, how, n_init=n_init, random_state=rng)
    assert type(assignment) is WAYS[how]
    return assignment


def test_starts_of_many_rows_are_compared_on_some(monkeypatch, global_random_seed):
    fitted = []

    class Spied(KMeans):
        def fit(self, X, y=None, sample_weight=None):
            fitted.append((len(X), X.dtype, self.n_init))
            return super().fit(X, y, sample_weight)

    monkeypatch.setattr(_assignment, "KMeans", Spied)
    monkeypatch.setattr(_assignment, "_START_COST", 2**26)
    rng = np.random.RandomState(global_random_seed)
    Z, labels = groups(rng, [520, 520, *[55] * 130])  # 132 in 8,190 rows
    found = fit(Z.astype(np.float32), 132, seed=global_random_seed)
    assert fitted == [(6600, np.float64, 1), (8190, np.float32, 1)]
    assert adjusted_rand_score(labels, found.labels(Z)) > 0.99
    del fitted[:]
    fit(Z[:, :3].astype(np.float32), 3)
    assert fitted == [(8190, np.float64, 1)]  # few clusters cost little
    del fitted[:]
    Z[:, :3] = rng.normal(size=(8190, 3))  # several starts, where none is clearly best
    fit(Z[:, :3].astype(np.float32), 3)
    assert fitted == [(8190, np.float64, 1), (8190, np.float64, 10)]
    del fitted[:]
    monkeypatch.setattr(_assignment, "_START_ENTRIES", 3 * 5000)
    fit(Z[:, :3].astype(np.float32), 3)
    kinds = [(5000, np.float64, 1), (5000, np.float64, 10), (8190, np.float32, 1)]
    assert fitted == kinds


def test_many_clear_clusters_are_found_by_one_start(rng):
    sizes = rng.randint(6, 60, size=150)
    Z, labels = groups(rng, sizes)
    turned = (Z / np.sqrt(sizes)[labels, None]) @ ortho_group.rvs(150, random_state=rng)
    found = fit(turned, 150, n_init=1)
    assert adjusted_rand_score(labels, found.labels(turned)) == 1.0


def test_starts_that_join_two_clear_clusters_are_no_better(rng):
    n_clear = n_joined = 0
    for spread in np.geomspace(0.3, 6.0, 12):
        sizes = rng.randint(5, 40, size=6)
        Z, _ = groups(rng, sizes, spread)
        clear = _assignment._clear_run(Z, 6, None)
        if clear is None:
            continue
        n_clear += 1
        for start in range(20):
            other = KMeans(6, init="random", n_init=1, random_state=start).fit(Z)
            counts = np.histogram2d(other.labels_, clear.labels_, bins=6)[0]
            whole = counts == np.bincount(clear.labels_)
            if whole.sum(axis=1).max() > 1:  # two of them in one
                n_joined += 1
                assert other.inertia_ > clear.inertia_
    assert 0 < n_clear < 12
    assert n_joined > 10


def test_inertia_and_the_cost_of_joining_by_hand():
    # 30 rows at (1, +-h) and 2 at (+-h, 1): inertia 32 h^2, as one 2 * 30 / 32 more,
    # times the squared distance of the centres, 2.
    for h, is_clear in ((0.34, True), (0.345, False)):  # 0.3423 ^ 2 * 32 = 3.75
        Z = np.array([[1.0, h]] * 15 + [[1.0, -h]] * 15 + [[h, 1.0], [-h, 1.0]])
        found = _assignment._clear_run(Z, 2, None)
        assert (found is not None) is is_clear
        if is_clear:
            assert found.inertia_ == pytest.approx(32 * h**2)


def same_posterior(Z, mixture):
    """Probabilities by scipy's densities, from the covariances."""
    covariances = [np.linalg.inv(factor @ factor.T) for factor in mixture.factors]
    densities = np.stack(
        [
            np.exp(log_weight) * multivariate_normal(center, covariance).pdf(Z)
            for log_weight, center, covariance in zip(
                mixture.log_weights, mixture.centers, covariances, strict=True
            )
        ],
        axis=1,
    )
    return densities / densities.sum(axis=1, keepdims=True)


def ideal(rng, sizes):
    """Eigenvectors of groups without edges between them, in a random basis.

    Indicators divided by the root of their share: orthonormal over the rows.
    """
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    shares = np.array(sizes) / sum(sizes)
    indicators = (np.eye(len(sizes)) / np.sqrt(shares))[labels]
    basis = ortho_group.rvs(len(sizes), random_state=rng)
    return indicators @ basis, labels, basis


# --- all three


@each
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_largest_cluster_first(how, dtype, rng):
    Z, labels = groups(rng, [5, 40, 20, 10])
    Z = Z.astype(dtype)
    assignment = fit(Z, 4, how)
    order = np.array([3, 0, 1, 2])  # the names of the groups, by size
    found = assignment.labels(Z)
    assert found.dtype == np.int64
    assert_array_equal(found, order[labels])
    assert_allclose(assignment.centers, 10 * np.eye(4)[[1, 2, 3, 0]], atol=0.1)
    for j, center in enumerate(assignment.centers):
        assert_allclose(center, Z[found == j].mean(axis=0), atol=1e-4)


@each
def test_same_seed_same_labels(how, rng):
    Z = rng.normal(size=(100, 3))
    one, other = fit(Z, 3, how, seed=1), fit(Z, 3, how, seed=1)
    assert_array_equal(one.labels(Z), other.labels(Z))
    assert_array_equal(one.centers, other.centers)


@each
def test_order_of_the_rows_does_not_matter(how, rng):
    Z, _ = groups(rng, [30, 20, 10, 5], spread=0.5)
    order = rng.permutation(len(Z))
    labels = fit(Z, 4, how).labels(Z)
    assert_array_equal(fit(Z[order], 4, how).labels(Z[order]), labels[order])


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_alone_has_the_label_it_has_among_others(how, dtype, rng):
    Z = rng.normal(size=(300, 5)).astype(dtype)
    assignment = fit(Z, 4, how)
    alone = [assignment.labels(row[None])[0] for row in Z]
    assert_array_equal(alone, assignment.labels(Z))


@each
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_labels_do_not_change_with_the_scale(how, scale, rng):
    Z, _ = groups(rng, [30, 20, 10], spread=1.0)
    labels = fit(Z, 3, how).labels(Z)
    assert_array_equal(fit(scale * Z, 3, how).labels(scale * Z), labels)


@each
def test_repeated_rows_get_the_labels_of_one(how, rng):
    Z, _ = groups(rng, [12, 8, 4], spread=0.2)
    twice = np.tile(Z, (2, 1))
    labels = fit(twice, 3, how).labels(twice)
    assert_array_equal(labels, np.tile(fit(Z, 3, how).labels(Z), 2))


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_cluster(how, dtype, rng):
    Z = np.c_[np.ones(40), rng.normal(size=(40, 2))].astype(dtype)
    assignment = fit(Z, 1, how)
    assert_array_equal(assignment.labels(Z), 0)
    assert_allclose(assignment.centers, [Z.mean(axis=0)], atol=1e-5)


@each
@pytest.mark.parametrize("n_distinct", [1, 2, 3])
def test_fewer_distinct_rows_than_clusters(how, n_distinct, rng):
    Z = np.repeat(np.eye(4)[:n_distinct], [7, 6, 5][:n_distinct], axis=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assignment = fit(Z, 4, how)
    assert [w.category for w in caught] == [ConvergenceWarning]
    said = {
        1: ("1 cluster was", "all rows have the same embedding"),
        2: ("2 clusters were", "the rows have 2 distinct embeddings"),
        3: ("3 clusters were", "the rows have 3 distinct embeddings"),
    }
    were, reason = said[n_distinct]
    assert str(caught[0].message) == (
        f"Only {were} found where n_clusters=4 were asked for: {reason}. Lower "
        "n_clusters."
    )
    assert_allclose(assignment.centers, np.eye(4)[:n_distinct], atol=1e-6)


@each
def test_distinct_rows_are_counted_past_the_first_ones(how):
    # 600 equal rows before the others: a look at the first ones is not enough.
    Z = np.repeat(np.eye(3) * [1, 3, 9], [600, 50, 20], axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assignment = fit(Z, 3, how)
    assert_allclose(assignment.centers, np.eye(3) * [1, 3, 9], atol=1e-6)


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_that_differ_by_rounding_are_not_distinct(how, dtype, rng):
    # The same row in different places of a batch may differ in its last bits.
    labels = np.arange(60) % 2
    Z = (10 * np.eye(2)[labels] + 3).astype(dtype)
    Z *= 1 + np.finfo(dtype).eps * rng.randint(-1, 2, size=Z.shape).astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assignment = fit(Z, 5, how)
    assert len(assignment.centers) == 2
    assert ["Only 2 clusters" in str(w.message) for w in caught] == [True]
    assert_array_equal(np.unique(assignment.labels(Z)), [0, 1])


@each
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(5))
def test_every_cluster_has_rows(how, seed):
    # Few values, many clusters: no cluster may be left without a row.
    rng = np.random.RandomState(seed)
    Z = rng.randint(3, size=(40, 2)) + 1e-15 * rng.normal(size=(40, 2))
    for n_clusters in (2, 5, 9, 12, 40):
        assignment = fit(Z, n_clusters, how, n_init=2)
        sizes = np.bincount(assignment.labels(Z))
        assert len(sizes) == len(assignment.centers) <= n_clusters
        assert (sizes > 0).all()
        assert (np.diff(sizes) <= 0).all()


@each
def test_assignments_are_compared_as_objects(how, rng):
    # Not array by array, of which Python could make no truth and no hash.
    Z, _ = groups(rng, [10, 5])
    one, other = fit(Z, 2, how), fit(Z, 2, how)
    assert one == one
    assert one != other
    assert len({one, other}) == 2
    with pytest.raises(FrozenInstanceError):
        one.centers = other.centers


@pytest.mark.parametrize("how", ["kmeans", "cluster_qr"])
def test_weights_of_rows_are_copies(how, rng):
    Z, _ = groups(rng, [12, 8, 4], spread=0.2)
    many = rng.randint(1, 5, size=24)
    rows, options = np.repeat(Z, many, axis=0), {"n_init": 10, "random_state": rng}
    weighted = fit_assignment(Z, 3, how, weights=many.astype(float), **options)
    copied = fit_assignment(rows, 3, how, **options)
    assert_allclose(weighted.centers, copied.centers, rtol=1e-10, atol=1e-10)
    assert_array_equal(np.repeat(weighted.labels(Z), many), copied.labels(rows))


@pytest.mark.parametrize("how", ["kmeans", "cluster_qr"])
def test_spread_by_hand(how):
    # Squared distances 1, 1, 1 and 9 to the center 1, or to the first axis.
    squares = np.array([[1.0, 1.0], [1.0, -1.0], [1.0, 1.0], [1.0, 3.0]])
    middle, ahead = np.array([[1.0, 0.0]]), np.array([[1.0], [0.0]])
    found = Centers(middle, 0.0) if how == "kmeans" else Rotation(ahead, middle)
    assert found.spread(squares) == pytest.approx(1.0)
    # More than half of the rows are at their center: a millionth of the mean, 9 / 3.
    assert found.spread(squares[[3]] * [1, 0] + [[0, 0], [0, 0], [0, 3]]) == (
        pytest.approx(3e-6)
    )
    assert found.spread(squares[:1] * [1, 0]) == 1.0  # all of them: any scale will do


# --- names


def named(clusters, labels, n_clusters):
    """Names of clusters whose centres are their numbers, and the centres with them."""
    centers = Centers(np.arange(n_clusters)[:, None] * 1.0, 0.0)
    found = named_after(centers, np.array(clusters), np.array(labels))
    return found.names.tolist(), found.assignment.centers.ravel().tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("clusters", "labels", "expected"),
    [
        ([0, 1, 2], [1, 2, 0], [(0, 2), (1, 0), (2, 1), (3, 3)]),
        ([0, 1, 2], [20, 30, 10], [(0, 3), (10, 2), (20, 0), (30, 1)]),
        # 0, 2 and 5 are labels: the cluster without one is the least other number.
        ([3, 1, 2], [0, 2, 5], [(0, 3), (1, 0), (2, 1), (5, 2)]),
        ([0, 3], [10**12, 1], [(0, 1), (1, 3), (2, 2), (10**12, 0)]),
        # The larger of two clusters without a label has the lesser number.
        ([2], [0], [(0, 2), (1, 0), (2, 1), (3, 3)]),
        # Cluster 0 has most rows of both, but most agree where it is 7: 3 + 1 > 2 + 1.
        (
            [0, 0, 0, 0, 0, 1, 2],
            [7, 7, 7, 4, 4, 4, 7],
            [(0, 2), (1, 3), (4, 1), (7, 0)],
        ),
    ],
)
def test_names_by_hand(clusters, labels, expected):
    names, centers = named(clusters, labels, 4)
    assert list(zip(names, centers, strict=True)) == expected


@pytest.mark.parametrize(
    ("clusters", "labels", "n_clusters", "expected", "lost"),
    [
        # All rows of 2 are in the cluster of 0; the other cluster is not 2.
        ([0, 0, 0], [0, 0, 2], 2, [0, 1], "1 of the 2 .*[(]2[)]"),
        ([0, 0, 0], [0, 0, 1], 2, [0, 2], "1 of the 2 .*[(]1[)]"),
        # As matched by numbers of rows alone, all of cluster 1, label 0, would be 1.
        ([0] * 12 + [1] * 5, [0] * 9 + [1] * 3 + [0] * 5, 2, [0, 2], "[(]1[)]"),
        # Fewer clusters than labels, and more labels than are written out.
        ([0, 0, 0], [5, 5, 3], 1, [5], "1 of the 2 .*[(]3[)]"),
        ([0] * 8, [9, 9, 0, 1, 2, 3, 4, 5], 1, [9], "6 of .*0, 1, 2, 3, 4, [.]{3}[)]"),
    ],
)
def test_the_number_of_a_label_without_a_cluster_is_that_of_none(
    clusters, labels, n_clusters, expected, lost
):
    with pytest.warns(ConvergenceWarning, match=lost):
        names, _ = named(clusters, labels, n_clusters)
    assert names == expected


def test_as_many_rows_agree_whatever_the_labels_are(rng):
    clusters, labels = rng.randint(6, size=80), np.arange(80) % 4
    agreeing = []
    for numbers in ([0, 1, 2, 3], [3, 2, 0, 1], [50, 7, 10**15, 0]):
        given = np.array(numbers)[labels]
        names, centers = named(clusters, given, 6)
        assert set(numbers) < set(names)
        assert [n for n in names if n not in numbers] == (
            [1, 2] if 7 in names else [4, 5]
        )
        agreeing.append(np.sum(np.array(names)[np.argsort(centers)][clusters] == given))
    assert len(set(agreeing)) == 1


# --- k-means


def test_inertia_is_the_sum_of_squared_distances(rng):
    Z, _ = groups(rng, [20, 10], spread=1.0)
    assignment = fit(Z, 2)
    own = assignment.centers[assignment.labels(Z)]
    assert isinstance(assignment.inertia, float)
    assert assignment.inertia == pytest.approx(((Z - own) ** 2).sum())


def test_nearest_center_equals_brute_force(rng):
    Z, centers = rng.normal(size=(200, 4)), rng.normal(size=(7, 4))
    brute = np.linalg.norm(Z[:, None] - centers[None], axis=2).argmin(axis=1)
    labels = Centers(centers, 0.0).labels(Z)
    assert labels.dtype == np.int64
    assert_array_equal(labels, brute)


def test_nearest_center_in_the_precision_of_the_rows(rng):
    Z, centers = rng.normal(size=(200, 4)), Centers(rng.normal(size=(7, 4)), 0.0)
    assert_array_equal(centers.labels(Z.astype(np.float32)), centers.labels(Z))


def test_centers_are_moved_by_hand():
    # Two rows of one cluster at 0, four of another at 10, none of a third at 100: with
    # 3 and 1, 11 and 12 the means are 4 / 4 and 63 / 6.
    centers = Centers(np.array([[0.0], [10.0], [100.0]]), 0.0)
    counts = np.array([2.0, 4.0, 0.0])
    moved, counts = centers.moved(np.array([[3.0], [11.0], [1.0], [12.0]]), counts)
    assert_allclose(moved.centers, [[1.0], [63 / 6], [0.0]])
    assert_array_equal(counts, [4, 6, 0])
    same, still = moved.moved(np.empty((0, 1)), counts)
    assert same is moved
    assert still is counts


# --- cluster_qr


def test_rotation_of_three_rows_by_hand():
    # Two groups of 2 and 1 rows; the basis turns by the angle whose cosine is 0.6.
    # Indicators / sqrt(share): (sqrt(3/2), 0), the same again, (0, sqrt(3)).
    a, b = np.sqrt(1.5), np.sqrt(3.0)
    basis = np.array([[0.6, 0.8], [-0.8, 0.6]])
    Z = np.array([[0.6 * a, 0.8 * a], [0.6 * a, 0.8 * a], [-0.8 * b, 0.6 * b]])
    assignment = fit(Z, 2, "cluster_qr")
    assert_array_equal(assignment.labels(Z), [0, 0, 1])
    # The picked rows are diag(b, a) times the basis in the order of the groups, so
    # that the nearest orthogonal matrix is the basis itself: it turns them back.
    assert_allclose(assignment.rotation, basis.T, atol=1e-12)
    assert_allclose(Z @ assignment.rotation, [[a, 0], [a, 0], [0, b]], atol=1e-12)
    assert_allclose(assignment.centers, Z[1:], atol=1e-12)


@pytest.mark.parametrize("sizes", [[30, 20, 10], [50, 9, 8, 7, 6, 5, 1]])
def test_ideal_indicators_in_any_basis_are_found(sizes, rng):
    Z, labels, basis = ideal(rng, sizes)
    assignment = fit(Z, len(sizes), "cluster_qr")
    assert_array_equal(assignment.labels(Z), labels)
    assert_allclose(assignment.rotation, basis.T, atol=1e-10)


def test_the_rule_is_that_of_scikit_learn(rng):
    # The same eigenvectors go into both: those of scikit-learn's own embedding.
    X, _ = groups(rng, [60, 40, 20], spread=2.0)
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    affinity = np.exp(-(distances**2) / 8)
    Z = spectral_embedding(
        affinity,
        n_components=3,
        drop_first=False,
        random_state=0,
        eigen_solver="arpack",
    )
    theirs = SpectralClustering(
        3, affinity="precomputed", assign_labels="cluster_qr", random_state=0
    ).fit_predict(affinity)
    assert adjusted_rand_score(theirs, fit(Z, 3, "cluster_qr").labels(Z)) == 1.0


def test_only_the_leading_components_count(rng):
    Z, labels, _ = ideal(rng, [30, 20, 10])
    wide = np.c_[Z, 100 * rng.normal(size=(60, 2))]
    assignment = fit(wide, 3, "cluster_qr")
    assert_array_equal(assignment.labels(wide), labels)
    assert assignment.centers.shape == (3, 5)


def test_a_row_between_two_axes_belongs_to_the_first():
    # Rounding of either side must not decide.
    rotation = Rotation(np.eye(3), np.eye(3))
    noise = 1 + np.finfo(float).eps * np.arange(-3, 4)
    rows = np.c_[noise, noise[::-1], np.full(7, -1.0)]
    assert_array_equal(rotation.labels(rows), 0)
    assert_array_equal(rotation.labels(rows.astype(np.float32)), 0)
    assert_array_equal(rotation.labels(-rows[:, [2, 0, 1]] * [0.9, 1, 1]), 1)


def test_a_direction_without_rows_gives_fewer_clusters(rng):
    # A component that has vanished: three distinct rows that span two dimensions.
    Z = np.repeat([[1.0, 0, 0], [0, 1, 0], [2, 0, 0]], [30, 20, 10], axis=0)
    with pytest.warns(ConvergenceWarning, match="no more apart by 3 components"):
        assignment = fit(Z, 3, "cluster_qr")
    sizes = np.bincount(assignment.labels(Z))
    assert_array_equal(sizes, [40, 20])


def test_fewer_components_than_clusters(rng):
    Z, labels, _ = ideal(rng, [30, 20])
    with pytest.warns(ConvergenceWarning, match="Only 2 .* apart by 2 components"):
        assignment = fit(Z + 0.01 * rng.normal(size=Z.shape), 4, "cluster_qr")
    assert_array_equal(assignment.labels(Z), labels)


# --- mixture


@pytest.mark.parametrize(
    ("spread_of_second", "center_of_second"),
    [([0.3, 4.0], [4.0, 4.0]), ([1.0, 1.0], [2.5, 3.5])],
    ids=["two long groups at a right angle", "a round group beside a long one"],
)
def test_long_groups_that_kmeans_cuts(spread_of_second, center_of_second, rng):
    labels = np.arange(600) % 2
    first = rng.normal(size=(600, 2)) * [4.0, 0.3]
    second = rng.normal(size=(600, 2)) * spread_of_second + center_of_second
    Z = np.where(labels[:, None] == 0, first, second)
    assert adjusted_rand_score(labels, fit(Z, 2).labels(Z)) < 0.6
    assert adjusted_rand_score(labels, fit(Z, 2, "mixture").labels(Z)) > 0.75


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_are_those_of_the_densities(dtype, rng):
    Z, _ = groups(rng, [60, 40, 20], spread=3.0)
    Z = Z.astype(dtype)
    mixture = fit(Z, 3, "mixture")
    found = mixture.probabilities(Z)
    assert found.dtype == np.float64
    assert found.shape == (120, 3)
    assert_allclose(found, same_posterior(Z, mixture), atol=1e-10)
    assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    assert_array_equal(found.argmax(axis=1), mixture.labels(Z))
    assert ((found > 0.05) & (found < 0.95)).any()  # some rows are in doubt


def test_the_scale_of_a_mixture_is_that_of_its_gaussians(rng):
    Z, _ = groups(rng, [30, 20], spread=1.0)
    assert fit(Z, 2, "mixture").spread(Z) == fit(7.0 * Z, 2, "mixture").spread(Z) == 1.0


def test_probabilities_of_rows_alone(rng):
    Z = rng.normal(size=(200, 6)) * [1, 1, 1, 1, 1e-3, 0]
    mixture = fit(Z, 4, "mixture")
    alone = np.concatenate([mixture.probabilities(row[None]) for row in Z])
    assert_allclose(alone, mixture.probabilities(Z), rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [1e3, 1e6, 1e100])
def test_probabilities_of_far_rows_sum_to_one(size, rng):
    Z, _ = groups(rng, [30, 20], spread=0.5)
    far = fit(Z, 2, "mixture").probabilities(size * rng.normal(size=(50, 2)))
    assert_allclose(far.sum(axis=1), 1.0, rtol=1e-12)


def test_vanished_components_change_nothing(rng):
    Z, _ = groups(rng, [40, 30, 20], spread=2.0)
    vanished = np.c_[Z, np.zeros((90, 3)), 1e-9 * rng.normal(size=(90, 2))]
    plain, wide = fit(Z, 3, "mixture"), fit(vanished, 3, "mixture")
    assert_allclose(wide.probabilities(vanished), plain.probabilities(Z), atol=1e-6)


def test_equal_densities_are_equal_probabilities():
    # The middle of two mirrored Gaussians, off by rounding on either side.
    mixture = Mixture(np.zeros(2), np.array([[-1.0], [1.0]]), np.full((2, 1, 1), 5.0))
    middle = np.array([[0.0], [1e-16], [-1e-16], [1e-12]])
    assert_array_equal(mixture.probabilities(middle), 0.5)
    assert_array_equal(mixture.labels(middle), 0)
