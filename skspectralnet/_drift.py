"""Whether new rows are like those that were learned from."""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin_min

_MOST_LANDMARKS, _ROWS_PER_LANDMARK = 64, 10
# Rows that the landmarks are found from, and as many that measure the radius.
_MOST_ROWS = 4000
_INSIDE = 0.99


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Some points among rows and a radius around them that holds 99 % of these.

    They are means of k-means: no row is kept.

    Parameters
    ----------
    points : ndarray of shape (n_landmarks, n_inputs)
    radius : float
        Euclidean distance.
    """

    points: np.ndarray
    radius: float

    @classmethod
    def fit(cls, rows, random_state):
        """Place landmarks in one half of some rows; measure the radius on the other.

        Where the rows are odd in number, one is in both; of a single row the radius
        is 0.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_inputs)
        random_state : RandomState
        """
        order = random_state.permutation(len(rows))[: 2 * _MOST_ROWS]
        half = -(-len(order) // 2)
        placed, measured = rows[order[:half]], rows[order[len(order) // 2 :]]
        n_landmarks = min(_MOST_LANDMARKS, -(-half // _ROWS_PER_LANDMARK))
        kmeans = KMeans(n_landmarks, n_init=1, random_state=random_state).fit(placed)
        _, distances = pairwise_distances_argmin_min(measured, kmeans.cluster_centers_)
        return cls(kmeans.cluster_centers_, float(np.quantile(distances, _INSIDE)))

    def share_outside(self, rows):
        """The share of rows beyond the radius: 0.01 of rows like those of the fit."""
        points = self.points.astype(rows.dtype, copy=False)
        _, distances = pairwise_distances_argmin_min(rows, points)
        return float(np.mean(distances > self.radius))
