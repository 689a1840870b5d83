"""Default fits with ``orthonorm="joint"`` and with ``"alternating"``: NMI of both.

    python benchmarks/alternating.py [--data NAME ...] [--seeds N]

Three real data sets and five shapes, three seeds; all but the mode is the default.
Labels only score. Each run is in ``results/alternating.json`` when it ends: the same
command goes on after an interruption.
"""

import sys
import warnings

import rst
from data import SHAPES, load, shape
from report import Book, data_and_seeds, go_through, scores, spread
from sklearn.exceptions import ConvergenceWarning

from skspectralnet import SpectralNetClustering

REAL = {"mnist": 10, "usps": 10, "pendigits": 10}
GENERATED = ("circles", "nested arcs", "unequal blobs", "spirals", "cut roll")
DATA = (*REAL, *GENERATED)
MODES = ("joint", "alternating")


def measure(name, mode, seed):
    """Scores of one fit."""
    X, y = load(name) if name in REAL else shape(name, seed)
    n_clusters = REAL[name] if name in REAL else SHAPES[name]
    model = SpectralNetClustering(n_clusters, orthonorm=mode, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return scores(y, model.fit(X).labels_)


def tables(record):
    """NMI in both modes, and the largest difference."""
    rows, differences = [], []
    for name in DATA:
        found = [
            spread(
                [
                    run["nmi"]
                    for run in record["runs"]
                    if (run["data"], run["mode"]) == (name, mode)
                ]
            )
            for mode in MODES
        ]
        difference = found[1]["mean"] - found[0]["mean"]
        differences.append(abs(difference))
        means = [rst.mean_and_worst(one) for one in found]
        rows.append([name, *means, f"{difference:+.4f}"])
    header = ["data", *(f"{mode}: NMI, mean / worst" for mode in MODES), "difference"]
    text = f"\nThe largest difference is {max(differences):.4f}.\n"
    return {"alternating": rst.list_table(header, rows) + text}


def main(arguments):
    options = data_and_seeds(arguments, __doc__, DATA, "alternating")
    wanted = [
        (name, mode, seed)
        for name in options.data
        for mode in MODES
        for seed in range(options.seeds)
    ]
    return go_through(
        Book(options.results, ("data", "mode", "seed")),
        "python benchmarks/alternating.py",
        wanted,
        measure,
        order=lambda run: (DATA.index(run["data"]), run["mode"], run["seed"]),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
