"""The epoch loop: when it slows down, when it ends, and what it keeps."""

import math
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from skspectralnet import _tasks, _training
from skspectralnet._tasks import Epochs, Interrupts
from skspectralnet._training import (
    NonFiniteLossError,
    Schedule,
    _OneCycle,
    _Plateau,
    gradients,
    progress_bar,
    train,
)


class Scalar(torch.nn.Module):
    """One weight, called x."""

    def __init__(self, value=0.0):
        super().__init__()
        self.x = torch.nn.Parameter(torch.tensor(float(value)))


def schedule(**changes):
    settings = {
        "max_iter": 50,
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "tol": 1e-2,
        "n_iter_no_change": 3,
    }
    return Schedule(**{**settings, **changes})


class Told(Epochs):
    """What is told of the epochs: the losses and the names of the calls, in order."""

    def __init__(self, stop_at=None, kept=None):
        super().__init__(None, kept=kept)
        self.calls, self.losses, self.stop_at = [], [], stop_at

    def begin(self):
        self.calls.append("begin")

    def end(self, loss):
        self.calls.append("end")
        self.losses.append(loss)
        return len(self.losses) == self.stop_at

    def leave(self):
        self.calls.append("leave")


def run(module, epoch_losses, validate=None, interrupts=None, told=None, **changes):
    return train(
        module,
        epoch_losses,
        schedule(**changes),
        validate=validate,
        interrupts=interrupts or Interrupts(),
        epochs=told or Told(),
    )


def falling(module):
    """Epochs of two steps that lower x by about the learning rate each."""
    return lambda: (module.x * 1.0 for _ in range(2))


def scripted(module, values):
    """A validation that returns these losses and notes x at each of them."""
    script, notes = iter(values), []

    def validate():
        notes.append(module.x.item())
        return next(script)

    return validate, notes


# --- the plateau


def plateau_rates(losses, **changes):
    plateau, rates = _Plateau(schedule(learning_rate=1.0, **changes)), []
    for loss in losses:
        plateau.update(loss)
        plateau.decay()
        rates.append(plateau.rate)
    return rates, plateau


