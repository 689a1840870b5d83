"""Deliberate bugs in the package, one at a time, and whether the tests notice them.

    python benchmarks/mutation.py [--modules NAME ...] [--mutants N] [--seed S]
        [--survivors] [--results FILE]

Changes of cosmic-ray: another operator, another number, a comparison turned round, a
condition negated, a loop or a decorator left out. Of each module as many places as
``--mutants`` are drawn at random, and at each one change; a larger number goes on with
the same places. The changed module lies in a copy of the repository, where the tests of
that module run until one fails or their time is over; both count as noticed.
``--survivors`` tries those again for which no test has failed, after tests were added.
What changes nothing that could be seen is in `EQUIVALENT`, each with its reason, and is
not run. Each mutant is in ``results/mutation.json`` when its tests end.
"""

import argparse
import difflib
import importlib
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import rst
from report import RESULTS, ROOT, Book, go_through

# The tests of each module, in the order in which they run.
TESTS = {
    "_losses": ("losses", "spectral"),
    "_network": ("network", "batch_norm", "spectral"),
    "_affinity": ("affinity", "losses", "spectral"),
    "_graph": ("graph", "constraints"),
    "_assignment": ("assignment", "probability"),
}
# What the tests import, once for all: a forked process has it there.
IMPORTED = ("torch", "hypothesis", "pytest", "scipy.sparse.linalg", "scipy.special")
IMPORTED += ("sklearn.cluster", "sklearn.datasets", "sklearn.mixture")
# Operators of bits, which no float has: every test that reaches them fails.
OF_BITS = re.compile(r"Binary\w+_(?!Bit|[LR]Shift)[A-Za-z]+_(Bit\w+|[LR]Shift)$")
PATIENCE = 4.0, 20.0  # times the seconds of the unchanged module, and seconds more
# (module, the line before, the line after): why nothing can tell them apart.
_BOUND = "a bound on the work at once, or a tolerance, that a measurement has chosen"
_KEYWORDS = "the mark of keywords is no product; all calls stay what they are"
_COPIED = "a copy is made that nobody sees"
EQUIVALENT = {
    ("_losses", "@staticmethod", ""): "torch calls the function of the class itself",
    ("_network", "_WHOLE_ENTRIES = 2**22", "_WHOLE_ENTRIES = 2** 21"): _BOUND,
    ("_affinity", "_COPY_ROUNDINGS = 8", "_COPY_ROUNDINGS = 9"): _BOUND,
    (
        "_affinity",
        "def batch_affinity(points, affinity, *, n_neighbors, gamma=None):",
        "def batch_affinity(points, affinity, /, n_neighbors, gamma=None):",
    ): _KEYWORDS,
    (
        "_affinity",
        'if distances.device.type != "cpu" or distances.dtype != torch.float32:',
        'if not distances.device.type != "cpu" or distances.dtype != torch.float32:',
    ): "the slower of two ways to the same columns",
    (
        "_affinity",
        "if 2 * k > m:",
        "if 2 * k >= m:",
    ): "the other of two ways to the same columns",
    (
        "_affinity",
        "usual = float(sigma[own].mean()) if bool(own.any()) else 1.0",
        "usual = float(sigma[own].mean()) if bool(own.any()) else 0.0",
    ): "all distances are 0, whatever they are divided by",
    ("_graph", "_EXACT_ROWS = 100_000", "_EXACT_ROWS = 99999"): _BOUND,
    (
        "_graph",
        "_ENOUGH, _MOST_SEARCHED = 0.995, 256",
        "_ENOUGH, _MOST_SEARCHED = 0.995, 255",
    ): _BOUND,
    ("_graph", "_ROWS_PER_CENTER = 50", "_ROWS_PER_CENTER = 51"): _BOUND,
    (
        "_graph",
        "_TIED, _MOST_TIED = 1.0 + 1e-5, 8",
        "_TIED, _MOST_TIED = 1.0 + 1e-5, 9",
    ): _BOUND,
    (
        "_graph",
        "return float((self.neighbors[:, :, None] == found).any(axis=2).mean())",
        "return float((self.neighbors[:, :, None] == found).any(axis= 1).mean())",
    ): "as many of the true ones are found as of the found ones are true",
    (
        "_graph",
        "difference = difference.astype(np.float64, copy=False)",
        "difference = difference.astype(np.float64, copy=True)",
    ): _COPIED,
    **{
        (
            "_graph",
            "return found[~itself].reshape(len(rows), -1)",
            f"return found[~itself].reshape(len(rows), {number})",
        ): "numpy takes any negative length for the one that is left"
        for number in ("~1", "- 2")
    },
    (
        "_graph",
        "n_pieces, labels = connected_components(graph, directed=False)",
        "n_pieces, labels = connected_components(graph, directed=True)",
    ): "the graph is symmetric",
    (
        "_graph",
        "def repeated_graph(graph, multiplicities, *, all_pairs=False):",
        "def repeated_graph(graph, multiplicities, /, all_pairs=False):",
    ): _KEYWORDS,
    (
        "_assignment",
        'Z, self.centers.astype(Z.dtype, copy=False), metric="euclidean"',
        'Z, self.centers.astype(Z.dtype, copy=True), metric="euclidean"',
    ): _COPIED,
    (
        "_assignment",
        "rank = np.count_nonzero(size > size[0] * np.sqrt(np.finfo(Z.dtype).eps))",
        "rank = np.count_nonzero(size >= size[0] * np.sqrt(np.finfo(Z.dtype).eps))",
    ): "equal only where all rows are 0, and then there is one cluster",
    (
        "_assignment",
        "if n_distinct == 1:",
        "if n_distinct <= 1:",
    ): "there is at least one row",
    (
        "_assignment",
        "tie = 256 * np.finfo(Z.dtype).eps",
        "tie = 255 * np.finfo(Z.dtype).eps",
    ): _BOUND,
}
WORDS = {
    "killed": "a test fails",
    "late": "out of time",
    "survived": "no test fails",
    "equivalent": "equivalent",
}


