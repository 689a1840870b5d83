"""The one epoch loop: step, validate, decay, stop, record."""

import contextlib
import copy
import importlib.util
import math
from typing import NamedTuple

import torch
from torch.optim.adamw import adamw

# The learning rate is multiplied by this when the loss has stopped improving ...
_DECAY = 0.2
# ... and training ends below this share of its first value.
_LAST_RATE = 0.1
# One cycle: the rate starts at this share of its peak, is there after this share of
# the steps and ends at this share of the start, as in torch's OneCycleLR.
_CYCLE_START = 1 / 25
_CYCLE_WARM_UP = 0.25
_CYCLE_END = 1e-4
_NON_FINITE_RETRIES = 3
# Rows beside those held out: each of a batch needs neighbours.
_LEAST_LEARNED = 10


class Schedule(NamedTuple):
    """How long and how fast to train."""

    max_iter: int
    learning_rate: float  # the first one of a plateau, the largest one of a cycle
    weight_decay: float
    tol: float
    n_iter_no_change: int
    policy: str = "plateau"  # or "one_cycle"
    n_steps: int = 1  # of an epoch; only one cycle plans with it


class History(NamedTuple):
    """What the loop recorded."""

    loss_curve: list  # mean training loss of each epoch
    validation_loss_curve: list | None
    converged: bool
    interrupted: bool  # by Ctrl-C
    stopped: bool  # a callback requested the stop


class NonFiniteLossError(ArithmeticError):
    """The loss was not a number, even at a much smaller learning rate."""


class _Progress:
    """The best loss so far, and for how long nothing has clearly beaten it."""

    def __init__(self, schedule):
        self.schedule = schedule
        self.rate = schedule.learning_rate
        self.best = math.inf
        self.reference = math.inf  # the loss that the next one must clearly beat
        self.waited = 0
        self.n_epochs = 0

    def update(self, loss):
        """Take in an epoch's loss; return whether it is the best so far."""
        self.n_epochs += 1
        if loss < self.reference - self.schedule.tol * abs(loss):
            self.reference, self.waited = loss, 0
        else:
            self.waited += 1
        improved = loss < self.best
        self.best = min(loss, self.best)
        return improved


class _Plateau(_Progress):
    """A learning rate that falls when the loss has stopped improving."""

    def rate_at(self, step):
        """The learning rate of this step of the coming epoch: the same for all."""
        return self.rate

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


class _OneCycle(_Progress):
    r"""A learning rate that rises and falls once, on half waves of a cosine.

    Smith and Topin (2019); of N steps number 0 has 1/25 of the peak, number
    N / 4 - 1 the peak, and number N - 1 has 4e-6 of it.
    """

    def rate_at(self, step):
        """The learning rate of this step of the coming epoch."""
        n_steps = self.schedule.n_steps
        step += self.n_epochs * n_steps
        last = self.schedule.max_iter * n_steps - 1
        peak = max(_CYCLE_WARM_UP * (last + 1) - 1, 0.0)
        low, end = self.rate * _CYCLE_START, self.rate * _CYCLE_START * _CYCLE_END
        if step < peak:
            return _half_wave(low, self.rate, step / peak)
        return _half_wave(self.rate, end, min((step - peak) / max(last - peak, 1), 1))

    def decay(self):
        """Never: the rate follows its course."""
        return False

    @property
    def finished(self):
        stalled = self.waited >= self.schedule.n_iter_no_change
        return stalled or self.n_epochs >= self.schedule.max_iter


_POLICIES = {"plateau": _Plateau, "one_cycle": _OneCycle}


def _half_wave(start, end, share):
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def count_held_out(n_samples, share, *, least, most):
    """How many rows are held out: a share, at most `most`; 0 below `least`.

    Raises
    ------
    ValueError
        If fewer than `_LEAST_LEARNED` are left.
    """
    n_held_out = min(int(share * n_samples), most)
    if n_held_out < least:
        return 0
    if n_samples - n_held_out < _LEAST_LEARNED:
        raise ValueError(
            f"validation_fraction={share!r} leaves {n_samples - n_held_out} of "
            f"{n_samples} rows to learn from: lower it."
        )
    return n_held_out


def train(module, epoch_losses, schedule, *, validate=None, interrupts, epochs):
    """Train a module until its loss stops improving; keep its best weights.

    AdamW (Loshchilov and Hutter, 2019) makes the steps; the policy of the schedule
    sets their learning rate and the end:

    - ``"plateau"``: the rate stays at its first value while the monitored loss
      improves and is divided by five after `n_iter_no_change` epochs without
      improvement; training has converged when it falls below 10 % of its first value.
      Reaching `max_iter` before is no convergence.
    - ``"one_cycle"``: the rate rises to its peak over the first quarter of
      ``max_iter * n_steps`` steps and falls to nearly zero over the rest. Training has
      converged there, or after `n_iter_no_change` epochs without improvement.

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
    epochs : Epochs
        Told of each epoch by ``begin()``, which may come again before ``end(loss)``,
        the loss being the monitored one. ``end`` returns whether to stop there.
        ``leave()`` is called in an epoch that is not made to its end. Training begins
        at ``kept_state()``, if that is one, and after each epoch ``keep(state)`` is
        given a function that makes one.

    Returns
    -------
    History

    Raises
    ------
    NonFiniteLossError
        After three halvings of the learning rate.
    """
    run = _Run(module, schedule)
    run.go_on_from(epochs.kept_state())
    converged, interrupted, stopped = run.policy.finished, False, False
    try:
        while len(run.curves) < schedule.max_iter and not (converged or stopped):
            epochs.begin()
            loss = _run_epoch(run.optimizer, epoch_losses(), run.policy)
            value = loss if validate is None else validate()
            if not (math.isfinite(loss) and math.isfinite(value)):
                run.begin_again()
                continue
            if run.policy.update(value):
                _copy_weights(module, run.best_weights)
            # The last step that Ctrl-C can come before.
            run.curves.append((loss, value))
            if run.policy.decay():
                module.load_state_dict(run.best_weights)
            converged = run.policy.finished
            epochs.keep(run.state)
            stopped = epochs.end(value)
    except KeyboardInterrupt:
        interrupts.accept()
        interrupted = True
        epochs.leave()
    module.load_state_dict(run.best_weights)
    return History(
        loss_curve=[loss for loss, _ in run.curves],
        validation_loss_curve=None if validate is None else [v for _, v in run.curves],
        converged=converged,
        interrupted=interrupted,
        stopped=stopped,
    )


