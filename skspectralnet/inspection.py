"""Pictures of fitted models, as scikit-learn's Displays; matplotlib is an extra."""

from numbers import Integral

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils.validation import check_is_fitted

from skspectralnet._affinity import (
    batch_affinity,
    gamma_of_scales,
    nearest_in_batch,
    neighbors_in_part,
    sparse_affinity,
)
from skspectralnet._autoencoder import Autoencoder
from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._eigen import EQUAL_EIGENVALUES, eigengaps
from skspectralnet._embedding import SpectralNetEmbedding
from skspectralnet._graph import checked_graph, nearest_neighbors
from skspectralnet._rows import (
    Rows,
    center_and_scale,
    dense_rows,
    distinct_rows,
    validate_rows,
)
from skspectralnet._siamese import SiameseEmbedding
from skspectralnet._tensors import to_numpy, to_tensor
from skspectralnet._validation import check_matplotlib_support

__all__ = [
    "AffinityDisplay",
    "EigenvaluesDisplay",
    "EmbeddingDisplay",
    "LossCurvesDisplay",
    "NeighborPurityDisplay",
]

_SPECTRAL = (SpectralNetClustering, SpectralNetEmbedding)
# Inches of one axes where a new figure has several.
_PANEL = (4.0, 3.2)
# More entries than this make a second column of a legend.
_LEGEND_ROWS = 16


