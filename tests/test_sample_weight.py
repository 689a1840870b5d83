"""Weights of rows: one of weight 2 is the row twice, one of weight 0 is not there."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import (
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)
from skspectralnet._assignment import Centers
from skspectralnet._rows import center_and_scale
from skspectralnet._selection import criterion_graph

QUICK = SiameseEmbedding(2, hidden_layer_sizes=(32,), max_iter=10)
CENTERS = [[0, 0], [6, 0], [0, 6]]


def blobs(seed, n=120):
    """Rows, their blobs, weights from 0 to 3, and the rows as often as they weigh."""
    X, y = make_blobs(n, centers=CENTERS, random_state=seed)
    weights = np.random.RandomState(seed).randint(4, size=n)
    return X, y, weights, np.repeat(np.arange(n), weights)


def model(**params):
    params = {"metric_learner": None, "max_iter": 20, "random_state": 0, **params}
    return SpectralNetClustering(3, **params)


def fit(estimator, *args, **known):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a training that is short
        return estimator.fit(*args, **known)


WAYS = {
    "batches": {},
    "data": {"neighbors_in": "data"},
    "rbf": {"affinity": "rbf"},
    "cosine": {"metric": "cosine"},
    "symmetric": {"laplacian": "symmetric"},
    "unnormalized": {"laplacian": "unnormalized"},
    "cluster_qr": {"assign_labels": "cluster_qr"},
    "siamese": {"metric_learner": QUICK},
    "small batches": {"batch_size": 40},
    "contamination": {"contamination": 0.1},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_weight_of_two_is_the_row_twice(way, global_random_seed):
    X, _, weights, often = blobs(global_random_seed)
    once = fit(model(**WAYS[way]), X, sample_weight=weights)
    copies = fit(model(**WAYS[way]), X[often])
    assert_allclose(once.transform(X), copies.transform(X), rtol=1e-4, atol=1e-4)
    assert_array_equal(once.predict(X), copies.predict(X))
    assert_allclose(once.predict_proba(X), copies.predict_proba(X), atol=1e-3)
    assert_allclose(once.score_samples(X), copies.score_samples(X), rtol=1e-9)
    assert_allclose(
        once.hierarchy_.distances, copies.hierarchy_.distances, rtol=1e-3, atol=1e-3
    )
    if way != "cluster_qr":
        inertia = once.inertia_ / np.count_nonzero(weights)
        assert_allclose(inertia, copies.inertia_ / len(often), rtol=1e-3)


@pytest.mark.parametrize("way", ["batches", "data", "siamese", "small batches"])
def test_the_order_of_rows_that_weigh_differently_has_no_part(way, global_random_seed):
    X, _, weights, often = blobs(global_random_seed)
    X = np.hstack([X, np.tile(X, 40)])  # more columns than are compared at first
    rng = np.random.RandomState(global_random_seed)
    order, copies = rng.permutation(len(X)), rng.permutation(often)
    one = fit(model(**WAYS[way]), X, sample_weight=weights)
    other = fit(model(**WAYS[way]), X[order], sample_weight=weights[order])
    assert_array_equal(other.transform(X), one.transform(X))
    assert_array_equal(other.labels_, one.labels_[order])
    one, other = fit(model(**WAYS[way]), X[often]), fit(model(**WAYS[way]), X[copies])
    assert_array_equal(other.transform(X), one.transform(X))
    assert_array_equal(other.predict(X), one.predict(X))


@pytest.mark.parametrize(
    "estimator", [model(), QUICK], ids=["clustering", "metric learner"]
)
def test_what_is_known_goes_with_the_rows_in_another_order(estimator):
    X, y, weights, _ = blobs(0)
    order = np.random.RandomState(1).permutation(len(X))
    place = np.argsort(order)
    heavy = [np.flatnonzero((y == j) & (weights > 0)) for j in range(3)]
    labels = np.full(len(X), -1)
    labels[np.ravel([rows[2:5] for rows in heavy])] = np.repeat(range(3), 3)
    links, walls = np.array([heavy[0][:2]]), np.array([[heavy[0][0], heavy[1][0]]])
    estimator = clone(estimator).set_params(random_state=0)
    known = {"must_link": links, "cannot_link": walls, "partial_labels": labels}
    one = fit(clone(estimator), X, sample_weight=weights, **known)
    known = {"must_link": place[links], "cannot_link": place[walls]}
    known["partial_labels"] = labels[order]
    other = fit(estimator, X[order], sample_weight=weights[order], **known)
    assert_array_equal(other.transform(X), one.transform(X))


def test_the_graph_of_all_rows_has_the_eigenvectors_of_copies(global_random_seed):
    X, _, weights, often = blobs(global_random_seed)
    once = fit(SpectralNetEmbedding(2, random_state=0), X, sample_weight=weights)
    copies = fit(SpectralNetEmbedding(2, random_state=0), X[often])
    plain = fit(SpectralNetEmbedding(2, random_state=0), X)
    exact = [m.approximation_error_.exact_eigenvalues for m in (once, copies, plain)]
    assert_allclose(exact[0], exact[1], atol=1e-9)
    assert np.abs(exact[0] - exact[2]).max() > 1e-3
    assert once.embedding_.shape == (len(X), 2)


def test_a_given_graph_has_the_edges_of_copies(global_random_seed):
    X, _, weights, often = blobs(global_random_seed)
    A = rbf_kernel(X, gamma=0.5)
    np.fill_diagonal(A, 0.0)  # copies of a row have no edge
    once = fit(model(init="spectral"), X, graph=A, sample_weight=weights)
    copies = fit(model(init="spectral"), X[often], graph=A[np.ix_(often, often)])
    exact = [m.approximation_error_.exact_eigenvalues for m in (once, copies)]
    assert_allclose(exact[0], exact[1], atol=1e-9)
    assert adjusted_rand_score(once.predict(X), copies.predict(X)) > 0.9


def test_weights_count_for_labels_and_their_number(global_random_seed):
    X, y, weights, often = blobs(global_random_seed)
    known = np.where(np.random.RandomState(0).uniform(size=len(X)) < 0.2, y, -1)
    auto = SpectralNetClustering(
        "auto", metric_learner=None, max_iter=20, random_state=0
    )
    once = fit(auto, X, sample_weight=weights, partial_labels=known)
    found = once.predict(X)
    fit(auto, X[often], partial_labels=known[often])
    assert_array_equal(auto.predict(X), found)


def test_the_graph_that_clusterings_are_compared_on_is_that_of_copies(rng):
    X, weights = rng.normal(size=(60, 2)), rng.randint(1, 5, size=60)
    graph, rows, many = criterion_graph(X, weights)
    copies, _, expected = criterion_graph(np.repeat(X, weights, axis=0))
    assert_array_equal(rows, np.arange(60))
    assert_allclose(many, expected)
    assert_allclose(graph.toarray(), copies.toarray(), atol=1e-6)


def test_rows_without_a_weight_are_new_rows(global_random_seed):
    X, *_ = blobs(global_random_seed)
    weights = np.tile([0.0, 2.5, 2.5], len(X) // 3)
    kept = weights > 0
    once, without = fit(model(), X, sample_weight=weights), fit(model(), X[kept])
    assert_allclose(once.transform(X), without.transform(X), atol=1e-6)
    assert_array_equal(once.labels_, without.predict(X))


def test_only_ratios_count(global_random_seed):
    X, _, weights, _ = blobs(global_random_seed)
    weights = weights + 0.3
    first = fit(model(), X, sample_weight=weights).transform(X)
    for power in (-900, 900):
        again = fit(model(), X, sample_weight=2.0**power * weights).transform(X)
        assert_array_equal(again, first)


@pytest.mark.parametrize("weight", [1, 0.25])
def test_equal_weights_change_no_bit(weight):
    X, *_ = blobs(0)
    expected = fit(model(), X).transform(X)
    found = fit(model(), X, sample_weight=np.full(len(X), weight)).transform(X)
    assert_array_equal(found, expected)


@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
def test_clusters_are_cut_where_rows_weigh_little(neighbors_in, global_random_seed):
    """Twelve rows on a line, as in `test_rows_that_occur_often_weigh_more`."""
    X = np.arange(12.0)[:, None]
    cut = SpectralNetClustering(
        2,
        affinity="nearest_neighbors",
        n_neighbors=2,
        neighbors_in=neighbors_in,
        init="spectral" if neighbors_in == "data" else "random",
        random_state=global_random_seed,
    )
    for light in ([3, 4], [7, 8]):
        weights = np.full(12, 0.9)
        weights[light] = 0.03
        labels = fit(cut, X, sample_weight=weights).predict(X)
        assert_array_equal(np.flatnonzero(np.diff(labels)), light[0])


def test_a_siamese_network_draws_rows_as_often_as_they_weigh(global_random_seed):
    X, _, weights, often = blobs(global_random_seed)
    once = fit(QUICK.set_params(random_state=0), X, sample_weight=weights).transform(X)
    assert_allclose(fit(QUICK, X[often]).transform(X), once, atol=1e-5)


def test_k_means_of_weights_is_that_of_copies(rng):
    Z = np.r_[rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) + 9]
    weights = rng.randint(1, 5, size=80)
    once = Centers.fit(Z, 2, 3, np.random.RandomState(0), weights)
    copies = Centers.fit(np.repeat(Z, weights, axis=0), 2, 3, np.random.RandomState(0))
    assert_allclose(once.centers, copies.centers, atol=1e-9)
    assert_allclose(once.inertia, copies.inertia)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_centre_and_scale_of_weights_are_those_of_copies(convert, rng):
    X = rng.normal(size=(200, 3)) + 1e3
    X[0] = 1e6  # an outlier, which is left out
    weights = rng.randint(1, 5, size=200)
    once = center_and_scale(convert(X), weights.astype(float))
    copies = center_and_scale(convert(np.repeat(X, weights, axis=0)))
    assert_allclose(once.center, copies.center, rtol=1e-12)
    assert_allclose(once.scale, copies.scale, rtol=1e-9)
    assert_allclose(once.reach, copies.reach, rtol=0.1)


class Learns(TransformerMixin, BaseEstimator):
    """A stage that says what weights it was given, and in which order of the rows."""

    def fit(self, X, y=None, sample_weight=None):
        self.weights_ = sample_weight
        self.order_ = np.argsort(X[:, 0])
        return self

    def transform(self, X):
        return np.asarray(X)


@pytest.mark.parametrize("stage", ["encoder", "metric_learner"])
def test_a_stage_that_takes_weights_is_given_them(stage):
    X, _, weights, _ = blobs(0)
    found = getattr(
        fit(model(**{stage: Learns()}), X, sample_weight=weights), f"{stage}_"
    )
    X, weights = X[weights > 0], weights[weights > 0]
    expected = (weights / weights.mean())[np.argsort(X[:, 0])]
    assert_allclose(found.weights_[found.order_], expected)
    assert getattr(fit(model(**{stage: Learns()}), X), f"{stage}_").weights_ is None


def test_a_stored_model_goes_on_with_its_weights():
    X, _, weights, _ = blobs(0)
    found = fit(model(), X, sample_weight=weights)
    again = pickle.loads(pickle.dumps(found))  # noqa: S301
    for one in (found, again, found.merge(2), again.merge(2)):
        one.partial_fit(X[:10])
    assert_allclose(again.cluster_centers_, found.cluster_centers_)
    # The first cluster had the weight of its rows over the mean, and has new rows.
    heavy = weights[weights > 0].mean()
    mass = weights[found.predict(X) == 0].sum() / heavy
    before = fit(model(), X, sample_weight=weights)
    new = before.transform(X[:10])[before.predict(X[:10]) == 0]
    centre = (mass * before.cluster_centers_[0] + new.sum(axis=0)) / (mass + len(new))
    assert_allclose(found.cluster_centers_[0], centre, rtol=1e-6)


def test_weights_travel_through_a_pipeline():
    X, _, weights, _ = blobs(0)
    expected = fit(model(), StandardScaler().fit_transform(X), sample_weight=weights)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        last = model().set_fit_request(sample_weight=True)
        pipeline = fit(make_pipeline(scaler, last), X, sample_weight=weights)
    assert_array_equal(pipeline[-1].labels_, expected.labels_)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.ones(9), r"sample_weight has the shape \(9,\), but X has 120 rows"),
        (np.ones((120, 1)), r"the shape \(120, 1\).* expected \(120,\)"),
        (-np.arange(120.0), "sample_weight has the weight -119: expected at least 0"),
        (np.zeros(120), "sample_weight is zero but for 0 of 120 rows"),
        (np.arange(120) == 3, "zero but for 1 of 120 rows: expected at least 2"),
        (np.full(120, np.nan), "sample_weight contains NaN"),
        (np.full(120, np.inf), "sample_weight contains infinity"),
        (["heavy"] * 120, "could not convert string"),
        ("balanced", "could not convert string|sample_weight"),
    ],
    ids=str,
)
@pytest.mark.parametrize("estimator", [model(), SpectralNetEmbedding(), QUICK])
def test_weights_that_cannot_be_used(estimator, weights, said):
    X, *_ = blobs(0)
    with pytest.raises(ValueError, match=said):
        estimator.fit(X, sample_weight=weights)


def test_what_weights_do_not_go_with():
    X, _, weights, _ = blobs(0)
    with pytest.raises(ValueError, match=r"sample_weight .*'mixture'.*take 'kmeans'"):
        model(assign_labels="mixture").fit(X, sample_weight=weights)
    edge = sparse.coo_array(([1.0, 1.0], ([0, 1], [1, 0])), shape=(120, 120))
    weights[:2] = 0
    with pytest.raises(
        ValueError, match="no edges between the rows whose sample_weigh"
    ):
        model().fit(X, graph=edge, sample_weight=weights)
