"""What every benchmark does with its measurements: time them, summarise, write JSON."""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from data import MissingDataError

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).resolve().parents[1]
# What only other files start, often with the interpreter of another environment, and
# the PYTHONPATH by which it finds the modules of this folder and the package beside it,
# whatever is installed: the text of that one is what `source` stands for.
SCRIPTS = ROOT / "benchmarks" / "peers"
SCRIPTS_PATH = os.pathsep.join([str(ROOT), str(SCRIPTS.parent)])


class Stopwatch:
    """Wall and CPU seconds of a ``with`` block."""

    def __enter__(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error):
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu


def spread(values):
    """Mean, deviation, worst (least) and the values themselves, rounded."""
    values = np.asarray(values, dtype=float)
    return {
        "mean": round(float(values.mean()), 4),
        "std": round(float(values.std()), 4),
        "min": round(float(values.min()), 4),
        "max": round(float(values.max()), 4),
        "median": round(float(np.median(values)), 4),
        "values": [round(float(v), 4) for v in values],
    }


def write(name, command, results):
    """Write ``results/name.json`` with the versions and the processor."""
    RESULTS.mkdir(exist_ok=True)
    record = {"command": command, **surroundings(), "results": results}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path.relative_to(ROOT)}")


class Book:
    """A file of runs: read once, replaced as a whole after each run.

    A run is one dictionary of numbers and of the words that name it, its `key`. One of
    this package carries the :func:`source` that it was made by.

    Parameters
    ----------
    path : Path
    key : tuple of str
        The entries that name a run.
    """

    def __init__(self, path, key):
        self.path = path
        self.key = key
        self.record = {"command": "", "processor": "", "versions": {}, "runs": []}
        if path.exists():
            self.record = json.loads(path.read_text())

    def has(self, *names):
        """Whether the run is there, made by the present text of the package."""
        return any(
            self.names(run) == names and run.get("source") == source()
            for run in self.record["runs"]
        )

    def names(self, run):
        """The values of the key."""
        return tuple(run[name] for name in self.key)

    def replace(self, run, order=None):
        """Put a run in the place of the one with its key, and write the file.

        `order` sorts the runs; without it a new one is the last.
        """
        names = [self.names(old) for old in self.record["runs"]]
        if self.names(run) in names:
            self.record["runs"][names.index(self.names(run))] = run
        else:
            self.record["runs"].append(run)
        if order is not None:
            self.record["runs"].sort(key=order)
        self._write()

    def _write(self):
        head = {key: value for key, value in self.record.items() if key != "runs"}
        lines = ",\n  ".join(json.dumps(run) for run in self.record["runs"])
        text = json.dumps(head, indent=1)[:-2] + f',\n "runs": [\n  {lines}\n ]\n}}\n'
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(text)
        part.replace(self.path)


def data_and_seeds(arguments, about, data, name):
    """Options of a benchmark that goes through data sets and three seeds.

    Parameters
    ----------
    arguments : list of str
    about : str
        What ``--help`` says.
    data : iterable of str
        All data sets.
    name : str
        Of the file of results.

    Returns
    -------
    Namespace
        With `data`, `seeds` and `results`.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", default=list(data), choices=list(data))
    add("--seeds", type=int, default=3, help="0 to N - 1; 3 unless given")
    add("--results", type=Path, default=RESULTS / f"{name}.json")
    return parser.parse_args(arguments)


def go_through(book, command, wanted, measure, *, order=None):
    """Make the runs that are not in the book, one after the other.

    Parameters
    ----------
    book : Book
    command : str
        Noted in the file as what makes it.
    wanted : list of tuple
        The names of the runs, in the order of the book's key.
    measure : callable
        From the names of a run to a dictionary of its numbers.
    order : callable, default=None
        Of the runs in the file, from a run to what is sorted.

    Returns
    -------
    int
        Exit status: 130 where Ctrl-C has stopped it, else 0.
    """
    left = [names for names in wanted if not book.has(*names)]
    book.record |= {"command": command, **surroundings()}
    for i, names in enumerate(left):
        say(f"[{i + 1}/{len(left)}] {', '.join(map(str, names))} ...", end=" ")
        try:
            numbers = measure(*names)
        except KeyboardInterrupt:
            say(f"\nstopped, {len(left) - i} left: the same command goes on")
            return 130
        except MissingDataError as error:
            say(f"{error} Left out.")
            continue
        numbers = {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in numbers.items()
        }
        run = dict(zip(book.key, names, strict=True)) | numbers | {"source": source()}
        book.replace(run, order)
        say("  ".join(f"{key} {value}" for key, value in numbers.items()))
    return 0


def in_own_process(script, *arguments):
    """What a script prints as its last line of JSON, run by this interpreter."""
    call = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def peak_mebibytes():
    """Most memory that this process has held, imports and data included."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x[:6] == "VmHWM:")
        return int(line.split()[1]) / 1024
    import resource  # here: it is not on every system

    # Not where the file exists: it counts the starting process too. Bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def scores(y, labels):
    """ACC, NMI and ARI of labels."""
    # here: a process of another environment may not have the package
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    from skspectralnet.metrics import clustering_accuracy

    return {
        "acc": float(clustering_accuracy(y, labels)),
        "nmi": float(normalized_mutual_info_score(y, labels)),
        "ari": float(adjusted_rand_score(y, labels)),
    }


def surroundings():
    """Processor, threads and versions, as the files name them."""
    import torch  # here: a process of another environment may only want the watch

    return {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "versions": {
            package: version(package)
            for package in ("numpy", "scipy", "scikit-learn", "torch")
        },
    }


def source():
    """Eight digits that stand for the text of the package."""
    digest = hashlib.sha256()
    package = ROOT / "skspectralnet"
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:8]


def sources(runs):
    """The versions of this package's source text among the runs."""
    return sorted({run["source"] for run in runs if "source" in run})


def say(text, end="\n"):
    """Progress, on the standard error."""
    print(text, end=end, file=sys.stderr, flush=True)


def processor():
    """The processor's name and the number of cores."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.split(":", 1)[1] for line in lines if line[:10] == "model name"]
        name = names[0].strip() if names else name
    return f"{name}, {os.cpu_count()} cores"
