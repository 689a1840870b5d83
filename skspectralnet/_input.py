"""Rows that a user gives: checked, with errors that say where they are wrong."""

import warnings
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from skspectralnet._explained import explaining
from skspectralnet._rows import DTYPES, StoredRows, canonical, row_blocks


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
        warnings.warn(
            f"X has the shape {X.shape} and is symmetric, as a matrix of affinities or "
            "distances between rows is: its rows are taken for features. Affinities "
            "are passed beside the rows, fit(X, graph=A).",
            UserWarning,
            stacklevel=2,
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
