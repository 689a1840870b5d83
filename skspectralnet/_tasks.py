"""The tasks of a fit: who is told of them, what a Ctrl-C ends, and warnings."""

import contextlib
import copy
import math
import sys
import time
import warnings
from time import perf_counter

_SECOND_INTERRUPT_SECONDS = 2.0
# Packages between a line of the user and a warning: this one, those whose estimators
# and decorators call it, and those that their decorators are made with.
_BETWEEN = {"skspectralnet", "sklearn", "joblib", "torch", "contextlib", "functools"}


def warn(message, category):
    """Warn at the line of the user's that has called a function of this package."""
    frame, level = sys._getframe(), 1
    while frame is not None and _package_of(frame) in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level if frame is not None else 2)


def _package_of(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]


class Interrupts:
    """One Ctrl-C ends a stage, a second within two seconds ends the fit."""

    def __init__(self):
        self._last = -math.inf

    def accept(self):
        """Return on the first interrupt; raise on a second one soon after it."""
        now = time.monotonic()
        if now - self._last < _SECOND_INTERRUPT_SECONDS:
            raise KeyboardInterrupt
        self._last = now


class FitTask:
    """A whole fit or a stage of it: a node in scikit-learn's tree of fit tasks.

    Parameters
    ----------
    context : CallbackContext
        Of scikit-learn, or what stands for it where it has no callbacks.
    estimator : estimator
        The one whose `fit` was called.
    X, y : object
        What it was called with.
    interrupts : Interrupts, default=None
        Of the fit that this one is a stage of; None where it is none.
    """

    def __init__(self, context, estimator, X, y, interrupts=None):
        self._context = context
        self.interrupts = interrupts or Interrupts()
        self._told = {"estimator": estimator, "X": X, "y": y}
        self._held = None  # or a list of what is warned of, until it is released

    def begin(self):
        """Tell the callbacks that the task begins."""
        self._context.call_on_fit_task_begin(**self._told)

    def end(self, **fitted):
        """Tell the callbacks that the task has ended.

        Parameters
        ----------
        **fitted
            ``reconstruction_attributes={}`` where the estimator is fitted.

        Returns
        -------
        bool
            Whether a callback asks for no more tasks of this kind.
        """
        return self._context.call_on_fit_task_end(**self._told, **fitted)

    def subtask(self, name, n_subtasks=0):
        """A task inside this one, of at most `n_subtasks` parts; it has not begun."""
        context = self._context.subcontext(task_name=name, max_subtasks=n_subtasks)
        task = FitTask(context, **self._told, interrupts=self.interrupts)
        task._held = self._held
        return task

    def holding(self):
        """The same task, but it holds back its warnings until `release`."""
        task = copy.copy(self)
        task._held = []
        return task

    def release(self):
        """Warn of what was held back."""
        held, self._held = self._held, None
        for message, category in held:
            self.warn(message, category)

    def warn(self, message, category):
        """Warn, unless this part of the fit may come to nothing: then hold it back."""
        if self._held is None:
            warn(message, category)
        else:
            self._held.append((message, category))

    @contextlib.contextmanager
    def stage(self, name, n_epochs=0, *, fits=None):
        """A subtask around some lines, which ends if they do not raise.

        Parameters
        ----------
        name : str
        n_epochs : int
            The most that are made in it.
        fits : estimator or None
            The one that is fitted in it. Callbacks for all levels are handed on to
            it, and its tasks are those of the stage, if it supports callbacks. The
            count of Ctrl-C goes on in it and its steps, in those of this package.

        Yields
        ------
        FitTask
        """
        task = self.subtask(name, n_epochs)
        handed_on = contextlib.nullcontext()
        if hasattr(fits, "set_callbacks"):
            handed_on = task._context.propagate_callback_context(fits)
        began = perf_counter()
        with handed_on, self._counting_in(fits):
            task.begin()
            yield task
            task.end()
        self.tell(f"{name}: {perf_counter() - began:.2f} seconds")

    def tell(self, line):
        """Write a line on the standard error where ``verbose`` is 2 or more."""
        if int(getattr(self._told["estimator"], "verbose", 0)) > 1:
            print(line, file=sys.stderr)

    @contextlib.contextmanager
    def _counting_in(self, fits):
        """Count the Ctrl-C of this fit in an estimator and in its parts as well."""
        parts = [fits]
        if hasattr(fits, "get_params"):
            parts += fits.get_params(deep=True).values()
        parts = [part for part in parts if hasattr(type(part), "_handed_interrupts")]
        try:
            for part in parts:
                part._handed_interrupts = self.interrupts
            yield
        finally:
            for part in parts:  # some are not fitted: they are frozen
                vars(part).pop("_handed_interrupts", None)


class Epochs:
    """The epochs of a training: each is a task, and a step of the progress bar.

    Parameters
    ----------
    fit_task : FitTask or None
        What they are the parts of. None: nobody is told of them.
    progress : callable or None
        Called after each epoch as ``progress(loss)``.
    kept : object, default=None
        For a training that may be broken off and go on elsewhere. Has ``state``, where
        to begin, or None; ``next_seed()``, the seed of the next epoch's draws, the same
        for the same epoch; and ``keep(state)``, given a function that makes one.
    """

    def __init__(self, fit_task, progress=None, kept=None):
        self._fit_task = fit_task
        self._progress = progress
        self._running = None
        self.kept = kept

    def untold(self):
        """Epochs that are steps of the same bar, but of which no callback is told."""
        return Epochs(None, self._progress)

    def kept_state(self):
        """Where an earlier run of the same training was; None: there was none."""
        return None if self.kept is None else self.kept.state

    def keep(self, state):
        """Keep the state that a function makes, if it is kept at all."""
        if self.kept is not None:
            self.kept.keep(state)

    def begin(self):
        """Begin an epoch, unless one is running: that one is then made again."""
        if self._running is None and self._fit_task is not None:
            self._running = self._fit_task.subtask("epoch")
            self._running.begin()

    def end(self, loss):
        """End the epoch; return whether a callback asks for it to be the last."""
        if self._progress is not None:
            self._progress(loss)
        return self.leave()

    def leave(self):
        """End an epoch where it is, if one is running."""
        # A callback that raises has been told: it must not be told again.
        epoch, self._running = self._running, None
        return epoch is not None and epoch.end()
