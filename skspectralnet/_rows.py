"""Anything with rows by index, read as dense float blocks; its scale."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

# Small integers (images, counts) stay as they are until a batch is read.
DTYPES = (np.float64, np.float32, np.uint8, np.int8, np.uint16, np.int16)

# Rows and dense entries that are read at once: bounds the workspace, not the result.
_BLOCK_ROWS, _BLOCK_ENTRIES = 8192, 2**20
# Of the rows that go through all stages at once: dense ones, and sparse ones, which may
# become dense.
_STAGES_ROWS, _STAGES_ENTRIES, _SPARSE_ENTRIES = 65_536, 2**25, 2**22
# An outlier is _FAR times farther from the centre than the share _USUAL of the rows is.
# The centre moves when outliers are left out, which may show others: passes at most.
_FAR, _USUAL, _FAR_PASSES = 10.0, 0.9, 8


def canonical(X):
    """A CSR matrix without entries given twice: those are their sum.

    With 32 bits for an index where they suffice: k-means takes no others.
    """
    largest = max(X.nnz, *X.shape)
    if X.indices.dtype != np.int32 and largest <= np.iinfo(np.int32).max:
        parts = X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)
        X = type(X)(parts, shape=X.shape)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


class StoredRows:
    """Rows that lie elsewhere (h5py, zarr, dask, anndata), read a block at a time.

    Only slices of the source are asked for: index arrays are slow or forbidden in
    some of them.

    Parameters
    ----------
    source : object of shape (n_samples, n_features)
        With `shape`, a numpy `dtype` and slices of rows: sparse ones, such as scipy can
        read, or any that numpy can.
    dtype : dtype
        Of what is returned.
    """

    def __init__(self, source, dtype):
        self._source = source
        self.dtype = np.dtype(dtype)
        self.shape = tuple(source.shape)
        self.ndim = 2

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Read a slice or ascending row numbers, as an ndarray or a CSR array."""
        if isinstance(rows, slice):
            return self._read(rows)
        found, parts = np.empty((0, self.shape[1]), dtype=self.dtype), []
        for window in row_blocks(self.shape):
            low, high = np.searchsorted(rows, (window.start, window.stop))
            if low == high:
                continue
            first = int(rows[low])
            block = self._read(slice(first, int(rows[high - 1]) + 1))
            block = block[rows[low:high] - first]
            if sparse.issparse(block):
                parts.append(block)
                continue
            if len(found) == 0:
                found = np.empty((len(rows), self.shape[1]), dtype=self.dtype)
            found[low:high] = block
        return sparse.vstack(parts, format="csr") if parts else found

    def _read(self, rows):
        block = self._source[rows]
        if hasattr(block, "compute"):  # a graph of tasks: its kind is not known before
            block = block.compute()
        if hasattr(block, "tocsr"):
            return canonical(sparse.csr_array(block.tocsr(), dtype=self.dtype))
        return np.asarray(block).astype(self.dtype, copy=False)


