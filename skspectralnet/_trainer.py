"""A training as the parameters of an estimator say: bar, Ctrl-C, warnings, error."""

import contextlib
from typing import NamedTuple

from sklearn.exceptions import ConvergenceWarning

from skspectralnet._tasks import Epochs, FitTask, warn
from skspectralnet._training import NonFiniteLossError, Schedule, progress_bar


class Trainer(NamedTuple):
    """Runs trainings for a fit.

    Fields
    ------
    fit_task : FitTask
        What the epochs are parts of.
    schedule : Schedule
        As the parameters of the estimator say.
    verbose : int
    lower : dict
        Parameters, and their values, that the error says to lower.
    kept : object
        Of the :class:`~skspectralnet._tasks.Epochs`.
    """

    fit_task: FitTask
    schedule: Schedule
    verbose: int
    lower: dict
    kept: object = None

    @contextlib.contextmanager
    def stage(self, name, n_epochs=0):
        """A stage of the fit around some lines; yields the Trainer of its epochs."""
        with self.fit_task.stage(name, n_epochs) as task:
            yield self._replace(fit_task=task)

    def at_rate(self, learning_rate):
        """The same with another learning rate."""
        schedule = self.schedule._replace(learning_rate=learning_rate)
        return self._replace(schedule=schedule)

    def hooks(self, progress=None):
        """Further arguments of :func:`~skspectralnet._training.train`."""
        epochs = Epochs(self.fit_task, progress, self.kept)
        return {"interrupts": self.fit_task.interrupts, "epochs": epochs}

    def run(self, training, stage, loss, *, n_untold=0, **schedule):
        """Train; warn where the training ended early.

        Parameters
        ----------
        training : callable
            Trains as ``training(schedule, interrupts=..., epochs=...)``; returns the
            History.
        stage, loss : str
            Their names, for the bar, the warnings and the error.
        n_untold : int
            Epochs that `training` makes before those of the schedule, for the bar
            alone.
        **schedule
            What differs from `schedule`.

        Returns
        -------
        History

        Raises
        ------
        ValueError
            Where the loss is not a finite number at much smaller learning rates.
        KeyboardInterrupt
            Where Ctrl-C came before the first epoch had ended: what is left is no
            model.
        """
        planned = self.schedule._replace(**schedule)
        n_epochs = planned.max_iter + n_untold
        try:
            with progress_bar(self.verbose, stage, n_epochs) as progress:
                history = training(planned, **self.hooks(progress))
        except NonFiniteLossError as error:
            values = ", ".join(f"{name}={value}" for name, value in self.lower.items())
            raise ValueError(
                f"The {loss} is not a finite number, even after lowering the learning "
                f"rate: {values}. Lower "
                f"{'it further' if len(self.lower) == 1 else 'them'} "
                "or look for extreme values in X."
            ) from error
        if history.interrupted:
            if not history.loss_curve:
                raise KeyboardInterrupt(f"before the first epoch of the {stage}")
            warn_of_interrupt(stage, len(history.loss_curve))
        self.fit_task.tell(f"{stage}: {course_of(history)}")
        if not (history.converged or history.stopped or history.interrupted):
            self.fit_task.warn(
                f"The {loss} was still falling at max_iter={planned.max_iter} epochs. "
                "Raise max_iter, or tol to stop earlier.",
                ConvergenceWarning,
            )
        return history


def course_of(history):
    """What became of a training, in one line.

    Parameters
    ----------
    history : History
    """
    curves = {"loss": history.loss_curve, "held out": history.validation_loss_curve}
    told = [
        f"{name} {curve[0]:.4g} to {min(curve):.4g}"
        for name, curve in curves.items()
        if curve
    ]
    end = "max_iter was reached"
    if history.converged:
        end = "it fell no further"
    elif history.stopped or history.interrupted:
        end = "it was stopped"
    return ", ".join([f"{len(history.loss_curve)} epochs", *told, end])


def warn_of_interrupt(stage, n_epochs):
    """Warn that Ctrl-C ended the training of a stage after `n_epochs` epochs."""
    warn(
        f"Training of the {stage} interrupted by user after {n_epochs} epochs: the "
        "best weights so far are used, and the fit goes on. Press Ctrl-C again within "
        "two seconds to stop it.",
        UserWarning,
    )
