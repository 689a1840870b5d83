"""Batch affinities: numbers worked by hand, and what must not change them."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from skspectralnet import _affinity
from skspectralnet._affinity import (
    DenseAffinity,
    SparseAffinity,
    batch_affinity,
    constrained_affinity,
    dense_affinity,
    median_gamma,
    nearest_in_batch,
    neighbors_in_part,
    rbf_matrix,
    repeated_affinity,
    self_tuning_weights,
    sparse_affinity,
    squared_distances,
)

DTYPES = [torch.float32, torch.float64]
NAMED = ["self_tuning", "nearest_neighbors", "rbf"]


def line(*values):
    """Points on a line."""
    return torch.tensor(values, dtype=torch.float64)[:, None]


def full(affinity):
    """The (b, b) matrix W of an affinity, by its product with the identity."""
    return affinity.apply(torch.eye(len(affinity.degrees), dtype=torch.float64))


def random_points(rng, b=60, d=3, dtype=torch.float64):
    return torch.tensor(rng.normal(size=(b, d)), dtype=dtype)


# --- by hand


def test_self_tuning_by_hand():
    # Points 0, 1, 3, 7 with their two nearest neighbours:
    #   0: 1 (distance 1), 3 (3)    sigma 3
    #   1: 0 (1), 3 (2)             sigma 2
    #   3: 1 (2), 0 (3)             sigma 3
    #   7: 3 (4), 1 (6)             sigma 6
    # Edges of A, exp(-d^2 / (sigma_i sigma_j)):
    a01 = math.exp(-1 / 6)  # in both directions
    a02 = math.exp(-9 / 9)  # in both directions
    a12 = math.exp(-4 / 6)  # in both directions
    a32 = math.exp(-16 / 18)  # 7 -> 3 only
    a31 = math.exp(-36 / 12)  # 7 -> 1 only
    expected = [
        [0, a01, a02, 0],
        [a01, 0, a12, a31 / 2],
        [a02, a12, 0, a32 / 2],
        [0, a31 / 2, a32 / 2, 0],
    ]
    affinity = batch_affinity(line(0, 1, 3, 7), "self_tuning", n_neighbors=2)
    assert_allclose(full(affinity), expected, rtol=1e-12)
    assert_allclose(affinity.degrees, np.sum(expected, axis=1), rtol=1e-12)


def test_connectivity_by_hand():
    # The nearest neighbour of 0 is 1, of 1 is 0, of 3 is 1, of 7 is 3.
    expected = [[0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0.5, 0]]
    affinity = batch_affinity(line(0, 1, 3, 7), "nearest_neighbors", n_neighbors=1)
    assert_array_equal(full(affinity), expected)
    assert_array_equal(affinity.degrees, [1, 1.5, 1, 0.5])


def test_rbf_by_hand():
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], dtype=torch.float64)
    # Squared distances 25, 1 and 18.
    a, b, c = math.exp(-2.5), math.exp(-0.1), math.exp(-1.8)
    affinity = batch_affinity(points, "rbf", n_neighbors=1, gamma=0.1)
    assert_allclose(full(affinity), [[0, a, b], [a, 0, c], [b, c, 0]], rtol=1e-12)


def test_rbf_median_scale_by_hand():
    # Distances to the second neighbour of 0, 1, 3, 7, 8: 3, 2, 3, 4, 5; median 3.
    points = line(0, 1, 3, 7, 8)
    assert median_gamma(points, 2) == pytest.approx(1 / 9)
    affinity = batch_affinity(points, "rbf", n_neighbors=2)
    assert full(affinity)[0, 1] == pytest.approx(math.exp(-1 / 9))


def test_callable_by_hand():
    def directed(points):
        weights = torch.zeros(3, 3)
        weights[0, 1], weights[2, 1], weights[1, 1] = 2.0, 1.0, 5.0
        return weights

    affinity = batch_affinity(line(0, 1, 3), directed, n_neighbors=1)
    assert_array_equal(full(affinity), [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]])
    assert_array_equal(affinity.degrees, [1, 1.5, 0.5])


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor, np.ndarray.tolist])
def test_callable_returns_any_array(convert):
    weights = np.array([[0.0, 1.0], [1.0, 0.0]])
    affinity = batch_affinity(line(0, 1), lambda p: convert(weights), n_neighbors=1)
    assert_array_equal(full(affinity), weights)


@pytest.mark.parametrize(
    ("returned", "error", "match"),
    [
        (np.ones((2, 2)), ValueError, r"shape \(2, 2\) for a batch of 3 rows"),
        (np.ones(3), ValueError, r"shape \(3,\)"),
        (1.0, ValueError, r"shape \(\)"),
        (-np.ones((3, 3)), ValueError, "negative"),
        (np.full((3, 3), np.nan), ValueError, "NaN"),
        (np.full((3, 3), np.inf), ValueError, "infinite"),
        ("weights", TypeError, "must return an array or tensor of weights; got str"),
        (None, TypeError, "got NoneType"),
        ([[1.0], [1.0, 2.0]], TypeError, "got list"),
        (np.array([["a"]]), TypeError, "got ndarray"),
        ({}, TypeError, "got dict"),
    ],
)
def test_callable_wrong_result_is_named(returned, error, match):
    with pytest.raises(error, match=match):
        batch_affinity(line(0, 1, 3), lambda p: returned, n_neighbors=1)


# --- properties


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_symmetric_with_degrees_as_row_sums(name, dtype, rng):
    affinity = batch_affinity(random_points(rng, dtype=dtype), name, n_neighbors=7)
    W = full(affinity)
    assert_allclose(W, W.T, rtol=1e-6)
    assert_allclose(affinity.degrees, W.sum(dim=1), rtol=1e-5)
    assert_array_equal(W.diagonal(), 0.0)
    assert (W >= 0).all()
    assert (W <= 1).all()


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("c", [2.0**-20, 2.0**20])
def test_scale_free_bitwise_for_powers_of_two(name, c, rng):
    points = random_points(rng)
    one = batch_affinity(points, name, n_neighbors=7)
    other = batch_affinity(c * points, name, n_neighbors=7)
    assert_array_equal(full(one), full(other))


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("c", [1e-6, 1 / 3, 1e5])
def test_scale_free(name, c, rng):
    points = random_points(rng)
    one = batch_affinity(points, name, n_neighbors=7)
    other = batch_affinity(c * points, name, n_neighbors=7)
    assert_allclose(full(one), full(other), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", NAMED)
def test_permuting_rows_permutes_the_graph(name, rng):
    points = random_points(rng)
    order = rng.permutation(len(points))
    W = full(batch_affinity(points, name, n_neighbors=7))
    permuted = full(batch_affinity(points[order], name, n_neighbors=7))
    assert_allclose(permuted, W[order][:, order], rtol=1e-9)


@pytest.mark.parametrize("k", [1, 5, 19])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_product_equals_dense(k, dtype, rng):
    b = 20
    neighbors = torch.stack(
        [torch.tensor(rng.permutation(b)[:k].copy()) for _ in range(b)]
    )
    weights = torch.tensor(rng.uniform(size=(b, k)), dtype=dtype)
    A = torch.zeros(b, b, dtype=torch.float64).scatter_(1, neighbors, weights.double())
    W = (A + A.T) / 2
    affinity = sparse_affinity(neighbors, weights)
    Y = torch.tensor(rng.normal(size=(b, 4)))
    assert isinstance(affinity, SparseAffinity)
    assert_allclose(affinity.apply(Y), W @ Y, rtol=1e-6, atol=1e-12)
    assert_allclose(affinity.degrees, W.sum(dim=1), rtol=1e-6)


def test_sparse_product_where_rows_have_no_incoming_edge():
    # All rows point at row 0; rows 2 to 4 are nobody's neighbour.
    neighbors = torch.tensor([[1], [0], [0], [0], [0]])
    affinity = sparse_affinity(neighbors, torch.ones(5, 1, dtype=torch.float64))
    W = np.zeros((5, 5))
    W[0, 1] = W[1, 0] = 1
    W[2:, 0] = W[0, 2:] = 0.5
    assert_array_equal(full(affinity), W)
    assert_array_equal(affinity.degrees, W.sum(axis=1))


def test_dense_affinity_symmetrises_without_changing_its_input(rng):
    matrix = torch.tensor(rng.uniform(size=(5, 5)))
    before = matrix.clone()
    affinity = dense_affinity(matrix)
    assert isinstance(affinity, DenseAffinity)
    assert_array_equal(matrix, before)
    expected = (before + before.T) / 2
    expected.fill_diagonal_(0)
    assert_allclose(affinity.matrix, expected, rtol=1e-15)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_duplicates_stay_finite(name, dtype, rng):
    points = random_points(rng, b=30, dtype=dtype)
    points[:20] = points[0]  # more duplicates than neighbours
    affinity = batch_affinity(points, name, n_neighbors=5)
    assert torch.isfinite(full(affinity)).all()
    assert torch.isfinite(affinity.degrees).all()
    assert (affinity.degrees > 0).all()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("jitter", [0, 1], ids=["exact", "rounded"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_median_scale_is_that_of_the_rows_without_copies(dtype, jitter, seed):
    # The matrix product gives copies squared distances of a rounding error, and a
    # network may give them points that differ by one.
    rng = np.random.RandomState(seed)
    points = random_points(rng, b=30, dtype=dtype)
    signs = torch.tensor(rng.randint(-jitter, jitter + 1, size=(20, 3)), dtype=dtype)
    points[:20] = points[0].clone() * (1 + torch.finfo(dtype).eps * signs)
    distances = pairwise_distances(points.double())
    kth = np.sort(distances, axis=1)[20:, 5]  # after the row itself
    assert median_gamma(points, 5) == pytest.approx(1 / np.sort(kth)[4] ** 2, rel=1e-4)
    affinity = batch_affinity(points, "rbf", n_neighbors=5)
    assert (affinity.degrees > 0).all()
    assert_allclose(full(affinity)[:20, :20], 1 - np.eye(20), atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_duplicates_stay_linked_to_the_rows_around_them(dtype, rng):
    # More copies of the middle than neighbours: it has no scale of its own, but the
    # rows around it count it among their neighbours.
    points = random_points(rng, b=40, dtype=dtype)
    points[:8] = 0.0
    W = full(batch_affinity(points, "self_tuning", n_neighbors=5))
    assert W[:8, 8:].max() > 1e-3


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_rows_are_linked_with_weight_one(name, dtype):
    points = torch.ones(6, 2, dtype=dtype)
    affinity = batch_affinity(points, name, n_neighbors=5)
    assert_array_equal(full(affinity), 1 - np.eye(6))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1024, 2])  # of a part; 2: in several
def test_squared_distances(columns, dtype, rng, monkeypatch):
    monkeypatch.setattr(_affinity, "_PART_COLUMNS", columns)
    points = random_points(rng, d=5, dtype=dtype)
    squared = squared_distances(points)
    expected = pairwise_distances(points.double(), metric="sqeuclidean")
    off = ~np.eye(len(points), dtype=bool)
    assert_allclose(squared[off], expected[off], rtol=1e-3, atol=1e-5)
    assert torch.isinf(squared.diagonal()).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("b", "k"), [(640, 40), (641, 40), (647, 20), (1003, 62), (300, 99), (40, 39)]
)
def test_many_neighbours_of_a_batch_are_the_nearest(b, k, dtype, rng):
    # Half of the rows twice: equal distances, of which any may be taken.
    points = random_points(rng, b=b // 2, d=3, dtype=dtype).repeat(2, 1)
    points = torch.cat([points, torch.zeros(b % 2, 3, dtype=dtype)])
    distances = squared_distances(points)
    neighbors, squared = nearest_in_batch(points, k)
    assert neighbors.dtype == torch.int64
    assert all(len(set(row)) == k for row in neighbors.tolist())
    found = distances.gather(1, neighbors).sort(dim=1)[0]
    assert_array_equal(found, distances.sort(dim=1)[0][:, :k])
    assert_allclose(
        squared.sort(dim=1)[0], found, atol=1e-4 if dtype.itemsize < 8 else 1e-12
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_nearest_in_batch_agrees_with_sklearn(dtype, rng):
    points = random_points(rng, b=200, d=5, dtype=dtype)
    neighbors, squared = nearest_in_batch(points, 8)
    expected, _ = NearestNeighbors(n_neighbors=8).fit(points.double()).kneighbors()
    assert_allclose(squared.sort(dim=1)[0].sqrt(), expected, rtol=1e-5)
    measured = (points[:, None] - points[neighbors]).square().sum(dim=2)
    assert_allclose(squared, measured, rtol=1e-5)
    assert (neighbors != torch.arange(200)[:, None]).all()


def test_neighbors_in_part_by_hand():
    # 20 of 400 rows are 5 %: 10 of 200. Of 60 they would be 3, but at least 5 are
    # taken, or all that were asked for, and never more than there are other rows.
    assert neighbors_in_part(20, 400, 400) == 20
    assert neighbors_in_part(20, 200, 400) == 10
    assert neighbors_in_part(20, 60, 400) == 5
    assert neighbors_in_part(3, 60, 400) == 3
    assert neighbors_in_part(20, 4, 400) == 3


def test_distances_between_close_points_keep_their_digits():
    # The matrix product alone would round these squared distances of 1e-8 to 0.
    points = torch.tensor([[1.0], [1.0 + 1e-4], [1.0 + 3e-4]], dtype=torch.float32)
    _, squared = nearest_in_batch(points, 2)
    expected = [(1e-4) ** 2, (3e-4) ** 2]
    assert_allclose(squared[0].sort()[0], expected, rtol=5e-3)


def test_self_tuning_weight_of_the_scale_itself():
    # Two points at each other's scale: d^2 / (d * d) = 1.
    neighbors, squared = nearest_in_batch(line(0, 5), 1)
    assert_allclose(self_tuning_weights(neighbors, squared), math.exp(-1))


def test_rbf_falls_with_distance():
    weights = rbf_matrix(squared_distances(line(0, 1, 2, 4)), 0.3)[0]
    assert weights[1] > weights[2] > weights[3] > 0
    assert weights[0] == 0


# --- overruled by what is known


def random_relations(rng, b, m):
    """m rows of a batch in three groups; the first two are known to be apart."""
    known = torch.tensor(rng.permutation(b)[:m])
    groups = torch.tensor(rng.randint(3, size=m))
    together = groups[:, None] == groups
    together.fill_diagonal_(False)
    apart = (groups[:, None] + groups == 1) & (groups[:, None] != groups)
    return known, together, apart


def test_overruled_by_hand():
    # Points 0, 1, 3, 7 with one neighbour each: 0-1 has weight 1, 1-3 and 3-7 1/2.
    # The first and the last belong together, the first and the second do not.
    known = torch.tensor([3, 0, 1])
    together = torch.zeros(3, 3, dtype=torch.bool)
    apart = together.clone()
    together[0, 1] = together[1, 0] = True
    apart[1, 2] = apart[2, 1] = True
    expected = [[0, 0, 0, 1], [0, 0, 0.5, 0], [0, 0.5, 0, 0.5], [1, 0, 0.5, 0]]
    graph = batch_affinity(line(0, 1, 3, 7), "nearest_neighbors", n_neighbors=1)
    for affinity in (graph, dense_affinity(full(graph))):
        found = constrained_affinity(affinity, known, together, apart)
        assert type(found) is type(affinity)
        assert_array_equal(full(found), expected)
        assert_array_equal(found.degrees, [1, 0.5, 1, 1.5])


@pytest.mark.parametrize("affinity", ["self_tuning", "nearest_neighbors"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [0, 1, 20, 60])
def test_sparse_and_dense_graphs_are_overruled_alike(affinity, dtype, m, rng):
    graph = batch_affinity(random_points(rng, dtype=dtype), affinity, n_neighbors=7)
    relations = random_relations(rng, 60, m)
    found = constrained_affinity(graph, *relations)
    dense = constrained_affinity(dense_affinity(full(graph)), *relations)
    assert_allclose(full(found), full(dense), rtol=1e-6)
    assert_allclose(found.degrees, dense.degrees, rtol=1e-5)
    Y = random_points(rng, d=4)
    assert_allclose(found.apply(Y), dense.apply(Y), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("affinity", NAMED)
def test_overruled_graphs_keep_the_rest(affinity, rng):
    graph = batch_affinity(random_points(rng), affinity, n_neighbors=7)
    known, together, apart = random_relations(rng, 60, 25)
    before, found = full(graph), constrained_affinity(graph, known, together, apart)
    W = full(found)
    assert_allclose(W, W.T, rtol=1e-12)
    assert_array_equal(W.diagonal(), 0)
    assert_allclose(found.degrees, W.sum(dim=1), rtol=1e-12)
    block = W[known[:, None], known]
    assert (block[together] == 1).all()
    assert (block[apart] == 0).all()
    told = torch.zeros(60, 60, dtype=torch.bool)
    told[known[:, None], known] = together | apart
    assert_allclose(W[~told], before[~told], rtol=1e-12)
    assert_array_equal(full(graph), before)  # the one given is left as it was


def test_rows_without_any_edge_left():
    graph = batch_affinity(line(0, 1), "nearest_neighbors", n_neighbors=1)
    known = torch.arange(2)
    apart = ~torch.eye(2, dtype=torch.bool)
    found = constrained_affinity(
        graph, known, torch.zeros(2, 2, dtype=torch.bool), apart
    )
    assert_array_equal(full(found), np.zeros((2, 2)))
    assert_array_equal(found.degrees, [0, 0])


def test_an_edge_counts_as_often_as_its_ends(rng):
    # Rows 0 and 1 stand for 1 and 3 rows: the edge between them counts (1 + 3) / 2.
    affinity = batch_affinity(line(0, 1, 3, 7), "nearest_neighbors", n_neighbors=1)
    W, many = np.asarray(full(affinity)), np.array([1.0, 3.0, 2.0, 2.0])
    repeated = repeated_affinity(affinity, many)
    assert_allclose(full(repeated), W * (many + many[:, None]) / 2)
    assert_allclose(repeated.degrees, full(repeated).sum(axis=1))
    assert full(repeated)[0, 1] == 2.0 * W[0, 1] > 0


def test_a_graph_of_all_pairs_of_repeated_rows(rng):
    """Is the graph of all the equal rows with those of each in one."""
    points, many = torch.tensor(rng.normal(size=(5, 2))), np.array([1, 3, 2, 1, 4])
    affinity = batch_affinity(points, "rbf", n_neighbors=2, gamma=0.7)
    every = np.repeat(np.arange(5), many)
    W = full(batch_affinity(points[every], "rbf", n_neighbors=2, gamma=0.7))
    merged = np.array(
        [[W[every == i][:, every == j].sum() for j in range(5)] for i in range(5)]
    )
    np.fill_diagonal(merged, 0.0)  # equal rows are one: no edges between them
    assert_allclose(full(repeated_affinity(affinity, many.astype(float))), merged)


def test_rows_far_from_all_others_are_no_cluster(rng):
    # Ten pairs in a row, and two far rows: the weights to all others vanish, and
    # each keeps one edge, to the nearest of the others.
    points = line(*range(60), 1e6, 1e6 + 1)
    neighbors, squared = nearest_in_batch(points, 5)
    weights = self_tuning_weights(neighbors, squared)
    for row in (60, 61):
        ends = neighbors[row][weights[row] > 1e-6].sort().values
        assert_array_equal(ends, [59, 121 - row])
        assert weights[row][neighbors[row] == 59] == 1.0


def test_a_far_part_larger_than_a_neighbourhood_stays_apart():
    points = line(*range(60), *(1e6 + i for i in range(6)))
    neighbors, squared = nearest_in_batch(points, 5)
    weights = self_tuning_weights(neighbors, squared)
    far = torch.arange(66) >= 60
    assert not bool((weights > 1e-6)[far[:, None] != far[neighbors]].any())


def test_scales_far_below_the_usual_one_by_hand():
    # Nearest at 1e-9, 1e-9, 3 and 3, in the mean 1.5: no scale is below 1.5e-6, or the
    # pair would be as far from each other as the last two are, exp(-1).
    neighbors, squared = nearest_in_batch(line(0, 1e-9, 10, 13), 1)
    weights = self_tuning_weights(neighbors, squared)
    near = math.exp(-((1e-9 / 1.5e-6) ** 2))
    assert_allclose(weights.ravel(), [near, near, *[math.exp(-1)] * 2], rtol=1e-12)


def test_products_on_other_devices_have_the_shape_of_the_rows(rng):
    # Another way is taken there, and this device computes shapes alone.
    affinity = batch_affinity(random_points(rng), "self_tuning", n_neighbors=7)
    there = SparseAffinity(*(part.to("meta") for part in affinity))
    Y = torch.zeros(60, 4, dtype=torch.float64, device="meta")
    assert there.apply(Y).shape == (60, 4)


@pytest.mark.parametrize("name", NAMED)
def test_names_are_compared_by_their_letters(name, rng):
    points = random_points(rng)
    read = "".join(list(name))  # as from a file: equal, and another object
    assert read is not name
    one, other = (batch_affinity(points, x, n_neighbors=7) for x in (name, read))
    assert type(one) is type(other)
    assert_array_equal(full(one), full(other))
