"""The display of the merges of clusters."""

import numpy as np
from scipy.cluster.hierarchy import dendrogram

from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, class_colors, merged_kwargs
from skspectralnet.inspection._fitted import SPECTRAL, check_drawable, is_int_in


class DendrogramDisplay:
    """The merges of the clusters of a fit, by what they cost, as a tree.

    Clusters that are joined near the bottom have many edges between them; at a height
    of 1 no edge joins what is merged. A long vertical line is a cluster that stays
    apart from the others over many merges.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    linkage : array-like of shape (n_clusters - 1, 4)
        As scipy's functions of hierarchies take it: the two that are merged, the
        height, the clusters in it.
    clusters : array-like of shape (n_clusters,)
        Labels of the clusters.
    n_groups : int, default=None
        The branches below a cut into so many clusters have a colour for each; None
        draws all in one.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    merges_ : matplotlib LineCollection
        One bracket for each merge, in the order of `linkage`.
    order_ : ndarray of shape (n_clusters,)
        Labels of the clusters from left to right.
    cut_ : matplotlib Line2D or None
        Between the merges that are made and those that are not.

    See Also
    --------
    skspectralnet.SpectralNetClustering.merge : The model after some of the merges.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import DendrogramDisplay
    >>> X, y = make_blobs(300, centers=4, cluster_std=0.9, random_state=3)
    >>> model = SpectralNetClustering(4, random_state=0).fit(X)
    >>> DendrogramDisplay.from_estimator(model, n_groups=2).linkage.shape
    (3, 4)
    """

    def __init__(self, *, linkage, clusters, n_groups=None):
        self.linkage = linkage
        self.clusters = clusters
        self.n_groups = n_groups

    @classmethod
    def from_estimator(cls, estimator, *, n_groups=None, ax=None, **kwargs):
        """Draw the merges of the clusters of a fitted model.

        Parameters
        ----------
        estimator : SpectralNetClustering
            Fitted, with two clusters or more.
        n_groups : int, default=None
            From 1 to the clusters of the model: those of ``merge(n_groups)`` get a
            colour each. None: all merges are drawn alike.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``LineCollection``.

        Returns
        -------
        display : DendrogramDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError, TypeError
            If an argument cannot be used, or nothing was or can be merged.
        """
        check_drawable(estimator, SPECTRAL, cls)
        if not hasattr(estimator, "hierarchy_"):
            raise ValueError(f"{type(estimator).__name__} has no clusters to merge.")
        n_clusters = estimator.n_clusters_
        if n_clusters < 2:
            raise ValueError(
                f"A tree needs two clusters or more; got n_clusters_={n_clusters}."
            )
        if n_groups is not None and not is_int_in(n_groups, 1, n_clusters):
            raise ValueError(
                f"n_groups must be None or an int from 1 to {n_clusters}, the clusters "
                f"of the model; got {n_groups!r}."
            )
        linkage = estimator.hierarchy_.linkage()
        display = cls(linkage=linkage, clusters=estimator.classes_, n_groups=n_groups)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the merges.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``LineCollection``.

        Returns
        -------
        self : DendrogramDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.collections import LineCollection

        (ax,) = checked_axes(ax, [(0, 0)])
        linkage, clusters = np.asarray(self.linkage), np.asarray(self.clusters)
        n_merges = len(linkage)
        leaves = dendrogram(linkage, no_plot=True)["leaves"]
        look = {"colors": _colors(linkage, self.n_groups)}
        kwargs = merged_kwargs(look, kwargs, LineCollection)
        self.merges_ = LineCollection(_brackets(linkage, leaves), **kwargs)
        ax.add_collection(self.merges_)
        self.order_, self.cut_ = clusters[leaves], None
        heights = np.concatenate([[0.0], linkage[:, 2], [linkage[-1, 2]]])
        if self.n_groups is not None:
            made = n_merges + 1 - self.n_groups
            between = 0.5 * (heights[made] + heights[made + 1])
            self.cut_ = ax.axhline(between, color="0.5", linestyle="dotted")
        ax.set_xticks(np.arange(n_merges + 1), self.order_)
        ax.set_xlim(-0.5, n_merges + 0.5)
        ax.set_ylim(0.0, 1.05 * heights[-1])
        ax.set(xlabel="cluster", ylabel="cost of the merge")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _brackets(linkage, leaves):
    """The four corners of each merge, leaves at whole numbers from left to right."""
    n_leaves = len(leaves)
    place, height = np.empty(2 * n_leaves - 1), np.zeros(2 * n_leaves - 1)
    place[leaves] = np.arange(n_leaves)
    brackets = []
    for i, (one, other, top, _) in enumerate(linkage):
        left, right = sorted((int(one), int(other)), key=lambda node: place[node])
        at = place[[left, left, right, right]]
        brackets.append(np.column_stack([at, [height[left], top, top, height[right]]]))
        place[n_leaves + i], height[n_leaves + i] = at.mean(), top
    return brackets


def _colors(linkage, n_groups):
    """A colour for each merge: black above the cut, one for each group below it."""
    n_leaves = len(linkage) + 1
    n_made = n_leaves - (1 if n_groups is None else n_groups)
    group = np.arange(2 * n_leaves - 1)
    for i in reversed(range(n_made)):  # the last merge in a group names it
        group[linkage[i, :2].astype(int)] = group[n_leaves + i]
    made = group[n_leaves : n_leaves + n_made]
    palette = class_colors(max(len(np.unique(made)), 1))
    places = np.unique(made, return_inverse=True)[1]
    above = ["black"] * (n_leaves - 1 - n_made)
    return [palette[place] for place in places] + above
