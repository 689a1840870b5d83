"""The only file that imports private scikit-learn modules."""

import contextlib
import inspect
import numbers

from sklearn.base import _fit_context as fit_context
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    make_constraint,
    validate_parameter_constraints,
)

__all__ = [
    "CallbackSupportMixin",
    "StrOptions",
    "above",
    "at_least",
    "check_matplotlib_support",
    "check_parameters",
    "fit_context",
    "instance_with",
    "share",
    "share_up_to",
    "takes_any_name",
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


class Number(Interval):
    """A number of an interval; True and False are none."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool) and super().is_satisfied_by(val)


class Instance(HasMethods):
    """An object with some methods; a class, which has them as well, is none."""

    def is_satisfied_by(self, val):
        return not isinstance(val, type) and super().is_satisfied_by(val)


def at_least(bound, kind=numbers.Integral):
    """A number in [bound, inf)."""
    return Number(kind, bound, None, closed="left")


def above(bound):
    """A real number in (bound, inf)."""
    return Number(numbers.Real, bound, None, closed="neither")


def share():
    """A real number in (0, 1)."""
    return Number(numbers.Real, 0, 1, closed="neither")


def share_up_to(bound):
    """A real number in (0, bound]."""
    return Number(numbers.Real, 0, bound, closed="right")


def instance_with(*methods):
    """An object that has these methods."""
    return Instance(list(methods))


def check_parameters(constraints, params, caller, hint_of_value):
    """Check parameters as scikit-learn does; an error also says what to do.

    Parameters
    ----------
    constraints : dict
        `_parameter_constraints` of an estimator.
    params : dict
    caller : str
        Its name.
    hint_of_value : callable
        Of the name of a parameter, its value, the strings that it takes and a function
        that says whether it takes another value: a sentence, or "".
    """
    for name, value in params.items():
        try:
            validate_parameter_constraints(constraints, {name: value}, caller)
        except InvalidParameterError as error:
            allowed = [make_constraint(one) for one in constraints[name]]
            options = [o for one in allowed for o in getattr(one, "options", ())]

            def takes(other, allowed=allowed):
                return any(one.is_satisfied_by(other) for one in allowed)

            hint = hint_of_value(name, value, sorted(options), takes)
            raise InvalidParameterError(f"{error} {hint}".rstrip()) from None


def takes_any_name(function):
    """Whether a function has a parameter such as ``**kwargs``."""
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds
