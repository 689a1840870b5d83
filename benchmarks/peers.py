"""Seconds and ARI of this package and of others by the number of rows.

    python benchmarks/peers.py [--rows N ...] [--methods NAME ...] [--seconds LIMIT]
                               [--peer-python PYTHON]

The twenty curved clusters of scale.py, in memory. Each run is a process of its own and
is stopped after LIMIT seconds (900 unless given); a method is not tried on more rows
than the first number on which it was stopped or failed. `PYTHON` is the interpreter of
an environment with the packages compared with (`make bench-env`). ``spectralnet`` is
version 1.1.0 with its defaults and its siamese network. Each run is in
``results/peers.json`` when it ends. ``skspectralnet, graph of all rows`` is this
package with ``neighbors_in="data"``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rst
from data import CurvedMixture
from methods import METHODS, OTHER_ENVIRONMENT
from report import RESULTS, Book, Stopwatch, go_through, peak_mebibytes
from sklearn.metrics import adjusted_rand_score

ROWS = (1_000, 10_000, 100_000, 1_000_000)
N_CLUSTERS = 20
COMPARED = (
    *("skspectralnet", "skspectralnet, graph of all rows", "MiniBatchKMeans"),
    *("scikit-learn spectral", "UMAP + mixture", "spectralnet"),
)


def run(method, n_rows):
    """One clustering in this process: its numbers."""
    X, y = CurvedMixture(0).sample(n_rows, np.random.RandomState(0))
    cluster = METHODS[method](X)
    with Stopwatch() as watch:
        labels = cluster(N_CLUSTERS, 0)
    ari = float(adjusted_rand_score(y, labels))
    memory = peak_mebibytes()
    return {"ari": ari, "wall": watch.wall, "cpu": watch.cpu, "peak_mib": memory}


def measure(method, n_rows, python, seconds):
    """The numbers of one run in its own process, or that it was stopped or failed."""
    call = [python, str(Path(__file__).resolve()), "--run", method, str(n_rows)]
    with tempfile.TemporaryDirectory() as folder:  # some packages write into theirs
        try:
            done = subprocess.run(  # noqa: S603
                call, cwd=folder, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return {"ended": f"stopped after {seconds} s"}
    if done.returncode:
        return {"ended": (done.stderr.strip().splitlines() or ["failed"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def given_up(book, method, n_rows):
    """Whether the method had ended early on fewer rows."""
    return any(
        run["method"] == method and run["rows"] < n_rows and "ended" in run
        for run in book.record["runs"]
    )


def tables(record):
    """Seconds and ARI of each method by the number of rows, and the picture."""
    runs = record["runs"]
    sizes = sorted({run["rows"] for run in runs})
    methods = list(dict.fromkeys(run["method"] for run in runs))
    cells = {(run["method"], run["rows"]): _cell(run) for run in runs}
    header = ["method", *(f"{n:,} rows" for n in sizes)]
    rows = [[m, *(cells.get((m, n), rst.NONE) for n in sizes)] for m in methods]
    text = (
        "\nWall seconds, and the ARI reached. A method that was stopped or failed is "
        "not tried on more rows.\n"
    )
    picture = rst.figure(
        "peers",
        "Seconds of each method against the number of rows",
        "Seconds of each method; both axes are logarithmic.",
        width="70%",
    )
    return {"peers": rst.list_table(header, rows) + text, "peers_figure": picture}


def _cell(run):
    if "ended" in run:
        return rst.literal(run["ended"])
    return f"{rst.number(run['wall'], 1)} s, {rst.number(run['ari'], 2)}"


def draw(record, figure):
    """Draw the seconds of each method by the rows."""
    figure.set_size_inches(7, 4.2)
    axis = figure.subplots()
    for method in dict.fromkeys(run["method"] for run in record["runs"]):
        runs = [r for r in record["runs"] if r["method"] == method and "wall" in r]
        sizes, seconds = ([run[key] for run in runs] for key in ("rows", "wall"))
        axis.loglog(sizes, seconds, "-o", label=method)
    axis.set(xlabel="rows", ylabel="seconds")
    axis.legend(fontsize=9)


def main(arguments):
    if arguments[:1] == ["--run"]:
        print(json.dumps(run(arguments[1], int(arguments[2]))))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rows", nargs="+", type=int, default=list(ROWS))
    add("--methods", nargs="+", default=list(COMPARED), choices=list(COMPARED))
    add("--peer-python", help="python with the packages compared with")
    add("--seconds", type=int, default=900)
    add("--results", type=Path, default=RESULTS / "peers.json")
    options = parser.parse_args(arguments)
    book, methods = Book(options.results, ("method", "rows")), list(COMPARED)
    for n_rows in sorted(options.rows):
        for method in options.methods:
            other = method in OTHER_ENVIRONMENT
            python = options.peer_python if other else sys.executable
            if python is None or given_up(book, method, n_rows):
                continue
            status = go_through(
                book,
                "python benchmarks/peers.py --peer-python PYTHON",
                [(method, n_rows)],
                lambda *names, python=python: measure(*names, python, options.seconds),
                order=lambda run: (run["rows"], methods.index(run["method"])),
            )
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
