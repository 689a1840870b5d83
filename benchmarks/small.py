"""Seconds of a default fit of at most 150 rows, with one thread and with two.

    python benchmarks/small.py

Both estimators, seeds 0 to 9 after one fit that is not counted. Run it on a quiet
machine: on small data a step is mostly the price of calling torch, which doubles as
soon as another process takes the cores.
"""

import numpy as np
import rst
import torch
from report import Stopwatch, spread, write
from sklearn.datasets import load_digits, load_iris, load_wine, make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from skspectralnet import SpectralNetClustering, SpectralNetEmbedding

SEEDS = range(10)
THREADS = (1, 2)
N_ROWS = 150
ESTIMATORS = {
    "clustering": "SpectralNetClustering",
    "embedding": "SpectralNetEmbedding",
}


def real(load):
    """The first rows of a data set of scikit-learn and their labels."""
    X, y = load(return_X_y=True)
    return X[:N_ROWS], y[:N_ROWS]


DATA = {
    "iris": (3, lambda seed: real(load_iris)),
    "wine": (3, lambda seed: real(load_wine)),
    "digits": (10, lambda seed: real(load_digits)),
    "moons": (2, lambda seed: make_moons(N_ROWS, noise=0.05, random_state=seed)),
    "blobs": (3, lambda seed: make_blobs(50, random_state=seed)),
}


def measure(estimator, X):
    """Wall and CPU seconds of one fit, and its epochs."""
    with Stopwatch() as watch:
        estimator.fit(X)
    return watch.wall, watch.cpu, estimator.n_iter_


def summary(name, rows):
    """Print one line of the table; return what is written."""
    wall, cpu, epochs = (spread(values) for values in zip(*rows, strict=True))
    cells = (f"{s[key]:7.3f}" for s in (wall, cpu) for key in ("median", "min", "max"))
    print(f"{name:24}", *cells, f"{epochs['median']:7.0f}", flush=True)
    return {"wall": wall, "cpu": cpu, "epochs": epochs}


def measure_all():
    """Every data set and estimator."""
    results = {}
    for name, (n_clusters, rows_of) in DATA.items():
        clustering, embedding, ari = [], [], []
        for seed in SEEDS:
            X, y = rows_of(seed)
            model = SpectralNetClustering(n_clusters, random_state=seed)
            clustering.append(measure(model, X))
            ari.append(adjusted_rand_score(y, model.labels_))
            embedding.append(measure(SpectralNetEmbedding(random_state=seed), X))
        results[name] = {
            "rows": len(X),
            "columns": X.shape[1],
            "SpectralNetClustering": summary(f"{name}, clustering", clustering),
            "SpectralNetEmbedding": summary(f"{name}, embedding", embedding),
            "ari": spread(ari),
        }
        print(f"{'':24} ARI mean {np.mean(ari):.3f} min {np.min(ari):.3f}", flush=True)
    return results


def tables(record):
    """Median seconds of both estimators by the number of threads, and the ARI."""
    by_threads = record["results"].values()
    header = ["data", "rows", "columns"]
    for estimator in ESTIMATORS:
        header += [f"{estimator}, {threads}" for threads in record["results"]]
    rows = []
    for name in next(iter(by_threads)):
        found = [results[name] for results in by_threads]
        seconds = [
            rst.number(result[estimator]["wall"]["median"], 2)
            for estimator in ESTIMATORS.values()
            for result in found
        ]
        ari = rst.mean_and_worst(found[0]["ari"])
        rows.append([name, found[0]["rows"], found[0]["columns"], *seconds, ari])
    table = rst.list_table([*header, "ARI, mean / worst"], rows)
    return {"small": table + "\nWall seconds, medians over the seeds.\n"}


def main():
    X, _ = real(load_iris)
    SpectralNetClustering(3, random_state=0).fit(X)  # imports and first calls
    results = {}
    for threads in THREADS:
        print(f"threads: {threads}\n{'':24}  wall: median, min, max   cpu: the same")
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            results[f"threads: {threads}"] = measure_all()
    write("small", "python benchmarks/small.py", results)


if __name__ == "__main__":
    main()
