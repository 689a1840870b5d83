"""Named data sets x methods x seeds: ACC, NMI, ARI, seconds and peak memory.

    python benchmarks/quality.py [--second | --held-out] [--data NAME ...]
                                 [--methods NAME ...] [--seeds N]
                                 [--peer-python PYTHON]
    python benchmarks/quality.py --table

Each run is a process of its own, and is in ``results/quality.json`` when it ends: the
same command goes on after an interruption and leaves out what is there. A run of this
package counts as there while the source text of the package is the same. `PYTHON` is
the interpreter of an environment with the packages compared with (`make bench-env`
makes one). A data set or a package that is missing is named and left out.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rst
from data import DEVELOPMENT, HELD_OUT, SECOND, MissingDataError, named
from methods import OTHER_ENVIRONMENT, VARIANTS
from quality_summary import (
    BEHIND,
    MAX_ROWS,
    PEERS,
    count,
    far_behind,
    means,
    summarise,
    verdict,
)
from report import RESULTS, SCRIPTS, SCRIPTS_PATH, Book, processor, say, source, sources
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from skspectralnet.metrics import clustering_accuracy

OURS = ("skspectralnet", *VARIANTS)
METHODS = ("skspectralnet", *PEERS, *VARIANTS)


def main(arguments):
    options = _options(arguments)
    book = QualityBook(options.results)
    if options.table:
        print_table(book.record["runs"])
        return 0
    wanted = [
        run
        for run in plan(options)
        if options.again or not book.has(*run, options.busy)
    ]
    book.begin(arguments)
    failed = 0
    for i, (name, method, seed) in enumerate(wanted):
        say(f"[{i + 1}/{len(wanted)}] {name}, {method}, seed {seed} ...", end=" ")
        try:
            run, versions = measure(name, method, seed, options)
        except KeyboardInterrupt:
            say(f"\nstopped, {len(wanted) - i} left: the same command goes on")
            return 130
        except RuntimeError as error:
            failed += 1
            say(f"failed: {error}")
            continue
        book.add(run, versions)
        say(f"NMI {run['nmi']:.3f}  ACC {run['acc']:.3f}  {run['wall']:.1f} s")
    return 1 if failed else 0


def _options(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--second", action="store_true", help="the second list of data sets")
    add("--held-out", action="store_true", help="the list that nothing is chosen by")
    add("--data", nargs="+", help="only these of the list")
    everywhere = [method for method in METHODS if method not in VARIANTS]
    add("--methods", nargs="+", default=everywhere, choices=list(METHODS))
    add("--seeds", type=int, default=5, help="0 to N - 1; 5 unless given")
    add("--peer-python", help="python with the packages compared with")
    add("--threads", type=int, default=1, help="of each run; 1 unless given")
    add("--busy", action="store_true", help="mark seconds as not to be kept")
    add("--again", action="store_true", help="also what is there")
    add("--results", type=Path, default=RESULTS / "quality.json")
    add("--table", action="store_true", help="print what is there, run nothing")
    options = parser.parse_args(arguments)
    listed = list(DEVELOPMENT)
    if options.second or options.held_out:
        listed = list(SECOND if options.second else HELD_OUT)
    unknown = sorted(set(options.data or ()) - set(listed))
    if unknown:
        parser.error(f"--data: {unknown} not in the list {listed}")
    options.data = options.data or listed
    return options


def plan(options):
    """(data, method, seed) of all runs that can be made; names what cannot."""
    methods = []
    for method in options.methods:
        if method in OTHER_ENVIRONMENT and not options.peer_python:
            say(f"{method} is left out: it needs --peer-python (make bench-env)")
        else:
            methods.append(method)
    runs = []
    for name in options.data:
        try:
            n_rows = named(name)[0].shape[0]
        except MissingDataError as error:
            say(f"{error} Left out.")
            continue
        for method in methods:
            if n_rows > MAX_ROWS.get(method, n_rows):
                say(f"{method} is not run on {name}: over {MAX_ROWS[method]:,} rows")
            else:
                runs += [(name, method, seed) for seed in range(options.seeds)]
    return runs


def measure(name, method, seed, options):
    """Run one process and score its labels; a RuntimeError has its last line."""
    python = options.peer_python if method in OTHER_ENVIRONMENT else sys.executable
    threads = str(options.threads)
    limits = ("OMP", "MKL", "OPENBLAS", "NUMBA")
    environment = os.environ | {f"{name}_NUM_THREADS": threads for name in limits}
    environment["PYTHONPATH"] = SCRIPTS_PATH
    with tempfile.TemporaryDirectory() as folder:
        script = str(SCRIPTS / "quality_run.py")
        done = subprocess.run(  # noqa: S603
            [python, script, method, name, str(seed), folder],
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
        labels = np.load(Path(folder, "labels.npy"))
        result = json.loads(Path(folder, "run.json").read_text())
    y = labels_of(name)
    run = {
        "data": name,
        "method": method,
        "seed": seed,
        "acc": round(float(clustering_accuracy(y, labels)), 4),
        "nmi": round(float(normalized_mutual_info_score(y, labels)), 4),
        "ari": round(float(adjusted_rand_score(y, labels)), 4),
        "wall": round(result["wall"], 2),
        "cpu": round(result["cpu"], 2),
        "peak_mib": round(result["peak_mib"]),
        "threads": options.threads,
    }
    if method in OURS:
        run["source"] = source()
    if options.busy:
        run["busy"] = True
    return run, {method: result["versions"]}


@functools.lru_cache(maxsize=1)
def labels_of(name):
    """The classes of a data set; kept for the next run."""
    return named(name)[1]


class QualityBook(Book):
    """quality.json: runs of several packages, each with its versions."""

    def __init__(self, path):
        super().__init__(path, ("data", "method", "seed"))

    def begin(self, arguments):
        """Note the command and the processor of what is added from here on."""
        before = self.record["processor"]
        if before and before != processor():
            say(f"note: runs that are there were made on {before}")
        self.record["processor"] = processor()
        hidden = {"--peer-python": "PYTHON", "--results": "FILE"}
        words = [
            hidden.get(last, f'"{word}"' if " " in word else word)
            for last, word in zip(["", *arguments], arguments, strict=False)
        ]
        self.record["command"] = " ".join(["python benchmarks/quality.py", *words])

    def has(self, name, method, seed, busy):
        """Whether the run is there; one of this package, by its present text.

        What was run on a busy machine is there only for a call that says `busy`.
        """
        text = source() if method in OURS else None
        return any(
            self.names(run) == (name, method, seed)
            and run.get("source") == text
            and (busy or not run.get("busy"))
            for run in self.record["runs"]
        )

    def add(self, run, versions):
        """Put a run in the place of the one with its key, and write the file."""
        order, methods = [*DEVELOPMENT, *SECOND, *HELD_OUT], list(METHODS)
        self.record["versions"] |= versions
        self.replace(
            run,
            lambda run: (
                order.index(run["data"]),
                methods.index(run["method"]),
                run["seed"],
            ),
        )


def tables(record):
    """Scores and seconds of each method by list of data sets, and the picture."""
    found = summarise(record["runs"])
    return {
        "quality_development": _table_of_list(found, DEVELOPMENT),
        "quality_second": _table_of_list(found, SECOND),
        "quality_held_out": _table_of_list(found, HELD_OUT),
        "quality_means": _table_of_means(found),
        "quality_figure": rst.figure(
            "quality",
            "NMI of each method on each data set",
            "NMI, mean over the seeds; a line reaches from the worst to the best seed.",
            target="_images/quality.svg",
        ),
    }


def _table_of_list(found, names):
    found = {name: methods for name, methods in found.items() if name in names}
    header = ["data", "method", "seeds", "NMI", "NMI, worst", "ACC", "ARI", "CPU"]
    rows = [
        [
            name,
            method,
            len(row["nmi"]["values"]),
            rst.with_deviation(row["nmi"]),
            rst.number(row["nmi"]["min"]),
            rst.with_deviation(row["acc"]),
            rst.with_deviation(row["ari"]),
            rst.number(row["cpu"]["median"], 1),
        ]
        for name, methods in found.items()
        for method, row in methods.items()
    ]
    if not rows:
        return "*Not run yet.*\n"
    verdicts = [verdict(methods, "skspectralnet") for methods in found.values()]
    return rst.list_table(header, rows) + (
        f"\nThe default against the best peer by mean NMI: {count(verdicts)}.\n"
    )


def _table_of_means(found):
    """Means over the data sets of each list, beside those of the default."""
    header = ["list", "method", "data sets", "NMI", "default", "ARI", "default"]
    rows, text = [], ""
    for title, names in LISTS.items():
        some = {name: methods for name, methods in found.items() if name in names}
        nmi, ari = means(some, "nmi"), means(some, "ari")
        for method, (n_sets, mean, own) in nmi.items():
            if method in PEERS:
                cells = [mean, own, *ari[method][1:]]
                rows.append([title, method, n_sets, *map(rst.number, cells)])
        worse = far_behind(some)
        if some:
            text += (
                f"Behind the best peer by more than {BEHIND} of ARI, {title}: "
                f"{len(worse)} of {len(some)}"
                f"{' (' + ', '.join(worse) + ')' if worse else ''}.\n"
            )
    return rst.list_table(header, rows) + "\n" + text


def draw(record, figure):
    """Draw a row for each data set, a dot for each method."""
    found = summarise(record["runs"])
    methods = list(dict.fromkeys(m for row in found.values() for m in row))
    figure.set_size_inches(6.5, 1 + 0.4 * len(found))
    axis = figure.subplots()
    for j, method in enumerate(methods):
        rows = [i for i, row in enumerate(found.values()) if method in row]
        nmi = [row[method]["nmi"] for row in found.values() if method in row]
        # Beside each other: equal values would hide each other.
        heights = [i + 0.15 * (j - (len(methods) - 1) / 2) for i in rows]
        ends = [s["min"] for s in nmi], [s["max"] for s in nmi]
        axis.hlines(heights, *ends, color=f"C{j}", alpha=0.5).set_zorder(1)
        axis.scatter([s["mean"] for s in nmi], heights, color=f"C{j}", label=method)
    axis.set(yticks=range(len(found)), yticklabels=list(found), xlabel="NMI")
    axis.invert_yaxis()
    axis.grid(alpha=0.3)
    axis.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.12))


def provenance(record):
    """Return the processor, versions and state of the seconds."""
    runs = record["runs"]
    versions = {
        f"{package} {number}"
        for packages in record["versions"].values()
        for package, number in packages.items()
    }
    text = (
        "Made by ``python benchmarks/quality.py --peer-python PYTHON`` and the same "
        f"with ``--second`` and ``--held-out`` on {record['processor']} "
        f"({', '.join(sorted({str(run['threads']) for run in runs}))} threads) with "
        f"{', '.join(sorted(versions))}.\n"
    )
    if len(sources(runs)) > 1:
        text += "The runs of this package are of several of its versions.\n"
    if any(run.get("busy") for run in runs):
        text += "Some seconds were taken on a busy machine: they are upper bounds.\n"
    return text


def print_table(runs):
    """Means and deviations, and the verdict over the peers, on the standard output."""
    found = summarise(runs)
    print(
        f"{'data':16}{'method':34}{'seeds':>6}{'NMI':>15}{'worst':>8}{'ACC':>15}"
        f"{'ARI':>15}{'wall s':>9}{'CPU s':>9}{'MiB':>7}"
    )
    for name, methods in found.items():
        for method, row in methods.items():
            means = [f"{row[k]['mean']:.3f} +- {row[k]['std']:.3f}" for k in _SCORES]
            print(
                f"{name:16}{method:34}{len(row['nmi']['values']):6}{means[0]:>15}"
                f"{row['nmi']['min']:8.3f}{means[1]:>15}{means[2]:>15}"
                f"{row['wall']['median']:9.1f}{row['cpu']['median']:9.1f}"
                f"{row['peak_mib']['median']:7.0f}"
            )
    print(f"\nAgainst the best of {', '.join(PEERS)} by mean NMI, ties within .01:")
    for method in METHODS:
        if method not in (*PEERS, *VARIANTS):
            _print_verdicts(found, method)
    if len(sources(runs)) > 1:
        print(f"The runs are of several versions of the package: {sources(runs)}")
    if any(run.get("busy") for run in runs):
        print("Some seconds were taken on a busy machine.")


def _print_verdicts(found, method):
    for title, names in LISTS.items():
        verdicts = {n: verdict(found[n], method) for n in names if n in found}
        verdicts = {n: value for n, value in verdicts.items() if value is not None}
        if verdicts:
            words = {1: "win", 0: "tie", -1: "loss"}
            each = ", ".join(f"{n} {words[value]}" for n, value in verdicts.items())
            print(f"{method}, {title}: {count(verdicts.values())} ({each})")


_SCORES = ("nmi", "acc", "ari")
LISTS = {"development": DEVELOPMENT, "second": SECOND, "held out": HELD_OUT}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
