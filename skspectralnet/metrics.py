"""Scores of clusterings and embeddings: arrays in, floats out."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skspectralnet import _eigen, _graph
from skspectralnet._calls import guarded

__all__ = [
    "clustering_accuracy",
    "grassmann_distance",
    "normalized_cut",
    "orthonormality_error",
]


@guarded
def clustering_accuracy(labels_true, labels_pred):
    """Share of rows labelled right under the best one-to-one naming of the clusters.

    The ACC of the clustering literature: clusters and classes are matched by the
    Hungarian method (Kuhn, 1955); rows of clusters left over count as wrong.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Class of each row: numbers or words.
    labels_pred : array-like of shape (n_samples,)
        Cluster of each row.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the two have different lengths, or none.

    Examples
    --------
    >>> from skspectralnet.metrics import clustering_accuracy
    >>> clustering_accuracy([0, 0, 1, 1], [1, 1, 0, 2])
    0.75
    """
    labels_true, labels_pred = column_or_1d(labels_true), column_or_1d(labels_pred)
    check_consistent_length(labels_true, labels_pred)
    if len(labels_true) == 0:
        raise ValueError("The accuracy of no rows is undefined: labels are empty.")
    counts = contingency_matrix(labels_true, labels_pred)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(labels_true))


@guarded
def grassmann_distance(first, second, row_weights=None):
    r"""The squared distance between the spans of two embeddings.

    .. math:: \sum_{i=1}^{q} \sin^2 \theta_i

    with :math:`\theta_i` the principal angles between the spans of the columns:
    rotations, signs and the order of the columns do not matter.

    Parameters
    ----------
    first, second : array-like of shape (n_samples, n_components)
        The embeddings of the same rows.
    row_weights : array-like of shape (n_samples,), default=None
        The diagonal of the inner product: the degrees for the random-walk Laplacian,
        None (ones) for the others.

    Returns
    -------
    float
        A *squared* distance from 0 to n_components.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite or a weight is negative.

    Examples
    --------
    >>> from skspectralnet.metrics import grassmann_distance
    >>> grassmann_distance([[1.0], [1.0]], [[1.0], [-1.0]])
    1.0
    """
    first = check_array(first, dtype=np.float64, input_name="first")
    second = check_array(second, dtype=np.float64, input_name="second")
    if first.shape != second.shape:
        raise ValueError(
            f"The embeddings have shapes {first.shape} and {second.shape}: expected "
            "the same rows and the same number of columns."
        )
    if row_weights is not None:
        row_weights = check_array(row_weights, dtype=np.float64, ensure_2d=False)
        check_consistent_length(first, row_weights)
        if row_weights.min() < 0:
            raise ValueError("row_weights must be at least 0.")
    return _eigen.grassmann_distance(first, second, row_weights)


@guarded
def normalized_cut(graph, labels):
    r"""The normalized cut of a graph by clusters.

    .. math:: \sum_c \frac{w(c, \bar c)}{d_c}

    the share of the weight at each cluster that leaves it, summed (Shi and Malik,
    2000); what spectral clustering relaxes.

    Parameters
    ----------
    graph : {array-like, sparse matrix} of shape (n_samples, n_samples)
        Symmetric weights of at least 0; self-loops do not count.
    labels : array-like of shape (n_samples,)
        Cluster of each row: numbers or words.

    Returns
    -------
    float
        From 0 to the number of clusters; lower is better.

    Raises
    ------
    ValueError
        If the graph is not square, negative or not symmetric, or lengths differ.

    Examples
    --------
    >>> from skspectralnet.metrics import normalized_cut
    >>> path = [[0, 1, 0, 0], [1, 0, 2, 0], [0, 2, 0, 1], [0, 0, 1, 0]]
    >>> normalized_cut(path, [0, 0, 1, 1])
    1.0
    """
    labels = np.unique(column_or_1d(labels), return_inverse=True)[1]
    return _graph.normalized_cut(_graph.checked_graph(graph, len(labels)), labels)


@guarded
def orthonormality_error(embedding, row_weights=None):
    r"""How far the columns of an embedding are from orthonormal.

    .. math:: \max \left| Y^T M Y / \sum_i m_i - I \right|

    the largest entry, of either sign.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, n_components)
        Y, unweighted eigenvectors (``diffusion_time=0``).
    row_weights : array-like of shape (n_samples,), default=None
        The diagonal of M: the degrees for the random-walk Laplacian, None (ones)
        for the others.

    Returns
    -------
    float
        At least 0; 0 for orthonormal columns.

    Raises
    ------
    ValueError
        If the lengths differ or a value is not finite.

    Examples
    --------
    >>> from skspectralnet.metrics import orthonormality_error
    >>> orthonormality_error([[1.0, 1.0], [1.0, -1.0]])
    0.0
    """
    embedding = check_array(embedding, dtype=np.float64)
    if row_weights is not None:
        row_weights = check_array(row_weights, dtype=np.float64, ensure_2d=False)
        check_consistent_length(embedding, row_weights)
    return _eigen.orthonormality_error(embedding, row_weights)
