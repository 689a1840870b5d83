"""Labels, rates, memory and lost workers of the estimators for clusters of dask.

    python benchmarks/dask_scale.py [--parts labels predict disk client recall killed]
        [--folder FOLDER]

Two worker processes of one thread each, on one machine; each run is in
``results/dask_scale.json`` when it ends, and a second call goes on.

``labels``: up to 3,000 rows of four data sets in seven chunks, sorted by class. The ARI
of labels and those of the plain estimator that has learned from the same rows: all,
where the sample is all of them, and half, where the centres have moved after it.
``predict``: rows a second of a model of twenty clusters in 32 columns, from files, by
two workers, as dask starts them and keeping memory, and by the plain estimator with two
threads and with one, in turn, the best of two and of four.
``disk``: a fit and the labels of rows in files of 4.1 times the memory that both
workers may use, in chunks of 16 MiB; restarts of workers are counted. ``client``: the
most memory that is no mapped file (RssAnon) of the client during a fit and a count of
the labels, above that before, by the number of rows. ``recall``: the share of the exact
neighbours in the graph of all rows, of 100,000 rows of two kinds. ``killed``: a worker
is killed (-9) while it works on the sample, the centres or the labels, and where all
workers train on the graph of all rows or in that training, five times each.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import dask
import dask.array as da
import numpy as np
import rst
import torch
from data import curved_clusters, named, shape
from distributed import Client, LocalCluster
from report import RESULTS, Book, Stopwatch, go_through, say
from scale import AnonymousMemory
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from skspectralnet import SpectralNetClustering
from skspectralnet.dask import DaskSpectralNetClustering
from skspectralnet.dask import _sample as sample

KEY = ("part", "case")
DATA = ("curved clusters", "moons", "digits", "usps")
MOST_ROWS, N_CHUNKS = 3000, 7
PREDICTED, BLOCK = 200_000, 25_000
LIMIT_MIB, WIDE, TIMES, LEARNED = 800, 1024, 4.1, 5000
# No learned space: these parts are about all rows, not about the fit of the sample.
PLAIN = {"metric_learner": None, "random_state": 0}
# Memory that is kept for the next array: by what dask sets, it goes back at once.
KEEPING = {"MALLOC_TRIM_THRESHOLD_": 2**28, "MALLOC_MMAP_THRESHOLD_": 2**25}
CLIENT_ROWS = (100_000, 1_000_000, 10_000_000)
GRAPH_ROWS, KINDS = 100_000, ("20 clusters in 8 columns", "normal in 16 columns")
# Of all rows, and long enough to be found at it.
BY_ALL = {**PLAIN, "subsample": None, "batch_size": 256, "max_iter": 20, "tol": 0.0}
BY_ALL |= {"n_iter_no_change": 30, "early_stopping": False}
ON_GRAPH = {**BY_ALL, "neighbors_in": "data"}
TRIES = 5


class Stage(NamedTuple):
    """Where a worker is killed."""

    prefix: str  # of the names of its tasks
    settings: dict = {**PLAIN, "subsample": 1000}  # of the estimator
    after: float = 0.0  # seconds at it


STAGES = {
    "sample": Stage("kept_of"),
    "graph": Stage("found_in_bucket", ON_GRAPH),
    "training": Stage("on_rank", BY_ALL, 2.0),
    "training on the graph": Stage("on_rank", ON_GRAPH, 2.0),
    "centres": Stage("embedded"),
    "labels": Stage("_of_block"),
}


@contextlib.contextmanager
def two_workers(**settings):
    """A client of two processes of one thread."""
    # A worker that was lost may take as long to import torch on a busy machine; after
    # that a LocalCluster gives it up.
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "300s"})
    with (
        patience,
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
            **settings,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


# --- labels


def some_of(name):
    """At most so many rows of a data set, sorted by class, and the number of these."""
    if name == "curved clusters":
        X, y = curved_clusters(0, MOST_ROWS, 12, 16)
    elif name == "moons":
        X, y = shape("moons", 0)
    else:
        X, y = named(name)
    rows = np.random.RandomState(0).permutation(len(X))[:MOST_ROWS]
    rows = rows[np.argsort(y[rows], kind="stable")]
    return np.ascontiguousarray(X[rows]), y[rows], len(np.unique(y))


def labels(name):
    """The ARI with the plain estimator, and of both with the classes."""
    X, y, n_clusters = some_of(name)
    half, numbers = len(X) // 2, {"rows": len(X)}
    rows = da.from_array(X, chunks=(-(-len(X) // N_CHUNKS), X.shape[1]))
    with two_workers() as client:
        for size, which in ((len(X), "all"), (half, "half")):
            model = DaskSpectralNetClustering(
                n_clusters, subsample=size, random_state=0, client=client
            ).fit(rows)
            seed = int(np.random.RandomState(0).randint(np.iinfo(np.int32).max))
            wanted = sample.Wanted(size, seed, X.dtype, directed=False)
            kept = sample.drawn(client, rows, wanted)[0].result()
            plain = SpectralNetClustering(n_clusters, random_state=0).fit(kept.rows)
            found, expected = model.labels_.compute(), plain.predict(X)
            numbers[f"same, {which}"] = adjusted_rand_score(expected, found)
            numbers[f"ari, {which}"] = adjusted_rand_score(y, found)
            numbers[f"plain ari, {which}"] = adjusted_rand_score(y, plain.predict(X))
    return numbers


# --- rows in files


def blobs(start, n_rows, n_columns, n_clusters=20):
    """Rows of a mixture; a block follows from its place alone."""
    centers = np.random.RandomState(0).normal(size=(n_clusters, n_columns)) * 3
    X, _ = make_blobs(n_rows, centers=centers, random_state=start % 2**32)
    return X.astype(np.float32)


def stored(folder, block, n_blocks, n_columns):
    """Blocks of rows in files, written once: their paths."""
    paths = [Path(folder) / f"{n_columns}_{i:05}.npy" for i in range(n_blocks)]
    for i, path in enumerate(paths):
        if not path.exists():
            np.save(path, blobs(1 + i * block, block, n_columns))
    return paths


def of_files(paths, block, n_columns, n_parts=1):
    """An array of dask of some files, so many chunks of each."""
    size = block // n_parts

    def load(path, start):
        return np.array(np.load(path, mmap_mode="r")[start : start + size])

    load = dask.delayed(load)
    parts = [
        da.from_delayed(load(path, i * size), (size, n_columns), np.float32)
        for path in paths
        for i in range(n_parts)
    ]
    return da.concatenate(parts)


def rows_of_each(found):
    """How many rows have each label, a block at a time."""
    parts = [dask.delayed(np.bincount)(part) for part in found.to_delayed().ravel()]
    counts = Counter()
    for part in dask.compute(*parts):
        counts.update(dict(enumerate(part.tolist())))
    return [n for _, n in sorted(counts.items())]


def predict(_, folder):
    """Rows a second of two workers, and of a process of two threads and of one."""
    n_columns = 32
    paths = stored(folder, BLOCK, PREDICTED // BLOCK, n_columns)
    rows = of_files(paths, BLOCK, n_columns)
    model = SpectralNetClustering(20, random_state=0)
    model.fit(blobs(0, 5000, n_columns))
    seconds = {}

    def timed(name, count):
        with Stopwatch() as watch:
            counts = count()
        seconds[name] = min(watch.wall, seconds.get(name, np.inf))
        return counts

    def by_threads():
        return sum(np.bincount(model.predict(np.load(path))) for path in paths).tolist()

    def by_workers():
        return rows_of_each(model.predict(rows))

    for name, environ in (("as set by dask", {}), ("workers", KEEPING)):
        spawn = {
            f"distributed.nanny.pre-spawn-environ.{k}": v for k, v in environ.items()
        }
        with dask.config.set(spawn), two_workers():
            by_workers()  # imports, and the cache of files
            for _ in range(2):
                counts = timed(name, by_workers)
                for n_threads, of in ((2, "threads"), (1, "thread")):
                    torch.set_num_threads(n_threads)
                    with threadpool_limits(n_threads):
                        assert timed(of, by_threads) == counts
    rates = {name: int(PREDICTED / took) for name, took in seconds.items()}
    return {"rows": PREDICTED, **rates, "ratio": rates["workers"] / rates["threads"]}


def disk(_, folder):
    """More rows than the workers have memory for."""
    limit = LIMIT_MIB * 2**20
    block = 64 * 2**20 // (4 * WIDE)
    n_blocks = int(TIMES * 2 * limit) // (block * 4 * WIDE)
    paths = stored(folder, block, n_blocks, WIDE)
    with two_workers(memory_limit=limit) as client:
        before = client.run(os.getpid)
        rows = of_files(paths, block, WIDE, n_parts=4)
        model = DaskSpectralNetClustering(20, subsample=LEARNED, client=client, **PLAIN)
        with Stopwatch() as fit:
            model.fit(rows)
        with Stopwatch() as labelled:
            counts = rows_of_each(model.labels_)
        restarts = len(set(before.values()) ^ set(client.run(os.getpid).values()))
    assert sum(counts) == len(rows)
    return {
        "rows": len(rows),
        "gib": rows.nbytes / 2**30,
        "times": rows.nbytes / (2 * limit),
        "fit": fit.wall,
        "labels": labelled.wall,
        "restarts": restarts,
        "drift": model.drift_,
        "drift_limit": model.drift_limit_,
    }


# --- the client


def drawn_rows(n_rows, n_columns=8):
    """Rows that are drawn where they are used."""
    block = n_rows // 20
    draw = dask.delayed(blobs)
    parts = [
        da.from_delayed(draw(1 + i, block, n_columns), (block, n_columns), np.float32)
        for i in range(20)
    ]
    return da.concatenate(parts)


def client(n_rows):
    """MiB of the client beyond those before the fit."""
    with two_workers() as client:
        model = DaskSpectralNetClustering(20, subsample=LEARNED, client=client, **PLAIN)
        model.fit(drawn_rows(CLIENT_ROWS[0]))  # what a first fit brings along
        rows = drawn_rows(n_rows)
        with Stopwatch() as watch, AnonymousMemory() as memory:
            model.fit(rows)
            counts = rows_of_each(model.labels_)
    assert sum(counts) == n_rows
    return {"rows": n_rows, "mib": memory.peak, "wall": watch.wall}


# --- the graph of all rows


def recall(kind):
    """The share of the exact neighbours that the buckets have found."""
    n_columns = int(kind.split()[-2])
    if kind.startswith("normal"):
        X = np.random.RandomState(0).normal(size=(GRAPH_ROWS, n_columns))
    else:
        X, _ = make_blobs(GRAPH_ROWS, n_columns, centers=20, random_state=0)
    rows = da.from_array(X.astype(np.float32), chunks=(GRAPH_ROWS // 4, n_columns))
    with two_workers() as client, Stopwatch() as watch:
        settings = {**ON_GRAPH, "max_iter": 1, "client": client}
        model = DaskSpectralNetClustering(20, **settings).fit(rows)
    return {"rows": GRAPH_ROWS, "recall": model.neighbors_recall_, "wall": watch.wall}


# --- lost workers


class Killer:
    """Kills (-9) the first worker that has a task of a kind, in a ``with`` block."""

    def __init__(self, client, stage):
        self._client, self._prefix, self._after = client, stage.prefix, stage.after
        self._pids = client.run(os.getpid)
        self._end = threading.Event()
        self.killed = None

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self._thread.join()

    def _watch(self):
        while self.killed is None and not self._end.wait(0.02):
            for address, keys in self._client.processing().items():
                named = (str(key).lstrip("('") for key in keys)
                if any(key.startswith(self._prefix) for key in named):
                    if self._end.wait(self._after):
                        return  # it has ended before
                    self.killed = self._pids[address]
                    os.kill(self.killed, signal.SIGKILL)
                    return


def slow_rows(n_parts=24, block=500, seconds=0.1):
    """Rows that take so long to be read that a worker is found at them."""

    def load(i):
        time.sleep(seconds)
        return blobs(1 + i, block, 8, 6)

    parts = [
        da.from_delayed(dask.delayed(load)(i), (block, 8), np.float32)
        for i in range(n_parts)
    ]
    return da.concatenate(parts)


def killed(stage):
    """Labels as without, and seconds, of as many tries."""
    same, seconds, n_killed = 0, [], 0
    with two_workers() as client:
        model = DaskSpectralNetClustering(6, client=client, **STAGES[stage].settings)
        rows = slow_rows()
        expected = model.fit(rows).labels_.compute()
        for _ in range(TRIES):
            client.wait_for_workers(2, timeout=300)
            with Stopwatch() as watch:
                if stage == "labels":
                    model.fit(rows)
                with Killer(client, STAGES[stage]) as killer:
                    found = model.labels_ if stage == "labels" else model.fit(rows)
                    if stage == "labels":
                        found = found.compute()
                if stage != "labels":
                    found = model.labels_.compute()
            same += int(np.array_equal(found, expected))
            n_killed += killer.killed is not None
            seconds.append(watch.wall)
    return {
        "tries": TRIES,
        "killed": n_killed,
        "same": same,
        "longest": max(seconds),
    }


# --- the file and its tables


PARTS = {
    "labels": (labels, DATA),
    "predict": (predict, ("32 columns",)),
    "disk": (disk, ("1,024 columns",)),
    "client": (client, CLIENT_ROWS),
    "recall": (recall, KINDS),
    "killed": (killed, tuple(STAGES)),
}


def tables(record):
    """A table for each part."""
    found = {name: [] for name in PARTS}
    for run in record["runs"]:
        found[run["part"]].append(run)
    header = ["rows of", "n", "same labels: all", "half", "ARI: all", "plain", "half"]
    keys = ("same, all", "same, half", "ari, all", "plain ari, all", "ari, half")
    rows = [
        [run["case"], f"{run['rows']:,}", *(f"{run[key]:.3f}" for key in keys)]
        for run in found["labels"]
    ]
    tables = {"dask_labels": rst.list_table(header, rows)}
    rates = [
        f"Labels of {run['rows']:,} rows of 32 columns from files: {run['workers']:,} "
        f"rows a second by two workers that keep memory, {run['as set by dask']:,} by "
        f"two as dask starts them, {run['threads']:,} by the plain estimator with two "
        f"threads and {run['thread']:,} with one.\n"
        for run in found["predict"]
    ]
    rates += [
        f"{run['rows']:,} rows of 1,024 columns, {run['gib']:.1f} GiB in files and "
        f"{run['times']:.1f} times the memory that both workers may use: a fit "
        f"of {run['fit']:.0f} seconds, labels of {run['labels']:.0f}, restarts: "
        f"{run['restarts']}.\n"
        for run in found["disk"]
    ]
    tables["dask_rates"] = "\n".join(rates)
    header = ["rows", "MiB of the client", "seconds"]
    rows = [
        [f"{run['rows']:,}", f"{run['mib']:.1f}", f"{run['wall']:.0f}"]
        for run in found["client"]
    ]
    tables["dask_client"] = rst.list_table(header, rows)
    header = ["rows", "n", "recall"]
    rows = [
        [run["case"], f"{run['rows']:,}", f"{run['recall']:.3f}"]
        for run in found["recall"]
    ]
    tables["dask_recall"] = rst.list_table(header, rows)
    header = ["killed at", "tries", "same labels", "longest, seconds"]
    rows = [
        [run["case"], run["killed"], run["same"], f"{run['longest']:.0f}"]
        for run in found["killed"]
    ]
    return tables | {"dask_killed": rst.list_table(header, rows)}


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--folder", help="of files, which stay; unless given a temporary one"
    )
    asked = parser.parse_args()
    book = Book(RESULTS / "dask_scale.json", KEY)
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or temporary

        def measure(part, case):
            run, _ = PARTS[part]
            return run(case, folder) if part in ("predict", "disk") else run(case)

        wanted = [(part, case) for part in asked.parts for case in PARTS[part][1]]
        order = list(PARTS).index
        return go_through(
            book,
            "python benchmarks/dask_scale.py",
            wanted,
            measure,
            order=lambda run: order(run["part"]),
        )


if __name__ == "__main__":
    say("two workers of one thread each")
    sys.exit(main())
