"""The perceptron with normalised hidden units: its layers, gradient and means."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional as F

from skspectralnet import _network
from skspectralnet._batch_norm import BatchNormMLP
from skspectralnet._network import ACTIVATIONS, MLP

each_activation = pytest.mark.parametrize("activation", sorted(ACTIVATIONS))


def generator(seed=0):
    return torch.Generator(device="cpu").manual_seed(seed)


def trained_network(rng, activation="relu", n_batches=30):
    """A perceptron that has seen batches and whose gains and shifts have moved."""
    network = BatchNormMLP(MLP((3, 6, 5, 2), activation, generator()))
    with torch.no_grad():
        views = network.split(network.flat)
        for p in [*views.gains, *views.shifts]:
            p.add_(torch.tensor(rng.normal(scale=0.3, size=p.shape), dtype=p.dtype))
        for _ in range(n_batches):
            network(torch.tensor(rng.normal(1, 2, size=(50, 3)), dtype=torch.float32))
    return network


@each_activation
def test_folded_network_is_the_one_with_running_means(activation, rng):
    network = trained_network(rng, activation)
    X = torch.tensor(rng.normal(size=(40, 3)), dtype=torch.float32)
    folded = network.folded()
    assert type(folded) is MLP
    with torch.no_grad():
        expected = network.eval()(X)
        assert_allclose(folded(X), expected, rtol=1e-5, atol=1e-5)
        assert not np.allclose(network.train()(X), expected, atol=1e-2)


def test_folding_leaves_the_network_as_it_was(rng):
    network = trained_network(rng)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    network.folded()
    for name, value in network.state_dict().items():
        assert_array_equal(value, before[name])


def by_autograd(network, flat, x):
    """The outputs of a network in training, an operation of torch at a time."""
    weights, gains, shifts, bias = network.split(flat)
    for weight, gain, shift in zip(weights, gains, shifts, strict=False):
        h = x @ weight.T
        variance, mean = torch.var_mean(h, dim=0, correction=0)
        y = gain * (h - mean) / (variance + 1e-5).sqrt() + shift
        x = ACTIVATIONS[network.activation](y)
    return F.linear(x, weights[-1], bias)


@each_activation
@pytest.mark.parametrize("hidden", [(), (7,), (6, 5), (5, 4, 3)])
def test_outputs_and_gradient_are_those_of_single_operations(activation, hidden, rng):
    network = BatchNormMLP(MLP((3, *hidden, 2), activation, generator())).double()
    x = torch.tensor(rng.normal(1, 2, size=(20, 3)))
    flat = network.flat.detach().clone().requires_grad_()
    towards = torch.tensor(rng.normal(size=(20, 2)))
    found, expected = network(x, torch.float64), by_autograd(network, flat, x)
    assert_allclose(found.detach(), expected.detach(), rtol=1e-9, atol=1e-12)
    for outputs in (found, expected):
        (outputs * towards).sum().backward()
    assert_allclose(network.flat.grad, flat.grad, rtol=1e-7, atol=1e-10)


def test_wide_batches_in_parts_have_the_same_gradient(rng, monkeypatch):
    x, found = torch.tensor(rng.normal(size=(20, 9))), []
    for most in (2**22, 40):  # at once, two columns at a time
        monkeypatch.setattr(_network, "_WHOLE_ENTRIES", most)
        network = BatchNormMLP(MLP((9, 6, 2), "relu", generator())).double()
        network(x, torch.float64).square().sum().backward()
        found.append(network.flat.grad)
    assert_allclose(*found, rtol=1e-9, atol=1e-12)


def test_products_in_bfloat16_are_close(rng):
    network, x = trained_network(rng), torch.tensor(rng.normal(size=(64, 3))).float()
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        network.zero_grad()
        outputs = network(x, dtype)
        assert outputs.dtype == torch.float32
        outputs.square().sum().backward()
        found.append((outputs.detach(), network.flat.grad))
    for exact, coarse in zip(*found, strict=True):
        assert 0.0 < float((exact - coarse).norm() / exact.norm()) < 0.05


def test_hidden_units_are_normalised_over_the_batch(rng):
    network = BatchNormMLP(MLP((3, 6, 2), "identity", generator()))
    X = torch.tensor(rng.normal(5, 9, size=(64, 3)), dtype=torch.float32)
    views = network.split(network.flat.detach())
    hidden = X @ views.weights[0].T
    hidden = (hidden - hidden.mean(dim=0)) / hidden.std(dim=0, unbiased=False)
    with torch.no_grad():
        expected = F.linear(hidden, views.weights[1], views.bias)
        assert_allclose(network(X), expected, rtol=1e-3, atol=1e-4)


def test_running_means_count_batches_in_training_only(rng):
    network = trained_network(rng, n_batches=0)
    X = torch.tensor(rng.normal(3, 1, size=(50, 3)), dtype=torch.float32)
    (mean, variance), _ = network.running()
    with torch.no_grad():
        network.eval()(X)
        assert_array_equal(mean, torch.zeros(6))
        network.train()
        for _ in range(200):
            network(X)
        hidden = X @ network.split(network.flat).weights[0].T
    assert_allclose(mean, hidden.mean(dim=0), rtol=1e-2, atol=1e-3)
    assert_allclose(variance, hidden.var(dim=0), rtol=1e-2, atol=1e-3)


def test_gradients_reach_every_parameter(rng):
    network = trained_network(rng, "tanh")
    X = torch.tensor(rng.normal(size=(20, 3)), dtype=torch.float32)
    (network(X) ** 3).sum().backward()
    grad = network.split(network.flat.grad)
    for part in (*grad.weights, *grad.gains, *grad.shifts, grad.bias):
        assert torch.isfinite(part).all()
        assert part.abs().max() > 1e-3
