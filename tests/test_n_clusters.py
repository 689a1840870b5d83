"""How many clusters n_clusters="auto" finds, and by what."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.neighbors import kneighbors_graph

from skspectralnet import SpectralNetClustering
from skspectralnet._divisions import dividing_costs
from skspectralnet._n_clusters import GRAPH, ROWS, cluster_support
from skspectralnet._selection import criterion_graph


def chain(n_nodes):
    """A path: each node has an edge of weight 1 to the next one."""
    ends = np.arange(n_nodes - 1), np.arange(1, n_nodes)
    half = sparse.csr_array((np.ones(n_nodes - 1), ends), shape=(n_nodes, n_nodes))
    return sparse.csr_array(half + half.T)


def grid(k, rng, apart=10.0):
    """k centres on a square grid, moved a little."""
    side = int(np.ceil(np.sqrt(k)))
    places = np.stack(np.divmod(rng.permutation(side**2)[:k], side), axis=1)
    return apart * places + rng.uniform(-1, 1, size=(k, 2))


def blobs(k, n_rows, rng, apart=10.0):
    return make_blobs(n_rows, centers=grid(k, rng, apart), random_state=rng)[0]


def moons(rng):
    return make_moons(600, noise=0.05, random_state=rng)


def circles(rng):
    return make_circles(800, noise=0.05, factor=0.5, random_state=rng)[0]


def ring(rng):
    turn = rng.uniform(0, 2 * np.pi, 600)
    return np.c_[np.cos(turn), np.sin(turn)] + 0.05 * rng.standard_normal((600, 2))


def band(rng):
    return np.c_[rng.uniform(0, 10, 600), 0.05 * rng.standard_normal(600)]


def one_moon(rng):
    X, y = moons(rng)
    return X[y == 0]


def unequal(rng):
    widths, centers = [0.3, 1.0, 2.0], [[0, 0], [8, 0], [3, 9]]
    sizes = [100, 250, 250]
    return make_blobs(sizes, centers=centers, cluster_std=widths, random_state=rng)[0]


SHAPES = {
    "blob": (1, lambda rng: rng.standard_normal((400, 2))),
    "blob in ten columns": (1, lambda rng: rng.standard_normal((400, 10))),
    "square": (1, lambda rng: rng.uniform(size=(600, 2))),
    "cube": (1, lambda rng: rng.uniform(size=(600, 3))),
    "one moon": (1, one_moon),
    "ring": (1, ring),
    "band": (1, band),
    "two moons": (2, lambda rng: moons(rng)[0]),
    "circles": (2, circles),
    "unequal densities": (3, unequal),
    "blobs 3": (3, lambda rng: blobs(3, 240, rng)),
    "blobs 8": (8, lambda rng: blobs(8, 480, rng)),
    "blobs 20": (20, lambda rng: blobs(20, 1000, rng)),
}


def support_of(X, least=1):
    return cluster_support(criterion_graph(X)[0], least, ROWS)


@pytest.mark.parametrize("name", SHAPES)
def test_the_number_of_clusters(name, global_random_seed):
    expected, make = SHAPES[name]
    found = support_of(make(np.random.RandomState(global_random_seed)))
    assert found.n_clusters[0] == expected


@pytest.mark.parametrize("k", [40, pytest.param(100, marks=pytest.mark.slow)])
def test_many_clusters(k, global_random_seed):
    X = blobs(k, 40 * k, np.random.RandomState(global_random_seed))
    assert support_of(X).n_clusters[0] == k


def test_cost_of_dividing_a_chain():
    # Cut in the middle one edge of weight 1, whose ends have half of it each. Of 39
    # edges, 39 of 78 degrees are on one side: 4 p (1 - p) = 1.
    costs = dividing_costs(chain(40))
    assert costs.sum() == pytest.approx(1.0)
    assert_allclose(costs[[19, 20]], 0.5)
    assert np.count_nonzero(costs) == 2


def test_what_is_in_pieces_costs_nothing_to_divide():
    # A ring of 40 nodes, each linked to the next three: 6 edges cross each of two
    # places. Two of them have 240 edges, and nothing to leave.
    steps = np.arange(40)
    near = sparse.lil_array((40, 40))
    for step in (1, 2, 3):
        near[steps, (steps + step) % 40] = 1.0
    ring = sparse.csr_array(near + near.T)
    assert dividing_costs(ring).sum() == pytest.approx(12.0)
    two = sparse.csr_array(sparse.block_diag([ring, ring]))
    assert_array_equal(dividing_costs(two), np.zeros(80))
    found = cluster_support(two, 1, GRAPH)
    assert found.n_clusters[0] == 2
    assert found.supports[0] == pytest.approx(24 / 240)
    assert found.supports[found.n_clusters == 1] == 0.0


def test_supports_of_a_chain():
    found = cluster_support(chain(400), 1, GRAPH)
    # K pieces, K - 1 cuts between them, each of which two of them count: 2 - K.
    assert found.n_clusters[0] == 1
    expected = (2.0 - found.n_clusters[:3]) / 399
    assert_allclose(found.supports[:3], expected, atol=2e-4)


def test_scale_of_the_weights_does_not_matter(rng):
    graph = criterion_graph(blobs(4, 200, rng))[0]
    one, other = (cluster_support(g, 1, GRAPH) for g in (graph, 2.0**20 * graph))
    assert_array_equal(one.n_clusters, other.n_clusters)
    assert_allclose(one.supports, other.supports, rtol=1e-12)


def test_at_least_as_many_as_there_are_labels(rng):
    X = blobs(3, 180, rng)
    assert support_of(X, least=5).n_clusters.min() == 5
    labels = np.full(180, -1)
    labels[:5] = np.arange(5)
    model = SpectralNetClustering("auto", max_iter=3, random_state=0)
    model.set_params(metric_learner=None).fit(X, partial_labels=labels)
    assert model.n_clusters_support_.n_clusters[0] >= 5


@pytest.mark.parametrize("n_rows", [2, 3, 7, 15])
def test_few_rows_are_one_cluster(n_rows, rng):
    model = SpectralNetClustering("auto", max_iter=2, random_state=0)
    model.fit(rng.standard_normal((n_rows, 3)))
    assert model.n_clusters_ == 1
    assert "1 clusters" in repr(model.n_clusters_support_)


def test_few_rows_of_three_clusters(global_random_seed):
    X = blobs(3, 36, np.random.RandomState(global_random_seed))
    model = SpectralNetClustering("auto", max_iter=2, random_state=0).fit(X)
    assert model.n_clusters_ == 3


def test_equal_rows_are_one_cluster():
    model = SpectralNetClustering("auto", max_iter=2, random_state=0)
    assert model.fit(np.ones((20, 2))).n_clusters_ == 1


@pytest.mark.parametrize(
    "params", [{}, {"neighbors_in": "data"}, {"subsample": 200}, {"n_components": 2}]
)
def test_other_parameters_do_not_change_the_number(params, rng):
    X = blobs(4, 400, rng)
    model = SpectralNetClustering("auto", max_iter=3, random_state=0, **params).fit(X)
    assert model.n_clusters_ == 4
    assert_array_equal(model.predict(X), model.labels_)
    loaded = pickle.loads(pickle.dumps(model))  # noqa: S301
    kept = loaded.n_clusters_support_
    assert_array_equal(kept.n_clusters, model.n_clusters_support_.n_clusters)
    assert kept.space == ROWS


def test_a_given_graph_is_judged_itself(rng):
    X = rng.standard_normal((240, 2))  # nothing to see in the rows
    places = blobs(4, 240, rng)
    graph = kneighbors_graph(places, 10)
    model = SpectralNetClustering("auto", max_iter=3, random_state=0)
    model.fit(X, graph=0.5 * (graph + graph.T))
    support = model.n_clusters_support_
    assert (support.space, support.n_rows) == (GRAPH, 240)
    assert support.n_clusters[0] == 4


def test_the_best_is_first_and_named(rng):
    model = SpectralNetClustering("auto", max_iter=3, random_state=0)
    support = model.fit(blobs(3, 150, rng)).n_clusters_support_
    assert np.all(np.diff(support.supports[1:]) <= 0)
    assert len(support.n_clusters) == len(support.supports) == len(support.errors)
    assert np.all(support.errors >= 0)
    assert "3 clusters, by 150 nodes (rows)" in repr(support)


@pytest.mark.slow
def test_a_space_is_learned_where_the_rows_show_one_cluster(rng):
    X = rng.standard_normal((500, 10))
    model = SpectralNetClustering("auto", random_state=0).fit(X)
    assert model.n_clusters_support_.space == "learned"
    assert model.n_clusters_ == 1


@pytest.mark.parametrize("seed", range(5))
def test_pieces_are_divided_for_a_reason_alone(seed):
    X = make_moons(1000, noise=0.05, random_state=seed)[0]
    found = support_of(X)
    assert found.n_clusters[0] == 2
    if found.supports[0] < found.supports.max():  # a thin place in one of the moons
        assert found.supports.max() - found.supports[0] <= 3 * found.errors.max()
