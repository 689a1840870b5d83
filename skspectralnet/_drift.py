"""Whether new rows lie where those of the fit lay."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.stats import betabinom
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin, pairwise_distances_argmin_min
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils.extmath import row_norms
from sklearn.utils.random import sample_without_replacement

from skspectralnet._rows import center_and_scale, dense_rows

_MOST_LANDMARKS, _ROWS_PER_LANDMARK, _STEPS = 64, 10, 5
# Rows that the landmarks are found from, and twice as many that measure the radius:
# fewer where they are wide, so that a fit hardly costs more.
_MOST_PLACED, _MOST_ENTRIES, _LEAST_PLACED = 2000, 2**20, 100
_ONE_OUTSIDE_OF = 100
# How often an unchanged stream is beyond the limit. That of more rows than these is
# hardly lower than theirs, which is taken.
_FALSE_ALARMS, _COUNTED_ROWS = 0.001, 10_000
# What rounding can add to a squared distance, as a share of the squared lengths.
_ROUNDING = 1e-12
# Entries, in units of the scale, whose squares are still numbers; larger ones are
# clipped.
FARTHEST = 1e100


class Masses(NamedTuple):
    """As how many rows each row counts, and how many rows differ."""

    of_rows: np.ndarray  # (n_samples,)
    n_distinct: int


@dataclass(frozen=True, eq=False)
class Landmarks:
    r"""Some points among rows and a radius around them that holds 99 % of these.

    The points are found from one part of the rows and the radius r from M others, which
    are to the points as any new row is. With r the j-th largest of their M distances to
    the nearest point, a new row of the same kind is farther away with the probability
    :math:`j / (M + 1)`, and of m new rows as many as a beta-binomial variable says,

    .. math::
        P(k) = \binom{m}{k} \frac{B(k + j,\, m - k + M + 1 - j)}{B(j,\, M + 1 - j)}

    whatever the distribution is (V. Vovk, "Conditional validity of inductive conformal
    predictors", Machine Learning 92 (2013), 349-376,
    https://doi.org/10.1007/s10994-013-5355-6); where distances tie, not more.

    Parameters
    ----------
    center : ndarray of shape (n_features,)
    scale : float
        Distances are taken after the rows have been centred and divided by it.
    points : ndarray of shape (n_landmarks, n_features), float32
        Means of at least two rows each, unless there were no two: no row is kept.
    radius : float
        Euclidean distance.
    n_outside, n_measured : int
        The j and M above.
    """

    center: np.ndarray
    scale: float
    points: np.ndarray
    radius: float
    n_outside: int
    n_measured: int

    @classmethod
    def fit(cls, X, random_state):
        """Place landmarks in a third of the rows; measure the radius on the others.

        Parameters
        ----------
        X : {ndarray, CSR matrix} of shape (n_samples, n_features)
            At least 2 rows.
        random_state : RandomState
        """
        X, n_placed = X[random_state.permutation(X.shape[0])], -(-X.shape[0] // 3)
        placed, measured = X[:n_placed], X[n_placed:]
        center, scale, _ = center_and_scale(placed)
        if sparse.issparse(X):
            center = np.zeros(X.shape[1])
        points = _means(_standard(placed, center, scale), random_state)
        n_measured = measured.shape[0]
        n_outside = max(1, (n_measured + 1) // _ONE_OUTSIDE_OF)
        found = cls(center, scale, points, 0.0, n_outside, n_measured)
        squares = np.sort(found._squares(measured)[0])
        return replace(found, radius=float(np.sqrt(squares[n_measured - n_outside])))

    @property
    def expected(self):
        """The mean share outside of rows like those of the fit."""
        return self.n_outside / (self.n_measured + 1)

    def count_outside(self, X):
        """The number of rows beyond the radius.

        Parameters
        ----------
        X : {ndarray, CSR matrix} of shape (n_samples, n_features)
        """
        squares, rounding = self._squares(X)
        return int(np.sum(squares > self.radius**2 + rounding))

    def limit(self, n_rows):
        """The share outside that n rows like those of the fit exceed once in 1,000."""
        n_rows = min(n_rows, _COUNTED_ROWS)
        a, b = self.n_outside, self.n_measured + 1 - self.n_outside
        return float(betabinom.ppf(1.0 - _FALSE_ALARMS, n_rows, a, b)) / n_rows

    def distances(self, X):
        """Distances to all points, in units of `scale`.

        Parameters
        ----------
        X : {ndarray, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_landmarks), float64
        """
        return euclidean_distances(*self._rows_and_points(X))

    def _rows_and_points(self, X):
        rows, points = _standard(X, self.center, self.scale), self.points
        if sparse.issparse(rows):  # these are not centred, so the points are moved
            points = points + self.center / self.scale
        return rows, points.astype(np.float64)

    def _squares(self, X):
        """Squared distances to the nearest point, and what rounding can add to them."""
        rows, points = self._rows_and_points(X)
        _, distances = pairwise_distances_argmin_min(rows, points)
        lengths = row_norms(rows, squared=True) + row_norms(points, squared=True).max()
        return distances**2, _ROUNDING * lengths


def draw_reference(X, learned, random_state, masses=None):
    """Numbers of the rows that Landmarks are fitted to.

    Parameters
    ----------
    X : {ndarray, CSR matrix, StoredRows} of shape (n_samples, n_features)
    learned : ndarray of int or slice(None)
        The rows to draw from.
    random_state : RandomState
    masses : Masses, default=None
        None: all rows count alike.

    Returns
    -------
    ndarray of int
        Each row once at most, ascending. With masses as many rows as differ at most,
        each as often as its share says, in the order of `learned`.
    """
    learned = np.arange(X.shape[0])[learned]
    width = X.nnz / X.shape[0] if sparse.issparse(X) else X.shape[1]
    most = 3 * int(np.clip(_MOST_ENTRIES / max(width, 1), _LEAST_PLACED, _MOST_PLACED))
    if masses is None:
        drawn = sample_without_replacement(
            len(learned), min(len(learned), most), random_state=random_state
        )
        return np.sort(learned[drawn])
    n_drawn, sums = max(2, min(masses.n_distinct, most)), np.cumsum(masses.of_rows)
    places = (np.arange(n_drawn) + random_state.uniform()) / n_drawn * sums[-1]
    drawn = np.searchsorted(sums, places, side="right")
    return learned[np.minimum(drawn, len(learned) - 1)]


def _standard(X, center, scale):
    """Rows for distances, float64; sparse ones are not centred."""
    far = scale * FARTHEST
    if sparse.issparse(X):
        rows = sparse.csr_array(X, dtype=np.float64)
        rows.data = np.clip(rows.data, -far, far) / scale
        return rows
    rows = np.clip(dense_rows(X, slice(None)), center - far, center + far)
    return (rows - center) / scale


def _means(rows, random_state):
    """Means of a few steps of k-means; not of single rows, unless all are single.

    Where rows are equal there are fewer.
    """
    n_rows = rows.shape[0]
    n_points = min(_MOST_LANDMARKS, -(-n_rows // _ROWS_PER_LANDMARK))
    points, _ = kmeans_plusplus(
        rows, n_points, n_local_trials=1, random_state=random_state
    )
    for _ in range(_STEPS):
        labels = pairwise_distances_argmin(rows, points)
        sizes = np.bincount(labels, minlength=len(points))
        shares = 1.0 / sizes[labels]
        shape = (len(points), n_rows)
        members = sparse.csr_array((shares, (labels, np.arange(n_rows))), shape=shape)
        points = members[sizes >= min(2, sizes.max())] @ rows
        points = points.toarray() if sparse.issparse(points) else points
    return points.astype(np.float32)
