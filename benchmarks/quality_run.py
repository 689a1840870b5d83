"""One clustering in a process of its own, for quality.py: labels, seconds, memory.

    PYTHON benchmarks/quality_run.py METHOD DATA SEED FOLDER

Writes ``labels.npy`` and ``run.json`` into FOLDER. PYTHON may belong to an environment
without this project: each method imports what it needs, outside the time taken.
"""

import functools
import json
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from data import named
from report import Stopwatch
from scipy import sparse
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.mixture import GaussianMixture

# A method takes the rows and gets ready; what it returns is timed: from a number of
# clusters and a seed to labels.


def skspectralnet(X, **parameters):
    """This package with default parameters, but for those given."""
    from skspectralnet import SpectralNetClustering

    def cluster(n_clusters, seed):
        model = SpectralNetClustering(n_clusters, random_state=seed, **parameters)
        return model.fit(X).labels_

    return cluster


def k_means(X):
    """Lloyd's algorithm, the best of ten starts."""
    return lambda k, seed: KMeans(k, n_init=10, random_state=seed).fit(X).labels_


def spectral(X):
    """scikit-learn's spectral clustering of the graph of ten neighbours."""

    def cluster(n_clusters, seed):
        model = SpectralClustering(
            n_clusters,
            affinity="nearest_neighbors",
            n_neighbors=10,
            assign_labels="kmeans",
            random_state=seed,
        )
        return model.fit(X).labels_

    return cluster


def umap_mixture(X):
    """UMAP to at most ten dimensions and a Gaussian mixture on them."""
    from umap import UMAP

    if sparse.issparse(X):
        X = sparse.csr_matrix(X)  # umap knows no sparse arrays
    components = min(10, X.shape[1])
    # numba compiles at the first call, by the kind and the number of rows (from 4,096
    # on neighbours are approximate): that is no part of the method.
    UMAP(n_components=components, n_epochs=2, init="random").fit(X[:4500])

    def cluster(n_clusters, seed):
        points = UMAP(
            n_components=components, n_neighbors=15, min_dist=0.0, random_state=seed
        ).fit_transform(X)
        mixture = GaussianMixture(n_clusters, n_init=3, random_state=seed)
        return mixture.fit_predict(points)

    return cluster


# What to try where the default loses (docs/benchmarks.rst).
VARIANTS = {
    "skspectralnet, mixture": functools.partial(skspectralnet, assign_labels="mixture"),
    "skspectralnet, no metric learner": functools.partial(
        skspectralnet, metric_learner=None
    ),
}
METHODS = {
    "skspectralnet": skspectralnet,
    "k-means": k_means,
    "scikit-learn spectral": spectral,
    "UMAP + mixture": umap_mixture,
    **VARIANTS,
}
OURS = ("skspectralnet", *VARIANTS)
PACKAGES = {
    **dict.fromkeys(OURS, ("torch",)),
    "UMAP + mixture": ("umap-learn", "pynndescent", "numba"),
}


def peak_mebibytes():
    """Most memory that this process has held, imports and data included."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x[:6] == "VmHWM:")
        return int(line.split()[1]) / 1024
    # Not where the file exists: it counts the starting process too. Bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def main(method, name, seed, folder):
    X, y = named(name)
    cluster = METHODS[method](X)
    with Stopwatch() as watch:
        labels = cluster(len(np.unique(y)), int(seed))
    packages = ("numpy", "scipy", "scikit-learn", *PACKAGES.get(method, ()))
    record = {
        "wall": watch.wall,
        "cpu": watch.cpu,
        "peak_mib": peak_mebibytes(),
        "versions": {package: version(package) for package in packages},
    }
    np.save(Path(folder, "labels.npy"), labels)
    Path(folder, "run.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(*sys.argv[1:])
