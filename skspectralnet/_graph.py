"""Neighbours of all rows into one sparse graph; checks of a graph; labels on it."""

import contextlib
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array
from threadpoolctl import ThreadpoolController  # which scikit-learn requires

# algorithm="auto": exact neighbours up to this many rows (benchmarks/neighbors.py).
_EXACT_ROWS = 100_000
# Rows of a cell, about; more where there are very many rows, because all centres are
# compared with each other.
_CELL_ROWS, _CELL_SHARE = 125, 0.08  # the share of the root of all rows
# A row is compared with those of the nearest cells, as many as hold this share of the
# true neighbours of some rows. Those missed are the ones across the borders of cells:
# a smaller share is faster and costs quality.
_ENOUGH, _MOST_SEARCHED = 0.995, 256
# Rows that k-means sees for each cell.
_ROWS_PER_CENTER = 50
_RECALL_ROWS = 1000
# Distances whose quotient is below this are equal. Those as far as the last neighbour
# are looked for among this many times the neighbours.
_TIED, _MOST_TIED = 1.0 + 1e-5, 8
# A given graph: how far its directions may differ, of its largest weight, and what that
# may be.
_ROUNDINGS, _LARGEST_WEIGHT = 8.0, 1e150
# Rows whose differences to their neighbours are held at once.
_BLOCK_ROWS = 4096
# Of the distances that are held at once, where rows are sparse.
_DISTANCES_MIB = 32


class Neighbors(NamedTuple):
    """The nearest other rows of every row."""

    indices: np.ndarray  # (n_samples, k) int64, nearest first
    recall: float  # share of the true neighbours among them


class _Truth(NamedTuple):
    """The true neighbours of some rows."""

    rows: np.ndarray  # (r,)
    neighbors: np.ndarray  # (r, k)

    @classmethod
    def of(cls, X, k, random_state):
        rows = random_state.permutation(X.shape[0])[:_RECALL_ROWS]
        return cls(rows, _nearest(X, rows, None, k))

    def recall(self, indices):
        """The share of them among what was found for all rows."""
        found = indices[self.rows][:, None, :]
        return float((self.neighbors[:, :, None] == found).any(axis=2).mean())


def nearest_neighbors(
    X, n_neighbors, *, algorithm="auto", exact_rows=_EXACT_ROWS, random_state
):
    """The nearest other rows of every row by Euclidean distance.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    n_neighbors : int
        Below n_samples.
    algorithm : {"auto", "exact", "cells", "pynndescent"}
        ``"cells"`` (inverted lists, IVF) compares a row with the rows of the cells of
        k-means that are nearest to its own, as many cells as hold 99.5 % of the true
        neighbours of 1,000 random rows, at most 256; ``"pynndescent"`` needs that
        package; ``"auto"``: exact up to `exact_rows` rows, cells beyond.
    exact_rows : int, default=100,000
    random_state : RandomState

    Returns
    -------
    Neighbors
        The recall is 1.0 for exact neighbours, otherwise measured on the same 1,000
        rows.

    Raises
    ------
    ImportError
        If pynndescent is asked for and not installed.
    """
    n_samples = X.shape[0]
    if algorithm == "auto":
        algorithm = "exact" if n_samples <= exact_rows else "cells"
    if algorithm == "exact":
        return Neighbors(_nearest(X, None, None, n_neighbors), 1.0)
    truth = _Truth.of(X, n_neighbors, random_state)
    if algorithm == "cells":
        indices = _cell_neighbors(X, n_neighbors, truth, random_state)
    else:
        indices = _descent_neighbors(X, n_neighbors, random_state)
    return Neighbors(indices, truth.recall(indices))


