"""The nearest neighbours of all rows, by overlapping buckets, and their recall."""

from typing import NamedTuple

import numpy as np
from dask import delayed
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.random import sample_without_replacement

from skspectralnet._graph import nearest_neighbors, squared_lengths
from skspectralnet.dask._cells import Cells, cells_of_all, standard_of
from skspectralnet.dask._cluster import SMALL, given_up_on_error, joined, result_of
from skspectralnet.dask._shards import rows_together, stacked

# Rows of a bucket at most, which are all compared with each other, and in how many
# buckets each row is.
_BUCKET_ROWS, _BUCKETS = 20_000, 4
# Rows whose exact neighbours are looked for, to know the recall.
_RECALL_ROWS = 1000
# Of a neighbourhood of standardised points: no division by 0.
_LEAST_WIDTH = 1e-15
# Distances whose quotient is below this are equal.
_TIED = 1.0 + 1e-5


class Lists(NamedTuple):
    """The nearest other nodes that were found of some nodes."""

    numbers: np.ndarray  # (m, k) int64, of nodes; -1: none
    squared: np.ndarray  # (m, k) float64, *squared* distances; infinite: none


class Guests(NamedTuple):
    """Nodes of a cell that are in the bucket of another one, too."""

    places: np.ndarray  # (m,), in their cell
    points: object  # {ndarray, CSR array} of shape (m, n_points), standardised
    squared: np.ndarray  # (m,), from the centre of the other cell


class Asked(NamedTuple):
    """Nodes whose exact neighbours are looked for."""

    points: object  # {ndarray, CSR array} of shape (m, n_points), standardised
    numbers: np.ndarray  # (m,)
    found: np.ndarray  # (m, k), *squared* distances of the neighbours in their lists


class Neighborhoods(NamedTuple):
    """All rows and the nearest neighbours of each."""

    cells: Cells
    lists: list  # of Future, the Lists of each cell
    recall: float  # share of the exact neighbours of some rows
    width: float  # median distance of these rows to the last of their neighbours


def neighborhoods(client, X, n_samples, begun, recipe):
    """The nearest neighbours of all rows of X, which stay on the workers.

    Each cell has a bucket: its own rows, and as guests those of other cells whose
    centres are the next nearest ones to a row than its own. Rows of a bucket are
    compared with each other, and what is found of a row in several is merged: the way
    of the `all_neighbors` of cuVS (RAPIDS, https://docs.rapids.ai/api/cuvs). Two
    neighbours are found where they have any bucket in common.

    Parameters
    ----------
    client : Client
    X : dask array or data frame of shape (n_samples, n_features)
    n_samples : int
    begun : Future
        Of the Taken of a sample.
    recipe : Recipe

    Returns
    -------
    Neighborhoods
    """
    most = _BUCKET_ROWS // _BUCKETS
    cells = cells_of_all(client, X, n_samples, begun, recipe, most)
    with given_up_on_error(client, *cells.nodes):
        lists = client.compute(_list_tasks(cells, recipe))
        with given_up_on_error(client, *lists):
            recall, width = result_of(client, _recall_task(cells, lists, recipe))
    return Neighborhoods(cells, lists, recall, width)


def _list_tasks(cells, recipe):
    recipe_task = delayed(recipe, traverse=False)
    n_cells, starts = len(cells.nodes), cells.starts
    visits = [[] for _ in range(n_cells)]  # of each cell: those in its bucket
    for cell, near in enumerate(cells.near.tolist()):
        guests = delayed(guests_of, nout=len(near))(
            cells.nodes[cell], recipe_task, cells.centers, near
        )
        for other, some in zip(near, guests, strict=True):
            visits[other].append((cell, some))
    own, elsewhere = [], [[] for _ in range(n_cells)]  # of each: its lists in buckets
    for cell, visitors in enumerate(visits):
        hosted = [(int(starts[other]), some) for other, some in visitors]
        limits = recipe.task.n_neighbors, _BUCKET_ROWS
        mine, *others = delayed(found_in_bucket, nout=1 + len(hosted))(
            cells.nodes[cell], recipe_task, int(starts[cell]), hosted, limits
        )
        own.append(mine)
        for (other, _), lists in zip(visitors, others, strict=True):
            elsewhere[other].append(lists)
    return [delayed(merged)(*each) for each in zip(own, elsewhere, strict=True)]


