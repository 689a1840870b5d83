"""MNIST's 70,000 rows from the pixels: ACC, NMI, ARI and seconds of some settings.

    python benchmarks/mnist.py [--settings NAME ...] [--seeds N]

``default``: nothing but the number of clusters. ``autoencoder``: codes in place of
principal components. ``no metric learner``: distances of the pixels. ``paper``: the
stages as Shaham et al. (2018) join them. ``unseen rows``: a default fit of the first
60,000 rows, scored by its predictions for the other 10,000; ``unseen rows,
autoencoder``: the same with codes. Labels only score. Each run is in
``results/mnist.json`` when it ends: the same command goes on after an interruption, and
leaves out what the present text of the package has run.
"""

import argparse
import sys
from pathlib import Path

import rst
from data import load
from report import RESULTS, Book, Stopwatch, go_through, scores, spread

from skspectralnet import Autoencoder, SiameseEmbedding, SpectralNetClustering

N_TRAIN = 60_000
SETTINGS = {
    "default": {},
    "autoencoder": {"encoder": Autoencoder()},
    "no metric learner": {"metric_learner": None},
    "paper": {
        "encoder": Autoencoder(noise=0.0),
        "metric_learner": SiameseEmbedding(loss="contrastive", noise=0.0),
        "network_input": "code",
        "loss": "trace",
        "orthonorm": "alternating",
    },
    "unseen rows": {},
    "unseen rows, autoencoder": {"encoder": Autoencoder()},
}
SEEDS = {name: 3 if name == "paper" else 5 for name in SETTINGS}
MEASURES = ("acc", "nmi", "ari", "wall", "cpu")


def measure(X, y, name, seed):
    """Scores of one fit and its seconds, those of `predict` not counted."""
    n_train = N_TRAIN if name.startswith("unseen rows") else len(X)
    model = SpectralNetClustering(10, random_state=seed, **SETTINGS[name])
    with Stopwatch() as watch:
        model.fit(X[:n_train])
    if n_train < len(X):
        found = scores(y[n_train:], model.predict(X[n_train:]))
    else:
        found = scores(y, model.labels_)
    return found | {"wall": watch.wall, "cpu": watch.cpu}


def summarise(runs):
    """{setting: {measure: spread}}, in the order of the settings."""
    found = {name: [] for name in SETTINGS}
    for run in runs:
        found[run["setting"]].append(run)
    return {
        name: {key: spread([run[key] for run in rows]) for key in MEASURES}
        for name, rows in found.items()
        if rows
    }


def tables(record):
    """Accuracy, NMI, ARI and seconds of each setting."""
    header = ["setting", "fits", "ACC", "worst", "NMI", "worst", "ARI", "wall", "CPU"]
    rows = [
        [
            name,
            len(row["nmi"]["values"]),
            rst.with_deviation(row["acc"]),
            rst.number(row["acc"]["min"]),
            rst.with_deviation(row["nmi"]),
            rst.number(row["nmi"]["min"]),
            rst.number(row["ari"]["mean"]),
            rst.number(row["wall"]["median"], 1),
            rst.number(row["cpu"]["median"], 1),
        ]
        for name, row in summarise(record["runs"]).items()
    ]
    text = (
        "\nMeans over the fits, with their standard deviation after ±; seconds are "
        "medians.\n"
    )
    return {"mnist": rst.list_table(header, rows) + text}


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    add("--seeds", type=int, help="0 to N - 1; 5 unless given, 3 of paper")
    add("--results", type=Path, default=RESULTS / "mnist.json")
    options = parser.parse_args(arguments)
    wanted = [
        (name, seed)
        for name in options.settings
        for seed in range(options.seeds or SEEDS[name])
    ]
    X, y = load("mnist")
    book = Book(options.results, ("setting", "seed"))
    status = go_through(
        book,
        "python benchmarks/mnist.py",
        wanted,
        lambda name, seed: measure(X, y, name, seed),
        order=lambda run: (list(SETTINGS).index(run["setting"]), run["seed"]),
    )
    print_table(book.record["runs"])
    return status


def print_table(runs):
    """Means, deviations and the worst of ACC and NMI, and seconds."""
    for name, row in summarise(runs).items():
        cells = [
            f"{key.upper()} {row[key]['mean']:.3f} +- {row[key]['std']:.3f} worst "
            f"{row[key]['min']:.3f}"
            for key in ("acc", "nmi")
        ]
        seconds = [f"{key} {row[key]['median']:.1f} s" for key in ("wall", "cpu")]
        print(f"{name:20}", *cells, *seconds, sep="  ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
