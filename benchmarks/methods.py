"""The clusterings that are compared: this package and others, by name.

A method takes the rows and gets ready; what it returns is timed: from a number of
clusters and a seed to labels. Each imports what it needs: an environment of one package
need not have the others.
"""

import functools
from unittest import mock

import numpy as np
from scipy import sparse
from sklearn.cluster import (
    AgglomerativeClustering,
    KMeans,
    MiniBatchKMeans,
    SpectralClustering,
)
from sklearn.mixture import GaussianMixture


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


def ward(X):
    """Agglomerative clustering by Ward's criterion."""
    dense = X.toarray() if sparse.issparse(X) else X
    return lambda k, seed: AgglomerativeClustering(k).fit(dense).labels_


def spectral(X, n_neighbors=10):
    """scikit-learn's spectral clustering of the graph of the nearest neighbours."""

    def cluster(n_clusters, seed):
        model = SpectralClustering(
            n_clusters,
            affinity="nearest_neighbors",
            n_neighbors=n_neighbors,
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


def umap_hdbscan(X):
    """UMAP to at most ten dimensions and HDBSCAN, which counts the clusters itself.

    Clusters have at least a hundredth of the rows; rows of none are -1.
    """
    from hdbscan import HDBSCAN
    from umap import UMAP

    settings = {"n_components": min(10, X.shape[1]), "n_neighbors": 15, "min_dist": 0.0}
    UMAP(**settings, n_epochs=2, init="random").fit(X[:4500])

    def cluster(n_clusters, seed):
        points = UMAP(**settings, random_state=seed).fit_transform(X)
        return HDBSCAN(min_cluster_size=max(len(X) // 100, 5)).fit_predict(points)

    return cluster


def evoc(X):
    """EVoC with about as many clusters as asked for; rows of none are -1."""
    from evoc import EVoC

    EVoC(random_state=0).fit_predict(X[:4500])  # compiles

    def cluster(n_clusters, seed):
        model = EVoC(approx_n_clusters=n_clusters, random_state=seed)
        return model.fit_predict(X)

    return cluster


def mini_batch_k_means(X):
    """The floor: k-means on mini-batches."""
    return lambda k, seed: (
        MiniBatchKMeans(k, n_init=3, random_state=seed).fit(X).labels_
    )


def spectralnet(X):
    """The package of the authors of the method."""
    import torch
    from spectralnet import SpectralNet
    from spectralnet._trainers import SiameseTrainer

    def cluster(n_clusters, seed):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        hidden = [1024, 1024, 512, n_clusters]
        model = SpectralNet(
            n_clusters, should_use_siamese=True, spectral_hiddens=hidden
        )
        rows = torch.tensor(X)
        with in_folder(SiameseTrainer):
            model.fit(rows)
        return model.predict(rows)

    return cluster


def in_folder(trainer):
    """Start a stage with its weights in this folder, none there yet.

    The package keeps them beside its own code and takes them up again, whatever the
    data.
    """
    start = trainer.__init__

    def patched(self, *arguments, **named):
        start(self, *arguments, **named)
        self.weights_path = f"{trainer.__name__}.pth"

    return mock.patch.object(trainer, "__init__", patched)


# What to try where the default loses (docs/benchmarks.rst).
VARIANTS = {
    "skspectralnet, mixture": functools.partial(skspectralnet, assign_labels="mixture"),
    "skspectralnet, no metric learner": functools.partial(
        skspectralnet, metric_learner=None
    ),
}
METHODS = {
    "skspectralnet": skspectralnet,
    "skspectralnet, graph of all rows": functools.partial(
        skspectralnet, neighbors_in="data"
    ),
    "k-means": k_means,
    "MiniBatchKMeans": mini_batch_k_means,
    "scikit-learn spectral": spectral,
    "scikit-learn spectral, 30": functools.partial(spectral, n_neighbors=30),
    "Ward": ward,
    "UMAP + mixture": umap_mixture,
    "UMAP + HDBSCAN": umap_hdbscan,
    "EVoC": evoc,
    "spectralnet": spectralnet,
    **VARIANTS,
}
# Those that need an environment of their own (make bench-env).
OTHER_ENVIRONMENT = ("UMAP + mixture", "UMAP + HDBSCAN", "EVoC", "spectralnet")
