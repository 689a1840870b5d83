"""How far learned eigenvectors are from those of the graph, beside other packages.

    python benchmarks/fidelity.py [--data NAME ...] [--method NAME ...] [--seeds N]
                                  [--peer-python PYTHON]

Ten eigenvectors, the trivial one included, of the 10-neighbour self-tuning graph of
all rows, random-walk Laplacian, in its inner product; the number is moved to the
nearest gap in the spectrum (``n_vectors``). `distance` is the squared Grassmann
distance over all rows, `cosine` the least absolute cosine of an eigenvector that is
apart from its neighbours by 5 % of the tenth eigenvalue, `eigenvalues` the largest
error of an eigenvalue as a share of the tenth.

Methods: ``spectral`` (the default of SpectralNetEmbedding), ``random`` (the spectral
loss from random weights), ``unseen`` (``spectral`` fitted on 6/7 of the rows;
`distance` over the others, to the exact eigenvectors of the graph of all, both made
orthonormal again). ``third`` and ``third, unseen`` are the same with a third of the
epochs at twice the rate, after which `SpectralNetClustering` looks whether that is
enough. On the examples of `grease-embeddings` 0.1.5, ``two moons`` and
``circles``, ``peer`` is that package with the settings of its example and ``graph of
the peer`` this one on the same graph, two components and the trivial one.
``spectralnet`` is version 1.1.0 with its defaults on the same rows: the distance of all
ten outputs, whatever the graphs of its batches have for eigenvectors.
``sklearn`` only takes time: SpectralEmbedding with nearest neighbours, on the same
rows, stopped after a quarter of an hour. Each run is in ``results/fidelity.json`` when
it ends.
"""

import argparse
import functools
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rst
from data import load, named
from report import RESULTS, SCRIPTS, Book, Stopwatch, go_through, spread
from sklearn.datasets import make_circles, make_moons, make_s_curve, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import SpectralEmbedding

from skspectralnet import Autoencoder, SpectralNetEmbedding, metrics
from skspectralnet._distinct import distinct_rows
from skspectralnet._eigen import cut_at_gap, graph_eigenpairs
from skspectralnet._neighbor_graph import neighbor_affinity
from skspectralnet._rows import Rows, center_and_scale, standardised

# Those before "s-curve", and digits, were looked at while the regression was built.
DATA = (
    *("mnist codes", "mnist pca-100", "usps", "pendigits", "swiss roll", "moons"),
    *("s-curve", "letter", "digits"),
)
EXAMPLES = ("two moons", "circles")
METHODS = ("spectral", "random", "unseen", "third", "third, unseen")
# Of those, the ones that a table of their own compares, by what their rows are.
COMPARED = {"seen": ("spectral", "third"), "unseen": ("unseen", "third, unseen")}
THIRD = {"max_iter": 34, "learning_rate_init": 1e-2}
PEER_DATA = ("usps", "pendigits", "swiss roll", "moons")  # of spectralnet
N_VECTORS, N_NEIGHBORS, SEEN = 10, 10, 6 / 7
# Of the peer's examples: neighbours of a batch of 1,024, as many batches.
EXAMPLE_ROWS, EXAMPLE_NEIGHBORS = 6000, 50
MEASURES = ("distance", "cosine", "eigenvalues", "wall", "cpu")
SKLEARN_SECONDS = 900


@functools.lru_cache(maxsize=1)
def rows_of(name):
    """Rows of a data set; kept for the next run."""
    generated = {
        "swiss roll": lambda: make_swiss_roll(10_000, random_state=0)[0],
        "s-curve": lambda: make_s_curve(10_000, random_state=0)[0],
        "two moons": lambda: make_moons(EXAMPLE_ROWS, noise=0.05, random_state=0)[0],
        "circles": lambda: make_circles(
            EXAMPLE_ROWS, noise=0.03, factor=0.5, random_state=0
        )[0],
        "mnist codes": _mnist_codes,
        "mnist pca-100": lambda: PCA(100, random_state=0).fit_transform(
            load("mnist")[0].astype(np.float32)
        ),
    }
    X = generated[name]() if name in generated else named(name)[0]
    return np.asarray(X, dtype=np.float32)


def _mnist_codes():
    """Codes of the default autoencoder, kept in the folder of temporary files."""
    path = Path(tempfile.gettempdir()) / "skspectralnet_mnist_codes.npy"
    if not path.exists():
        codes = Autoencoder(random_state=0).fit_transform(load("mnist")[0])
        np.save(path, codes.astype(np.float32))
    return np.load(path)


@functools.lru_cache(maxsize=1)
def exact_of(name, n_neighbors):
    """Rows that the graph joins, their degrees and its exact eigenpairs."""
    X = rows_of(name)
    points = standardised(Rows(X, *center_and_scale(X)))
    nodes, _ = distinct_rows(points)
    rng = np.random.RandomState(0)
    graph = neighbor_affinity(
        points[nodes], "self_tuning", n_neighbors, gamma=None, random_state=rng
    )
    pairs = graph_eigenpairs(graph, N_VECTORS + 8, "random_walk", rng)
    return nodes, np.asarray(graph.sum(axis=1)).ravel(), pairs


