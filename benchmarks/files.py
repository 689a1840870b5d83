"""Files of models: how large they are, and what becomes of broken and hostile ones.

    python benchmarks/files.py [--crafted N] [--flipped N]

Bytes of fitted models by skops, as they are and deflated, and by pickle. Then, of the
files of three small models: hostile ones, that would run code or are no good as
archives; states of which one entry is missing or of another type, shape, size or value;
and files with one bit turned over. Each one is loaded, and where it loads, rows are
transformed and labelled.
"""

import argparse
import collections
import functools
import pickle
import tempfile
import warnings
import zipfile
from pathlib import Path

import crafted
import numpy as np
import rst
import skops.io
from report import write
from sklearn.datasets import load_digits, make_blobs, make_moons
from sklearn.decomposition import PCA

from skspectralnet import (
    TRUSTED_TYPES,
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

SMALL = {"max_iter": 2, "hidden_layer_sizes": (5,), "random_state": 0}
METHODS = ("transform", "predict", "predict_proba", "score_samples")
WORDS = {
    "refused": "a ``ValueError`` or ``TypeError`` that says why",
    "unreadable": "an error of skops or zipfile, before anything is made",
    "declines": "loads, and a method says why it cannot answer",
    "same": "loads and answers as the good one",
    "other": "loads and answers otherwise",
    "stranger": "loads, and is an object of scikit-learn or Python",
    "foreign": "any other error",
}
KINDS = {
    "hostile": "hostile",
    "crafted": "one entry changed",
    "flipped": "one bit turned",
}


def measured_models():
    """Name: a fitted model and its number of rows, for the sizes."""
    moons, _ = make_moons(1000, noise=0.05, random_state=0)
    digits, _ = load_digits(return_X_y=True)
    stages = {"encoder": "autoencoder", "metric_learner": "siamese", "max_iter": 10}
    plain = {"metric_learner": None, "max_iter": 20}
    yield "moons", len(moons), SpectralNetClustering(2, random_state=0).fit(moons)
    model = SpectralNetClustering(10, random_state=0, **plain)
    yield "digits", len(digits), model.fit(digits)
    model = SpectralNetClustering(10, random_state=0, **stages)
    yield "digits, both stages", len(digits), model.fit(digits)
    model = SpectralNetEmbedding(10, random_state=0, max_iter=20)
    yield "digits, embedding", len(digits), model.fit(digits)


def sizes():
    """Bytes of each model in each form."""
    found = []
    for name, n_rows, model in measured_models():
        packed = skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED)
        numbers = {"skops": len(skops.io.dumps(model)), "deflated": len(packed)}
        numbers["pickle"] = len(pickle.dumps(model))
        for each in ("labels_", "embedding_"):
            vars(model).pop(each, None)
        numbers["without rows"] = len(
            skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED)
        )
        found.append({"model": name, "rows": n_rows, **numbers})
        print(found[-1], flush=True)
    return found


def small_models():
    """Models whose files are broken: with all stages, with one of scikit-learn, one."""
    X, _ = make_blobs(150, n_features=3, centers=3, random_state=0)
    stages = Autoencoder(2, **SMALL), SiameseEmbedding(2, **SMALL)
    params = {"encoder": stages[0], "metric_learner": stages[1], "contamination": 0.1}
    return [
        SpectralNetClustering(3, **params, **SMALL).fit(X),
        SpectralNetEmbedding(2, encoder=PCA(2), **SMALL).fit(X),
        Autoencoder(2, **SMALL).fit(X),
    ]


def says(model):
    """What the methods of a model say of a few rows."""
    X = make_blobs(150, n_features=3, centers=3, random_state=0)[0][:8]
    X = np.concatenate([X, X + 0.25, 5.0 * X])
    return [getattr(model, m)(X).tolist() for m in METHODS if hasattr(model, m)]


class Tally:
    """Counts what became of files."""

    def __init__(self, canary):
        self.canary, self.executed = canary, 0
        self.words, self.errors = collections.Counter(), collections.Counter()

    def count(self, data, expected):
        """Load a file and use what it holds."""
        said = []
        load = functools.partial(skops.io.loads, data, trusted=TRUSTED_TYPES)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            word, error = crafted.outcome(load, lambda model: said.append(says(model)))
        if word == "answers":
            word = "same" if repr(said[0]) == repr(expected) else "other"
        self.words[word] += 1
        if error is not None:
            self.errors[f"{word}: {type(error).__name__}"] += 1
        if word == "foreign":
            print(repr(error), flush=True)
        if self.canary.exists():
            self.executed += 1
            self.canary.unlink()

    def numbers(self):
        return {
            "files": sum(self.words.values()),
            "executed": self.executed,
            **{word: self.words[word] for word in WORDS},
            "errors": dict(sorted(self.errors.items())),
        }


def broken(n_crafted, n_flipped):
    """Counts of what became of the files of each kind."""
    rng = np.random.RandomState(0)
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary"
        tallies = {kind: Tally(canary) for kind in KINDS}
        models = small_models()
        for i, model in enumerate(models):
            data, expected = skops.io.dumps(model), says(model)
            state = model.__getstate__()
            for _, made in crafted.hostile(data, canary, rng):
                tallies["hostile"].count(made, expected)
            share = len(range(i, n_crafted, len(models)))
            for _, made in crafted.crafted_states(state, share, rng):
                made = crafted.file_of(type(model), made)
                tallies["crafted"].count(made, expected)
            for _ in range(i, n_flipped, len(models)):
                tallies["flipped"].count(crafted.flipped(data, rng), expected)
            print(
                {kind: tally.numbers() for kind, tally in tallies.items()}, flush=True
            )
    return {kind: tally.numbers() for kind, tally in tallies.items()}


def tables(record):
    """Kilobytes of files, and what became of broken ones."""
    results = record["results"]
    header = ["model", "rows", "skops", "deflated", "without rows", "pickle"]
    rows = [
        [
            run["model"],
            f"{run['rows']:,}",
            *(f"{run[n] / 1000:.0f}" for n in header[2:]),
        ]
        for run in results["sizes"]
    ]
    kinds = [results["broken"][kind] for kind in KINDS]
    outcomes = [["files", *(f"{kind['files']:,}" for kind in kinds)]]
    for word, words in WORDS.items():
        outcomes.append([words, *(f"{kind[word]:,}" for kind in kinds)])
    outcomes.append(["runs code", *(str(kind["executed"]) for kind in kinds)])
    header[3:5] = "skops, deflated", "the same, no rows"
    return {
        "files_sizes": rst.list_table(header, rows) + "\nKilobytes.\n",
        "files_broken": rst.list_table(
            ["what becomes of it", *KINDS.values()], outcomes
        ),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crafted", type=int, default=2000)
    parser.add_argument("--flipped", type=int, default=2000)
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # a few epochs are too few
    results = {"broken": broken(asked.crafted, asked.flipped), "sizes": sizes()}
    write("files", "python benchmarks/files.py", results)


if __name__ == "__main__":
    main()
