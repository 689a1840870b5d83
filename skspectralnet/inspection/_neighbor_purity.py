"""The display of the purity of each cluster."""

import numpy as np
from sklearn.utils import check_random_state

from skspectralnet._calls import guarded
from skspectralnet._defaults import AUTO_WIDTH
from skspectralnet._distinct import distinct_rows
from skspectralnet._graph import nearest_neighbors
from skspectralnet._input import validate_rows
from skspectralnet._rows import standard_points
from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, class_colors, merged_kwargs
from skspectralnet.inspection._fitted import (
    SPECTRAL,
    check_drawable,
    is_int_in,
    labels_of_rows,
    sampled_rows,
)


class NeighborPurityDisplay:
    """For each cluster, the share of the neighbours of its rows that belong to it.

    A cluster with a much lower share than the others touches another cluster, is mixed
    with it or is a part of it. The black marks are the shares of random labels: the
    share of the other rows that are in the cluster.

    Equal rows are no neighbours of each other: they would fill the lists of their
    neighbours, and the purity would be 1 whatever is around them. They are one point,
    which counts as a neighbour as often as it occurs.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    purity : array-like of shape (n_clusters,)
        Between 0 and 1.
    at_random : array-like of shape (n_clusters,)
        The purity of random labels.
    clusters : array-like of shape (n_clusters,)
        Labels of the clusters.
    n_neighbors : int
        Number of neighbours of each row, each of them different rows.
    space : str
        The space in which distances were taken.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    bars_ : matplotlib BarContainer
        The purities.
    at_random_ : matplotlib LineCollection
        The marks of random labels.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import NeighborPurityDisplay
    >>> X, y = make_blobs(300, centers=3, cluster_std=0.3, random_state=3)
    >>> model = SpectralNetClustering(3, random_state=0).fit(X)
    >>> NeighborPurityDisplay.from_estimator(model, X).purity.round(2).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, *, purity, at_random, clusters, n_neighbors, space):
        self.purity = purity
        self.at_random = at_random
        self.clusters = clusters
        self.n_neighbors = n_neighbors
        self.space = space

    @classmethod
    @guarded
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        labels=None,
        n_neighbors=10,
        space="rows",
        n_rows=10_000,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Draw the purity of each cluster of a fitted model.

        Parameters
        ----------
        estimator : SpectralNetClustering or SpectralNetEmbedding
            Fitted.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        labels : array-like of shape (n_samples,), default=None
            Labels of the rows. None uses ``estimator.predict(X)``; an estimator
            without `predict` needs labels.
        n_neighbors : int, default=10
            Number of nearest rows that differ from a row and from each other, by
            Euclidean distance; all of them where there are fewer.
        space : {"rows", "embedding"}, default="rows"
            Where distances are taken: between the rows of X, which do not depend on
            the model, or between those of ``transform(X)``, in which clusters are
            separate even if those of X are not.
        n_rows : int, default=10000
            Number of rows to choose at random, at most all of them.
        random_state : int, RandomState instance or None, default=0
            Chooses the rows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.bar``.

        Returns
        -------
        display : NeighborPurityDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError, TypeError
            If an argument cannot be used, there are no labels, or all rows are equal.
        """
        check_drawable(estimator, SPECTRAL, cls)
        if space not in ("rows", "embedding"):
            raise ValueError(f"space must be 'rows' or 'embedding'; got {space!r}.")
        labels = labels_of_rows(estimator, X, labels, required=True)
        rows = validate_rows(estimator, X, reset=False)
        random_state = check_random_state(random_state)
        chosen = sampled_rows(len(labels), n_rows, random_state)
        if not is_int_in(n_neighbors, 1, len(chosen) - 1):
            raise ValueError(
                f"n_neighbors must be an int from 1 to {len(chosen) - 1}, the number "
                f"of other rows; got {n_neighbors!r}."
            )
        distinct = _different_rows(rows[chosen])
        n_neighbors = min(n_neighbors, len(distinct.first) - 1)
        if space == "embedding":
            rows = np.asarray(estimator.transform(X))
        points = standard_points(rows[chosen], AUTO_WIDTH)[distinct.first]
        near = nearest_neighbors(points, n_neighbors, random_state=random_state).indices
        clusters, codes = np.unique(labels[chosen], return_inverse=True)
        same, sizes = _own_share(near, distinct.inverse, codes), np.bincount(codes)
        return cls(
            purity=np.bincount(codes, weights=same) / sizes,
            at_random=(sizes - 1) / (len(codes) - 1),
            clusters=clusters,
            n_neighbors=n_neighbors,
            space=space,
        ).plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the purities.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.bar``.

        Returns
        -------
        self : NeighborPurityDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.patches import Rectangle

        (ax,) = checked_axes(ax, [(0, 0)])
        at = np.arange(len(self.clusters))
        look = {"color": class_colors(len(at))}
        self.bars_ = ax.bar(at, self.purity, **merged_kwargs(look, kwargs, Rectangle))
        self.at_random_ = ax.hlines(
            self.at_random, at - 0.4, at + 0.4, color="black", label="random labels"
        )
        ax.set_xticks(at, self.clusters)
        ax.set_ylim(0.0, 1.0)
        what = f"share of {self.n_neighbors} neighbours ({self.space})"
        ax.set(xlabel="cluster", ylabel=f"{what} in the cluster")
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _different_rows(X):
    """Which rows are equal; raise where all are."""
    distinct = distinct_rows(X)
    if len(distinct.first) == 1:
        raise ValueError("All rows are equal: none has a neighbour.")
    return distinct


def _own_share(neighbors, inverse, codes):
    """The share of the neighbours of each row that are of its own cluster.

    Parameters
    ----------
    neighbors : ndarray of int of shape (n_distinct, n_neighbors)
        Those of each distinct row.
    inverse : ndarray of int of shape (n_samples,)
        Which of the distinct rows each row equals.
    codes : ndarray of int of shape (n_samples,)
        Numbers of the clusters.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    occurs = np.zeros((len(neighbors), codes.max() + 1), dtype=np.int64)
    np.add.at(occurs, (inverse, codes), 1)
    near = neighbors[inverse]
    own = occurs[near, codes[:, None]].sum(axis=1)
    return own / occurs.sum(axis=1)[near].sum(axis=1)
