"""Rayleigh-Ritz and orthonormality against dense eigensolvers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg

from skspectralnet._eigen import orthonormality_error, rayleigh_ritz


def problem(rng, n=30):
    """A Laplacian, its degrees, and its exact eigenpairs."""
    W = rng.uniform(size=(n, n))
    W = (W + W.T) / 2
    np.fill_diagonal(W, 0)
    d = W.sum(axis=1)
    L = np.diag(d) - W
    return L, d, *linalg.eigh(L, np.diag(d))


def forms(Y, L, d):
    return Y.T @ (d[:, None] * Y), Y.T @ L @ Y


def test_by_hand():
    # Gram diag(4, 1), form diag(4, 0): the second function has Ritz value 0, the
    # first one 4 / 4.
    pairs = rayleigh_ritz(np.diag([4.0, 1.0]), np.diag([4.0, 0.0]))
    assert_allclose(pairs.eigenvalues, [0.0, 1.0], atol=1e-15)
    assert_allclose(np.abs(pairs.coefficients), [[0, 0.5], [1, 0]], atol=1e-15)


def test_finds_eigenvectors_inside_the_span(rng):
    L, d, values, vectors = problem(rng)
    mixed = vectors[:, :5] @ rng.normal(size=(5, 5))
    pairs = rayleigh_ritz(*forms(mixed, L, d))
    assert_allclose(pairs.eigenvalues, values[:5], atol=1e-12)
    found = mixed @ pairs.coefficients
    assert_allclose(
        np.abs(found.T @ (d[:, None] * vectors[:, :5])), np.eye(5), atol=1e-9
    )


def test_orthonormal_coefficients_and_diagonal_form(rng):
    L, d, _, _ = problem(rng)
    gram, form = forms(rng.normal(size=(30, 6)), L, d)
    values, A = rayleigh_ritz(gram, form)
    assert_allclose(A.T @ gram @ A, np.eye(6), atol=1e-10)
    assert_allclose(A.T @ form @ A, np.diag(values), atol=1e-10)
    assert (np.diff(values) >= 0).all()


def test_ritz_values_lie_above_the_eigenvalues(rng):
    L, d, exact, _ = problem(rng)
    for _ in range(20):
        Y = rng.normal(size=(30, 6))
        assert (rayleigh_ritz(*forms(Y, L, d)).eigenvalues >= exact[:6] - 1e-12).all()


def test_a_larger_span_does_not_raise_ritz_values(rng):
    L, d, _, _ = problem(rng)
    Y = rng.normal(size=(30, 6))
    small = rayleigh_ritz(*forms(Y[:, :4], L, d)).eigenvalues
    assert (rayleigh_ritz(*forms(Y, L, d)).eigenvalues[:4] <= small + 1e-12).all()


@pytest.mark.parametrize("spread", [1e3, 1e6, 1e12])
def test_sizes_of_the_columns_do_not_matter(spread, rng):
    L, d, _, _ = problem(rng)
    Y = rng.normal(size=(30, 4))
    sizes = np.geomspace(1 / spread, spread, 4)
    expected = rayleigh_ritz(*forms(Y, L, d))
    scaled = rayleigh_ritz(*forms(Y * sizes, L, d))
    assert_allclose(scaled.eigenvalues, expected.eigenvalues, atol=1e-10)
    assert_allclose(
        np.abs(Y * sizes @ scaled.coefficients),
        np.abs(Y @ expected.coefficients),
        atol=1e-7,
    )


def test_rank_loss_leaves_null_directions_out(rng):
    L, d, _, _ = problem(rng)
    Y = rng.normal(size=(30, 3))
    repeated = np.column_stack([Y, Y[:, :1], Y @ [1.0, 2.0, 3.0], np.zeros(30)])
    pairs = rayleigh_ritz(*forms(repeated, L, d))
    assert pairs.coefficients.shape == (6, 3)
    expected = rayleigh_ritz(*forms(Y, L, d)).eigenvalues
    assert_allclose(pairs.eigenvalues, expected, atol=1e-9)
    gram = forms(repeated @ pairs.coefficients, L, d)[0]
    assert_allclose(gram, np.eye(3), atol=1e-6)


def test_no_direction_at_all():
    pairs = rayleigh_ritz(np.zeros((3, 3)), np.zeros((3, 3)))
    assert pairs.eigenvalues.shape == (0,)
    assert pairs.coefficients.shape == (3, 0)


def test_eigenvalues_are_never_negative():
    pairs = rayleigh_ritz(np.eye(2), np.diag([-1e-17, 1.0]))
    assert (pairs.eigenvalues >= 0).all()


def test_orthonormality_error_by_hand():
    # Gram of the columns (1, 1) and (1, -1) over two rows is I.
    assert orthonormality_error([[1.0, 1.0], [1.0, -1.0]]) == 0.0
    # Columns (2, 0), (0, 1): Gram diag(2, 1/2).
    assert orthonormality_error([[2.0, 0.0], [0.0, 1.0]]) == 1.0
    # Weights 1 and 3: column (1, 1) has mean weight 1; (1, 0) has 1/4, their
    # product 1/4: the largest entry of |G - I| is |1/4 - 1|.
    Y, weights = [[1.0, 1.0], [1.0, 0.0]], [1.0, 3.0]
    assert orthonormality_error(Y, weights) == pytest.approx(0.75)


def test_orthonormality_error_of_weighted_eigenvectors(rng):
    _, d, _, vectors = problem(rng)
    scaled = vectors[:, :4] * np.sqrt(d.sum())
    assert orthonormality_error(scaled, d) < 1e-12
    assert orthonormality_error(scaled) > 1e-6
