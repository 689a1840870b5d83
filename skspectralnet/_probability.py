"""How sure the label of a row is: memberships whose sharpness other graphs decide."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from skspectralnet._assignment import named_like
from skspectralnet._defaults import AUTO_WIDTH, NEIGHBORS, components_of
from skspectralnet._distinct import distinct_rows
from skspectralnet._plan import Components
from skspectralnet._rows import standard_points
from skspectralnet._selection import solved_clusters, some_rows

# Rows that are clustered again, and the neighbours of a row then: half, as many and
# twice as many as by default. Both were compared with others by calibration error
# (benchmarks/how_sure.py).
CALIBRATION_ROWS = 2000
_WIDTHS = (NEIGHBORS // 2, NEIGHBORS, 2 * NEIGHBORS)
# Rows of a mean cluster: as many as a row has neighbours. With fewer, other graphs join
# clusters.
LEAST_ROWS = NEIGHBORS
# Logarithm of the powers that are tried, and of the least strength that counts.
_POWERS, LEAST_LOG = (-6.0, 6.0), -700.0


@dataclass(frozen=True, eq=False)
class Sharpness:
    r"""How fast membership falls with the distance to a cluster.

    .. math:: p_j = \frac{s_j^a}{\sum_l s_l^a}

    with :math:`s_j` the strength of cluster j at a row, as the assignment has it:
    :math:`1 / (1 + d_j^2 / s^2)` of a *squared* distance to a centre or an axis, the
    kernel of Student's t (J. Xie, R. Girshick, A. Farhadi, "Unsupervised deep embedding
    for clustering analysis", ICML 2016, Eq. 1, with their power of one), or the
    posterior of a mixture.

    Parameters
    ----------
    scale : float
        The :math:`s^2`, a *squared* distance of the embedding.
    power : float
        The a.
    """

    scale: float
    power: float

    @classmethod
    def fit(cls, assignment, Z, shares, weights):
        """Find the power whose memberships are nearest to shares.

        The mean of the logarithm of the membership, by the shares, is largest: it is
        concave in the power.

        Parameters
        ----------
        assignment : Centers, Rotation or Mixture
        Z : ndarray of shape (n_samples, n_components)
        shares : ndarray of shape (n_samples, n_clusters) or None
            Of other clusterings that have each row in each cluster; rows sum to 1.
            None: nothing is known, and the power is 1.
        weights : ndarray of shape (n_samples,) or None
            How many rows each one stands for.
        """
        scale = assignment.spread(Z)
        if shares is None or shares.shape[1] == 1:
            return cls(scale, 1.0)
        n_samples, n_clusters = shares.shape
        # One row of which nothing is known: no row is certain for ever.
        shares = (n_samples * shares + 1.0 / n_clusters) / (n_samples + 1)
        logs = _logs(assignment, Z, scale)
        own = np.sum(shares * logs, axis=1)

        def loss(log_power):
            power = np.exp(log_power)
            parts = logsumexp(power * logs, axis=1) - power * own
            return float(np.average(parts, weights=weights))

        found = minimize_scalar(loss, bounds=_POWERS, method="bounded")
        return cls(scale, float(np.exp(found.x)))

    def probabilities(self, assignment, Z):
        """Membership of each row in each cluster.

        Parameters
        ----------
        assignment : Centers, Rotation or Mixture
        Z : ndarray of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), float64
            Rows sum to 1. The first of the largest entries is that of
            ``assignment.labels(Z)``: where others are as large it is larger by a
            last bit.
        """
        logs = self.power * _logs(assignment, Z, self.scale)
        logs -= logs.max(axis=1, keepdims=True)
        shares = np.exp(logs)
        shares /= shares.sum(axis=1, keepdims=True)
        labels, rows = assignment.labels(Z), np.arange(len(Z))
        tied = np.flatnonzero(shares.argmax(axis=1) != labels)
        largest = shares[rows[tied]].max(axis=1, initial=0.0)
        shares[tied, labels[tied]] = np.nextafter(largest, 2.0)
        return shares


def _logs(assignment, Z, scale):
    return np.maximum(assignment.log_strengths(Z, scale), LEAST_LOG)


def shares_of_others(points, labels, n_clusters, weights=None):
    """The clusters that rows have by other graphs, as shares.

    The neighbour graphs of the points with half, as many and twice as many neighbours
    as by default are solved for their eigenvectors, and the clusters of each are named
    like those of the fit, one to one, so that most rows agree.

    Parameters
    ----------
    points : {ndarray, CSR} of shape (n_samples, n_points)
        Between which distances are taken.
    labels : ndarray of int of shape (n_samples,)
        Clusters of the fit.
    n_clusters : int
    weights : ndarray of shape (n_samples,), default=None
        As how many rows each counts; None: as one.

    Returns
    -------
    rows : ndarray of int of shape (n_distinct,)
        The first row of each kind.
    shares : ndarray of shape (n_distinct, n_clusters), or None
        Rows sum to 1. None where too few rows differ to be clustered again.
    weights : ndarray of shape (n_distinct,) or None
        How often each occurs.
    """
    standard = standard_points(points, AUTO_WIDTH)
    distinct = distinct_rows(standard)
    rows, weights = distinct.first, distinct.multiplicities(weights)
    if n_clusters == 1 or len(rows) < 2 * n_clusters + 2:
        return rows, None, weights
    standard, labels = standard[rows], labels[rows]
    n_learned = min(components_of(n_clusters), len(rows) - 1)
    components = Components(n_learned, n_clusters, 0)
    shares = np.zeros((len(rows), n_clusters))
    for width in sorted({min(width, len(rows) - 1) for width in _WIDTHS}):
        others, _ = solved_clusters(
            standard, width, "self_tuning", "random_walk", components, weights
        )
        np.add.at(shares, (np.arange(len(rows)), named_like(others, labels)), 1.0)
    return rows, shares / shares.sum(axis=1, keepdims=True), weights


def shares_of_neighbors(graph, labels, n_clusters):
    """The clusters of the neighbours of each row in a given graph, by weight.

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples)
    labels : ndarray of int of shape (n_samples,)
    n_clusters : int

    Returns
    -------
    rows : ndarray of int
        Those with an edge.
    shares : ndarray of shape (len(rows), n_clusters)
        Rows sum to 1.
    """
    weights = graph @ np.eye(n_clusters)[labels]
    total = weights.sum(axis=1)
    rows = np.flatnonzero(total > 0.0)
    return rows, weights[rows] / total[rows, None]


def calibration_rows(n_rows):
    """Numbers of the rows that are clustered again, ascending; a slice for all."""
    return some_rows(n_rows, CALIBRATION_ROWS)
