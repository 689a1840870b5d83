"""The rows of each rank: a share of all rows, as the spectral map sees them."""

from typing import NamedTuple

import numpy as np
from dask import delayed
from scipy import sparse

from skspectralnet._rows import Units, rows_at_once
from skspectralnet._stages import Stages
from skspectralnet.dask._cluster import SMALL, given_up_on_error, joined
from skspectralnet.dask._sample import numbers_of, rows_of_part, told_parts


class Recipe(NamedTuple):
    """What a sample has settled, and ranks do not change."""

    params: object  # an estimator, whose parameters say how long and fast to train
    stages: Stages  # fitted
    inputs: Units  # of what the network sees
    points: Units  # of where distances are taken
    task: object  # BatchTask or GraphTask
    dtype: np.dtype  # that the rows are read as
    seed: int
    mlp: object = None  # the MLP that ranks begin with; None: of random weights


class Shard(NamedTuple):
    """Some rows behind the stages."""

    points: object  # {ndarray, CSR} of shape (m, n_points), where distances are taken
    inputs: object  # what the network sees, (m, n_inputs); None: the points
    labels: object  # ndarray of shape (m,), -1 where unknown; or None


def pieces_of(block, labels, place, recipe, n_ranks):
    """The rows of a part, divided among the ranks at random.

    Neighbours are looked for among the rows of one rank, so each must have rows from
    everywhere: with the parts of a sorted collection as they are there would be no edge
    between rows of different ranks. The rank of a row belongs to its number in X, as
    its place in a sample does.

    Parameters
    ----------
    block : {ndarray, sparse matrix, DataFrame} of shape (n_rows, n_features)
    labels : array-like of shape (n_rows,), or None
    place : (part, start)
        The number of the part, and the rows before it; None where that is not known.
    recipe : Recipe
    n_ranks : int

    Returns
    -------
    tuple of Shard or None, n_ranks of them
        None: no rows.
    """
    rows, labels = rows_of_part(block, labels, place[0], recipe.dtype)
    ranks = numbers_of(place, rows.shape[0], recipe.seed) % np.uint64(n_ranks)
    size = max(rows_at_once(rows), 1)
    found = []
    for start in range(0, rows.shape[0], size):
        some = slice(start, start + size)
        shard, kept = seen(rows[some], recipe.stages)
        if labels is not None:
            shard = shard._replace(labels=labels[some][kept])
        found.append((shard, ranks[some][kept]))
    return tuple(
        stacked([_only(shard, of_rows == rank) for shard, of_rows in found])
        for rank in range(n_ranks)
    )


def seen(rows, stages):
    """Rows behind the stages, without labels, and which of them have a part."""
    codes = stages.codes(rows)
    kept = stages.directed(codes)
    if kept is None:
        kept = slice(None)
    codes = codes[kept]
    if not codes.shape[0]:
        return Shard(codes, None, None), kept
    points = stages.points_of(codes)
    inputs = codes if stages.network_input == "code" else None
    return Shard(points, inputs, None), kept


def _only(shard, which):
    """The rows of a Shard in a mask, copied; None: there are none."""
    if not which.any():
        return None
    return Shard(*(None if x is None else x[which] for x in shard))


def stacked(shards):
    """One Shard, or tuple of another kind, of several in their order; None of none."""
    shards = [shard for shard in shards if shard is not None]
    if not shards:
        return None
    return type(shards[0])(*map(rows_together, zip(*shards, strict=True)))


def rows_together(arrays):
    """One array of several, dense or sparse; None of Nones."""
    if arrays[0] is None:
        return None
    if sparse.issparse(arrays[0]):
        return sparse.vstack(arrays, format="csr")
    return np.concatenate(arrays)


def rows_of(shard):
    """How many rows a Shard has."""
    return 0 if shard is None else shard.points.shape[0]


def divided(client, X, labels, recipe, most_ranks):
    """A Shard for each rank, as futures, where they were put together.

    There are as many ranks as are asked for, but fewer where they would have fewer rows
    than a batch.

    Parameters
    ----------
    client : Client
    X : dask array or data frame of shape (n_samples, n_features)
    labels : dask array or array-like of shape (n_samples,), or None
    recipe : Recipe
    most_ranks : int

    Returns
    -------
    list of Future
    """
    n_ranks, least = most_ranks, recipe.task.batch_size
    while True:
        shards = client.compute(_tasks(X, labels, recipe, n_ranks))
        with given_up_on_error(client, *shards):
            sizes = client.gather(client.map(rows_of, shards, pure=False))
        # Half a batch: the ranks of rows are drawn, so that some have a few less.
        if n_ranks == 1 or min(sizes) >= least / 2:
            return shards
        n_ranks = int(np.clip(sum(sizes) // least, 1, n_ranks - 1))


def _tasks(X, labels, recipe, n_ranks):
    task = delayed(recipe, traverse=False)
    pieces = [
        delayed(pieces_of, nout=n_ranks)(*of_part, task, n_ranks)
        for of_part in told_parts(X, labels)
    ]
    return [
        joined([piece[rank] for piece in pieces], SMALL, stacked)
        for rank in range(n_ranks)
    ]
