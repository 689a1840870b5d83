"""Models as ONNX files against the same models by torch: differences and rows a second.

    python benchmarks/converted.py [--mnist] [--data NAME ...] [--results FILE]

One fit of each data set, by at most 3,000 of its rows, converted for rows in float64
and in float32. Of all rows (at most 10,000): the largest difference of an entry of the
embedding, whose mean square is about 1, the share of equal labels, and the rows a
second of `predict` and of onnxruntime asked for labels, each in one thread. Both are
given dense rows; the models of sparse data are fitted on sparse ones. ``--mnist`` adds
MNIST. Each run is in ``results/converted.json`` when it ends.
"""

import argparse
import importlib
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import rst
import torch
from data import DEVELOPMENT, HELD_OUT, named
from report import RESULTS, Book, go_through
from scipy import sparse
from threadpoolctl import threadpool_limits

from skspectralnet import SpectralNetClustering

DATA = ("usps", "reuters8", "digits", "curved 60")
TYPES = ("float64", "float32")
MOST_ROWS, LEARNED, REPEATS = 10_000, 3_000, 3


def fitted(name):
    """A model, and dense rows for it."""
    X, _ = named(name)
    n_classes = (DEVELOPMENT | HELD_OUT)[name][2]
    model = SpectralNetClustering(n_classes, subsample=LEARNED, random_state=0)
    model.fit(X)
    rows = X[np.random.RandomState(0).permutation(X.shape[0])[:MOST_ROWS]]
    return model, rows.toarray() if sparse.issparse(rows) else rows


def rows_per_second(call, n_rows):
    """Of the fastest of a few calls."""
    seconds = []
    for _ in range(REPEATS):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return round(n_rows / min(seconds))


def compare(model, X):
    """The numbers of one model and one type of rows."""
    # here: the tables are made where they are not installed
    import onnxruntime
    from skl2onnx import to_onnx

    importlib.import_module("skspectralnet.onnx")  # registers the converters
    file = to_onnx(model, X[:1]).SerializeToString()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, settings, ["CPUExecutionProvider"])
    quick = onnxruntime.RunOptions()
    quick.only_execute_path_to_fetches = True
    labels, Z = session.run(["label", "embedding"], {"X": X})
    expected = model.transform(X).astype(np.float64)
    return {
        "rows": len(X),
        "columns": X.shape[1],
        "difference": f"{np.abs(Z - expected).max():.1e}",
        "equal": float(np.mean(labels == model.predict(X))),
        "bytes": len(file),
        "torch": rows_per_second(lambda: model.predict(X), len(X)),
        "onnx": rows_per_second(
            lambda: session.run(["label"], {"X": X}, quick), len(X)
        ),
    }


def tables(record):
    """Differences, equal labels, size and speed by data set and type."""
    header = ["data", "rows", "columns", "type", "difference", "equal labels"]
    header += ["MB", "rows a second, ONNX", "`predict`"]
    rows = [
        [
            *(run[key] for key in ("data", "rows", "columns", "type", "difference")),
            f"{100 * run['equal']:.2f} %",
            rst.number(run["bytes"] / 1e6, 2),
            *(f"{run[key]:,}" for key in ("onnx", "torch")),
        ]
        for run in record["runs"]
    ]
    return {"converted": rst.list_table(header, rows)}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mnist", action="store_true")
    parser.add_argument("--data", nargs="+", default=DATA)
    parser.add_argument("--results", type=Path, default=RESULTS / "converted.json")
    options = parser.parse_args(arguments)
    names = [*options.data, *(["mnist"] if options.mnist else [])]
    models = {}

    def measure(name, kind):
        if name not in models:
            models.clear()
            models[name] = fitted(name)
        model, rows = models[name]
        torch.set_num_threads(1)
        with threadpool_limits(1):
            return compare(model, rows.astype(kind))

    command = "python benchmarks/converted.py" + " --mnist" * options.mnist
    book = Book(options.results, ("data", "type"))
    wanted = [(name, kind) for name in names for kind in TYPES]
    return go_through(book, command, wanted, measure)


if __name__ == "__main__":
    sys.exit(main())
