"""The display of the embedding."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skspectralnet._calls import guarded
from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, class_colors, merged_kwargs
from skspectralnet.inspection._fitted import is_int_in, keeps_trivial, labels_of_rows

# A legend with more entries has another column.
_LEGEND_ROWS = 16


class EmbeddingDisplay:
    """Components of the embedding against each other, coloured by labels.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, n_components)
        The output of `transform`.
    labels : array-like of shape (n_samples,), default=None
        Classes, each with a colour and an entry in the legend; floats that are not
        whole numbers are drawn as values with a colour bar. None draws all rows in
        one colour.
    components : sequence of int, default=(0, 1)
        Columns of the embedding. Each pair of them has an axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the first pair.
    axes_ : ndarray of matplotlib Axes, of shape (n_pairs,)
        The axes of all pairs, in the order of `pairs_`.
    pairs_ : list of (int, int)
        Horizontal and vertical component of each axes.
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
    @guarded
    def from_estimator(
        cls, estimator, X, *, labels=None, components=None, ax=None, **kwargs
    ):
        """Draw the embedding of rows by a fitted model.

        Parameters
        ----------
        estimator : object
            Fitted, with `transform`: a SpectralNetClustering, a SpectralNetEmbedding,
            a stage, or a pipeline that ends with one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        labels : array-like of shape (n_samples,), default=None
            Labels of the rows. None uses ``estimator.predict(X)`` if there is one.
        components : sequence of int, default=None
            Columns of ``transform(X)``; each pair of them has an axes. None uses the
            first two, or the second and the third if the first one is trivial.
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each pair; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.scatter``.

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
        labels = labels_of_rows(estimator, X, labels)
        if components is None:
            first = int(keeps_trivial(estimator) and embedding.shape[1] > 2)
            components = (first, first + 1)
        display = cls(embedding=embedding, labels=labels, components=components)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the pairs of components.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each pair; None makes a new figure, in which
            several pairs form the lower triangle of a grid.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        self : EmbeddingDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.collections import Collection

        embedding = np.asarray(self.embedding)
        columns = _checked_components(self.components, embedding.shape[1])
        n = len(columns)
        places = [(j - 1, i) for i in range(n) for j in range(i + 1, n)]
        self.pairs_ = [(columns[i], columns[row + 1]) for row, i in places]
        axes = checked_axes(ax, places)
        look, classes = _label_colors(self.labels)
        given = merged_kwargs({}, kwargs, Collection)
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
            self.legend_ = _legend_outside(self.ax_, handles, classes)
        elif "c" in look and "c" not in given:
            self.colorbar_ = self.figure_.colorbar(self.scatters_[0], ax=list(axes))
        return self


def _checked_components(components, n_components):
    """Return two or more different columns of an embedding as a list of int."""
    columns = list(np.atleast_1d(np.asarray(components, dtype=object)))
    good = {column for column in columns if is_int_in(column, 0, n_components - 1)}
    if len(columns) < 2 or len(good) < len(columns):
        raise ValueError(
            f"components must be two or more different columns of the embedding, "
            f"which has {n_components}, from 0; got {columns}."
        )
    return [int(column) for column in columns]


def _label_colors(labels):
    """Return the scatter keywords of labels, and the classes unless they are values."""
    from matplotlib.colors import ListedColormap

    if labels is None:
        return {}, None
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and np.any(labels != np.round(labels)):
        return {"c": labels}, None
    classes, codes = np.unique(labels, return_inverse=True)
    n_classes = len(classes)
    colors = ListedColormap(class_colors(n_classes))
    return {"c": codes, "cmap": colors, "vmin": -0.5, "vmax": n_classes - 0.5}, classes


def _legend_outside(ax, handles, names):
    """Add a legend to the right of an axes, where it covers no rows."""
    return ax.legend(
        handles,
        [str(name) for name in names],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        ncols=-(-len(names) // _LEGEND_ROWS),
    )
