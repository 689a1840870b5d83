"""Eigenpairs of forms and of graphs against dense solvers and closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, sparse

from skspectralnet._eigen import (
    cut_at_gap,
    graph_eigenpairs,
    grassmann_distance,
    inner_product,
    orthonormality_error,
    rayleigh_ritz,
    residuals,
)


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


# --- eigenpairs of a graph

LAPLACIANS = ("random_walk", "symmetric", "unnormalized")


def path(n):
    return sparse.csr_array(sparse.diags_array([np.ones(n - 1)] * 2, offsets=[-1, 1]))


def ring(n):
    graph = path(n).tolil()
    graph[0, n - 1] = graph[n - 1, 0] = 1.0
    return sparse.csr_array(graph)


def random_graph(rng, n, density=0.2):
    weights = sparse.random_array((n, n), density=density, rng=rng.randint(2**31))
    return sparse.csr_array(weights + weights.T + path(n))


def dense_eigenvalues(graph, laplacian):
    """All eigenvalues by LAPACK from the definition of the Laplacian."""
    W = graph.toarray()
    D = np.diag(W.sum(axis=1))
    roots = np.diag(W.sum(axis=1) ** -0.5)
    return {
        "random_walk": lambda: linalg.eigh(D - W, D, eigvals_only=True),
        "symmetric": lambda: linalg.eigvalsh(np.eye(len(W)) - roots @ W @ roots),
        "unnormalized": lambda: linalg.eigvalsh(D - W),
    }[laplacian]()


def check_pairs(graph, pairs, laplacian):
    """They solve the problem, orthonormal in the inner product, ascending."""
    row_weights = inner_product(np.asarray(graph.sum(axis=1)).ravel(), laplacian)
    assert (np.diff(pairs.eigenvalues) >= 0).all()
    assert orthonormality_error(pairs.vectors, row_weights) < 1e-6
    assert residuals(graph, pairs.vectors, pairs.eigenvalues, laplacian).max() < 1e-4


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("n", [60, 900])
def test_eigenpairs_of_a_random_graph(n, laplacian, rng):
    graph = random_graph(rng, n, density=20 / n)
    pairs = graph_eigenpairs(graph, 7, laplacian, rng)
    expected = dense_eigenvalues(graph, laplacian)[:7]
    assert_allclose(pairs.eigenvalues, expected, rtol=1e-4, atol=1e-12)
    check_pairs(graph, pairs, laplacian)
    assert pairs.n_connected == 1


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("n", [30, 2000])
def test_path_and_ring_in_closed_form(n, laplacian, rng):
    # 2 - 2 cos of the angles for D - W; a half of it where all degrees are 2. The
    # walk on a path of n is that on a ring of 2 (n - 1), folded.
    k = np.arange(5)
    plain = laplacian == "unnormalized"
    expected = 1 - np.cos(np.pi * k / (n if plain else n - 1))
    on_ring = 1 - np.cos(2 * np.pi * ((k + 1) // 2) / n)
    for graph, values in [(path(n), expected), (ring(n), on_ring)]:
        pairs = graph_eigenpairs(graph, 5, laplacian, rng)
        assert_allclose(pairs.eigenvalues, values * (1 + plain), rtol=1e-5, atol=1e-11)
        check_pairs(graph, pairs, laplacian)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("sizes", [(20, 50, 30), (40, 800, 60)])
@pytest.mark.parametrize("n_vectors", [1, 2, 3, 6])
def test_each_component_has_a_vector_of_eigenvalue_zero(
    sizes, n_vectors, laplacian, rng
):
    parts = [random_graph(rng, n, density=10 / n) for n in sizes]
    graph = sparse.csr_array(sparse.block_diag(parts))
    pairs = graph_eigenpairs(graph, n_vectors, laplacian, rng)
    check_pairs(graph, pairs, laplacian)
    assert pairs.n_connected == 3
    assert_array_equal(pairs.eigenvalues[:3], 0.0)
    assert (pairs.eigenvalues[3:] > 1e-4).all()
    if laplacian != "symmetric":
        assert_allclose(pairs.vectors[:, 0], 1.0, rtol=1e-8)
        each = np.split(pairs.vectors[:, :3], np.cumsum(sizes)[:-1])
        assert all(np.ptp(part, axis=0).max() < 1e-8 for part in each)
    if n_vectors == 2:  # the largest component against the others
        largest = np.repeat([0, 1, 0], sizes) == 1
        assert (np.sign(pairs.vectors[:, 1]) == np.where(largest, 1, -1)).all()


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_eigenvalues_of_a_graph_in_pieces_are_those_of_all_pieces(laplacian, rng):
    # Each piece has another share of the lowest, and one of two nodes has but two.
    sizes, densities = (2, 40, 300, 700), (1.0, 0.5, 0.01, 0.002)
    parts = [random_graph(rng, n, d) for n, d in zip(sizes, densities, strict=True)]
    parts += [parts[2]]  # equal eigenvalues
    mixed = rng.permutation(sum(sizes) + sizes[2])
    graph = sparse.csr_array(
        sparse.csr_array(sparse.block_diag(parts))[mixed][:, mixed]
    )
    expected = dense_eigenvalues(graph, laplacian)
    for n_vectors in (6, 30, 60):
        pairs = graph_eigenpairs(graph, n_vectors, laplacian, rng)
        assert_allclose(pairs.eigenvalues, expected[:n_vectors], rtol=1e-4, atol=1e-9)
        check_pairs(graph, pairs, laplacian)


def test_all_eigenpairs_of_a_tiny_graph(rng):
    graph = sparse.csr_array(np.array([[0.0, 2.0], [2.0, 0.0]]))
    pairs = graph_eigenpairs(graph, 2, "random_walk", rng)
    assert_allclose(pairs.eigenvalues, [0.0, 2.0], atol=1e-12)
    assert_allclose(np.abs(pairs.vectors), 1.0)


def test_residual_bounds_the_distance_to_an_eigenvalue(rng):
    graph = random_graph(rng, 40)
    exact = dense_eigenvalues(graph, "random_walk")
    Y, values = rng.normal(size=(40, 3)), np.array([0.1, 0.7, 1.2])
    found = residuals(graph, Y, values, "random_walk")
    assert (np.abs(exact[:, None] - values).min(axis=0) <= found).all()


@pytest.mark.parametrize(
    ("eigenvalues", "asked", "cut"),
    [
        ([0, 1, 2, 3], 2, 2),
        ([0, 1, 1.01, 3], 2, 1),  # both 1 and 3 are as near: the smaller
        ([0, 0.5, 1, 1.01, 3], 3, 2),
        ([0, 1, 1.01, 1.02, 3], 3, 4),
        ([0, 0, 0], 2, 2),  # no gap at all
        ([0], 1, 1),
    ],
)
def test_cut_at_gap(eigenvalues, asked, cut):
    assert cut_at_gap(np.array(eigenvalues, dtype=float), asked) == cut


def test_grassmann_distance_by_hand():
    # Lines at 30 degrees: sin^2 = 1/4; one shared direction adds nothing.
    line = np.array([[1.0], [0.0], [0.0]])
    turned = np.array([[np.sqrt(3)], [1.0], [0.0]])
    assert grassmann_distance(line, turned) == pytest.approx(0.25)
    shared = np.array([[0.0], [0.0], [5.0]])
    planes = np.hstack([line, shared]), np.hstack([shared, turned])
    assert grassmann_distance(*planes) == pytest.approx(0.25)


def test_grassmann_distance_is_one_of_subspaces(rng):
    A, B = rng.normal(size=(2, 50, 4))
    weights = rng.uniform(0.5, 2, size=50)
    d = grassmann_distance(A, B, weights)
    assert 0 < d < 4
    assert grassmann_distance(B, A, weights) == pytest.approx(d)
    assert grassmann_distance(A @ rng.normal(size=(4, 4)), B, weights) == pytest.approx(
        d
    )
    assert grassmann_distance(A, A @ rng.normal(size=(4, 4))) == pytest.approx(0)
    roots = np.sqrt(weights)[:, None]
    assert grassmann_distance(roots * A, roots * B) == pytest.approx(d)
    angles = linalg.subspace_angles(roots * A, roots * B)
    assert d == pytest.approx(np.sum(np.sin(angles) ** 2))


def test_lost_directions_are_as_far_as_can_be(rng):
    A = rng.normal(size=(50, 3))
    assert grassmann_distance(A[:, [0, 1, 1]], A) == pytest.approx(1)
    assert grassmann_distance(np.zeros((50, 3)), A) == pytest.approx(3)
