"""The only file that imports private scikit-learn modules."""

import numbers

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)
from sklearn.utils.validation import validate_data

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "above",
    "at_least",
    "check_matplotlib_support",
    "fit_context",
    "share",
    "validate_rows",
]

# Small integers (images, counts) stay as they are until a batch is read.
_DTYPES = (
    np.float64,
    np.float32,
    np.uint8,
    np.int8,
    np.uint16,
    np.int16,
)


def at_least(bound, kind=numbers.Integral):
    """A number in [bound, inf)."""
    return Interval(kind, bound, None, closed="left")


def above(bound):
    """A real number in (bound, inf)."""
    return Interval(numbers.Real, bound, None, closed="neither")


def share():
    """A real number in (0, 1)."""
    return Interval(numbers.Real, 0, 1, closed="neither")


def validate_rows(estimator, X, *, reset):
    """Check X as scikit-learn does and return it as an array or a CSR matrix.

    Sets (`reset=True`) or compares the number and the names of the features.
    """
    return validate_data(
        estimator,
        X,
        accept_sparse="csr",
        dtype=list(_DTYPES),
        ensure_min_samples=2 if reset else 1,
        reset=reset,
    )
