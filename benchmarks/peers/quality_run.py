"""One clustering in a process of its own: labels, seconds, memory; run by quality.py.

    PYTHON benchmarks/peers/quality_run.py METHOD DATA SEED FOLDER

Writes ``labels.npy`` and ``run.json`` into FOLDER. PYTHON may belong to an environment
without this project: each method imports what it needs, outside the time taken.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from data import named
from methods import METHODS, VARIANTS
from report import Stopwatch, peak_mebibytes

PACKAGES = {
    **dict.fromkeys(("skspectralnet", *VARIANTS), ("torch",)),
    "UMAP + mixture": ("umap-learn", "pynndescent", "numba"),
}


def main(method, name, seed, folder):
    X, y = named(name)
    cluster = METHODS[method](X)
    with Stopwatch() as watch:
        labels = cluster(len(np.unique(y)), int(seed))
    packages = ("numpy", "scipy", "scikit-learn", *PACKAGES.get(method, ()))
    record = {
        "wall": watch.wall,
        "cpu": watch.cpu,
        "peak_mib": peak_mebibytes(),
        "versions": {package: version(package) for package in packages},
    }
    np.save(Path(folder, "labels.npy"), labels)
    Path(folder, "run.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(*sys.argv[1:])
