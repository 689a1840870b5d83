"""Which clusters belong together: merges of those of a fit, and a model after them."""

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics.pairwise import euclidean_distances


class Labelled(NamedTuple):
    """Which clusters have a number of `partial_labels`."""

    rows: np.ndarray  # (n_clusters,), of the cluster of the fit that got it; 0: none
    numbers: np.ndarray  # all of `partial_labels`, ascending

    @classmethod
    def of(cls, names, counts, numbers):
        """That of clusters with these names and rows."""
        return cls(np.isin(names, numbers) * np.maximum(counts, 1), numbers)


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Merges of clusters, two at a time, until a single one is left.

    Parameters
    ----------
    children : ndarray of int of shape (n_clusters - 1, 2)
        The two that are merged: below n_clusters a cluster, in the order of
        `classes_`; n_clusters + i is what merge i has made.
    distances : ndarray of shape (n_clusters - 1,)
        What each merge costs, ascending, as c / (1 + c) in [0, 1]: 1 where no edge
        joins the two.
    labelled : Labelled
        Of the clusters, how many rows those have that got a number of
        `partial_labels`, and all of these numbers.
    """

    children: np.ndarray
    distances: np.ndarray
    labelled: Labelled

    def linkage(self):
        """The merges as scipy's functions of hierarchies take them.

        Returns
        -------
        ndarray of shape (n_clusters - 1, 4), float64
            Of each merge the two children, the distance and the clusters in it.
        """
        n_leaves = len(self.labelled.rows)
        sizes = np.ones(n_leaves + len(self.children))
        for i, pair in enumerate(self.children):
            sizes[n_leaves + i] = sizes[pair].sum()
        return np.column_stack([self.children, self.distances, sizes[n_leaves:]])

    def groups(self, n_groups):
        """The group of each cluster after all merges but the last ``n_groups - 1``.

        Parameters
        ----------
        n_groups : int
            From 1 to n_clusters.

        Returns
        -------
        ndarray of int of shape (n_clusters,)
            From 0, in the order of their first clusters.
        """
        n_leaves = len(self.labelled.rows)
        member = np.arange(n_leaves)
        for i, pair in enumerate(self.children[: n_leaves - n_groups]):
            member[np.isin(member, pair)] = n_leaves + i
        _, first, inverse = np.unique(member, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[inverse]

    def above(self, groups):
        """The Hierarchy of groups of clusters that merges have made.

        Parameters
        ----------
        groups : ndarray of int of shape (n_clusters,)
            Those of `groups`, numbered in any way.
        """
        n_leaves, n_groups = len(self.labelled.rows), int(groups.max()) + 1
        n_done = n_leaves - n_groups
        number = np.append(groups, np.zeros(len(self.children), dtype=int))
        for i, pair in enumerate(self.children):
            made = n_groups + i - n_done if i >= n_done else number[pair[0]]
            number[n_leaves + i] = made
        rows = np.zeros(n_groups, dtype=self.labelled.rows.dtype)
        np.maximum.at(rows, groups, self.labelled.rows)
        children = np.sort(number[self.children[n_done:]], axis=1)
        labelled = self.labelled._replace(rows=rows)
        return Hierarchy(children, self.distances[n_done:], labelled)


class Gaps(NamedTuple):
    """How far clusters are from each other, for those that no edge joins."""

    squares: np.ndarray  # (n_clusters, n_clusters), *squared* distances
    counts: np.ndarray  # (n_clusters,), the rows of each

    @classmethod
    def of(cls, points, labels, counts):
        """Distances between the nearest two rows of each two clusters.

        Parameters
        ----------
        points : {ndarray, CSR} of shape (n_rows, n_features)
        labels : ndarray of int of shape (n_rows,)
            Clusters without a row are as far from the others as any two are.
        counts : ndarray of int of shape (n_clusters,)
        """
        squares = np.full((len(counts), len(counts)), np.inf)
        for j in np.unique(labels):
            lengths = euclidean_distances(points[labels == j], points, squared=True)
            np.minimum.at(squares[j], labels, lengths.min(axis=0))
        known = np.isfinite(squares)
        squares[~known] = squares[known].max(initial=0.0)
        return cls(np.minimum(squares, squares.T), np.maximum(counts, 1))

    def costs(self):
        """Those of :func:`ward_costs`, x the nearest two rows in place of the means."""
        return ward_costs(self.squares, self.counts)

    def merged(self, i, j):
        """The same with clusters i < j as one, in the place of i."""
        squares, counts = self.squares.copy(), self.counts.copy()
        counts[i] += counts[j]
        squares[i] = np.minimum(squares[i], squares[j])
        squares[:, i] = squares[i]
        squares = np.delete(np.delete(squares, j, axis=0), j, axis=1)
        return Gaps(squares, np.delete(counts, j))


def ward_costs(squares, counts):
    """Ward's criterion: what two clusters as one add to the inertia.

    :math:`n_i n_j / (n_i + n_j) |x_i - x_j|^2`, x the means (J. H. Ward, "Hierarchical
    Grouping to Optimize an Objective Function", JASA 58, 1963).

    Parameters
    ----------
    squares : ndarray of shape (n_clusters, n_clusters)
        *Squared* distances.
    counts : ndarray of shape (n_clusters,)
        Rows of each, or the sums of their weights; above 0.

    Returns
    -------
    ndarray of shape (n_clusters, n_clusters)
        Infinite on the diagonal.
    """
    costs = squares * (counts[:, None] * counts / (counts[:, None] + counts))
    np.fill_diagonal(costs, np.inf)
    return costs


def hierarchy(weights, gaps, labelled):
    r"""Merge the two clusters for which it costs least, again and again.

    .. math:: c = \frac{s_i s_j}{s_i + s_j} \, \frac{s_i s_j}{s_{ij}}

    with :math:`s_i` the degrees of a cluster and :math:`s_{ij}` the weight between two,
    as shares of all weight. The first factor is that of Ward's criterion, by which
    large clusters are merged late; in the place of the squared distance stands how much
    weight labels at random would put between the two over what is there (T. Bonald, B.
    Charpentier, A. Galland, A. Hollocou, "Hierarchical Graph Clustering using Node Pair
    Sampling", 2018, Eq. (2), https://arxiv.org/abs/1806.01664). No merge makes
    another one cheaper than both of its parts were, so costs ascend. Where no edge is
    left, the distance of the nearest rows decides, see :meth:`Gaps.costs`.

    Parameters
    ----------
    weights : ndarray of shape (n_clusters, n_clusters), symmetric
        As of :func:`~skspectralnet._graph.cluster_weights`.
    gaps : Gaps
    labelled : Labelled

    Returns
    -------
    Hierarchy
    """
    n_leaves = len(weights)
    numbers, shares = np.arange(n_leaves), weights / max(float(weights.sum()), 1e-300)
    children, distances = [], []
    while len(numbers) > 1:
        costs = _costs(shares)
        joined = bool(np.isfinite(costs).any())
        order = costs if joined else gaps.costs()
        i, j = sorted(divmod(int(order.argmin()), len(numbers)))
        children.append(sorted((numbers[i], numbers[j])))
        distances.append(costs[i, j] / (1.0 + costs[i, j]) if joined else 1.0)
        numbers[i] = n_leaves + len(children) - 1
        numbers, shares = np.delete(numbers, j), _joined(shares, i, j)
        gaps = gaps.merged(i, j)
    children = np.array(children, dtype=np.int64).reshape(-1, 2)
    # Costs that are equal may descend by rounding.
    return Hierarchy(children, np.maximum.accumulate(distances), labelled)


def _costs(shares):
    """The c of each pair; infinite on the diagonal and where no edge is."""
    degrees = shares.sum(axis=1)
    chance = np.outer(degrees, degrees)
    sums = np.maximum(degrees[:, None] + degrees, np.finfo(np.float64).tiny)
    costs = np.full(shares.shape, np.inf)
    np.divide(chance * chance / sums, shares, out=costs, where=shares > 0)
    np.fill_diagonal(costs, np.inf)
    return costs


def _joined(shares, i, j):
    """Shares with i < j as one cluster, in the place of i."""
    shares = shares.copy()
    shares[i] += shares[j]
    shares[:, i] += shares[:, j]
    return np.delete(np.delete(shares, j, axis=0), j, axis=1)


# --- the model after the merges


@dataclass(frozen=True, eq=False)
class Merged:
    """Clusters that are unions of those of a fit.

    Parameters
    ----------
    fine : Centers, Rotation or Mixture
        Those of the fit.
    groups : ndarray of int of shape (n_fine,)
        The cluster that each of them is in.
    counts : ndarray of int of shape (n_fine,)
        Rows of each.
    """

    fine: object
    groups: np.ndarray
    counts: np.ndarray

    @property
    def centers(self):
        """Means of the centres, by their rows, (n_clusters, n_components)."""
        weights = np.maximum(self.counts, np.finfo(np.float64).tiny)[:, None]
        sums = np.zeros((int(self.groups.max()) + 1, self.fine.centers.shape[1] + 1))
        np.add.at(sums, self.groups, np.hstack([weights * self.fine.centers, weights]))
        return sums[:, :-1] / sums[:, -1:]

    def labels(self, Z):
        """The cluster that holds the fine cluster of each row, int64."""
        return self.groups[self.fine.labels(Z)]

    def log_strengths(self, Z, scale):
        """Logarithm of the strength of the strongest part of each cluster.

        Not of the sum over the parts, whose largest might be of a cluster that does not
        hold the strongest part.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_components)
        scale : float

        Returns
        -------
        ndarray of shape (n_samples, n_clusters), float64
        """
        fine = self.fine.log_strengths(Z, scale)
        largest = np.full((len(Z), int(self.groups.max()) + 1), -np.inf)
        for j, group in enumerate(self.groups):
            np.maximum(largest[:, group], fine[:, j], out=largest[:, group])
        return largest

    def moved(self, Z, counts):
        """The same on fine centres that some new rows have moved, and their counts."""
        fine, counts = self.fine.moved(Z, counts)
        return Merged(fine, self.groups, counts), counts


def fine_parts(assignment):
    """The clusters of the fit, and the group of each one: a Merged in two parts."""
    if isinstance(assignment, Merged):
        return assignment.fine, assignment.groups
    return assignment, np.arange(len(assignment.centers))


def merged_model(model, n_clusters):
    """A copy of a fitted model whose clusters are merged.

    Parameters
    ----------
    model : SpectralNetClustering
        Fitted; not changed.
    n_clusters : int
        From 1 to its `n_clusters_`.

    Returns
    -------
    SpectralNetClustering

    Raises
    ------
    ValueError
        If there are not so many clusters.
    """
    whole = isinstance(n_clusters, Integral) and not isinstance(n_clusters, bool)
    if not whole or not 1 <= n_clusters <= model.n_clusters_:
        raise ValueError(
            f"n_clusters must be a whole number from 1 to {model.n_clusters_}, the "
            f"clusters of this model; got {n_clusters!r}. More need a new fit."
        )
    n_clusters = int(n_clusters)
    fine, parts = fine_parts(model._assignment)
    sizes = np.bincount(parts, model._counts, minlength=model.n_clusters_)
    groups, names = _named(model, model.hierarchy_.groups(n_clusters), sizes)
    assignment = Merged(fine, groups[parts], model._counts)
    changed = {
        "n_clusters": n_clusters,
        "n_clusters_": n_clusters,
        "_assignment": assignment,
        "classes_": names,
        "cluster_centers_": assignment.centers.astype(model.cluster_centers_.dtype),
        "hierarchy_": model.hierarchy_.above(groups),
    }
    if hasattr(model, "labels_"):  # it may have been dropped
        places = np.searchsorted(model.classes_, model.labels_)
        inside = model.labels_ >= 0  # others are of no cluster
        changed["labels_"] = np.where(inside, names[groups[places]], model.labels_)
    made = clone(model)
    parameters = set(model.get_params(deep=False))
    kept = {name: v for name, v in vars(model).items() if name not in parameters}
    kept.pop("inertia_", None)  # to other centres than rows are labelled by
    vars(made).update(kept | changed)
    return made


def _named(model, groups, sizes):
    """Groups in the order of their names, and these.

    A group with clusters that have a number of `partial_labels` takes that of the
    largest of these, as the fit has found them; the others take the least numbers that
    are no label, the largest group first.
    """
    labelled, n_groups = model.hierarchy_.labelled, int(groups.max()) + 1
    names = np.full(n_groups, -1)
    for cluster in np.argsort(labelled.rows, kind="stable"):  # the last word
        if labelled.rows[cluster]:
            names[groups[cluster]] = model.classes_[cluster]
    totals = np.bincount(groups, sizes, minlength=n_groups)
    others = [g for g in np.argsort(-totals, kind="stable") if names[g] < 0]
    n_taken = len(labelled.numbers)
    free = np.setdiff1d(np.arange(n_groups + n_taken), labelled.numbers)
    names[others] = free[: len(others)]
    order = np.argsort(names)
    return np.argsort(order)[groups], names[order]
