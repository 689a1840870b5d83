"""The losses: a number by hand, gradients, formulas and minima."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import linalg

from skspectralnet._affinity import batch_affinity, dense_affinity
from skspectralnet._losses import (
    LOSSES,
    edge_form,
    laplacian_form,
    lost_form,
    orthonormal_form,
    reconstruction_loss,
    regression_loss,
    row_gram,
    row_weights,
)
from skspectralnet._network import orthonormalizer

LAPLACIANS = ["random_walk", "symmetric", "unnormalized"]


def random_graph(rng, b=20):
    """A dense affinity of random weights."""
    return dense_affinity(torch.tensor(rng.uniform(size=(b, b))))


def exact_pairs(affinity, laplacian, q):
    """The q lowest eigenpairs of a Laplacian, the vectors with Y^T M Y = b I."""
    W, d = affinity.matrix.numpy(), affinity.degrees.numpy()
    L, M = np.diag(d) - W, np.eye(len(d))
    if laplacian == "random_walk":
        M = np.diag(d)
    elif laplacian == "symmetric":
        L = L / np.sqrt(np.outer(d, d))
    values, vectors = linalg.eigh(L, M)
    return values[:q], torch.tensor(vectors[:, :q] * math.sqrt(len(d)))


def orthonormal(Y, weights):
    """Columns of Y combined into Y^T M Y = b I, by numpy."""
    gram = Y.T @ (weights[:, None] * Y) / len(Y)
    return Y @ np.linalg.inv(np.linalg.cholesky(gram)).T


def loss_of(name, Y, affinity, laplacian):
    """A loss of orthonormal outputs."""
    return LOSSES[name](laplacian_form(Y, affinity, laplacian) / len(Y))


def own_form(outputs, affinity, laplacian):
    """The form of outputs with their own orthonorm matrix."""
    weights = row_weights(affinity.degrees, laplacian)
    matrix = orthonormalizer(outputs.detach(), weights)
    return orthonormal_form(outputs, matrix, affinity, laplacian)


def own_form_step_by_step(outputs, affinity, laplacian):
    """The formula of orthonormal_form, for automatic differentiation."""
    b, q = outputs.shape
    weights = row_weights(affinity.degrees, laplacian)
    Y = outputs @ orthonormalizer(outputs, weights)
    eye = torch.eye(q, dtype=torch.float64)
    lost = eye - Y.T @ (weights[:, None] * Y) / b
    if laplacian == "unnormalized":
        lost = affinity.degrees.mean() * lost
    return laplacian_form(Y, affinity, laplacian) / b + lost


def test_loss_by_hand():
    # The path 0 - 1 - 2 with weights 1 and 2, and outputs (1, 0), (0, 1), (1, 1):
    #   w_01 |y_0 - y_1|^2 = 1 * 2,  w_12 |y_1 - y_2|^2 = 2 * 1,  together 4;
    # three rows and two outputs: 4 / (3 * 2).
    graph = dense_affinity(torch.tensor([[0, 1, 0], [1, 0, 2], [0, 2, 0.0]]).double())
    Y = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    for laplacian in ("random_walk", "unnormalized"):
        assert float(loss_of("trace", Y, graph, laplacian)) == pytest.approx(4 / 6)
    # Symmetric: degrees 1, 3, 2; the rows are divided by their roots first.
    #   w_01 |(1, -1/sqrt 3)|^2 = 4/3
    #   w_12 |(-1/sqrt 2, 1/sqrt 3 - 1/sqrt 2)|^2 = 2 (1/2 + (1/sqrt 3 - 1/sqrt 2)^2)
    total = 4 / 3 + 2 * (0.5 + (1 / math.sqrt(3) - 1 / math.sqrt(2)) ** 2)
    assert float(loss_of("trace", Y, graph, "symmetric")) == pytest.approx(total / 6)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("name", ["self_tuning", "nearest_neighbors", "rbf"])
def test_trace_equals_the_sum_over_pairs(laplacian, name, rng):
    b, q = 30, 4
    points = torch.tensor(rng.normal(size=(b, 3)))
    affinity = batch_affinity(points, name, n_neighbors=6)
    Y = torch.tensor(rng.normal(size=(b, q)))
    W = affinity.apply(torch.eye(b, dtype=torch.float64)).numpy()
    rows = Y.numpy()
    if laplacian == "symmetric":
        rows = rows / np.sqrt(W.sum(axis=1))[:, None]
    pairs = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    total = 0.5 * (W * pairs).sum()
    form = laplacian_form(Y, affinity, laplacian)
    assert float(form.trace()) == pytest.approx(total, rel=1e-9)
    assert float(loss_of("trace", Y, affinity, laplacian)) == pytest.approx(
        total / (b * q), rel=1e-9
    )


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_form_equals_the_matrix_product(laplacian, rng):
    graph = random_graph(rng)
    d, W = graph.degrees.numpy(), graph.matrix.numpy()
    L = np.diag(d) - W
    if laplacian == "symmetric":
        L = L / np.sqrt(np.outer(d, d))
    Y = torch.tensor(rng.normal(size=(20, 3)))
    expected = Y.numpy().T @ L @ Y.numpy()
    assert_allclose(laplacian_form(Y, graph, laplacian), expected, rtol=1e-10)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("kind", ["sparse", "dense"])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradients(laplacian, kind, name, rng):
    points = torch.tensor(rng.normal(size=(8, 2)))
    affinity = batch_affinity(
        points, "self_tuning" if kind == "sparse" else "rbf", n_neighbors=3
    )
    Y = torch.tensor(rng.normal(size=(8, 3)), requires_grad=True)
    form = laplacian_form(Y, affinity, laplacian)
    cotangent = torch.tensor(rng.normal(size=(3, 3)))  # not symmetric
    assert form.shape == (3, 3)
    assert torch.autograd.gradcheck(
        lambda Y: (laplacian_form(Y, affinity, laplacian) * cotangent).sum(), (Y,)
    )
    if name == "trace":
        assert torch.autograd.gradcheck(
            lambda Y: loss_of("trace", Y, affinity, laplacian), (Y,)
        )


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_log_loss_gradient_with_delta_held(laplacian, rng):
    # delta follows the size of the form but no gradient passes through it, so
    # compare with numpy differences of the formula at a fixed delta.
    affinity = random_graph(rng, b=8)
    Y = torch.tensor(rng.normal(size=(8, 3)), requires_grad=True)
    loss_of("log", Y, affinity, laplacian).backward()
    base = laplacian_form(Y.detach(), affinity, laplacian).numpy() / 8
    delta = 0.01 * np.trace(base) / 3
    numeric = np.zeros((8, 3))
    for i, j in np.ndindex(8, 3):
        ends = []
        for step in (1e-6, -1e-6):
            moved = Y.detach().clone()
            moved[i, j] += step
            form = laplacian_form(moved, affinity, laplacian).numpy() / 8
            ends.append(log_loss_of_form(form, delta))
        numeric[i, j] = (ends[0] - ends[1]) / 2e-6
    assert_allclose(Y.grad, numeric, rtol=1e-5, atol=1e-7)


def log_loss_of_form(form, delta):
    """The formula of the docstring: logdets of the leading blocks, by numpy."""
    q = len(form)
    shifted = form + delta * np.eye(q)
    blocks = [np.linalg.slogdet(shifted[:j, :j])[1] for j in range(1, q + 1)]
    return sum(blocks) / q**2


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("q", [1, 2, 5])
def test_log_loss_formula(laplacian, q, rng):
    graph = random_graph(rng)
    Y = torch.tensor(rng.normal(size=(20, q)))
    form = laplacian_form(Y, graph, laplacian).numpy() / 20
    expected = log_loss_of_form(form, 0.01 * np.trace(form) / q)
    assert float(loss_of("log", Y, graph, laplacian)) == pytest.approx(expected)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_trace_loss_is_the_mean_of_the_ritz_values(laplacian, rng):
    graph = random_graph(rng)
    values, vectors = exact_pairs(graph, laplacian, 4)
    loss = loss_of("trace", vectors, graph, laplacian)
    assert float(loss) == pytest.approx(values.mean())


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_minimum_at_the_eigenvectors(laplacian, name, rng):
    graph = random_graph(rng)
    _, vectors = exact_pairs(graph, laplacian, 4)
    lowest = float(loss_of(name, vectors, graph, laplacian))
    weights = row_weights(graph.degrees, laplacian).numpy()
    for size in np.geomspace(1e-3, 10, 40):  # from next to them to anywhere
        Y = vectors.numpy() + size * rng.normal(size=vectors.shape)
        Y = torch.tensor(orthonormal(Y, weights))
        assert float(loss_of(name, Y, graph, laplacian)) > lowest


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradient_vanishes_at_the_eigenvectors_along_the_constraint(
    laplacian, name, rng
):
    # Any small combination of the *other* eigenvectors leaves Y orthonormal in
    # first order: the derivative along it is zero at a minimum.
    graph = random_graph(rng)
    _, vectors = exact_pairs(graph, laplacian, 20)
    Y = vectors[:, :4].clone().requires_grad_()
    loss_of(name, Y, graph, laplacian).backward()
    along = vectors[:, 4:].T @ Y.grad
    assert_allclose(along, 0.0, atol=1e-9)


def test_log_loss_asks_for_ascending_order(rng):
    graph = random_graph(rng)
    # Weak links between two halves: the second eigenvalue is far below the third.
    matrix = graph.matrix.clone()
    matrix[:10, 10:] *= 0.01
    matrix[10:, :10] *= 0.01
    graph = dense_affinity(matrix)
    _, Y = exact_pairs(graph, "random_walk", 4)
    swapped = Y[:, [0, 3, 2, 1]]
    ordered = loss_of("log", Y, graph, "random_walk")
    assert float(loss_of("log", swapped, graph, "random_walk")) > float(ordered)
    assert float(loss_of("trace", swapped, graph, "random_walk")) == pytest.approx(
        float(loss_of("trace", Y, graph, "random_walk"))
    )


def test_trace_loss_sees_only_the_span(rng):
    graph = random_graph(rng)
    Y = torch.tensor(rng.normal(size=(20, 3)))
    rotation = torch.tensor(np.linalg.qr(rng.normal(size=(3, 3)))[0])
    for laplacian in LAPLACIANS:
        one = loss_of("trace", Y, graph, laplacian)
        other = loss_of("trace", Y @ rotation, graph, laplacian)
        assert float(one) == pytest.approx(float(other))


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_constant_output_costs_nothing(laplacian, rng):
    graph = random_graph(rng)
    Y = torch.ones(20, 1, dtype=torch.float64)
    if laplacian == "symmetric":
        Y = graph.degrees.sqrt()[:, None]
    assert float(loss_of("trace", Y, graph, laplacian)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_rows_without_edges_stay_finite(name, laplacian):
    matrix = torch.zeros(6, 6, dtype=torch.float64)
    matrix[0, 1] = matrix[1, 0] = 1.0
    graph = dense_affinity(matrix)
    Y = torch.eye(6, 3, dtype=torch.float64, requires_grad=True)
    loss = loss_of(name, Y, graph, laplacian)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(Y.grad).all()


def test_row_weights():
    degrees = torch.tensor([1.0, 2.0])
    assert row_weights(degrees, "random_walk").tolist() == [1.0, 2.0]
    for laplacian in ("symmetric", "unnormalized"):
        assert row_weights(degrees, laplacian).tolist() == [1.0, 1.0]
    for laplacian in LAPLACIANS:
        assert row_weights(degrees, laplacian).dtype == torch.float64


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("kind", ["self_tuning", "rbf"])
def test_numeric_gradient_of_the_form_through_its_own_factor(laplacian, kind, rng):
    affinity = batch_affinity(
        torch.tensor(rng.normal(size=(12, 2))), kind, n_neighbors=3
    )
    outputs = torch.tensor(rng.normal(size=(12, 4)), requires_grad=True)
    cotangent = torch.tensor(rng.normal(size=(4, 4)))
    cotangent = cotangent + cotangent.T
    assert torch.autograd.gradcheck(
        lambda outputs: (own_form(outputs, affinity, laplacian) * cotangent).sum(),
        (outputs,),
    )


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("q", [1, 5])
@pytest.mark.parametrize("smallest", [1.0, 1e-3])
def test_gradient_through_the_factor_as_by_automatic_differentiation(
    laplacian, name, q, smallest, rng
):
    graph = random_graph(rng)
    start = rng.normal(size=(20, q)) * np.geomspace(1, smallest, q)
    results = []
    for form_of in (own_form, own_form_step_by_step):
        outputs = torch.tensor(start, requires_grad=True)
        loss = LOSSES[name](form_of(outputs, graph, laplacian))
        loss.backward()
        results.append((loss.item(), outputs.grad.numpy()))
    (loss, gradient), (expected, expected_gradient) = results
    assert loss == pytest.approx(expected, rel=1e-9)
    size = np.abs(expected_gradient).max()
    assert_allclose(gradient, expected_gradient, atol=1e-7 * size)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_lost_directions(laplacian, rng):
    graph = random_graph(rng)
    weights = row_weights(graph.degrees, laplacian).numpy()
    Y = torch.tensor(orthonormal(rng.normal(size=(20, 4)), weights))
    eye = torch.eye(4, dtype=torch.float64)
    form = laplacian_form(Y, graph, laplacian) / 20
    assert_allclose(orthonormal_form(Y, eye, graph, laplacian), form, atol=1e-10)
    # The third column has collapsed: as bad as a useless direction, not perfect.
    Y[:, 2] = 0
    form[2], form[:, 2] = 0, 0
    form[2, 2] = graph.degrees.mean() if laplacian == "unnormalized" else 1.0
    assert_allclose(orthonormal_form(Y, eye, graph, laplacian), form, atol=1e-10)


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_collapsed_outputs_are_worse_than_the_eigenvectors(name, laplacian, rng):
    graph = random_graph(rng)
    _, vectors = exact_pairs(graph, laplacian, 4)
    losses = []
    for rank in (4, 3, 1, 0):
        Y = vectors * (torch.arange(4) < rank)
        losses.append(LOSSES[name](own_form(Y, graph, laplacian)).item())
    assert losses == sorted(set(losses))


@pytest.mark.parametrize("size", [1e-15, 1e15])
def test_size_of_the_weights_does_not_count_in_the_symmetric_form(size, rng):
    # Nor where a row has no edges: the floor of the degrees is relative to them.
    matrix = random_graph(rng).matrix
    matrix[3], matrix[:, 3] = 0.0, 0.0
    Y = torch.tensor(rng.normal(size=(20, 3)))
    one, other = (
        laplacian_form(Y, dense_affinity(c * matrix), "symmetric") for c in (1.0, size)
    )
    assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize(
    ("form", "shift"),
    [
        # A hundredth of the mean Ritz value: .004, more than what is missing.
        ([1.0, 0.203, -0.003], 0.004),
        # .00335 is less: a hundredth of the largest entry.
        ([1.0, 0.01, -0.005], 0.01),
        # Nor is that enough: as much as no form can miss, six times the largest.
        ([1.0, 0.5, -0.9], 6.0),
        ([1.0, -1.0, -1.0], 6.0),
    ],
)
def test_log_loss_of_a_form_that_is_not_positive(form, shift):
    expected = log_loss_of_form(np.diag(form), shift)
    found = LOSSES["log"](torch.diag(torch.tensor(form, dtype=torch.float64)))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_second_derivatives_are_refused(rng):
    # The gradients are written out, as functions without one of their own.
    graph = random_graph(rng)
    outputs = torch.tensor(rng.normal(size=(20, 3)), requires_grad=True)
    weights = row_weights(graph.degrees, "random_walk")
    matrix = orthonormalizer(outputs.detach(), weights)
    eye = torch.eye(3, dtype=torch.float64)
    for value in (
        laplacian_form(outputs, graph, "random_walk").square().sum(),
        orthonormal_form(outputs, matrix, graph, "random_walk").square().sum(),
        LOSSES["log"](outputs.T @ outputs + eye).square(),
    ):
        (gradient,) = torch.autograd.grad(value, outputs, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            gradient.square().sum().backward()


# --- over edges


def test_forms_over_edges_by_hand():
    # Two edges, from 1 to 3 and from (0, 2) to (1, 1): differences (-2, 0), (-1, 1).
    # The sum of their products over twice the edges: [[5, -1], [-1, 1]] / 4.
    U = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [1.0, 1.0]])
    assert_allclose(edge_form(U), [[1.25, -0.25], [-0.25, 0.25]])
    # Weights 1, 2, 3, 4: 1 + 27 + 4, 4, 8 + 4, each over four rows.
    m = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert_allclose(row_gram(U, m), [[8.0, 1.0], [1.0, 3.0]])
    # Two times two of them are lost from the identity where the factor is 1/2, 1/4.
    lost = lost_form(row_gram(U, m), torch.diag(torch.tensor([0.5, 0.25])))
    assert_allclose(lost, [[-1.0, -0.125], [-0.125, 1 - 3 / 16]])


def test_regression_loss_by_hand():
    # Squares 1, 4, 9, 2 of the rows, weighted 1 + 8 + 27 + 8 = 44 over 4 * 2 entries;
    # differences as above, squares 4 + 2 over 2 * 2 entries, ten times.
    missed = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [1.0, 1.0]])
    m = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert float(regression_loss(missed, m)) == pytest.approx(44 / 8 + 10 * 6 / 4)
    # Three edges along which nothing changes.
    assert float(regression_loss(torch.ones(6, 2), torch.ones(6))) == 1.0
    assert_allclose(edge_form(torch.ones(6, 2)), 0.0)


def test_edges_drawn_by_weight_have_the_laplacian_as_their_mean(rng):
    # All edges, as often as they weigh: integers from 0 to 3.
    W = np.triu(rng.randint(4, size=(8, 8)), 1)
    first, second = np.repeat(np.nonzero(W), W[W > 0], axis=1)
    graph = dense_affinity(torch.tensor(W + W.T, dtype=torch.float64))
    Y = torch.tensor(rng.normal(size=(8, 3)))
    found = edge_form(torch.cat([Y[first], Y[second]]))
    expected = laplacian_form(Y, graph, "unnormalized") / graph.degrees.sum()
    assert_allclose(found, expected, rtol=1e-12)


def test_reconstruction_loss_by_hand():
    # Differences 1, 0, 2, 1 of four entries.
    inputs = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    outputs = torch.tensor([[1.0, 1.0], [0.0, 4.0]])
    assert float(reconstruction_loss(outputs, inputs)) == pytest.approx(6 / 4)
