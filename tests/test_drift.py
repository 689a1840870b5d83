"""Landmarks: where the rows of a fit lay, and how many of the same kind lie outside."""

import itertools
import math
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits, make_blobs

from skspectralnet import Autoencoder, SiameseEmbedding, SpectralNetClustering
from skspectralnet._drift import Landmarks, Masses, draw_reference


def by_hand(points, radius, n_outside=1, n_measured=99):
    points = np.array(points, dtype=np.float32)
    center = np.zeros(points.shape[1])
    return Landmarks(center, 1.0, points, radius, n_outside, n_measured)


def test_rows_outside_by_hand():
    landmarks = by_hand([[0.0], [10.0]], radius=2.0)
    # Distances 1, 5, 2 and 3: a row on the border is inside.
    assert landmarks.count_outside(np.array([[1.0], [5.0], [12.0], [-3.0]])) == 2
    for rows in (np.array([[1e300], [-1e308]]), np.array([[3e38]], dtype=np.float32)):
        assert landmarks.count_outside(rows) == len(rows)
        assert landmarks.count_outside(sparse.csr_matrix(rows)) == len(rows)


def test_the_limit_by_hand():
    # Of M = 1 measured row and j = 1, k of m new rows are outside with the probability
    # B(k + 1, m - k + 1) binom(m, k) = 1 / (m + 1): all numbers are as likely.
    landmarks = by_hand([[0.0]], 1.0, n_outside=1, n_measured=1)
    assert landmarks.expected == 0.5
    assert landmarks.limit(1) == 1.0
    assert landmarks.limit(4999) == pytest.approx(4994 / 4999)  # 4995 / 5000 = 0.999
    # One row is outside of 99 once in 100, two of two with the probability
    # 2 / (100 * 101): more than one in 1,000 of none, fewer of two.
    landmarks = by_hand([[0.0]], 1.0, n_outside=1, n_measured=99)
    assert landmarks.limit(1) == 1.0
    assert landmarks.limit(2) == 0.5


@pytest.mark.parametrize(("n_outside", "n_measured"), [(1, 20), (1, 99), (5, 500)])
def test_the_limit_is_that_of_uniform_numbers(n_outside, n_measured, rng):
    """Another way to the distribution: numbers in the place of distances."""
    landmarks = by_hand([[0.0]], 1.0, n_outside, n_measured)
    known = np.sort(rng.uniform(size=(20_000, n_measured)), axis=1)
    radius = known[:, n_measured - n_outside]
    for m in (30, 300):
        outside = rng.binomial(m, 1.0 - radius)
        assert np.mean(outside / m) == pytest.approx(landmarks.expected, rel=0.05)
        above = np.mean(outside / m > landmarks.limit(m))
        assert above <= 0.001 + 4 * math.sqrt(0.001 / 20_000)
        assert np.mean(outside / m >= landmarks.limit(m)) > 0.0005


