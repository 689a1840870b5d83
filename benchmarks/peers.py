"""Seconds and ARI of this package and of others by the number of rows.

    python benchmarks/peers.py [--rows N ...] [--methods NAME ...] [--seconds LIMIT]
                               [--peer-python PYTHON]
    python benchmarks/peers.py --data NAME ... [--methods NAME ...] [...]

The twenty curved clusters of scale.py, in memory. Each run is a process of its own and
is stopped after LIMIT seconds (900 unless given); a method is not tried on more rows
than the first number on which it was stopped or failed. `PYTHON` is the interpreter of
an environment with the packages compared with (`make bench-env`). ``spectralnet`` is
version 1.1.0 with its defaults and its siamese network. Each run is in
``results/peers.json`` when it ends. ``skspectralnet, graph of all rows`` is this
package with ``neighbors_in="data"``.

With ``--data`` the rows are those of real data sets, three seeds, and the file is
``results/peers_data.json``. HDBSCAN counts the clusters itself, EVoC is told about how
many; scores take rows that they leave out as one more cluster, and `left out` is their
share.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rst
from data import CurvedMixture, named
from methods import METHODS, OTHER_ENVIRONMENT
from report import RESULTS, Book, Stopwatch, go_through, peak_mebibytes, spread
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

ROWS = (1_000, 10_000, 100_000, 1_000_000)
N_CLUSTERS = 20
COMPARED = (
    *("skspectralnet", "skspectralnet, graph of all rows", "MiniBatchKMeans"),
    *("scikit-learn spectral", "UMAP + mixture", "spectralnet"),
)
DATA, SEEDS = ("mnist", "news20_minilm"), range(3)
COMPARED_ON_DATA = (
    *("skspectralnet", "MiniBatchKMeans", "k-means", "EVoC"),
    *("UMAP + mixture", "UMAP + HDBSCAN"),
)


def run_data(method, name, seed):
    """One clustering of a data set in this process: its numbers."""
    X, y = named(name)
    X = X.astype(np.float32)
    cluster = METHODS[method](X)
    with Stopwatch() as watch:
        labels = cluster(len(np.unique(y)), seed)
    return {
        "nmi": float(normalized_mutual_info_score(y, labels)),
        "ari": float(adjusted_rand_score(y, labels)),
        "clusters": len(np.unique(labels[labels >= 0])),
        "left_out": float(np.mean(labels < 0)),
        "wall": watch.wall,
        "cpu": watch.cpu,
    }


def run(method, n_rows):
    """One clustering in this process: its numbers."""
    X, y = CurvedMixture(0).sample(n_rows, np.random.RandomState(0))
    cluster = METHODS[method](X)
    with Stopwatch() as watch:
        labels = cluster(N_CLUSTERS, 0)
    ari = float(adjusted_rand_score(y, labels))
    memory = peak_mebibytes()
    return {"ari": ari, "wall": watch.wall, "cpu": watch.cpu, "peak_mib": memory}


def measure(names, python, seconds):
    """The numbers of one run in its own process, or that it was stopped or failed."""
    call = [python, str(Path(__file__).resolve()), "--run", *map(str, names)]
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


def data_tables(record):
    """Seconds and scores of each method on each data set."""
    header = ["data", "method", "wall", "CPU", "NMI, mean and worst"]
    header += ["ARI, mean and worst", "clusters", "left out"]
    rows = []
    for name, method in dict.fromkeys((r["data"], r["method"]) for r in record["runs"]):
        runs = [
            run
            for run in record["runs"]
            if (run["data"], run["method"]) == (name, method) and "wall" in run
        ]
        if not runs:
            continue
        of = {
            key: spread([run[key] for run in runs]) for key in runs[0] if key in SHOWN
        }
        rows.append(
            [
                *(name, method),
                *(rst.number(of[key]["median"], 1) for key in ("wall", "cpu")),
                *(rst.mean_and_worst(of[key]) for key in ("nmi", "ari")),
                rst.number(of["clusters"]["median"], 0),
                rst.number(of["left_out"]["mean"], 2),
            ]
        )
    return {"peers_data": rst.list_table(header, rows)}


SHOWN = ("nmi", "ari", "clusters", "left_out", "wall", "cpu")


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
    axis.legend(fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def main(arguments):
    if arguments[:1] == ["--run"]:
        method, *what = arguments[1:]
        found = run_data(method, what[0], int(what[1])) if what[1:] else None
        print(json.dumps(found or run(method, int(what[0]))))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rows", nargs="+", type=int, default=list(ROWS))
    add("--data", nargs="*", choices=DATA)
    both = dict.fromkeys((*COMPARED, *COMPARED_ON_DATA))
    add("--methods", nargs="+", choices=list(both))
    add("--peer-python", help="python with the packages compared with")
    add("--seconds", type=int, default=900)
    add("--results", type=Path)
    options = parser.parse_args(arguments)
    return by_rows(options) if options.data is None else by_data(options)


def python_of(method, options):
    """The interpreter for a method, or None."""
    return options.peer_python if method in OTHER_ENVIRONMENT else sys.executable


def by_data(options):
    """Run the methods on data sets."""
    book = Book(
        options.results or RESULTS / "peers_data.json", ("data", "method", "seed")
    )
    wanted = [
        (name, method, seed)
        for name in options.data or DATA
        for method in options.methods or COMPARED_ON_DATA
        if python_of(method, options) is not None
        for seed in SEEDS
    ]

    def measured(name, method, seed):
        python = python_of(method, options)
        return measure((method, name, seed), python, options.seconds)

    command = "python benchmarks/peers.py --data --peer-python PYTHON"
    return go_through(book, command, wanted, measured)


def by_rows(options):
    """Run the methods on more and more rows."""
    book = Book(options.results or RESULTS / "peers.json", ("method", "rows"))
    methods = list(COMPARED)
    for n_rows in sorted(options.rows):
        for method in options.methods or methods:
            python = python_of(method, options)
            if python is None or given_up(book, method, n_rows):
                continue
            status = go_through(
                book,
                "python benchmarks/peers.py --peer-python PYTHON",
                [(method, n_rows)],
                lambda *names, python=python: measure(names, python, options.seconds),
                order=lambda run: (run["rows"], methods.index(run["method"])),
            )
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
