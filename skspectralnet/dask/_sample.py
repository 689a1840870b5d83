"""A uniform sample of all rows, drawn where they are in one pass over them."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from dask import delayed
from numpy.random import Philox
from scipy import sparse

from skspectralnet._constraints import checked_labels
from skspectralnet._input import checked_rows
from skspectralnet._partitions import check_columns, is_dask, is_frame, row_of_zeros
from skspectralnet._rows import rows_that_differ_from_zero
from skspectralnet.dask._cluster import (
    LARGE,
    SMALL,
    given_up_on_error,
    joined,
    lengths_of,
    parts_of,
    result_of,
)

# Numbers that Philox makes at once, and one above the largest of them.
_AT_ONCE, _LARGEST = 4, 2**64
# Standard deviations, and rows, by which more are kept than are expected to be wanted:
# too few of them are found once in 10^9 samples, and then all are looked at again.
_DEVIATIONS, _ROWS_MORE = 6.0, 20
_PART = "Part {} of X (of 0, 1, ...)"
# Which rows come first.
_LABELLED, _OTHER, _WITHOUT_DIRECTION = 0, 1, 2


@dataclass(frozen=True)
class Wanted:
    """Which rows are asked for."""

    size: int
    seed: int  # below 2^63
    dtype: np.dtype
    directed: bool  # rows of zeros come last
    below: int = _LARGEST  # larger numbers are surely not among the smallest


class Kept(NamedTuple):
    """The rows of some parts that may be in the sample, in any order."""

    ranks: np.ndarray  # (m,), uint8: _LABELLED and so on
    numbers: np.ndarray  # (m,), uint64, drawn
    places: np.ndarray  # (m, 2), the part and the place in it
    rows: object  # {ndarray, CSR} of shape (m, n_features)
    labels: np.ndarray | None  # (m,), -1 where unknown
    n_seen: int  # rows of these parts


def random_numbers(seed, stream, start, size):
    """Entries `start` to `start + size` of an endless list of random numbers.

    By a generator that has no state but its place (J. Salmon, M. Moraes, R. Dror,
    D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the number of a
    row does not depend on which rows are asked for with it.

    Returns
    -------
    ndarray of shape (size,), uint64
    """
    skipped = start % _AT_ONCE
    generator = Philox(key=np.array([seed, stream], dtype=np.uint64))
    generator.advance(start // _AT_ONCE)
    return generator.random_raw(size + skipped)[skipped:]


def kept_of(block, labels, place, wanted):
    """The rows of a part that have the smallest numbers, those with labels first.

    Parameters
    ----------
    block : {ndarray, sparse matrix, DataFrame} of shape (n_rows, n_features)
    labels : array-like of shape (n_rows,), or None
    place : (part, start)
        The number of the part, and the rows before it; None where that is not known.
    wanted : Wanted
    """
    part, _ = place
    rows, labels = rows_of_part(block, labels, part, wanted.dtype)
    n_rows = rows.shape[0]
    numbers = numbers_of(place, n_rows, wanted.seed)
    ranks = np.full(n_rows, _OTHER, dtype=np.uint8)
    if labels is not None:
        ranks[labels >= 0] = _LABELLED
    if wanted.directed and n_rows:
        empty = np.ones(n_rows, dtype=bool)
        empty[rows_that_differ_from_zero(rows)] = False
        ranks[empty] = _WITHOUT_DIRECTION
    places = np.column_stack([np.full(n_rows, part), np.arange(n_rows)])
    found = Kept(ranks, numbers, places, rows, labels, n_rows)
    if wanted.below < _LARGEST:
        near = (ranks == _OTHER) & (numbers < np.uint64(wanted.below))
        found = _taken(found, np.flatnonzero(near | (ranks == _LABELLED)))
    return _smallest(found, wanted.size)


def rows_of_part(block, labels, part, dtype):
    """The rows of a part in the type of all, and its labels or None, both checked."""
    rows = _of_type(checked_part(block, part), part, dtype)
    if labels is not None:
        labels = _named(part, checked_labels, labels, rows.shape[0])
    return rows, labels


def numbers_of(place, n_rows, seed):
    """The random numbers of the rows of a part: each row has its own in X.

    Where it is not known how many rows are before the part, one of its place in it.
    """
    part, start = place
    if start is None:
        return random_numbers(seed, part + 1, 0, n_rows)
    return random_numbers(seed, 0, start, n_rows)


def _named(part, check, *args):
    """A check of a part, whose error says which it was."""
    try:
        return check(*args)
    except ValueError as error:
        raise ValueError(f"{_PART.format(part)}: {error}") from error


def checked_part(block, part):
    """The rows of a part, numbers that are finite.

    Parameters
    ----------
    block : {ndarray, sparse matrix, DataFrame} of shape (n_rows, n_features)
    part : int
        Its number, for errors.
    """
    if hasattr(block, "columns"):
        check_columns(block, _PART.format(part))
    elif block.dtype.kind == "O":
        raise ValueError(
            f"{_PART.format(part)} holds objects: numbers were expected, as X says of "
            "all its parts."
        )
    return _named(part, checked_rows, block)


def _of_type(rows, part, dtype):
    """Rows of a part in the type of all."""
    if not np.can_cast(rows.dtype, dtype, "same_kind"):
        raise ValueError(
            f"{_PART.format(part)} has the type {rows.dtype}, but {dtype} was expected,"
            " as X says of all its parts. X.astype(...) makes them one."
        )
    return rows.astype(dtype, copy=False)


def _taken(kept, which):
    labels = None if kept.labels is None else kept.labels[which]
    arrays = (kept.ranks[which], kept.numbers[which], kept.places[which])
    # A copy: a view would keep the whole part in memory.
    return Kept(*arrays, kept.rows[which], labels, kept.n_seen)


def _smallest(kept, size):
    if len(kept.numbers) <= size:
        return kept
    return _taken(kept, np.lexsort((kept.numbers, kept.ranks))[:size])


def _joined(parts, size):
    """The smallest of several."""
    filled = [part for part in parts if len(part.numbers)] or parts[:1]
    stack = sparse.vstack if sparse.issparse(filled[0].rows) else np.concatenate
    labels = [part.labels for part in filled]
    together = Kept(
        *(np.concatenate([part[i] for part in filled]) for i in range(3)),
        stack([part.rows for part in filled]),
        None if labels[0] is None else np.concatenate(labels),
        sum(part.n_seen for part in parts),
    )
    return _smallest(together, size)


def _in_order(kept):
    """In the order of the rows of X, sparse ones as CSR."""
    order = np.lexsort(kept.places.T[::-1])
    if sparse.issparse(kept.rows):
        kept = kept._replace(rows=kept.rows.tocsr())
    return _taken(kept, order)


def sizes_of(kept):
    """Rows of a sample, and of all from which it was drawn."""
    return len(kept.numbers), kept.n_seen


def drawn(client, X, wanted, labels=None):
    """A uniform sample of the rows of X: the future of a Kept, in the order of X.

    Each row has a random number, and those with the smallest are taken. Where the
    lengths of the parts are known it is the number of the row, so the sample is the
    same however X is divided; where they are not, that of its place in its part.

    Parameters
    ----------
    client : Client
    X : dask array or data frame of shape (n_samples, n_features)
    wanted : Wanted
    labels : dask array or array-like of shape (n_samples,), default=None

    Returns
    -------
    future : Future
        Of a Kept. It is where it was joined: on one worker.
    n_samples : int
        All rows.
    """
    lengths = lengths_of(X)
    attempts = [wanted]
    if lengths is not None and (n_samples := sum(lengths)) > wanted.size:
        expected = wanted.size + _DEVIATIONS * math.sqrt(wanted.size) + _ROWS_MORE
        below = min(_LARGEST, int(_LARGEST * (expected / n_samples)))
        attempts.insert(0, replace(wanted, below=below))
    for attempt in attempts:
        future = client.compute(_task(X, attempt, labels))
        with given_up_on_error(client, future):
            found, n_samples = result_of(client, delayed(sizes_of)(future))
        if found == wanted.size:
            break
    return future, n_samples


def _task(X, wanted, labels):
    kept = [delayed(kept_of)(*of_part, wanted) for of_part in told_parts(X, labels)]
    # Where it is not known beforehand which numbers are small, and of labelled rows,
    # each part may send as many rows as the sample has.
    few = wanted.below < _LARGEST and labels is None
    n_at_once = SMALL if few else LARGE
    return delayed(_in_order)(joined(kept, n_at_once, _joined, wanted.size))


def told_parts(X, labels=None):
    """What the tasks of the parts of X are told: the part, its labels, its place.

    Returns
    -------
    list of (part, labels, (i, start))
        Labels, which may be None; the number of the part, and the rows before it or
        None where that is not known.
    """
    lengths, parts = lengths_of(X), parts_of(X)
    starts = [None] * len(parts)
    if lengths is not None:
        starts = np.cumsum([0, *lengths[:-1]]).tolist()
    known = [None] * len(parts) if labels is None else label_parts(X, labels)
    return list(zip(parts, known, enumerate(starts), strict=True))


def label_parts(X, labels):
    """Partial labels in parts like those of X.

    Raises
    ------
    ValueError
        If they cannot be brought in line with the rows.
    """
    lengths, n_parts = lengths_of(X), len(parts_of(X))
    if not is_dask(labels):
        if lengths is None:
            raise ValueError(
                "partial_labels must be a collection of dask in the parts of X, whose "
                f"lengths are not known; got a {type(labels).__name__}."
            )
        labels = checked_labels(labels, sum(lengths))
        return np.split(labels, np.cumsum(lengths)[:-1])
    if not is_frame(labels) and hasattr(labels, "chunks") and lengths is not None:
        if not np.isnan(labels.shape[0]) and labels.shape != (sum(lengths),):
            raise ValueError(
                f"partial_labels has the shape {labels.shape}: expected "
                f"({sum(lengths)},), one for each row of X."
            )
        if not np.isnan(labels.shape[0]):
            labels = labels.rechunk((lengths,))
    parts = labels.to_delayed()
    parts = list(parts.ravel()) if hasattr(parts, "ravel") else list(parts)
    if len(parts) != n_parts:
        raise ValueError(
            f"partial_labels has {len(parts)} parts for {n_parts} of X, whose lengths "
            "are not known: expected the same parts."
        )
    return parts


def type_of(X):
    """The type that rows of a collection are read as."""
    return checked_rows(row_of_zeros(X)).dtype
