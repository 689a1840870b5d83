"""What it costs to leave a cluster of a graph, and what to divide it."""

import numpy as np
from scipy import sparse

from skspectralnet._eigen import graph_eigenpairs
from skspectralnet._graph import pieces

# A cluster is divided if it has at least LEAST_PIECE rows, and _PIECE_NEIGHBORS times
# the neighbours of a row: in a smaller one nearly all rows are linked, which tells
# nothing of its shape. Each of its sides has at least _LEAST_SIDE rows, or a quarter of
# it: fewer are some rows at its rim.
_PIECE_NEIGHBORS, LEAST_PIECE, _LEAST_SIDE = 1.5, 6, 20


def well_knit(graph, labels, least, *, proven=True):
    r"""Whether each cluster costs more to divide than to leave.

    A cluster c is left at the conductance :math:`w(c, \bar c) / d(c)`, the share of its
    edges that lead out. No division of it is cheaper than :math:`\lambda_2 / 2`, half
    the second eigenvalue of the normalized Laplacian of c alone (F. R. K. Chung,
    Spectral Graph Theory, 1997, Lemma 2.1). A long one is far from that bound: by its
    square the eigenvalue falls, the cost itself does not.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    labels : ndarray of int of shape (n_nodes,)
    least : int
        A cluster of fewer nodes says nothing: then the answer is False.
    proven : bool, default=True
        By that bound; else by the division that is cheapest along the second
        eigenvector, at its conductance.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    members.sort(key=len)
    if len(members[0]) < least:
        return False
    same = np.random.RandomState(0)
    for rows in members:
        edges = graph[rows]
        alone = edges[:, rows]
        if pieces(alone)[0] > 1:
            return False
        leaving = 1.0 - float(alone.sum() / edges.sum())
        if proven:
            pairs = graph_eigenpairs(alone, 2, "random_walk", same)
            dividing = pairs.eigenvalues[1] / 2.0
        else:
            cuts, shares, _ = _swept(alone, least_side(len(rows)))
            sides = alone.sum() * np.minimum(shares, 1.0 - shares)
            dividing = float(np.min(cuts / sides))
        if dividing <= leaving:
            return False
    return True


class Support:
    """The support of clusterings of the same nodes; a cluster is divided once.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    """

    def __init__(self, graph):
        self._graph, self._divided = graph, {}
        self._edges, self._weight = graph.tocoo(), float(graph.sum()) / 2.0
        self._least = max(LEAST_PIECE, _PIECE_NEIGHBORS * graph.nnz / graph.shape[0])

    def parts(self, labels):
        """What each node has of the support, (n_nodes,): sum what dividing the clusters
        costs, less what leaving them does, over the weight of the graph."""
        rows, columns = self._edges.coords
        leaving = labels[rows] != labels[columns]
        weights = self._edges.data[leaving]
        leaving = rows[leaving]
        parts = -np.bincount(leaving, weights, len(labels)).astype(np.float64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            key = members.tobytes()
            if key not in self._divided:
                piece = self._graph[members][:, members]
                self._divided[key] = dividing_costs(piece, self._least)
            parts[members] += self._divided[key]
        return parts / self._weight


def least_side(n_nodes):
    return min(_LEAST_SIDE, n_nodes // 4)


def dividing_costs(graph, least_piece=LEAST_PIECE):
    """What each node has of the cost of the cheapest cut in two.

    Half of the weight of its edges across the cut that is cheapest along the second
    eigenvector, over :math:`4 p (1 - p)` with p the share of one side.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    least_piece : float
        Nodes.

    Returns
    -------
    ndarray of shape (n_nodes,)
        Zeros where the graph is in pieces, or has fewer nodes than `least_piece`.
    """
    n_nodes = graph.shape[0]
    costs, least = np.zeros(n_nodes), least_side(n_nodes)
    if n_nodes < least_piece:
        return costs
    members = pieces(graph)[1]
    kept = np.flatnonzero(members == np.bincount(members).argmax())
    if n_nodes - len(kept) >= least or len(kept) < least_piece:
        return costs
    graph = sparse.csr_array(graph[kept][:, kept])
    cuts, shares, ends = _swept(graph, least)
    scale = 1.0 / (4.0 * shares * (1.0 - shares))
    cheapest = int(np.argmin(cuts * scale))
    across = (ends[0] < cheapest + least) != (ends[1] < cheapest + least)
    rows, weights = graph.tocoo().coords[0], graph.data
    halves = 0.5 * weights[across] * scale[cheapest]
    costs[kept] = np.bincount(rows[across], halves, minlength=len(kept))
    return costs


def _swept(graph, least):
    """The cuts in two along the second eigenvector of a graph in one piece.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    least : int
        Nodes of each side.

    Returns
    -------
    cuts : ndarray of shape (n_cuts,)
        Their weights.
    shares : ndarray of shape (n_cuts,)
        Of the degrees, on the first side.
    ends : tuple of two ndarrays of shape (n_edges,)
        The places of the nodes of each edge along the eigenvector.
    """
    same = np.random.RandomState(0)
    second = graph_eigenpairs(graph, 2, "random_walk", same).vectors[:, 1]
    order = np.argsort(second, kind="stable")
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    edges = graph.tocoo()
    ends = places[edges.coords[0]], places[edges.coords[1]]
    # The weight between the nodes before each place and those after it.
    starting = np.bincount(ends[0], edges.data * np.sign(ends[1] - ends[0]))
    cuts = np.cumsum(starting)[least - 1 : len(order) - least]
    degrees = np.cumsum(graph.sum(axis=1)[order])
    return cuts, (degrees / degrees[-1])[least - 1 : len(order) - least], ends