def measure(name, method, seed, python=None):
    """Distances, cosines, eigenvalue errors and seconds of one fit."""
    X = rows_of(name)
    if method == "sklearn":
        return sklearn_seconds(X, seed)
    if name in EXAMPLES:
        return measure_example(name, method, seed, python)
    nodes, degrees, pairs = exact_of(name, N_NEIGHBORS)
    if method == "spectralnet":
        found = run_peer(python, "spectralnet", X, seed)
        Y, exact = np.array(found["embedding"])[nodes], pairs.vectors[:, :N_VECTORS]
        distance = metrics.grassmann_distance(Y, exact, degrees)
        seconds = {"wall": found["wall"], "cpu": found["cpu"]}
        return {"distance": distance, "n_vectors": N_VECTORS} | seconds
    model = SpectralNetEmbedding(
        N_VECTORS - 1, encoder=None, n_neighbors=N_NEIGHBORS, random_state=seed
    )
    if method == "random":
        model.set_params(init="random")
    if method.startswith("third"):
        model.set_params(**THIRD)
    rows, unseen = nodes, method.endswith("unseen")
    if unseen:
        rows = np.random.RandomState(seed).permutation(len(nodes))
        n_seen = round(SEEN * len(nodes))
        fitted_on, left = nodes[np.sort(rows[:n_seen])], np.sort(rows[n_seen:])
        rows, degrees = nodes[left], degrees[left]
        pairs = pairs._replace(vectors=pairs.vectors[left])
    else:
        fitted_on = np.arange(len(X))
    with Stopwatch() as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the distance says it
        model.fit(X[fitted_on])
    Y = np.column_stack([np.ones(len(rows)), model.transform(X[rows])])
    found = np.append(0.0, model.eigenvalues_)
    n_vectors = model.approximation_error_.n_vectors
    if unseen:  # the graph of all rows has another spectrum
        n_vectors = cut_at_gap(pairs.eigenvalues[: N_VECTORS + 1], N_VECTORS)
    numbers = compare(Y, found, pairs, degrees, n_vectors)
    if not unseen and numbers["distance"] is None:
        numbers["distance"] = model.approximation_error_.distance
    before = model.approximation_error_.distance_before_polish
    if before is not None and method == "spectral":
        numbers["before_polish"] = before
    return numbers | {"wall": watch.wall, "cpu": watch.cpu}


def compare(Y, eigenvalues, pairs, degrees, n_vectors):
    """Learned functions and eigenvalues against the exact ones."""
    known, q = pairs.eigenvalues, Y.shape[1]
    exact, tenth = pairs.vectors[:, :q], pairs.eigenvalues[q - 1]
    roots = np.sqrt(degrees)[:, None]
    lengths = np.linalg.norm(roots * Y, axis=0) * np.linalg.norm(roots * exact, axis=0)
    cosines = np.abs(np.sum(degrees[:, None] * Y * exact, axis=0)) / lengths
    gaps = np.diff(known)
    # Where all are 0, each of a component, none is apart from the others.
    least = max(0.05 * tenth, 1e-12)
    apart = np.minimum(gaps[:q], np.append(np.inf, gaps[: q - 1])) >= least
    error = float(np.abs(eigenvalues - known[:q]).max() / tenth) if tenth else None
    cut = min(n_vectors, q)
    distance = metrics.grassmann_distance(Y[:, :cut], exact[:, :cut], degrees)
    return {
        # One more than was learned: the model itself knows that one.
        "distance": None if n_vectors > q else distance,
        "n_vectors": int(n_vectors),
        "cosine": float(cosines[apart].min()) if apart.any() else None,
        "apart": int(apart.sum()),
        "eigenvalues": error,
    }


def measure_example(name, method, seed, python):
    """One of the peer's examples, by the peer or by this package on its graph."""
    X = rows_of(name)
    nodes, degrees, pairs = exact_of(name, EXAMPLE_NEIGHBORS)
    if method == "peer":
        found = run_peer(python, "grease", X, seed)
        Y, watch = np.array(found["embedding"]), found
        values = np.array(found["eigenvalues"])
        seconds = {"wall": watch["wall"], "cpu": watch["cpu"]}
    else:
        model = SpectralNetEmbedding(
            2, n_neighbors=EXAMPLE_NEIGHBORS, random_state=seed
        )
        with Stopwatch() as watch, warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            Y = model.fit_transform(X)
        values, seconds = model.eigenvalues_, {"wall": watch.wall, "cpu": watch.cpu}
    Y = np.column_stack([np.ones(len(nodes)), Y[nodes]])
    return compare(Y, np.append(0.0, values), pairs, degrees, 3) | seconds


