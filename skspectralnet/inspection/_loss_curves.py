"""The display of the losses of all trained stages."""

import numpy as np

from skspectralnet._autoencoder import Autoencoder
from skspectralnet._siamese import SiameseEmbedding
from skspectralnet._validation import check_matplotlib_support
from skspectralnet.inspection._axes import checked_axes, integer_ticks, merged_kwargs
from skspectralnet.inspection._fitted import SPECTRAL, check_drawable


class LossCurvesDisplay:
    """The losses of all trained stages for each epoch, each stage in an axes.

    Create it with :meth:`from_estimator`; all parameters are kept as attributes.

    Parameters
    ----------
    stages : sequence of str of length n_stages
        Names of the stages, the titles of the axes.
    loss_curves : sequence of array-like of shape (n_epochs,)
        Mean training loss of each epoch, for each stage.
    validation_loss_curves : sequence of array-like of shape (n_epochs,) or None
        Loss of held-out rows after each epoch; None for a stage without them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the first stage.
    axes_ : ndarray of matplotlib Axes, of shape (n_stages,)
    figure_ : matplotlib Figure
    lines_ : list of list of matplotlib Line2D
        For each stage the training loss and, if there is one, that of held-out rows.

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

        A stage without `loss_curve_` has no axes.

        Parameters
        ----------
        estimator : SpectralNetClustering, SpectralNetEmbedding, Autoencoder or \
                SiameseEmbedding
            Fitted.
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each trained stage; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for all curves.

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
        check_drawable(estimator, (*SPECTRAL, Autoencoder, SiameseEmbedding), cls)
        stages = {type(estimator).__name__: estimator}
        if isinstance(estimator, SPECTRAL):
            encoder, learner = estimator.encoder_, estimator.metric_learner_
            stages = {
                f"encoder: {type(encoder).__name__}": encoder,
                f"metric learner: {type(learner).__name__}": learner,
                "spectral map": estimator,
            }
        stages = {k: v for k, v in stages.items() if hasattr(v, "loss_curve_")}
        held_out = [getattr(v, "validation_loss_curve_", None) for v in stages.values()]
        display = cls(
            stages=list(stages),
            loss_curves=[stage.loss_curve_ for stage in stages.values()],
            validation_loss_curves=held_out,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            Where to draw, one axes for each stage; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for all curves.

        Returns
        -------
        self : LossCurvesDisplay
            The artists are in its attributes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        axes = checked_axes(ax, [(0, i) for i in range(len(self.stages))])
        self.lines_ = []
        curves = self.loss_curves, self.validation_loss_curves
        for axis, stage, *pair in zip(axes, self.stages, *curves, strict=True):
            lines = []
            for name, curve in zip(("training", "held-out rows"), pair, strict=True):
                if curve is None:
                    continue
                # Without a marker the curve of a single epoch would be invisible.
                look = {"label": name, "marker": "."}
                look = merged_kwargs(look, kwargs, Line2D)
                lines += axis.plot(1 + np.arange(len(curve)), curve, **look)
            integer_ticks(axis)
            axis.set(title=stage, xlabel="epoch", ylabel="loss")
            axis.legend(loc="upper right")
            self.lines_.append(lines)
        self.ax_, self.axes_, self.figure_ = axes[0], axes, axes[0].figure
        return self
