"""Neighbours of all rows into one sparse graph, and how well labels fit it."""

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors


def neighbor_graph(X, n_neighbors):
    """The symmetric graph of the nearest neighbours of every row.

    Exact neighbours by Euclidean distance.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
    n_neighbors : int
        Below n_samples; the row itself is not counted.

    Returns
    -------
    CSR array of shape (n_samples, n_samples)
        1 between mutual neighbours, 1/2 where only one row counts the other.
    """
    finder = NearestNeighbors(n_neighbors=n_neighbors).fit(X)
    directed = sparse.csr_array(finder.kneighbors_graph(mode="connectivity"))
    return sparse.csr_array(0.5 * (directed + directed.T))


def modularity(graph, labels):
    r"""How much more weight lies inside the clusters than labels at random would put.

    .. math:: Q = \sum_c \frac{w_{cc}}{w} - \left(\frac{d_c}{w}\right)^2

    with :math:`w` the total weight, :math:`w_{cc}` the weight inside cluster c and
    :math:`d_c` the sum of its degrees (Newman, PNAS 103, 2006, Eq. (2)).

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples), symmetric
    labels : ndarray of int of shape (n_samples,)

    Returns
    -------
    float
        Below 1; 0 for a single cluster and, in the mean, for random labels.
    """
    coo = graph.tocoo()
    rows, columns = coo.coords
    total = coo.data.sum()
    inside = coo.data[labels[rows] == labels[columns]].sum() / total
    shares = np.bincount(labels, weights=np.asarray(graph.sum(axis=1)).ravel()) / total
    return float(inside - np.sum(shares**2))
