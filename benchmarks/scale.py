"""Seconds and memory of a default fit by the number of rows, and the ARI it reaches.

    python benchmarks/scale.py [--rows N ...] [--subsample N ...] [--folder FOLDER]

Twenty curved clusters in 32 float32 columns, drawn in blocks into a file in FOLDER
(that of temporary files unless given; 128 bytes a row), which the fit maps into
memory. Each run is a process of its own: a fit with labels of all rows and then
`predict` of up to a million rows from an array, from the file and from a CSR matrix.
`anonymous` is the most memory that is not a mapped file (RssAnon), above that before
the fit. ``--subsample`` adds runs that learn from other numbers of rows than the
default, for a million rows. Each run is in ``results/scale.json`` when it ends.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import threading
from pathlib import Path
from unittest import mock

import numpy as np
import rst
from data import CurvedMixture
from report import RESULTS, Book, Stopwatch, go_through, in_own_process, say
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering
from skspectralnet._tasks import FitTask

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
SUBSAMPLES = (5_000, 10_000, 20_000, 50_000, 100_000)
CURVE_ROWS, DEFAULT = 1_000_000, 200_000
N_CLUSTERS, N_COLUMNS, N_BLOCK = 20, 32, 100_000
MOST_PREDICTED = 1_000_000
# What a fit is made of, by the names that callbacks are told, in order.
EVERY_ROW, REST = "embedding of all rows", "all else"
STAGES = {
    "encoder": "encoder",
    "metric learner": "metric learner",
    "spectral map": "spectral map",
    "alignment": "alignment",
    "embedding": EVERY_ROW,
}
# The plan for many machines: their rows, and how often these are embedded, for the
# centres and for the labels.
PLANNED_ROWS, PLANNED_MACHINES, PASSES = 10**9, 100, 2


@contextlib.contextmanager
def timed_stages():
    """Seconds of each stage of the fits in a ``with`` block."""
    seconds, original = {}, FitTask.stage

    @contextlib.contextmanager
    def stage(self, name, *args, **kwargs):
        with Stopwatch() as watch, original(self, name, *args, **kwargs) as task:
            yield task
        if name in STAGES:
            seconds[STAGES[name]] = round(watch.wall, 2)

    with mock.patch.object(FitTask, "stage", stage):
        yield seconds


class AnonymousMemory:
    """The most anonymous memory of this process in a ``with`` block, in MiB."""

    def __enter__(self):
        self._before, self._most = self.now(), 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self._thread.join()
        self.peak = self._most - self._before

    def _watch(self):
        while not self._end.wait(0.02):
            self._most = max(self._most, self.now())

    @staticmethod
    def now():
        lines = Path("/proc/self/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith("RssAnon:"))
        return int(line.split()[1]) / 1024


def rows_of(folder, n_rows):
    """The file of rows, made where it is not there, and their clusters."""
    path, labels = folder / f"rows{n_rows}.npy", folder / f"labels{n_rows}.npy"
    if not labels.exists():
        mixture, rng = CurvedMixture(0), np.random.RandomState(0)
        shape = (n_rows, N_COLUMNS)
        rows = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        y = np.empty(n_rows, dtype=np.int8)
        for start in range(0, n_rows, N_BLOCK):
            block = slice(start, min(start + N_BLOCK, n_rows))
            rows[block], y[block] = mixture.sample(block.stop - start, rng)
        rows.flush()
        np.save(labels, y)
    return np.load(path, mmap_mode="r"), np.load(labels)


def run(folder, n_rows, subsample):
    """One fit in this process: its numbers."""
    X, y = rows_of(folder, n_rows)
    model = SpectralNetClustering(N_CLUSTERS, subsample=subsample, random_state=0)
    with AnonymousMemory() as memory, timed_stages() as seconds, Stopwatch() as watch:
        model.fit(X)
    numbers = {
        "ari": float(adjusted_rand_score(y, model.labels_)),
        "wall": watch.wall,
        "cpu": watch.cpu,
        "anonymous_mib": memory.peak,
        "seconds": seconds,
    }
    return numbers | {"rows_per_second": predictions(model, X[:MOST_PREDICTED])}


def predictions(model, stored):
    """Rows that `predict` labels in a second, by the kind of X."""
    kinds = {"array": np.array(stored), "file": stored}
    kinds["CSR"] = sparse.csr_array(kinds["array"][:100_000])
    found = {}
    for kind, X in kinds.items():
        with Stopwatch() as watch:
            model.predict(X)
        found[kind] = round(X.shape[0] / watch.wall)
    return found


def measure(folder, n_rows, subsample):
    """The numbers of one run, from a process of its own."""
    rows_of(folder, n_rows)
    return in_own_process(__file__, "--run", folder, n_rows, subsample)


def exponent(runs):
    """Of the fit's seconds in the number of rows, from 10^5 on; None for one point."""
    points = sorted(
        (run["rows"], run["wall"])
        for run in runs
        if run["subsample"] == DEFAULT and run["rows"] >= 100_000
    )
    if len(points) < 2:
        return None
    sizes, seconds = np.log(points).T
    return float(np.polyfit(sizes, seconds, 1)[0])


