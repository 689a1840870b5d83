"""Seconds of the same default fit on a GPU and on the processor of its machine.

    python benchmarks/gpu.py [--device cuda] [--tables NAME ...]

MNIST's pixels, a million rows of 32 columns and a thousand of 20, each fitted once
before what counts on the GPU: the first kernels are slow. Under ten minutes. The file
is ``results/gpu.json``; ``--device cpu`` tries the script where there is no GPU and
writes nothing.
"""

import argparse
import sys

import numpy as np
import torch
from data import CurvedMixture, MissingDataError, load
from report import Stopwatch, say, scores, write
from sklearn.datasets import make_blobs

from skspectralnet import SpectralNetClustering


def mnist():
    X, y = load("mnist")
    return X.astype(np.float32), y


def million():
    return CurvedMixture(0).sample(1_000_000, np.random.RandomState(0))


def thousand():
    return make_blobs(1_000, 20, centers=5, cluster_std=3.0, random_state=0)


TABLES = {"1,000 x 20": thousand, "MNIST": mnist, "1,000,000 x 32": million}


def measure(X, y, device):
    """Seconds and scores of one default fit on a device."""
    n_clusters = len(np.unique(y))
    model = SpectralNetClustering(n_clusters, device=device, random_state=0)
    with Stopwatch() as watch:
        labels = model.fit(X).labels_
    return scores(y, labels) | {"wall": watch.wall, "cpu": watch.cpu}


def compare(name, device):
    """Both devices on one table; the GPU first on a part of it, not counted."""
    X, y = TABLES[name]()
    measure(X[:5_000], y[:5_000], device)
    found = {kind: measure(X, y, kind) for kind in dict.fromkeys((device, "cpu"))}
    for kind, numbers in found.items():
        shown = "  ".join(f"{key} {value:.3f}" for key, value in numbers.items())
        say(f"{name:16} {kind:6} {shown}")
    return found


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    options = parser.parse_args(arguments)
    on_gpu = options.device != "cpu"
    if on_gpu and not torch.cuda.is_available():
        say("torch sees no GPU here; --device cpu tries the script without one")
        return 1
    results = {}
    for name in options.tables:
        try:
            results[name] = compare(name, options.device)
        except MissingDataError as error:
            say(f"{error} Left out.")
    if on_gpu:
        results["device"] = torch.cuda.get_device_name()
        write("gpu", "python benchmarks/gpu.py", results)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
