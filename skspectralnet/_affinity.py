"""Distances of one batch into a weighted graph: pure functions of tensors."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.csgraph import connected_components

# Rows nearer to each other than this many roundings of their length are copies.
_COPY_ROUNDINGS = 8
# A weight that has vanished, and the largest island as a share of the largest part.
VANISHED, _ISLAND = 1e-6, 0.05
# Columns that are looked at as one in a first choice of the smallest entries.
_FOLD = 8
# Differences of rows that are held at once: the entries, but at least this many rows.
_PART_ENTRIES, _PART_ROWS = 2**19, 8
# Columns of a batch that are multiplied at once.
_PART_COLUMNS = 1024
# The bits of a float64 that a float32 leaves free.
_COLUMN_BITS = 2**29 - 1


class SparseAffinity(NamedTuple):
    r"""A symmetric affinity :math:`W = (A + A^T) / 2` as the edges of each row.

    Row i of A holds the weights of the edges to its `k` neighbours; each edge is
    listed at both of its ends, as in a CSR matrix.
    """

    neighbors: torch.Tensor  # (e,) int32, other ends of the edges, row by row
    weights: torch.Tensor  # (e,) float64
    offsets: torch.Tensor  # (b + 1,) int32, where each row's edges begin, and the end
    degrees: torch.Tensor  # (b,) float64, row sums of W

    def apply(self, Y):
        """Return ``W @ Y``, of shape (b, q) as Y, without gradients."""
        weights = self.weights.to(Y.dtype)
        if Y.device.type == "cpu":  # half the time of torch's
            edges = weights, self.neighbors, self.offsets
            matrix = sparse.csr_array(
                tuple(part.numpy() for part in edges), shape=(len(Y), len(Y))
            )
            return torch.from_numpy(matrix @ Y.numpy())
        return F.embedding_bag(
            self.neighbors,
            Y,
            self.offsets,
            per_sample_weights=weights,
            mode="sum",
            include_last_offset=True,
        )


class DenseAffinity(NamedTuple):
    """A symmetric affinity of a batch as a full matrix with a zero diagonal."""

    matrix: torch.Tensor  # (b, b)
    degrees: torch.Tensor  # (b,)

    def apply(self, Y):
        """Return ``W @ Y``, of shape (b, q) as Y."""
        return self.matrix.to(Y.dtype) @ Y


def squared_distances(points):
    """All squared Euclidean distances of a batch by one matrix product.

    Parameters
    ----------
    points : tensor of shape (b, d)

    Returns
    -------
    tensor of shape (b, b)
        *Squared* distances, at least 0, with an infinite diagonal: no row is its
        own neighbour.
    """
    squares = torch.cat([part.square().sum(dim=1) for part in _parts(points)])
    # In parts of columns: a product of wide matrices makes copies of them.
    part, *others = points.split(_PART_COLUMNS, dim=1)
    distances = torch.addmm(squares[None, :], part, part.T, alpha=-2.0)
    for part in others:
        distances.addmm_(part, part.T, alpha=-2.0)
    distances.add_(squares[:, None]).clamp_(min=0.0)
    return distances.fill_diagonal_(torch.inf)


def nearest_in_batch(points, n_neighbors):
    """The nearest rows of each row of a batch, itself left out.

    The neighbours are found with :func:`squared_distances`; the distances returned
    are computed again from the differences, because the matrix product loses the
    digits of points that lie close together.

    Parameters
    ----------
    points : tensor of shape (b, d)
    n_neighbors : int
        At most b - 1.

    Returns
    -------
    neighbors : tensor of shape (b, n_neighbors), int64
    squared : tensor of shape (b, n_neighbors)
        *Squared* distances, in no particular order.
    """
    neighbors = _smallest(squared_distances(points), n_neighbors)
    squared = torch.empty_like(neighbors, dtype=points.dtype)
    parts = zip(_parts(points), _parts(neighbors, points.shape[1]), strict=True)
    start = 0
    for part, near in parts:
        stop = start + len(part)
        for j in range(n_neighbors):  # (b, d) at a time: a (b, k, d) array is slower
            squared[start:stop, j] = (part - points[near[:, j]]).square().sum(dim=1)
        start = stop
    return neighbors, squared


def _parts(rows, n_columns=None):
    """Views of a few rows each, by how many entries they have in `n_columns`."""
    n_columns = rows.shape[1] if n_columns is None else n_columns
    return rows.split(max(_PART_ENTRIES // n_columns, _PART_ROWS))


def _smallest(distances, k):
    """Columns of the k smallest entries of each row, (b, k), in no particular order.

    They are among the k folds with the smallest minima, where fold j holds the columns
    j, j + m, ...: choosing these first takes half the time.
    """
    if distances.device.type != "cpu" or distances.dtype != torch.float32:
        return distances.topk(k, dim=1, largest=False, sorted=False)[1]
    b, n = distances.shape
    m = n // _FOLD
    place = torch.arange(n, device="cpu")
    if 2 * k > m:
        return _front(distances, place, k)
    folds = _front(
        distances[:, : m * _FOLD].view(b, _FOLD, m).amin(dim=1), place[:m], k
    )
    columns = (folds[:, None, :] + place[: m * _FOLD : m, None]).view(b, -1)
    columns = torch.cat([columns, place[m * _FOLD :].expand(b, -1)], dim=1)
    return _front(distances.gather(1, columns), columns, k)


def _front(distances, columns, k):
    """The columns of the k smallest entries of each row of a float32 array of them.

    Distances in float64 have as many free bits at their ends as a column needs, and
    numbers from 0 on are ordered as their bits are: numpy's partition of these is
    several times faster than a selection that keeps track of the places.
    """
    keys = distances.double().view(torch.int64) | columns
    keys.numpy().partition(k - 1, axis=1)  # in place
    return keys[:, :k] & _COLUMN_BITS


def neighbors_in_part(n_neighbors, n_rows, batch_size):
    """Neighbours in a batch of `n_rows`: the share that they are of a full one.

    At least 5, or `n_neighbors` where those are fewer, and below `n_rows`.
    """
    share = round(n_neighbors * n_rows / batch_size)
    return min(max(share, min(n_neighbors, 5)), n_rows - 1)


def self_tuning_weights(neighbors, squared):
    r"""Self-tuning weights of Zelnik-Manor and Perona (2004), Eq. (2).

    .. math:: w_{ij} = \exp\left(-\frac{d_{ij}^2}{\sigma_i \sigma_j}\right)

    with :math:`\sigma_i` the *distance* (not squared) of row i to its k-th, here its
    farthest listed, neighbour. Numerator and denominator are both squared lengths:
    the weights do not change when all points are multiplied by a constant.

    Parameters
    ----------
    neighbors : tensor of shape (b, k), int64
    squared : tensor of shape (b, k)
        *Squared* distances.

    Returns
    -------
    tensor of shape (b, k)
    """
    sigma = squared.amax(dim=1).sqrt()  # (b,)
    # Rows with k exact duplicates have no scale of their own and take the mean of the
    # others: they stay linked to the rows around them.
    own = sigma > 0
    usual = float(sigma[own].mean()) if bool(own.any()) else 1.0
    sigma = torch.where(own, sigma, usual).clamp(min=max(1e-6 * usual, 1e-30))
    weights = torch.exp(-(squared / sigma[:, None]) / sigma[neighbors])
    return _with_bridges(neighbors, squared, weights)


def _with_bridges(neighbors, squared, weights):
    r"""The weights, with an edge of weight 1 from each row of an island to the others.

    Where rows are much farther from all others than those are from each other, the
    weights of their edges vanish: :math:`\sigma_i \sigma_j` is small against
    :math:`d_{ij}^2`. A few such rows are an island: a connected part of fewer rows
    than a neighbourhood, of which each row still lists some outside. It would have
    an eigenvector of eigenvalue 0 to itself, as a cluster has.

    Parameters
    ----------
    neighbors, squared, weights : tensors of shape (b, k)

    Returns
    -------
    tensor of shape (b, k)
    """
    held = weights > VANISHED
    if bool(held.all()):
        return weights
    columns, lengths, kept = (x.cpu().numpy() for x in (neighbors, squared, held))
    rows, places = bridges(columns, lengths, kept)
    weights = weights.clone()
    weights[rows, places] = 1.0
    return weights


def bridges(neighbors, squared, held, n_rows=None):
    """Rows of islands, and which of their edges leads to the nearest row outside.

    Parameters
    ----------
    neighbors, squared, held : ndarrays of shape (b, k)
        Which of the edges have a weight that has not vanished.
    n_rows : int, default=None
        Rows that `neighbors` names; those from b on, whose own edges are not known, are
        in no island. None: b.

    Returns
    -------
    rows, places : ndarrays of int of shape (m,)
    """
    b, k = neighbors.shape
    n_rows = b if n_rows is None else n_rows
    offsets = np.append(0, np.cumsum(held.sum(axis=1)))
    offsets = np.append(offsets, np.full(n_rows - b, offsets[-1]))
    edges = np.ones(int(offsets[-1])), neighbors[held], offsets
    graph = sparse.csr_array(edges, shape=(n_rows, n_rows))
    part = connected_components(graph, directed=False)[1]
    sizes = np.bincount(part)
    island = sizes <= min(k, _ISLAND * sizes.max())
    island[part[b:]] = False
    rows = np.flatnonzero(island[part[:b]])
    outside = part[neighbors[rows]] != part[rows, None]
    lengths = np.where(outside, squared[rows], np.inf)
    return rows, lengths.argmin(axis=1)


def rbf_matrix(squared, gamma):
    r"""Gaussian affinity of all pairs, :math:`w_{ij} = \exp(-\gamma d_{ij}^2)`.

    Parameters
    ----------
    squared : tensor of shape (b, b)
        *Squared* distances with an infinite diagonal.
    gamma : float
        In units of one over a squared distance.

    Returns
    -------
    tensor of shape (b, b), with a zero diagonal
    """
    return torch.exp(-gamma * squared)


def median_gamma(points, n_neighbors):
    r"""One global Gaussian scale from the data: :math:`\gamma = 1 / \sigma^2`.

    :math:`\sigma` is the median over the batch of the distance (not squared) to the
    k-th neighbour. Where it is 0, because most rows have k copies, it is the median
    over the other rows, and 1 where there are none. Rows that differ by rounding only
    are copies.

    Parameters
    ----------
    points : tensor of shape (b, d)
    n_neighbors : int

    Returns
    -------
    float
    """
    kth = nearest_in_batch(points, n_neighbors)[1].amax(dim=1)  # (b,), squared
    rounding = _COPY_ROUNDINGS * torch.finfo(points.dtype).eps
    return gamma_of_scales(kth, rounding**2 * points.square().sum(dim=1))


def gamma_of_scales(kth, rounding=0.0):
    """The same from *squared* distances to the k-th neighbours, (b,).

    Those not above `rounding` are of rows with k copies.
    """
    own = kth > rounding
    if not bool(kth.where(own, 0.0).median() > 0):
        kth = kth[own]
    return 1.0 / max(float(kth.median()), 1e-30) if len(kth) else 1.0


def batch_affinity(points, affinity, *, n_neighbors, gamma=None):
    """The graph of one batch.

    Parameters
    ----------
    points : tensor of shape (b, d)
    affinity : {"self_tuning", "nearest_neighbors", "rbf"} or callable
        A callable takes `points` and returns a (b, b) array or tensor of weights.
    n_neighbors : int
        Below b.
    gamma : float or None
        Of ``"rbf"``, in units of one over a squared distance; None takes
        :func:`median_gamma`.

    Returns
    -------
    SparseAffinity or DenseAffinity

    Raises
    ------
    ValueError, TypeError
        If a callable returns something else than a non-negative, finite matrix.
    """
    if callable(affinity):
        return dense_affinity(_checked_weights(affinity(points), points))
    if affinity == "rbf":
        squared = squared_distances(points)
        if gamma is None:
            gamma = median_gamma(points, n_neighbors)
        return dense_affinity(rbf_matrix(squared, gamma))
    neighbors, squared = nearest_in_batch(points, n_neighbors)
    if affinity == "self_tuning":
        return sparse_affinity(neighbors, self_tuning_weights(neighbors, squared))
    return sparse_affinity(neighbors, torch.ones_like(squared))


def _checked_weights(weights, points):
    """What a user's affinity returned, as a matrix like `points`, or a clear error."""
    b = len(points)
    kind = type(weights).__name__
    try:
        weights = torch.as_tensor(weights, device=points.device).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            "The affinity callable must return an array or tensor of weights; got "
            f"{kind}."
        ) from error
    if weights.is_complex():
        raise TypeError("The affinity callable must return real weights; got complex.")
    weights = weights.to(points.dtype)
    if weights.shape != (b, b):
        raise ValueError(
            f"The affinity callable returned shape {tuple(weights.shape)} for a batch "
            f"of {b} rows; expected ({b}, {b})."
        )
    if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
        raise ValueError(
            "The affinity callable returned weights that are negative, infinite or "
            "NaN; expected finite weights of at least 0."
        )
    return weights


