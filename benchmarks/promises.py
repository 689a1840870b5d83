"""What the page *What you can rely on* promises, tried longer than `make test` does.

    python benchmarks/promises.py [--parts PART ...] [--cases N] [--shards N]
        [--results FILE]

``tests``: the slow tests that the page names. ``fuzz``: random calls of
``tests/test_fuzz.py``, so many cases in each of the shards, whose seeds are 1, 2, ...
Each run is in ``results/promises.json`` when it ends.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import rst
from report import RESULTS, ROOT, Book, go_through

PAGE = ROOT / "docs" / "guide" / "rely_on.rst"
SLOW = re.compile(r"slow\s+``tests/(test_\w+)\.py::(test_\w+)``")
PARTS = ("tests", "fuzz")


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


# --- all


def tables(record):
    """The last run of every slow test and of the campaign."""
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
}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--shards", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS / "promises.json")
    options = parser.parse_args(arguments)
    measures = {
        "tests": run_test,
        "fuzz": lambda seed: run_shard(options.cases, seed),
    }
    names = {
        "tests": slow_tests(),
        "fuzz": list(range(1, options.shards + 1)),
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
