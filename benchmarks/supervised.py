"""Do a few labels help? Scores with 2 % of the labels, and without them.

    python benchmarks/supervised.py [--data NAME ...] [--seeds N] [--max-rows N]

Three nested C's with a noise of .175 of their distance, and USPS. The labels are drawn
at random by the seed, the rest are -1 in `partial_labels`; default parameters. ACC, NMI
and ARI are those of all rows and of the rows without a label (the same rows for the fit
that got none), ``named`` the share of these rows whose cluster has the number of their
class. Each run is in ``results/supervised.json`` when it ends: the same command goes on
after an interruption.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import rst
from data import load, nested_arcs
from report import RESULTS, Book, Stopwatch, go_through, scores, spread

from skspectralnet import SpectralNetClustering

SHARE = 0.02
DATA = {
    "nested C's": lambda seed: nested_arcs(1000, seed, noise=0.175),
    "usps": lambda seed: load("usps"),
}
FITS = ("without", "with")
SCORES = ("ari", "nmi", "acc")
PARTS = {"": "all rows", "hidden_": "rows without a label"}


def rows_of(name, seed, max_rows):
    """Rows, classes and partial labels."""
    X, y = DATA[name](seed)
    rng = np.random.RandomState(seed)
    kept = np.sort(rng.permutation(len(X))[:max_rows])
    X, y = X[kept], y[kept]
    chosen = rng.permutation(len(X))[: round(SHARE * len(X))]
    partial = np.full(len(X), -1)
    partial[chosen] = y[chosen]
    return X, y, partial


def measure(name, labels, seed, max_rows=None):
    """Scores and seconds of one fit, `labels` "with" or "without" some."""
    X, y, partial = rows_of(name, seed, max_rows)
    model = SpectralNetClustering(len(np.unique(y)), random_state=seed)
    with Stopwatch() as watch:
        model.fit(X, partial_labels=partial if labels == "with" else None)
    hidden = partial == -1
    found = scores(y, model.labels_)
    for key, value in scores(y[hidden], model.labels_[hidden]).items():
        found[f"hidden_{key}"] = value
    if labels == "with":
        found["named"] = float(np.mean(model.labels_[hidden] == y[hidden]))
    return found | {"wall": watch.wall, "cpu": watch.cpu, "rows": len(X)}


def summarise(runs):
    """{data: {part + score: {"without", "with", "difference": spread}}}.

    Over the seeds that were run both ways; the difference is seed by seed.
    """
    found = {}
    for name in DATA:
        by_seed = {
            labels: {
                run["seed"]: run
                for run in runs
                if (run["data"], run["labels"]) == (name, labels)
            }
            for labels in FITS
        }
        seeds = sorted(by_seed["with"].keys() & by_seed["without"].keys())
        if not seeds:
            continue
        found[name] = {}
        for key in (f"{part}{score}" for part in PARTS for score in SCORES):
            without, given = ([by_seed[k][s][key] for s in seeds] for k in FITS)
            found[name][key] = {
                "without": spread(without),
                "with": spread(given),
                "difference": spread(np.subtract(given, without)),
            }
    return found


def tables(record):
    """Scores with and without a few labels, and the difference seed by seed."""
    header = ["data", "scored", "score", "seeds", "without", "with labels"]
    header += ["difference, mean", "worst"]
    rows = [
        [
            name,
            rows_scored,
            score.upper(),
            len(values["with"]["values"]),
            rst.with_deviation(values["without"]),
            rst.with_deviation(values["with"]),
            f"{values['difference']['mean']:+.3f}",
            f"{values['difference']['min']:+.3f}",
        ]
        for name, found in summarise(record["runs"]).items()
        for part, rows_scored in PARTS.items()
        for score in SCORES
        for values in [found[part + score]]
    ]
    text = (
        "\nWith the labels of 2 % of the rows, drawn at random by the seed, and "
        "without any; the difference is taken seed by seed.\n"
    )
    return {"supervised": rst.list_table(header, rows) + text}


def print_table(runs):
    """Means both ways and the difference, its mean and its worst."""
    for name, row in summarise(runs).items():
        for key, values in row.items():
            means = [f"{labels} {values[labels]['mean']:.3f}" for labels in FITS]
            change = values["difference"]
            print(
                f"{name:12}{key:12}",
                *means,
                f"difference {change['mean']:+.3f} worst {change['min']:+.3f}",
                sep="  ",
            )


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", default=list(DATA), choices=list(DATA))
    add("--seeds", type=int, default=5, help="0 to N - 1; 5 unless given")
    add("--max-rows", type=int, help="of each data set, drawn at random; for a trial")
    add("--results", type=Path, default=RESULTS / "supervised.json")
    options = parser.parse_args(arguments)
    if options.max_rows and options.results.parent == RESULTS:
        parser.error("--max-rows is for a trial: give --results another file")
    wanted = [
        (name, labels, seed)
        for name in options.data
        for seed in range(options.seeds)
        for labels in FITS
    ]
    book = Book(options.results, ("data", "labels", "seed"))
    status = go_through(
        book,
        "python benchmarks/supervised.py",
        wanted,
        lambda *names: measure(*names, options.max_rows),
    )
    print_table(book.record["runs"])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
