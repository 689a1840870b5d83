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
    centers = _by_size(Z, kmeans.cluster_centers_)
    if len(centers) < n_clusters:
        warnings.warn(
            f"Only {len(centers)} clusters were found where n_clusters={n_clusters} "
            f"were asked for: the rows have {n_distinct} distinct embeddings.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return centers, float(kmeans.inertia_)


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


def _by_size(Z, centers):
    """The centres that have rows, the one with most rows first."""
    for _ in range(len(centers)):  # equal distances can go either way after sorting
        sizes = np.bincount(nearest_center(Z, centers), minlength=len(centers))
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        if np.array_equal(order, np.arange(len(centers))):
            break
        centers = centers[order]
    return centers


def _count_distinct(Z, enough):
    """The number of distinct rows, counted only where it may be below `enough`.

    Differences of a few last bits do not count: the same row can have them in
    different places of a batch.
    """
    unit = 256 * np.finfo(Z.dtype).eps * float(np.max(np.abs(Z), initial=0.0)) or 1.0
    n_distinct = 0
    for rows in (Z[: 100 * enough], Z):
        n_distinct = len(np.unique(np.round(rows / unit), axis=0))
        if n_distinct >= enough:
            break
    return n_distinct
