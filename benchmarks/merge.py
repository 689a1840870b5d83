"""From 30 clusters to 8 without a new fit: is the cut as good as that of a fit of 8?

    python benchmarks/merge.py [--data NAME ...] [--seeds N]

`merge` and other ways to 8 clusters from the same fit of 30, and a fresh fit of 8;
default parameters. Normalised cut of the graph that `score` takes, and ARI with the
labels, which are ten digits but of "tree": its 30 blobs lie in 8 groups. Of more rows
the same 2,000 are taken. All ways but k-means and the fresh fit are nested in the 30
clusters. Each run is in ``results/merge.json`` when it ends: the same command goes on
after an interruption.
"""

import argparse
import sys
from statistics import mean

import numpy as np
import rst
from data import named
from report import RESULTS, Book, Stopwatch, go_through
from scipy.cluster.hierarchy import fcluster, ward
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering
from skspectralnet._alignment import diffusion
from skspectralnet._graph import cluster_weights, normalized_cut
from skspectralnet._selection import criterion_graph

FINE, COARSE, MOST_ROWS = 30, 8, 2000
DATA = ("digits", "pendigits", "usps", "tree")
WAYS = {
    "fresh": "fresh fit of 8",
    "merge": "``merge(8)``",
    "ward": "Ward on the centres",
    "kmeans": "k-means in the leading components",
    "cut": "greedy normalised cut",
    "modularity": "greedy modularity",
    "average": "average linkage of the edges",
}


def rows_of(name):
    """Rows and classes."""
    if name == "tree":
        return tree()
    X, y = named(name)
    some = np.random.RandomState(0).permutation(len(X))[:MOST_ROWS]
    return X[some], y[some]


def tree():
    """Thirty blobs in eight groups, 1,500 rows, and the groups."""
    rng = np.random.RandomState(0)
    sizes = [4, 4, 4, 4, 4, 4, 3, 3]
    groups = np.repeat(np.arange(8), sizes)
    centers = 3.0 * rng.normal(size=(8, 10))[groups] + rng.normal(size=(30, 10))
    X, y = make_blobs(1500, centers=centers, cluster_std=0.7, random_state=0)
    return X, groups[y]


def ways(model, X, graph, nodes):
    """{way: labels} of the ways from a fit to fewer clusters."""
    labels, sizes = model.labels_, np.bincount(model.labels_)
    Z = model.transform(X)
    copies = np.repeat(model.cluster_centers_, sizes, axis=0)  # as heavy as its rows
    parts = fcluster(ward(copies), COARSE, "maxclust")
    first = np.cumsum(sizes) - 1
    weights = diffusion(model.eigenvalues_[:COARSE], "auto", COARSE).weights
    leading = Z[:, :COARSE] / model.component_weights_[:COARSE] * weights
    edges = cluster_weights(graph, labels[nodes], FINE).toarray()
    return {
        "ward": parts[first][labels] - 1,
        "kmeans": KMeans(COARSE, n_init=10, random_state=0).fit_predict(leading),
        "cut": greedy(edges, change_of_cut)[labels],
        "modularity": greedy(edges, change_of_modularity)[labels],
        "average": greedy(edges, minus_ratio)[labels],
    }


def greedy(edges, change):
    """The group of each cluster after merges of least change, one at a time."""
    groups = np.arange(len(edges))
    while len(edges) > COARSE:
        changes = change(edges)
        np.fill_diagonal(changes, np.inf)
        i, j = sorted(divmod(int(changes.argmin()), len(edges)))
        groups[groups == j] = i
        groups[groups > j] -= 1
        edges[i] += edges[j]
        edges[:, i] += edges[:, j]
        edges = np.delete(np.delete(edges, j, axis=0), j, axis=1)
    return groups


def change_of_cut(edges):
    """What merging each pair does to the normalised cut."""
    degrees = np.maximum(edges.sum(axis=1), 1e-12)
    cut = degrees - np.diag(edges)
    joined = (cut[:, None] + cut - 2 * edges) / (degrees[:, None] + degrees)
    return joined - (cut / degrees)[:, None] - cut / degrees


def change_of_modularity(edges):
    """What merging each pair takes off the modularity."""
    degrees, total = edges.sum(axis=1), edges.sum()
    return 2 * np.outer(degrees, degrees) / total**2 - 2 * edges / total


def minus_ratio(edges):
    """The weight between each pair over that of labels at random, negative."""
    degrees = np.maximum(edges.sum(axis=1), 1e-12)
    return -edges / np.outer(degrees, degrees)


def measure(name, seed):
    """Cuts, ARI and CPU seconds of all ways."""
    X, y = rows_of(name)
    graph, nodes, _ = criterion_graph(X)
    fine = SpectralNetClustering(FINE, random_state=seed).fit(X)
    with Stopwatch() as merging:
        merged = fine.merge(COARSE)
    with Stopwatch() as fitting:
        fresh = SpectralNetClustering(COARSE, random_state=seed).fit(X)
    labels = {"fresh": fresh.labels_, "merge": merged.labels_}
    found = {"rows": len(X)}
    for way, its in (labels | ways(fine, X, graph, nodes)).items():
        found[f"cut_{way}"] = float(normalized_cut(graph, its[nodes]))
        found[f"ari_{way}"] = float(adjusted_rand_score(y, its))
    return found | {"cpu_fresh": fitting.cpu, "cpu_merge": merging.cpu}


def tables(record):
    """Normalised cut and ARI of each way, over the seeds."""
    names = list(dict.fromkeys(run["data"] for run in record["runs"]))
    header = ["way to 8 clusters", *names]
    rows = []
    for way, words in WAYS.items():
        cells = [words]
        for name in names:
            runs = [run for run in record["runs"] if run["data"] == name]
            cuts = [run[f"cut_{way}"] for run in runs]
            ari = mean(run[f"ari_{way}"] for run in runs)
            cells.append(f"{mean(cuts):.3f} / {max(cuts):.3f} ({ari:.2f})")
        rows.append(cells)
    n_seeds = len({run["seed"] for run in record["runs"]})
    text = f"\nNormalised cut, mean / worst of {n_seeds} seeds, and the mean ARI.\n"
    return {"merge": rst.list_table(header, rows) + text}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args(arguments)
    book = Book(RESULTS / "merge.json", ("data", "seed"))
    wanted = [(name, seed) for name in asked.data for seed in range(asked.seeds)]
    order = {(name, seed): i for i, (name, seed) in enumerate(wanted)}
    return go_through(
        book,
        "python benchmarks/merge.py",
        wanted,
        measure,
        order=lambda run: order.get((run["data"], run["seed"]), len(order)),
    )


if __name__ == "__main__":
    sys.exit(main())
