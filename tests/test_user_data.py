"""Data as users bring them: rows of zeros, columns far away, repeated entries."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)
from skspectralnet.inspection import NeighborPurityDisplay

QUICK = SiameseEmbedding(2, hidden_layer_sizes=(32,), max_iter=10)


def clustering(seed=0, **params):
    params = {"metric_learner": None, **params}
    return SpectralNetClustering(3, random_state=seed, **params)


def blobs(seed, n=150):
    centers = [[0, 0], [8, 0], [0, 8]]
    return make_blobs(n, centers=centers, random_state=seed)


# --- the cosine of a row of zeros


@pytest.mark.parametrize("metric_learner", [QUICK, None], ids=["siamese", "none"])
@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_empty_rows_join_nobody(
    share, neighbors_in, metric_learner, global_random_seed
):
    """Documents of three topics, and some without a word."""
    rng = np.random.RandomState(global_random_seed)
    y = rng.randint(3, size=240)
    rates = np.where(np.arange(30) // 10 == y[:, None], 2.0, 0.1)
    X = rng.poisson(rates).astype(float)
    X[0] = 0.0
    X[rng.uniform(size=len(X)) < share] = 0.0
    full = X.any(axis=1)
    model = clustering(
        global_random_seed,
        metric="cosine",
        metric_learner=metric_learner,
        neighbors_in=neighbors_in,
        init="spectral" if neighbors_in == "data" else "random",
    )
    for Z in (X, sparse.csr_array(X)):
        without = model.fit_predict(Z[full])
        model.fit(Z)
        assert adjusted_rand_score(without, model.labels_[full]) == 1.0
        assert len(np.unique(model.labels_[~full])) == 1
        assert_array_equal(model.predict(Z), model.labels_)


def test_empty_rows_among_those_to_learn_from(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X = np.abs(rng.normal(size=(200, 5))) * np.eye(5)[rng.randint(3, size=200)]
    X[::4] = 0.0
    model = SpectralNetEmbedding(
        2, metric="cosine", subsample=100, random_state=0, metric_learner=None
    )
    labels = np.where(np.arange(200) % 4, -1, 0)  # of empty rows alone
    Z = model.fit_transform(X, partial_labels=labels)
    assert np.isfinite(Z).all()


# --- far from the origin


@pytest.mark.parametrize("shift", [1e9, -1.7e9, [0.0, 1.6e9]])
def test_a_score_does_not_see_where_the_origin_is(shift, global_random_seed):
    X, y = blobs(global_random_seed)
    model = clustering(global_random_seed).fit(X)
    far = clustering(global_random_seed).fit(X + shift)
    assert far.score(X + shift) == pytest.approx(model.score(X), abs=0.02)
    purity = [
        NeighborPurityDisplay.from_estimator(m, Z, labels=y).purity
        for m, Z in ((model, X), (far, X + shift))
    ]
    assert_allclose(*purity, atol=0.02)


# --- entries given twice


@pytest.mark.parametrize("of", [sparse.csr_matrix, sparse.csr_array])
def test_repeated_entries_are_their_sum(of, global_random_seed):
    X, _ = blobs(global_random_seed)
    twice = of(sparse.csr_array(X))
    twice.data = np.repeat(twice.data / 2, 2)
    twice.indices = np.repeat(twice.indices, 2)
    twice.indptr = 2 * twice.indptr
    assert twice.nnz == 2 * X.size
    model = clustering(global_random_seed).fit(of(sparse.csr_array(X)))
    assert model.score(twice) == model.score(X)
    assert_array_equal(model.transform(twice), model.transform(X))
    assert_array_equal(clustering(global_random_seed).fit_predict(twice), model.labels_)
    assert twice.nnz == 2 * X.size  # the caller's rows stay as they are


# --- graphs in float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_graph_is_as_symmetric_as_its_precision(dtype, global_random_seed):
    X, y = blobs(global_random_seed)
    apart = ((X[:, None] - X) ** 2).sum(axis=2)
    graph = np.exp(-apart).astype(dtype)
    rounding = np.finfo(dtype).eps * graph
    graph = graph + np.triu(rounding, 1)
    np.fill_diagonal(graph, 0.0)
    labels = clustering(global_random_seed).fit(X, graph=graph).labels_
    assert adjusted_rand_score(y, labels) == 1.0
    with pytest.raises(ValueError, match="not symmetric"):
        clustering().fit(X, graph=graph + np.triu(1e-3 * graph, 1))


# --- what numpy is told to raise


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 1e150, 1e-150])
@pytest.mark.parametrize(
    "model",
    [
        SpectralNetClustering(3, random_state=0),
        SpectralNetClustering(3, metric_learner=QUICK, random_state=0),
        SpectralNetEmbedding(2, metric="cosine", random_state=0),
        SiameseEmbedding(2, max_iter=3, random_state=0),
        Autoencoder(1, max_iter=3, random_state=0),
    ],
    ids=["clustering", "learned", "cosine", "siamese", "autoencoder"],
)
def test_fits_under_strict_errors(model, size):
    X = size * blobs(0)[0]
    with np.errstate(all="raise"):
        model.fit(X)
        assert np.isfinite(model.transform(X)).all()


# --- streams, and stages that are fitted already


def test_a_stream_that_begins_with_one_row(global_random_seed):
    X, _ = blobs(global_random_seed)
    model = clustering(global_random_seed).fit(X)
    model.partial_fit(X[:1]).partial_fit(X)
    assert 0.0 <= model.drift_ <= 1.0


@pytest.mark.parametrize("parameter", ["encoder", "metric_learner"])
def test_a_frozen_stage(parameter, global_random_seed):
    X, y = blobs(global_random_seed)
    frozen = FrozenEstimator(StandardScaler().fit(X))
    model = clustering(global_random_seed, **{parameter: frozen}).fit(X)
    assert adjusted_rand_score(y, model.labels_) == 1.0


# --- links that leave no edge


@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
def test_links_that_leave_no_edges_are_named(neighbors_in):
    X, _ = blobs(0, 12)
    pairs = np.argwhere(np.triu(np.ones((12, 12)), 1))
    model = clustering(
        neighbors_in=neighbors_in,
        init="spectral" if neighbors_in == "data" else "random",
    )
    with pytest.raises(ValueError, match="cannot_link all neighbours are apart"):
        model.fit(X, cannot_link=pairs)
    with pytest.raises(ValueError, match="with a callable return positive"):
        model.set_params(affinity=lambda points: points @ points.T * 0).fit(X)
