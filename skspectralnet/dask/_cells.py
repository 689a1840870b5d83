"""All rows, as the map sees them, in cells of rows that lie near each other."""

import math
from typing import NamedTuple

import numpy as np
from dask import delayed
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin

from skspectralnet._defaults import AUTO_WIDTH
from skspectralnet._distinct import distinct_rows
from skspectralnet._graph import nearest_neighbors
from skspectralnet._rows import Rows, rows_at_once, standardised
from skspectralnet.dask._cluster import SMALL, given_up_on_error, joined, run
from skspectralnet.dask._sample import rows_of_part, told_parts
from skspectralnet.dask._shards import seen, stacked

# Groups are places of k-means, found from so many rows of the sample for each.
_ROWS_PER_GROUP = 50
# Other cells whose rows may be neighbours of those of a cell, and steps by which the
# direction is found in which rows spread most.
_NEAR, _STEPS = 16, 3


class Nodes(NamedTuple):
    """Some rows behind the stages, each of another place."""

    points: object  # {ndarray, CSR} of shape (m, n_points), where distances are taken
    inputs: object  # what the network sees, (m, n_inputs); None: the points
    counts: np.ndarray  # (m,), how many rows of X each is


class Cells(NamedTuple):
    """All rows, divided by place."""

    nodes: list  # of Future, the Nodes of each cell
    sizes: np.ndarray  # (n_cells,)
    n_rows: int  # of X
    centers: object  # Future of an ndarray of shape (n_cells, n_points)
    near: np.ndarray  # (n_cells, n_near), the cells with the nearest centres

    @property
    def starts(self):
        """The number of the first node of each cell, and that of all nodes."""
        return np.append(0, np.cumsum(self.sizes))


def standard_of(points, recipe):
    """Points for distances, {ndarray, CSR array} of shape (m, n_points), float32."""
    return standardised(Rows(points, *recipe.points), AUTO_WIDTH)


def sizes_of_nodes(nodes):
    """Rows of different places, and all that they are."""
    return len(nodes.counts), int(nodes.counts.sum())


def cells_of_all(client, X, n_samples, begun, recipe, most):
    """All rows of X in cells of at most so many rows of different places.

    In two steps, so that there are tasks for each part and group, and not for each
    part and cell: rows go to the nearest of some places of a sample, and each group is
    then halved where its rows spread most, until its halves are small enough.

    Parameters
    ----------
    client : Client
    X : dask array or data frame of shape (n_samples, n_features)
    n_samples : int
    begun : Future
        Of the Taken of a sample.
    recipe : Recipe
    most : int

    Returns
    -------
    Cells
    """
    n_groups = max(1, round(math.sqrt(2 * n_samples / most)))
    task = delayed(recipe, traverse=False)
    places = client.submit(places_of, begun, n_groups, recipe.seed, pure=False)
    with given_up_on_error(client, places):
        n_groups = run(client, len, places)
        groups = client.compute(_group_tasks(X, places, task, n_groups, most))
    with given_up_on_error(client, *groups):
        found = client.gather(client.map(sizes_of_cells, groups, pure=False))
        which = [(i, j) for i, sizes in enumerate(found) for j in range(len(sizes))]
        sizes = np.array([size for each in found for size in each]).reshape(-1, 2)
        nodes = [client.submit(_cell, groups[i], j, pure=False) for i, j in which]
    with given_up_on_error(client, *nodes):
        means = [client.submit(mean_of, cell, recipe, pure=False) for cell in nodes]
        centers = client.submit(np.stack, means, pure=False)
        near = run(client, near_cells, centers)
    return Cells(nodes, sizes[:, 0], int(sizes[:, 1].sum()), centers, near)


