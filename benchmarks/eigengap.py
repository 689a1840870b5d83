"""Does ``n_clusters="auto"`` find the number of clusters?

    python benchmarks/eigengap.py [--data NAME ...] [--seeds N]

Default parameters but for the number. Blobs of 2 to 20 clusters, 200 rows of each, on a
grid of ten deviations, moved by up to one; two moons; and real data sets, whose classes
need not be what a gap in the spectrum separates: their rows are reported, no more. The
generated rows are drawn by the seed. Each run is in ``results/eigengap.json`` when it
ends: the same command goes on, and leaves out what the present text of the package has
run.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import rst
from data import named, shape
from report import RESULTS, Book, Stopwatch, go_through, scores
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from skspectralnet import SpectralNetClustering

BLOBS = {f"blobs {k}": k for k in range(2, 21)}
REAL = ("digits", "usps", "pendigits", "mnist")
DATA = (*BLOBS, "moons", *REAL)


def rows_of(name, seed):
    """Rows and classes."""
    if name in BLOBS:
        return blobs(BLOBS[name], seed)
    return shape("moons", seed) if name == "moons" else named(name)


def blobs(k, seed):
    """k clusters at different places of a square grid."""
    rng = np.random.RandomState(seed)
    side = int(np.ceil(np.sqrt(k)))
    places = np.stack(np.divmod(rng.permutation(side**2)[:k], side), axis=1)
    centers = 10.0 * places + rng.uniform(-1, 1, size=(k, 2))
    return make_blobs(200 * k, centers=centers, random_state=rng)


def measure(name, seed):
    """The number found and the scores of one fit."""
    X, y = rows_of(name, seed)
    model = SpectralNetClustering("auto", random_state=seed)
    with Stopwatch() as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number says it
        model.fit(X)
    numbers = {"classes": len(np.unique(y)), "found": int(model.n_clusters_)}
    return numbers | scores(y, model.labels_) | {"wall": watch.wall}


def summarise(runs):
    """{data: {"classes", "found", "nmi"}}, the last two a list over the seeds."""
    found = {}
    for run in runs:
        row = found.setdefault(run["data"], {"found": [], "nmi": []})
        row["classes"] = run["classes"]
        for key in ("found", "nmi"):
            row[key].append(run[key])
    return found


def share_right(runs):
    """The share of the runs on generated rows that found the number."""
    right = [run["found"] == run["classes"] for run in runs if run["data"] not in REAL]
    return float(np.mean(right)) if right else None


def tables(record):
    """The numbers of clusters found: generated rows together, real ones one by one."""
    runs = record["runs"]
    rows = [
        [
            *(name, row["classes"], ", ".join(map(str, row["found"]))),
            rst.number(sum(row["nmi"]) / len(row["nmi"])),
        ]
        for name, row in summarise(runs).items()
        if name not in BLOBS
    ]
    wrong = [
        f"{run['found']} of {run['classes']}"
        for run in runs
        if run["data"] in BLOBS and run["found"] != run["classes"]
    ]
    n_blobs = sum(run["data"] in BLOBS for run in runs)
    others = f" (the others {', '.join(wrong)})" if wrong else ""
    table = rst.list_table(["data", "classes", "found, by seed", "NMI"], rows)
    text = (
        f"\nOf {n_blobs} fits of 2 to 20 blobs {n_blobs - len(wrong)} found the number"
        f"{others}; of all fits of generated rows, moons among them, "
        f"{share_right(runs):.0%}.\n"
    )
    return {"eigengap": table + text}


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", default=list(DATA), choices=DATA, metavar="NAME")
    add("--seeds", type=int, default=3, help="0 to N - 1; 3 unless given")
    add("--results", type=Path, default=RESULTS / "eigengap.json")
    options = parser.parse_args(arguments)
    book = Book(options.results, ("data", "seed"))
    status = go_through(
        book,
        "python benchmarks/eigengap.py",
        [(name, seed) for name in options.data for seed in range(options.seeds)],
        measure,
        order=lambda run: (DATA.index(run["data"]), run["seed"]),
    )
    print(f"right on generated rows: {share_right(book.record['runs'])}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
