"""Seconds of a default fit beside k-means on the same rows, and how well both do.

    python benchmarks/speed.py [--data NAME ...] [--seeds N]

Generated tables of 1,000 to 50,000 rows (each cluster a Gaussian; the many ones a
curved mixture), and MNIST's pixels where they are. Each run is a process of its own:
the fit, then `KMeans` as the table says, both with all cores. Run it on a quiet
machine. Each run is in ``results/speed.json`` when it ends.
"""

import argparse
import json
import sys

import numpy as np
import rst
from data import CurvedMixture, load
from report import RESULTS, Book, Stopwatch, go_through, in_own_process, scores, spread
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from skspectralnet import SpectralNetClustering

# name: (rows, columns, clusters), and the starts of k-means
TABLES = {
    "1,000 x 20": ((1_000, 20, 5), 10),
    "2,000 x 20": ((2_000, 20, 5), 10),
    "10,000 x 50": ((10_000, 50, 10), 10),
    "20,000 x 64, 200 clusters": ((20_000, 64, 200), 3),
    "50,000 x 64, 300 clusters": ((50_000, 64, 300), 3),
}
MNIST = "MNIST"
MEASURES = ("wall", "cpu", "nmi", "acc")
KEYS = [prefix + key for prefix in ("", "kmeans_") for key in MEASURES]


def rows_of(name, seed):
    """Rows, classes and the starts of k-means of a table."""
    if name == MNIST:
        X, y = load("mnist")
        return X.astype(np.float32), y, 10
    (n_rows, n_columns, n_clusters), n_init = TABLES[name]
    if n_clusters > 20:
        X, y = CurvedMixture(seed, n_clusters, n_columns, n_latent=24).sample(
            n_rows, np.random.RandomState(seed)
        )
    else:
        shape = {"n_samples": n_rows, "n_features": n_columns, "centers": n_clusters}
        X, y = make_blobs(**shape, cluster_std=3.0, random_state=seed)
    return X, y, n_init


def run(name, seed):
    """One fit and one of k-means in this process: their numbers.

    A small fit before them takes what is done once in a process.
    """
    X, y, n_init = rows_of(name, seed)
    n_clusters = len(np.unique(y))
    SpectralNetClustering(3, max_iter=2, random_state=0).fit(X[:200])
    estimators = {
        "": SpectralNetClustering(n_clusters, random_state=seed),
        "kmeans_": KMeans(n_clusters, n_init=n_init, random_state=seed),
    }
    numbers = {}
    for prefix, estimator in estimators.items():
        with Stopwatch() as watch:
            estimator.fit(X)
        found = scores(y, estimator.labels_) | {"wall": watch.wall, "cpu": watch.cpu}
        numbers |= {prefix + key: round(found[key], 4) for key in MEASURES}
    return numbers


def tables(record):
    """Mean seconds and scores of each table, and the worst score."""
    header = ["rows x columns", "fits", "wall", "CPU", "NMI, mean and worst"]
    header += ["accuracy, mean and worst", "k-means: wall", "NMI", "accuracy"]
    rows = []
    for name in (*TABLES, MNIST):
        runs = [run for run in record["runs"] if run["data"] == name]
        if not runs:
            continue
        of = {key: spread([run[key] for run in runs]) for key in KEYS}
        rows.append(
            [
                name,
                str(len(runs)),
                *(rst.number(of[key]["median"], 2) for key in ("wall", "cpu")),
                *(rst.mean_and_worst(of[key]) for key in ("nmi", "acc")),
                rst.number(of["kmeans_wall"]["median"], 2),
                *(rst.number(of["kmeans_" + key]["mean"]) for key in ("nmi", "acc")),
            ]
        )
    return {"speed": rst.list_table(header, rows)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", default=[*TABLES, MNIST])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        print(json.dumps(run(args.run[0], int(args.run[1]))))
        return 0
    book = Book(RESULTS / "speed.json", ("data", "seed"))
    wanted = [(name, seed) for name in args.data for seed in range(args.seeds)]

    def measure(name, seed):
        return in_own_process(__file__, "--run", name, seed)

    return go_through(book, "python benchmarks/speed.py", wanted, measure)


if __name__ == "__main__":
    sys.exit(main())