def drawn(module, n_mutants, seed):
    """(operator, occurrence) of one change at each of some places."""
    # here: the tables are made where it is not installed
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    tree = get_ast(text_of(module))
    places = {}
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments() or OF_BITS.search(name):
            continue
        positions = (
            place for x in ast_nodes(tree) for place in operator().mutation_positions(x)
        )
        for occurrence, place in enumerate(positions):
            places.setdefault(tuple(place), []).append((name, occurrence))
    draw = random.Random(f"{module} {seed}")  # noqa: S311
    order = sorted(places)
    draw.shuffle(order)
    return [one_of(places[x], module, draw) for x in order[:n_mutants]], len(order)


def one_of(changes, module, draw):
    """A random one, among those that are Python: `*` may stand for keywords."""
    draw.shuffle(changes)
    for change in changes:
        try:
            compile(changed(text_of(module), *change)[0], module, "exec")
        except SyntaxError:
            continue
        return change
    return changes[0]


def text_of(module):
    return (ROOT / "skspectralnet" / f"{module}.py").read_text("utf-8")


def changed(text, name, occurrence):
    """The text after one change, and the lines before and after it."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    after = mutate_code(text, get_operator(name)(), occurrence)
    lines = list(difflib.ndiff(text.splitlines(), after.splitlines()))
    old, new = (
        " ".join(line[2:].strip() for line in lines if line[0] == sign).strip()
        for sign in "-+"
    )
    before = next(i for i, line in enumerate(lines) if line[0] in "-+")
    number = 1 + sum(line[0] != "?" for line in lines[:before])
    return after, {"line": number, "before": old, "after": new}


def children_seconds():
    """CPU seconds of all processes that this one has started and seen the end of."""
    import resource  # here: the tables are made where there is none

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_tests(folder, names, limit):
    """End this process, a forked one, with the exit status of pytest."""
    import resource

    import pytest
    import torch

    if limit is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), resource.RLIM_INFINITY))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(folder)
    torch.set_num_threads(1)
    for name in [x for x in sys.modules if x.split(".")[0] == "skspectralnet"]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    files = [f"tests/test_{name}.py" for name in names]
    options = ["-q", "-x", "-n", "0", "-m", "not slow", "-p", "no:cacheprovider"]
    sys.exit(pytest.main([*options, *files]))


class Workshop:
    """A copy of the package and its tests, of which one module is changed at a time."""

    def __init__(self, folder):
        self.folder = Path(folder)
        for name in ("skspectralnet", "tests", "benchmarks", "docs"):
            shutil.copytree(
                ROOT / name,
                self.folder / name,
                ignore=shutil.ignore_patterns("__pycache__", "_build", "_generated"),
            )
        for name in ("setup.cfg", "pyproject.toml", "README.md", "CONTRIBUTING.md"):
            shutil.copy(ROOT / name, self.folder / name)
        self.limits = {}

    def run(self, module, limit=None):
        """Whether a test of a module fails, or the tests do not end in time."""
        fork = multiprocessing.get_context("fork")
        arguments = self.folder, TESTS[module], limit
        child = fork.Process(target=run_tests, args=arguments)
        child.start()
        child.join()
        results = {0: "survived", -signal.SIGXCPU: "late"}
        return results.get(child.exitcode, "killed")

    def limit(self, module):
        """CPU seconds of a changed module; all tests pass without a change."""
        if module not in self.limits:
            before = children_seconds()
            if self.run(module) != "survived":
                raise RuntimeError(f"The tests of {module} fail without any change.")
            factor, more = PATIENCE
            self.limits[module] = factor * (children_seconds() - before) + more
        return self.limits[module]

    def try_out(self, module, text):
        """What becomes of a changed text."""
        limit, path = self.limit(module), self.folder / "skspectralnet" / f"{module}.py"
        path.write_text(text, "utf-8")
        try:
            # The changed text is compiled anew each time: it may be as long and as old,
            # in seconds, as the one that was compiled.
            for file in path.parent.glob(f"__pycache__/{module}.*"):
                file.unlink()
            return self.run(module, limit)
        finally:
            path.write_text(text_of(module), "utf-8")


def tables(record):
    """How many changes of each module were noticed."""
    header = ["module", "places", "changed", *WORDS.values()]
    rows, all_runs = [], record["runs"]
    for module in TESTS:
        runs = [run for run in all_runs if run["module"] == module]
        rows.append([f"``{module}.py``", runs[0]["places"], *counts(runs)])
    rows.append(["all", sum(row[1] for row in rows), *counts(all_runs)])
    return {"mutation": rst.list_table([*header, "score"], rows)}


def counts(runs):
    """Numbers of a row of the table."""
    by_result = {word: sum(run["result"] == word for run in runs) for word in WORDS}
    noticed = by_result["killed"] + by_result["late"]
    share = noticed / (len(runs) - by_result["equivalent"])
    return [len(runs), *by_result.values(), f"{100 * share:.0f} %"]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modules", nargs="+", default=list(TESTS), choices=TESTS)
    parser.add_argument("--mutants", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--survivors", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS / "mutation.json")
    options = parser.parse_args(arguments)
    book = Book(options.results, ("module", "operator", "occurrence"))
    drawn_of = {x: drawn(x, options.mutants, options.seed) for x in options.modules}
    wanted = [(x, *change) for x in options.modules for change in drawn_of[x][0]]
    if options.survivors:
        kept = [x for x in book.record["runs"] if x["result"] == "killed"]
        left = {book.names(x) for x in book.record["runs"]}
        left -= {book.names(x) for x in kept}
        wanted = [names for names in wanted if names in left]
        book.record["runs"] = kept
    for name in IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(folder)

        def measure(module, name, occurrence):
            text, lines = changed(text_of(module), name, occurrence)
            found = {"places": drawn_of[module][1], **lines}
            if (module, lines["before"], lines["after"]) in EQUIVALENT:
                return found | {"result": "equivalent"}
            return found | {"result": workshop.try_out(module, text)}

        command = "python benchmarks/mutation.py"
        return go_through(book, command, wanted, measure)


if __name__ == "__main__":
    sys.exit(main())
