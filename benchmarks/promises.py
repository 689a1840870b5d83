"""What the page *What you can rely on* promises, tried longer than `make test` does.

    python benchmarks/promises.py [--parts PART ...] [--cases N] [--shards N]
        [--seeds N] [--results FILE]

``tests``: the slow tests that the page names. ``fuzz``: random calls of
``tests/test_fuzz.py``, so many cases in each of the shards, whose seeds are 1, 2, ...
``floor``: default fits of four data sets, the seeds of which draw the rows too where
they are generated, and the adjusted Rand index that none may fall below. ``memory``:
the most memory (VmHWM) of a fit of one epoch a stage, of `predict` and of
`predict_proba`, beyond what the process held with the rows, at three numbers of rows;
each fit in a process of its own. Each run is in ``results/promises.json`` when it ends.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import rst
from footprint import forget_peak
from report import (
    RESULTS,
    ROOT,
    Book,
    go_through,
    in_own_process,
    peak_mebibytes,
    say,
)
from scipy import sparse
from sklearn.datasets import load_digits, make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

PAGE = ROOT / "docs" / "guide" / "rely_on.rst"
SLOW = re.compile(r"slow\s+``tests/(test_\w+)\.py::(test_\w+)``")
PARTS = ("tests", "fuzz", "floor", "memory")
SHAPES = {
    "moons": lambda seed: make_moons(1000, noise=0.05, random_state=seed),
    "circles": lambda seed: make_circles(
        1000, noise=0.05, factor=0.5, random_state=seed
    ),
    "blobs": lambda seed: make_blobs(1000, 10, centers=5, random_state=seed),
    "digits": lambda seed: load_digits(return_X_y=True),
}
FLOORS = {"moons": 0.99, "circles": 0.99, "blobs": 0.99, "digits": 0.85}
ROWS = (10_000, 40_000, 160_000)
KINDS = ("dense float64", "dense float32", "dense uint8", "sparse, 5,000 columns")
CALLS = ("fit", "predict", "predict_proba")


# --- tests


def pytest(*arguments, **variables):
    """The exit status and the output of pytest in this environment."""
    variables = {"OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-n", "0", *arguments],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | variables,
    )
    return done.returncode, done.stdout


def counted(word, text):
    """The number before a word of pytest's last line."""
    found = re.search(rf"(\d+) {word}", text.splitlines()[-1])
    return int(found[1]) if found else 0


def run_test(name):
    """How many cases of a test pass, slow ones included."""
    _, said = pytest("-q", "tests/" + name)
    words = {"tried": "passed", "broken": "failed", "skipped": "skipped"}
    found = {key: counted(word, said) for key, word in words.items()}
    found["broken"] += counted("error", said)
    found["tried"] += found["broken"]
    return found


def slow_tests():
    return [f"{file}.py::{name}" for file, name in SLOW.findall(PAGE.read_text())]


# --- random calls


def run_shard(n_cases, seed):
    """A shard of the campaign."""
    status, said = pytest(
        "tests/test_fuzz.py::test_random_calls_work_or_say_why",
        SKSPECTRALNET_FUZZ_CASES=str(n_cases),
        SKSPECTRALNET_FUZZ_SEED=str(seed),
    )
    return {"tried": n_cases, "broken": int(status != 0)} | journal(said)


def journal(said):
    """Numbers of the report that the campaign prints at its end."""
    calls, messages = re.search(r"(\d+) calls, (\d+) distinct", said).groups()
    outcomes = re.findall(r"^ +(\d+) (.+)$", said, re.MULTILINE)
    fits = [(int(n), name) for n, name in outcomes if name.startswith("fit ")]
    seconds, of_what = re.search(r"^slowest: ([\d.]+) s, (.+)$", said, re.M).groups()
    worked = sum(n for n, name in fits if name == "fit worked")
    return {
        "calls": int(calls),
        "messages": int(messages),
        "fits": sum(n for n, _ in fits),
        "fits that worked": worked,
        "slowest": float(seconds),
        "slowest rows": of_what,
    }


# --- quality


def run_floor(name, seeds):
    """The index of a default fit for each seed."""
    found = []
    for seed in range(seeds):
        X, y = SHAPES[name](seed)
        model = SpectralNetClustering(len(np.unique(y)), random_state=seed)
        found.append(round(adjusted_rand_score(y, model.fit_predict(X)), 4))
        say(f"{found[-1]:.3f}", end=" ")
    return {
        "tried": seeds,
        "broken": sum(value < FLOORS[name] for value in found),
        "median": float(np.median(found)),
        "worst": min(found),
        "values": found,
    }