def rows_at_once(X):
    """Rows of a block that goes through all stages.

    As many as fit into a fixed memory (256 MiB in float64, 32 MiB where they are
    sparse): the threads of one library still wait for work when the other's start, so
    changes between them should be few.
    """
    most = _BLOCK_ROWS if isinstance(X, StoredRows) else _STAGES_ROWS
    entries = _SPARSE_ENTRIES if sparse.issparse(X) else _STAGES_ENTRIES
    return int(np.clip(entries // X.shape[1], 1, most))


def rows_of_a_block(X):
    """Rows of a block that goes through one network; sparse ones are dense there."""
    if sparse.issparse(X):
        return row_blocks(X.shape)[0].stop
    return min(rows_at_once(X), _BLOCK_ROWS)


def row_blocks(shape):
    """Slices of at most 8,192 rows and 2^20 entries, but at least one row, in order.

    Parameters
    ----------
    shape : (n_samples, n_features)
    """
    n_samples, n_features = shape
    size = int(np.clip(_BLOCK_ENTRIES // max(n_features, 1), 1, _BLOCK_ROWS))
    return [
        slice(start, min(start + size, n_samples))
        for start in range(0, n_samples, size)
    ]


def in_memory(X, rows=None):
    """Some rows of X, or all, as an array or a CSR matrix; no copy where none is due.

    Parameters
    ----------
    X : {ndarray, CSR matrix, StoredRows} of shape (n_samples, n_features)
    rows : ndarray of int, default=None
        Ascending. None: all rows.
    """
    if rows is not None:
        return X[rows]
    return X[:] if isinstance(X, StoredRows) else X


def dense_rows(X, rows):
    """Read some rows as a dense float array.

    Parameters
    ----------
    X : {ndarray, CSR matrix, StoredRows} of shape (n_samples, n_features)
    rows : slice or ndarray of int of shape (b,)

    Returns
    -------
    ndarray of shape (b, n_features)
        float32 or float64 as in `X`; small integers become float32.
    """
    block = X[rows]
    if sparse.issparse(block):
        block = block.toarray()
    if block.dtype.kind != "f":
        block = block.astype(np.float32)
    return block


class Units(NamedTuple):
    """How rows are standardised."""

    center: np.ndarray  # (n_features,), float64
    scale: float  # in the units of X, positive
    reach: float | None = None  # rows farther from the centre are pulled in


def center_and_scale(X, weights=None):
    r"""Column means and one common scale, accumulated in float64.

    The scale is the root mean square of the centred entries,
    :math:`s = \sqrt{\frac{1}{n d} \sum_{ij} (x_{ij} - c_j)^2}`: one number for all
    columns, so that distances keep their ratios.

    Both are those of the other rows where there are outliers: rows ten times farther
    from the centre than nine in ten rows are. They get a reach, see :func:`pulled_in`.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,), default=None
        As how many rows each counts; None: as one.

    Returns
    -------
    Units
        The scale is 1.0 where all rows are equal; the reach, of standardised rows, is
        None where there are no outliers.

    Raises
    ------
    ValueError
        If the spread of the values is not a float64 number.
    """
    blocks = row_blocks(X.shape)
    largest = max(float(np.max(np.abs(dense_rows(X, block)))) for block in blocks)
    if largest == 0.0:
        return Units(np.zeros(X.shape[1]), 1.0)
    # A power of two near the largest entry: dividing by it is exact and keeps the
    # squares of rows of size 1e300 or 1e-300 inside float64.
    unit = 2.0 ** int(np.frexp(largest)[1] - 1)
    far = np.zeros(X.shape[0], dtype=bool)
    for _ in range(_FAR_PASSES):
        found = _moments(X, unit, ~far, weights)
        limit = _FAR * _usual(found.lengths, weights)
        before, far = far, found.lengths > (limit or np.inf)
        if np.array_equal(before, far):
            break
    spread = found.spread
    scale = spread * unit
    # As numbers of Python, which may be denormal whatever numpy is told to raise.
    reach = max(found.farthest, spread)
    reach *= unit / float(np.finfo(np.float64).max)
    if reach >= 1.0 or scale < np.finfo(np.float64).tiny:
        raise ValueError(
            f"The values of X are too large or too small to measure distances: their "
            f"largest magnitude is {largest:.3g}. Rescale X."
        )
    return Units(found.center * unit, scale, limit / spread if far.any() else None)


def _usual(lengths, weights):
    """The length that nine in ten rows do not exceed."""
    if weights is None:
        return float(np.quantile(lengths, _USUAL))
    return float(np.quantile(lengths, _USUAL, weights=weights, method="inverted_cdf"))


class _Moments(NamedTuple):
    """Of some rows over a unit, and the distance of each row from their centre."""

    center: np.ndarray  # (n_features,)
    spread: float
    lengths: np.ndarray  # (n_samples,)
    farthest: float  # the largest difference of an entry of any row


def _moments(X, unit, kept, weights):
    """The _Moments of the rows that are `kept`, a mask of shape (n_samples,)."""
    n_samples, n_features = X.shape
    blocks, n_kept = row_blocks(X.shape), np.count_nonzero(kept)
    if weights is not None:
        n_kept = float(weights[kept].sum())
    every = kept.all()

    def add(rows, block):
        """Add up the rows of a block that are kept, each as often as it weighs."""
        if weights is not None:
            return (weights[block] * kept[block]) @ rows
        return (rows if every else rows[kept[block]]).sum(axis=0)

    center = np.zeros(n_features)
    for block in blocks:
        rows = dense_rows(X, block).astype(np.float64) / unit
        center += add(rows, block)
    center /= n_kept
    residual, square = np.zeros(n_features), np.zeros(n_features)
    lengths, farthest = np.empty(n_samples), 0.0
    for block in blocks:
        centered = dense_rows(X, block).astype(np.float64) / unit - center
        farthest = max(farthest, float(np.max(np.abs(centered))))
        squares = centered * centered
        lengths[block] = np.sqrt(squares.sum(axis=1))
        residual += add(centered, block)
        square += add(squares, block)
    residual /= n_kept
    center += residual  # what rounding left of the mean
    variance = np.maximum(square / n_kept - residual * residual, 0.0)
    spread = float(np.sqrt(variance.mean()))
    # Below this the spread is rounding of the mean, not data.
    if spread <= 4 * np.finfo(np.float64).eps * float(np.max(np.abs(center))):
        spread = 1.0
    return _Moments(center, spread, lengths, farthest)


def pulled_in(Z, reach):
    r"""Standardised rows, those beyond the reach nearer but in the same direction.

    A length r above the reach :math:`\rho` becomes :math:`\rho (1 + \ln(r / \rho))`:
    in the order that they had, and no further away than a network can follow.

    Parameters
    ----------
    Z : ndarray of shape (b, n_features), float64
    reach : float or None
        None: the rows as they are.

    Returns
    -------
    ndarray of shape (b, n_features)
    """
    if reach is None:
        return Z
    ratio = np.maximum(np.linalg.norm(Z, axis=1) / reach, 1.0)
    return Z * ((1.0 + np.log(ratio)) / ratio)[:, None]


def rows_that_differ_from_zero(X):
    """Numbers of the rows with an entry other than 0, ascending.

    Parameters
    ----------
    X : {ndarray, CSR matrix, StoredRows} of shape (n_samples, n_features)
    """
    blocks = (in_memory(X, block) for block in row_blocks(X.shape))
    return np.flatnonzero(np.concatenate([_any_entry(block) for block in blocks]))


def _any_entry(X):
    if sparse.issparse(X):
        return (abs(X).max(axis=1).toarray() > 0).ravel()
    return (X != 0).any(axis=1)


def standard_points(X, most_dense):
    """Rows of their own as :func:`standardised` points, between which distances are
    as good far from the origin as near it."""
    return standardised(Rows(X, *center_and_scale(X)), most_dense)


def standardised(rows, most_dense=0):
    """All rows of a :class:`Rows` for distances.

    Of sparse ones only the columns are centred in which every entry is stored.

    Parameters
    ----------
    rows : Rows
    most_dense : int, default=0
        Sparse rows of at most so many columns become dense.

    Returns
    -------
    {ndarray, CSR array} of shape (n_samples, n_features), float32
    """
    if sparse.issparse(rows.X) and rows.X.shape[1] > most_dense:
        return sparse.csr_array(
            (_nearer(rows.X, rows.center) / rows.scale).astype(np.float32)
        )
    return rows.batch(slice(None), np.float32)


def _nearer(X, center):
    """A CSR matrix whose columns without a gap are centred, in float64."""
    n_samples, n_features = X.shape
    full = np.bincount(X.indices, minlength=n_features) == n_samples
    if not full.any():
        return X
    X = X.astype(np.float64)  # a copy, except of float64
    shifted = X.data - np.where(full, center, 0.0)[X.indices]
    return sparse.csr_array((shifted, X.indices, X.indptr), shape=X.shape)


class Rows:
    """Rows of a matrix as centred and scaled batches.

    Nothing is copied until a batch is read.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    center : ndarray of shape (n_features,)
    scale : float
    reach : float, default=None
        Standardised rows farther from the centre are :func:`pulled_in`.
    multiplicities : ndarray of shape (n_samples,), default=None
        How often each row occurs, of mean 1; None: each as often.
    """

    def __init__(self, X, center, scale, reach=None, multiplicities=None):
        self.X = X
        self.center = center
        self.scale = scale
        self.reach = reach
        self.multiplicities = multiplicities

    @property
    def shape(self):
        return self.X.shape

    @property
    def units(self):
        """The Units of these rows."""
        return Units(self.center, self.scale, self.reach)

    def __len__(self):
        return self.X.shape[0]

    def only(self, distinct):
        """The distinct ones of these rows, in the same units."""
        many = distinct.multiplicities(self.multiplicities)
        return Rows(self.X[distinct.first], *self.units, many)

    def batch(self, rows, dtype=np.float64):
        """Read standardised rows.

        Subtracting in float64 keeps the digits of data far from the origin.

        Parameters
        ----------
        rows : slice or ndarray of int of shape (b,)
        dtype : dtype, default=float64
            Of what is returned.

        Returns
        -------
        ndarray of shape (b, n_features)
        """
        if isinstance(rows, slice):
            rows = np.arange(len(self))[rows]
        Z = np.empty((len(rows), self.shape[1]), dtype=dtype)
        for block in row_blocks(Z.shape):
            read = dense_rows(self.X, rows[block]) - self.center
            read /= self.scale
            Z[block] = pulled_in(read, self.reach)
        return Z
