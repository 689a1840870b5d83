"""Data as users bring them: rows of zeros, columns far away, repeated entries."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import FunctionTransformer, StandardScaler, normalize

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)
from skspectralnet._graph import checked_graph
from skspectralnet._tensors import without_tensors
from skspectralnet.inspection import AffinityDisplay, NeighborPurityDisplay

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


def documents(seed, share=0.3):
    """Documents of three topics as counts of 30 words, their topics, who is empty."""
    rng = np.random.RandomState(seed)
    y = rng.randint(3, size=240)
    X = rng.poisson(np.where(np.arange(30) // 10 == y[:, None], 2.0, 0.1)).astype(float)
    empty = rng.uniform(size=len(X)) < share
    X[empty] = 0.0
    return X, y, ~X.any(axis=1)


def words(X):
    return X[:, :30]


@pytest.mark.parametrize("network_input", ["code", "metric"])
@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
def test_rows_that_an_encoder_makes_empty_join_nobody(
    neighbors_in, network_input, global_random_seed
):
    """Documents of which author and date are known, and not a word of some."""
    X, _, empty = documents(global_random_seed)
    told = np.random.RandomState(global_random_seed).uniform(1.0, 2.0, size=(240, 2))
    X = np.c_[X, told]
    model = clustering(
        metric="cosine",
        encoder=FunctionTransformer(words),
        metric_learner=QUICK,
        network_input=network_input,
        neighbors_in=neighbors_in,
        init="spectral" if neighbors_in == "data" else "random",
    )
    without = clone(model).fit(X[~empty])
    model.fit(X)
    assert_allclose(model.cluster_centers_, without.cluster_centers_, atol=1e-9)
    assert_array_equal(model.labels_[~empty], without.labels_)
    assert model.loss_curve_ == without.loss_curve_
    assert len(np.unique(model.labels_[empty])) == 1


def test_a_learner_does_not_see_empty_rows_of_a_graph(global_random_seed):
    X, y, empty = documents(global_random_seed)
    graph = np.equal.outer(y, y) * 1.0
    model = clustering(metric="cosine", metric_learner=QUICK, init="spectral")
    model.fit(X, graph=graph)
    seed = model.metric_learner_.random_state
    alone = clone(QUICK).set_params(random_state=seed).fit(normalize(X[~empty]))
    assert model.metric_learner_.loss_curve_ == alone.loss_curve_


@pytest.mark.parametrize("size", [3, 30, 150])
def test_a_sample_has_no_empty_rows(size, global_random_seed):
    """Though these have labels, which come first, and are more than the sample."""
    X, _, empty = documents(global_random_seed, share=0.7)
    labels = np.where(empty, 0, -1)
    sample = clustering(metric="cosine", subsample=size)
    sample.fit(X, partial_labels=labels)
    if size > (~empty).sum():
        whole = clustering(metric="cosine").fit(X, partial_labels=labels)
        assert_array_equal(sample.labels_, whole.labels_)
    with pytest.raises(ValueError, match=r"n_clusters=151.* Rows of zeros, which"):
        sample.set_params(n_clusters=151).fit(X)


@pytest.mark.parametrize("n_rows", [1, 240])
def test_empty_rows_of_a_stream_move_nothing(n_rows, global_random_seed):
    X, _, empty = documents(global_random_seed)
    model = clustering(metric="cosine").fit(X)
    other = clustering(metric="cosine").fit(X[~empty])
    for start in range(0, 240, n_rows):
        rows = slice(start, start + n_rows)
        model.partial_fit(X[rows])
        if not empty[rows].all():
            other.partial_fit(X[rows][~empty[rows]])
    assert_allclose(model.cluster_centers_, other.cluster_centers_, atol=1e-12)
    assert model.n_samples_seen_ == 480
    assert model.partial_fit(X[empty]).drift_ == 0.0
    assert len(model.labels_) == empty.sum()


def test_empty_rows_are_not_drawn(global_random_seed):
    X, _, empty = documents(global_random_seed)
    model = clustering(metric="cosine").fit(X)
    ax = Figure().add_subplot()
    display = AffinityDisplay.from_estimator(model, X, ax=ax)
    other = AffinityDisplay.from_estimator(model, X[~empty], ax=ax)
    degrees = (np.sort(shown.affinity.sum(axis=0)) for shown in (display, other))
    assert_array_equal(*degrees)


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


def wide_blobs(seed):
    """Blobs in 80 columns that no column tells apart alone."""
    return make_blobs(
        850, 80, centers=3, cluster_std=2.0, center_box=(-1.5, 1.5), random_state=seed
    )


@pytest.mark.parametrize(
    ("dtype", "shift"),
    [(np.float64, 1e9), (np.float64, -1e10), (np.float32, 1e5), (np.float32, 1e6)],
)
def test_wide_rows_far_away_are_reduced_as_near_ones(dtype, shift, global_random_seed):
    """Squares of the shift leave no digit for the covariance."""
    X, y = wide_blobs(global_random_seed)
    X = np.round(256.0 * X) / 256.0 * (16.0 if dtype == np.float32 else 1.0)
    model = clustering(global_random_seed, max_iter=20).fit(X)
    expected = adjusted_rand_score(y, model.labels_)
    far = (X + shift).astype(dtype)
    model.fit(far)
    assert adjusted_rand_score(y, model.labels_) >= expected - 0.03
    assert_array_equal(model.predict(far), model.labels_)
    near = np.linalg.norm(model.encoder_.transform(far[:9]), axis=1)
    assert (near < 1e3).all()


@pytest.mark.parametrize("encoder", ["auto", None])
def test_a_column_far_away_among_sparse_rows(encoder, global_random_seed):
    """Seconds since 1970 beside counts of which most are zeros."""
    X, y = wide_blobs(global_random_seed)
    rng = np.random.RandomState(global_random_seed)
    X *= rng.uniform(size=X.shape) < 0.7
    X[:, 3] = rng.normal(size=len(X))
    near, far = (sparse.csr_array(X + at * (np.arange(80) == 3)) for at in (0.0, 1.7e9))
    params = {"encoder": encoder, "metric_learner": QUICK, "max_iter": 20}
    found, purity, scores = [], [], []
    for rows in (near, far):
        model = clustering(global_random_seed, **params).fit(rows)
        found.append(adjusted_rand_score(y, model.labels_))
        scores.append(model.score(rows))
        ax = Figure().add_subplot()
        display = NeighborPurityDisplay.from_estimator(model, rows, labels=y, ax=ax)
        purity.append(display.purity)
    assert_allclose(*purity, atol=0.02)
    assert found[1] >= found[0] - 0.1
    assert scores[1] >= scores[0] - 0.1


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


def near_blobs(seed):
    """Blobs, their labels, and the affinities of their rows in float64."""
    X, y = blobs(seed)
    graph = np.exp(-((X[:, None] - X) ** 2).sum(axis=2))
    np.fill_diagonal(graph, 0.0)
    return X, y, graph


def with_rounding(graph, dtype=np.float32):
    """Whose halves were computed in another order."""
    graph = graph.astype(dtype)
    return (graph + np.triu(2 * np.finfo(dtype).eps * graph, 1)).astype(dtype)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(
    "of",
    [
        with_rounding,
        lambda graph: with_rounding(graph).astype(np.float64),
        lambda graph: with_rounding(graph).astype(np.float64) / graph.sum(),
        lambda graph: with_rounding(graph).tolist(),
        lambda graph: pd.DataFrame(with_rounding(graph)),
        lambda graph: torch.tensor(with_rounding(graph)),
        lambda graph: sparse.csc_matrix(with_rounding(graph)),
        lambda graph: sparse.coo_array(with_rounding(graph)),
        lambda graph: with_rounding(graph / graph.max(), np.float16),
        lambda graph: (graph * (1000.0 / graph.max())).astype(np.int64),
        lambda graph: graph - 3.0 * graph.max() * np.eye(len(graph)),
        lambda graph: graph + 1e12 * graph.max() * np.eye(len(graph)),
    ],
    ids=[
        *("float32", "as float64", "shares", "list", "frame", "tensor", "csc", "coo"),
        *("float16", "integers", "negative loops", "large loops"),
    ],
)
def test_a_graph_may_have_been_rounded_before(of, size, global_random_seed):
    X, _, graph = near_blobs(global_random_seed)
    given = of(size * graph)
    found = checked_graph(given, len(X))
    assert abs(found - found.T).nnz == 0
    assert not found.diagonal().any()
    shape = found.toarray() / found.max()
    assert_allclose(shape, graph / graph.max(), atol=2e-3)


@pytest.mark.parametrize("share", [3e-6, 1e-2])
@pytest.mark.parametrize("loop", [0.0, 1e12])
def test_a_graph_with_two_directions_is_refused(loop, share, global_random_seed):
    """Large loops do not hide it."""
    X, _, graph = near_blobs(global_random_seed)
    i, j = np.unravel_index(graph.argmax(), graph.shape)
    graph[i, j] *= 1.0 + share
    np.fill_diagonal(graph, loop)
    with pytest.raises(ValueError, match="not symmetric") as error:
        clustering().fit(X, graph=graph)
    shown = re.search(r"is ([\d.e-]+), the one back ([\d.e-]+)\.", str(error.value))
    assert shown[1] != shown[2]


@pytest.mark.parametrize("laplacian", ["random_walk", "unnormalized", "symmetric"])
def test_weights_of_a_graph_have_any_size(laplacian, global_random_seed):
    X, _, graph = near_blobs(global_random_seed)
    model = SpectralNetEmbedding(2, laplacian=laplacian, random_state=0, max_iter=30)
    expected = model.fit(X, graph=graph).approximation_error_.exact_eigenvalues
    for size in (1e-300, 1e-6, 1e6, 1e140):
        found = model.fit(X, graph=size * graph).approximation_error_
        unit = size if laplacian == "unnormalized" else 1.0
        assert_allclose(found.exact_eigenvalues / unit, expected, atol=1e-9)
        assert found.distance < 0.3
    with pytest.raises(ValueError, match=r"weight .*e\+306.* divide the weights"):
        model.fit(X, graph=graph * (1e306 / graph.max()))


# --- what numpy is told to raise

STRICT = {
    "clustering": SpectralNetClustering(3, random_state=0),
    "mixture": SpectralNetClustering(3, assign_labels="mixture", random_state=0),
    "learned": SpectralNetClustering(3, metric_learner=QUICK, random_state=0),
    "rbf": SpectralNetClustering(3, affinity="rbf", random_state=0),
    "a long time": SpectralNetClustering(3, diffusion_time=1e4, random_state=0),
    "cosine": SpectralNetEmbedding(2, metric="cosine", random_state=0),
    "siamese": SiameseEmbedding(2, max_iter=3, random_state=0),
    "autoencoder": Autoencoder(1, max_iter=3, random_state=0),
}
KINDS = {
    "": lambda X: X,
    "and a tiny column": lambda X: np.c_[X, np.full(len(X), 1e-310)],
    "of other sizes": lambda X: X * [1e-200, 1e100],
    "in float32": lambda X: (X * 1e-37).astype(np.float32),
    "and a tiny row": lambda X: np.r_[X, X[:1] * 1e-320],
    "and 60 columns": lambda X: np.c_[X, X * 1e-170, np.tile(X, 28)],
}


def used(model, X):
    """Call all that a model can do with rows."""
    yield model.fit_transform(X)
    if hasattr(model, "inverse_transform"):
        yield model.inverse_transform(model.transform(X))
    if hasattr(model, "predict"):
        yield model.predict(X)
        yield model.score(X)
        ax = Figure().add_subplot()
        yield NeighborPurityDisplay.from_estimator(model, X, ax=ax).purity
        yield AffinityDisplay.from_estimator(model, X, ax=ax).affinity
    if hasattr(model, "predict_proba"):
        yield model.predict_proba(X)
    if hasattr(model, "partial_fit"):
        yield model.partial_fit(X[:1]).partial_fit(X).drift_


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 1e150, 1e-150])
@pytest.mark.parametrize("model", STRICT.values(), ids=STRICT)
def test_fits_under_strict_errors(model, size):
    X = size * blobs(0)[0]
    with np.errstate(all="raise"):
        assert all(np.isfinite(found).all() for found in used(clone(model), X))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("model", STRICT.values(), ids=STRICT)
def test_what_is_too_small_is_zero(model, kind):
    """Numbers too small for a float are 0 in the tails of all that is computed."""
    X = KINDS[kind](blobs(0)[0])
    expected = list(used(clone(model), X))
    with np.errstate(all="raise"):
        found = list(used(clone(model), X))
    for strict, usual in zip(found, expected, strict=True):
        assert_array_equal(strict, usual)


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

IN = {"batch": "random", "data": "spectral"}
ALL_APART = {
    "links": {"cannot_link": np.argwhere(np.triu(np.ones((12, 12)), 1))},
    "labels": {"partial_labels": np.arange(12)},
}


@pytest.mark.parametrize("laplacian", ["random_walk", "symmetric", "unnormalized"])
@pytest.mark.parametrize("neighbors_in", IN)
@pytest.mark.parametrize("known", ALL_APART.values(), ids=ALL_APART)
def test_links_that_leave_no_edges_are_named(known, neighbors_in, laplacian):
    X, _ = blobs(0, 12)
    params = {"neighbors_in": neighbors_in, "init": IN[neighbors_in]}
    model = SpectralNetClustering(
        12, laplacian=laplacian, metric_learner=None, n_components=4, **params
    )
    with pytest.raises(ValueError, match="cannot_link all neighbours are apart"):
        model.fit(X, **known)
    graph = np.exp(-((X[:, None] - X) ** 2).sum(axis=2))
    with pytest.raises(ValueError, match="graph has no edges left: by partial_labels"):
        model.fit(X, graph=graph, **known)
    # In a sample all of whose rows are known.
    more, labels = np.r_[X, X + 100.0], np.r_[np.arange(12), np.full(12, -1)]
    model.set_params(subsample=12)
    with pytest.raises(ValueError, match="cannot_link all neighbours are apart"):
        model.fit(more, partial_labels=labels)


@pytest.mark.parametrize("laplacian", ["random_walk", "symmetric", "unnormalized"])
@pytest.mark.parametrize("neighbors_in", IN)
@pytest.mark.parametrize("known", [{}, {"cannot_link": [[0, 1]]}], ids=["", "a link"])
def test_links_are_not_blamed_for_weights_of_zero(known, neighbors_in, laplacian):
    X, _ = blobs(0, 12)
    params = {"neighbors_in": neighbors_in, "init": IN[neighbors_in]}
    model = clustering(laplacian=laplacian, affinity="rbf", gamma=1e9, **params)
    with pytest.raises(ValueError, match="choose a smaller gamma"):
        model.fit(X, **known)
    model.set_params(affinity=lambda points: points @ points.T * 0, gamma=None)
    with pytest.raises(ValueError, match="with a callable return positive"):
        model.fit(X, **known)


# --- tensors of torch

LAYERS = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
QUIET = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Sparse CSR tensor support"
)
FOUR = pytest.mark.parametrize(
    "model",
    [
        SiameseEmbedding(2, **LAYERS),
        Autoencoder(2, **LAYERS),
        SpectralNetEmbedding(2, metric_learner=None, **LAYERS),
        SpectralNetClustering(3, metric_learner=None, **LAYERS),
    ],
    ids=lambda model: type(model).__name__,
)


def assert_same_methods(model, X, tensor):
    """What a model makes of rows and of the same rows as a tensor."""
    one, other = clone(model).fit(X), clone(model).fit(tensor)
    for name in ("transform", "predict", "score"):
        if hasattr(model, name):
            found = getattr(other, name)(tensor)
            assert_array_equal(found, getattr(one, name)(X), strict=True)
    if hasattr(model, "inverse_transform"):
        Z = one.transform(X)
        found = other.inverse_transform(torch.from_numpy(Z))
        assert_array_equal(found, one.inverse_transform(Z), strict=True)


@QUIET
@FOUR
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "uint8", "int16", "int64", "bool"]
)
def test_a_tensor_is_an_array_of_its_type(model, dtype, global_random_seed):
    X = np.random.RandomState(global_random_seed).randint(4, size=(60, 5))
    X = X.astype(dtype)
    assert_same_methods(model, X, torch.from_numpy(X.copy()))


@QUIET
@FOUR
@pytest.mark.parametrize(
    "of",
    [
        lambda X: torch.from_numpy(X).to(torch.bfloat16),
        lambda X: torch.from_numpy(X).to(torch.float8_e5m2),
        lambda X: torch.from_numpy(X).requires_grad_(),
        lambda X: torch.from_numpy(X.T.copy()).T,
        lambda X: torch.from_numpy(np.repeat(X, 2, axis=0))[::2],
    ],
    ids=["bfloat16", "float8", "with gradient", "transposed", "every second"],
)
def test_tensors_without_an_array_of_their_kind(model, of, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X = rng.randint(4, size=(60, 5)).astype(np.float32)
    assert_same_methods(model, X, of(X))


@QUIET
@FOUR
@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_sparse_tensors_stay_sparse(model, layout, global_random_seed):
    X = sparse.random_array((60, 30), density=0.2, rng=global_random_seed)
    X = X.astype(np.float32).tocsr()
    tensor = getattr(torch.from_numpy(X.toarray()), f"to_sparse_{layout}")()
    assert_same_methods(model, X, tensor)
    assert isinstance(without_tensors(tensor), sparse.csr_array)


def test_what_is_known_as_tensors(global_random_seed):
    X, y = blobs(global_random_seed)
    labels = np.where(np.arange(len(y)) % 5, -1, y)
    links = np.flatnonzero(y == 0)[:2][None]
    known = {"partial_labels": labels, "must_link": links}
    tensors = {name: torch.tensor(value) for name, value in known.items()}
    expected = clustering().fit_predict(X, **known)
    assert_array_equal(clustering().fit_predict(torch.tensor(X), **tensors), expected)
    graph = (np.abs(X[:, None] - X).sum(axis=2) < 3.0).astype(np.float32)
    expected = clustering().fit_predict(X, graph=graph)
    assert_array_equal(clustering().fit_predict(X, graph=torch.tensor(graph)), expected)


@FOUR
def test_tensors_without_values_are_named(model):
    with pytest.raises(ValueError, match="device 'meta' has no values"):
        model.fit(torch.empty(60, 5, device="meta"))


@pytest.mark.parametrize("parameter", ["encoder", "metric_learner"])
@pytest.mark.parametrize(
    "made", [lambda X: None, lambda X: (X, X), lambda X: X[:, 0], lambda X: X[0, 0]]
)
def test_a_stage_that_makes_no_rows_is_named(parameter, made, global_random_seed):
    X, _ = blobs(global_random_seed)
    stage = FunctionTransformer(made)
    with pytest.raises(ValueError, match=f"^{parameter}=Func.* expected an array"):
        clustering(**{parameter: stage}).fit(X)


def test_a_stage_may_make_tensors(global_random_seed):
    X, _ = blobs(global_random_seed)
    model = clustering(encoder=FunctionTransformer(torch.from_numpy))
    expected = clustering(encoder=FunctionTransformer()).fit_predict(X)
    assert_array_equal(model.fit(X).predict(X), expected)