# --- memory


def rows_of(kind, n_rows):
    """Rows of five blobs; of documents of 20 words where they are sparse."""
    rng = np.random.RandomState(0)
    if kind.startswith("sparse"):
        words = (
            rng.randint(1000, size=(n_rows, 20)) * 5 + np.arange(n_rows)[:, None] % 5
        )
        places = np.repeat(np.arange(n_rows), 20), words.ravel()
        counts = np.ones(words.size, dtype=np.float32)
        return sparse.csr_matrix((counts, places), shape=(n_rows, 5000))
    X, _ = make_blobs(n_rows, 64, centers=5, center_box=(60, 200), random_state=0)
    return X.clip(0, 255).astype(kind.split()[1])


def peaks(kind, n_rows):
    """MiB at the peak of each call beyond those before the first one."""
    X = rows_of(kind, n_rows)
    model = SpectralNetClustering(5, max_iter=1, metric_learner="siamese")
    model.set_params(random_state=0)
    before, found = None, {}
    for call in CALLS:
        forget_peak()
        before = peak_mebibytes() if before is None else before
        getattr(model, call)(X)
        found[call] = round(peak_mebibytes() - before, 1)
    return found


def run_memory(kind):
    """Peaks at each number of rows, and the steepest rise of their logarithms."""
    found = [in_own_process(__file__, "--peaks", kind, n) for n in ROWS]
    rises = [steepest_rise(ROWS, [one[call] for one in found]) for call in CALLS]
    rise = round(max(rises), 3)
    return {"tried": 1, "broken": int(rise > 1.1), "rise": rise, "mib": found}


def steepest_rise(n_rows, peaks):
    """The largest exponent of the peaks in the rows, from one number to the next."""
    return float(np.max(np.diff(np.log(peaks)) / np.diff(np.log(n_rows))))


# --- all


def tables(record):
    """The last run of every test, the campaign, the floors and the memory."""
    runs = {part: [] for part in PARTS}
    for run in record["runs"]:
        runs[run["part"]].append(run)
    return {
        f"promises_{part}": rst.list_table(header, [row(run) for run in runs[part]])
        for part, (header, row) in TABLES.items()
    }


TABLES = {
    "tests": (
        ["test", "passed", "failed", "skipped"],
        lambda run: [
            f"``{run['name']}``",
            run["tried"] - run["broken"],
            run["broken"],
            run["skipped"],
        ],
    ),
    "fuzz": (
        [
            *("seed", "cases", "violations", "calls", "fits that worked"),
            *("different messages", "slowest case"),
        ],
        lambda run: [
            run["name"],
            f"{run['tried']:,}",
            run["broken"],
            f"{run['calls']:,}",
            f"{100 * run['fits that worked'] / run['fits']:.0f} %",
            run["messages"],
            f"{run['slowest']:.1f} s",
        ],
    ),
    "floor": (
        ["data", "seeds", "ARI, median", "worst", "floor", "below it"],
        lambda run: [
            run["name"],
            run["tried"],
            rst.number(run["median"]),
            rst.number(run["worst"]),
            FLOORS[run["name"]],
            run["broken"],
        ],
    ),
    "memory": (
        ["rows", *(f"MiB, ``{call}``" for call in CALLS), "steepest rise"],
        lambda run: [
            run["name"],
            *(" / ".join(f"{x[call]:.0f}" for x in run["mib"]) for call in CALLS),
            rst.number(run["rise"], 2),
        ],
    ),
}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--shards", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--results", type=Path, default=RESULTS / "promises.json")
    parser.add_argument("--peaks", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peaks:
        kind, n_rows = options.peaks
        print(json.dumps(peaks(kind, int(n_rows))))
        return 0
    measures = {
        "tests": run_test,
        "fuzz": lambda seed: run_shard(options.cases, seed),
        "floor": lambda name: run_floor(name, options.seeds),
        "memory": run_memory,
    }
    names = {
        "tests": slow_tests(),
        "fuzz": list(range(1, options.shards + 1)),
        "floor": list(SHAPES),
        "memory": KINDS,
    }
    wanted = [(part, name) for part in options.parts for name in names[part]]
    book = Book(options.results, ("part", "name"))
    return go_through(
        book,
        "python benchmarks/promises.py",
        wanted,
        lambda part, name: measures[part](name),
        order=lambda run: PARTS.index(run["part"]),
    )


if __name__ == "__main__":
    sys.exit(main())