def guests_of(nodes, recipe, centers, near):
    """The nodes of a cell that are in the buckets of others: Guests of each.

    Parameters
    ----------
    nodes : Nodes
    recipe : Recipe
    centers : ndarray of shape (n_cells, n_points)
    near : list of int
        The cells that may have guests of this one.
    """
    points = standard_of(nodes.points, recipe)
    squared = euclidean_distances(points, centers[near], squared=True)
    n_chosen = min(_BUCKETS - 1, len(near))
    order = np.argsort(squared, axis=1, kind="stable")[:, :n_chosen]
    chosen = np.zeros(squared.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    places = [np.flatnonzero(of_cell) for of_cell in chosen.T]
    return tuple(Guests(p, points[p], squared[p, j]) for j, p in enumerate(places))


def found_in_bucket(nodes, recipe, start, visitors, limits):
    """What the bucket of a cell says of the nodes in it.

    Parameters
    ----------
    nodes : Nodes
        Of the cell.
    recipe : Recipe
    start : int
        The number of the first of them.
    visitors : list of (int, Guests)
        From other cells, with the number of the first node of each.
    limits : (n_neighbors, n_rows)
        Of a list, and of the bucket: the farthest guests are left out.

    Returns
    -------
    tuple of (places, Lists)
        Of the cell, then of each visitor: which of its nodes, and their lists.
    """
    n_neighbors, most = limits
    own = standard_of(nodes.points, recipe)
    visitors = _nearest_guests(visitors, most - own.shape[0])
    places = [np.arange(own.shape[0]), *(guests.places for _, guests in visitors)]
    starts = [start, *(first for first, _ in visitors)]
    numbers = np.concatenate([p + s for p, s in zip(places, starts, strict=True)])
    points = [own, *(guests.points for _, guests in visitors)]
    points = rows_together(points)
    lists = _lists(points, numbers, n_neighbors)
    bounds = np.cumsum([0, *map(len, places)])
    return tuple(
        (p, Lists(*(x[a:b] for x in lists)))
        for p, a, b in zip(places, bounds[:-1], bounds[1:], strict=True)
    )


def _nearest_guests(visitors, most):
    """At most so many Guests, those nearest to the centre."""
    squared = np.concatenate([[], *(guests.squared for _, guests in visitors)])
    if len(squared) <= most:
        return visitors
    kept = np.zeros(len(squared), dtype=bool)
    kept[np.argsort(squared, kind="stable")[:most]] = True
    found, first = [], 0
    for start, guests in visitors:
        some = np.flatnonzero(kept[first : first + len(guests.places)])
        found.append((start, Guests(*(x[some] for x in guests))))
        first += len(guests.places)
    return found


def _lists(points, numbers, n_neighbors):
    """The exact Lists of some nodes among each other."""
    shape = len(numbers), n_neighbors
    lists = Lists(np.full(shape, -1), np.full(shape, np.inf))
    n_found = min(n_neighbors, len(numbers) - 1)
    if n_found:
        exact = {"algorithm": "exact", "random_state": None}
        found = nearest_neighbors(points, n_found, **exact).indices
        lists.numbers[:, :n_found] = numbers[found]
        lists.squared[:, :n_found] = squared_lengths(points, found)
    return lists


def merged(own, elsewhere):
    """The Lists of a cell from those of the buckets in which its nodes are.

    Parameters
    ----------
    own : (places, Lists)
        Of all nodes, in the bucket of the cell.
    elsewhere : list of (places, Lists)
        Of those that are guests, in other buckets.
    """
    numbers, squared = (x.copy() for x in own[1])
    for places, lists in elsewhere:
        both = np.hstack([numbers[places], lists.numbers])
        lengths = np.hstack([squared[places], lists.squared])
        numbers[places], squared[places] = _shortest(both, lengths, numbers.shape[1])
    return Lists(numbers, squared)


def _shortest(numbers, squared, k):
    """The k nearest of some nodes, each once: numbers and *squared* distances."""
    order = np.argsort(numbers, axis=1, kind="stable")
    numbers, squared = (np.take_along_axis(x, order, 1) for x in (numbers, squared))
    again = numbers[:, 1:] == numbers[:, :-1]
    squared[:, 1:][again], numbers[:, 1:][again] = np.inf, -1
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return tuple(np.take_along_axis(x, order, 1) for x in (numbers, squared))


# --- recall


def _recall_task(cells, lists, recipe):
    """A task of the recall, and of the median distance to the last neighbour."""
    task, starts = delayed(recipe, traverse=False), cells.starts
    rng, n_nodes = np.random.RandomState(recipe.seed), int(starts[-1])
    n_asked = min(_RECALL_ROWS, n_nodes)
    drawn = np.sort(sample_without_replacement(n_nodes, n_asked, random_state=rng))
    each = np.split(drawn, np.searchsorted(drawn, starts[1:-1]))
    asked = [
        delayed(asked_of)(nodes, of_cell, task, int(start), numbers)
        for nodes, of_cell, start, numbers in zip(
            cells.nodes, lists, starts[:-1], each, strict=True
        )
        if len(numbers)
    ]
    asked = joined(asked, SMALL, stacked)
    exact = [
        delayed(exact_of)(nodes, asked, task, int(start))
        for nodes, start in zip(cells.nodes, starts[:-1], strict=True)
    ]
    return delayed(recall_of)(asked, joined(exact, SMALL, nearest_of))


def asked_of(nodes, lists, recipe, start, numbers):
    """Some nodes of a cell, by their numbers, as Asked."""
    places = numbers - start
    points = standard_of(nodes.points[places], recipe)
    return Asked(points, numbers, lists.squared[places])


def exact_of(nodes, asked, recipe, start):
    """The nearest nodes of one cell to those asked for.

    Returns
    -------
    ndarray of shape (m, k), float64
        *Squared* distances, ascending; infinite where the cell has fewer nodes.
    """
    points = standard_of(nodes.points, recipe)
    m, k = asked.found.shape
    n_found = min(k + 1, points.shape[0])  # itself may be among them
    finder = NearestNeighbors(n_neighbors=n_found).fit(points)
    near = finder.kneighbors(asked.points, return_distance=False)
    squared = np.full((m, k + 1), np.inf)
    for j in range(n_found):
        difference = points[near[:, j]] - asked.points
        if sparse.issparse(difference):
            difference = difference.toarray()
        squared[:, j] = np.sum(difference.astype(np.float64) ** 2, axis=1)
    squared[:, :n_found][near + start == asked.numbers[:, None]] = np.inf
    return np.sort(squared, axis=1)[:, :k]


def nearest_of(exact):
    """The same of several cells together."""
    return np.sort(np.hstack(exact), axis=1)[:, : exact[0].shape[1]]


def recall_of(asked, exact):
    """The share of exact neighbours found, and the median distance to the last one."""
    last = exact[:, -1]
    found = asked.found <= _TIED**2 * last[:, None]
    usual = np.quantile(last, 0.5, method="lower")  # as torch takes a median
    width = max(float(np.sqrt(usual)), _LEAST_WIDTH)
    return float(found.mean()), width
