"""Embedding to labels, and the same for new rows."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin


def fit_centers(Z, n_clusters, *, n_init, random_state):
    """k-means centres of an embedding, largest cluster first.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
    n_clusters : int
    n_init : int
    random_state : RandomState

    Returns
    -------
    centers : ndarray of shape (n_found, n_components)
        Fewer than `n_clusters`, with one warning, where the embedding has fewer
        distinct rows.
    inertia : float
        Sum of *squared* distances to the nearest centre.
    """
    n_distinct = _count_distinct(Z, n_clusters)
    found = min(n_clusters, n_distinct)
    kmeans = KMeans(found, n_init=n_init, random_state=random_state).fit(Z)
    labels = nearest_center(Z, kmeans.cluster_centers_)
    sizes = np.bincount(labels, minlength=found)
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    if len(order) < n_clusters:
        warnings.warn(
            f"Only {len(order)} clusters were found where n_clusters={n_clusters} were "
            f"asked for: the rows have {n_distinct} distinct embeddings.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return kmeans.cluster_centers_[order], float(kmeans.inertia_)


def nearest_center(Z, centers):
    """Index of the nearest centre of each row, by Euclidean distance.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
    centers : ndarray of shape (n_clusters, n_components)

    Returns
    -------
    ndarray of shape (n_samples,), int64
    """
    return pairwise_distances_argmin(
        Z, centers.astype(Z.dtype, copy=False), metric="euclidean"
    ).astype(np.int64)


def _count_distinct(Z, enough):
    """The number of distinct rows, counted only where it may be below `enough`."""
    n_distinct = len(np.unique(Z[: 100 * enough], axis=0))
    return n_distinct if n_distinct >= enough else len(np.unique(Z, axis=0))
