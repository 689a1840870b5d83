"""The only file that imports private scikit-learn modules."""

import contextlib
import numbers

from sklearn.base import _fit_context as fit_context
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "above",
    "at_least",
    "check_matplotlib_support",
    "fit_context",
    "share",
    "with_callbacks",
]


class NoContext:
    """Stands for the context of a fit task where there are no callbacks."""

    def subcontext(self, **task):
        return self

    def call_on_fit_task_begin(self, **told):
        return self

    def call_on_fit_task_end(self, **told):
        return False

    def propagate_callback_context(self, sub_estimator):
        return contextlib.nullcontext()


try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn has callbacks since 1.9

    class CallbackSupportMixin:
        """Stands for the mixin, without `set_callbacks`."""

        def _init_callback_context(self, **task):
            return NoContext()

    def with_callbacks(method):
        """Stands for the decorator."""
        return method


def at_least(bound, kind=numbers.Integral):
    """A number in [bound, inf)."""
    return Interval(kind, bound, None, closed="left")


def above(bound):
    """A real number in (bound, inf)."""
    return Interval(numbers.Real, bound, None, closed="neither")


def share():
    """A real number in (0, 1)."""
    return Interval(numbers.Real, 0, 1, closed="neither")


def share_up_to(bound):
    """A real number in (0, bound]."""
    return Interval(numbers.Real, 0, bound, closed="right")
