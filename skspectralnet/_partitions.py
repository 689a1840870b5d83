"""The same call on each block of a collection of dask, when that is computed."""

import copy
import functools

import numpy as np
from sklearn import get_config

# Of numbers: floats, whole ones of both kinds, and booleans.
_NUMBERS = "fiub"


def by_blocks(method):
    """Decorate a method that treats each row of X on its own.

    For an array or a data frame of dask it returns an array of dask: nothing is read
    before that is computed, and then one block at a time, wherever its block is.

    Raises
    ------
    ValueError, TypeError
        If the collection cannot be used, as far as can be told without reading it.
    """

    @functools.wraps(method)
    def called(self, X):
        if not is_dask(X):
            return method(self, X)
        check_collection(X)
        _check_output(self, method.__name__)
        # A fit, or partial_fit, puts a new state in the place of the old one.
        model = copy.copy(self)
        like = np.asarray(method(model, row_of_zeros(X)))[:0]
        return _later(model, method.__name__, X, like)

    return called


def is_dask(X):
    """Whether X is a collection of dask; dask is not imported for that."""
    return type(X).__module__.partition(".")[0] == "dask" and hasattr(
        X, "__dask_graph__"
    )


def is_frame(X):
    """Whether a collection of dask is a data frame."""
    # Of the type: an object of `delayed` has every attribute that is asked for.
    return hasattr(type(X), "columns") and hasattr(type(X), "map_partitions")


def check_collection(X):
    """Whether each block of a collection holds whole rows of numbers.

    Parameters
    ----------
    X : dask collection

    Raises
    ------
    ValueError, TypeError
        The message says what to do.
    """
    if is_frame(X):
        check_columns(X, "X")
        return
    if not hasattr(type(X), "map_blocks"):
        raise TypeError(
            f"X is a {type(X).__name__} of dask: an array or a data frame of it was "
            "expected."
        )
    if X.ndim != 2:
        raise ValueError(
            f"X has the shape {X.shape}: expected (n_samples, n_features). One column "
            "is X.reshape(-1, 1), one row X.reshape(1, -1)."
        )
    if X.dtype.kind not in _NUMBERS:
        raise ValueError(
            f"X has the dtype {X.dtype}: numbers were expected. Where they are, "
            "X.astype(float) says so."
        )
    if np.isnan(X.shape[1]):
        raise ValueError(
            f"X has the shape {X.shape}: its number of columns is not known. Have it "
            "counted by X.compute_chunk_sizes()."
        )
    if len(X.chunks[1]) > 1:
        raise ValueError(
            f"X has {len(X.chunks[1])} chunks along its columns: a block must hold "
            "whole rows. X.rechunk({1: -1}) puts them together."
        )


def check_columns(frame, name):
    """Whether all columns of a data frame, or of a part of one, hold numbers."""
    others = [
        f"{column!r} ({dtype})"
        for column, dtype in frame.dtypes.items()
        if getattr(dtype, "kind", "O") not in _NUMBERS
    ]
    if others:
        more = ", ..." if len(others) > 3 else ""
        raise ValueError(
            f"{name} has columns without numbers: {', '.join(others[:3])}{more}. Leave "
            "them out, or encode them."
        )


def row_of_zeros(X):
    """One row of zeros like those of a collection: an array or a data frame."""
    if is_frame(X):
        return X._meta.reindex([0], fill_value=0)
    return np.zeros((1, X.shape[1]), dtype=X.dtype)


def _check_output(model, method):
    wanted = getattr(model, "_sklearn_output_config", {}).get(method)
    wanted = wanted or get_config()["transform_output"]
    if method == "transform" and wanted != "default":
        raise ValueError(
            f"set_output(transform={wanted!r}) makes frames of rows in memory: of a "
            "collection of dask an array of dask is made. Take "
            "set_output(transform='default')."
        )


def _later(model, method, X, like):
    """An array of dask: the results for the blocks of X, one after the other."""
    import dask  # who has a collection has it

    # One task, on which the others depend: the model travels once to each worker, and
    # is there again after one was lost.
    model = dask.delayed(model, traverse=False)
    if is_frame(X):
        return X.map_partitions(_of_block, model, method, like, meta=like)
    columns = [(n,) for n in like.shape[1:]]
    return X.map_blocks(
        _of_block,
        model,
        method,
        like,
        chunks=(X.chunks[0], *columns),
        drop_axis=[] if columns else 1,
        meta=like,
    )


def _of_block(rows, model, method, like):
    if rows.shape[0] == 0:
        return like
    found = np.asarray(getattr(model, method)(rows))
    return found.astype(like.dtype, copy=False)
