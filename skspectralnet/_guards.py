"""What makes the neighbours of the rows doubtful, in words for who fits."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans

from skspectralnet._assignment import named_like
from skspectralnet._divisions import well_knit
from skspectralnet._graph import cut_share
from skspectralnet._selection import CLEAR, HARDLY, LEAST_KNIT, lead

# More pieces for each cluster than this are far too many.
_FAR_MORE = 1.5
# Nearly all edges are between rows that are equal in the columns that decide.
_NEARLY_ALL = 0.98
# Nearly all variance: the other columns move a distance by three per cent.
_LONE_SHARE = 0.999
# Starts of the k-means that is compared with.
_STARTS = 3
# Clusters are the same where this share of the rows is in the same one.
_SAME_SHARE = 0.9
# Columns that are looked at, and named.
_MOST_COLUMNS, _MOST_NAMED = 2000, 4


def pieces_notice(graph, n_clusters, columns, names):
    """A notice where the graph falls into far more pieces than there are clusters.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    n_clusters : int
    columns : {ndarray, CSR matrix} of shape (n_nodes, n_features)
        The rows that are its nodes.
    names : ndarray of shape (n_features,)
        Of the columns.

    Returns
    -------
    str or None
    """
    _, members = connected_components(graph, directed=False)
    shares = np.bincount(members) / len(members)
    n_pieces = 1.0 / np.sum(shares**2)  # of equal size; islands hardly count
    if n_clusters == 1 or n_pieces <= _FAR_MORE * n_clusters:
        return None
    notice = (
        f"The neighbour graph of the rows falls into about {n_pieces:.0f} pieces, "
        f"where n_clusters={n_clusters} are asked for: a cluster is a union of pieces, "
        "and which ones are joined is by chance. "
    )
    deciding = _deciding_columns(graph, columns)
    if len(deciding):
        return notice + (
            "Neighbours are equal in columns of two values, "
            f"{_named(names, deciding)}: multiply these by a number below 1 (0.3), or "
            "leave them out."
        )
    return notice + "Ask for as many clusters, or scale the columns otherwise."


def lone_column_notice(columns, names):
    """A notice where one column holds nearly all variance.

    The variance is that of the middle eight tenths of the values: no single row makes
    a column wide.

    Parameters
    ----------
    columns : {ndarray, CSR matrix} of shape (n_rows, n_features)
    names : ndarray of shape (n_features,)

    Returns
    -------
    str or None
    """
    columns = _dense(columns)
    if columns is None or columns.shape[1] < 2:
        return None
    low, high = np.quantile(columns, [0.1, 0.9], axis=0)
    ranges = high - low
    widest = int(np.argmax(ranges))
    others = np.delete(columns, widest, axis=1)
    if not ranges[widest] > 0.0 or np.all(others == others[0]):
        return None  # columns without a value hide nothing
    middle = np.clip(columns, low, high).astype(np.float64) / ranges[widest]
    variances = middle.var(axis=0)
    # A column whose middle is one value, as a rare indicator's, has its whole variance.
    flat = ranges == 0.0
    variances[flat] = (columns[:, flat].astype(np.float64) / ranges[widest]).var(axis=0)
    if variances[widest] <= _LONE_SHARE * variances.sum():
        return None
    return (
        f"One column, {_named(names, [widest])}, holds nearly all variance of the "
        "rows: distances see next to nothing of the others. Bring the columns to one "
        "scale (sklearn.preprocessing.StandardScaler), or leave the others out."
    )


def simpler_notice(graph, labels, points):
    """A notice where k-means cuts the graph as well, in other clusters.

    As well: its modularity is not lower by more than two standard errors of the
    difference. No notice where each of the other clusters costs more to divide than to
    leave, or where they alone cut hardly an edge: modularity is higher for clusters of
    equal size.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    labels : ndarray of int of shape (n_nodes,)
    points : {ndarray, CSR array} of shape (n_nodes, n_points)
        The rows that are its nodes, as its edges see them.

    Returns
    -------
    str or None
    """
    n_clusters = len(np.unique(labels))
    if n_clusters == 1:
        return None
    rng = np.random.RandomState(0)  # no part of the fit
    simple = KMeans(n_clusters, n_init=_STARTS, random_state=rng).fit_predict(points)
    ahead, error = lead(graph, simple, labels)
    same = np.mean(named_like(simple, labels) == labels)
    if ahead < -CLEAR * error or same >= _SAME_SHARE:
        return None
    uncut = cut_share(graph, labels) <= HARDLY < cut_share(graph, simple)
    if uncut or well_knit(graph, labels, LEAST_KNIT):
        return None
    return (
        "k-means on the same rows cuts their neighbour graph as well, in clusters of "
        f"which {1 - same:.0%} of the rows are others: the neighbours do not speak for "
        "the clusters found. Try another n_clusters, see whether other seeds find "
        "the same, or give some partial_labels."
    )


def _deciding_columns(graph, columns):
    """Numbers of the columns of two values in which neighbours are equal.

    Empty where all columns have two values, as none of them decides then.
    """
    columns = _dense(columns)
    if columns is None:
        return []
    low, high = columns.min(axis=0), columns.max(axis=0)
    two = (low < high) & np.all((columns == low) | (columns == high), axis=0)
    if not two.any() or two.all():
        return []
    ends = sparse.triu(graph, k=1).tocoo().coords
    answers = columns[:, two]
    equal = np.mean(answers[ends[0]] == answers[ends[1]], axis=0)
    return np.flatnonzero(two)[equal >= _NEARLY_ALL]


def _dense(columns):
    """The columns as an array; None where they are too many to look at."""
    if columns.shape[1] > _MOST_COLUMNS:
        return None
    return columns.toarray() if sparse.issparse(columns) else np.asarray(columns)


def _named(names, chosen):
    some = ", ".join(repr(name) for name in names[chosen][:_MOST_NAMED].tolist())
    return some + (", ..." if len(chosen) > _MOST_NAMED else "")
