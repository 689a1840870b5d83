"""The display of a whole clustering at first sight."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from skspectralnet._calls import guarded
from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._input import validate_rows
from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import (
    checked_axes,
    class_colors,
    integer_ticks,
    merged_kwargs,
)
from skspectralnet.inspection._eigenvalues import EigenvaluesDisplay, largest_gap
from skspectralnet.inspection._fitted import check_drawable, fitted_points, sampled_rows

# Steps of the layout: scaling, making it smaller, which keeps the distances in ratio,
# pressing the discs together, which does not, and parting those that overlap after each
# step of these two.
_SCALING_STEPS, _SHRINKING_STEPS, _PRESSING_STEPS, _PARTING_STEPS = 100, 30, 10, 15
# Free width between two discs, in radii, and the least radius of a disc, in those of a
# cluster of mean size.
_ROOM, _LEAST_RADIUS = 0.1, 0.25
# The higher, the more the nearest of the other clusters decides alone to which side of
# its disc a row goes.
_PULL = 4
# The map, the sizes and the eigenvalues.
_PLACES, _WIDTHS = [(slice(None), 0), (0, 1), (1, 1)], (1.8, 1.0)


class OverviewDisplay:
    """What a clustering has found, at first sight: a map, sizes and eigenvalues.

    Each cluster is a disc of the map with its label in the middle; areas are numbers of
    rows. Clusters that share rows are near each other, and so are those whose means are
    near where the fit takes distances; the discs are then drawn together until they
    nearly touch. The dots in a disc are its rows. The least sure are placed first, at
    the rim, on the side of the cluster that would have them next; those whose largest
    probability is below `doubt_below` are black. So two clusters that run into each
    other have black caps that face each other.

    The map shows no distances between rows, no shapes and no densities: rows fill their
    disc evenly, and a place in it that is not black means nothing. Of many clusters
    some are side by side because the plane has no other place for them.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    positions : array-like of shape (n_rows, 2)
        Places of the rows on the map.
    discs : array-like of int of shape (n_rows,)
        The disc of each row, from 0.
    doubtful : array-like of bool of shape (n_rows,)
        The rows that are black.
    clusters : array-like of shape (n_clusters,)
        Labels of the discs.
    centers : array-like of shape (n_clusters, 2)
        The middles of the discs.
    radii : array-like of shape (n_clusters,)
        Of the discs, 1 for a cluster of mean size.
    sizes : array-like of int of shape (n_clusters,)
        Rows of each cluster, with those that are not drawn.
    eigenvalues : array-like of shape (n_components,)
        Learned, ascending.
    n_outliers : int, default=0
        Rows with the label -1. They are not drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        That of the map.
    axes_ : ndarray of matplotlib Axes, of shape (3,) or (1,)
        Those of the map, the sizes and the eigenvalues, or of the map alone.
    figure_ : matplotlib Figure
    circles_ : list of matplotlib Circle
        The discs.
    rows_ : matplotlib EllipseCollection
        The rows, those that are black last.
    names_ : list of matplotlib Text
        The labels of the discs.
    bars_, doubtful_bars_ : matplotlib BarContainer or None
        The sizes, and in them the share of the rows drawn that is doubtful.
    eigenvalues_ : EigenvaluesDisplay or None

    See Also
    --------
    skspectralnet.SpectralNetClustering.summary : What was found in numbers.
    DoubtDisplay : Rows between clusters, and rows that belong to none.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import OverviewDisplay
    >>> X, y = make_blobs(300, centers=4, cluster_std=0.3, random_state=3)
    >>> model = SpectralNetClustering(4, random_state=0).fit(X)
    >>> display = OverviewDisplay.from_estimator(model, X)
    >>> display.sizes.tolist(), display.ax_.get_title()
    ([75, 75, 75, 75], '4 clusters of 300 rows, none doubtful')
    """

    def __init__(
        self,
        *,
        positions,
        discs,
        doubtful,
        clusters,
        centers,
        radii,
        sizes,
        eigenvalues,
        n_outliers=0,
    ):
        self.positions = positions
        self.discs = discs
        self.doubtful = doubtful
        self.clusters = clusters
        self.centers = centers
        self.radii = radii
        self.sizes = sizes
        self.eigenvalues = eigenvalues
        self.n_outliers = n_outliers

    @classmethod
    @guarded
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        doubt_below=0.8,
        n_rows=10_000,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Draw what a fitted model finds in some rows.

        Parameters
        ----------
        estimator : SpectralNetClustering
            Fitted. Where it has no `predict_proba`, as after a fit of few rows, no row
            is black.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of the fit, or others.
        doubt_below : float, default=0.8
            Rows whose largest probability is below it are doubtful.
        n_rows : int, default=10000
            Number of rows to choose at random for the map, at most all of them.
        random_state : int, RandomState instance or None, default=0
            Chooses the rows.
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw: three for the map, the sizes and the eigenvalues, or one for
            the map alone; None makes a new figure with all three.
        **kwargs : dict
            Passed to the ``EllipseCollection`` of the rows.

        Returns
        -------
        display : OverviewDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError, TypeError
            If an argument cannot be used, or all rows are outliers.
        """
        check_drawable(estimator, (SpectralNetClustering,), cls)
        if not isinstance(doubt_below, Real) or not 0 <= doubt_below <= 1:
            raise ValueError(
                f"doubt_below must be a number from 0 to 1; got {doubt_below!r}."
            )
        labels = np.asarray(estimator.predict(X))
        kept = _rows_of_clusters(estimator, labels)
        clusters, first, sizes = np.unique(
            labels[kept], return_index=True, return_counts=True
        )
        some = sampled_rows(len(kept), n_rows, random_state)
        chosen = kept[np.union1d(some, first)]  # each cluster has a row
        radii = np.maximum(np.sqrt(sizes / sizes.mean()), _LEAST_RADIUS)
        seen = _seen(estimator, X, chosen, labels[chosen])
        centers = _layout(seen.distances, radii)
        sure = seen.confidence
        display = cls(
            positions=_places(seen, centers, radii),
            discs=seen.discs,
            doubtful=None if sure is None else sure < doubt_below,
            clusters=clusters,
            centers=centers,
            radii=radii,
            sizes=sizes,
            eigenvalues=estimator.eigenvalues_,
            n_outliers=len(labels) - len(kept),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the map and what stands beside it.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw: three for the map, the sizes and the eigenvalues, or one for
            the map alone; None makes a new figure with all three.
        **kwargs : dict
            Passed to the ``EllipseCollection`` of the rows.

        Returns
        -------
        self : OverviewDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        alone = ax is not None and np.size(np.asarray(ax, dtype=object)) == 1
        axes = checked_axes(ax, _PLACES[:1] if alone else _PLACES, widths=_WIDTHS)
        self.ax_, self.axes_, self.figure_ = axes[0], axes, axes[0].figure
        self.bars_ = self.doubtful_bars_ = self.eigenvalues_ = None
        colors = class_colors(len(self.clusters))
        self._draw_map(colors, kwargs)
        if not alone:
            self._draw_sizes(axes[1], colors)
            self.eigenvalues_ = EigenvaluesDisplay(
                eigenvalues=self.eigenvalues,
                largest_gap=largest_gap(self.eigenvalues, 1),
                n_clusters=len(self.clusters),
            ).plot(ax=axes[2])
        return self

    def _black(self):
        """Which rows are black."""
        if self.doubtful is None:
            return np.zeros(len(self.discs), dtype=bool)
        return np.asarray(self.doubtful)

    def _draw_map(self, colors, kwargs):
        from matplotlib.collections import Collection, EllipseCollection
        from matplotlib.colors import to_rgba
        from matplotlib.patches import Circle
        from matplotlib.patheffects import withStroke

        ax, discs, black = self.ax_, np.asarray(self.discs), self._black()
        self.circles_ = [
            ax.add_patch(Circle(center, radius, facecolor=color, alpha=0.25))
            for center, radius, color in zip(
                self.centers, self.radii, colors, strict=True
            )
        ]
        n_drawn = np.bincount(discs, minlength=len(self.radii))
        dots = (1.4 * np.asarray(self.radii) / np.sqrt(np.maximum(n_drawn, 3)))[discs]
        order = np.argsort(black, kind="stable")
        faces = np.array([to_rgba(color, 0.7) for color in colors])[discs]
        faces[black] = 0.0, 0.0, 0.0, 1.0
        look = {"facecolor": faces[order], "linewidth": 0}
        self.rows_ = EllipseCollection(
            *(dots[order], dots[order], np.zeros(len(dots))),
            units="xy",
            offsets=np.asarray(self.positions)[order],
            offset_transform=ax.transData,
            **merged_kwargs(look, kwargs, Collection),
        )
        ax.add_collection(self.rows_, autolim=False)
        size = min(13.0, 8.0 + 30.0 / len(self.clusters))
        around = {"path_effects": [withStroke(linewidth=3, foreground="white")]}
        look = {"ha": "center", "va": "center", "size": size, "weight": "bold"}
        self.names_ = [
            ax.text(*center, str(label), color="black", **look, **around)
            for center, label in zip(self.centers, self.clusters, strict=True)
        ]
        ax.autoscale_view()
        ax.set_aspect("equal", adjustable="datalim")
        ax.set(xticks=[], yticks=[], title=self._title())
        ax.spines[:].set_visible(False)

    def _title(self):
        """What was found, in one line."""
        n_clusters, n_rows = len(self.clusters), int(np.sum(self.sizes))
        parts = [f"{n_clusters} cluster{'s' * (n_clusters > 1)} of {n_rows} rows"]
        if self.doubtful is not None:
            share = np.mean(self.doubtful)
            parts.append(f"{share:.1%} doubtful (black)" if share else "none doubtful")
        if self.n_outliers:
            parts.append(f"{self.n_outliers} outliers beside")
        return ", ".join(parts)

    def _draw_sizes(self, ax, colors):
        places = np.arange(len(self.clusters))
        self.bars_ = ax.bar(places, self.sizes, color=colors)
        of_disc = np.bincount(self.discs, minlength=len(places))
        n_black = np.bincount(self.discs, weights=self._black(), minlength=len(places))
        heights = np.asarray(self.sizes) * n_black / of_disc
        self.doubtful_bars_ = ax.bar(places, heights, color="black")
        if len(places) <= 20:
            ax.set_xticks(places, [str(label) for label in self.clusters])
        else:
            integer_ticks(ax)
        told = "rows, doubtful ones black" if n_black.any() else "rows"
        ax.set(xlabel="cluster", ylabel=told)
        ax.margins(x=0.02)


class _Seen(NamedTuple):
    """Rows as the model sees them, for a map of the clusters that have some."""

    discs: object  # int of shape (n_rows,)
    confidence: object  # the largest probability of each row; None where unknown
    nearness: object  # of the other clusters, in [0, 1], (n_rows, n_clusters)
    distances: object  # between clusters, (n_clusters, n_clusters)


def _rows_of_clusters(estimator, labels):
    """Numbers of the rows that are no outliers."""
    if not hasattr(estimator, "offset_"):  # -1 can be the name of a cluster then
        return np.arange(len(labels))
    kept = np.flatnonzero(labels != -1)
    if not len(kept):
        raise ValueError(
            "All rows of X are outliers (-1): the map needs rows of clusters."
        )
    return kept


def _seen(estimator, X, chosen, labels):
    """The chosen rows of X, and their labels, as the model sees them."""
    clusters, discs = np.unique(labels, return_inverse=True)
    columns = np.searchsorted(estimator.classes_, clusters)
    Z, centers = np.asarray(estimator.transform(X))[chosen], estimator.cluster_centers_
    lengths = cdist(Z, centers[columns])
    least = lengths.min(axis=1, keepdims=True)
    nearness = np.divide(least, lengths, out=np.ones_like(lengths), where=lengths > 0)
    nearness[np.arange(len(discs)), discs] = 0.0
    shares = confidence = None
    if hasattr(estimator, "predict_proba"):
        shares = np.asarray(estimator.predict_proba(X))[chosen]
        confidence, shares = shares.max(axis=1), shares[:, columns]
    points, _ = fitted_points(
        estimator, validate_rows(estimator, X, reset=False)[chosen]
    )
    return _Seen(
        discs=discs,
        confidence=confidence,
        nearness=nearness,
        distances=_between(discs, points, shares),
    )


def _between(discs, points, shares):
    r"""Distances between clusters: of their means, shorter where they share rows.

    .. math:: \lvert m_i - m_j \rvert \left(1 - \sqrt{\min(1, p_{ij} + p_{ji})}\right)

    with :math:`m_i` the mean of the points of cluster i and :math:`p_{ij}` the mean
    probability of cluster j in its rows.

    Parameters
    ----------
    discs : ndarray of int of shape (n_rows,)
    points : {ndarray, CSR} of shape (n_rows, n_points)
    shares : ndarray of shape (n_rows, n_clusters) or None

    Returns
    -------
    ndarray of shape (n_clusters, n_clusters)
    """
    member = sparse.csr_array((np.ones(len(discs)), (discs, np.arange(len(discs)))))
    member = sparse.diags_array(1.0 / member.sum(axis=1)) @ member
    means = member @ points
    means = means.toarray() if sparse.issparse(means) else means
    distances = cdist(means, means)
    if shares is None:
        return distances
    shared = member @ shares
    return distances * (1.0 - np.sqrt(np.minimum(1.0, shared + shared.T)))


# --- where the discs are


def _layout(distances, radii):
    """Places in the plane for discs that do not overlap, near ones together.

    Parameters
    ----------
    distances : ndarray of shape (n, n)
        Only their ratios and the discs they are between matter.
    radii : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n, 2)
        With the longer side of the whole along the first axis and the first disc at its
        upper left.
    """
    n = len(radii)
    if n == 1:
        return np.zeros((1, 2))
    apart = (radii[:, None] + radii) * (1.0 + _ROOM)
    np.fill_diagonal(apart, 0.0)
    # Clusters at one place can be parted only where they are not quite there.
    turns = 2.4 * np.arange(n)
    ratios = distances / (distances.mean() or 1.0)
    Y = _scaled(ratios) + 1e-3 * np.column_stack([np.cos(turns), np.sin(turns)])
    away = cdist(Y, Y) + np.diag(np.full(n, np.inf))
    Y *= 2.0 * np.median(apart.max(axis=1) / away.min(axis=1))
    for _ in range(_SHRINKING_STEPS):
        wanted = np.maximum(apart, 0.9 * cdist(Y, Y).mean() * ratios)
        Y = _parted(_majorised(Y, wanted, 3), apart)
    areas = radii**2 / np.sum(radii**2)
    for _ in range(_PRESSING_STEPS):
        Y = _parted(0.97 * (Y - areas @ Y), apart)
    away = cdist(Y, Y) + np.eye(n)
    Y *= max(1.0, np.max((apart / (1.0 + _ROOM)) / away))
    Y -= areas @ Y
    _, axes = np.linalg.eigh((Y * areas[:, None]).T @ Y)
    Y = Y @ axes[:, ::-1]
    return Y * np.where(Y[0] * [-1.0, 1.0] < 0.0, -1.0, 1.0)


def _scaled(distances):
    """Multidimensional scaling in the plane, from the principal axes."""
    n = len(distances)
    centering = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(-0.5 * centering @ distances**2 @ centering)
    Y = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0.0))
    return _majorised(Y, distances, _SCALING_STEPS)


