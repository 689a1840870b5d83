"""The only file that imports private scikit-learn modules."""

import numbers

from sklearn.base import _fit_context as fit_context
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "above",
    "at_least",
    "check_matplotlib_support",
    "fit_context",
    "share",
]


def at_least(bound, kind=numbers.Integral):
    """A number in [bound, inf)."""
    return Interval(kind, bound, None, closed="left")


def above(bound):
    """A real number in (bound, inf)."""
    return Interval(numbers.Real, bound, None, closed="neither")


def share():
    """A real number in (0, 1)."""
    return Interval(numbers.Real, 0, 1, closed="neither")