class EigenvaluesDisplay:
    r"""The learned eigenvalues and their largest gap.

    K clusters that hardly touch have K eigenvalues near 0, and then comes a gap. The
    vertical axis is :math:`\log(\lambda + 10^{-4})`, on which the height of a step is
    the gap that ``n_clusters="auto"`` compares: the largest one is also the highest to
    the eye. The step after the first, trivial eigenvalue is no candidate.

    Make it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_eigenvalues,)
        Ascending, at least 0.
    first_component : int, default=1
        Number of the first of them: 2 where the trivial one is left out.
    largest_gap : int, default=None
        Number of the eigenvalue before the largest gap; None marks no gap.
    n_clusters : int, default=None
        Clusters of the model, marked by a line; None draws none.
    exact_eigenvalues : array-like of shape (n_exact,), default=None
        Of the graph, the trivial one included.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    learned_ : matplotlib Line2D
        The learned eigenvalues over their numbers.
    exact_ : matplotlib Line2D or None
        Those of the graph.
    gap_ : matplotlib Patch or None
        The band from the eigenvalue before the largest gap to the one after it.
    clusters_ : matplotlib Line2D or None
        The line after as many eigenvalues as the model has clusters.

    See Also
    --------
    SpectralNetClustering : `eigengaps_` has the gaps of all candidates.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import EigenvaluesDisplay
    >>> X, y = make_blobs(300, centers=4, cluster_std=0.3, random_state=3)
    >>> model = SpectralNetClustering(4, random_state=0).fit(X)
    >>> display = EigenvaluesDisplay.from_estimator(model)
    >>> display.largest_gap
    4
    """

    def __init__(
        self,
        *,
        eigenvalues,
        first_component=1,
        largest_gap=None,
        n_clusters=None,
        exact_eigenvalues=None,
    ):
        self.eigenvalues = eigenvalues
        self.first_component = first_component
        self.largest_gap = largest_gap
        self.n_clusters = n_clusters
        self.exact_eigenvalues = exact_eigenvalues

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the eigenvalues of a fitted model.

        Parameters
        ----------
        estimator : SpectralNetClustering or SpectralNetEmbedding
            Fitted. After ``n_clusters="auto"`` all eigenvalues looked at are drawn,
            from `eigenvalues_` and `eigengaps_`; otherwise the largest gap is the
            largest among `eigenvalues_`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Of ``Axes.plot``, for the learned eigenvalues.

        Returns
        -------
        display : EigenvaluesDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` is something else, or `ax` is no Axes.
        NotFittedError
            If it is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        _check_fitted(estimator, _SPECTRAL, cls)
        eigenvalues = _eigenvalues_looked_at(estimator)
        first = 1 + bool(getattr(estimator, "drop_first", False))
        error = getattr(estimator, "approximation_error_", None)
        display = cls(
            eigenvalues=eigenvalues,
            first_component=first,
            largest_gap=_largest_gap(estimator, eigenvalues, first),
            n_clusters=getattr(estimator, "n_clusters_", None),
            exact_eigenvalues=None if error is None else error.exact_eigenvalues,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the eigenvalues.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Of ``Axes.plot``, for the learned eigenvalues.

        Returns
        -------
        self : EigenvaluesDisplay
            With what was drawn in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        (ax,) = _axes(ax, [(0, 0)])
        numbers = self.first_component + np.arange(len(self.eigenvalues))
        self.exact_ = self.gap_ = self.clusters_ = None
        drawn = [*self.eigenvalues]
        if self.exact_eigenvalues is not None:
            drawn.extend(self.exact_eigenvalues)
            exact = 1 + np.arange(len(self.exact_eigenvalues))
            look = {"color": "0.5", "marker": "_", "markersize": 12, "linestyle": ""}
            (self.exact_,) = ax.plot(
                exact, self.exact_eigenvalues, label="exact", **look
            )
        look = {"color": "C0", "marker": "o", "linestyle": "", "label": "learned"}
        (self.learned_,) = ax.plot(
            numbers, self.eigenvalues, **_styled(look, kwargs, Line2D)
        )
        if self.largest_gap is not None:
            k = self.largest_gap
            label = f"largest gap, after {k}"
            self.gap_ = ax.axvspan(k, k + 1, color="0.9", zorder=0, label=label)
        if self.n_clusters is not None:
            label = f"n_clusters_ = {self.n_clusters}"
            look = {"color": "C1", "linestyle": ":"}
            self.clusters_ = ax.axvline(self.n_clusters + 0.5, label=label, **look)
        _scale_by_gaps(ax, min(drawn), max(drawn))
        _count_along(ax)
        ax.set(xlabel="number of the eigenvalue", ylabel="eigenvalue")
        ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class EmbeddingDisplay:
    """Components of the embedding against each other, coloured by labels.

    Make it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, n_components)
        What `transform` made of the rows.
    labels : array-like of shape (n_samples,), default=None
        Classes, each with a colour and an entry in the legend; floats that are not
        whole numbers are values of a colour bar. None draws all rows alike.
    components : sequence of int, default=(0, 1)
        Columns of the embedding. Each pair of them has an axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        That of the first pair.
    axes_ : ndarray of matplotlib Axes, of shape (n_pairs,)
        Those of all pairs, in the order of `pairs_`.
    pairs_ : list of (int, int)
        Column to the right and column upwards in each axes.
    figure_ : matplotlib Figure
    scatters_ : ndarray of matplotlib PathCollection, of shape (n_pairs,)
        The rows in each axes.
    legend_ : matplotlib Legend or None
        The names of the classes.
    colorbar_ : matplotlib Colorbar or None
        The scale of labels that are values.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import EmbeddingDisplay
    >>> X, y = make_blobs(300, centers=3, cluster_std=0.3, random_state=3)
    >>> model = SpectralNetClustering(3, random_state=0).fit(X)
    >>> display = EmbeddingDisplay.from_estimator(model, X, components=[0, 1, 2])
    >>> display.pairs_
    [(0, 1), (0, 2), (1, 2)]
    """

    def __init__(self, *, embedding, labels=None, components=(0, 1)):
        self.embedding = embedding
        self.labels = labels
        self.components = components

    @classmethod
    def from_estimator(
        cls, estimator, X, *, labels=None, components=None, ax=None, **kwargs
    ):
        """Draw what a fitted model makes of rows.

        Parameters
        ----------
        estimator : object
            Fitted, with `transform`: a SpectralNetClustering, a SpectralNetEmbedding,
            a stage, a pipeline that ends with one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        labels : array-like of shape (n_samples,), default=None
            Of the rows. None takes ``estimator.predict(X)`` where there is one.
        components : sequence of int, default=None
            Columns of ``transform(X)``; each pair of them has an axes. None: the first
            two, without the trivial one that clusterings have.
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each pair; None makes a new figure.
        **kwargs : dict
            Of ``Axes.scatter``.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError, TypeError
            If X, the labels, the components or `ax` cannot be used.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        embedding = np.asarray(estimator.transform(X))
        labels = _labels(estimator, X, labels)
        if components is None:
            first = int(_has_trivial(estimator) and embedding.shape[1] > 2)
            components = (first, first + 1)
        display = cls(embedding=embedding, labels=labels, components=components)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the pairs of components.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each pair; None makes a new figure, where
            several pairs are the lower triangle of a grid.
        **kwargs : dict
            Of ``Axes.scatter``.

        Returns
        -------
        self : EmbeddingDisplay
            With what was drawn in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.collections import Collection

        embedding = np.asarray(self.embedding)
        names = _checked_components(self.components, embedding.shape[1])
        places = [
            (j - 1, i) for i in range(len(names)) for j in range(i + 1, len(names))
        ]
        self.pairs_ = [(names[i], names[row + 1]) for row, i in places]
        axes = _axes(ax, places)
        look, classes = _class_colors(self.labels)
        given = _styled({}, kwargs, Collection)
        if {"c", "color", "facecolor"} & set(given):
            look, classes = {}, None
        look = {"s": 8, "linewidth": 0, **look, **given}
        self.scatters_ = np.empty(len(axes), dtype=object)
        for i, (axis, (x, y)) in enumerate(zip(axes, self.pairs_, strict=True)):
            self.scatters_[i] = axis.scatter(embedding[:, x], embedding[:, y], **look)
            axis.set(xlabel=f"transform[:, {x}]", ylabel=f"transform[:, {y}]")
        self.legend_ = self.colorbar_ = None
        self.ax_, self.axes_, self.figure_ = axes[0], axes, axes[0].figure
        if classes is not None:
            handles, _ = self.scatters_[0].legend_elements(num=None)
            self.legend_ = _legend_beside(self.ax_, handles, classes)
        elif "c" in look and "c" not in given:
            self.colorbar_ = self.figure_.colorbar(self.scatters_[0], ax=list(axes))
        return self


class AffinityDisplay:
    """The affinities between some rows, sorted by cluster.

    Clusters are blocks on the diagonal, each with a frame in its colour; weight beside
    them joins clusters. The title says how much of the weight is inside.

    Make it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    affinity : array-like of shape (n_rows, n_rows)
        Weights of at least 0, in any order of the rows.
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
        """Draw the graph of some rows as the training of a fitted model makes it.

        The rows pass the encoder and the metric learner, and between their points
        stand the weights of the model's `affinity`:

        - with ``neighbors_in="batch"`` those of a batch of these rows. Where they are
          fewer than `batch_size_`, each has the same share of them as neighbours as
          in a full batch;
        - with ``neighbors_in="data"`` those of the neighbour graph of these rows, rows
          that are equal counted once. It is the graph of the fit where X has those
          rows and `n_rows` takes all of them; of fewer rows it is a coarser one.

        What labels and links have overruled in `fit` is not shown.

        Parameters
        ----------
        estimator : SpectralNetClustering or SpectralNetEmbedding
            Fitted.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        labels : array-like of shape (n_samples,), default=None
            Of the rows. None takes ``estimator.predict(X)`` where there is one.
        graph : {array-like, sparse matrix} of shape (n_samples, n_samples), \
                default=None
            The affinities given to `fit`, of which those between the chosen rows are
            drawn. A model does not keep them: without them the neighbour graph of the
            rows is drawn with ``neighbors_in="data"``, and an error raised otherwise.
        n_rows : int, default=500
            Rows to choose at random; all where there are no more. The picture needs
            memory for the square of them.
        random_state : int, RandomState instance or None, default=0
            Chooses the rows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Of ``Axes.imshow``.

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
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        _check_fitted(estimator, _SPECTRAL, cls)
        labels = _needed_labels(estimator, X, labels)
        X = validate_rows(estimator, X, reset=False)
        chosen = _sample(X.shape[0], n_rows, random_state)
        if graph is not None:
            graph = checked_graph(graph, X.shape[0])
            affinity = graph[chosen][:, chosen].toarray()
        else:
            affinity, kept = _rebuilt_graph(estimator, X[chosen])
            chosen = chosen[kept]
        display = cls(affinity=affinity, labels=labels[chosen])
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the sorted weights.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Of ``Axes.imshow``.

        Returns
        -------
        self : AffinityDisplay
            With what was drawn in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.image import AxesImage
        from matplotlib.patches import Rectangle

        affinity, labels = np.asarray(self.affinity), np.asarray(self.labels)
        (ax,) = _axes(ax, [(0, 0)])
        classes, codes = np.unique(labels, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        # Few pairs have an edge: a usual weight is black, or the picture is pale.
        usual = affinity[affinity > 0].mean() if affinity.any() else 1.0
        look = {"cmap": "Greys", "vmin": 0.0, "vmax": usual}
        self.image_ = ax.imshow(
            affinity[np.ix_(order, order)], **_styled(look, kwargs, AxesImage)
        )
        sizes = np.bincount(codes)
        starts = np.cumsum(sizes) - sizes
        self.blocks_ = [
            ax.add_patch(
                Rectangle((at - 0.5, at - 0.5), size, size, fill=False, edgecolor=color)
            )
            for at, size, color in zip(
                starts, sizes, _colors(len(classes)), strict=True
            )
        ]
        inside = affinity[codes[:, None] == codes].sum()
        self.inside_ = float(inside / affinity.sum()) if affinity.any() else np.nan
        middles = starts + (sizes - 1) / 2
        ax.set_xticks(middles, classes)
        ax.set_yticks(middles, classes)
        ax.set(xlabel="cluster", ylabel="cluster")
        ax.set_title(f"{self.inside_:.1%} of the weight inside clusters")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LossCurvesDisplay:
    """The losses of all trained stages, epoch by epoch, each stage with an axes.

    Make it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    stages : sequence of str of length n_stages
        Their names, the titles of the axes.
    loss_curves : sequence of array-like of shape (n_epochs,)
        Mean training loss of each epoch, for each stage.
    validation_loss_curves : sequence of array-like of shape (n_epochs,) or None
        Loss of held-out rows after each epoch, None for a stage without them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        That of the first stage.
    axes_ : ndarray of matplotlib Axes, of shape (n_stages,)
    figure_ : matplotlib Figure
    lines_ : list of list of matplotlib Line2D
        Of each stage the training loss and, where there is one, that of held-out rows.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import LossCurvesDisplay
    >>> X, y = make_blobs(300, centers=3, cluster_std=0.3, random_state=3)
    >>> model = SpectralNetClustering(3, random_state=0).fit(X)
    >>> LossCurvesDisplay.from_estimator(model).stages
    ['spectral map']
    """

    def __init__(self, *, stages, loss_curves, validation_loss_curves):
        self.stages = stages
        self.loss_curves = loss_curves
        self.validation_loss_curves = validation_loss_curves

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the losses of a fitted model and of the stages before it.

        A stage that was left out, or that has no `loss_curve_`, has no axes.

        Parameters
        ----------
        estimator : SpectralNetClustering, SpectralNetEmbedding, Autoencoder or \
                SiameseEmbedding
            Fitted.
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each trained stage; None makes a new figure.
        **kwargs : dict
            Of ``Axes.plot``, for all curves.

        Returns
        -------
        display : LossCurvesDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` is something else, or `ax` is no Axes.
        ValueError
            If there are more or fewer axes than stages.
        NotFittedError
            If `estimator` is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        _check_fitted(estimator, (*_SPECTRAL, Autoencoder, SiameseEmbedding), cls)
        stages = {type(estimator).__name__: estimator}
        if isinstance(estimator, _SPECTRAL):
            stages = {
                f"encoder: {type(estimator.encoder_).__name__}": estimator.encoder_,
                f"metric learner: {type(estimator.metric_learner_).__name__}": (
                    estimator.metric_learner_
                ),
                "spectral map": estimator,
            }
        trained = {k: v for k, v in stages.items() if hasattr(v, "loss_curve_")}
        display = cls(
            stages=list(trained),
            loss_curves=[stage.loss_curve_ for stage in trained.values()],
            validation_loss_curves=[
                getattr(stage, "validation_loss_curve_", None)
                for stage in trained.values()
            ],
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each stage; None makes a new figure.
        **kwargs : dict
            Of ``Axes.plot``, for all curves.

        Returns
        -------
        self : LossCurvesDisplay
            With what was drawn in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        axes = _axes(ax, [(0, i) for i in range(len(self.stages))])
        self.lines_ = []
        for axis, stage, *curves in zip(
            axes,
            self.stages,
            self.loss_curves,
            self.validation_loss_curves,
            strict=True,
        ):
            lines = []
            for name, curve in zip(("training", "held-out rows"), curves, strict=True):
                if curve is None:
                    continue
                # A dot is seen where there is one epoch only.
                look = _styled({"label": name, "marker": "."}, kwargs, Line2D)
                lines += axis.plot(1 + np.arange(len(curve)), curve, **look)
            _count_along(axis)
            axis.set(title=stage, xlabel="epoch", ylabel="loss")
            axis.legend(loc="upper right")
            self.lines_.append(lines)
        self.ax_, self.axes_, self.figure_ = axes[0], axes, axes[0].figure
        return self


class NeighborPurityDisplay:
    """For each cluster, the share of the neighbours of its rows that belong to it.

    A cluster with much less than the others touches one of them, is mixed with it or
    is a part of it. The black mark is what labels drawn at random would have: the
    share of the other rows that the cluster holds.

    The other picture of how far clusters can be trusted is their stability over fits
    with other seeds. It costs as many fits as it compares, says that fits agree and
    not where they are wrong, and its clusters have to be matched first. Purity is one
    look at a fitted model, and names the cluster to look at.

    Make it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    purity : array-like of shape (n_clusters,)
        Between 0 and 1.
    at_random : array-like of shape (n_clusters,)
        What random labels would have.
    clusters : array-like of shape (n_clusters,)
        Their names.
    n_neighbors : int
        Neighbours looked at.
    space : str
        Where they are neighbours.

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
        """Draw how pure the neighbours of the rows of each cluster are.

        Parameters
        ----------
        estimator : SpectralNetClustering or SpectralNetEmbedding
            Fitted.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        labels : array-like of shape (n_samples,), default=None
            Of the rows. None takes ``estimator.predict(X)`` where there is one.
        n_neighbors : int, default=10
            Nearest other rows to look at, by Euclidean distance.
        space : {"rows", "embedding"}, default="rows"
            Between what distances are taken: rows of X, which know nothing of the
            model, or ``transform(X)``, in which clusters are apart even where the rows
            are not.
        n_rows : int, default=10000
            Rows to choose at random; all where there are no more.
        random_state : int, RandomState instance or None, default=0
            Chooses the rows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Of ``Axes.bar``.

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
            If an argument cannot be used, or there are no labels.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        _check_fitted(estimator, _SPECTRAL, cls)
        if space not in ("rows", "embedding"):
            raise ValueError(f"space must be 'rows' or 'embedding'; got {space!r}.")
        labels = _needed_labels(estimator, X, labels)
        places = validate_rows(estimator, X, reset=False)
        if space == "embedding":
            places = np.asarray(estimator.transform(X))
        random_state = check_random_state(random_state)
        chosen = _sample(len(labels), n_rows, random_state)
        if not _is_number_in(n_neighbors, 1, len(chosen) - 1):
            raise ValueError(
                f"n_neighbors must be an int from 1 to {len(chosen) - 1}, the other "
                f"rows that each of {len(chosen)} has; got {n_neighbors!r}."
            )
        clusters, codes = np.unique(labels[chosen], return_inverse=True)
        found = nearest_neighbors(
            places[chosen], n_neighbors, random_state=random_state
        )
        same = (codes[found.indices] == codes[:, None]).mean(axis=1)
        sizes = np.bincount(codes)
        display = cls(
            purity=np.bincount(codes, weights=same) / sizes,
            at_random=(sizes - 1) / (len(codes) - 1),
            clusters=clusters,
            n_neighbors=n_neighbors,
            space=space,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the purities.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Of ``Axes.bar``.

        Returns
        -------
        self : NeighborPurityDisplay
            With what was drawn in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.patches import Rectangle

        (ax,) = _axes(ax, [(0, 0)])
        at = np.arange(len(self.clusters))
        look = {"color": _colors(len(at))}
        self.bars_ = ax.bar(at, self.purity, **_styled(look, kwargs, Rectangle))
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


# --- what the model says


def _check_fitted(estimator, classes, display):
    """Refuse estimators without the attributes that a display reads."""
    if not isinstance(estimator, classes):
        names = [cls.__name__ for cls in classes]
        names = f"{', '.join(names[:-1])} or {names[-1]}"
        hint = " Take its last step." if isinstance(estimator, Pipeline) else ""
        raise TypeError(
            f"{display.__name__} needs a fitted {names}; got "
            f"{type(estimator).__name__}.{hint}"
        )
    check_is_fitted(estimator)


def _has_trivial(estimator):
    """Whether the first column of `transform` is the trivial eigenvector."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return isinstance(last, _SPECTRAL) and not getattr(last, "drop_first", False)


def _eigenvalues_looked_at(estimator):
    """`eigenvalues_`, and those after them that only the gaps of the fit know."""
    eigenvalues = estimator.eigenvalues_
    found = getattr(estimator, "eigengaps_", None)
    if found is None:
        return eigenvalues
    # The first gap is that after the second eigenvalue.
    steps = np.cumsum(found.gaps[len(eigenvalues) - 2 :])
    return np.append(eigenvalues, _from_logs(_to_logs(eigenvalues[-1]) + steps))


def _largest_gap(estimator, eigenvalues, first):
    """The number of the eigenvalue before it; None where there are too few."""
    found = getattr(estimator, "eigengaps_", None)
    if found is None:
        whole = np.append(np.zeros(first - 1), eigenvalues)
        found = eigengaps(whole, len(whole))
    return int(found.n_clusters[found.gaps.argmax()]) if len(found.gaps) else None


def _labels(estimator, X, labels):
    """The labels given, checked, or those predicted; None where there are none."""
    if labels is None:
        return estimator.predict(X) if hasattr(estimator, "predict") else None
    labels = column_or_1d(labels)
    check_consistent_length(X, labels)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("labels has NaN or infinity: expected a label for each row.")
    return labels


def _needed_labels(estimator, X, labels):
    labels = _labels(estimator, X, labels)
    if labels is None:
        raise ValueError(
            f"{type(estimator).__name__} has no clusters: pass labels of the rows."
        )
    return labels


def _sample(n_samples, n_rows, random_state):
    """Some row numbers, ascending."""
    if not _is_number_in(n_rows, 2, np.inf):
        raise ValueError(f"n_rows must be an int of at least 2; got {n_rows!r}.")
    if n_samples < 2:
        raise ValueError(f"X needs at least 2 rows to compare; got {n_samples}.")
    order = check_random_state(random_state).permutation(n_samples)
    return np.sort(order[:n_rows])


def _is_number_in(value, low, high):
    integral = isinstance(value, Integral) and not isinstance(value, bool)
    return integral and low <= value <= high


def _points(estimator, X):
    """Validated rows after the stages before the map: where distances are taken."""
    points = X if X.dtype.kind == "f" else X.astype(np.float32)
    if estimator.encoder_ is not None:
        points = estimator.encoder_.transform(points)
    if estimator.metric == "cosine":
        points = normalize(points)
    if estimator.metric_learner_ is not None:
        points = estimator.metric_learner_.transform(points)
    return check_array(points, accept_sparse="csr", dtype=[np.float64, np.float32])


def _rebuilt_graph(estimator, X):
    """The affinities between some rows and the places of those that have a node.

    Returns
    -------
    affinity : ndarray of shape (n_nodes, n_nodes)
    kept : ndarray of int of shape (n_nodes,)
    """
    rows = _points(estimator, X)
    rows = Rows(rows, *center_and_scale(rows))
    kept, whole = np.arange(len(rows)), hasattr(estimator, "approximation_error_")
    if whole and estimator.neighbors_in == "batch":
        raise ValueError(
            "The model was fitted on a graph and does not keep it: pass graph=."
        )
    if whole:
        kept, _ = distinct_rows(rows.batch(kept).astype(np.float32))
        if len(kept) < 2:
            raise ValueError(
                "All chosen rows are equal: a graph needs two that differ."
            )
        n_neighbors = min(estimator.n_neighbors_, len(kept) - 1)
    else:
        n_neighbors = neighbors_in_part(
            estimator.n_neighbors_, len(kept), estimator.batch_size_
        )
    affinity = _graph_of(rows, kept, estimator, n_neighbors, whole)
    return to_numpy(affinity.apply(_tensor(np.eye(len(kept)), torch.float32))), kept


def _graph_of(rows, kept, estimator, n_neighbors, whole):
    """The graph of a batch; of all rows, where a Gaussian joins neighbours only."""
    kind, gamma = estimator.affinity, estimator.gamma
    if callable(kind):  # it knows the units of the data
        points = _tensor(dense_rows(rows.X, kept), torch.float64)
        return batch_affinity(points, kind, n_neighbors=n_neighbors)
    points = _tensor(rows.batch(kept), torch.float32)
    gamma = None if gamma is None else gamma * rows.scale * rows.scale
    if kind != "rbf" or not whole:
        return batch_affinity(points, kind, n_neighbors=n_neighbors, gamma=gamma)
    neighbors, squared = nearest_in_batch(points, n_neighbors)
    gamma = gamma_of_scales(squared.amax(dim=1)) if gamma is None else gamma
    return sparse_affinity(neighbors, torch.exp(-gamma * squared))


def _tensor(array, dtype):
    return to_tensor(array, device="cpu", dtype=dtype)


# --- how it is drawn


def _axes(ax, places):
    """Axes at (row, column) places: those given, or those of a new figure."""
    from matplotlib.axes import Axes

    if ax is None:
        return _new_axes(places)
    given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    wrong = [type(one).__name__ for one in given if not isinstance(one, Axes)]
    if wrong:
        raise TypeError(f"ax must be matplotlib Axes or None; got {wrong[0]}.")
    if len(given) != len(places):
        raise ValueError(
            f"ax has {len(given)} Axes, but {len(places)} are drawn: pass one Axes for "
            "each, or None."
        )
    return given


def _new_axes(places):
    from matplotlib import pyplot as plt

    n_rows, n_columns = np.max(places, axis=0) + 1
    size = None
    if len(places) > 1:
        size = (_PANEL[0] * n_columns, _PANEL[1] * n_rows)
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(n_rows, n_columns)
    axes = np.empty(len(places), dtype=object)
    axes[:] = [figure.add_subplot(grid[place]) for place in places]
    return axes


def _count_along(ax):
    """Whole numbers below an axes."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _styled(defaults, given, artist):
    """Keywords of an artist, those given in the place of the defaults."""
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(given, artist)}


def _colors(n_classes):
    """One colour for each class, the same in all displays."""
    from matplotlib import colormaps

    if n_classes <= 20:
        return colormaps["tab10" if n_classes <= 10 else "tab20"].colors[:n_classes]
    return [tuple(c) for c in colormaps["turbo"](np.linspace(0, 1, n_classes))]


def _class_colors(labels):
    """Keywords of a scatter for labels, and the names of the classes, if they are."""
    from matplotlib.colors import ListedColormap

    if labels is None:
        return {}, None
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and np.any(labels != np.round(labels)):
        return {"c": labels}, None
    classes, codes = np.unique(labels, return_inverse=True)
    n_classes = len(classes)
    colors = ListedColormap(_colors(n_classes))
    return {"c": codes, "cmap": colors, "vmin": -0.5, "vmax": n_classes - 0.5}, classes


def _legend_beside(ax, handles, names):
    """A legend that hides no rows."""
    columns = -(-len(names) // _LEGEND_ROWS)
    return ax.legend(
        handles,
        [str(name) for name in names],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        ncols=columns,
    )


def _checked_components(components, n_components):
    """Two or more different columns of an embedding as a list of int."""
    names = list(np.atleast_1d(np.asarray(components, dtype=object)))
    good = [name for name in names if _is_number_in(name, 0, n_components - 1)]
    if len(names) < 2 or len(good) < len(names) or len(set(good)) < len(good):
        raise ValueError(
            f"components must be two or more different columns of the embedding, "
            f"which has {n_components}, from 0; got {names}."
        )
    return [int(name) for name in names]


def _to_logs(eigenvalues):
    """The scale of the eigengap; the least float where there is no logarithm."""
    shifted = np.asarray(eigenvalues) + EQUAL_EIGENVALUES
    return np.log(np.maximum(shifted, np.finfo(np.float64).tiny))


def _from_logs(logs):
    return np.exp(logs) - EQUAL_EIGENVALUES


def _scale_by_gaps(ax, low, high):
    """Make the height of a step in an axes the gap between two eigenvalues."""
    ax.set_yscale("function", functions=(_to_logs, _from_logs))
    ends = _to_logs([low, high])
    pad = 0.06 * (ends[1] - ends[0]) or 1.0
    ax.set_ylim(_from_logs(ends[0] - pad), _from_logs(ends[1] + pad))
    ticks = _decades(low, high)
    if len(ticks) > 1:
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _decades(low, high):
    """Ticks from `low` to `high`: 0 and the powers of ten, or 1, 2 and 5 of each."""
    for steps in ([1.0], [1.0, 2.0, 5.0]):
        powers = 10.0 ** np.arange(-4, np.ceil(np.log10(max(high, 1.0))) + 1)
        ticks = np.append(0.0, np.outer(powers, steps).ravel())
        ticks = ticks[(low <= ticks) & (ticks <= high)]
        if len(ticks) > 2:
            break
    return ticks
