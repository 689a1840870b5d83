"""The display of what metric_learner="auto" has compared."""

import numpy as np

from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, merged_kwargs
from skspectralnet.inspection._fitted import SPECTRAL, check_drawable


class SelectionDisplay:
    """The modularity of each map that a fit has compared, with its error.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    candidates : sequence of str of length n_candidates
        Their names, as in `selection_`.
    scores : array-like of shape (n_candidates,)
        Modularity of the clusters of each candidate on the same graph.
    errors : array-like of shape (n_candidates,)
        Standard error of its lead over the one that was ahead before it.
    taken : str
        The candidate that the model is.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    points_ : list of matplotlib ErrorbarContainer
        One for each candidate; the bar is two errors to each side.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skspectralnet import SpectralNetClustering
    >>> from skspectralnet.inspection import SelectionDisplay
    >>> X, y = make_moons(600, noise=0.05, random_state=0)
    >>> model = SpectralNetClustering(2, random_state=0).fit(X)
    >>> SelectionDisplay.from_estimator(model).taken
    'plain, fine'
    """

    def __init__(self, *, candidates, scores, errors, taken):
        self.candidates = candidates
        self.scores = scores
        self.errors = errors
        self.taken = taken

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw what a fit has compared.

        Parameters
        ----------
        estimator : SpectralNetClustering or SpectralNetEmbedding
            Fitted with ``metric_learner="auto"``.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.errorbar`` for all candidates.

        Returns
        -------
        display : SelectionDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` is something else, or `ax` is no Axes.
        ValueError
            If the fit had nothing to compare.
        NotFittedError
            If `estimator` is not fitted.
        """
        check_drawable(estimator, SPECTRAL, cls)
        selection = estimator.selection_
        if not selection.n_rows:
            raise ValueError(
                f"The fit of {type(estimator).__name__} had nothing to compare "
                f"(selection_: {selection.reason}): expected one with "
                "metric_learner='auto', of 500 different rows or more, without labels."
            )
        names = ("candidates", "scores", "errors", "taken")
        return cls(**{n: getattr(selection, n) for n in names}).plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the scores, the first candidate on top.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.errorbar`` for all candidates.

        Returns
        -------
        self : SelectionDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        (axis,) = checked_axes(ax, [(0, 0)])
        self.points_ = []
        compared = zip(self.candidates, self.scores, self.errors, strict=True)
        for height, (name, score, error) in enumerate(compared):
            color = "C0" if name == self.taken else "0.6"
            look = {"color": color, "marker": "o", "linestyle": "none", "capsize": 3}
            look = merged_kwargs(look, kwargs, Line2D)
            bar = 2.0 * error if np.isfinite(error) else None
            self.points_.append(axis.errorbar(score, height, xerr=bar, **look))
        axis.set(xlabel="modularity", yticks=range(len(self.candidates)))
        axis.set_yticklabels(self.candidates)
        axis.set_ylim(len(self.candidates) - 0.5, -0.5)
        self.ax_, self.figure_ = axis, axis.figure
        return self
