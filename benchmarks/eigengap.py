"""Does ``n_clusters="auto"`` find the number of clusters?

    python benchmarks/eigengap.py [--data NAME ...] [--rules NAME ...] [--seeds N]

Default parameters but for the number. Rows without any structure, whose number is one;
shapes and touching or separate blobs, whose number is known; and 1,500 rows of real
data sets, drawn by the seed, whose classes need not be clusters: how far from their
number the one found is, no more. ``support`` is the rule of the package; ``gap`` learns
31 eigenvectors, with as many neighbours as 13 clusters get, and takes the number from 2
to 30 after which the learned eigenvalues rise most. Each run is in
``results/eigengap.json`` when it ends: the same command goes on, and leaves out what
the present text of the package has run.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import rst
from data import curved_clusters, named
from report import RESULTS, Book, Stopwatch, go_through, scores
from sklearn.datasets import make_blobs, make_circles, make_moons

from skspectralnet import SpectralNetClustering
from skspectralnet._eigen import eigengaps

ONE = ("blob", "blob in 10 columns", "square", "one moon", "ring", "band")
SHAPES = ("two moons", "circles", "unequal densities")
BLOBS = {f"blobs {k}": k for k in (3, 5, 8, 20, 40, 60, 100)}
TOUCHING = {f"touching {k}": k for k in (5, 12, 40)}
CURVED = {"curved 20": 20}
GENERATED = (*ONE, *SHAPES, *BLOBS, *TOUCHING, *CURVED)
REAL = ("digits", "usps", "pendigits", "reuters8", "news20_minilm", "leaf_flavia")
REAL = (*REAL, "pbmc68k", "dermatology")
DATA = (*GENERATED, *REAL)
RULES = ("support", "gap")
REAL_ROWS = 1500


def rows_of(name, seed):
    """Rows and classes."""
    if name in BLOBS:
        return blobs(BLOBS[name], seed)
    if name in TOUCHING:
        return blobs(TOUCHING[name], seed, apart=5.0)
    if name in CURVED:
        return curved_clusters(seed, n_rows=2000, n_clusters=CURVED[name])
    if name in REAL:
        X, y = named(name)
        rows = np.random.RandomState(seed).permutation(X.shape[0])[:REAL_ROWS]
        return X[rows], y[rows]
    return shape(name, seed)


def blobs(k, seed, apart=10.0):
    """k clusters of deviation 1 at different places of a square grid, moved by up to 1.

    Of 100 rows each, fewer where there are many.
    """
    rng = np.random.RandomState(seed)
    side = int(np.ceil(np.sqrt(k)))
    places = np.stack(np.divmod(rng.permutation(side**2)[:k], side), axis=1)
    centers = apart * places + rng.uniform(-1, 1, size=(k, 2))
    return make_blobs(min(100 * k, 4000), centers=centers, random_state=rng)


def shape(name, seed, n_rows=1000):
    """Rows in one piece, or in two or three."""
    rng = np.random.RandomState(seed)
    one = np.zeros(n_rows, dtype=int)
    if name == "two moons":
        return make_moons(n_rows, noise=0.05, random_state=seed)
    if name == "circles":
        return make_circles(n_rows, noise=0.05, factor=0.5, random_state=seed)
    if name == "unequal densities":
        sizes, widths = [n_rows // 5, 2 * n_rows // 5, 2 * n_rows // 5], [0.3, 1.0, 2.0]
        centers = [[0, 0], [8, 0], [3, 9]]
        return make_blobs(sizes, centers=centers, cluster_std=widths, random_state=seed)
    if name == "one moon":
        X, y = make_moons(2 * n_rows, noise=0.05, random_state=seed)
        return X[y == 0], one
    if name == "ring":
        turn = rng.uniform(0, 2 * np.pi, n_rows)
        circle = np.c_[np.cos(turn), np.sin(turn)]
        return circle + 0.05 * rng.standard_normal((n_rows, 2)), one
    if name == "band":
        long = rng.uniform(0, 10, n_rows)
        return np.c_[long, 0.05 * rng.standard_normal(n_rows)], one
    if name == "square":
        return rng.uniform(size=(n_rows, 2)), one
    return rng.standard_normal((n_rows, 10 if "10" in name else 2)), one


def number_by_gap(X, seed):
    """The number after which the learned eigenvalues rise most."""
    model = SpectralNetClustering(13, n_components=31, random_state=seed).fit(X)
    numbers, gaps = eigengaps(model.eigenvalues_, 30)
    return int(numbers[gaps.argmax()])


def measure(name, rule, seed):
    """The number found, and the scores of a fit with it."""
    X, y = rows_of(name, seed)
    numbers = {"classes": len(np.unique(y))}
    with Stopwatch() as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the number says it
        if rule == "gap":
            return numbers | {"found": number_by_gap(X, seed)}
        model = SpectralNetClustering("auto", random_state=seed).fit(X)
    support = model.n_clusters_support_
    numbers |= {"found": int(model.n_clusters_), "space": support.space}
    numbers["next"] = [int(k) for k in support.n_clusters[1:3]]
    return numbers | scores(y, model.labels_) | {"wall": watch.wall}


def summarise(runs):
    """{data: {"classes", rule: [found of each seed]}}."""
    found = {}
    for run in runs:
        row = found.setdefault(run["data"], {"classes": run["classes"]})
        row.setdefault(run["rule"], []).append(run["found"])
    return found


def share_right(runs, rule="support"):
    """The share of the runs on generated rows that found the number."""
    right = [
        run["found"] == run["classes"]
        for run in runs
        if run["data"] not in REAL and run["rule"] == rule
    ]
    return float(np.mean(right)) if right else None


def times_off(runs, rule="support"):
    """By what factor the numbers found differ from those of the classes, real rows."""
    logs = [
        abs(np.log(run["found"] / run["classes"]))
        for run in runs
        if run["data"] in REAL and run["rule"] == rule
    ]
    return float(np.exp(np.mean(logs))) if logs else None


def tables(record):
    """The numbers of clusters found, by each rule and seed."""
    runs = record["runs"]
    rows = [
        [
            *(name, row["classes"]),
            *(", ".join(map(str, row.get(rule, ["not run"]))) for rule in RULES),
        ]
        for name, row in summarise(runs).items()
    ]
    text = []
    for rule in RULES:
        known = [r for r in runs if r["data"] not in REAL and r["rule"] == rule]
        if known:
            right = sum(run["found"] == run["classes"] for run in known)
            text.append(f"{rule} {right} of {len(known)}")
        if times_off(runs, rule) is not None:
            text.append(f"{rule} {times_off(runs, rule):.1f} times")
    table = rst.list_table(["data", "classes", *(f"by {r}" for r in RULES)], rows)
    return {
        "eigengap": table
        + "\nFits of generated rows with the right number, and how many "
        "times too few or too many clusters of real rows there are in the (geometric) "
        f"mean: {', '.join(text)}.\n"
    }


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", default=list(DATA), choices=DATA, metavar="NAME")
    add("--rules", nargs="+", default=list(RULES), choices=RULES, metavar="NAME")
    add("--seeds", type=int, default=3, help="0 to N - 1; 3 unless given")
    add("--results", type=Path, default=RESULTS / "eigengap.json")
    options = parser.parse_args(arguments)
    book = Book(options.results, ("data", "rule", "seed"))
    status = go_through(
        book,
        "python benchmarks/eigengap.py",
        [
            (name, rule, seed)
            for seed in range(options.seeds)
            for rule in options.rules
            for name in options.data
        ],
        measure,
        order=lambda run: (DATA.index(run["data"]), run["rule"], run["seed"]),
    )
    print(f"right on generated rows: {share_right(book.record['runs'])}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