def places_of(taken, n_groups, seed):
    """Places among the rows of a sample, (n_groups, n_points); fewer of few rows."""
    rows = taken.trial.told.points
    n_groups = min(n_groups, max(1, len(rows) // _ROWS_PER_GROUP))
    rng = np.random.RandomState(seed)
    some = np.sort(rng.permutation(len(rows))[: _ROWS_PER_GROUP * n_groups])
    points = standardised(Rows(rows.X[some], *rows.units), AUTO_WIDTH)
    kmeans = KMeans(n_groups, n_init=1, max_iter=20, random_state=rng)
    return kmeans.fit(points).cluster_centers_


def _group_tasks(X, places, recipe, n_groups, most):
    pieces = [
        delayed(pieces_of_groups, nout=n_groups)(part, place, recipe, places)
        for part, _, place in told_parts(X)
    ]
    return [
        delayed(cells_of_group)(
            joined([piece[i] for piece in pieces], SMALL, together, recipe),
            recipe,
            most,
        )
        for i in range(n_groups)
    ]


def pieces_of_groups(block, place, recipe, places):
    """The rows of a part, divided by the nearest of some places.

    Parameters
    ----------
    block : {ndarray, sparse matrix, DataFrame} of shape (n_rows, n_features)
    place : (part, start)
    recipe : Recipe
    places : ndarray of shape (n_groups, n_points)

    Returns
    -------
    tuple of Nodes or None, n_groups of them
        None: no rows.
    """
    rows, _ = rows_of_part(block, None, place[0], recipe.dtype)
    size, found = max(rows_at_once(rows), 1), [[] for _ in places]
    for start in range(0, rows.shape[0], size):
        shard, _ = seen(rows[start : start + size], recipe.stages)
        if not shard.points.shape[0]:
            continue
        points = standard_of(shard.points, recipe)
        group = pairwise_distances_argmin(points, places.astype(points.dtype))
        nodes = Nodes(shard.points, shard.inputs, np.ones(len(group)))
        for i in np.unique(group):
            found[i].append(_only(nodes, np.flatnonzero(group == i)))
    return tuple(together(pieces, recipe) for pieces in found)


def together(nodes, recipe):
    """The Nodes of several, each place once; None of none.

    Equal rows would fill the lists of each other, and are in the same group.
    """
    nodes = stacked(nodes)
    if nodes is None:
        return None
    first, inverse = distinct_rows(standard_of(nodes.points, recipe))
    if len(first) == len(inverse):
        return nodes
    counts = np.bincount(inverse, nodes.counts)
    return _only(nodes, first)._replace(counts=counts)


def cells_of_group(nodes, recipe, most):
    """The Nodes of each cell of a group."""
    if nodes is None:
        return []
    points = standard_of(nodes.points, recipe)
    return [_only(nodes, rows) for rows in _halves(points, most)]


def _only(nodes, rows):
    """Some Nodes, copied."""
    return Nodes(*(None if x is None else x[rows] for x in nodes))


def _halves(points, most):
    """Row numbers in parts of at most so many, cut at medians, near ones in a row."""
    found, waiting = [], [np.arange(points.shape[0])]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= most:
            found.append(np.sort(rows))
            continue
        order = rows[np.argsort(_along(points[rows]), kind="stable")]
        waiting += [order[len(rows) // 2 :], order[: len(rows) // 2]]
    return found


def _along(points):
    """Where points lie along about the direction in which they spread most, (m,).

    By power iteration from the point that is farthest from their mean.
    """
    mean = np.asarray(points.mean(axis=0)).ravel()
    squares = points.multiply(points) if sparse.issparse(points) else points * points
    lengths = np.asarray(squares.sum(axis=1)).ravel() - 2.0 * (points @ mean)
    farthest = points[[int(np.argmax(lengths))]]
    if sparse.issparse(farthest):
        farthest = farthest.toarray()
    direction = farthest[0] - mean
    for _ in range(_STEPS):
        along = points @ direction - mean @ direction
        direction = points.T @ along - mean * along.sum()
        direction /= max(np.linalg.norm(direction), np.finfo(np.float32).tiny)
    return points @ direction


def sizes_of_cells(cells):
    """The sizes of the Nodes in a list."""
    return [sizes_of_nodes(nodes) for nodes in cells]


def _cell(cells, j):
    return cells[j]


def mean_of(nodes, recipe):
    """The centre of a cell, (n_points,)."""
    points = standard_of(nodes.points, recipe)
    return np.asarray(points.mean(axis=0)).ravel()


def near_cells(centers):
    """The cells with the nearest centres to each, (n_cells, n_near), nearest first."""
    n_near = min(_NEAR, len(centers) - 1)
    if not n_near:
        return np.empty((len(centers), 0), dtype=np.int64)
    found = nearest_neighbors(centers, n_near, algorithm="exact", random_state=None)
    return found.indices
