"""What an error about rows or a graph leaves out: where, what came, what to do."""

import contextlib

import numpy as np
from scipy import sparse

# Rows whose cells are looked at together, and columns that are named in a message.
_BLOCK_ROWS, _MOST_NAMES = 8192, 5

_SHAPES = {"X": "(n_samples, n_features)", "graph": "(n_samples, n_samples)"}
_MATRIX = "an array, a data frame or a sparse matrix of shape {}"
_ENCODE = (
    "Expected numbers: encode these columns, by sklearn.preprocessing.OneHotEncoder in "
    "a sklearn.compose.ColumnTransformer, or leave them out; a date becomes a number "
    "of days."
)
_FILL = {
    "X": "Fill them, by sklearn.impute.SimpleImputer, or leave rows or columns out.",
    "graph": "Expected finite weights, 0 where there is no edge.",
}
_REPLACE = {
    "X": "Expected finite numbers: replace these, or leave the rows out.",
    "graph": "Expected finite weights; divide them by a constant where they overflow.",
}
# Words of errors about cells that are no numbers.
_CONVERSIONS = ("convert", "promoted", "float()", "numeric", "cast")
_TEXTS = (
    "Each row of X is a text: expected numbers, which "
    "sklearn.feature_extraction.text.TfidfVectorizer makes of texts."
)
_RESHAPE = (
    "Reshape your data: {0}.reshape(-1, 1) where it is a single column, "
    "{0}.reshape(1, -1) where it is a single row."
)


