"""The display of the learned eigenvalues."""

import numpy as np

from skspectralnet._eigen import EQUAL_EIGENVALUES, eigengaps
from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, integer_ticks, merged_kwargs
from skspectralnet.inspection._fitted import SPECTRAL, check_drawable


class EigenvaluesDisplay:
    r"""The learned eigenvalues and their largest gap.

    If K clusters are nearly separate, the first K eigenvalues are near 0 and a gap
    follows them. The vertical axis shows :math:`\log(\lambda + 10^{-4})`: the height
    of a step is the gap. The step after the first, trivial eigenvalue is not compared.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_eigenvalues,)
        Ascending, at least 0.
    first_component : int, default=1
        Number of the first eigenvalue: 2 if the trivial one is left out.
    largest_gap : int, default=None
        Number of the eigenvalue before the largest gap; None marks no gap.
    n_clusters : int, default=None
        Number of clusters of the model, marked by a line; None draws no line.
    exact_eigenvalues : array-like of shape (n_exact,), default=None
        Exact eigenvalues of the graph, including the trivial one.
    runners_up : sequence of int, default=()
        Other numbers of clusters, the best first, named beside `n_clusters`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    learned_ : matplotlib Line2D
        The learned eigenvalues over their numbers.
    exact_ : matplotlib Line2D or None
        The exact eigenvalues of the graph.
    gap_ : matplotlib Patch or None
        The band from the eigenvalue before the largest gap to the one after it.
    clusters_ : matplotlib Line2D or None
        The line that marks the number of clusters.

    See Also
    --------
    skspectralnet.SpectralNetClustering : `n_clusters_support_` has what "auto"
        compares.

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
        runners_up=(),
    ):
        self.eigenvalues = eigenvalues
        self.first_component = first_component
        self.largest_gap = largest_gap
        self.n_clusters = n_clusters
        self.exact_eigenvalues = exact_eigenvalues
        self.runners_up = runners_up

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the eigenvalues of a fitted model.

        Parameters
        ----------
        estimator : SpectralNetClustering or SpectralNetEmbedding
            Fitted. Its `eigenvalues_` are drawn and searched for the largest gap.
            After ``n_clusters="auto"`` the two numbers with the best support after the
            one taken are named.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the learned eigenvalues.

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
        check_drawable(estimator, SPECTRAL, cls)
        eigenvalues = estimator.eigenvalues_
        support = getattr(estimator, "n_clusters_support_", None)
        first = 1 + estimator._fitted_with.n_trivial
        error = getattr(estimator, "approximation_error_", None)
        display = cls(
            eigenvalues=eigenvalues,
            first_component=first,
            largest_gap=largest_gap(eigenvalues, first),
            n_clusters=getattr(estimator, "n_clusters_", None),
            exact_eigenvalues=None if error is None else error.exact_eigenvalues,
            runners_up=() if support is None else support.n_clusters[1:3].tolist(),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the eigenvalues.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the learned eigenvalues.

        Returns
        -------
        self : EigenvaluesDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        (ax,) = checked_axes(ax, [(0, 0)])
        self.exact_ = self.gap_ = self.clusters_ = None
        drawn = [*self.eigenvalues]
        if self.exact_eigenvalues is not None:
            drawn.extend(self.exact_eigenvalues)
            numbers = 1 + np.arange(len(self.exact_eigenvalues))
            look = {"color": "0.5", "marker": "_", "markersize": 12, "label": "exact"}
            (self.exact_,) = ax.plot(
                numbers, self.exact_eigenvalues, linestyle="", **look
            )
        numbers = self.first_component + np.arange(len(self.eigenvalues))
        look = {"color": "C0", "marker": "o", "linestyle": "", "label": "learned"}
        look = merged_kwargs(look, kwargs, Line2D)
        (self.learned_,) = ax.plot(numbers, self.eigenvalues, **look)
        if self.largest_gap is not None:
            k = self.largest_gap
            label = f"largest gap, after {k}"
            self.gap_ = ax.axvspan(k, k + 1, color="0.9", zorder=0, label=label)
        if self.n_clusters is not None:
            label = f"n_clusters_ = {self.n_clusters}"
            if len(self.runners_up):
                label += f", then {', '.join(map(str, self.runners_up))}"
            look = {"color": "C1", "linestyle": ":"}
            self.clusters_ = ax.axvline(self.n_clusters + 0.5, label=label, **look)
        _set_gap_scale(ax, min(drawn), max(drawn))
        integer_ticks(ax)
        ax.set(xlabel="number of the eigenvalue", ylabel="eigenvalue")
        ax.legend(loc="best")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def largest_gap(eigenvalues, first):
    """Return the number of the eigenvalue before the largest gap, or None.

    Parameters
    ----------
    eigenvalues : array-like of shape (n,)
        Ascending.
    first : int
        Number of the first of them, from 1.
    """
    whole = np.append(np.zeros(first - 1), eigenvalues)
    found = eigengaps(whole, len(whole))
    return int(found.n_clusters[found.gaps.argmax()]) if len(found.gaps) else None


def _to_logs(eigenvalues):
    """Take the logarithms that the gaps are differences of."""
    shifted = np.asarray(eigenvalues) + EQUAL_EIGENVALUES
    # The margin of an axes can be below -EQUAL_EIGENVALUES.
    return np.log(np.maximum(shifted, np.finfo(np.float64).tiny))


def _from_logs(logs):
    return np.exp(logs) - EQUAL_EIGENVALUES


def _set_gap_scale(ax, low, high):
    """Scale the vertical axis so that the height of a step is the gap."""
    ax.set_yscale("function", functions=(_to_logs, _from_logs))
    ends = _to_logs([low, high])
    pad = 0.06 * (ends[1] - ends[0]) or 1.0
    ax.set_ylim(_from_logs(ends[0] - pad), _from_logs(ends[1] + pad))
    ticks = _gap_ticks(low, high)
    if len(ticks) > 1:
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _gap_ticks(low, high):
    """Return ticks in [low, high]: 0 and powers of ten, or 1, 2 and 5 times these."""
    for steps in ([1.0], [1.0, 2.0, 5.0]):
        powers = 10.0 ** np.arange(-4, np.ceil(np.log10(max(high, 1.0))) + 1)
        ticks = np.append(0.0, np.outer(powers, steps).ravel())
        ticks = ticks[(low <= ticks) & (ticks <= high)]
        if len(ticks) > 2:
            break
    return ticks
