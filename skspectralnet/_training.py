"""The one epoch loop: step, validate, decay, stop, record."""

import contextlib
import math
import time
from typing import NamedTuple

import torch

# The learning rate is multiplied by this when the loss has stopped improving ...
_DECAY = 0.2
# ... and training ends below this share of its first value.
_LAST_RATE = 0.1
_NON_FINITE_RETRIES = 3
_SECOND_INTERRUPT_SECONDS = 2.0


class Schedule(NamedTuple):
    """How long and how fast to train."""

    max_iter: int
    learning_rate: float
    weight_decay: float
    tol: float
    n_iter_no_change: int


class History(NamedTuple):
    """What the loop recorded."""

    loss_curve: list  # mean training loss of each epoch
    validation_loss_curve: list | None
    converged: bool
    interrupted: bool


class NonFiniteLossError(ArithmeticError):
    """The loss was not a number, even at a much smaller learning rate."""


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


class _Plateau:
    """The best loss so far, and the learning rate that follows from its progress."""

    def __init__(self, schedule):
        self.schedule = schedule
        self.rate = schedule.learning_rate
        self.best = math.inf
        self.reference = math.inf  # the loss that the next one must clearly beat
        self.waited = 0

    def update(self, loss):
        """Take in an epoch's loss; return whether it is the best so far."""
        if loss < self.reference - self.schedule.tol * abs(loss):
            self.reference, self.waited = loss, 0
        else:
            self.waited += 1
        improved = loss < self.best
        self.best = min(loss, self.best)
        return improved

    def decay(self):
        """Lower the rate after too many epochs without progress; tell if it did."""
        if self.waited < self.schedule.n_iter_no_change:
            return False
        self.rate *= _DECAY
        self.waited = 0
        return True

    @property
    def finished(self):
        return self.rate < _LAST_RATE * self.schedule.learning_rate


def train(module, epoch_losses, schedule, *, validate=None, interrupts, progress):
    """Train a module until its loss stops improving; keep its best weights.

    The learning rate stays at its first value while the monitored loss improves and
    is divided by five after `n_iter_no_change` epochs without improvement; training
    ends when it falls below 10 % of its first value, or at `max_iter`. AdamW
    (Loshchilov and Hutter, 2019) makes the steps.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place; holds the weights of the best epoch on return.
    epoch_losses : callable
        Returns an iterator over the losses (scalar tensors) of one epoch; a step is
        made after each.
    schedule : Schedule
    validate : callable or None
        Returns the monitored loss as a float; None monitors the training loss.
    interrupts : Interrupts
    progress : callable
        Called after each epoch as ``progress(loss)``.

    Returns
    -------
    History

    Raises
    ------
    NonFiniteLossError
        After three halvings of the learning rate.
    """
    losses, monitored, failures = [], [], 0
    converged = interrupted = False
    plateau, best_weights = _Plateau(schedule), _weights(module)
    optimizer = _optimizer(module, plateau.rate, schedule)
    try:
        while len(losses) < schedule.max_iter and not converged:
            loss = _run_epoch(optimizer, epoch_losses())
            value = loss if validate is None else validate()
            if not (math.isfinite(loss) and math.isfinite(value)):
                failures += 1
                if failures > _NON_FINITE_RETRIES:
                    raise NonFiniteLossError
                plateau.rate *= 0.5
                module.load_state_dict(best_weights)
                optimizer = _optimizer(module, plateau.rate, schedule)
                continue
            losses.append(loss)
            monitored.append(value)
            progress(value)
            if plateau.update(value):
                best_weights = _weights(module)
            if plateau.decay():
                module.load_state_dict(best_weights)
                for group in optimizer.param_groups:
                    group["lr"] = plateau.rate
            converged = plateau.finished
    except KeyboardInterrupt:
        interrupts.accept()
        interrupted = True
    module.load_state_dict(best_weights)
    return History(
        loss_curve=losses,
        validation_loss_curve=None if validate is None else monitored,
        converged=converged,
        interrupted=interrupted,
    )


@contextlib.contextmanager
def progress_bar(verbose, stage, max_iter):
    """A bar on the standard error that counts epochs; nothing at ``verbose=0``.

    Yields
    ------
    callable
        ``progress(loss)``.
    """
    if not verbose:
        yield lambda loss: None
        return
    from tqdm.auto import tqdm  # only where a bar is wanted: slow to import

    class Bar(tqdm):
        monitor_interval = 0  # no thread that outlives the fit

    with Bar(total=max_iter, desc=stage, unit="epoch") as bar:

        def progress(loss):
            bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            bar.update()

        yield progress
        bar.total = bar.n  # fewer epochs than allowed are all that were needed


@contextlib.contextmanager
def gradients(device):
    """Record gradients in full precision, whatever mode the caller is in."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        yield


def _run_epoch(optimizer, losses):
    """Step on each loss and return their mean."""
    values = []
    for loss in losses:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        values.append(loss.detach())
    return float(torch.stack(values).mean())


def _optimizer(module, rate, schedule):
    return torch.optim.AdamW(
        module.parameters(), lr=rate, weight_decay=schedule.weight_decay, fused=True
    )


def _weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}
