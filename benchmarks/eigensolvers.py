"""Ways to solve for the eigenvectors of one graph of all rows: seconds and residuals.

    python benchmarks/eigensolvers.py [--data NAME ...] [--solvers NAME ...]

Eighteen eigenpairs of the symmetric Laplacian of the 10-neighbour self-tuning graph,
the trivial one known, as a fit with ten components solves for. ``eigsh`` is what the
package uses: ARPACK's Lanczos on I - L / 2, and a second start for equal eigenvalues.
``lobpcg`` is scipy's, on a block with eight guard vectors, at most 500 steps.
``primme`` is the package of that name (``pip install primme``), left out where it is
not installed. All are asked for residuals of 1e-6. `residual` is the largest
``||L v - lambda v||`` of a unit vector, `missed` the largest excess over the least
eigenvalues that any solver has found. Each run is in ``results/eigensolvers.json`` when
it ends.
"""

import argparse
import functools
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rst
from data import CurvedMixture, load
from report import RESULTS, Book, Stopwatch, go_through, say
from scipy import sparse
from scipy.sparse.linalg import lobpcg
from sklearn.decomposition import PCA

from skspectralnet._eigen import graph_eigenpairs
from skspectralnet._neighbor_graph import neighbor_affinity

DATA = ("mnist 70000", "curved 10000", "curved 70000", "curved 200000")
SOLVERS = ("eigsh", "lobpcg", "primme")
N_VECTORS, N_NEIGHBORS, GUARDS, TOLERANCE, STEPS = 18, 10, 8, 1e-6, 500


@functools.lru_cache(maxsize=1)
def graph_of(name):
    """The graph of all rows, and its symmetric Laplacian."""
    kind, n_rows = name.split()
    rng = np.random.RandomState(0)
    if kind == "mnist":
        X = PCA(50, random_state=0).fit_transform(load("mnist")[0].astype(np.float32))
    else:
        X = CurvedMixture(0).sample(int(n_rows), rng)[0]
    graph = neighbor_affinity(
        X, "self_tuning", N_NEIGHBORS, gamma=None, random_state=rng
    )
    roots = sparse.diags_array(1.0 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel()))
    eye = sparse.eye_array(graph.shape[0])
    return graph, sparse.csr_array(eye - roots @ graph @ roots)


def eigsh(graph, laplacian, rng):
    """The package's own."""
    return graph_eigenpairs(graph, N_VECTORS, "symmetric", rng).vectors


def by_lobpcg(graph, laplacian, rng):
    """scipy's, the trivial vector as a constraint."""
    start = rng.normal(size=(graph.shape[0], N_VECTORS - 1 + GUARDS))
    trivial = np.sqrt(np.asarray(graph.sum(axis=1)))[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the residuals say it
        _, vectors = lobpcg(
            laplacian, start, Y=trivial, largest=False, tol=TOLERANCE, maxiter=STEPS
        )
    return np.column_stack([trivial, vectors])


def by_primme(graph, laplacian, rng):
    """PRIMME's choice of method."""
    from primme import eigsh as solve

    start = np.sqrt(np.asarray(graph.sum(axis=1)))[:, None]
    return solve(laplacian, N_VECTORS, which="SA", v0=start, tol=TOLERANCE)[1]


def measure(name, solver):
    """Seconds of one solve and how good its pairs are."""
    graph, laplacian = graph_of(name)
    solve = {"eigsh": eigsh, "lobpcg": by_lobpcg, "primme": by_primme}[solver]
    with Stopwatch() as watch:
        vectors = solve(graph, laplacian, np.random.RandomState(1))
    basis = np.linalg.qr(vectors)[0]
    values, rotation = np.linalg.eigh(basis.T @ (laplacian @ basis))
    vectors = (basis @ rotation)[:, :N_VECTORS]
    missed = laplacian @ vectors - vectors * values[:N_VECTORS]
    return {
        "wall": watch.wall,
        "cpu": watch.cpu,
        "residual": f"{np.linalg.norm(missed, axis=0).max():.0e}",
        "eigenvalues": [float(f"{value:.6g}") for value in values[:N_VECTORS]],
    }


def compared(runs):
    """The runs with what each has missed of the least eigenvalues found."""
    least = {
        name: np.min([r["eigenvalues"] for r in runs if r["data"] == name], axis=0)
        for name in {run["data"] for run in runs}
    }
    return [
        run | {"missed": float(np.max(run["eigenvalues"] - least[run["data"]]))}
        for run in runs
    ]


def tables(record):
    """Seconds and residuals of each solver on each graph."""
    rows = [
        [
            *(run["data"], run["solver"], f"{run['wall']:.1f}"),
            *(run["residual"], f"{run['missed']:.0e}"),
        ]
        for run in compared(record["runs"])
    ]
    header = ["graph", "solver", "wall, s", "residual", "missed"]
    return {"eigensolvers": rst.list_table(header, rows)}


def print_table(runs):
    """Seconds, residuals and what a solver missed of the least eigenvalues."""
    for run in compared(runs):
        print(
            f"{run['data']:14}{run['solver']:8} wall {run['wall']:7.1f} s  residual "
            f"{run['residual']}  missed {run['missed']:.0e}"
        )


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", default=list(DATA), choices=DATA, metavar="NAME")
    add("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS)
    add("--results", type=Path, default=RESULTS / "eigensolvers.json")
    options = parser.parse_args(arguments)
    if find_spec("primme") is None and "primme" in options.solvers:
        say("primme is left out: it is not installed")
        options.solvers.remove("primme")
    book = Book(options.results, ("data", "solver"))
    status = go_through(
        book,
        "python benchmarks/eigensolvers.py",
        [(name, solver) for name in options.data for solver in options.solvers],
        measure,
        order=lambda run: (DATA.index(run["data"]), SOLVERS.index(run["solver"])),
    )
    print_table(book.record["runs"])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