def sparse_affinity(neighbors, weights):
    """Collect the edges of a batch into a :class:`SparseAffinity`.

    Parameters
    ----------
    neighbors : tensor of shape (b, k), int64
    weights : tensor of shape (b, k)
    """
    b, k = neighbors.shape
    offsets = np.arange(0, b * k + 1, k, dtype=np.int32)
    columns = neighbors.reshape(-1).to("cpu", torch.int32).numpy()
    values = weights.reshape(-1).to("cpu", torch.float64).numpy()
    one_way = sparse.csr_array((values, columns, offsets), shape=(b, b))
    return _from_matrix(0.5 * (one_way + one_way.T), weights.device)


def _from_matrix(matrix, device):
    """The edges of a symmetric CSR matrix as tensors on a device."""
    parts = matrix.indices, matrix.data, matrix.indptr, matrix.sum(axis=1)
    return SparseAffinity(*(torch.from_numpy(part).to(device) for part in parts))


def constrained_affinity(affinity, known, together, apart):
    """Weights 1 between rows known to belong together, 0 between those that do not.

    As labelled rows overwrite the affinity in the semi-supervised mode of the
    authors' first implementation of Shaham et al. (2018).

    Parameters
    ----------
    affinity : SparseAffinity or DenseAffinity of b rows
    known : tensor of int64 of shape (m,)
        Rows of the batch of which something is known.
    together, apart : tensor of bool of shape (m, m)
        Symmetric, with a false diagonal.

    Returns
    -------
    SparseAffinity or DenseAffinity
    """
    if not len(known):
        return affinity
    first, second = together.nonzero(as_tuple=True)
    if isinstance(affinity, DenseAffinity):
        matrix = affinity.matrix.clone()
        block = matrix[known[:, None], known].masked_fill(apart, 0.0)
        matrix[known[:, None], known] = block.masked_fill(together, 1.0)
        return dense_affinity(matrix)
    b = len(affinity.degrees)
    place = torch.full((b,), -1, dtype=torch.int64, device=known.device)
    place[known] = torch.arange(len(known), device=known.device)
    ends = torch.arange(b, device=known.device).repeat_interleave(
        affinity.offsets.diff()
    )
    at, to = place[ends], place[affinity.neighbors]
    kept = (at < 0) | (to < 0) | ~(together | apart)[at, to]
    rows = torch.cat([ends[kept], known[first]])
    columns = torch.cat([affinity.neighbors[kept], known[second]])
    ones = affinity.weights.new_ones(len(first))
    weights = torch.cat([affinity.weights[kept], ones])
    weights, rows, columns = (p.cpu().numpy() for p in (weights, rows, columns))
    matrix = sparse.coo_array((weights, (rows, columns)), shape=(b, b)).tocsr()
    return _from_matrix(matrix, known.device)