def _majorised(Y, wanted, n_steps):
    """Move points so that their distances are nearer to those wanted.

    The Guttman transform: J. de Leeuw, "Applications of convex analysis to
    multidimensional scaling", Recent Developments in Statistics, 1977.
    """
    for _ in range(n_steps):
        away = cdist(Y, Y)
        ratio = np.divide(wanted, away, out=np.zeros_like(away), where=away > 0)
        Y = (ratio.sum(axis=1)[:, None] * Y - ratio @ Y) / len(Y)
    return Y


def _parted(Y, apart):
    """Push each two centres away from each other that are nearer than they may be."""
    for _ in range(_PARTING_STEPS):
        away = cdist(Y, Y)
        over = np.maximum(apart - away, 0.0)
        if not over.any():
            break
        push = np.divide(over, away, out=np.zeros_like(over), where=away > 0)
        Y = Y + 0.3 * (push.sum(axis=1)[:, None] * Y - push @ Y)
    return Y


# --- where the rows are


def _places(seen, centers, radii):
    """Places of the rows, each in its disc."""
    places = np.empty((len(seen.discs), 2))
    second = seen.nearness.max(axis=1)
    sure = np.zeros(len(second)) if seen.confidence is None else seen.confidence
    for j, (center, radius) in enumerate(zip(centers, radii, strict=True)):
        rows = np.flatnonzero(seen.discs == j)
        rows = rows[np.lexsort((-second[rows], sure[rows]))]  # the least sure first
        ways = centers - center
        lengths = np.linalg.norm(ways, axis=1, keepdims=True)
        ways = np.divide(ways, lengths, out=np.zeros_like(ways), where=lengths > 0)
        pulls = seen.nearness[rows] ** _PULL @ ways
        places[rows] = center + radius * _filled(pulls)
    return places


def _filled(pulls):
    """Fill the unit disc evenly with rows that are pulled to its sides.

    Parameters
    ----------
    pulls : ndarray of shape (n, 2)
        Only the directions count. Each row in turn has the free place that is farthest
        to its side.

    Returns
    -------
    ndarray of shape (n, 2)
    """
    slots = _slots(len(pulls))
    taken = np.zeros(len(slots))
    places = np.empty_like(slots)
    for row, pull in enumerate(pulls):
        slot = np.argmax(slots @ pull - taken)
        places[row], taken[slot] = slots[slot], np.inf
    return places


def _slots(n):
    """n places in the unit disc in rings, those at the rim first."""
    n_rings = max(1, round(np.sqrt(n / np.pi)))
    ends = np.round(n * (np.arange(n_rings + 1) / n_rings) ** 2).astype(int)
    rings = []
    for ring, size in enumerate(np.diff(ends)):
        turns = 2.0 * np.pi * np.arange(size) / max(size, 1)
        radius = (ring + 0.5) / n_rings
        rings.append(radius * np.column_stack([np.cos(turns), np.sin(turns)]))
    return np.concatenate(rings[::-1])
