"""What a default fit takes against what it could have taken: ARI of each candidate.

    python benchmarks/regret.py [--data NAME ...] [--seeds N]

Both development lists, three seeds. The default compares plain rows, with few and with
many neighbours, and a learned space, by a criterion without labels; each of them is
fitted alone as well. Regret is the ARI of the best candidate without that of the one
taken. Labels only score. Each run is in ``results/regret.json`` when it ends: the same
command goes on after an interruption.
"""

import sys
import warnings
from unittest import mock

import numpy as np
import rst
from data import DEVELOPMENT, SECOND, named
from report import Book, data_and_seeds, go_through, scores

from skspectralnet import SpectralNetClustering, _candidates
from skspectralnet._selection import LEARNED_ROWS, OpenNeighbors, candidates_of

DATA = (*DEVELOPMENT, *SECOND)
_OPEN, _ = candidates_of("auto", LEARNED_ROWS, False, OpenNeighbors(False, False))
CANDIDATES = {candidate.name: candidate for candidate in _OPEN}
DEFAULT = "default"


def measure(name, method, seed):
    """Scores of one fit, and the candidate that it took."""
    X, y = named(name)
    model = SpectralNetClustering(len(np.unique(y)), random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == DEFAULT:
            model.fit(X)
        else:
            alone = {"return_value": ([CANDIDATES[method]], "asked for")}
            with mock.patch.object(_candidates, "candidates_of", **alone):
                model.fit(X)
    return scores(y, model.labels_) | {"taken": model.selection_.taken}


def fits_of(runs):
    """{data: [(taken, {candidate: ARI}) of each seed]}, where all were fitted."""
    seeds = {}
    for run in runs:
        taken, aris = seeds.setdefault((run["data"], run["seed"]), ([], {}))
        aris[run["taken"]] = run["ari"]
        if run["method"] == DEFAULT:
            taken.append(run["taken"])
    found = {}
    for (name, _), (taken, aris) in seeds.items():
        if taken and set(CANDIDATES) <= set(aris):
            found.setdefault(name, []).append((taken[0], aris))
    return found


def tables(record):
    """Means over seeds, the regret, and what the choice is worth."""
    found, rows, regrets, worth = fits_of(record["runs"]), [], [], []
    for name in sorted(found, key=DATA.index):
        fits = found[name]
        regrets.append(np.mean([max(a.values()) - a[taken] for taken, a in fits]))
        worth.append(np.mean([a[taken] - a["learned"] for taken, a in fits]))
        means = [np.mean([aris[each] for _, aris in fits]) for each in CANDIDATES]
        taken = ", ".join(sorted({taken for taken, _ in fits}))
        rows.append([name, *map(rst.number, means), taken, rst.number(regrets[-1])])
    header = ["data", *(f"{name}: ARI" for name in CANDIDATES), "taken", "regret"]
    text = (
        f"\nThe mean regret is {np.mean(regrets):.3f}. Against always learning a space "
        f"the choice is worth {np.mean(worth):+.3f} in the mean and "
        f"{np.min(worth):+.3f} where it is worst.\n"
    )
    return {"regret": rst.list_table(header, rows) + text}


def main(arguments):
    options = data_and_seeds(arguments, __doc__, DATA, "regret")
    book = Book(options.results, ("data", "method", "seed"))
    order = [DEFAULT, *CANDIDATES]

    def made(wanted):
        return go_through(
            book,
            "python benchmarks/regret.py",
            wanted,
            measure,
            order=lambda run: (
                *(DATA.index(run["data"]), run["seed"]),
                order.index(run["method"]),
            ),
        )

    fits = [(n, s) for n in options.data for s in range(options.seeds)]
    failed = made([(name, DEFAULT, seed) for name, seed in fits])
    taken = {
        (run["data"], run["seed"]): run["taken"]
        for run in book.record["runs"]
        if run["method"] == DEFAULT
    }
    # What was taken is, to the bit, the fit that asks for it.
    others = [
        (name, method, seed)
        for name, seed in fits
        for method in CANDIDATES
        if method != taken.get((name, seed))
    ]
    return made(others) or failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
