"""Training of one map by all workers of a cluster of dask."""

import os
import signal
import sys
import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering, SpectralNetEmbedding
from skspectralnet._stages import Stages

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from distributed.protocol import deserialize_bytes, serialize_bytes  # noqa: E402

from skspectralnet.dask import (  # noqa: E402
    DaskSpectralNetClustering,
    DaskSpectralNetEmbedding,
    RanksLostError,
    _attempts,
    _fits,
    _rank,
    _sample,
    _shards,
)

# Two ranks of a few batches; of blobs the map finds all in a few steps.
BY_ALL = {
    **{"subsample": None, "metric_learner": None, "batch_size": 160, "max_iter": 2},
    **{"early_stopping": False, "random_state": 0},
}
pytestmark = [
    pytest.mark.skipif(
        not torch.distributed.is_available(), reason="torch without torch.distributed"
    ),
    pytest.mark.filterwarnings(
        "ignore:The spectral loss was still falling",
        "ignore:The .* graph .*:UserWarning",
    ),
]


@pytest.fixture(scope="module")
def by_all(client, sorted_blobs):
    """A model of all rows, which lie in four chunks."""
    X = da.from_array(sorted_blobs[0], chunks=(200, 3))
    return DaskSpectralNetClustering(4, **BY_ALL).fit(X), X


# --- the rows of each rank


def recipe(metric="euclidean", network_input="metric", seed=0):
    stages = Stages(None, None, metric, network_input)
    return SimpleNamespace(stages=stages, dtype=np.dtype(float), seed=seed)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("chunks", [[0, 90], [0, 1, 1, 40, 90]])
def test_pieces_are_all_rows_and_do_not_depend_on_the_parts(
    kind, chunks, global_random_seed
):
    rows = np.random.RandomState(global_random_seed).normal(size=(90, 2))
    labels = np.arange(90) % 3
    asked, found = recipe(seed=global_random_seed), []
    for i, (start, stop) in enumerate(pairwise(chunks)):
        block = kind(rows[start:stop])
        pieces = _shards.pieces_of(block, labels[start:stop], (i, start), asked, 3)
        found.append(pieces)
    shards = [_shards.stacked(pieces) for pieces in zip(*found, strict=True)]
    numbers = _sample.random_numbers(global_random_seed, 0, 0, 90)
    for rank, shard in enumerate(shards):
        mine = numbers % np.uint64(3) == rank
        points = shard.points.toarray() if kind is not np.asarray else shard.points
        assert_array_equal(points, rows[mine])
        assert_array_equal(shard.labels, labels[mine])
        assert shard.inputs is None


def test_pieces_without_rows_and_without_direction():
    asked = recipe("cosine", "code")
    none = _shards.pieces_of(np.empty((0, 2)), None, (0, 0), asked, 2)
    assert none == (None, None)
    assert _shards.stacked(none) is None
    assert _shards.rows_of(None) == 0
    rows = np.zeros((50, 2))
    assert _shards.pieces_of(rows, None, (0, 0), asked, 2) == (None, None)
    rows[::5, 0] = 3.0
    (shard,) = _shards.pieces_of(rows, np.arange(50), (0, None), asked, 1)
    assert_array_equal(shard.points, [[1.0, 0.0]] * 10)
    assert_array_equal(shard.inputs, shard.points)
    assert_array_equal(shard.labels, np.arange(0, 50, 5))


def test_fewer_ranks_where_there_are_few_rows(client):
    X = da.from_array(np.random.RandomState(0).normal(size=(90, 2)), chunks=(40, 2))
    for batch_size, n_ranks in ((200, 1), (20, 3)):
        asked = _shards.Recipe(
            *(None, Stages(None, None, "euclidean", "metric"), None, None),
            *(SimpleNamespace(batch_size=batch_size), np.dtype(float), 0),
        )
        shards = _shards.divided(client, X, None, asked, 3)
        assert len(shards) == n_ranks
        assert sum(len(shard.points) for shard in client.gather(shards)) == 90


# --- the fit


@pytest.mark.parametrize("plain", [SpectralNetClustering, SpectralNetEmbedding])
def test_a_fit_that_went_elsewhere_in_between_is_the_fit(plain, sorted_blobs):
    settings = {"neighbors_in": "batch", "init": "random", "max_iter": 2}
    model = plain(3, **settings, subsample=None, metric_learner=None, random_state=0)
    X = sorted_blobs[0][::4]
    sample = SimpleNamespace(rows=X, labels=None)
    taken = _fits.begun_on(model, sample, None)
    taken = deserialize_bytes(serialize_bytes(taken))
    found = _fits.ended_on(model, sample, None, taken, taken.trial.fit)
    expected = clone(model).fit(X)
    assert_array_equal(found.transform(X), expected.transform(X))
    if plain is SpectralNetClustering:
        assert_array_equal(found.predict(X), expected.labels_)


