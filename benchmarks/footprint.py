"""What the package costs beside its work: its import, its memory, a small fit.

    python benchmarks/footprint.py

``import``: seconds of a process that imports the package over those of one that imports
``torch`` and ``sklearn.cluster``, in turn, the medians of nine. ``memory``: growth of
the anonymous memory (RssAnon) of a process over 200 fits of 600 rows with `predict`,
after 20 others. ``fit``: a default fit of 1,000 x 20 rows, five seeds, its threads as
they come.
"""

import json
import subprocess
import sys
import time
import warnings
from statistics import median

import numpy as np
from report import Stopwatch, in_own_process, say, spread, write
from scale import AnonymousMemory
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from skspectralnet import SpectralNetClustering

IMPORTS = {"package": "skspectralnet", "libraries": "torch, sklearn.cluster"}
REPEATS, CYCLES, BEFORE = 9, 200, 20


def import_seconds():
    """Median seconds of each of ``IMPORTS``, and the ratio."""
    seconds = {name: [] for name in IMPORTS}
    for repeat in range(REPEATS + 1):
        for name, modules in IMPORTS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)  # noqa: S603
            if repeat:  # the first one fills the file system's cache
                seconds[name].append(time.perf_counter() - start)
    found = {name: median(values) for name, values in seconds.items()}
    return found | {"ratio": found["package"] / found["libraries"]}


def rows(n_rows, n_columns, seed):
    """Five blobs."""
    X, _ = make_blobs(n_rows, n_columns, centers=5, cluster_std=3.0, random_state=seed)
    return X.astype(np.float32)


def cycles(count):
    """MiB that fits and predictions have left behind, one after the other."""
    X, memory = rows(600, 8, 0), []
    for seed in range(BEFORE + count):
        if seed >= BEFORE:
            memory.append(AnonymousMemory.now())
        model = SpectralNetClustering(5, random_state=seed, max_iter=10)
        model.fit(X).predict(X)
    memory.append(AnonymousMemory.now())
    return {"first": memory[0], "last": memory[-1], "growth": memory[-1] - memory[0]}


def fits():
    """Seconds of default fits of 1,000 x 20 rows, the first one not counted."""
    seconds = []
    for seed in range(-1, 5):
        X = rows(1000, 20, seed + 1)
        with Stopwatch() as watch:
            SpectralNetClustering(5, random_state=0).fit(X)
        seconds.append(watch.wall)
    return spread(seconds[1:])


def tables(record):
    """Import, memory of many fits and a small fit, in a few sentences."""
    found = record["results"]
    ratio, growth = found["import"]["ratio"], found["memory"]["growth"]
    text = (
        f"Importing the package takes {ratio:.2f} times the seconds of importing torch "
        "and scikit-learn's clusterers. 200 fits with ``predict`` leave "
        f"{growth:.1f} MiB behind. A default fit of 1,000 rows of 20 columns takes "
        f"{found['fit']['median']:.2f} seconds in the median.\n"
    )
    return {"footprint": text}


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    if sys.argv[1:] == ["--cycles"]:
        print(json.dumps(cycles(CYCLES)))
        return 0
    found = {"import": import_seconds()}
    say(f"import {found['import']}")
    found["memory"] = in_own_process(__file__, "--cycles")
    say(f"memory {found['memory']}")
    found["fit"] = fits()
    say(f"fit {found['fit']}")
    write("footprint", "python benchmarks/footprint.py", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