def tables(record):
    """The default by the number of rows, other subsamples, and the picture."""
    return {
        "scale": _table(record["runs"]),
        "scale_curve": _curve(record["runs"]),
        "scale_plan": _plan(record["runs"]),
        "scale_figure": rst.figure(
            "scale",
            "Seconds of a fit, of its stages and of predictions against the rows",
            "Seconds of a default fit and of its stages, and of the labels of as many "
            "new rows at the rates of the table; all axes are logarithmic.",
        ),
    }


def _table(runs):
    """Seconds, memory and predictions of the default by the number of rows."""
    kinds = ("array", "file", "CSR")
    header = ["rows", "ARI", "wall", "CPU", "MiB", *(f"{k}, rows/s" for k in kinds)]
    rows = [
        [
            f"{run['rows']:,}",
            rst.number(run["ari"]),
            rst.number(run["wall"], 1),
            rst.number(run["cpu"], 1),
            rst.number(run["anonymous_mib"], 0),
            *(f"{run['rows_per_second'][kind]:,}" for kind in kinds),
        ]
        for run in runs
        if run["subsample"] == DEFAULT
    ]
    text = (
        "\nOne fit each, with the labels of all rows; MiB are anonymous memory above "
        "that before the fit, the file of rows not counted.\n"
    )
    power = exponent(runs)
    if power is not None:
        text += (
            "From 100,000 rows on, ten times the rows take about "
            f"{10**power:.1f} times the seconds.\n"
        )
    return rst.list_table(header, rows) + text


def _plan(runs):
    """Stages at the largest number of rows, foretold from the one before, and beyond.

    The stages of the sample take what they took, one over all rows grows with these.
    """
    before, last = [run for run in runs if run["subsample"] == DEFAULT][-2:]
    known, found = stage_seconds(before), stage_seconds(last)
    foretold = dict(known)
    foretold[EVERY_ROW] *= last["rows"] / before["rows"]
    planned = dict(foretold)
    per_row = PASSES / (PLANNED_MACHINES * last["rows"])
    planned[EVERY_ROW] *= per_row * PLANNED_ROWS
    columns = [known, foretold, found, planned]
    rows = [
        [stage, *(f"{column[stage]:,.0f}" for column in columns)] for stage in known
    ]
    sums = [sum(column.values()) for column in columns]
    rows.append(["sum", *(f"{total:,.0f}" for total in sums)])
    header = ["seconds", f"{before['rows']:,} rows", f"{last['rows']:,} rows, foretold"]
    header += ["measured", f"{PLANNED_ROWS:,} rows, {PLANNED_MACHINES} machines"]
    error = sums[1] / sums[2] - 1.0
    text = (
        f"\nThe sum foretold differs by {100 * error:+.0f} % from the one measured.\n"
    )
    return rst.list_table(header, rows) + text


def stage_seconds(run):
    """Seconds of the stages of a fit and of all else in it."""
    stages = {name: run["seconds"].get(name, 0.0) for name in STAGES.values()}
    return stages | {REST: run["wall"] - sum(stages.values())}


def _curve(runs):
    """ARI and seconds by the number of rows learned from."""
    rows = [
        [f"{run['subsample']:,}", rst.number(run["ari"]), rst.number(run["wall"], 1)]
        for run in runs
        if run["rows"] == CURVE_ROWS
    ]
    return rst.list_table(["rows learned from", "ARI", "wall"], rows)


def draw(record, figure):
    """Draw fits, their stages that take time, and new rows by kind."""
    runs = [run for run in record["runs"] if run["subsample"] == DEFAULT]
    sizes = [run["rows"] for run in runs]
    figure.set_size_inches(11, 4.2)
    fits, labels = figure.subplots(1, 2, sharey=True)
    fits.loglog(sizes, [run["wall"] for run in runs], "k-o", label="fit")
    for stage in STAGES.values():
        seconds = [run["seconds"].get(stage, 0.0) for run in runs]
        if max(seconds) >= 0.1:
            fits.loglog(sizes, [max(s, 0.01) for s in seconds], "-o", label=stage)
    for kind in runs[0]["rows_per_second"] if runs else ():
        seconds = [run["rows"] / run["rows_per_second"][kind] for run in runs]
        labels.loglog(sizes, seconds, "-o", label=kind)
    fits.set(xlabel="rows", ylabel="seconds", title="fit")
    labels.set(xlabel="rows", title="predict")
    fits.legend(fontsize=9)
    labels.legend(fontsize=9)
    figure.tight_layout()


def main(arguments):
    if arguments[:1] == ["--run"]:
        folder, n_rows, subsample = arguments[1:]
        print(json.dumps(run(Path(folder), int(n_rows), int(subsample))))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rows", nargs="*", type=int, default=list(ROWS))
    add("--subsample", nargs="*", type=int, default=list(SUBSAMPLES))
    add("--folder", type=Path, default=Path(tempfile.gettempdir()))
    add("--results", type=Path, default=RESULTS / "scale.json")
    options = parser.parse_args(arguments)
    wanted = [(n, DEFAULT) for n in options.rows]
    wanted += [(CURVE_ROWS, size) for size in options.subsample]
    book = Book(options.results, ("rows", "subsample"))
    status = go_through(
        book,
        "python benchmarks/scale.py",
        wanted,
        lambda n_rows, subsample: measure(options.folder, n_rows, subsample),
        order=lambda run: (run["rows"], run["subsample"]),
    )
    say(f"exponent of the fit's seconds: {exponent(book.record['runs'])}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
