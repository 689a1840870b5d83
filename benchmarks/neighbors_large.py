"""Fifteen approximate neighbours of millions of rows: recall, seconds and memory.

    python benchmarks/neighbors_large.py [--rows N ...] [--folder FOLDER]

The rows of scale.py (twenty curved clusters in 32 float32 columns), mapped into memory
from their file in FOLDER, and the cells that a graph of so many rows takes. Recall is
measured on 1,000 rows, its seconds included; `anonymous` is the most memory that is not
a mapped file (RssAnon), above that before the call: the indices found, eight bytes
each, are part of it. Each run is a process of its own and is in
``results/neighbors_large.json`` when it ends.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import rst
from report import RESULTS, Book, Stopwatch, go_through, in_own_process
from scale import AnonymousMemory, rows_of

from skspectralnet._graph import nearest_neighbors

ROWS, N_NEIGHBORS = (1_000_000, 10_000_000), 15


def run(folder, n_rows):
    """One search in this process."""
    X = rows_of(folder, n_rows)[0]
    rng = np.random.RandomState(0)
    with AnonymousMemory() as memory, Stopwatch() as watch:
        found = nearest_neighbors(X, N_NEIGHBORS, random_state=rng)
    seconds = {"wall": watch.wall, "cpu": watch.cpu}
    return {"recall": found.recall, "anonymous_mib": memory.peak} | seconds


def measure(folder, n_rows):
    """The numbers of one run, from a process of its own."""
    rows_of(folder, n_rows)
    return in_own_process(__file__, "--run", folder, n_rows)


def tables(record):
    """Recall, seconds and memory by the number of rows."""
    rows = [
        [
            *(f"{run['rows']:,}", rst.number(run["recall"])),
            *(rst.number(run["wall"], 0), rst.number(run["anonymous_mib"], 0)),
        ]
        for run in record["runs"]
    ]
    header = ["rows", "recall", "wall, s", "MiB"]
    return {"neighbors_large": rst.list_table(header, rows)}


def main(arguments):
    if arguments[:1] == ["--run"]:
        print(json.dumps(run(Path(arguments[1]), int(arguments[2]))))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rows", nargs="+", type=int, default=list(ROWS))
    add("--folder", type=Path, default=Path(tempfile.gettempdir()))
    add("--results", type=Path, default=RESULTS / "neighbors_large.json")
    options = parser.parse_args(arguments)
    return go_through(
        Book(options.results, ("rows",)),
        "python benchmarks/neighbors_large.py",
        [(n_rows,) for n_rows in options.rows],
        lambda n_rows: measure(options.folder, n_rows),
        order=lambda run: run["rows"],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