def repeated_affinity(affinity, multiplicities):
    r"""The graph of rows that stand for several equal ones.

    A sparse one is of neighbours, a dense one of all pairs: see
    :func:`~skspectralnet._graph.repeated_graph`.

    Parameters
    ----------
    affinity : SparseAffinity or DenseAffinity of b rows
    multiplicities : ndarray of shape (b,)

    Returns
    -------
    SparseAffinity or DenseAffinity
    """
    device = affinity.degrees.device
    if isinstance(affinity, DenseAffinity):
        m = torch.from_numpy(multiplicities).to(device, affinity.matrix.dtype)
        return dense_affinity(affinity.matrix * m[:, None] * m)
    parts = affinity.weights, affinity.neighbors, affinity.offsets
    b = len(multiplicities)
    matrix = sparse.csr_array(tuple(part.cpu().numpy() for part in parts), shape=(b, b))
    many = sparse.diags_array(multiplicities)
    return _from_matrix(sparse.csr_array(0.5 * (many @ matrix + matrix @ many)), device)


def dense_affinity(matrix):
    """Collect a full batch affinity: symmetrised, without self-loops."""
    matrix = 0.5 * (matrix + matrix.T)
    matrix.fill_diagonal_(0.0)
    return DenseAffinity(matrix=matrix, degrees=matrix.sum(dim=1))
