"""MNIST's 70,000 rows from the pixels, no metric learner: ACC, NMI, ARI, seconds.

    python benchmarks/mnist.py [--settings NAME ...]

Seeds 0 to 4 of each setting; labels only score. The settings differ in how fine the
in-batch graph is: fewer neighbours make shorter edges.
"""

import argparse
import sys

from data import load
from report import Stopwatch, spread, write
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from skspectralnet import SpectralNetClustering
from skspectralnet.metrics import clustering_accuracy

SEEDS = range(5)
SETTINGS = {
    "default": {},
    "5 neighbours of 2,048": {"n_neighbors": 5},
}


def measure(X, y, parameters, seed):
    """ACC, NMI, ARI and seconds of one fit."""
    with Stopwatch() as watch:
        model = SpectralNetClustering(10, random_state=seed, **parameters)
        labels = model.fit(X).labels_
    return {
        "acc": clustering_accuracy(y, labels),
        "nmi": normalized_mutual_info_score(y, labels),
        "ari": adjusted_rand_score(y, labels),
        "wall": watch.wall,
        "cpu": watch.cpu,
    }


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS))
    chosen = parser.parse_args(arguments).settings
    X, y = load("mnist")
    results = []
    for name in chosen:
        runs = [measure(X, y, SETTINGS[name], seed) for seed in SEEDS]
        summary = {key: spread([run[key] for run in runs]) for key in runs[0]}
        results.append({"setting": name, **summary})
        print(
            f"{name:24} ACC {summary['acc']['mean']:.3f} NMI "
            f"{summary['nmi']['mean']:.3f} +- {summary['nmi']['std']:.3f} worst "
            f"{summary['nmi']['min']:.3f}  wall {summary['wall']['median']:.1f} s",
            flush=True,
        )
    write("mnist", "python benchmarks/mnist.py", results)


if __name__ == "__main__":
    main(sys.argv[1:])
