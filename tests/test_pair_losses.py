"""Distances of pairs and their losses: numbers by hand, gradients, sizes."""

import math

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skspectralnet._pair_losses import heavy_tailed_loss, margin_loss, pair_distances


def test_pair_distances_by_hand():
    outputs = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0], [1.0, 2.0], [9.0, 0.0]])
    positive, negative = pair_distances(outputs, 2, torch.tensor([2, 4, 1]))
    assert_array_equal(positive, [25.0, 4.0])
    assert_array_equal(negative, [[25.0, 81.0, 1.0], [20.0, 64.0, 0.0]])


def test_gradient_of_pair_distances(rng):
    # A row that is drawn twice, an anchor itself, and outputs that no pair has.
    outputs = torch.tensor(rng.normal(size=(9, 3)), requires_grad=True)
    against = torch.tensor([5, 1, 5, 6])
    weights = torch.tensor(rng.normal(size=(4, 4)))
    assert torch.autograd.gradcheck(
        lambda y: weights * pair_distances(y, 4, against)[1], (outputs,)
    )
    assert torch.autograd.gradcheck(
        lambda y: pair_distances(y, 4, against)[0], (outputs,)
    )


def squares(*distances):
    """*Squared* distances of pairs."""
    return torch.tensor(distances, dtype=torch.float64) ** 2


PAIR_LOSSES = [(heavy_tailed_loss, 2.0), (margin_loss, 1.5)]
each_pair_loss = pytest.mark.parametrize(("loss", "constant"), PAIR_LOSSES)


def test_heavy_tailed_loss_by_hand():
    # q of squared distances 1, 3 and 0 is 1/2, 1/4 and 1: -log q is log 2, 2 log 2, 0.
    # Of the negative pair q is 1/4: -log(3/4); the floor adds less than a thousandth.
    positive, negative = squares(1, 3**0.5, 0), squares(3**0.5)
    expected = math.log(2) + 5 * math.log(4 / 3)
    found = float(heavy_tailed_loss(positive, negative, 5.0))
    assert found == pytest.approx(expected, rel=1e-3)
    alone = float(heavy_tailed_loss(positive, negative, 0.0))
    assert alone == pytest.approx(math.log(2), rel=1e-12)


def test_margin_loss_by_hand():
    # Positive distances 1 and 3: (1 + 9) / 4. Negative 0.5 and 7 with margin 2: the
    # first misses 1.5, the second nothing: 2.25 / 4.
    found = float(margin_loss(squares(1, 3), squares(0.5, 7), 2.0))
    assert found == pytest.approx(2.5 + 0.5625, rel=1e-6)


@each_pair_loss
def test_pair_losses_pull_and_push(loss, constant):
    def value(p, n):
        return float(loss(squares(p), squares(n), constant))

    assert value(0.5, 1) < value(1, 1) < value(2, 1)
    assert value(1, 0.2) > value(1, 0.5) > value(1, 1.4)
    if loss is margin_loss:
        assert value(1, 1.6) == value(1, 100)  # beyond the margin


@each_pair_loss
def test_pair_losses_are_means(loss, constant, rng):
    positive, negative = (torch.tensor(rng.uniform(0.1, 3, size=9)) for _ in range(2))
    once = loss(positive, negative, constant)
    twice = loss(positive.repeat(2), negative.repeat(3), constant)
    assert_allclose(twice, once, rtol=1e-12)
    order = torch.tensor(rng.permutation(9))
    assert_allclose(loss(positive[order], negative, constant), once, rtol=1e-12)


@each_pair_loss
def test_gradients_of_pair_losses(loss, constant, rng):
    positive, negative = (
        torch.tensor(rng.uniform(0.1, 2, size=6), requires_grad=True) for _ in range(2)
    )
    assert torch.autograd.gradcheck(
        lambda p, n: loss(p, n, constant), (positive, negative)
    )


@each_pair_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pair_losses_where_rows_meet(loss, constant, dtype):
    points = torch.zeros(4, 2, dtype=dtype, requires_grad=True)
    squared = (points[:2] - points[2:]).square().sum(dim=1)
    value = loss(squared, squared, constant)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(points.grad).all()


@each_pair_loss
def test_pair_losses_of_no_pairs(loss, constant):
    none, some = squares(), squares(0.5, 1)
    assert float(loss(none, none, constant)) == 0.0
    both = float(loss(some, some, constant))
    halves = float(loss(some, none, constant)) + float(loss(none, some, constant))
    assert both == pytest.approx(halves, rel=1e-12)
