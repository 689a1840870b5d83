"""Rows that are equal: tables of answers, repeated rows, with and without labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SiameseEmbedding, SpectralNetClustering

QUICK = SiameseEmbedding(2, hidden_layer_sizes=(32,), max_iter=40)


def survey(n, n_items, n_levels, n_groups, seed):
    """Answers as indicator columns; each group has its usual answer to each item."""
    rng = np.random.RandomState(seed)
    y = rng.randint(n_groups, size=n)
    usual = rng.randint(n_levels, size=(n_groups, n_items))
    other = rng.randint(n_levels, size=(n, n_items))
    answers = np.where(rng.uniform(size=(n, n_items)) < 0.8, usual[y], other)
    X = np.eye(n_levels)[answers].reshape(n, -1)
    return (X[:, ::2] if n_levels == 2 else X), y


SURVEYS = [
    (450, 8, 2, 3),
    (500, 6, 3, 3),
    (600, 10, 2, 3),
    (700, 7, 4, 3),
    (800, 8, 3, 4),
    (1000, 12, 2, 3),
    (1200, 9, 2, 3),
    (1500, 6, 4, 4),
    (2000, 8, 3, 3),
    (2500, 7, 4, 4),
    (3000, 10, 2, 4),
    (3000, 6, 4, 3),
]


few_and_many_rows = [
    pytest.param(
        of, marks=pytest.mark.slow if of[0] > 2000 else (), id="x".join(map(str, of))
    )
    for of in SURVEYS
]


@pytest.mark.parametrize("of", few_and_many_rows)
def test_answers(of, global_random_seed):
    """As good as the worse of k-means and exact spectral clustering."""
    X, y = survey(*of, global_random_seed)
    model = SpectralNetClustering(of[-1], random_state=global_random_seed)
    labels = model.fit_predict(X)
    plain = KMeans(of[-1], n_init=10, random_state=0).fit_predict(X)
    distinct, inverse = np.unique(X, axis=0, return_inverse=True)
    exact = SpectralClustering(
        of[-1], affinity="nearest_neighbors", n_neighbors=10, random_state=0
    ).fit(distinct)
    others = [plain, exact.labels_[inverse.ravel()]]
    least = min(adjusted_rand_score(y, found) for found in others)
    assert adjusted_rand_score(y, labels) > 0.9 * least
    assert_array_equal(model.fit_predict(sparse.csr_array(X)), labels)


@pytest.mark.parametrize("metric_learner", [QUICK, None], ids=["siamese", "none"])
@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
def test_many_copies_of_each_row(neighbors_in, metric_learner, global_random_seed):
    # The map is learned from the distinct rows, whose neighbours copies do not fill.
    X, y = make_blobs(
        60, centers=[[0, 0], [10, 0], [0, 10]], random_state=global_random_seed
    )
    model = SpectralNetClustering(
        3,
        metric_learner=metric_learner,
        neighbors_in=neighbors_in,
        init="spectral" if neighbors_in == "data" else "random",
        random_state=global_random_seed,
    )
    for Z in (np.repeat(X, 15, axis=0), sparse.csr_array(np.repeat(X, 15, axis=0))):
        model.fit(Z)
        assert adjusted_rand_score(np.repeat(y, 15), model.labels_) == 1.0
        for i in range(0, len(X), 7):
            assert len(np.unique(model.labels_[15 * i : 15 * i + 15])) == 1


def test_copies_of_all_rows_leave_the_map_as_it_is(global_random_seed):
    X, _ = make_blobs(
        150, centers=[[0, 0], [6, 0], [0, 6]], random_state=global_random_seed
    )
    model = SpectralNetClustering(
        3, metric_learner=None, random_state=global_random_seed
    )
    once, thrice = model.fit_transform(X), model.fit_transform(np.tile(X, (3, 1)))
    assert_allclose(thrice[:150], once, atol=1e-6)


@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
def test_copies_of_all_rows_leave_a_learned_space_as_it_is(
    neighbors_in, global_random_seed
):
    X, _ = make_blobs(
        150, centers=[[0, 0], [10, 0], [0, 10]], random_state=global_random_seed
    )
    model = SpectralNetClustering(
        3,
        metric_learner=QUICK,
        neighbors_in=neighbors_in,
        random_state=global_random_seed,
    )
    labels, score = model.fit_predict(X), model.score(X)
    twice = np.repeat(X, 2, axis=0)
    assert_array_equal(model.fit_predict(twice)[::2], labels)
    assert_allclose(model.score(twice), score)


@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
def test_rows_that_occur_often_weigh_more(neighbors_in, global_random_seed):
    """Twelve rows on a line are cut where they occur once, not in the middle."""
    X = np.arange(12.0)[:, None]
    model = SpectralNetClustering(
        2,
        affinity="nearest_neighbors",
        n_neighbors=2,
        neighbors_in=neighbors_in,
        init="spectral" if neighbors_in == "data" else "random",
        random_state=global_random_seed,
    )
    for once in ([3, 4], [7, 8]):
        many = np.full(12, 30)
        many[once] = 1
        labels = model.fit(np.repeat(X, many, axis=0)).predict(X)
        assert_array_equal(np.flatnonzero(np.diff(labels)), once[0])


@pytest.mark.parametrize("known", ["labels", "links"])
def test_copies_with_labels_of_their_own(known, global_random_seed):
    """A row twice, once of each cluster: what is known of one copy is not of both."""
    rng = np.random.RandomState(global_random_seed)
    X, y = make_blobs(
        90, centers=[[0, 0], [8, 0], [0, 8]], random_state=global_random_seed
    )
    Z, z = np.r_[X, X], np.r_[y, y]
    labels = np.where(rng.uniform(size=180) < 0.2, z, -1)
    given = {"partial_labels": labels}
    if known == "links":
        one, other = np.flatnonzero(z == 0), np.flatnonzero(z == 1)
        given = {
            "must_link": np.c_[one[:20], one[20:40]],
            "cannot_link": np.c_[one[:20], other[:20]],
        }
    model = SpectralNetClustering(
        3, metric_learner=None, random_state=global_random_seed
    ).fit(Z, **given)
    assert adjusted_rand_score(z, model.labels_) == 1.0
    if known == "labels":
        assert_array_equal(model.labels_[labels >= 0], labels[labels >= 0])
