"""Eigenpairs from Gram and Laplacian forms, and how orthonormal columns are."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

# Directions of the outputs with less than this share of the largest one's energy
# are rounding, not functions that the network has learned.
_RANK_TOLERANCE = 1e-10


class RitzPairs(NamedTuple):
    """Ritz values, ascending, and the coefficients of their vectors."""

    eigenvalues: np.ndarray  # (r,)
    coefficients: np.ndarray  # (q, r)


def rayleigh_ritz(gram, form):
    r"""Best eigenpairs inside the span of q functions.

    Solves :math:`S a = \lambda G a` for the q x q matrices :math:`G = \tilde Y^T M
    \tilde Y` and :math:`S = \tilde Y^T L \tilde Y`, with :math:`a^T G a = 1`
    (the Rayleigh-Ritz procedure; Saad, Numerical Methods for Large Eigenvalue
    Problems, Section 4.3).

    Parameters
    ----------
    gram : ndarray of shape (q, q)
        Positive semidefinite; where its rank r is below q, the null directions
        are left out.
    form : ndarray of shape (q, q)

    Returns
    -------
    RitzPairs
        r <= q of them.
    """
    gram = 0.5 * (gram + gram.T)
    size = np.sqrt(np.diag(gram))
    size[size == 0.0] = 1.0
    energies, directions = linalg.eigh(gram / np.outer(size, size))
    kept = energies > _RANK_TOLERANCE * max(energies[-1], np.finfo(float).tiny)
    whitening = directions[:, kept] / np.sqrt(energies[kept]) / size[:, None]
    reduced = whitening.T @ (0.5 * (form + form.T)) @ whitening
    eigenvalues, rotation = linalg.eigh(0.5 * (reduced + reduced.T))
    return RitzPairs(np.maximum(eigenvalues, 0.0), whitening @ rotation)


def orthonormality_error(Y, row_weights=None):
    r"""Largest entry of :math:`|Y^T M Y / \sum_i m_i - I|`.

    Parameters
    ----------
    Y : ndarray of shape (n_samples, q)
    row_weights : ndarray of shape (n_samples,), default=None
        The diagonal of M; None means ones.

    Returns
    -------
    float
    """
    Y = np.asarray(Y, dtype=np.float64)
    weights = np.ones(len(Y)) if row_weights is None else np.asarray(row_weights)
    gram = Y.T @ (weights[:, None] * Y) / weights.sum()
    return float(np.abs(gram - np.eye(Y.shape[1])).max())