KINDS = {
    "normal": lambda rng, n: rng.normal(size=(n, 3)),
    "heavy tails": lambda rng, n: rng.standard_cauchy(size=(n, 2)),
    "far away": lambda rng, n: 1e8 + rng.normal(size=(n, 2)),
    "answers": lambda rng, n: rng.randint(3, size=(n, 4)).astype(np.float64),
    "sparse": lambda rng, n: sparse.csr_matrix(
        rng.poisson(0.1, size=(n, 40)).astype(np.float64)
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [30, 300, 3000])
def test_rows_of_the_same_kind_stay_below_the_limit(kind, n, global_random_seed):
    """Once in 1,000 of 40 x 3 batches that have a fit in common in threes: of 120, no
    more than 3 are above but with a probability of about one in 10,000."""
    rng = np.random.RandomState(global_random_seed)
    shares, above, expected = [], 0, []
    for _ in range(40):
        landmarks = Landmarks.fit(KINDS[kind](rng, n), rng)
        expected.append(landmarks.expected)
        for m in (30, 300, 3000):
            share = landmarks.count_outside(KINDS[kind](rng, m)) / m
            above += share > landmarks.limit(m)
            shares.append(share)
    assert above <= 3
    # The share of a fit varies about as much as its mean is large.
    assert np.mean(shares) <= np.mean(expected) * (1 + 4 / math.sqrt(40))
    assert np.mean(expected) <= max(0.01, 1.5 / n)


def test_rows_of_another_kind_are_seen(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    for n, m in itertools.product((30, 300, 3000), repeat=2):
        landmarks = Landmarks.fit(rng.normal(size=(n, 2)), rng)
        assert landmarks.count_outside(rng.normal(8.0, size=(m, 2))) == m
        assert landmarks.limit(m) < 0.5
    # The smaller part of them that is enough where more is known.
    mixed = np.r_[rng.normal(size=(2850, 2)), rng.normal(8.0, size=(150, 2))]
    assert landmarks.limit(3000) < 0.03 < landmarks.count_outside(mixed) / 3000


def test_dense_and_sparse_rows_are_compared_alike(rng):
    X = rng.poisson(0.2, size=(600, 30)) * rng.uniform(1, 2, size=(600, 30))
    new = np.r_[X[:50] * 1.5, X[50:90] + 3.0]
    for fitted in (X, sparse.csr_matrix(X)):
        landmarks = Landmarks.fit(fitted, np.random.RandomState(0))
        of_new = landmarks.count_outside(new)
        assert of_new == landmarks.count_outside(sparse.csr_matrix(new))
        assert 40 <= of_new < 90


def test_nothing_grows_with_the_rows(rng):
    few, many = (Landmarks.fit(rng.normal(size=(n, 3)), rng) for n in (2000, 20_000))
    assert len(few.points) <= len(many.points) <= 64
    # What counts is the entries of a row: 300 rows of 50,000 have 15 million.
    empty, full = sparse.csr_matrix((9000, 50_000)), np.broadcast_to(0, (9000, 50_000))
    for X, most in ((empty, 6000), (full, 300), (full[:99], 99)):
        assert len(draw_reference(X, slice(None), rng)) == most
        learned = np.arange(0, X.shape[0], 2)
        chosen = draw_reference(X, learned, rng)
        assert len(chosen) == min(most, len(learned))
        assert_array_equal(np.intersect1d(chosen, learned), chosen)


def test_rows_with_masses_are_drawn_by_them(rng):
    X, learned = np.zeros((9000, 2)), np.array([5, 3, 8, 1])
    masses = Masses(np.array([1.0, 4.0, 0.25, 2.75]), 4)
    for _ in range(20):  # half of all is row 3: 2 of 4
        drawn = draw_reference(X, learned, rng, masses)
        assert len(drawn) == 4
        assert np.sum(drawn == 3) == 2
    many = draw_reference(X, slice(None), rng, Masses(np.ones(9000), 9000))
    assert len(many) == 6000
    assert np.all(np.diff(many) >= 1)  # spread over all rows


def test_no_row_is_kept(global_random_seed):
    """A landmark is the mean of two rows or more, those of far and single rows too."""
    rng = np.random.RandomState(global_random_seed)
    X = rng.standard_cauchy(size=(600, 2))
    landmarks = Landmarks.fit(X, rng)
    points = landmarks.points * landmarks.scale + landmarks.center
    distances = np.abs(X[:, None] - points).max(axis=2).min(axis=0)
    assert np.all(distances > 1e-6 * landmarks.scale)


@pytest.mark.parametrize("n", [2, 3, 19])
def test_few_rows(n, rng):
    rows = rng.normal(size=(n, 2)).astype(np.float32)
    landmarks = Landmarks.fit(rows, np.random.RandomState(0))
    assert 0 <= landmarks.count_outside(rows) < n
    again = Landmarks.fit(rows, np.random.RandomState(0))
    assert_array_equal(again.points, landmarks.points)


@pytest.mark.parametrize("n_distinct", [1, 2, 3, 7])
def test_few_distinct_rows_need_no_warning(n_distinct, global_random_seed):
    """The number of landmarks is nobody's parameter."""
    rng = np.random.RandomState(global_random_seed)
    X = rng.normal(1e3, size=(n_distinct, 3))[rng.randint(n_distinct, size=300)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        landmarks = Landmarks.fit(X, rng)
    assert 1 <= len(landmarks.points) <= n_distinct
    assert landmarks.count_outside(X) <= 30  # equal rows are as far, whatever rounding


# --- the estimator


def clustering(n_clusters, seed, **parameters):
    """Trained as little as can be: drift is no matter of the map."""
    parameters = {"metric_learner": None, "n_init": 1, **parameters}
    return SpectralNetClustering(
        n_clusters, max_iter=1, random_state=seed, **parameters
    )


def test_a_stream_of_three_distinct_rows_warns_of_what_was_asked_for():
    X = np.repeat([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]], 40, axis=0)
    for n_clusters in (3, 5):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clustering(n_clusters, 0).fit(X)
            of_fit = sorted(str(w.message) for w in caught)
            caught.clear()
            clustering(n_clusters, 0).partial_fit(X)
            assert sorted(str(w.message) for w in caught) == of_fit
    assert any("Only 3 clusters were found where n_clusters=5" in x for x in of_fit)


@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
@pytest.mark.parametrize("n", [30, 300, 3000])
def test_an_unchanged_stream_and_a_changed_one(n, begin, global_random_seed):
    X, _ = make_blobs(6000 + n, centers=3, n_features=4, random_state=4)
    X = X[np.random.RandomState(global_random_seed).permutation(len(X))]
    stream = getattr(clustering(3, global_random_seed), begin)(X[:n])
    size = len(stream._typicality.landmarks.points)
    for m in (30, 300, 3000):
        stream.partial_fit(X[n : n + m])
        assert stream.drift_ <= stream.drift_limit_ < 0.5
    for m in (30, 3000):
        stream.partial_fit(X[n : n + m] + 40)
        assert stream.drift_ > stream.drift_limit_
    # Changed already in the first batch after the fit, and back where it was.
    assert stream.partial_fit(X[n : n + 300]).drift_ <= stream.drift_limit_
    assert len(stream._typicality.landmarks.points) == size


@pytest.mark.parametrize(
    "parameters",
    [{}, {"encoder": Autoencoder(max_iter=5)}, {"metric": "cosine"}],
    ids=["rows", "codes", "angles"],
)
def test_a_space_learned_from_the_rows_is_no_change(parameters, global_random_seed):
    """In a learned space the rows of the fit are closer together than others."""
    X = load_digits().data
    X = X[np.random.RandomState(global_random_seed).permutation(len(X))]
    learner = SiameseEmbedding(max_iter=8)
    stream = clustering(
        10, global_random_seed, metric_learner=learner, **parameters
    ).partial_fit(X[:900])
    assert stream.partial_fit(X[900:]).drift_ <= stream.drift_limit_ < 0.05
    assert stream.partial_fit(255 - X[900:]).drift_ > 0.9


def test_only_the_direction_of_rows_counts_by_angle(rng):
    X = rng.normal(3.0, size=(600, 4))
    stream = clustering(2, 0, metric="cosine").partial_fit(X)
    assert stream.partial_fit(100 * X).drift_ <= stream.drift_limit_
    assert stream.partial_fit(-X).drift_ == 1.0


def test_a_batch_of_one_row_cannot_tell(rng):
    X = rng.normal(size=(300, 2))
    stream = clustering(2, 0).fit(X)
    assert stream.partial_fit([[99.0, 99.0]]).drift_ == stream.drift_limit_ == 1.0


def test_the_order_and_the_blocks_of_rows_do_not_matter(rng, monkeypatch):
    X = rng.normal(size=(600, 3))
    new = rng.normal(1.0, size=(200, 3))
    drifts = [clustering(2, 0).fit(X).partial_fit(new).drift_]
    monkeypatch.setattr("skspectralnet._rows._BLOCK_ROWS", 7)
    for rows in (new, new[::-1], new.astype(np.float32)):
        drifts.append(clustering(2, 0).fit(X).partial_fit(rows).drift_)
    assert_allclose(drifts, drifts[0])


def test_a_model_without_its_labels_takes_in_rows(rng):
    X = rng.normal(size=(300, 2))
    stream, bare = (clustering(2, 0).fit(X) for _ in range(2))
    del bare.labels_
    assert_array_equal(
        bare.partial_fit(X).cluster_centers_, stream.partial_fit(X).cluster_centers_
    )