def test_all_rows_by_all_workers(client, by_all, sorted_blobs, nothing_runs):
    model, X = by_all
    labels = model.labels_.compute()
    assert adjusted_rand_score(labels, sorted_blobs[1]) == 1.0
    Z = model.transform(X).compute()
    for j, center in enumerate(model.cluster_centers_):
        np.testing.assert_allclose(center, Z[labels == j].mean(axis=0), atol=1e-2)
    assert model.n_iter_ == 2
    local = model.to_local()
    assert_array_equal(local.predict(sorted_blobs[0]), labels)
    for name in ("subsample", "neighbors_in", "random_state"):
        assert getattr(local, name) == getattr(model, name)
    assert nothing_runs(client)
    assert not torch.distributed.is_initialized()


def test_ranks_have_all_rows_and_the_same_result(
    assert_same_map, client, by_all, collected
):
    model, X = by_all
    told = collected(_rank, "_told")
    fits = collected(_rank, "_trained")
    # Other parts, one of them empty, and the last row alone.
    again = clone(model).fit(X.rechunk(((500, 0, 299, 1), 3)))
    assert_same_map(again, model)
    assert sorted(len(inputs) for inputs, _, _ in told) != [0, 800]
    assert sum(len(inputs) for inputs, _, _ in told) == 800
    one, other = fits
    assert one.history == other.history
    assert_array_equal(one.pairs.eigenvalues, other.pairs.eigenvalues)
    for mine, yours in zip(one.mlp.parameters(), other.mlp.parameters(), strict=True):
        assert torch.equal(mine, yours)


def test_labels_reach_all_ranks(client, sorted_blobs, collected):
    X, y = sorted_blobs
    known = np.where(np.arange(800) % 40 == 0, 7 * y, -1)
    told = collected(_rank, "_told")
    model = DaskSpectralNetClustering(4, **BY_ALL)
    model.fit(da.from_array(X, chunks=(500, 3)), partial_labels=known)
    assert_array_equal(model.labels_.compute(), 7 * y)
    n_known = [np.sum(constraints.labels >= 0) for _, _, constraints in told]
    assert min(n_known) > 0
    assert sum(n_known) == 20


def test_two_fits_at_once_by_all_workers(assert_same_map, client, by_all):
    model, X = by_all
    models = [clone(model).set_params(client=client) for _ in range(2)]
    threads = [threading.Thread(target=m.fit, args=(X,)) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for other in models:
        assert_same_map(other, model)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"init": "spectral"}, "init='random', or give subsample a number"),
        ({"orthonorm": "alternating"}, "orthonorm='joint'"),
        ({"max_restarts": -1}, "max_restarts=-1: expected"),
        ({"max_restarts": 0.5}, "max_restarts=0.5: expected"),
    ],
)
def test_parameters_that_all_workers_cannot_follow(client, changes, says):
    X = da.zeros((10, 2), chunks=(5, 2))
    with pytest.raises(ValueError, match=says):
        DaskSpectralNetClustering(2, **BY_ALL).set_params(**changes).fit(X)


def test_an_embedding_by_all_workers(client, sorted_blobs):
    X = da.from_array(sorted_blobs[0], chunks=(500, 3))
    with pytest.raises(ValueError, match=r"init='spectral' does not.*init='random'"):
        DaskSpectralNetEmbedding(2, subsample=None, neighbors_in="batch").fit(X)
    model = DaskSpectralNetEmbedding(3, **BY_ALL, neighbors_in="batch", init="random")
    Z = model.fit_transform(X).compute()
    means = np.stack([Z[sorted_blobs[1] == j].mean(axis=0) for j in range(4)])
    within = np.mean((Z - means[sorted_blobs[1]]) ** 2)
    assert within < 0.05 * np.var(means, axis=0).mean()


# --- ranks that are lost


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_lost_rank_changes_nothing(
    assert_same_map, client, by_all, monkeypatch, epoch, nothing_runs
):
    """In an epoch, or after the last one: the rest is made again, and no more."""
    model, X = by_all
    keep, kept, lost = _rank.Checkpoints.keep, [], []

    def keep_until(self, state):
        keep(self, state)
        kept.append(len(state()["curves"]))
        if self._held is None and kept[-1] == epoch and not lost:
            lost.append(True)
            raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr(_rank.Checkpoints, "keep", keep_until)
    again = clone(model).fit(X)
    assert lost
    assert_same_map(again, model)
    assert kept.count(1) == 2 if epoch == 2 else kept.count(1) >= 2
    assert nothing_runs(client)


def test_ranks_that_are_lost_each_time(client, by_all, monkeypatch, nothing_runs):
    model, X = by_all
    begun = []

    def keep(self, state):
        begun.append(self)
        raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr(_rank.Checkpoints, "keep", keep)
    failed = clone(model).set_params(max_restarts=1)
    start = time.monotonic()
    with pytest.raises(RanksLostError, match="broken off 2 times"):
        failed.fit(X)
    assert time.monotonic() - start < 30
    assert not hasattr(failed, "labels_")
    assert 2 <= len(begun) <= 4
    assert nothing_runs(client)


