"""The data sets of the benchmarks: real ones from a folder, generated ones by seed."""

import os
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.datasets import make_blobs, make_circles, make_moons

RESULTS = Path(__file__).parent / "results"


def data_folder():
    """`$SKSPECTRALNET_DATA`, else ``../shared/data`` beside the repository."""
    default = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("SKSPECTRALNET_DATA", default))


def load(name):
    """Rows and labels of ``mnist``, ``usps``, ``pendigits`` or ``reuters8``.

    Exits with one line where the file is missing.
    """
    path = data_folder() / f"{name}.npz"
    if not path.exists():
        raise SystemExit(
            f"{path} is missing: set SKSPECTRALNET_DATA to a folder with {name}.npz."
        )
    with np.load(path) as file:
        if "X" in file:
            return file["X"], file["y"]
        parts = (file["data"], file["indices"], file["indptr"])
        return sparse.csr_array(parts, shape=tuple(file["shape"])), file["y"]


def nested_arcs(n_per_arc, seed, noise=0.05):
    """Three nested C's at distance 1, the noise a share of that distance."""
    rng = np.random.RandomState(seed)
    rows = []
    for radius in (1.0, 2.0, 3.0):
        angle = rng.uniform(-0.75 * np.pi, 0.75 * np.pi, n_per_arc)
        arc = radius * np.c_[np.cos(angle), np.sin(angle)]
        rows.append(arc + noise * rng.standard_normal((n_per_arc, 2)))
    return np.concatenate(rows), np.repeat(np.arange(3), n_per_arc)


def shape(name, seed):
    """Rows and labels of a generated two-dimensional data set."""
    if name == "moons":
        return make_moons(7000, noise=0.075, random_state=seed)
    if name == "circles":
        return make_circles(3000, noise=0.04, factor=0.4, random_state=seed)
    if name == "nested arcs":
        return nested_arcs(1000, seed)
    if name == "unequal blobs":
        centers = [[0, 0], [10, 0], [0, 10], [10, 10]]
        return make_blobs([2000, 300, 60, 700], centers=centers, random_state=seed)
    raise ValueError(f"unknown shape {name!r}")


SHAPES = {"moons": 2, "circles": 2, "nested arcs": 3, "unequal blobs": 4}