def test_rate_stays_while_the_loss_improves():
    rates, plateau = plateau_rates([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    assert rates == [1.0] * 8
    assert not plateau.finished


def test_rate_is_divided_by_five_after_the_epochs_without_progress():
    rates, plateau = plateau_rates([1.0, 1.0, 1.0, 1.0])
    assert rates == pytest.approx([1.0, 1.0, 1.0, 0.2])
    assert not plateau.finished


def test_finished_below_a_tenth_of_the_first_rate():
    rates, plateau = plateau_rates([1.0] * 7)
    assert rates[-1] == pytest.approx(0.04)
    assert plateau.finished


def test_progress_is_relative_to_the_loss():
    # Each loss is 0.5 % below the last one that counted: not enough at 1 %.
    rates, _ = plateau_rates([1.0, 0.995, 0.992, 0.991])
    assert rates[-1] == pytest.approx(0.2)
    rates, _ = plateau_rates([100.0, 99.5, 99.2, 99.1])
    assert rates[-1] == pytest.approx(0.2)
    # But 0.5 % steps add up to more than 1 % every third epoch.
    rates, _ = plateau_rates([1.0, 0.995, 0.989, 0.984, 0.979, 0.974])
    assert rates[-1] == 1.0


def test_negative_losses_improve_downwards():
    rates, _ = plateau_rates([-1.0, -1.1, -1.2, -1.3, -1.4])
    assert rates[-1] == 1.0
    rates, _ = plateau_rates([-1.0, -1.001, -1.002, -1.003])
    assert rates[-1] == pytest.approx(0.2)


def test_best_counts_every_improvement_however_small():
    plateau = _Plateau(schedule())
    assert [plateau.update(x) for x in (1.0, 0.999, 0.9995, 0.998)] == [
        True,
        True,
        False,
        True,
    ]
    assert plateau.best == 0.998


def test_tol_zero_takes_every_improvement():
    rates, _ = plateau_rates([1 - 1e-9 * i for i in range(9)], tol=0.0)
    assert rates[-1] == 1.0


# --- one cycle


def one_cycle(**changes):
    return schedule(policy="one_cycle", learning_rate=1.0, **changes)


def cycle_rates(planned):
    """All rates of a cycle that is never cut short."""
    policy, rates = _OneCycle(planned), []
    for _ in range(planned.max_iter):
        rates += [policy.rate_at(step) for step in range(planned.n_steps)]
        policy.update(0.0)
    return rates


def test_one_cycle_by_hand():
    # 4 epochs of 3 steps: 12 steps, of which number 12 / 4 - 1 = 2 has the peak 1.
    rates = cycle_rates(one_cycle(max_iter=4, n_steps=3))
    assert len(rates) == 12
    assert rates[0] == pytest.approx(0.04)  # 1 / 25
    assert rates[1] == pytest.approx(0.52)  # half way on the wave: (0.04 + 1) / 2
    assert rates[2] == pytest.approx(1.0)
    # 9 steps down to 4e-6: a third of the way cos(60 degrees) = 1/2, so 3/4 are left.
    assert rates[5] == pytest.approx(0.75, abs=1e-5)
    assert rates[8] == pytest.approx(0.25, abs=1e-5)
    assert rates[11] == pytest.approx(4e-6)


@pytest.mark.parametrize(("max_iter", "n_steps"), [(2, 4), (5, 3), (7, 11), (20, 1)])
def test_one_cycle_is_that_of_torch(max_iter, n_steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    torch_rates, total = [], max_iter * n_steps
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total, pct_start=0.25, cycle_momentum=False
    )
    for _ in range(total):
        torch_rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(torch_rates) < total:
            theirs.step()
    planned = one_cycle(max_iter=max_iter, n_steps=n_steps)
    assert cycle_rates(planned) == pytest.approx(torch_rates)


@pytest.mark.parametrize("max_iter", [1, 2, 3, 4])
def test_one_cycle_of_very_few_steps(max_iter):
    rates = cycle_rates(one_cycle(max_iter=max_iter))
    assert rates[0] == 1.0
    assert rates == sorted(rates, reverse=True)
    assert all(0 < rate <= 1 for rate in rates)


# --- the loop


def test_minimum_of_a_parabola():
    module = Scalar(2.0)
    history = run(
        module, lambda: ((module.x - 1) ** 2 for _ in range(20)), max_iter=200
    )
    assert module.x.item() == pytest.approx(1.0, abs=1e-2)
    assert history.converged
    assert not history.interrupted
    assert history.validation_loss_curve is None
    assert len(history.loss_curve) < 200
    assert all(isinstance(loss, float) for loss in history.loss_curve)


def test_loss_curve_holds_the_means_of_the_epochs():
    module = Scalar(0.0)

    def losses():
        yield from (module.x * 0 + value for value in (1.0, 2.0, 6.0))

    assert run(module, losses, max_iter=2).loss_curve == [3.0, 3.0]


def test_max_iter_ends_without_convergence():
    module, told = Scalar(0.0), Told()
    history = run(module, falling(module), max_iter=7, told=told)
    assert len(history.loss_curve) == 7
    assert told.losses == history.loss_curve
    assert told.calls == ["begin", "end"] * 7
    assert not history.converged


def test_best_weights_are_restored():
    module = Scalar(0.0)
    validate, notes = scripted(module, [3.0, 1.0, 2.0, 5.0, 4.0])
    history = run(module, falling(module), validate, max_iter=5, n_iter_no_change=9)
    assert history.validation_loss_curve == [3.0, 1.0, 2.0, 5.0, 4.0]
    assert len(history.loss_curve) == 5
    assert module.x.item() == notes[1]
    assert notes[1] != notes[-1]


def test_best_weights_are_where_a_lower_rate_starts():
    module = Scalar(0.0)
    # Best in the first epoch; after two without progress the rate falls.
    validate, notes = scripted(module, [1.0, 2.0, 2.0, 2.0, 2.0])
    run(module, falling(module), validate, max_iter=5, n_iter_no_change=2)
    far, step_after = notes[2] - notes[0], notes[3] - notes[0]
    assert far < 3 * step_after < 0  # from the best weights, in smaller steps


def test_monitored_loss_is_the_training_loss_without_validation():
    module = Scalar(0.0)
    values = iter([3.0, 1.0, 2.0])
    notes = []

    def losses():
        notes.append(module.x.item())
        return iter([module.x + next(values) - module.x.detach()])

    history = run(module, losses, max_iter=3)
    assert history.loss_curve == pytest.approx([3.0, 1.0, 2.0])
    # The weights *after* the best epoch are kept.
    assert module.x.item() == pytest.approx(notes[2])


def test_weight_decay_shrinks():
    module = Scalar(1.0)
    run(module, lambda: iter([module.x * 0]), weight_decay=0.5, max_iter=1)
    assert 0 < module.x.item() < 1


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_are_those_of_the_optimizer_of_torch(weight_decay, monkeypatch):
    rates = [0.1, 0.02, 0.3, 0.01]
    modules = [torch.nn.Linear(3, 2, dtype=torch.float64) for _ in range(2)]
    modules[1].load_state_dict(modules[0].state_dict())
    rows = torch.randn(len(rates), 5, 3, dtype=torch.float64)

    def losses(module):
        return (module(batch).square().mean() for batch in rows)

    monkeypatch.setattr(_Plateau, "rate_at", lambda self, step: rates[step])
    run(modules[0], lambda: losses(modules[0]), max_iter=1, weight_decay=weight_decay)
    optimizer = torch.optim.AdamW(modules[1].parameters(), weight_decay=weight_decay)
    for rate, loss in zip(rates, losses(modules[1]), strict=True):
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
    for own, theirs in zip(*(m.parameters() for m in modules), strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-12, atol=1e-15)


def test_weights_without_a_gradient_stay():
    module = torch.nn.Linear(2, 1)
    before = module.bias.detach().clone()
    run(module, lambda: (module.weight.square().sum() for _ in range(3)), max_iter=1)
    assert torch.equal(module.bias, before)
    assert module.bias.grad is None


def rates_of(module, monkeypatch):
    """The learning rate of each step that is made."""
    rates, step = [], _training.adamw

    def noting(*args, lr, **kwargs):
        rates.append(lr)
        return step(*args, lr=lr, **kwargs)

    monkeypatch.setattr(_training, "adamw", noting)
    return rates


def test_steps_follow_the_cycle_and_its_end_is_planned(monkeypatch):
    module = Scalar(0.0)
    rates = rates_of(module, monkeypatch)
    planned = one_cycle(max_iter=6, n_steps=2)
    history = run(module, falling(module), **planned._asdict())
    assert rates == pytest.approx(cycle_rates(planned))
    assert history.converged
    assert len(history.loss_curve) == 6


def test_rate_of_a_plateau_is_the_same_within_an_epoch(monkeypatch):
    module = Scalar(0.0)
    rates = rates_of(module, monkeypatch)
    validate, _ = scripted(module, [1.0, 2.0, 2.0, 2.0])
    run(module, falling(module), validate, max_iter=4, n_iter_no_change=2)
    assert rates == pytest.approx([0.1] * 6 + [0.02] * 2)


def test_one_cycle_stops_early_with_the_best_weights():
    module = Scalar(0.0)
    # Falls by less than 1 % for three epochs after the second.
    validate, notes = scripted(module, [2.0, 1.0, 0.999, 0.998, 1.5, 0.1])
    history = run(
        module, falling(module), validate, **one_cycle(max_iter=9, n_steps=2)._asdict()
    )
    assert history.validation_loss_curve == [2.0, 1.0, 0.999, 0.998, 1.5]
    assert history.converged
    assert module.x.item() == notes[3] != notes[-1]


# --- losses that are not numbers


def with_failures(module, bad_epochs, bad=math.nan):
    """Falling losses, not a number in the given attempts; notes x before each."""
    attempts = []

    def losses():
        attempts.append(module.x.item())
        loss = module.x * 1.0
        if len(attempts) - 1 in bad_epochs:
            loss = loss * bad
        return iter([loss])

    return losses, attempts


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_training_goes_on_after_a_loss_that_is_no_number(bad):
    module = Scalar(0.5)
    losses, attempts = with_failures(module, {2}, bad)
    history = run(module, losses, max_iter=5)
    assert len(history.loss_curve) == 5
    assert np.isfinite(history.loss_curve).all()
    assert len(attempts) == 6
    assert attempts[3] == attempts[2]  # from the last good weights
    assert math.isfinite(module.x.item())


def test_rate_is_halved_after_a_failure():
    module = Scalar(0.5)
    losses, attempts = with_failures(module, {1})
    run(module, losses, max_iter=3)
    # Adam's first step has the length of the learning rate, here 0.1, then 0.05.
    assert attempts[0] - attempts[1] == pytest.approx(0.1, rel=1e-3)
    assert attempts[2] - attempts[3] == pytest.approx(0.05, rel=1e-3)


def test_cycle_is_halved_after_a_failure_and_keeps_its_length(monkeypatch):
    module = Scalar(0.5)
    rates, planned = rates_of(module, monkeypatch), one_cycle(max_iter=8)
    losses, _ = with_failures(module, {3})
    history = run(module, losses, **planned._asdict())
    whole = cycle_rates(planned)
    half = [rate / 2 for rate in whole[3:]]  # the failed epoch again, and the rest
    assert rates == pytest.approx([*whole[:4], *half])
    assert len(history.loss_curve) == 8
    assert history.converged


@pytest.mark.parametrize("policy", ["plateau", "one_cycle"])
def test_failures_without_end_are_an_error(policy):
    module = Scalar(0.5)
    losses, attempts = with_failures(module, range(100))
    with pytest.raises(NonFiniteLossError):
        run(module, losses, policy=policy)
    assert len(attempts) == 4


def test_validation_that_is_no_number_counts_as_a_failure():
    module = Scalar(0.0)
    validate, _ = scripted(module, [1.0, math.nan, 0.5])
    history = run(module, falling(module), validate, max_iter=2)
    assert history.validation_loss_curve == [1.0, 0.5]
    assert len(history.loss_curve) == 2


# --- ends that are asked for


@pytest.mark.parametrize("policy", ["plateau", "one_cycle"])
@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_stopped_after_an_epoch_with_the_best_weights(epoch, policy):
    module, told = Scalar(0.0), Told(stop_at=epoch)
    validate, notes = scripted(module, [3.0, 1.0, 2.0, 0.5, 0.1])
    history = run(module, falling(module), validate, told=told, policy=policy)
    assert history.stopped
    assert not history.converged
    assert not history.interrupted
    assert len(history.loss_curve) == len(told.losses) == epoch
    assert told.calls == ["begin", "end"] * epoch
    assert module.x.item() == notes[[None, 0, 1, 1, 3][epoch]]


class Kept:
    """The states after each epoch of a training that begins at one of them."""

    def __init__(self, state=None):
        self.state, self.states = state, []

    def keep(self, state):
        self.states.append(state())


@pytest.mark.parametrize("policy", ["plateau", "one_cycle"])
def test_a_training_goes_on_from_any_epoch(policy):
    """Its second loss is no number; the steps of AdamW depend on those before."""
    losses = [3.0, math.nan, 2.0, 2.5, 2.6, 2.4, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5]

    def trained(state):
        module, kept = Scalar(), Kept(state)
        n_made = 0 if state is None else len(state["curves"]) + state["n_failures"]
        validate = scripted(module, losses[n_made:])[0]

        def epoch():
            return ((module.x - 1.0) ** 2 for _ in range(2))

        told = Told(kept=kept)
        settings = {"policy": policy, "n_iter_no_change": 2, "max_iter": 10}
        history = run(module, epoch, validate, told=told, n_steps=2, **settings)
        return history, float(module.x.detach()), kept.states

    history, x, states = trained(None)
    assert len(states) == len(history.loss_curve) > 3
    for state in states:
        again, found, others = trained(state)
        assert (again, found) == (history, x)
        assert len(others) == len(states) - len(state["curves"])


def test_an_epoch_made_once_more_ends_once():
    module, told = Scalar(0.5), Told()
    losses, _ = with_failures(module, {1, 2})
    run(module, losses, max_iter=3, told=told)
    once, thrice = ["begin", "end"], ["begin", "begin", "begin", "end"]
    assert told.calls == [*once, *thrice, *once]


def test_an_interrupted_epoch_is_left():
    module, told = Scalar(0.0), Told()
    assert run(module, interrupted_in(module, 1)[0], told=told).interrupted
    assert told.calls == ["begin", "end", "begin", "leave"]


def interrupted_in(module, epoch):
    """Falling losses with a Ctrl-C inside the given epoch."""
    epochs = []

    def losses():
        epochs.append(module.x.item())
        yield module.x * 1.0
        if len(epochs) - 1 == epoch:
            raise KeyboardInterrupt
        yield module.x * 1.0

    return losses, epochs


@pytest.mark.parametrize("policy", ["plateau", "one_cycle"])
@pytest.mark.parametrize("epoch", [0, 1, 4])
def test_one_interrupt_ends_training_with_the_best_weights(epoch, policy):
    module = Scalar(0.0)
    losses, epochs = interrupted_in(module, epoch)
    history = run(module, losses, policy=policy, n_steps=2)
    assert history.interrupted
    assert not history.converged
    assert len(history.loss_curve) == epoch
    assert module.x.item() == epochs[epoch]  # of the last whole epoch


def test_interrupt_inside_validation():
    module = Scalar(0.0)

    def validate():
        raise KeyboardInterrupt

    history = run(module, falling(module), validate)
    assert history.interrupted
    assert len(history.loss_curve) == len(history.validation_loss_curve)
    assert module.x.item() == 0.0


def test_second_interrupt_within_two_seconds_raises(monkeypatch):
    clock = iter([100.0, 101.9])
    monkeypatch.setattr(_tasks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    interrupts, module = Interrupts(), Scalar(0.0)
    assert run(module, interrupted_in(module, 1)[0], interrupts=interrupts).interrupted
    with pytest.raises(KeyboardInterrupt):
        run(module, interrupted_in(module, 1)[0], interrupts=interrupts)


def test_second_interrupt_later_ends_another_stage(monkeypatch):
    clock = iter([100.0, 102.1])
    monkeypatch.setattr(_tasks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    interrupts, module = Interrupts(), Scalar(0.0)
    for _ in range(2):
        history = run(module, interrupted_in(module, 1)[0], interrupts=interrupts)
        assert history.interrupted


def test_first_interrupt_right_after_boot(monkeypatch):
    # A monotonic clock may start at 0: the first interrupt is still the first.
    monkeypatch.setattr(_tasks, "time", SimpleNamespace(monotonic=lambda: 0.0))
    Interrupts().accept()


# --- what it shows, and the grad mode


def test_silent_without_verbose(capsys):
    with progress_bar(0, "stage", 5) as progress:
        progress(1.0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2, True])
def test_bar_on_the_standard_error(verbose, capsys):
    with progress_bar(verbose, "some stage", 5) as progress:
        for _ in range(5):
            progress(0.125)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "some stage" in shown.err
    assert "5/5" in shown.err
    assert "0.125" in shown.err


class _Widget:
    """What ipywidgets has of a widget, as far as tqdm looks at it."""

    def __init__(self, children=(), **state):
        self.children = children
        self.layout, self.style = SimpleNamespace(), SimpleNamespace(bar_color=None)
        self.value, self.bar_style = 0, ""
        vars(self).update(state)


@pytest.fixture
def notebook(monkeypatch):
    """Modules as in a kernel of Jupyter with ipywidgets; yields what is displayed."""
    shell, displayed = SimpleNamespace(config={"IPKernelApp": {}}), []
    modules = {
        "ipykernel.zmqshell": {},
        "IPython": {"get_ipython": lambda: shell},
        "IPython.display": {"display": displayed.append},
        "ipywidgets": {"HTML": _Widget, "FloatProgress": _Widget, "HBox": _Widget},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    # These look around once, when they are imported.
    looking = [f"tqdm.{name}" for name in ("auto", "autonotebook", "notebook")]
    before = {name: sys.modules.pop(name, None) for name in looking}
    yield displayed
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


@pytest.mark.parametrize(("n_made", "n_epochs"), [(2, 6), (6, 6)])
def test_bar_of_a_notebook_is_full(n_made, n_epochs, notebook, capsys):
    with progress_bar(1, "some stage", n_epochs) as progress:
        for _ in range(n_made):
            progress(0.125)
    (shown,) = notebook
    left, bar, right = shown.children
    assert (bar.value, bar.max, bar.bar_style) == (n_made, n_made, "success")
    # Newer versions of tqdm write spaces that are as wide as a digit.
    assert left.value.replace("\u2007", " ") == "some stage: 100%"
    assert f"{n_made}/{n_made}" in right.value
    assert "0.125" in right.value
    assert capsys.readouterr() == ("", "")


def test_bar_of_a_notebook_without_an_epoch_is_no_success(notebook):
    with progress_bar(1, "some stage", 6):
        pass  # Ctrl-C before the first epoch had ended
    bar = notebook[0].children[1]
    assert (bar.value, bar.max, bar.bar_style) == (0, 6, "danger")


@pytest.mark.filterwarnings("error")
def test_bar_of_a_notebook_without_widgets(notebook, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with progress_bar(1, "some stage", 6) as progress:
        progress(0.125)
        progress(0.125)
    assert notebook == []
    assert "2/2" in capsys.readouterr().err.split("\r")[-1]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_in_any_mode(mode):
    with mode():
        with gradients(torch.device("cpu")):
            x = torch.ones(2, requires_grad=True)
            x.square().sum().backward()
        assert not torch.is_grad_enabled()
        assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
    assert x.grad.tolist() == [2.0, 2.0]
