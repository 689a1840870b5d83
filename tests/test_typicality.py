"""How typical rows are: the formula, what it sees, and the score of a share."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import roc_auc_score

from skspectralnet import SpectralNetClustering
from skspectralnet._drift import Landmarks
from skspectralnet._typicality import Typicality, offset_of

every_way = pytest.mark.parametrize("how", ["kmeans", "cluster_qr", "mixture"])


def model(n_clusters=2, seed=0, **params):
    params = {"max_iter": 5, "metric_learner": None} | params
    return SpectralNetClustering(n_clusters, random_state=seed, **params)


def landmarks_at(points):
    points = np.array(points, dtype=np.float32)
    return Landmarks(np.zeros(points.shape[1]), 1.0, points, 1.0, 1, 99)


def test_scores_by_hand():
    # 40 rows, so the 4th nearest counts. From 0: at 0, 1, 2, 3; from 100 it is row 36.
    rows = np.r_[np.arange(37.0), 100.0, 100.0, 101.0][:, None]
    found = Typicality.fit(landmarks_at([[0.0], [100.0]]), rows)
    assert_allclose(found.reaches, [3.0, 64.0])
    # min(3 + x, 64 + 100 - x): the median of 3 .. 39 and of 64, 64, 65 is 22.5.
    assert found.middle == 22.5
    assert_allclose(found.scores(np.array([[0.0], [100.0]])), [-3 / 22.5, -64 / 22.5])
    assert_allclose(found.scores(sparse.csr_array([[5.0]])), [-8 / 22.5])


def test_the_bound_holds(global_random_seed):
    """As many rows of the fit lie within what a score says."""
    rng = np.random.RandomState(global_random_seed)
    X = rng.standard_cauchy(size=(400, 2))
    landmarks = Landmarks.fit(X, rng)
    found = Typicality.fit(landmarks, X)
    new = 3.0 * rng.normal(size=(50, 2))
    within = -found.scores(new) * found.middle * landmarks.scale
    distances = np.linalg.norm(new[:, None] - X, axis=2)
    assert np.all(np.sum(distances <= within[:, None] + 1e-9, axis=1) >= 20)


@pytest.mark.parametrize("share", [0.03, 0.1])
def test_planted_noise_is_seen_in_the_rows_of_the_fit(share, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X, _ = make_moons(900, noise=0.05, random_state=global_random_seed)
    noise = rng.uniform([-6.0, -6.0], [7.0, 6.5], size=(int(900 * share), 2))
    rows = np.r_[X, noise]
    landmarks = Landmarks.fit(rows, np.random.RandomState(0))
    scores = Typicality.fit(landmarks, rows).scores(rows)
    assert roc_auc_score(np.arange(len(rows)) < 900, scores) > 0.97


@pytest.mark.parametrize("n", [2, 3, 19])
def test_few_and_equal_rows(n):
    for X in (np.arange(2.0 * n).reshape(n, 2), np.ones((n, 2))):
        landmarks = Landmarks.fit(X, np.random.RandomState(0))
        scores = Typicality.fit(landmarks, X).scores(np.r_[X, [[1e3, 1e3]]])
        assert np.isfinite(scores).all()
        assert np.all(scores[-1] < scores[:-1])


@every_way
def test_a_far_row_is_seen_although_it_gets_a_label(how, global_random_seed):
    X, _ = make_blobs(300, centers=2, random_state=0)
    fitted = model(2, global_random_seed, assign_labels=how).fit(X)
    assert set(fitted.predict([[1e3, 1e3], [-1e6, 0.0]])) <= {0, 1}
    far = np.array([[1e3, 1e3], [-1e6, 0.0], [1e300, 0.0], [-1e308, 1e308]])
    scores, of_far = fitted.score_samples(X), fitted.score_samples(far)
    assert scores.shape == (300,)
    assert scores.dtype == np.float64
    assert np.median(scores) == pytest.approx(-1.0, rel=1e-6)
    assert np.all(scores <= 0)
    assert of_far.max() < 10 * scores.min()
    assert np.isfinite(of_far).all()
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert_array_equal(copy.score_samples(X), scores)
    alone = np.concatenate([fitted.score_samples(row[None]) for row in X[:20]])
    assert_allclose(alone, scores[:20], rtol=1e-6)


def test_scores_do_not_depend_on_units_or_storage(rng):
    X = rng.poisson(0.5, size=(200, 12)) * rng.uniform(1, 2, size=(200, 12))
    scores = model().fit(X).score_samples(X)
    assert_allclose(model().fit(1e6 * X).score_samples(1e6 * X), scores, rtol=1e-4)
    stored = sparse.csr_array(X)
    assert_allclose(model().fit(X).score_samples(stored), scores, rtol=1e-6)
    # By the cosine, lengths do not count.
    cosine = model(metric="cosine").fit(X + 1.0)
    lengths = rng.uniform(1, 9, size=(200, 1))
    assert_allclose(
        cosine.score_samples(lengths * (X + 1.0)), cosine.score_samples(X + 1.0)
    )


def test_offset_by_hand():
    scores = np.array([-9.0, -1.0, -3.0, -2.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    assert offset_of(scores, 0.1) == -6.0  # between -9 and -3
    assert offset_of(scores, 0.2) == -2.5
    assert offset_of(scores, 0.19) == -6.0  # one row of ten
    # Rows with the same score stay together.
    assert offset_of(scores, 0.5) == -1.5
    assert offset_of(scores, 0.05) < -9.0
    assert offset_of(np.full(8, -1.0), 0.5) < -1.0
    assert offset_of(np.arange(100.0), 0.29) == 28.5  # although 0.29 * 100 < 29


def test_offset_of_rows_with_weights(global_random_seed):
    assert offset_of(np.array([-9.0, -2.0, -1.0]), 0.5, np.array([1, 1, 8])) == -1.5
    assert offset_of(np.array([-9.0, -2.0, -1.0]), 0.5, np.array([2, 4, 4])) == -5.5
    rng = np.random.RandomState(global_random_seed)
    scores, weights = -rng.uniform(size=200), rng.randint(1, 5, size=200)
    for share in (0.02, 0.1, 0.5):
        once = offset_of(scores, share, weights / weights.mean())
        assert once == offset_of(np.repeat(scores, weights), share)


# --- contamination


def noisy(seed, n=400, share=0.1):
    rng = np.random.RandomState(seed)
    X, _ = make_blobs(n, centers=[[0, 0], [8, 0]], random_state=seed)
    return np.r_[X, rng.uniform(-60, 60, size=(int(n * share), 2))]


@every_way
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_outliers_have_no_label_in_the_fit_and_later(how, dtype, global_random_seed):
    X = noisy(global_random_seed).astype(dtype)
    params = {"seed": global_random_seed, "assign_labels": how}
    plain, fitted = model(**params).fit(X), model(contamination=0.08, **params).fit(X)
    assert not hasattr(plain, "offset_")
    assert_array_equal(fitted.labels_, fitted.predict(X))
    assert_array_equal(fitted.labels_ == -1, fitted.score_samples(X) < fitted.offset_)
    assert np.mean(fitted.labels_ == -1) == fitted.outlier_share_
    assert fitted.outlier_share_ == int(0.08 * len(X)) / len(X)
    assert np.mean(fitted.labels_[400:] == -1) > 0.7
    # Nothing else changes.
    kept = fitted.labels_ != -1
    assert_array_equal(fitted.labels_[kept], plain.labels_[kept])
    assert_array_equal(fitted.cluster_centers_, plain.cluster_centers_)
    assert_array_equal(fitted.classes_, [0, 1])
    assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))
    assert fitted.score(X) == plain.score(X)
    assert_array_equal(fitted.predict([[1e4, 0.0]]), [-1])
    alone = [fitted.predict(row[None])[0] for row in X[::7]]
    assert_array_equal(alone, fitted.labels_[::7])
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert_array_equal(copy.predict(X), fitted.labels_)
    # What was set later waits for the next fit.
    fitted.set_params(contamination=None)
    assert_array_equal(fitted.predict(X), fitted.labels_)
    assert not hasattr(fitted.fit(X), "outlier_share_")


def test_outliers_of_a_stream_move_no_centre(global_random_seed):
    X = noisy(global_random_seed)
    fitted = model(contamination=0.1).fit(X)
    centers = fitted.cluster_centers_
    fitted.partial_fit(np.full((50, 2), 500.0))
    assert_array_equal(fitted.cluster_centers_, centers)
    assert_array_equal(fitted.labels_, -1)
    assert fitted.outlier_share_ == fitted.drift_ == 1.0
    assert fitted.n_samples_seen_ == len(X) + 50
    assert_array_equal(fitted.partial_fit(X[:100]).labels_, fitted.predict(X[:100]))
    assert not np.array_equal(fitted.cluster_centers_, centers)


def test_equal_rows_are_not_parted():
    X = np.repeat([[0.0, 0.0], [5.0, 5.0], [9.0, 0.0]], [50, 45, 5], axis=0)
    fitted = model(contamination=0.02).fit(X)
    for row in np.unique(X, axis=0):
        assert len(np.unique(fitted.labels_[np.all(row == X, axis=1)])) == 1
    assert_array_equal(fitted.predict(X), fitted.labels_)


@pytest.mark.parametrize("wrong", [0.0, 0.6, -1, "auto", True])
def test_a_wrong_share_is_refused(wrong):
    with pytest.raises(ValueError, match="contamination"):
        model(contamination=wrong).fit(noisy(0))


def test_few_rows_have_no_outliers():
    X = np.arange(8.0).reshape(4, 2)
    fitted = model(contamination=0.1).fit(X)
    assert fitted.outlier_share_ == 0.0
    assert_array_equal(fitted.predict(X), fitted.labels_)
