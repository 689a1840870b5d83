"""Recall and seconds of the ways to find the ten nearest neighbours of all rows.

    python benchmarks/neighbors.py [--max-rows N] [--algorithms NAME ...] [--seeds N]

Random rows of MNIST's first 100 principal components, and for more than it has the
generated curved clusters in 32 columns. Recall is the share of the true neighbours
found, as :func:`nearest_neighbors` measures it on 1,000 rows; the seconds are those of
the call, this measurement included, as a fit pays them, without what numba compiles at
the first call of pynndescent. Exact search has nothing random and is run once.
``pynndescent`` is left out where it is not installed (``pip install '.[ann]'``). Each
run is in ``results/neighbors.json`` when it ends: the same command goes on, and another
environment's Python adds what the first one lacks.
"""

import argparse
import functools
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rst
from data import curved_clusters, load
from report import RESULTS, Book, Stopwatch, go_through, say, spread
from sklearn.decomposition import PCA

from skspectralnet._graph import nearest_neighbors

N_NEIGHBORS = 10
SIZES = (10_000, 30_000, 70_000, 200_000)
ALGORITHMS = ("exact", "cells", "pynndescent")
MEASURES = ("recall", "wall", "cpu")


@functools.lru_cache(maxsize=2)
def rows_of(n_rows):
    """float32 rows of one size; the last ones are kept."""
    if n_rows > 70_000:
        return curved_clusters(0, n_rows=n_rows)[0].astype(np.float32)
    X = load("mnist")[0]
    kept = np.random.RandomState(0).permutation(len(X))[:n_rows]
    X = X[np.sort(kept)].astype(np.float32)
    return PCA(100, random_state=0).fit_transform(X)


@functools.lru_cache(maxsize=1)
def compile_descent():
    """Let numba compile, once in a process: the seconds do not count it."""
    X = rows_of(min(SIZES))[:4500]
    rng = np.random.RandomState(0)
    nearest_neighbors(X, N_NEIGHBORS, algorithm="pynndescent", random_state=rng)


def measure(n_rows, algorithm, seed):
    """Recall and seconds of one search."""
    X = rows_of(n_rows)
    if algorithm == "pynndescent":
        compile_descent()
    rng = np.random.RandomState(seed)
    with Stopwatch() as watch:
        found = nearest_neighbors(X, N_NEIGHBORS, algorithm=algorithm, random_state=rng)
    return {
        "recall": found.recall,
        "wall": watch.wall,
        "cpu": watch.cpu,
        "columns": X.shape[1],
    }


def summarise(runs):
    """{(rows, algorithm): {measure: spread}}, by size and then by algorithm."""
    found = {}
    for run in runs:
        found.setdefault((run["rows"], run["algorithm"]), []).append(run)
    return {
        names: {key: spread([run[key] for run in found[names]]) for key in MEASURES}
        for names in sorted(found, key=_order)
    }


def _order(names):
    return names[0], ALGORITHMS.index(names[1])


def tables(record):
    """Recall and seconds of each search by the number of rows."""
    columns = {run["rows"]: run["columns"] for run in record["runs"]}
    header = ["rows", "columns", "search", "recall", "recall, worst", "wall", "CPU"]
    rows = [
        [
            f"{n_rows:,}",
            columns[n_rows],
            f"``{algorithm}``",
            rst.number(row["recall"]["mean"]),
            rst.number(row["recall"]["min"]),
            rst.number(row["wall"]["median"], 1),
            rst.number(row["cpu"]["median"], 1),
        ]
        for (n_rows, algorithm), row in summarise(record["runs"]).items()
    ]
    text = (
        "\nTen neighbours: of random rows of MNIST in 100 principal components up to "
        "70,000 rows, of generated curved clusters beyond. Seconds are medians and "
        "include the measurement of the recall.\n"
    )
    return {"neighbors": rst.list_table(header, rows) + text}


def print_table(runs):
    """Recall and median seconds of each size and algorithm."""
    for (n_rows, algorithm), row in summarise(runs).items():
        print(
            f"{n_rows:8,} {algorithm:12} recall mean {row['recall']['mean']:.3f} worst "
            f"{row['recall']['min']:.3f}  seconds: wall {row['wall']['median']:.1f} "
            f"cpu {row['cpu']['median']:.1f}"
        )


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--max-rows", type=int, default=max(SIZES), help="leave out larger sizes")
    add("--algorithms", nargs="+", default=list(ALGORITHMS), choices=ALGORITHMS)
    add("--seeds", type=int, default=3, help="0 to N - 1; 3 unless given")
    add("--results", type=Path, default=RESULTS / "neighbors.json")
    options = parser.parse_args(arguments)
    if find_spec("pynndescent") is None and "pynndescent" in options.algorithms:
        say("pynndescent is left out: it is not installed")
        options.algorithms.remove("pynndescent")
    wanted = [
        (n_rows, algorithm, seed)
        for n_rows in SIZES
        if n_rows <= options.max_rows
        for algorithm in options.algorithms
        for seed in range(1 if algorithm == "exact" else options.seeds)
    ]
    book = Book(options.results, ("rows", "algorithm", "seed"))
    status = go_through(
        book,
        "python benchmarks/neighbors.py",
        wanted,
        measure,
        order=lambda run: (*_order((run["rows"], run["algorithm"])), run["seed"]),
    )
    print_table(book.record["runs"])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
