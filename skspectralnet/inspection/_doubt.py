"""The display of both doubts about each row."""

import numpy as np

from skspectralnet._calls import guarded
from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._input import validate_rows
from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, class_colors, merged_kwargs
from skspectralnet.inspection._fitted import check_drawable, sampled_rows


class DoubtDisplay:
    """Each row by how typical it is and by how sure its cluster is.

    Rows to the left lie far from those of the fit and belong nowhere; rows at the
    bottom lie between clusters. They are different rows, and want different answers.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    typicality : array-like of shape (n_rows,)
        Of `score_samples`, at most 0.
    confidence : array-like of shape (n_rows,)
        The largest probability of each row.
    labels : array-like of shape (n_rows,)
        Clusters, -1 for outliers.
    offset : float or None
        The typicality below which a row is an outlier; None where none is.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    scatters_ : list of matplotlib PathCollection
        The rows of each label, in ascending order.
    offset_ : matplotlib Line2D or None
        The line at the offset.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import DoubtDisplay
    >>> X, y = make_blobs(300, centers=3, cluster_std=0.3, random_state=3)
    >>> model = SpectralNetClustering(3, random_state=0).fit(X)
    >>> display = DoubtDisplay.from_estimator(model, [X[0], [90, 90]])
    >>> bool(display.typicality[1] < 10 * display.typicality[0])
    True
    """

    def __init__(self, *, typicality, confidence, labels, offset):
        self.typicality = typicality
        self.confidence = confidence
        self.labels = labels
        self.offset = offset

    @classmethod
    @guarded
    def from_estimator(
        cls, estimator, X, *, n_rows=10_000, random_state=0, ax=None, **kwargs
    ):
        """Draw the doubts of a fitted model about some rows.

        Parameters
        ----------
        estimator : SpectralNetClustering
            Fitted.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        n_rows : int, default=10000
            Number of rows to choose at random, at most all of them.
        random_state : int, RandomState instance or None, default=0
            Chooses the rows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        display : DoubtDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError, TypeError
            If an argument cannot be used.
        """
        check_drawable(estimator, (SpectralNetClustering,), cls)
        shape = validate_rows(estimator, X, reset=False).shape
        chosen = sampled_rows(shape[0], n_rows, random_state)
        display = cls(
            typicality=estimator.score_samples(X)[chosen],
            confidence=estimator.predict_proba(X).max(axis=1)[chosen],
            labels=estimator.predict(X)[chosen],
            offset=getattr(estimator, "offset_", None),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        self : DoubtDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.collections import Collection

        (ax,) = checked_axes(ax, [(0, 0)])
        labels = np.asarray(self.labels)
        classes = np.unique(labels)
        colors = iter(class_colors(int(np.sum(classes >= 0))))
        away, sure = -np.asarray(self.typicality), np.asarray(self.confidence)
        self.scatters_ = []
        for name in classes:
            color = "black" if name == -1 else next(colors)
            look = {"s": 8, "linewidth": 0, "color": color, "label": str(name)}
            look = merged_kwargs(look, kwargs, Collection)
            of = labels == name
            self.scatters_.append(ax.scatter(away[of], sure[of], **look))
        self.offset_ = None
        if self.offset is not None:
            self.offset_ = ax.axvline(-self.offset, color="0.6", linestyle=":")
        # Far rows would press the others together.
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.set(xlabel="- score_samples", ylabel="largest probability")
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        return self
