"""Anything with rows by index read as dense float blocks; the centre and the scale."""

import numpy as np
from scipy import sparse

# Rows read at once by a pass over all of them: bounds the workspace, not the result.
_BLOCK_ROWS = 8192


def dense_rows(X, rows):
    """Read some rows as a dense float array.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
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


def center_and_scale(X):
    r"""Column means and one common scale, accumulated in float64.

    The scale is the root mean square of the centred entries,
    :math:`s = \sqrt{\frac{1}{n d} \sum_{ij} (x_{ij} - c_j)^2}`: one number for all
    columns, so that distances keep their ratios.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)

    Returns
    -------
    center : ndarray of shape (n_features,), float64
    scale : float
        In the units of `X` and positive: 1.0 where all rows are equal.

    Raises
    ------
    ValueError
        If the spread of the values is not a float64 number.
    """
    n_samples, n_features = X.shape
    blocks = [
        slice(start, min(start + _BLOCK_ROWS, n_samples))
        for start in range(0, n_samples, _BLOCK_ROWS)
    ]
    largest = max(float(np.max(np.abs(dense_rows(X, block)))) for block in blocks)
    if largest == 0.0:
        return np.zeros(n_features), 1.0
    # A power of two near the largest entry: dividing by it is exact and keeps the
    # squares of rows of size 1e300 or 1e-300 inside float64.
    unit = 2.0 ** int(np.frexp(largest)[1] - 1)
    center = np.zeros(n_features)
    for block in blocks:
        center += (dense_rows(X, block).astype(np.float64) / unit).sum(axis=0)
    center /= n_samples
    residual, square, farthest = np.zeros(n_features), np.zeros(n_features), 0.0
    for block in blocks:
        centered = dense_rows(X, block).astype(np.float64) / unit - center
        residual += centered.sum(axis=0)
        square += (centered * centered).sum(axis=0)
        farthest = max(farthest, float(np.max(np.abs(centered))))
    residual /= n_samples
    center += residual  # what rounding left of the mean
    variance = np.maximum(square / n_samples - residual * residual, 0.0)
    spread = float(np.sqrt(variance.mean()))
    # Below this the spread is rounding of the mean, not data.
    if spread <= 4 * np.finfo(np.float64).eps * float(np.max(np.abs(center))):
        spread = 1.0
    scale = spread * unit
    reach = max(farthest, spread) * (unit / np.finfo(np.float64).max)
    if reach >= 1.0 or scale < np.finfo(np.float64).tiny:
        raise ValueError(
            f"The values of X are too large or too small to measure distances: their "
            f"largest magnitude is {largest:.3g}. Rescale X."
        )
    return center * unit, scale


def distinct_rows(X):
    """Which rows are the first of their kind, and which of them each row equals.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float

    Returns
    -------
    first : ndarray of int of shape (n_distinct,)
        Ascending.
    inverse : ndarray of int of shape (n_samples,)
        Row i equals row ``first[inverse[i]]``.
    """
    X = np.ascontiguousarray(X + 0.0)  # no -0.0: rows are compared by their bytes
    rows = X.view(np.dtype((np.void, X.dtype.itemsize * X.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as in X, not by their bytes
    return first[order], np.argsort(order)[inverse.ravel()]


def standardised(rows, most_dense=0):
    """All rows of a :class:`Rows` for distances; sparse ones are not centred.

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
        return sparse.csr_array((rows.X / rows.scale).astype(np.float32))
    return rows.batch(slice(None)).astype(np.float32)


class Rows:
    """Rows of a matrix as centred and scaled batches.

    Nothing is copied until a batch is read.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    center : ndarray of shape (n_features,)
    scale : float
    """

    def __init__(self, X, center, scale):
        self.X = X
        self.center = center
        self.scale = scale

    def __len__(self):
        return self.X.shape[0]

    def batch(self, rows):
        """Read standardised rows.

        Subtracting in float64 keeps the digits of data far from the origin.

        Parameters
        ----------
        rows : ndarray of int of shape (b,)

        Returns
        -------
        ndarray of shape (b, n_features), float64
        """
        return (dense_rows(self.X, rows) - self.center) / self.scale