def test_an_error_of_the_training_is_no_loss(client, by_all, monkeypatch, nothing_runs):
    """It comes from one rank; the other sees no more than a lost connection."""
    model, X = by_all
    told, begun = _rank._told, []

    def fails(shard, recipe):
        begun.append(shard)
        if len(begun) == 2:
            raise ValueError("of the training")
        return told(shard, recipe)

    monkeypatch.setattr(_rank, "_told", fails)
    with pytest.raises(ValueError, match="of the training"):
        clone(model).fit(X)
    assert len(begun) == 2
    assert nothing_runs(client)


def meet(place, over=lambda: False):
    """On a worker, a rank that meets nobody."""
    return _rank.Meeting().group(place, over)


def test_ranks_that_do_not_meet(client, monkeypatch):
    place = _rank.Place(0, 2, "", "", b"")
    future = client.submit(meet, place, lambda: True, pure=False)
    with pytest.raises(_rank.AbandonedError, match="before all had begun"):
        future.result()
    monkeypatch.setattr(_rank, "MEETING_SECONDS", 0)
    with pytest.raises(TimeoutError, match="other tasks keep them busy"):
        client.submit(meet, place, pure=False).result()


def test_workers_of_ranks():
    class Client:
        def __init__(self, workers, has):
            self.nthreads, self.who_has = lambda: workers, lambda shards: has

    shards = [SimpleNamespace(key=i) for i in range(3)]

    def workers_of(workers, has):
        return _attempts._workers_of(Client(dict.fromkeys(workers, 1), has), shards)

    assert workers_of("abc", {0: ["c"], 1: ["c", "a"], 2: []}) == ["c", "a", "b"]
    assert workers_of("abc", {0: ["c"], 1: ["c"], 2: ["c"]})[0] == "c"
    assert sorted(workers_of("abcd", {})) == ["b", "c", "d"]
    assert set(workers_of("ab", {0: ["a"]})) == {"a", "b"}
    with pytest.raises(_rank.AbandonedError, match="No worker was left"):
        workers_of("", {})


# --- processes


class Killer(threading.Thread):
    """Kills (-9) a worker that trains, once its training has made some epochs."""

    def __init__(self, client, which, n_times=1):
        super().__init__(daemon=True)
        self.client, self.which, self.n_left = client, which, n_times
        self.over, self.killed = threading.Event(), []

    def run(self):
        while self.n_left and not self.over.wait(0.05):
            ranks = [
                address
                for address, keys in sorted(self.client.processing().items())
                if any(str(key).startswith("on_rank") for key in keys)
            ]
            if len(ranks) == 2 and not self.over.wait(1.0):
                # Of the pids now: a worker that was killed comes back as another one.
                pids = self.client.run(os.getpid)
                if ranks[self.which] in pids:
                    self.n_left -= 1
                    self.killed.append(time.monotonic())
                    os.kill(pids[ranks[self.which]], signal.SIGKILL)


def moons_by_place(n_rows=4000):
    """Two moons whose rows are sorted by a column, and their labels."""
    X, y = make_moons(n_rows, noise=0.05, random_state=0)
    order = np.argsort(X[:, 0])
    return da.from_array(X[order], chunks=(900, 2)), y[order]


def long_training(**changes):
    # 32 steps in each of 60 epochs: seconds, in which a worker can be killed.
    settings = {**BY_ALL, "batch_size": 256, "max_iter": 60, "tol": 0.0}
    settings |= {"n_iter_no_change": 90, **changes}
    return DaskSpectralNetClustering(2, **settings)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("which", [0, 1])
def test_a_worker_killed_in_the_training_changes_nothing(
    assert_same_map, processes, which
):
    """Found again bit for bit, and no hang."""
    X, y = moons_by_place(20_000)
    processes.wait_for_workers(2, timeout=300)
    model = long_training(client=processes).fit(X)
    killer = Killer(processes, which)
    killer.start()
    again = long_training(client=processes).fit(X)
    killer.over.set()
    killer.join()
    assert killer.killed
    assert_same_map(again, model)
    labels = processes.compute(model.labels_).result()
    assert adjusted_rand_score(labels, y) > 0.99


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_no_restart_is_a_named_error_within_seconds(processes):
    X, _ = moons_by_place(20_000)
    processes.wait_for_workers(2, timeout=300)
    killer = Killer(processes, 1)
    killer.start()
    with pytest.raises(RanksLostError, match="broken off 1 time"):
        long_training(client=processes, max_restarts=0).fit(X)
    ended = time.monotonic()
    killer.over.set()
    killer.join()
    assert ended - killer.killed[0] < 10
    processes.wait_for_workers(2, timeout=300)


@pytest.mark.slow
def test_rows_sorted_by_place_are_not_torn_apart(processes):
    X, y = moons_by_place()
    processes.wait_for_workers(2, timeout=300)
    settings = {**BY_ALL, "max_iter": 60, "batch_size": "auto"}
    model = DaskSpectralNetClustering(2, client=processes, **settings).fit(X)
    labels = processes.compute(model.labels_).result()
    assert adjusted_rand_score(labels, y) > 0.99
