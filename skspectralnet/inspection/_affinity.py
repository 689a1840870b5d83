"""The display of the affinities between rows."""

import numpy as np
import torch

from skspectralnet._affinity import (
    batch_affinity,
    gamma_of_scales,
    nearest_in_batch,
    neighbors_in_part,
    repeated_affinity,
    sparse_affinity,
)
from skspectralnet._calls import guarded
from skspectralnet._distinct import distinct_rows
from skspectralnet._graph import checked_graph
from skspectralnet._input import validate_rows
from skspectralnet._rows import Rows, center_and_scale
from skspectralnet._spectral import in_units, standardised_gamma
from skspectralnet._tensors import read_batch, to_numpy
from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, class_colors, merged_kwargs
from skspectralnet.inspection._fitted import (
    SPECTRAL,
    check_drawable,
    fitted_points,
    labels_of_rows,
    sampled_rows,
)


class AffinityDisplay:
    """The affinities between some rows, sorted by cluster.

    Each cluster is a block on the diagonal with a frame in its colour; weights outside
    the blocks join clusters. The title gives the share of the weight inside them.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    affinity : array-like of shape (n_rows, n_rows)
        Weights of at least 0; the rows can have any order.
    labels : array-like of shape (n_rows,)
        Cluster of each row.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage
        The weights, with the rows of a cluster together and the first cluster at the
        top left.
    blocks_ : list of matplotlib Rectangle
        The frames, one for each cluster.
    inside_ : float
        Share of the weight between rows of the same cluster; NaN without any weight.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import AffinityDisplay
    >>> X, y = make_blobs(300, centers=3, cluster_std=0.3, random_state=3)
    >>> model = SpectralNetClustering(3, random_state=0).fit(X)
    >>> display = AffinityDisplay.from_estimator(model, X, n_rows=200)
    >>> display.affinity.shape, round(display.inside_, 2)
    ((200, 200), 1.0)
    """

    def __init__(self, *, affinity, labels):
        self.affinity = affinity
        self.labels = labels

    @classmethod
    @guarded
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        labels=None,
        graph=None,
        n_rows=500,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Draw the graph of some rows, made as in the training of a fitted model.

        The rows are mapped by the encoder and the metric learner; the weights between
        their points are those of the `affinity` of the fit:

        - with ``neighbors_in="batch"``, those of a batch of these rows. If there are
          fewer rows than `batch_size_`, the number of neighbours is smaller in
          proportion;
        - with ``neighbors_in="data"``, those of the neighbour graph of these rows, in
          which equal rows count once. It is the graph of the fit if X has the same
          rows and `n_rows` takes all of them, and a coarser one of fewer rows.

        Rows without a part in the fit, those of zeros by the cosine, are left out.
        Edges that labels or links have changed in `fit` are not shown.

        Parameters
        ----------
        estimator : SpectralNetClustering or SpectralNetEmbedding
            Fitted.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        labels : array-like of shape (n_samples,), default=None
            Labels of the rows. None uses ``estimator.predict(X)``; an estimator
            without `predict` needs labels.
        graph : {array-like, sparse matrix} of shape (n_samples, n_samples), \
                default=None
            The affinities that were passed to `fit`; the part of the chosen rows is
            drawn. A model does not keep them: without them the neighbour graph of the
            rows is drawn with ``neighbors_in="data"``, and an error raised otherwise.
        n_rows : int, default=500
            Number of rows to choose at random, at most all of them. The memory needed
            grows with the square of this number.
        random_state : int, RandomState instance or None, default=0
            Chooses the rows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : AffinityDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError, TypeError
            If an argument cannot be used, there are no labels, or the model was fitted
            on a graph that is not given here.
        """
        check_drawable(estimator, SPECTRAL, cls)
        labels = labels_of_rows(estimator, X, labels, required=True)
        X = validate_rows(estimator, X, reset=False)
        chosen = sampled_rows(X.shape[0], n_rows, random_state)
        if graph is not None:
            graph = checked_graph(graph, X.shape[0])
            affinity = graph[chosen][:, chosen].toarray()
        else:
            affinity, kept = _rebuilt_graph(estimator, X[chosen])
            chosen = chosen[kept]
        display = cls(affinity=affinity, labels=labels[chosen])
        return display.plot(ax=ax, **kwargs)

    @guarded
    def plot(self, ax=None, **kwargs):
        """Draw the sorted weights.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        self : AffinityDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.image import AxesImage
        from matplotlib.patches import Rectangle

        affinity, labels = np.asarray(self.affinity), np.asarray(self.labels)
        (ax,) = checked_axes(ax, [(0, 0)])
        classes, codes = np.unique(labels, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        # Most pairs have no edge: with the mean weight as black the edges are visible.
        usual = affinity[affinity > 0].mean() if affinity.any() else 1.0
        look = {"cmap": "Greys", "vmin": 0.0, "vmax": usual}
        look = merged_kwargs(look, kwargs, AxesImage)
        self.image_ = ax.imshow(affinity[np.ix_(order, order)], **look)
        sizes = np.bincount(codes)
        starts = np.cumsum(sizes) - sizes
        self.blocks_ = []
        colors = class_colors(len(classes))
        for at, size, color in zip(starts - 0.5, sizes, colors, strict=True):
            frame = Rectangle((at, at), size, size, fill=False, edgecolor=color)
            self.blocks_.append(ax.add_patch(frame))
        inside = affinity[codes[:, None] == codes].sum()
        self.inside_ = float(inside / affinity.sum()) if affinity.any() else np.nan
        middles = starts + (sizes - 1) / 2
        ax.set_xticks(middles, classes)
        ax.set_yticks(middles, classes)
        ax.set(xlabel="cluster", ylabel="cluster")
        ax.set_title(f"{self.inside_:.1%} of the weight inside clusters")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _rebuilt_graph(estimator, X):
    """Make the graph of some rows as in the fit.

    Returns
    -------
    affinity : ndarray of shape (n_nodes, n_nodes)
    kept : ndarray of int of shape (n_nodes,)
        The rows of X that are nodes.
    """
    settings = estimator._fitted_with
    if settings.graph_is_given:
        raise ValueError(
            "The model was fitted on a graph and does not keep it: pass graph=."
        )
    points, directed = fitted_points(estimator, X)
    rows = Rows(points[directed], *center_and_scale(points[directed]))
    distinct = distinct_rows(rows.batch(slice(None), np.float32))
    kept = distinct.first
    if len(kept) < 2:
        raise ValueError("All chosen rows are equal: a graph needs two that differ.")
    n_neighbors = estimator.n_neighbors_
    if settings.whole_graph:
        n_neighbors = min(n_neighbors, len(kept) - 1)
    else:
        n_neighbors = neighbors_in_part(n_neighbors, len(kept), estimator.batch_size_)
    affinity = _affinity_of_rows(rows, kept, settings, n_neighbors)
    many = distinct.multiplicities()
    if many is not None:
        affinity = repeated_affinity(affinity, many)
    matrix = affinity.apply(torch.eye(len(kept), dtype=torch.float32, device="cpu"))
    return to_numpy(matrix), directed[kept]


def _affinity_of_rows(rows, kept, settings, n_neighbors):
    """Return the affinity of the rows `kept` as a batch or as a graph of all rows."""
    kind, gamma = settings.affinity, settings.gamma
    points = read_batch(rows, kept, device="cpu")
    if callable(kind):
        return batch_affinity(in_units(points, rows), kind, n_neighbors=n_neighbors)
    gamma = standardised_gamma(gamma, rows.scale)
    if kind != "rbf" or not settings.whole_graph:
        return batch_affinity(points, kind, n_neighbors=n_neighbors, gamma=gamma)
    # In a graph of all rows only neighbours are joined.
    neighbors, squared = nearest_in_batch(points, n_neighbors)
    gamma = gamma_of_scales(squared.amax(dim=1)) if gamma is None else gamma
    return sparse_affinity(neighbors, torch.exp(-gamma * squared))
