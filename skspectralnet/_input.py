"""Rows that a user gives: checked, with errors that say where they are wrong."""

import math
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from skspectralnet._distinct import distinct_rows, order_by_value
from skspectralnet._explained import explaining
from skspectralnet._rows import (
    DTYPES,
    StoredRows,
    canonical,
    in_memory,
    row_blocks,
    rows_that_differ_from_zero,
)
from skspectralnet._tasks import warn


def validate_rows(estimator, X, *, reset):
    """Check X as scikit-learn does and return it as an array or a CSR matrix.

    Sets (`reset=True`) or compares the number and the names of the features. Rows in a
    file (h5py, zarr) or a graph of tasks (dask) are read once, a block at a time, and
    returned as :class:`StoredRows`.
    """
    least = 2 if reset else 1
    if _is_stored(X):
        return _validate_stored(estimator, X, least, reset)
    with explaining("X", X):
        X = validate_data(
            estimator,
            X,
            accept_sparse="csr",
            dtype=list(DTYPES),
            ensure_min_samples=least,
            reset=reset,
        )
    return canonical(X) if sparse.issparse(X) else X


def checked_rows(X):
    """Some rows of many, checked: numbers that are finite. There may be none.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)

    Returns
    -------
    {ndarray, CSR matrix} of shape (n_samples, n_features)
    """
    with explaining("X", X):
        X = check_array(
            X,
            accept_sparse="csr",
            dtype=list(DTYPES),
            ensure_min_samples=0,
            input_name="X",
        )
    return canonical(X) if sparse.issparse(X) else X


def checked_weights(sample_weight, n_samples):
    """The weights of rows, checked.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    n_samples : int
        Rows of X.

    Returns
    -------
    ndarray of shape (n_samples,), float64, or None
        Those above 0 have the mean 1. None where all are the same: no row weighs more
        than another.

    Raises
    ------
    ValueError, TypeError
        If they cannot be used.
    """
    if sample_weight is None:
        return None
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has the shape {weights.shape}, but X has {n_samples} rows: "
            f"expected ({n_samples},), a weight for each."
        )
    least = float(weights.min())
    if least < 0.0:
        raise ValueError(
            f"sample_weight has the weight {least:.3g}: expected at least 0, where 0 "
            "leaves a row out of the fit."
        )
    n_told = np.count_nonzero(weights)
    if n_told < 2:
        raise ValueError(
            f"sample_weight is zero but for {n_told} of {n_samples} rows: expected at "
            "least 2 rows with a weight above 0."
        )
    if np.all(weights == weights[0]):
        return None
    weights = weights / weights.max()  # whose sum may be no number
    return weights / (math.fsum(weights) / n_told)  # the same in any order


def of_weights(weights, rows):
    """The weights of some rows, or None; all rows where these are None."""
    return weights if weights is None or rows is None else weights[rows]


def by_value(X, rows, weights, *, directions=False):
    """Rows to learn from, in an order of their values where not all count alike.

    So neither the order of weighed rows nor that of rows and their copies has a part
    in a fit, and a row with the weight 2 is learned as two that are equal.

    Parameters
    ----------
    X : validated rows, (n_samples, n_features)
    rows : ndarray of int or None
        Numbers of those to learn from; None: all.
    weights : ndarray of shape (n_samples,) or None
    directions : bool, default=False
        Whether rows of zeros have no part in the fit, however many they are.

    Returns
    -------
    rows : ndarray of int, or None where they are all rows in the order of X
    learned : {ndarray, CSR array}
        Those rows.
    """
    learned = in_memory(X, rows)
    counted = rows_that_differ_from_zero(learned) if directions else None
    masses = of_weights(of_weights(weights, rows), counted)
    kinds = distinct_rows(learned if counted is None else learned[counted])
    if not len(kinds.first) or kinds.multiplicities(masses) is None:
        return rows, learned
    order = order_by_value(learned)
    return order if rows is None else rows[order], learned[order]


def warn_of_square(X):
    """Warn where validated rows look like affinities or distances between rows.

    A square matrix that is its own transpose, with more than a diagonal or a constant.
    """
    n_samples = X.shape[0]
    if X.shape != (n_samples, n_samples) or isinstance(X, StoredRows) or n_samples < 3:
        return
    differ = (X != X.T).nnz if sparse.issparse(X) else np.any(X != X.T)
    entries = X.nnz if sparse.issparse(X) else np.count_nonzero(X)
    on_diagonal = np.count_nonzero(X.diagonal())
    if not differ and entries > on_diagonal and X.min() < X.max():
        warn(
            f"X has the shape {X.shape} and is symmetric, as a matrix of affinities or "
            "distances between rows is: its rows are taken for features. Affinities "
            "are passed beside the rows, fit(X, graph=A).",
            UserWarning,
        )


def _is_stored(X):
    """Whether X has rows and a numpy type, but is no array in memory."""
    return (
        not isinstance(X, np.ndarray | np.generic)
        and not sparse.issparse(X)
        and isinstance(getattr(X, "dtype", None), np.dtype)
        and len(getattr(X, "shape", ())) == 2
        and hasattr(X, "__getitem__")
    )


def _validate_stored(estimator, X, least, reset):
    """The same checks on the shape, and on each block of rows."""
    if not all(isinstance(n, Integral) for n in X.shape):
        raise ValueError(
            f"X has the shape {tuple(X.shape)}: its number of rows is not known. Have "
            "it counted first; an array of dask does that by X.compute_chunk_sizes()."
        )
    if X.shape[0] < least or X.shape[1] < 1:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) "
            f"(shape={X.shape}) while a minimum of {least} and 1 is required by "
            f"{type(estimator).__name__}."
        )
    rows = StoredRows(X, X.dtype if X.dtype in DTYPES else np.float64)
    validate_data(estimator, rows, reset=reset, skip_check_array=True)
    for block in row_blocks(rows.shape):
        read = rows[block]
        with explaining("X", read, first=block.start):
            check_array(
                read,
                accept_sparse="csr",
                dtype=None,
                input_name="X",
                estimator=estimator,
            )
    return rows