class _Run:
    """All that the epochs of a training hand on from one to the next."""

    def __init__(self, module, schedule):
        self._module, self._schedule = module, schedule
        self.policy = _POLICIES[schedule.policy](schedule)
        self.best_weights = _weights(module)
        self.optimizer = _AdamW(module.parameters(), schedule.weight_decay)
        self.curves = []  # pairs of a loss and a monitored one
        self.n_failures = 0

    def begin_again(self):
        """Go on from the best weights at half the rate, a few times."""
        self.n_failures += 1
        if self.n_failures > _NON_FINITE_RETRIES:
            raise NonFiniteLossError
        self.policy.rate *= 0.5
        self._module.load_state_dict(self.best_weights)
        self.optimizer = _AdamW(self._module.parameters(), self._schedule.weight_decay)

    def state(self):
        """The state after an epoch: dicts, lists, numbers and copies of tensors."""
        progress = {n: v for n, v in vars(self.policy).items() if n != "schedule"}
        return {
            "weights": _weights(self._module),
            "best_weights": {n: v.clone() for n, v in self.best_weights.items()},
            "optimizer": self.optimizer.state(),
            "progress": progress,
            "curves": list(self.curves),
            "n_failures": self.n_failures,
        }

    def go_on_from(self, state):
        """Go on from the state of such a training; None: from the beginning."""
        if state is None:
            return
        self._module.load_state_dict(state["weights"])
        self.best_weights = {n: v.clone() for n, v in state["best_weights"].items()}
        self.optimizer.go_on_from(state["optimizer"])
        vars(self.policy).update(state["progress"])
        self.curves, self.n_failures = list(state["curves"]), state["n_failures"]


class _AdamW:
    """Steps with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2).

    The numbers of ``torch.optim.AdamW(..., fused=True)``. That class imports torch's
    compiler when it is made, which takes a second of the first fit of a process.

    Parameters
    ----------
    parameters : iterable of Parameter
    weight_decay : float
    """

    _SETTINGS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "fused": True}

    def __init__(self, parameters, weight_decay):
        self._parameters = list(parameters)
        self._weight_decay = weight_decay
        self._state = {
            "means": [torch.zeros_like(p) for p in self._parameters],
            "squares": [torch.zeros_like(p) for p in self._parameters],
            "n_steps": [
                torch.zeros((), dtype=torch.float32, device=p.device)
                for p in self._parameters
            ],
        }

    def zero_grad(self):
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate):
        """Move the parameters that have a gradient, in place."""
        moved = [i for i, p in enumerate(self._parameters) if p.grad is not None]
        means, squares, n_steps = (
            [values[i] for i in moved] for values in self._state.values()
        )
        adamw(
            [self._parameters[i] for i in moved],
            [self._parameters[i].grad for i in moved],
            means,
            squares,
            [],  # only the variant AMSGrad needs it
            n_steps,
            lr=learning_rate,
            weight_decay=self._weight_decay,
            amsgrad=False,
            maximize=False,
            **self._SETTINGS,
        )

    def state(self):
        """A copy of what the next step needs besides the parameters."""
        return copy.deepcopy(self._state)

    def go_on_from(self, state):
        """Go on from the state of an optimizer of the same parameters."""
        for name, values in state.items():
            for own, value in zip(self._state[name], values, strict=True):
                own.copy_(value)


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
    with _bar_class()(total=max_iter, desc=stage, unit="epoch") as bar:

        def progress(loss):
            bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            bar.update()

        yield progress
        n_made, started = bar.n, bar.start_t
        if 0 < n_made < max_iter:
            # Fewer epochs than allowed are all that were needed: a full bar. A widget
            # of a notebook has a total of its own, which only reset() changes.
            bar.reset(total=n_made)
            bar.start_t = started
            bar.update(n_made)


def _bar_class():
    """The bar of tqdm for where we are; slow to import."""
    if importlib.util.find_spec("ipywidgets") is None:
        from tqdm.std import tqdm  # the other would ask for ipywidgets
    else:
        from tqdm.auto import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no thread that outlives the fit

    return Bar


@contextlib.contextmanager
def gradients(device):
    """Record gradients in full precision, whatever mode the caller is in."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        yield


def _run_epoch(optimizer, losses, policy):
    """Step on each loss and return their mean."""
    values = []
    for step, loss in enumerate(losses):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(policy.rate_at(step))
        # On the CPU a number: a tensor of each step, kept, would lie above the memory
        # of that step and hold it, MiB for wide rows.
        values.append(loss.item() if loss.device.type == "cpu" else loss.detach())
    return float(torch.tensor(values, dtype=loss.dtype, device="cpu").mean())


def _weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def _copy_weights(module, weights):
    """Write the weights of a module over others: a third set would take memory."""
    for name, value in module.state_dict().items():
        weights[name].copy_(value)