def run_peer(python, package, X, seed):
    """What another package makes of the rows, in its own process and folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        np.save(path, X)
        done = subprocess.run(  # noqa: S603
            [python, str(SCRIPTS / "fidelity_peer.py"), package, str(path), str(seed)],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


def sklearn_seconds(X, seed):
    """Seconds of scikit-learn's SpectralEmbedding; a lower bound where it was stopped.

    In a process of its own, which can be stopped.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        np.save(path, X)
        call = [sys.executable, __file__, "--sklearn", str(path), str(seed)]
        with Stopwatch() as watch:
            try:
                subprocess.run(call, check=True, timeout=SKLEARN_SECONDS)  # noqa: S603
            except subprocess.TimeoutExpired:
                return {"wall": float(SKLEARN_SECONDS), "stopped": True}
    return {"wall": watch.wall, "stopped": False}


def summarise(runs):
    """{(data, method): {measure: spread}}, in the order of the script."""
    found = {}
    for run in runs:
        found.setdefault((run["data"], run["method"]), []).append(run)
    return {
        names: {
            key: spread([run[key] for run in rows])
            for key in MEASURES
            if all(run.get(key) is not None for run in rows)
        }
        | {"n_vectors": sorted({run.get("n_vectors") for run in rows} - {None})}
        | {"stopped": any(run.get("stopped") for run in rows)}
        for names, rows in found.items()
    }


def tables(record):
    """Distances, cosines, eigenvalues and seconds of each method on each data set."""
    header = ["data", "method", "seeds", "vectors", "distance", "worst"]
    header += ["cosine, least", "eigenvalues, error", "wall"]
    rows = []
    summary = summarise(record["runs"])
    for (name, method), row in summary.items():
        if method.startswith("third"):
            continue
        wall = rst.number(row["wall"]["median"], 1)
        cells = [
            rst.number(row[key][which], 4) if key in row else rst.NONE
            for key, which in [
                ("distance", "mean"),
                ("distance", "max"),
                ("cosine", "min"),
                ("eigenvalues", "max"),
            ]
        ]
        vectors = ", ".join(map(str, row["n_vectors"])) or rst.NONE
        seeds = len(row["wall"]["values"])
        wall = f"over {wall}" if row["stopped"] else wall
        rows.append([name, method, seeds, vectors, *cells, wall])
    text = (
        "\nThe squared Grassmann distance of the eigenvectors, the trivial one "
        "included; the least cosine of those apart from their neighbours by 5 % of the "
        "last eigenvalue; the largest error of an eigenvalue as a share of the last. "
        "``unseen``: fitted on 6/7 of the rows, the distance over the others. "
        "``peer`` is grease-embeddings 0.1.5, ``spectralnet`` version 1.1.0.\n"
    )
    return {
        "fidelity": rst.list_table(header, rows) + text,
        "fidelity_third": _third_table(summary),
    }


def _third_table(summary):
    """Mean distances after all epochs and after a third of them."""
    methods = [method for pair in COMPARED.values() for method in pair]
    header = [
        f"{rows}, {made}" for rows in COMPARED for made in ("all epochs", "third")
    ]
    rows = [
        [name, *(rst.number(summary[name, m]["distance"]["mean"], 4) for m in methods)]
        for name, method in summary
        if method == "third, unseen"
    ]
    return rst.list_table(["data", *header], rows)


def order(run):
    """Where a run stands in the file."""
    methods = (*METHODS, "graph of the peer", "peer", "spectralnet", "sklearn")
    names = (*DATA, *EXAMPLES)
    return names.index(run["data"]), methods.index(run["method"]), run["seed"]


def main(arguments):
    if arguments[:1] == ["--sklearn"]:
        X, seed = np.load(arguments[1]), int(arguments[2])
        SpectralEmbedding(
            N_VECTORS,
            affinity="nearest_neighbors",
            n_neighbors=N_NEIGHBORS,
            random_state=seed,
        ).fit(X)
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=[*DATA, *EXAMPLES])
    parser.add_argument("--method", nargs="*", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peer-python", help="python with the packages compared with")
    parser.add_argument("--output", type=Path, default=RESULTS / "fidelity.json")
    asked = parser.parse_args(arguments)
    wanted = []
    for name in asked.data:
        methods = asked.method
        if name in EXAMPLES:
            methods = ["graph of the peer"] + ["peer"] * bool(asked.peer_python)
        elif asked.peer_python and name in PEER_DATA:
            methods = [*methods, "spectralnet"]
        wanted += [(name, m, s) for m in methods for s in range(asked.seeds)]
    return go_through(
        Book(asked.output, ("data", "method", "seed")),
        "python benchmarks/fidelity.py --peer-python PYTHON",
        wanted,
        functools.partial(measure, python=asked.peer_python),
        order=order,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
