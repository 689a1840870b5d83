"""Estimators on collections of dask: the plain ones, and those for many machines."""

import importlib
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score

from skspectralnet import Autoencoder, SpectralNetClustering, SpectralNetEmbedding

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from skspectralnet.dask import (  # noqa: E402
    DaskSpectralNetClustering,
    DaskSpectralNetEmbedding,
    _cluster,
    _refine,
    _sample,
)

# A fit in a fraction of a second; of blobs it finds all.
QUICK = {"metric_learner": None, "max_iter": 2, "random_state": 0}
METHODS = ("predict", "transform", "predict_proba", "score_samples")
pytestmark = pytest.mark.filterwarnings(
    "ignore:The spectral loss was still falling", "ignore:The .* graph .*:UserWarning"
)


@pytest.fixture(scope="module")
def blobs4(four_blobs):
    """1,200 rows of four blobs, the rows of a blob together."""
    return four_blobs(1200)


@pytest.fixture(scope="module")
def plain(blobs4):
    return SpectralNetClustering(4, **QUICK).fit(blobs4[0])


@pytest.fixture(scope="module")
def of_sample(client, blobs4):
    """A model of 400 of the rows, and the rows in five chunks."""
    X = da.from_array(blobs4[0], chunks=(250, 3))
    return DaskSpectralNetClustering(4, subsample=400, **QUICK).fit(X), X


def framed(X, n_partitions=5):
    frames = pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    return frames.from_pandas(frame, npartitions=n_partitions)


def unknown(X):
    """An array of dask whose chunks have lengths that nobody knows."""
    return X[X[:, 0] > -np.inf]


# --- the plain estimators


