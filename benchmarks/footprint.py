"""What the package costs beside its work: its import, its memory, a small fit.

    python benchmarks/footprint.py
    python benchmarks/footprint.py --wide  # that part alone
    python benchmarks/footprint.py --wide --models NAME ...  # of it these again

``import``: seconds of a process that imports the package over those of one that imports
``torch`` and ``sklearn.cluster``, in turn, the medians of nine. ``memory``: growth of
the anonymous memory (RssAnon) of a process over 200 fits of 600 rows with `predict`,
after 20 others. ``fit``: a default fit of 1,000 x 20 rows, five seeds, its threads as
they come. ``wide``: the most memory (VmHWM) during each call on wide sparse rows, 20
words of each, beyond what the process held before the first of them, imports and rows
included; each model in a process of its own.
"""

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import rst
from report import (
    RESULTS,
    Stopwatch,
    in_own_process,
    peak_mebibytes,
    say,
    spread,
    write,
)
from scale import AnonymousMemory
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

IMPORTS = {"package": "skspectralnet", "libraries": "torch, sklearn.cluster"}
REPEATS, CYCLES, BEFORE = 9, 200, 20
SHAPES, WORDS, TOPICS = [(4000, 20_000), (3000, 30_000)], 20, 5
MODELS = {
    "SiameseEmbedding()": SiameseEmbedding(),
    "Autoencoder()": Autoencoder(),
    "SpectralNetEmbedding()": SpectralNetEmbedding(),
    "SpectralNetClustering()": SpectralNetClustering(TOPICS),
    'metric="cosine"': SpectralNetClustering(TOPICS, metric="cosine"),
    'neighbors_in="data"': SpectralNetClustering(TOPICS, neighbors_in="data"),
    'encoder="autoencoder"': SpectralNetClustering(TOPICS, encoder="autoencoder"),
    "encoder=None": SpectralNetClustering(TOPICS, encoder=None),
    "encoder=None, metric_learner=None, max_iter=5": SpectralNetClustering(
        TOPICS, encoder=None, metric_learner=None, max_iter=5
    ),
}


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


def documents(n_rows, n_columns):
    """Counts of words, CSR; four in five words of a row are those of its topic."""
    rng = np.random.RandomState(0)
    topic = rng.randint(TOPICS, size=n_rows)
    words = (
        rng.randint(n_columns // (4 * TOPICS), size=(n_rows, WORDS)) * TOPICS
        + topic[:, None]
    )
    common = rng.uniform(size=words.shape) < 0.2
    words[common] = rng.randint(n_columns, size=np.count_nonzero(common))
    places = np.repeat(np.arange(n_rows), WORDS), words.ravel()
    counts = np.ones(words.size, dtype=np.float32)
    return sparse.csr_matrix((counts, places), shape=(n_rows, n_columns))


def wide(name, n_rows, n_columns):
    """MiB at the peak of each call beyond those before the first one."""
    X, model = documents(n_rows, n_columns), MODELS[name].set_params(random_state=0)
    calls = ["fit", "transform", "predict", "predict_proba", "score_samples", "score"]
    calls.append("partial_fit")
    forget_peak()
    before, peaks = peak_mebibytes(), {}
    for call in calls:
        if hasattr(model, call):
            forget_peak()
            getattr(model, call)(X)
            peaks[call] = round(peak_mebibytes() - before, 1)
    return peaks


def forget_peak():
    """Begin again with what the process holds now."""
    Path("/proc/self/clear_refs").write_text("5")


def wide_models(names=tuple(MODELS), before=None):
    """The peaks of models, by name and shape; of others those of before."""
    first = in_own_process(__file__, "--wide", "SpectralNetClustering()", 300, 30)
    models = {} if before is None else before["models"]
    found = {name: models.get(name, {}) for name in MODELS}
    for name in names:
        found[name] = {}
        for shape in SHAPES:
            peaks = in_own_process(__file__, "--wide", name, *shape)
            found[name]["{:,} x {:,}".format(*shape)] = peaks
            say(f"{name} {shape} {peaks}")
    return {"first fit": first["fit"], "models": found}


def wide_text(found):
    """The largest peak of a fit, and of the calls that follow it, of each model."""
    first, found = found["first fit"], found["models"]
    shapes = list(next(iter(found.values())))
    header = ["model", *(f"{x}: {what}" for x in shapes for what in ("fit", "after"))]
    rows = []
    for name, peaks in found.items():
        cells = []
        for shape in shapes:
            after = [mib for call, mib in peaks[shape].items() if call != "fit"]
            cells += [f"{peaks[shape]['fit']:.0f}", f"{max(after):.0f}"]
        rows.append([f"``{name}``", *cells])
    return (
        "MiB at the peak of a process beyond what it held with imports and rows, of "
        f"which {first:.0f} are those of any first fit, of 300 rows of 30 columns too: "
        "code and workspace of the libraries.\n\n" + rst.list_table(header, rows)
    )


def tables(record):
    """Import, memory of many fits and a small fit, in a few sentences; wide rows."""
    found = record["results"]
    ratio, growth = found["import"]["ratio"], found["memory"]["growth"]
    text = (
        f"Importing the package takes {ratio:.2f} times the seconds of importing torch "
        "and scikit-learn's clusterers. 200 fits with ``predict`` leave "
        f"{growth:.1f} MiB behind. A default fit of 1,000 rows of 20 columns takes "
        f"{found['fit']['median']:.2f} seconds in the median.\n"
    )
    return {"footprint": text, "footprint_wide": wide_text(found["wide"])}


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    if sys.argv[1:] == ["--cycles"]:
        print(json.dumps(cycles(CYCLES)))
        return 0
    if sys.argv[1:] == ["--wide"] or sys.argv[1:3] == ["--wide", "--models"]:
        found = json.loads((RESULTS / "footprint.json").read_text())["results"]
        found["wide"] = wide_models(sys.argv[3:] or tuple(MODELS), found["wide"])
        write("footprint", "python benchmarks/footprint.py", found)
        return 0
    if sys.argv[1:2] == ["--wide"]:
        print(json.dumps(wide(sys.argv[2], *map(int, sys.argv[3:]))))
        return 0
    found = {"import": import_seconds()}
    say(f"import {found['import']}")
    found["memory"] = in_own_process(__file__, "--cycles")
    say(f"memory {found['memory']}")
    found["fit"] = fits()
    say(f"fit {found['fit']}")
    found["wide"] = wide_models()
    write("footprint", "python benchmarks/footprint.py", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