def _cell_neighbors(X, n_neighbors, truth, random_state):
    """Neighbours among the rows of the nearest cells."""
    n_rows = max(_CELL_ROWS, 2 * n_neighbors, int(_CELL_SHARE * X.shape[0] ** 0.5))
    cells, centers = _cells(X, n_rows, random_state)
    members = _parts(cells, len(centers))
    finder = NearestNeighbors(n_neighbors=min(_MOST_SEARCHED, len(centers)))
    nearby = finder.fit(centers).kneighbors(centers, return_distance=False)
    nearby = nearby[:, : _n_searched(cells, nearby, truth)]
    indices = np.empty((X.shape[0], n_neighbors), dtype=np.int64)
    for cell, rows in enumerate(members):
        if len(rows) == 0:
            continue
        others = np.concatenate([members[c] for c in {cell, *nearby[cell]}])
        if len(others) <= n_neighbors:  # a few rows far from all others
            others = np.arange(X.shape[0])
        indices[rows] = _nearest(X, rows, others, n_neighbors)
    return indices


def _nearest(X, rows, others, n_neighbors):
    """The nearest of some rows to each of some rows, itself left out.

    Of those that are equally far, as the rows of a table of answers are, it is as good
    as random which are taken. By their order, or by rounding, they would be those that
    differ in the same columns, and the graph would fall apart along the rest.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    rows : ndarray of int of shape (b,) or None
    others : ndarray of int of shape (m,) or None
        Row numbers, `rows` among them; None: all rows, of which no copy is made.
    n_neighbors : int
        Below m.

    Returns
    -------
    ndarray of int of shape (b, n_neighbors)
        Nearest first.
    """
    every = np.arange(X.shape[0])
    finder = NearestNeighbors().fit(X if others is None else X[others])
    asked = X if rows is None else X[rows]
    rows, others = (every if r is None else r for r in (rows, others))
    distances, found = _others(finder, asked, rows, others, n_neighbors + 1)
    last, following = distances[:, n_neighbors - 1], distances[:, n_neighbors:]
    nearest = found[:, :n_neighbors]
    tied = np.flatnonzero((following <= _TIED * last[:, None]).any(axis=1))
    if len(tied):
        n_asked = _MOST_TIED * (n_neighbors + 1)
        distances, found = _others(finder, asked[tied], rows[tied], others, n_asked)
        nearest[tied] = _some_of_tied(distances, found, rows[tied], n_neighbors)
    return nearest


def _others(finder, asked, rows, others, n_asked):
    """Distances and numbers of the nearest rows, nearest first, itself the last."""
    n_asked = min(n_asked + 1, len(others))
    with config_context(working_memory=_DISTANCES_MIB):  # of this thread
        distances, places = finder.kneighbors(asked, n_asked)
    found = others[places]
    distances[found == rows[:, None]] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")
    return tuple(np.take_along_axis(a, order, axis=1) for a in (distances, found))


def _some_of_tied(distances, found, rows, n_neighbors):
    """The nearest; of those as far as the last one, by a number of the pair."""
    last = distances[:, [n_neighbors - 1]]
    lots = _lots(found, rows[:, None])
    place = np.where(distances * _TIED < last, -1.0, lots)
    place[distances > _TIED * last] = 2.0
    chosen = np.sort(np.argsort(place, axis=1, kind="stable")[:, :n_neighbors], axis=1)
    return np.take_along_axis(found, chosen, axis=1)


def _lots(first, second):
    """A number in [0, 1) of each pair of rows, in either order; as good as random."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    bits = low.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits ^= (high.astype(np.uint64) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return (bits >> np.uint64(11)) / 2.0**53


def _cells(X, n_rows, random_state):
    """Cells of about `n_rows` rows by k-means in two levels, and their centres.

    A first k-means finds as many groups as each of them is then divided into cells: a
    row is compared with twice the root of the number of cells, not with all.
    """
    n_groups = max(1, round(np.sqrt(X.shape[0] / n_rows)))
    groups, _ = _k_means(X, n_groups, random_state)
    cells = np.empty(X.shape[0], dtype=np.int64)
    centers = []
    for rows in _parts(groups, n_groups):
        if len(rows) == 0:
            continue
        n_cells = max(1, round(len(rows) / n_rows))
        found, its_centers = _k_means(X[rows], n_cells, random_state)
        cells[rows] = found + sum(map(len, centers))
        centers.append(its_centers)
    return cells, np.concatenate(centers)


def _k_means(X, n_clusters, random_state):
    """Labels of all rows, and centres, by k-means on a sample."""
    sample = random_state.permutation(X.shape[0])[: _ROWS_PER_CENTER * n_clusters]
    kmeans = KMeans(n_clusters, n_init=1, max_iter=20, random_state=random_state)
    labels = kmeans.fit(X[np.sort(sample)]).predict(X)
    return labels, kmeans.cluster_centers_


def _parts(labels, n_labels):
    """The row numbers of each label."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels, minlength=n_labels))[:-1])