@pytest.mark.parametrize("method", METHODS)
def test_plain_on_an_array(method, plain, blobs4):
    X = da.from_array(blobs4[0], chunks=((300, 0, 1, 899), 3))
    found, expected = getattr(plain, method)(X), getattr(plain, method)(blobs4[0])
    assert isinstance(found, da.Array)
    assert found.chunks[0] == X.chunks[0]
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert_allclose(found.compute(), expected, rtol=1e-9, atol=1e-9)
    of_unknown = getattr(plain, method)(unknown(X))
    assert_allclose(of_unknown.compute(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_plain_on_a_frame(method, plain, blobs4):
    X = framed(blobs4[0])
    model = SpectralNetClustering(4, **QUICK).fit(X.compute())
    found = getattr(model, method)(X)
    assert isinstance(found, da.Array)
    assert found.npartitions == X.npartitions
    expected = getattr(plain, method)(blobs4[0])
    assert_allclose(found.compute(), expected, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        getattr(model, method)(X.rename(columns={"c0": "other"}))


@pytest.mark.parametrize("method", METHODS)
def test_plain_reads_nothing_before_it_is_computed(method, plain, blobs4):
    read = []

    def rows(block):
        read.append(len(block))
        return block

    X = da.from_array(blobs4[0], chunks=(400, 3))
    X = X.map_blocks(rows, dtype=float, meta=np.empty((0, 3)))
    found = getattr(plain, method)(X)
    assert not read
    found[:10].compute(scheduler="sync")
    assert read == [400]


def test_plain_later_is_the_model_of_the_call(blobs4):
    rows = blobs4[0][::4]
    model = SpectralNetClustering(4, **QUICK).fit(rows)
    expected = model.predict(rows)
    later = model.predict(da.from_array(rows, chunks=(100, 3)))
    model.set_params(n_clusters=2).fit(rows)
    assert_array_equal(later.compute(), expected)


def test_plain_of_float32_sparse_and_stages(plain, blobs4):
    rows = blobs4[0][::4].astype(np.float32)
    X = da.from_array(rows, chunks=(100, 3))
    Z = plain.transform(X)
    assert Z.dtype == np.float32
    assert_allclose(Z.compute(), plain.transform(rows), rtol=1e-4, atol=1e-4)
    scarce = X.map_blocks(sparse.csr_matrix)
    assert_array_equal(plain.predict(scarce).compute(), plain.predict(rows))
    coder = Autoencoder(2, max_iter=1, random_state=0).fit(rows)
    assert_allclose(coder.transform(X).compute(), coder.transform(rows), atol=1e-5)


def test_plain_bad_collections(plain, blobs4):
    X = da.from_array(blobs4[0], chunks=(400, 3))
    for bad, says in [
        (X.rechunk((400, 1)), r"3 chunks along its columns.*rechunk"),
        (X[:, 0], r"shape \(1200,\): expected \(n_samples, n_features\)"),
        (X.astype(object), "dtype object: numbers were expected"),
        (X.astype("U5"), "numbers were expected"),
        (X[:, X[0] > -np.inf], "number of columns is not known.*compute_chunk_sizes"),
        (X[:, :2], "2 features"),
    ]:
        with pytest.raises(ValueError, match=says):
            plain.predict(bad)
    with pytest.raises(TypeError, match=r"Delayed.* of dask"):
        plain.predict(dask.delayed(blobs4[0]))
    with pytest.raises(ValueError, match=r"set_output.*default"):
        clone(plain).set_output(transform="pandas").fit(blobs4[0][::9]).transform(X)
    with pytest.raises(NotFittedError):
        clone(plain).predict(X)
    frame = framed(blobs4[0])
    with pytest.raises(ValueError, match=r"without numbers: 'c1' \(.*\)"):
        plain.predict(frame.assign(c1=frame["c1"].astype(str)))


# --- parameters


@pytest.mark.parametrize(
    ("made", "base"),
    [
        (DaskSpectralNetClustering, SpectralNetClustering),
        (DaskSpectralNetEmbedding, SpectralNetEmbedding),
    ],
)
def test_parameters_are_those_of_the_plain_estimator(made, base):
    own, plain = made().get_params(), base().get_params()
    assert own.pop("client") is None
    assert own.pop("max_restarts") == 2
    assert own.pop("subsample") == 200_000
    assert plain.pop("subsample") in (200_000, None)
    assert own == plain
    with pytest.raises(TypeError, match="n_cluster_s"):
        made(n_cluster_s=3)


def test_copies_keep_the_client_and_pickles_do_not(client, of_sample):
    model = DaskSpectralNetClustering(3, client=client, metric_learner=Autoencoder(3))
    copied = clone(model)
    assert copied.client is client
    assert copied.metric_learner is not model.metric_learner
    copied.set_params(metric_learner__n_components=2, n_clusters=5, client=None)
    assert copied.metric_learner.n_components == 2
    assert repr(copied) == repr(copied.set_params(client=None))
    assert "n_clusters=5" in repr(copied)
    with pytest.raises(ValueError, match="encoder__noise cannot be set"):
        model.set_params(encoder__noise=1)
    with pytest.raises(ValueError, match="Invalid parameter 'n_cluster_s'"):
        model.set_params(n_cluster_s=1)
    fitted, X = of_sample
    stored = pickle.loads(pickle.dumps(fitted.set_params(client=client)))  # noqa: S301
    fitted.set_params(client=None)
    assert stored.client is None
    assert not hasattr(stored, "labels_")
    assert_array_equal(stored.predict(X).compute(), fitted.labels_.compute())


# --- the sample


def test_numbers_of_rows_do_not_depend_on_who_asks(global_random_seed):
    whole = _sample.random_numbers(global_random_seed, 0, 0, 1000)
    for bounds in ([0, 1000], [0, 1, 2, 3, 999, 1000], [0, 0, 501, 1000]):
        parts = [
            _sample.random_numbers(global_random_seed, 0, a, b - a)
            for a, b in pairwise(bounds)
        ]
        assert_array_equal(np.concatenate(parts), whole)
    assert stats.kstest(whole / 2.0**64, "uniform").pvalue > 1e-6
    other = _sample.random_numbers(global_random_seed, 1, 0, 1000)
    assert abs(np.corrcoef(whole / 2.0**64, other / 2.0**64)[0, 1]) < 0.2


def wanted(size, seed, **others):
    settings = {"dtype": np.dtype(float), "directed": False, **others}
    return _sample.Wanted(size=size, seed=seed, **settings)


def test_sample_is_the_same_whatever_the_chunks(client, global_random_seed):
    rows = np.column_stack([np.arange(3000.0)] * 2)
    asked, found = wanted(100, global_random_seed), []
    for chunks in ((3000,), (1, 2500, 499), (0, 750, 750, 0, 1500), (75,) * 40):
        X = da.from_array(rows, chunks=(chunks, 2))
        future, n_samples = _sample.drawn(client, X, asked)
        kept = future.result()
        assert n_samples == 3000
        assert len(kept.rows) == 100
        assert np.all(np.diff(kept.rows[:, 0]) > 0)
        found.append(kept.rows)
    for rows in found[1:]:
        assert_array_equal(rows, found[0])


@pytest.mark.parametrize("known", [True, False])
def test_each_row_is_as_likely_as_any_other(client, known, global_random_seed):
    # 300 rows in parts of very different lengths, 30 of them drawn 200 times: each is
    # in 20 samples on average.
    rows = np.arange(300.0)[:, None]
    X = da.from_array(rows, chunks=((200, 1, 0, 9, 90), 1))
    X = X if known else unknown(X)
    counts = np.zeros(300)
    tasks = [
        _sample._task(X, wanted(30, 1000 * global_random_seed + i), None)
        for i in range(200)
    ]
    for kept in dask.compute(*tasks, scheduler="sync"):
        counts[kept.rows[:, 0].astype(int)] += 1
    assert counts.sum() == 200 * 30
    # Of a part: a binomial count; of the rows: chi squared.
    for part in (slice(0, 200), slice(200, 201), slice(201, 210), slice(210, 300)):
        size = part.stop - part.start
        spread = np.sqrt(200 * 30 * (size / 300) * 0.9)
        assert abs(counts[part].sum() - 20 * size) < 5 * spread
    squares = np.sum((counts - 20) ** 2 / 20) / 0.9
    assert 1e-6 < stats.chi2.sf(squares, 299) < 1 - 1e-6


def test_sample_of_unknown_lengths_and_more_than_all(client):
    rows = np.arange(90.0)[:, None]
    X = unknown(da.from_array(rows, chunks=((50, 40), 1)))
    future, n_samples = _sample.drawn(client, X, wanted(200, 0))
    assert n_samples == 90
    assert_array_equal(future.result().rows, rows)


def test_labelled_rows_come_first_and_rows_without_direction_last(client):
    rows = np.arange(1.0, 1001)[:, None]
    rows[:700] = 0.0
    labels = np.full(1000, -1.0)
    labels[::100], labels[1::100] = 3, np.nan
    X = da.from_array(rows, chunks=(300, 1))
    for known in (labels, da.from_array(labels, chunks=77)):
        asked = wanted(40, 0)
        kept = _sample.drawn(client, X, asked, known)[0].result()
        assert np.count_nonzero(kept.labels == 3) == 10
        assert len(kept.labels) == 40
        # More rows are asked for than the first pass has kept.
        asked = wanted(290, 0, directed=True)
        kept = _sample.drawn(client, X, asked, known)[0].result()
        assert len(kept.rows) == 290
        assert np.all(kept.rows > 0)
    kept = _sample.drawn(client, X, wanted(5, 0), labels)[0].result()
    assert_array_equal(kept.labels, 3)


def test_a_pass_that_has_kept_too_few_is_made_again(client, monkeypatch):
    monkeypatch.setattr(_sample, "_DEVIATIONS", -5.0)
    X = da.from_array(np.arange(1000.0)[:, None], chunks=(300, 1))
    few = _sample.drawn(client, X, wanted(100, 0))[0].result()
    monkeypatch.undo()
    assert_array_equal(
        few.rows, _sample.drawn(client, X, wanted(100, 0))[0].result().rows
    )


def test_sparse_rows_are_sampled(client):
    rows = sparse.random(500, 6, density=0.3, format="csr", random_state=0)
    X = da.from_array(rows.toarray(), chunks=(120, 6))
    expected = _sample.drawn(client, X, wanted(50, 0))[0].result()
    found = _sample.drawn(client, X.map_blocks(sparse.csr_matrix), wanted(50, 0))
    assert sparse.issparse(found[0].result().rows)
    assert_array_equal(found[0].result().rows.toarray(), expected.rows)


# --- the fit


def test_of_all_rows_it_is_the_plain_model(client, plain, blobs4, nothing_runs):
    X = da.from_array(blobs4[0], chunks=((500, 0, 700), 3))
    model = DaskSpectralNetClustering(4, **QUICK).fit(X)
    assert isinstance(model.labels_, da.Array)
    assert model.labels_.chunks == (X.chunks[0],)
    assert_array_equal(model.labels_.compute(), plain.labels_)
    assert_array_equal(model.cluster_centers_, plain.cluster_centers_)
    assert model.inertia_ == plain.inertia_
    assert model.score(X) == plain.score(blobs4[0])
    assert model.n_features_in_ == 3
    with pytest.raises(AttributeError, match="offset_"):
        _ = model.offset_
    for method in METHODS:
        found = getattr(model, method)(X).compute()
        assert_allclose(found, getattr(plain, method)(blobs4[0]), atol=1e-9)
    assert nothing_runs(client)


def test_of_a_sample_the_clusters_are_those_of_all_rows(of_sample, plain, blobs4):
    model, X = of_sample
    labels, Z = model.labels_.compute(), model.transform(X).compute()
    assert adjusted_rand_score(labels, plain.labels_) == 1.0
    # Each centre is the mean of its rows: Lloyd's steps have ended.
    for j, center in enumerate(model.cluster_centers_):
        assert_allclose(center, Z[labels == j].mean(axis=0), atol=1e-2)
    squares = np.sum((Z - model.cluster_centers_[labels]) ** 2)
    assert model.inertia_ == pytest.approx(squares, rel=1e-9)
    assert model.n_samples_seen_ == 1200
    assert model.drift_ <= model.drift_limit_
    local = model.to_local()
    outside = local._typicality.landmarks.count_outside(blobs4[0])
    assert model.drift_ == outside / 1200
    assert -1 <= model.score(X) <= 1


@pytest.mark.parametrize("chunks", [(1200,), (1, 0, 1199), (300, 300, 300, 300)])
def test_chunks_change_nothing(client, of_sample, chunks, blobs4):
    model, _ = of_sample
    X = da.from_array(blobs4[0], chunks=(chunks, 3))
    other = clone(model).fit(X)
    assert_array_equal(other.labels_.compute(), model.labels_.compute())
    assert_allclose(other.cluster_centers_, model.cluster_centers_, atol=1e-9)
    assert other.inertia_ == pytest.approx(model.inertia_, rel=1e-9)


def test_steps_are_those_of_kmeans(client, rng, monkeypatch):
    """Started at the centres of a sample of 40 of 3,000 rows, which are far away."""
    X = da.from_array(rng.normal(size=(3000, 2)), chunks=(700, 2))
    model = DaskSpectralNetClustering(5, subsample=40, encoder=None, **QUICK)
    monkeypatch.setattr(_refine, "_RESTING", 0.0)
    found = []
    for steps in (0, 3):
        monkeypatch.setattr(_refine, "_MOST_STEPS", steps)
        found.append(clone(model).fit(X))
    start, end = found
    Z = start.transform(X).compute()
    settings = {"n_init": 1, "max_iter": 3, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(5, init=start.cluster_centers_, **settings).fit(Z)
    assert_allclose(end.cluster_centers_, kmeans.cluster_centers_, atol=1e-9)
    assert_allclose(end.inertia_, kmeans.inertia_)
    assert end.inertia_ < 0.95 * start.inertia_


@pytest.mark.parametrize(("share", "n_reads"), [(1.0, 2), (0.0, 6)])
def test_rows_are_read_once_for_all_steps_where_memory_allows(
    client, rng, monkeypatch, tmp_path, share, n_reads
):
    """For the sample, and for all steps; else for the first sums and each step."""
    reads, rows = tmp_path / "reads", rng.normal(size=(1500, 2))

    def read(block):
        with reads.open("a") as file:
            file.write("x")
        return block

    X = da.from_array(rows, chunks=(500, 2)).map_blocks(read, meta=rows[:0])
    model = DaskSpectralNetClustering(5, subsample=40, encoder=None, **QUICK)
    monkeypatch.setattr(_refine, "_RESTING", 0.0)
    monkeypatch.setattr(_refine, "_MOST_STEPS", 4)
    monkeypatch.setattr(_refine, "_KEPT_SHARE", share)
    model.fit(X)
    assert len(reads.read_text()) == 3 * n_reads
    monkeypatch.setattr(_refine, "_KEPT_SHARE", 1.0 - share)
    other = clone(model).fit(X)
    assert_allclose(other.cluster_centers_, model.cluster_centers_, rtol=0, atol=1e-12)


def test_a_frame(client, of_sample, blobs4):
    frame = framed(blobs4[0])
    model = DaskSpectralNetClustering(4, subsample=400, **QUICK).fit(frame)
    assert list(model.feature_names_in_) == ["c0", "c1", "c2"]
    labels = model.labels_.compute()
    assert adjusted_rand_score(labels, of_sample[0].labels_.compute()) == 1.0
    assert_array_equal(model.to_local().predict(frame.compute()), labels)
    known = framed(10.0 * blobs4[1][:, None])["c0"]
    model.fit(frame, partial_labels=known)
    assert_array_equal(model.labels_.compute(), 10 * blobs4[1])


def test_partial_labels(client, blobs4):
    X, y = blobs4
    known = np.where(np.arange(1200) % 60 == 0, 7 * y, -1)
    rows = da.from_array(X, chunks=(250, 3))
    model = DaskSpectralNetClustering(4, subsample=200, **QUICK)
    labels = model.fit_predict(rows, partial_labels=da.from_array(known, chunks=999))
    assert_array_equal(labels.compute(), 7 * y)
    assert list(model.classes_) == [0, 7, 14, 21]


def test_contamination_and_other_clusters(client, blobs4):
    X = np.r_[blobs4[0], [[500.0, 500, 500]] * 12]
    rows = da.from_array(X, chunks=(250, 3))
    model = DaskSpectralNetClustering(
        4, contamination=0.01, assign_labels="cluster_qr", subsample=600, **QUICK
    ).fit(rows)
    labels = model.labels_.compute()
    assert model.outlier_share_ == np.mean(labels == -1)
    assert not hasattr(model, "inertia_")
    assert adjusted_rand_score(labels[:1200], blobs4[1]) > 0.9


def test_cosine(client, rng):
    X = np.abs(rng.normal(size=(600, 5))) * 0.1
    X[np.arange(600), np.arange(600) % 3] += 2.0
    X[:200] = 0.0
    rows = da.from_array(X, chunks=(100, 5))
    model = DaskSpectralNetClustering(3, metric="cosine", subsample=200, **QUICK)
    model.fit(rows)
    assert model.to_local()._counts.sum() == 400
    found = model.labels_.compute()[200:]
    assert adjusted_rand_score(found, np.arange(200, 600) % 3) == 1.0


def test_embedding(client, blobs4):
    X = da.from_array(blobs4[0][::4], chunks=(70, 3))
    settings = {"max_iter": 2, "random_state": 0}
    model = DaskSpectralNetEmbedding(2, **settings)
    Z = model.fit_transform(X)
    assert Z is model.embedding_
    expected = SpectralNetEmbedding(2, **settings).fit_transform(blobs4[0][::4])
    assert_allclose(Z.compute(), expected, atol=1e-9)
    assert isinstance(model.to_local(), SpectralNetEmbedding)
    assert clone(model).set_params(subsample=100).fit(X).transform(X).shape == (300, 2)


def test_local_model_needs_no_dask(of_sample, blobs4):
    model, _ = of_sample
    local = model.to_local()
    assert type(local) is SpectralNetClustering
    assert b"dask" not in pickle.dumps(local)
    assert not hasattr(local, "labels_")
    assert_array_equal(local.predict(blobs4[0]), model.labels_.compute())
    assert "client" not in local.get_params()
    # What goes on with it does so as after a fit of all rows.
    counts = np.bincount(model.labels_.compute())
    assert_array_equal(local._counts, counts)
    assert local.partial_fit(blobs4[0][:50]).n_samples_seen_ == 1250
    assert model.n_samples_seen_ == 1200


def test_nothing_of_the_size_of_the_rows_comes_to_the_client(client, monkeypatch):
    """What tasks return is as large for ten times as many rows."""
    sizes = {}
    original = distributed.Future.result

    def result(future, *args, **kwargs):
        value = original(future, *args, **kwargs)
        sizes[n_rows] = max(sizes.get(n_rows, 0), len(pickle.dumps(value)))
        return value

    monkeypatch.setattr(distributed.Future, "result", result)
    for n_rows in (1000, 10_000):
        X = da.random.RandomState(0).normal(size=(n_rows, 2), chunks=(1000, 2))
        model = DaskSpectralNetClustering(2, subsample=300, **QUICK).fit(X)
        model.score(X)
    assert sizes[10_000] < 1.1 * sizes[1000]


def test_two_fits_at_once(client, of_sample):
    model, X = of_sample
    labels = model.labels_.compute()
    models = [clone(model).set_params(client=client) for _ in range(2)]
    threads = [threading.Thread(target=m.fit, args=(X,)) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for other in models:
        assert_array_equal(other.labels_.compute(), labels)


# --- bad input


def test_bad_rows(client, blobs4, nothing_runs):
    X = da.from_array(blobs4[0], chunks=(400, 3))
    model = DaskSpectralNetClustering(4, **QUICK)
    broken = blobs4[0].copy()
    broken[900, 1] = np.nan
    objects = blobs4[0].astype(object)
    objects[0, 0] = "a"

    def only_first(block, block_info=None):
        first = block_info[0]["chunk-location"][0] == 0
        return block.astype(float) if first else block

    whole = da.from_array(blobs4[0].astype(np.int16), chunks=(400, 3))
    mixed = whole.map_blocks(only_first, dtype=np.int16, meta=np.empty((0, 3), "i2"))
    hidden = da.from_array(objects, chunks=(400, 3))
    hidden = hidden.map_blocks(lambda x: x, dtype=float, meta=np.empty((0, 3)))
    for bad, says in [
        (X.rechunk((400, 1)), "chunks along its columns"),
        (X[:, X[0] > -np.inf], "number of columns is not known"),
        (X.astype(object), "dtype object"),
        (da.from_array(broken, chunks=(400, 3)), r"Part 2 of X .*NaN"),
        (mixed, r"Part 0 of X .* has the type float64, but int16"),
        (hidden, r"Part \d of X .* holds objects"),
        (X[:3], "n_samples=3 should be >= n_clusters=4"),
        (unknown(X[:3]), "n_samples=3 should be >= n_clusters=4"),
        (X[:0], "0 sample"),
    ]:
        with pytest.raises(ValueError, match=says):
            model.fit(bad)
        assert not hasattr(model, "labels_")
    for bad in (blobs4[0], dask.delayed(blobs4[0])):
        with pytest.raises(TypeError, match="array or a data frame"):
            model.fit(bad)
    assert nothing_runs(client)


def test_bad_labels_and_parameters(client, blobs4, nothing_runs):
    X = da.from_array(blobs4[0], chunks=(400, 3))
    model = DaskSpectralNetClustering(4, **QUICK)
    labels = np.zeros(1200)
    for bad, rows, says in [
        (labels[1:], X, "1199 entries for 1200"),
        (da.from_array(labels[1:]), X, r"shape \(1199,\): expected \(1200,\)"),
        (labels, unknown(X), "must be a collection of dask"),
        (da.from_array(labels, chunks=99), unknown(X), "13 parts for 3 of X"),
        (da.from_array(labels + 0.5, chunks=400), X, "Part . of X.*partial_labels"),
        (np.arange(1200) // 200, X, "6 different labels"),
    ]:
        with pytest.raises(ValueError, match=says):
            model.fit(rows, partial_labels=bad)
    for name in ("must_link", "cannot_link", "graph"):
        with pytest.raises(ValueError, match=f"{name} numbers the rows of X"):
            model.fit(X, **{name: [[0, 1]]})
        with pytest.raises(ValueError, match="partial_labels says which"):
            model.fit_predict(X, **{name: [[0, 1]]})
    with pytest.raises(TypeError, match="unexpected keyword argument 'labels'"):
        model.fit(X, labels=labels)
    with pytest.raises(ValueError, match="n_neighbors"):
        clone(model).set_params(n_neighbors=-1).fit(X)
    with pytest.raises(NotFittedError):
        model.to_local()
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert nothing_runs(client)


def test_bad_clients(client, blobs4, monkeypatch):
    X = da.from_array(blobs4[0], chunks=(400, 3))
    model = DaskSpectralNetClustering(4, **QUICK)
    closed = distributed.Client(client.scheduler.address, set_as_default=False)
    closed.close()
    with pytest.raises(ValueError, match="client is closed"):
        clone(model).set_params(client=closed).fit(X)
    waits = SimpleNamespace(asynchronous=True)
    with pytest.raises(ValueError, match="asynchronous"):
        _cluster.usable_client(waits)
    idle = SimpleNamespace(asynchronous=False, status="running", nthreads=dict)
    with pytest.raises(ValueError, match="no workers"):
        _cluster.usable_client(idle)

    def none():
        raise ValueError("No clients found")

    monkeypatch.setattr(_cluster, "default_client", none)
    with pytest.raises(ValueError, match="There is no client of dask"):
        model.fit(X)
    assert clone(model).set_params(client=client).client_ is client


def test_a_failed_fit_leaves_the_model_as_it_was(client, of_sample, blobs4):
    model, X = of_sample
    before = model.labels_.compute()
    with pytest.raises(ValueError, match="columns"):
        model.fit(X.rechunk((250, 1)))
    assert_array_equal(model.labels_.compute(), before)


def test_without_distributed_the_import_says_what_to_install(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("skspectralnet.dask")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "skspectralnet\[dask\]"'):
        importlib.import_module("skspectralnet.dask")


# --- processes


def slow_blobs(n_parts=12):
    """Six blobs whose parts take long enough to be read to be seen at it."""

    def part(i):  # by value: the workers cannot import this file
        time.sleep(0.2)
        centers = np.random.RandomState(0).normal(size=(6, 4)) * 9
        rng = np.random.RandomState(i)
        return centers[rng.randint(6, size=300)] + rng.normal(size=(300, 4))

    parts = [dask.delayed(part)(i) for i in range(n_parts)]
    return da.concatenate([da.from_delayed(x, (300, 4), float) for x in parts])


class Killer(threading.Thread):
    """Kills (-9) the first worker that has a task of a kind."""

    def __init__(self, client, prefix):
        super().__init__(daemon=True)
        self.client, self.prefix, self.killed = client, prefix, None
        self.pids, self.over = client.run(os.getpid), threading.Event()

    def run(self):
        while self.killed is None and not self.over.wait(0.02):
            for address, keys in self.client.processing().items():
                if any(str(key).lstrip("('").startswith(self.prefix) for key in keys):
                    self.killed = self.pids[address]
                    os.kill(self.killed, signal.SIGKILL)
                    break


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("prefix", ["kept_of", "learned", "embedded", "_of_block"])
def test_a_killed_worker_changes_nothing(prefix, processes):
    """While it samples, fits, moves centres or makes labels."""
    X = slow_blobs()
    model = DaskSpectralNetClustering(6, subsample=900, client=processes, **QUICK)
    processes.wait_for_workers(2, timeout=300)
    model.fit(X)
    expected = processes.compute(model.labels_).result()
    killer = Killer(processes, prefix)
    killer.start()
    model.fit(X)
    found = processes.compute(model.labels_).result()
    killer.over.set()
    killer.join()
    assert killer.killed
    assert_array_equal(found, expected)


@pytest.mark.slow
def test_processes_find_what_the_plain_estimator_finds(processes, plain, blobs4):
    X = da.from_array(blobs4[0], chunks=(250, 3))
    model = DaskSpectralNetClustering(4, client=processes, **QUICK).fit(X)
    assert_array_equal(processes.compute(model.labels_).result(), plain.labels_)