@contextlib.contextmanager
def explaining(name, value, first=0):
    """Around a check of scikit-learn: its errors say where the value is wrong.

    Parameters
    ----------
    name : {"X", "graph"}
    value : object
        What is checked.
    first : int, default=0
        Number of its first row.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        text = explained(str(error), name, value, first)
        if text is None:
            raise
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(text) from error


def explained(text, name, value, first=0):
    """A message that says more than a text of scikit-learn; None: it says enough.

    What that text is looked for by starts the new one.

    Parameters
    ----------
    text : str
    name : {"X", "graph"}
    value : object
    first : int, default=0
        Number of its first row.

    Returns
    -------
    str or None
    """
    expected = f"expected {_MATRIX.format(_SHAPES[name])}"
    if not _has_rows(value):
        kind = f"{name} is {_shown(value)}: {expected}."
        return f"{text.splitlines()[0]}. {kind}" if "float()" in text else kind
    n_dims = len(_shape(value))
    if "Complex data" in text:
        parts = f"{name}.real and {name}.imag"
        what = f"{name} is complex. Take one of {parts}"
        beside = ", or both beside each other, by numpy.hstack" if name == "X" else ""
        return f"Complex data not supported: {what}{beside}."
    if n_dims == 1 and "Expected 2D" in text:
        what = f"{name} has the shape {_shape(value)}, {expected}"
        how = f" {_RESHAPE.format(name)}" * (name == "X")
        return f"Expected 2D array, got 1D array instead: {what}.{how}"
    if n_dims > 2:
        flat = f" {name}.reshape(len({name}), -1) makes each a row." * (name == "X")
        return f"{text} {name} has the shape {_shape(value)}, {expected}.{flat}"
    if "inhomogeneous" in text or "sequence" in text:
        return f"{text} Rows of {name} have different lengths: {expected}."
    return _of_cells(text, name, value, first)


def _has_rows(value):
    """Whether it can be looked into row by row."""
    if isinstance(value, str | bytes | dict | set | frozenset):
        return False
    return sparse.issparse(value) or len(_shape(value)) > 0


def _shape(value):
    """The shape of a matrix, or of nested sequences as deep as they are alike."""
    if hasattr(value, "shape"):
        return tuple(value.shape)
    if not isinstance(value, list | tuple):
        return ()
    if len(value) and all(isinstance(row, list | tuple) for row in value):
        lengths = {len(row) for row in value}
        return (len(value), *lengths) if len(lengths) == 1 else (len(value), 0)
    return (len(value),)


def _shown(value):
    """A value where it is short, else its type."""
    if value is None or isinstance(value, str | bytes | int | float):
        return repr(value)
    return f"of the type {type(value).__name__}"


def _of_cells(text, name, value, first):
    """Which columns hold what numbers are not, or what is not finite; None: none do."""
    start = text.splitlines()[0]
    if "promoted" in text:  # a list of the types of all columns
        start = "The columns have no common type"
    if "contains NaN" in text:
        cells, to_do, test = "gaps", _FILL[name], _missing
    elif "contains infinity" in text:
        cells, to_do, test = "such values", _REPLACE[name], _infinite
    elif any(word in text for word in _CONVERSIONS):
        cells, to_do, test = "cells that are no numbers", _ENCODE, _no_numbers
    else:
        return None
    if test is _no_numbers and _shape(value)[1:] in ((), (1,)):
        some = np.asarray(value, dtype=object).ravel()[:1]
        if len(some) and isinstance(some[0], str):
            return f"{start}. {_TEXTS}"
    where = _place(value, test, first)
    return where and f"{start.rstrip('.')}: {name} has {cells} {where}. {to_do}"


def _place(value, test, first):
    """The columns with a cell that a test finds, and its row; None where none is."""
    rows, columns = [], []
    for start, block in _blocks(value):
        found, of = _found(block, test)
        rows.append(found + start)
        columns.append(np.unique(of))
    rows, columns = np.concatenate(rows), np.unique(np.concatenate(columns))
    if len(rows) == 0:
        return None
    names = getattr(value, "columns", None)
    shown = [str(i) if names is None else repr(names[i]) for i in columns[:_MOST_NAMES]]
    if len(columns) > _MOST_NAMES:
        shown.append(f"{len(columns) - _MOST_NAMES} more")
    kind = "column" if len(columns) == 1 else "columns"
    listed = " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
    return f"in the {kind} {listed}, first in row {first + rows.min()}"


def _blocks(value):
    """Some rows at a time, with the number of the first."""
    if sparse.issparse(value):
        return [(0, value)]
    rows = getattr(value, "iloc", value)  # slices of a frame may be of its labels
    starts = range(0, _shape(value)[0], _BLOCK_ROWS)
    return ((start, rows[start : start + _BLOCK_ROWS]) for start in starts)


def _found(block, test):
    """Row and column numbers of the cells of some rows that a test finds."""
    if not sparse.issparse(block):
        return np.nonzero(test(block))
    stored = block.tocoo()
    found = test(stored.data[:, None]).ravel()
    return stored.row[found], stored.col[found]


def _missing(block):
    """Which cells are NaN, None or pandas.NA."""
    if hasattr(block, "isna"):
        return np.asarray(block.isna())
    cells = _cells(block)
    return cells != cells if cells.dtype.kind != "O" else _each(cells, _is_missing)


def _infinite(block):
    """Which cells are infinite as float64."""
    with np.errstate(over="ignore"):
        return np.isinf(_cells(block).astype(np.float64))


def _no_numbers(block):
    """Which cells cannot be read as a number."""
    cells = _cells(block)
    if cells.dtype.kind not in "OSUMm":
        return np.zeros(cells.shape, dtype=bool)
    return _each(cells, _is_no_number)


def _cells(block):
    """Some rows as an array of two dimensions."""
    return np.atleast_2d(np.asarray(block))


def _each(cells, test):
    return np.vectorize(test, otypes=[bool])(cells.astype(object))


def _is_missing(cell):
    # The truth of pandas.NA is an error: whether it differs from itself is itself.
    return cell is None or not isinstance(cell != cell, bool | np.bool_) or cell != cell


def _is_no_number(cell):
    try:
        float(cell)
    except (TypeError, ValueError):
        return not _is_missing(cell)
    return False