def _n_searched(cells, nearby, truth):
    """How many of the nearest cells hold enough of the true neighbours."""
    around = nearby[cells[truth.rows]]  # (r, m) cells, nearest first
    held = cells[truth.neighbors][:, :, None] == around[:, None, :]  # (r, k, m)
    cumulative = np.cumsum(held.mean(axis=(0, 1)))
    return min(int(np.searchsorted(cumulative, _ENOUGH)) + 1, len(cumulative))


def _without_itself(found, rows):
    """Drop each row from its own neighbours, or the last one where it is not there."""
    itself = found == rows[:, None]
    itself[:, -1] |= ~itself.any(axis=1)
    return found[~itself].reshape(len(rows), -1)


def _descent_neighbors(X, n_neighbors, random_state):
    try:
        from pynndescent import NNDescent  # an extra: slow to import
    except ImportError as error:
        raise ImportError(
            "neighbors_algorithm='pynndescent' needs the package pynndescent: "
            "pip install pynndescent, or take 'exact' or 'cells'."
        ) from error
    with _threads_kept():
        index = NNDescent(X, n_neighbors=n_neighbors + 1, random_state=random_state)
        found = index.neighbor_graph[0].astype(np.int64)
    return _without_itself(found, np.arange(X.shape[0]))


@contextlib.contextmanager
def _threads_kept():
    """Give OpenMP its number of threads back: numba sets that of torch, too."""
    libraries = ThreadpoolController().select(user_api="openmp").lib_controllers
    before = [library.num_threads for library in libraries]
    try:
        yield
    finally:
        for library, n_threads in zip(libraries, before, strict=True):
            library.set_num_threads(n_threads)


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
    indices = _nearest(X, None, None, n_neighbors)
    return symmetric_graph(indices, np.ones(indices.shape))


