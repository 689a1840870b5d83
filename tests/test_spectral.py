"""The steps of both spectral stages: what their losses are functions of."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import linalg

from skspectralnet._affinity import DenseAffinity
from skspectralnet._batch_graph import Batch
from skspectralnet._neighbor_graph import EdgeBatch
from skspectralnet._network import MLP
from skspectralnet._spectral import alternating_loss, joint_loss

LAPLACIANS = ["random_walk", "symmetric", "unnormalized"]
N, Q = 14, 4
every_loss = pytest.mark.parametrize("loss", ["log", "trace"])
every_laplacian = pytest.mark.parametrize("laplacian", LAPLACIANS)
every_stage = pytest.mark.parametrize("batch_of", ["rows", "edges"])


class Task:
    """What a step asks of the task of its stage."""

    def __init__(self, loss):
        self.loss = loss


def weights(rng):
    """A connected graph: a ring and random weights beside it, (N, N)."""
    W = 0.3 * rng.uniform(size=(N, N)) * (rng.uniform(size=(N, N)) < 0.4)
    W[np.arange(N), np.arange(N) - 1] = 1.0
    W = np.triu(W + W.T, 1)
    return W + W.T


def a_batch(stage, W, rows, laplacian):
    """The given rows, told apart by unit vectors, or all edges between them."""
    inputs = torch.eye(N, dtype=torch.float64)[rows]
    W = W[np.ix_(rows, rows)]
    if stage == "rows":
        W = torch.tensor(W)
        return Batch(inputs, DenseAffinity(W, W.sum(dim=1)), laplacian)
    # An edge of twice the weight is drawn twice as often: weights in steps of 0.1.
    first, second = np.nonzero(np.triu(W))
    times = np.round(10 * W[first, second]).astype(int).clip(1)
    nodes = np.r_[np.repeat(first, times), np.repeat(second, times)]
    degrees = np.bincount(nodes, minlength=len(rows))
    relative = torch.tensor(degrees.mean() / degrees)[nodes]
    ones = torch.ones_like(relative)
    return EdgeBatch(
        inputs[nodes],
        torch.tensor(nodes),
        (relative.sqrt() if laplacian == "symmetric" else ones)[:, None],
        relative if laplacian == "unnormalized" else ones,
    )


def gradient(loss_of, mlp, batches, task):
    """Value of a loss and its gradient in all parameters, one vector."""
    value = loss_of(mlp, iter(batches), task)
    parts = torch.autograd.grad(value, [*mlp.parameters()])
    return value.item(), torch.cat([part.ravel() for part in parts]).numpy()


@every_stage
@every_laplacian
def test_gradient_of_alternating_steps_passes_through_both_batches(
    laplacian, batch_of, global_random_seed
):
    rng = np.random.RandomState(global_random_seed)
    one, other = weights(rng), weights(rng)
    rows = np.arange(N)
    batches = [
        a_batch(batch_of, one, rows, laplacian),
        a_batch(batch_of, other, rows[::-1].copy(), laplacian),
    ]
    seeded = torch.Generator().manual_seed(global_random_seed)
    mlp = MLP((N, 7, Q), "tanh", seeded).double()
    task = Task("trace")  # the log loss holds its shift: differences would move it
    _, found = gradient(alternating_loss, mlp, batches, task)

    direction = rng.normal(size=len(found))
    start = torch.nn.utils.parameters_to_vector(mlp.parameters()).detach()

    def moved(step):
        with torch.no_grad():
            point = start + step * torch.tensor(direction)
            torch.nn.utils.vector_to_parameters(point, mlp.parameters())
            return alternating_loss(mlp, iter(batches), task).item()

    numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
    size = np.linalg.norm(found) * np.linalg.norm(direction)
    assert found @ direction == pytest.approx(numeric, abs=1e-5 * size)
    assert np.linalg.norm(found) > 1e-3


@every_stage
@every_laplacian
@every_loss
def test_alternating_steps_of_equal_batches_are_joint_steps(
    loss, laplacian, batch_of, global_random_seed
):
    rng = np.random.RandomState(global_random_seed)
    batch = a_batch(batch_of, weights(rng), np.arange(N), laplacian)
    seeded = torch.Generator().manual_seed(global_random_seed)
    mlp = MLP((N, 7, Q), "tanh", seeded).double()
    joint, slope = gradient(joint_loss, mlp, [batch], Task(loss))
    alternating, same = gradient(alternating_loss, mlp, [batch, batch], Task(loss))
    assert alternating == pytest.approx(joint, rel=1e-5)
    assert_allclose(same, slope, rtol=1e-3, atol=1e-5 * np.abs(slope).max())


@every_stage
@every_laplacian
def test_gradient_of_alternating_steps_vanishes_at_the_eigenvectors(
    laplacian, batch_of, global_random_seed
):
    rng = np.random.RandomState(global_random_seed)
    if laplacian == "symmetric" and batch_of == "edges":
        # Its lowest vectors are those of this Laplacian if all degrees are the same.
        W = linalg.circulant(np.r_[0, 0.6, 0.3, np.zeros(N - 5), 0.3, 0.6])
    else:
        W = np.round(weights(rng), 1)
    degrees = W.sum(axis=1)
    L, D = np.diag(degrees) - W, np.diag(degrees)
    if laplacian == "symmetric":
        L = L / np.sqrt(np.outer(degrees, degrees))
    if laplacian != "random_walk":
        D = np.eye(N)
    values, vectors = linalg.eigh(L, D)
    # The stage on edges puts the constant before the outputs itself.
    first = 0 if batch_of == "rows" else 1
    wanted = vectors[:, first : first + Q]
    assert values[first + Q] - values[first + Q - 1] > 1e-6
    mlp = MLP((N, Q), "identity").double()
    zeros = np.zeros(Q)
    mlp.set_last_layer(wanted.T, zeros)
    rows = np.arange(N)
    batches = [
        a_batch(batch_of, W, order, laplacian) for order in (rows, rows[::-1].copy())
    ]
    _, there = gradient(alternating_loss, mlp, batches, Task("trace"))
    mlp.set_last_layer((wanted + 0.1 * rng.normal(size=wanted.shape)).T, zeros)
    _, beside = gradient(alternating_loss, mlp, batches, Task("trace"))
    assert np.linalg.norm(there) < 1e-6 * np.linalg.norm(beside)


@every_stage
@every_laplacian
def test_a_direction_lost_in_the_other_batch_costs_as_much_as_a_useless_one(
    laplacian, batch_of, global_random_seed
):
    rng = np.random.RandomState(global_random_seed)
    W = np.round(weights(rng), 1)
    batches = [a_batch(batch_of, W, np.arange(N), laplacian)] * 2
    seeded = torch.Generator().manual_seed(global_random_seed)
    mlp = MLP((N, Q), "identity", seeded).double()
    with torch.no_grad():  # the last output repeats the one before it
        mlp.weights[0][-1] = mlp.weights[0][-2]
        mlp.biases[0][-1] = mlp.biases[0][-2]
    n_outputs = Q if batch_of == "rows" else 1 + Q
    mlp_without = MLP((N, Q - 1), "identity").double()
    weight, bias = mlp.weights[0].detach(), mlp.biases[0].detach()
    mlp_without.set_last_layer(weight[:-1].numpy(), bias[:-1].numpy())
    less = alternating_loss(mlp_without, iter(batches), Task("trace")).item()
    # Of the edges, all values are divided by the mean degree.
    in_degrees = laplacian == "unnormalized" and batch_of == "rows"
    useless = W.sum(axis=1).mean() if in_degrees else 1.0
    lost = alternating_loss(mlp, iter(batches), Task("trace")).item()
    expected = ((n_outputs - 1) * less + useless) / n_outputs
    assert lost == pytest.approx(expected, rel=1e-4)
