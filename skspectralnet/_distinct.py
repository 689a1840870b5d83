"""Which rows are equal, whether dense or sparse."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

# Entries that are compared at once.
_HASHED_ENTRIES = 2**20
# Columns of dense rows that are compared first.
_FIRST_HASHED = 64


class Distinct(NamedTuple):
    """The first rows of each kind, and which of them each row equals."""

    first: np.ndarray  # (n_distinct,), ascending
    inverse: np.ndarray  # (n_samples,): row i equals row first[inverse[i]]

    def multiplicities(self, of_rows=None):
        """How often each distinct row occurs.

        Parameters
        ----------
        of_rows : ndarray of shape (n_samples,), default=None
            How many rows each row itself stands for; None: each for as many.

        Returns
        -------
        ndarray of shape (n_distinct,), float64, of mean 1, or None
            None where each occurs as often.
        """
        counts = np.bincount(self.inverse, of_rows)
        return None if np.all(counts == counts[0]) else counts / counts.mean()


def distinct_rows(X, kinds=None):
    """Which rows are the first of their kind, and which of them each row equals.

    Rows are compared by two sums of 64 scrambled bits of each entry, times random odd
    numbers of its column: equal rows have equal ones, whether dense or sparse, and
    different rows have them with a probability of about 2^-128. Of wide dense rows some
    columns are summed first, and the others of rows that are equal in these.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)
    kinds : ndarray of int of shape (n_samples,), default=None
        Rows of different kinds are told apart.

    Returns
    -------
    Distinct
    """
    _, sums = _both_sums(X)
    if kinds is not None:
        sums += _scrambled(np.asarray(kinds, dtype=np.float64) + 1.0)[:, None]
    pairs = sums.view([("one", np.uint64), ("other", np.uint64)]).ravel()
    _, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as in X, not by their sums
    return Distinct(first[order], np.argsort(order)[inverse.ravel()])


def order_by_value(X):
    """Rows in an order that depends on their entries alone, equal ones side by side.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (n_samples, n_features)

    Returns
    -------
    ndarray of int of shape (n_samples,)
    """
    begin, sums = _both_sums(X)
    return np.lexsort((sums[:, 0], begin))


def _both_sums(X):
    """The sums of the first columns that are compared, (n_samples,), and all of them.

    (n_samples, 2); those of rows that differ in the first columns are of these alone.
    """
    rng = np.random.RandomState(0)  # of the multipliers: any odd numbers will do
    odd = rng.randint(2**63, size=(X.shape[1], 2), dtype=np.uint64) * np.uint64(2) + 1
    some, every = rng.permutation(X.shape[1])[:_FIRST_HASHED], np.arange(X.shape[0])
    if sparse.issparse(X) or len(some) == X.shape[1]:
        sums = _sums(X, odd, every)
        return sums[:, 0].copy(), sums
    sums = _sums(X, odd, every, some)
    begin = sums[:, 0].copy()
    _, kind, sizes = np.unique(begin, return_inverse=True, return_counts=True)
    tied = np.flatnonzero(sizes[kind] > 1)
    sums[tied] += _sums(X, odd, tied)
    return begin, sums


def _sums(X, odd, rows, columns=None):
    """The `_row_sums` of some rows, in some columns or all, read in blocks."""
    odd = odd if columns is None else odd[columns]
    sums = np.empty((len(rows), 2), dtype=np.uint64)
    size = max(1, _HASHED_ENTRIES // len(odd))
    for start in range(0, len(rows), size):
        read = X[rows[start : start + size]]
        read = read if columns is None else read[:, columns]
        sums[start : start + size] = _row_sums(read, odd)
    return sums


def _row_sums(X, odd):
    """Sums over each row of its scrambled entries times the numbers of their columns.

    Parameters
    ----------
    X : {ndarray, CSR array} of shape (b, n_features)
    odd : ndarray of uint64 of shape (n_features, 2)

    Returns
    -------
    ndarray of uint64 of shape (b, 2)
    """
    if not sparse.issparse(X):
        bits = _scrambled(X)
        return np.stack([(bits * odd[:, i]).sum(axis=1) for i in (0, 1)], axis=1)
    bits = _scrambled(X.data)
    sums = np.zeros((X.shape[0], 2), dtype=np.uint64)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    for i in (0, 1):
        np.add.at(sums[:, i], rows, bits * odd[X.indices, i])
    return sums


def _scrambled(values):
    """64 bits for each number that depend on all of its bits; 0 for 0."""
    bits = (values.astype(np.float64) + 0.0).view(np.uint64)  # no -0.0
    for shift, factor in ((32, 0x9E3779B97F4A7C15), (29, 0xBF58476D1CE4E5B9)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return bits ^ (bits >> np.uint64(32))