def squared_lengths(X, indices):
    """*Squared* Euclidean distances of every row to some others.

    From the differences: the expanded square loses the digits of rows that lie close
    together.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    indices : ndarray of int of shape (n_samples, k)

    Returns
    -------
    ndarray of shape (n_samples, k), float64
    """
    squared = np.empty(indices.shape)
    for start in range(0, len(indices), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        for j in range(indices.shape[1]):
            difference = X[rows] - X[indices[rows, j]]
            if sparse.issparse(difference):
                squared[rows, j] = difference.power(2).sum(axis=1)
            else:
                difference = difference.astype(np.float64, copy=False)
                squared[rows, j] = np.einsum("ij,ij->i", difference, difference)
    return squared


def pieces(graph):
    """How many connected pieces a symmetric graph has, and that of each row."""
    n_pieces, labels = connected_components(graph, directed=False)
    return n_pieces, labels.astype(np.int64)


def symmetric_graph(indices, weights):
    r"""The graph :math:`W = (A + A^T) / 2` of weighted neighbours.

    Parameters
    ----------
    indices : ndarray of int of shape (n_samples, k)
    weights : ndarray of shape (n_samples, k)
        Row i holds the entries of row i of A; an edge of weight 0 is none.

    Returns
    -------
    CSR array of shape (n_samples, n_samples), float64
    """
    n_samples, k = indices.shape
    pointers = np.arange(0, n_samples * k + 1, k)
    shape = (n_samples, n_samples)
    directed = sparse.csr_array(
        (weights.ravel().astype(np.float64), indices.ravel(), pointers), shape=shape
    )
    graph = sparse.csr_array(0.5 * (directed + directed.T))
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def repeated_graph(graph, multiplicities, *, all_pairs=False):
    r"""A graph of rows that stand for several equal ones.

    An edge between neighbours counts as often as its ends occur, in the mean:
    :math:`\tfrac{1}{2} (m_i + m_j) w_{ij}`, as each of :math:`m_i` equal rows has the
    same neighbours. In a graph of all pairs it stands for :math:`m_i m_j` of them.

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples)
    multiplicities : ndarray of shape (n_samples,) or None
        None: each stands for as many, and the graph is the one given.
    all_pairs : bool, default=False

    Returns
    -------
    CSR array of shape (n_samples, n_samples)
    """
    if multiplicities is None:
        return graph
    many = sparse.diags_array(multiplicities)
    if all_pairs:
        return sparse.csr_array(many @ graph @ many)
    return sparse.csr_array(0.5 * (many @ graph + graph @ many))


def checked_graph(graph, n_samples):
    """A user's graph as a symmetric CSR array without self-loops.

    Parameters
    ----------
    graph : {array-like, sparse matrix} of shape (n_samples, n_samples)
        Finite weights of at least 0, the same in both directions up to rounding in
        float32 (float16 where they are): a millionth of the largest. What is on the
        diagonal does not count.
    n_samples : int
        Rows of X.

    Returns
    -------
    CSR array of shape (n_samples, n_samples), float64
        A copy.

    Raises
    ------
    ValueError
        If the shape, a weight or the symmetry is wrong, or no edge is there.
    """
    graph = check_array(
        graph, accept_sparse="csr", dtype="numeric", copy=True, input_name="graph"
    )
    if graph.shape != (n_samples, n_samples):
        raise ValueError(
            f"graph has shape {graph.shape}, but X has {n_samples} rows: expected "
            f"({n_samples}, {n_samples}), one row and one column for each row of X. "
            "Cross-validation slices the rows of a graph but not its columns: slice "
            "both by hand."
        )
    rounding = np.finfo(np.float16 if graph.dtype == np.float16 else np.float32).eps
    graph = _without_loops(sparse.csr_array(graph, dtype=np.float64))
    if graph.nnz == 0:
        raise ValueError("graph has no edges: all weights between rows are zero.")
    least, most = float(graph.data.min()), float(graph.data.max())
    if least < 0:
        raise ValueError(
            f"graph has the weight {least:.3g}: expected affinities of at least 0, "
            "where a larger one is a closer pair."
        )
    if most > _LARGEST_WEIGHT:
        raise ValueError(
            f"graph has the weight {most:.3g}, whose square is no number: divide the "
            "weights by a constant."
        )
    # In float64 many come from a product in float32.
    difference, most = abs(graph - graph.T), _ROUNDINGS * float(rounding) * most
    if difference.nnz and difference.max() > most:
        i, j = (int(place[0]) for place in (difference > most).nonzero())
        raise ValueError(
            f"graph is not symmetric: the weight from row {i} to row {j} is "
            f"{graph[i, j]:.9g}, the one back {graph[j, i]:.9g}. Take "
            "0.5 * (graph + graph.T) where the directions do not matter."
        )
    return sparse.csr_array(0.5 * (graph + graph.T))


def graph_of_rows(graph, rows, weights):
    """A checked graph of some rows, each edge as often as both ends weigh.

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples)
    rows : ndarray of int of shape (m,), or None
        Ascending. None: all.
    weights : ndarray of shape (m,), or None
        None: the edges as they are.

    Returns
    -------
    CSR array of shape (m, m)

    Raises
    ------
    ValueError
        If no edge is left.
    """
    if rows is not None:
        graph = sparse.csr_array(graph[rows][:, rows])
        if graph.nnz == 0:
            raise ValueError(
                "graph has no edges between the rows whose sample_weight is above 0."
            )
    return repeated_graph(graph, weights, all_pairs=True)


def _without_loops(graph):
    """A CSR array, changed in place, without zeros and without its diagonal."""
    graph.sum_duplicates()
    ends = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    graph.data[graph.indices == ends] = 0.0
    graph.eliminate_zeros()
    return graph


def normalized_cut(graph, labels):
    r"""Share of the weight at each cluster that leaves it, summed over the clusters.

    .. math:: \sum_c \frac{w(c, \bar c)}{d_c}

    with :math:`d_c` the sum of the degrees of cluster c (Shi and Malik, 2000, Eq. (2),
    for more than two clusters).

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples), symmetric
    labels : ndarray of int of shape (n_samples,)

    Returns
    -------
    float
        From 0 to the number of clusters; a cluster without edges counts 0.
    """
    coo = graph.tocoo()
    rows, columns = coo.coords
    n_clusters = labels.max() + 1
    leaving = labels[rows] != labels[columns]
    degrees = np.bincount(labels[rows], weights=coo.data, minlength=n_clusters)
    cut = np.bincount(
        labels[rows[leaving]], weights=coo.data[leaving], minlength=n_clusters
    )
    some = degrees > 0
    return float(np.sum(cut[some] / degrees[some]))


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
    inside, shares, _ = _cut_parts(graph, labels)
    return float(inside.sum() - np.sum(shares**2))


def modularity_parts(graph, labels):
    r"""What each row does to the modularity, which is the mean over all.

    With :math:`p_i` the share of the total weight that leaves row i and stays in its
    cluster, :math:`s_i` the share that leaves it, :math:`a_c` the sum of these over
    cluster c and P that of all :math:`p_i`, row i of cluster c has

    .. math:: Q + n \left(p_i - 2 a_c s_i + s_i (2 \sum_c a_c^2 - P)\right)

    To first order the modularity changes by the difference to Q, over n, where row i
    counts once more (its influence function; F. R. Hampel, "The Influence Curve and
    Its Role in Robust Estimation", JASA 69, 1974). So the standard deviation over
    :math:`\sqrt n` is a standard error, and that of the differences between two
    clusterings the error of the difference between their modularities.

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples), symmetric
    labels : ndarray of int of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    inside, shares, leaving = _cut_parts(graph, labels)
    total, squares = inside.sum(), np.sum(shares**2)
    change = inside - 2.0 * shares[labels] * leaving + leaving * (2 * squares - total)
    return total - squares + len(labels) * change


def cut_share(graph, labels):
    """Share of the weight of a symmetric graph that lies between clusters."""
    return 1.0 - float(_cut_parts(graph, labels)[0].sum())


def _cut_parts(graph, labels):
    """Shares of the total weight: of each row inside its cluster, of each cluster, and
    of each row."""
    coo, degrees = graph.tocoo(), graph.sum(axis=1)
    rows, columns = coo.coords
    same, total = labels[rows] == labels[columns], degrees.sum()
    inside = np.bincount(rows[same], coo.data[same], minlength=len(labels)) / total
    return inside, np.bincount(labels, degrees) / total, degrees / total


def cluster_weights(graph, labels, n_clusters):
    """The weight that lies inside each cluster and between each two of them.

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples), symmetric
    labels : ndarray of int of shape (n_samples,)
    n_clusters : int
        Above every label; some may have no rows.

    Returns
    -------
    CSR array of shape (n_clusters, n_clusters), symmetric
        On the diagonal an edge counts twice, once for each end: the sum of a row is
        that of the degrees of the cluster.
    """
    shape = (len(labels), n_clusters)
    ends = np.arange(len(labels) + 1)
    member = sparse.csr_array((np.ones(len(labels)), labels, ends), shape=shape)
    return sparse.csr_array(member.T @ graph @ member)
