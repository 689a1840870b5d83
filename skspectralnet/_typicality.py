"""How typical rows are for where those of a fit lay, and which are not at all."""

from dataclasses import dataclass

import numpy as np

from skspectralnet._drift import Landmarks

# Rows of the fit within the reach of a landmark, at most one in _LARGEST_PART: with one
# row, those that lie alone beside a landmark would be typical (benchmarks/how_sure.py).
_NEIGHBORS, _LARGEST_PART = 20, 10
# Two scores that differ by rounding, as a share.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Typicality:
    r"""How far each row has to go to as many rows of the fit.

    .. math:: -\frac{1}{m} \min_c \left( |x - c| + r_c \right)

    over the landmarks c, with :math:`r_c`, the reach of one, its distance to the k-th
    nearest of M rows of the fit, :math:`k = \min(20, \lceil M / 10 \rceil)`: by the
    triangle inequality the k nearest of these rows lie within the minimum. A landmark
    in a place where rows are rare has a long reach, so a row that lies alone is not
    typical for being near to a landmark of its own.

    Parameters
    ----------
    landmarks : Landmarks
    reaches : ndarray of shape (n_landmarks,)
        Distances, in the units of the landmarks.
    middle : float
        The m: the median of the minimum over the M rows.
    """

    landmarks: Landmarks
    reaches: np.ndarray
    middle: float

    @classmethod
    def fit(cls, landmarks, X):
        """Measure the reaches.

        Parameters
        ----------
        landmarks : Landmarks
        X : {ndarray, CSR matrix} of shape (n_samples, n_features)
            Rows of the fit.
        """
        distances = landmarks.distances(X)
        n_rows = len(distances)
        nearest = min(_NEIGHBORS, -(-n_rows // _LARGEST_PART))
        reaches = np.partition(distances, nearest - 1, axis=0)[nearest - 1]
        away = np.min(distances + reaches, axis=1)
        return cls(landmarks, reaches, float(np.median(away)) or 1.0)

    def scores(self, X):
        """The typicality of each row: 0 or below, -1 in the middle of those of the fit.

        Parameters
        ----------
        X : {ndarray, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), float64
        """
        away = self.landmarks.distances(X) + self.reaches
        return -np.min(away, axis=1) / self.middle


def offset_of(scores, contamination, weights=None):
    """The score below which a share of some rows lies.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
    contamination : float
        The share, rounded down to whole rows; rows with the same score stay together,
        above.
    weights : ndarray of shape (n_samples,), default=None
        As how many rows each counts; None: as one.

    Returns
    -------
    float
        Half way between the scores of two rows.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(scores, kind="stable")
    ordered, cumulative = scores[order], np.cumsum(weights[order])
    outside = contamination * cumulative[-1] * (1.0 + _ROUNDING)
    above = ordered[np.searchsorted(cumulative, outside, side="right")]
    below = ordered[ordered < above - _ROUNDING * abs(above)]
    if len(below) == 0:
        return float(above - max(abs(above), 1.0))
    return float((below[-1] + above) / 2.0)
