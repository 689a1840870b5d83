"""What the displays read from a fitted estimator, and the rows they draw.

Parameters can change after the fit: only what the fit has kept is read.
"""

from numbers import Integral

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._embedding import SpectralNetEmbedding
from skspectralnet._validation import check_matplotlib_support

SPECTRAL = (SpectralNetClustering, SpectralNetEmbedding)


def fitted_points(estimator, X):
    """Map validated rows to the points between which distances are taken.

    Returns
    -------
    points : {ndarray, CSR} of shape (n_samples, n_points)
    directed : ndarray of int
        The rows that the metric can compare, as in the fit: by the cosine not those
        of zeros, where two others are left.
    """
    stages = estimator._stages
    codes = stages.codes(X)
    directed = stages.directed(codes)
    if directed is None or len(directed) < 2:
        directed = np.arange(codes.shape[0])
    return stages.points_of(codes), directed


def keeps_trivial(estimator):
    """Whether the first column of `transform` is the trivial eigenvector."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return isinstance(last, SPECTRAL) and last._fitted_with.n_trivial == 0


def check_drawable(estimator, classes, display):
    """Check for matplotlib, and for a fitted estimator of one of the `classes`."""
    check_matplotlib_support(f"{display.__name__}.from_estimator")
    if not isinstance(estimator, classes):
        *names, last = [cls.__name__ for cls in classes]
        names = f"{', '.join(names)} or {last}" if names else last
        hint = " Take its last step." if isinstance(estimator, Pipeline) else ""
        raise TypeError(
            f"{display.__name__} needs a fitted {names}; got "
            f"{type(estimator).__name__}.{hint}"
        )
    check_is_fitted(estimator)


def labels_of_rows(estimator, X, labels, *, required=False):
    """Check the labels that were given, or predict them; None if there are none."""
    if labels is None and hasattr(estimator, "predict"):
        return estimator.predict(X)
    if labels is None and required:
        raise ValueError(
            f"{type(estimator).__name__} has no clusters: pass labels of the rows."
        )
    if labels is None:
        return None
    labels = column_or_1d(labels)
    check_consistent_length(X, labels)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("labels has NaN or infinity: expected a label for each row.")
    return labels


def sampled_rows(n_samples, n_rows, random_state):
    """Draw at most `n_rows` row numbers at random; return them in ascending order."""
    if not is_int_in(n_rows, 2, np.inf):
        raise ValueError(f"n_rows must be an int of at least 2; got {n_rows!r}.")
    if n_samples < 2:
        raise ValueError(f"X needs at least 2 rows to compare; got {n_samples}.")
    order = check_random_state(random_state).permutation(n_samples)
    return np.sort(order[:n_rows])


def is_int_in(value, low, high):
    """Whether a value is an int, and no bool, in [low, high]."""
    integral = isinstance(value, Integral) and not isinstance(value, bool)
    return integral and low <= value <= high
