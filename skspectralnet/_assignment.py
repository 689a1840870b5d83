"""Embedding to labels, and the same for new rows."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import qr, svd
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture

from skspectralnet._hierarchy import ward_costs
from skspectralnet._tasks import warn

# Added to every variance of a mixture, as a share of the largest variance of a
# component: components that have vanished, and clusters that are a point, have none
# of their own (benchmarks/assignment.py).
_VARIANCE_FLOOR = 0.05
# Differences of log-probabilities that rounding can make.
LOG_TIE = 1e-9
# Median of squared distances to the nearest cluster, as a share of the mean to all.
_LEAST_SPREAD = 1e-6
# A start of k-means costs rows times the square of the clusters: so much at most, and
# so many entries, but so many rows, and for each cluster, have a part in it
# (benchmarks/speed.py).
_START_COST, _START_ENTRIES = 2**30, 2**24
_START_ROWS, _START_ROWS_PER_CLUSTER = 4096, 50
# Starts of k-means for clusters that are only compared.
_QUICK_STARTS = 3


def fit_assignment(Z, n_clusters, how, *, n_init, random_state, weights=None):
    """Find the clusters of an embedding, largest first.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
    n_clusters : int
    how : {"kmeans", "cluster_qr", "mixture"}
    n_init : int
    random_state : RandomState
    weights : ndarray of shape (n_samples,), default=None
        As how many rows each counts, not in a mixture; None: as one.

    Returns
    -------
    Centers, Rotation or Mixture
        With ``labels(Z)``, which gives each row its cluster on its own, and `centers`
        of shape (n_found, n_components). Fewer than `n_clusters`, with one warning,
        where the embedding has fewer distinct rows or the others have no rows.
    """
    n_distinct = _count_distinct(Z, n_clusters)
    found = min(n_clusters, n_distinct)
    assignment = _fitted(Z, found, how, n_init, random_state, weights)
    found = len(assignment.centers)
    if found < n_clusters:
        if n_distinct == 1:
            reason = "all rows have the same embedding"
        elif n_distinct < n_clusters:
            reason = f"the rows have {n_distinct} distinct embeddings"
        elif how == "cluster_qr":
            n_leading = min(n_clusters, Z.shape[1])
            reason = f"'cluster_qr' tells no more apart by {n_leading} components"
        else:
            reason = f"assign_labels={how!r} leaves the others without rows"
        were = "1 cluster was" if found == 1 else f"{found} clusters were"
        warn(
            f"Only {were} found where n_clusters={n_clusters} were asked for: "
            f"{reason}. Lower n_clusters.",
            ConvergenceWarning,
        )
    return assignment


def quick_clusters(Z, n_clusters, how="kmeans"):
    """Clusters of an embedding that are compared with others, not kept.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
    n_clusters : int
        Fewer are found, without a word, where there are fewer distinct rows.
    how : {"kmeans", "cluster_qr", "mixture"}, default="kmeans"

    Returns
    -------
    labels : ndarray of shape (n_samples,), int64
        The same on each call.
    """
    found = min(n_clusters, _count_distinct(Z, n_clusters))
    same = np.random.RandomState(0)
    return _fitted(Z, found, how, _QUICK_STARTS, same).labels(Z)


def _fitted(Z, n_clusters, how, n_init, random_state, weights=None):
    if how == "kmeans":
        return Centers.fit(Z, n_clusters, n_init, random_state, weights)
    if how == "cluster_qr":
        return Rotation.fit(Z, n_clusters, weights)
    return Mixture.fit(Z, n_clusters, n_init, random_state)


class _ByDistance:
    """Clusters that a row is nearer to or farther from: ``_squares(Z)``."""

    def log_strengths(self, Z, scale):
        r"""Logarithm of the strength of each cluster at each row.

        :math:`-\log(1 + d_j^2 / s^2)`, :math:`d_j^2` the *squared* distance to the
        centre of the cluster, or from its axis: :math:`|z|^2 - (z \cdot r_j)^2`.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)
        scale : float
            The :math:`s^2`.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), float64
        """
        return -np.log1p(self._squares(Z) / scale)

    def spread(self, Z):
        """The median *squared* distance of rows to their cluster; never 0."""
        squares = self._squares(Z)
        least = float(np.median(squares.min(axis=1)))
        return max(least, _LEAST_SPREAD * float(squares.mean())) or 1.0


@dataclass(frozen=True, eq=False)
class Centers(_ByDistance):
    """The nearest of the centres of k-means.

    Parameters
    ----------
    centers : ndarray of shape (n_clusters, n_components)
    inertia : float
        Sum of *squared* distances of the rows of the fit to their centre.
    """

    centers: np.ndarray
    inertia: float

    @classmethod
    def fit(cls, Z, n_clusters, n_init, random_state, weights=None):
        r"""Return the best of `n_init` runs of k-means; of one that is clearly best.

        Of :math:`\sum_i w_i |z_i - c|^2` where rows have weights.

        Of many rows, and of fewer where there are many clusters, the runs are made and
        compared on some, and the best goes on with all of them.
        """
        rows = _start_rows(Z, n_clusters, random_state)
        # k-means++ of float32 rows converts all of them for each centre.
        some = Z[rows].astype(np.float64, copy=False)
        of_some = None if weights is None else weights[rows]
        kmeans = _clear_run(some, n_clusters, of_some)
        if kmeans is None:
            kmeans = KMeans(n_clusters, n_init=n_init, random_state=random_state)
            kmeans.fit(some, sample_weight=of_some)
        centers = kmeans.cluster_centers_.astype(Z.dtype, copy=False)
        if len(some) < len(Z):
            kmeans.set_params(init=centers, n_init=1).fit(Z, sample_weight=weights)
            centers = kmeans.cluster_centers_
        found = cls(centers, float(kmeans.inertia_))
        return _by_size(found, Z, weights)

    def take(self, order):
        """Return some of the clusters, in this order."""
        return replace(self, centers=self.centers[order])

    def moved(self, Z, counts):
        """Centres that are the means of `counts` rows before and of some new ones.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)
            New rows; each moves the centre nearest to it.
        counts : ndarray of shape (n_clusters,)
            Rows of each cluster so far, or the sum of their weights.

        Returns
        -------
        Centers
        counts : ndarray of shape (n_clusters,)
            With the new rows.
        """
        if len(Z) == 0:
            return self, counts
        labels, size = self.labels(Z), len(self.centers)
        sums = np.zeros(self.centers.shape)
        np.add.at(sums, labels, Z)
        total = counts + np.bincount(labels, minlength=size)
        old = counts[:, None] * self.centers
        return replace(
            self, centers=(old + sums) / np.where(total > 0, total, 1)[:, None]
        ), total

    def labels(self, Z):
        """Index of the nearest centre of each row, by Euclidean distance.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples,), int64
        """
        return pairwise_distances_argmin(
            Z, self.centers.astype(Z.dtype, copy=False), metric="euclidean"
        ).astype(np.int64)

    def _squares(self, Z):
        centers = self.centers.astype(np.float64, copy=False)
        return euclidean_distances(Z.astype(np.float64), centers, squared=True)


@dataclass(frozen=True, eq=False)
class Rotation(_ByDistance):
    """Leading eigenvectors turned towards indicators of the clusters.

    Ideal eigenvectors are indicator vectors times a rotation: the rows of a cluster
    are one point, the points of different clusters are orthogonal. Column-pivoted QR
    picks one row of each cluster, and the orthogonal matrix nearest to these rows turns
    them to the axes (A. Damle, V. Minden, L. Ying, "Simple, direct and efficient
    multi-way spectral clustering", Information and Inference 8 (2019), Algorithm 1).

    Parameters
    ----------
    rotation : ndarray of shape (n_leading, n_clusters)
        With orthonormal columns.
    centers : ndarray of shape (n_clusters, n_components)
        Means of the clusters.
    """

    rotation: np.ndarray
    centers: np.ndarray

    @classmethod
    def fit(cls, Z, n_clusters, weights=None):
        """Return the rotation of the first `n_clusters` components.

        Weights of rows only move the centres: copies of a row turn nothing.
        """
        leading = Z[:, :n_clusters].astype(np.float64)
        R, pivots = _pivoted(leading)
        size = np.abs(np.diag(R))  # descending
        rank = np.count_nonzero(size > size[0] * np.sqrt(np.finfo(Z.dtype).eps))
        picked = pivots[: max(rank, 1)]
        U, _, Vt = svd(leading[picked].T, full_matrices=False)
        turned = _by_size(cls(U @ Vt, Z[picked]), Z, weights)
        labels = turned.labels(Z)
        means = [_mean(Z, labels == j, weights) for j in range(len(turned.centers))]
        return replace(turned, centers=np.array(means))

    def take(self, order):
        """Return some of the clusters, in this order."""
        return Rotation(self.rotation[:, order], self.centers[order])

    def labels(self, Z):
        """Index of the axis to which each turned row is nearest.

        ``argmax |z @ rotation|``; of entries that differ by rounding, the first.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples,), int64
        """
        leading = Z[:, : len(self.rotation)].astype(np.float64)
        turned = np.abs(leading @ self.rotation)
        tie = 256 * np.finfo(Z.dtype).eps
        largest = turned.max(axis=1, keepdims=True)
        return (turned >= (1.0 - tie) * largest).argmax(axis=1)

    def _squares(self, Z):
        leading = Z[:, : len(self.rotation)].astype(np.float64)
        lengths = np.sum(leading**2, axis=1, keepdims=True)
        return np.maximum(lengths - (leading @ self.rotation) ** 2, 0.0)


@dataclass(frozen=True, eq=False)
class Mixture:
    """The most probable of Gaussians with covariances of their own.

    Parameters
    ----------
    log_weights : ndarray of shape (n_clusters,)
    centers : ndarray of shape (n_clusters, n_components)
    factors : ndarray of shape (n_clusters, n_components, n_components)
        Upper triangular; ``factor @ factor.T`` is the inverse covariance.
    """

    log_weights: np.ndarray
    centers: np.ndarray
    factors: np.ndarray

    @classmethod
    def fit(cls, Z, n_clusters, n_init, random_state):
        """Return the likeliest of `n_init` mixtures, each started from k-means."""
        Z = Z.astype(np.float64)
        rounding = np.finfo(np.float64).eps * float(np.square(Z).mean())
        largest = max(float(Z.var(axis=0).max()), rounding) or 1.0
        mixture = GaussianMixture(
            n_clusters,
            reg_covar=_VARIANCE_FLOOR * largest,
            max_iter=1000,
            n_init=n_init,
            random_state=random_state,
        ).fit(Z)
        with np.errstate(divide="ignore"):  # a Gaussian without rows: dropped
            log_weights = np.log(mixture.weights_)
        factors = mixture.precisions_cholesky_
        return _by_size(cls(log_weights, mixture.means_, factors), Z)

    def take(self, order):
        """Return some of the clusters, in this order."""
        return Mixture(
            self.log_weights[order], self.centers[order], self.factors[order]
        )

    def probabilities(self, Z):
        r"""Probability of each cluster given the row.

        :math:`\pi_j N(z; m_j, C_j)` over the sum of all j. Logarithms that differ from
        the largest by rounding count as equal to it.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), float64
            Rows sum to 1.
        """
        shares = np.exp(self.log_strengths(Z))
        return shares / shares.sum(axis=1, keepdims=True)

    def log_strengths(self, Z, scale=1.0):
        """Logarithm of the probability of each cluster less that of the largest.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)
        scale : Ignored
            Gaussians have their own.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), float64
        """
        logs = np.empty((len(Z), len(self.centers)))
        for j, (center, factor) in enumerate(
            zip(self.centers, self.factors, strict=True)
        ):
            scaled = (Z - center) @ factor  # (n_samples, n_components)
            log_det = np.log(np.diag(factor)).sum()
            logs[:, j] = self.log_weights[j] + log_det - 0.5 * (scaled**2).sum(axis=1)
        logs -= logs.max(axis=1, keepdims=True)
        logs[logs > -LOG_TIE] = 0.0
        return logs

    def spread(self, Z):
        """One: the Gaussians have their own scales."""
        return 1.0

    def labels(self, Z):
        """Index of the most probable cluster of each row.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples,), int64
        """
        return self.probabilities(Z).argmax(axis=1)


class Named(NamedTuple):
    """Clusters and the label of each."""

    assignment: object  # Centers, Rotation or Mixture
    names: np.ndarray  # (n_clusters,), int64, ascending


def named_after(assignment, clusters, labels):
    """The clusters named like the labels of some rows.

    Labels and clusters are matched one to one so that most labelled rows agree
    (the Hungarian method; Kuhn, 1955). The other clusters, those matched with a label
    of which they hold no row among them, take the least numbers that are no labels,
    the largest cluster first.

    Parameters
    ----------
    assignment : Centers, Rotation or Mixture
    clusters : ndarray of int of shape (n_labelled,)
        Those of these rows, by the assignment.
    labels : ndarray of int of shape (n_labelled,)
        Of at least 0.

    Returns
    -------
    Named
        In the order of the names. A label without a cluster, of which one warning
        tells, names none.
    """
    n_clusters = len(assignment.centers)
    classes, codes = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(classes), n_clusters))
    np.add.at(counts, (codes, clusters), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    agree = counts[rows, columns] > 0
    names = np.full(n_clusters, -1)
    names[columns[agree]] = classes[rows[agree]]
    unused = np.setdiff1d(np.arange(n_clusters + len(classes)), classes)
    names[names < 0] = unused[: np.count_nonzero(names < 0)]
    _warn_of_lost(np.setdiff1d(classes, names), len(classes))
    order = np.argsort(names)
    return Named(assignment.take(order), names[order])


def named_like(others, labels):
    """Clusters renumbered so that as many rows as can be have the same number.

    Parameters
    ----------
    others, labels : ndarray of int of shape (n_samples,)
        Not more of the former than of the latter.
    """
    size = 1 + max(others.max(), labels.max())
    counts = np.zeros((size, size))
    np.add.at(counts, (others, labels), 1)
    _, names = linear_sum_assignment(counts, maximize=True)
    return names[others]


def _warn_of_lost(lost, n_classes):
    if len(lost):
        some = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        warn(
            f"{len(lost)} of the {n_classes} labels in partial_labels got no cluster "
            f"({some}): their rows lie in the clusters of others.",
            ConvergenceWarning,
        )


def _mean(Z, members, weights):
    if weights is None:
        return Z[members].mean(axis=0)
    return np.average(Z[members], axis=0, weights=weights[members])


def _by_size(assignment, Z, weights=None):
    """The clusters that have rows, the one with most rows, or weight, first."""
    for _ in range(len(assignment.centers)):  # ties can go either way after sorting
        labels = assignment.labels(Z)
        sizes = np.bincount(labels, weights, minlength=len(assignment.centers))
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        if np.array_equal(order, np.arange(len(sizes))):
            break
        assignment = assignment.take(order)
    return assignment


def _pivoted(leading):
    """R of column-pivoted QR of the transposed rows, and the order it picks them in."""
    return qr(leading.T, mode="r", pivoting=True)


def _clear_run(Z, n_clusters, weights):
    """The run of k-means from rows that pivoted QR picks, where it is clearly best.

    That is where its inertia is less than two of its clusters as one would add to it
    (:func:`ward_costs`): clusters of less inertia have no two of these in one, however
    the other rows are divided. None where it is more: runs of k-means that have two as
    one, and another in two, may be better or worse.
    """
    if not 1 < n_clusters <= Z.shape[1]:
        return None
    enough = max(_START_ROWS, _START_ROWS_PER_CLUSTER * n_clusters)
    some = Z[:: -(-len(Z) // enough)]
    picked = some[_pivoted(some[:, :n_clusters])[1][:n_clusters]]
    run = KMeans(n_clusters, init=picked, n_init=1).fit(Z, sample_weight=weights)
    masses = np.bincount(run.labels_, weights, minlength=n_clusters)
    squares = euclidean_distances(run.cluster_centers_, squared=True)
    clear = masses.all() and run.inertia_ < ward_costs(squares, masses).min()
    return run if clear else None


def _start_rows(Z, n_clusters, random_state):
    """The rows with which k-means starts: numbers, or a slice for all."""
    most = min(_START_COST // n_clusters**2, _START_ENTRIES // Z.shape[1])
    n_rows = max(most, _START_ROWS, _START_ROWS_PER_CLUSTER * n_clusters)
    if n_rows < len(Z):
        rows = np.sort(random_state.permutation(len(Z))[:n_rows])
        if _count_distinct(Z[rows], n_clusters) >= n_clusters:
            return rows
    return slice(None)


def _count_distinct(Z, enough):
    """The number of distinct rows, counted only where it may be below `enough`.

    Differences of a few last bits do not count: the same row can have them in
    different places of a batch.
    """
    unit = 256 * np.finfo(Z.dtype).eps * float(np.max(np.abs(Z), initial=0.0)) or 1.0
    n_distinct = 0
    for rows in (Z[: 4 * enough], Z[: 100 * enough], Z):
        n_distinct = len(np.unique(np.round(rows / unit), axis=0))
        if n_distinct >= enough:
            break
    return n_distinct
