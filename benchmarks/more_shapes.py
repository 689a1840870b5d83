"""Shapes in more columns, and shapes that no default was chosen on: ARI by seed.

    python benchmarks/more_shapes.py [--seeds N]

The shapes of shapes.py in 4, 10 and 50 columns, with the distances that they have
(turned, or beside columns of zeros) or nearly (small noise), and ``UNSEEN_SHAPES`` of
data.py; beside these the exact spectral clustering of all rows (scikit-learn, ten
neighbours).
"""

import argparse
import sys
import warnings

import numpy as np
import rst
from data import SHAPES, UNSEEN_SHAPES, in_columns, shape
from report import say, spread, write
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

COLUMNS, CHANGES = (4, 10, 50), ("turned", "zeros", "noise")
N_ROWS = 3000


def ours(X, y, seed):
    """ARI of a default fit."""
    model = SpectralNetClustering(len(np.unique(y)), random_state=seed).fit(X)
    return float(adjusted_rand_score(y, model.labels_))


def exact(X, y, seed):
    """ARI of the eigenvectors of the graph of all rows, by scikit-learn."""
    model = SpectralClustering(
        len(np.unique(y)),
        affinity="nearest_neighbors",
        n_neighbors=10,
        assign_labels="cluster_qr",
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a graph of several pieces is what is wanted
        return float(adjusted_rand_score(y, model.fit(X).labels_))


def tables(record):
    """The worst and mean ARI of each shape."""
    wide, unseen = record["results"]["in more columns"], record["results"]["unseen"]
    header = ["data", *(f"{n} columns" for n in COLUMNS)]
    rows = [
        [name, *(rst.number(by_columns[str(n)]["min"], 3) for n in COLUMNS)]
        for name, by_columns in wide.items()
    ]
    text = rst.list_table(header, rows)
    text += "\nThe worst ARI of all seeds, turned, beside zeros and with small noise.\n"
    header = ["data", "ARI, worst", "ARI, mean", "exact, worst", "exact, mean"]
    rows = []
    for name, found in unseen.items():
        cells = [
            found[who][what] for who in ("ours", "exact") for what in ("min", "mean")
        ]
        rows.append([name, *(rst.number(cell, 3) for cell in cells)])
    return {"more_shapes": text, "unseen_shapes": rst.list_table(header, rows)}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args(arguments).seeds)
    wide, unseen = {}, {}
    for name, (generate, _) in UNSEEN_SHAPES.items():
        sets = [generate(N_ROWS, seed) for seed in seeds]
        unseen[name] = {
            "ours": spread([ours(*sets[seed], seed) for seed in seeds]),
            "exact": spread([exact(*sets[seed], seed) for seed in seeds]),
        }
        for who, summary in unseen[name].items():
            say(f"{name}, {who}: {summary['values']}")
    for name in SHAPES:
        wide[name] = {}
        for n_columns in COLUMNS:
            found = []
            for seed in seeds:
                X, y = shape(name, seed)
                for how in CHANGES:
                    found.append(ours(in_columns(X, n_columns, how, seed), y, seed))
            wide[name][n_columns] = spread(found)
            say(f"{name}, {n_columns} columns: {wide[name][n_columns]['values']}")
    command = f"python benchmarks/more_shapes.py --seeds {len(seeds)}"
    write("more_shapes", command, {"in more columns": wide, "unseen": unseen})


if __name__ == "__main__":
    main(sys.argv[1:])
