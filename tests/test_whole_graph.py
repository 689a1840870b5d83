"""The stage on one graph of all rows: drawn edges, regression, alignment, its error."""

import warnings

import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, sparse
from sklearn.cluster import SpectralClustering
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skspectralnet import (
    SpectralNetClustering,
    SpectralNetEmbedding,
    _neighbor_graph,
    _whole_graph,
    metrics,
)
from skspectralnet._affinity import batch_affinity
from skspectralnet._constraints import known_pairs
from skspectralnet._eigen import (
    graph_eigenpairs,
    grassmann_distance,
    inner_product,
    laplacian_product,
    residuals,
)
from skspectralnet._losses import edge_form, row_gram
from skspectralnet._neighbor_graph import (
    GraphReader,
    GraphTask,
    constrained_graph,
    neighbor_affinity,
)
from skspectralnet._rows import Rows, center_and_scale, standard_points
from skspectralnet._tasks import Epochs, FitTask, Interrupts
from skspectralnet._training import Schedule
from skspectralnet._validation import NoContext
from skspectralnet._whole_graph import (
    align_to_graph,
    new_network,
    polished,
    regress,
    regression_targets,
)

LAPLACIANS = ("random_walk", "symmetric", "unnormalized")
HOOKS = {
    "interrupts": Interrupts(),
    "epochs": Epochs(FitTask(NoContext(), None, None, None)),
}


def reader_of(
    X,
    graph,
    laplacian="random_walk",
    n_components=3,
    hidden_layer_sizes=(64, 64),
    activation="gelu",
    until_near=False,
    **params,
):
    task = GraphTask(
        n_components=n_components,
        affinity="self_tuning",
        gamma=None,
        n_neighbors=10,
        n_neighbors_asked=False,
        batch_size=min(64, len(X)),
        laplacian=laplacian,
        **{"orthonorm": "joint", "loss": "log", **params},
        init="spectral",
        hidden_layer_sizes=hidden_layer_sizes,
        activation=activation,
        tol=0.0,
        n_iter_no_change=40,
        device=torch.device("cpu"),
        until_near=until_near,
    )
    rows = Rows(X, *center_and_scale(X))
    return GraphReader(rows, np.arange(len(X)), graph, task)


def graph_of(X, k=6, seed=0):
    rng = np.random.RandomState(seed)
    return neighbor_affinity(X, "self_tuning", k, gamma=None, random_state=rng)


def generator(seed=0):
    return torch.Generator(device="cpu").manual_seed(seed)


def degrees_of(graph):
    return np.asarray(graph.sum(axis=1)).ravel()


def path(n):
    return sparse.csr_array(sparse.diags_array([np.ones(n - 1)] * 2, offsets=[-1, 1]))


# --- edges


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_expected_form_is_the_laplacian_form(laplacian, rng):
    # Exhaustively: each edge by itself, times its probability.
    X = rng.normal(size=(9, 2))
    W = rng.uniform(size=(9, 9)) * (rng.uniform(size=(9, 9)) < 0.5)
    graph = sparse.csr_array(W + W.T + path(9))
    graph.setdiag(0)
    reader = reader_of(X, graph, laplacian)
    outputs = torch.tensor(rng.normal(size=(9, 3)))
    form = gram = 0.0
    for edge, share in enumerate(np.diff(reader.cumulative, prepend=0.0)):
        batch = reader.read(np.array([edge]))
        U = batch.functions(outputs[batch.nodes])
        form = form + share * edge_form(U).numpy()
        gram = gram + share * row_gram(U, batch.row_weights).numpy()
    Y = np.column_stack([np.ones(9), outputs.numpy()])
    degrees = degrees_of(graph)
    row_weights = inner_product(degrees, laplacian)
    size = degrees.mean() if laplacian == "unnormalized" else 1.0
    exact = Y.T @ laplacian_product(graph, degrees, Y, laplacian)
    assert_allclose(form * size, exact / row_weights.sum(), atol=1e-12)
    assert_allclose(
        gram, Y.T @ (row_weights[:, None] * Y) / row_weights.sum(), atol=1e-12
    )


def test_edges_are_drawn_by_weight(rng):
    graph = sparse.csr_array(np.array([[0, 1, 3], [1, 0, 0], [3, 0, 0]], dtype=float))
    reader = reader_of(rng.normal(size=(3, 2)), graph)
    drawn = reader.draw(40_000, generator())
    assert_allclose(np.bincount(drawn) / 40_000, [0.25, 0.75], atol=0.02)
    assert_array_equal(drawn, reader.draw(40_000, generator()))
    batch = reader.read(np.array([0, 1]))
    assert batch.nodes.tolist() == [0, 0, 1, 2]
    assert_allclose(batch.inputs.numpy(), reader.inputs.batch([0, 0, 1, 2]), atol=1e-6)


def test_rows_that_the_graph_leaves_out_are_never_read(rng):
    X = rng.normal(size=(8, 2))
    task = reader_of(X, path(8)).task
    nodes = np.array([1, 3, 6])
    reader = GraphReader(Rows(X, np.zeros(2), 1.0), nodes, path(3), task)
    batch = reader.read(reader.draw(100, generator()))
    assert {tuple(row) for row in batch.inputs.numpy()} == {
        tuple(row) for row in X[nodes].astype(np.float32)
    }


@pytest.mark.parametrize("affinity", ["self_tuning", "nearest_neighbors", "rbf"])
def test_neighbor_affinity_is_that_of_a_batch_of_all_rows(affinity, rng):
    # Among few rows the graph of the only batch has the same edges and weights.
    X = rng.normal(size=(40, 3))
    graph = neighbor_affinity(X, affinity, 5, gamma=0.7, random_state=rng).toarray()
    batch = batch_affinity(torch.tensor(X), affinity, n_neighbors=5, gamma=0.7)
    W = batch.apply(torch.eye(40, dtype=torch.float64)).numpy()
    linked = neighbor_affinity(
        X, "nearest_neighbors", 5, gamma=None, random_state=rng
    ).toarray()
    if affinity == "rbf":  # between neighbours only
        W = W * linked
    assert_allclose(graph, W, atol=1e-7)


def test_labels_and_links_overrule_the_graph(rng):
    graph = graph_of(rng.normal(size=(40, 2)))
    labels = np.full(40, -1)
    labels[:6], labels[6:12] = 0, 1
    known = known_pairs(40, partial_labels=labels, cannot_link=[[20, 21]])
    nodes = np.arange(40)
    changed = constrained_graph(graph, nodes, nodes, known, 30, rng).toarray()
    assert_array_equal(changed, changed.T)
    assert_array_equal(changed[:6, 6:12], 0.0)
    assert changed[20, 21] == 0.0
    assert_array_equal(changed[:6, :6], 1.0 - np.eye(6))
    untouched = np.ones((40, 40), dtype=bool)
    untouched[:12, :12] = untouched[[20, 21], [21, 20]] = False
    assert_array_equal(changed[untouched], graph.toarray()[untouched])


# --- regression and alignment


def waves(laplacian="random_walk", n=120, **params):
    """Rows on a line, their graph and its eigenpairs."""
    X = np.linspace(0, 1, n)[:, None] * [1.0, 0.5]
    reader = reader_of(X, graph_of(X, 4), laplacian, **params)
    pairs = graph_eigenpairs(reader.graph, 8, laplacian, np.random.RandomState(0))
    return reader, pairs


def learn(reader, pairs, epochs=40, seed=0):
    targets = regression_targets(pairs, reader.task)
    mlp = new_network(reader, len(targets.eigenvalues), generator(seed))
    schedule = Schedule(epochs, 5e-3, 1e-4, 0.0, epochs, "one_cycle", 10)
    history = regress(
        reader, targets, mlp, schedule, generator=generator(seed), **HOOKS
    )
    return mlp, targets.vectors, history


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_regression_gives_the_targets_in_their_size(laplacian):
    reader, pairs = waves(laplacian)
    mlp, targets, history = learn(reader, pairs)
    found = reader.outputs(mlp.frozen())
    assert np.mean((found - targets) ** 2) < 0.02 * np.mean(targets**2)
    assert history.loss_curve[-1] < 0.25 * history.loss_curve[0]


def test_units_that_are_silent_get_no_weight(global_random_seed):
    """A weight as large as they are small would make values of their rounding."""
    reader, pairs = waves()
    targets = regression_targets(pairs, reader.task)
    n_outputs = len(targets.eigenvalues)
    mlp = new_network(reader, n_outputs, generator(global_random_seed))
    with torch.no_grad():
        mlp.weights[-2][:5] *= 0.01
        mlp.biases[-2][:5] = torch.tensor([-4.0, -6.5, -7.0, -8.0, -30.0])
    weight, *_ = _whole_graph._last_layer(reader, mlp, targets)
    # gelu(-4) is -1.3e-4, gelu(-6.5) -2.6e-10.
    assert (np.abs(weight[:, 0]) > 0.0).all()
    assert_array_equal(weight[:, 1:5], 0.0)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("epochs", [1, 20])
def test_the_distance_told_is_that_of_the_outputs(laplacian, epochs):
    reader, pairs = waves(laplacian)
    mlp, vectors, _ = learn(reader, pairs, epochs)
    row_weights = inner_product(reader.degrees, laplacian)
    *layer, told = _whole_graph._last_layer(
        reader, mlp, regression_targets(pairs, reader.task)
    )
    mlp.set_last_layer(*layer)
    found = reader.outputs(mlp.frozen())
    expected = grassmann_distance(found, vectors, row_weights)
    assert_allclose(told, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("n_units", "until_near", "n_epochs"),
    [(64, True, 10), (64, False, 30), (2, True, 30)],
)
def test_regression_ends_where_near_is_enough_and_the_vectors_are_near(
    n_units, until_near, n_epochs
):
    sizes = {"hidden_layer_sizes": (n_units, n_units)}
    reader, pairs = waves(until_near=until_near, **sizes)
    mlp, vectors, history = learn(reader, pairs, 30)
    assert len(history.loss_curve) == n_epochs
    distance = grassmann_distance(reader.outputs(mlp.frozen()), vectors)
    assert (distance < 0.01 * vectors.shape[1]) == (n_units == 64)


@pytest.mark.parametrize("max_iter", [1, 2, 3, 4, 100])
def test_cycles_are_as_many_epochs_as_asked_for(max_iter):
    schedule = Schedule(max_iter, 5e-3, 1e-4, 0.0, max_iter, "one_cycle", 10)
    cycles = _whole_graph._cycles(schedule, until_near=True)
    assert sum(cycle.max_iter for cycle in cycles) == max_iter
    assert all(cycle.max_iter > 0 for cycle in cycles)
    assert cycles[-1].learning_rate == 5e-3


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_aligned_functions_are_orthonormal_and_near(laplacian):
    reader, pairs = waves(laplacian)
    fit = align_to_graph(reader, learn(reader, pairs)[0], pairs)
    Y = reader.outputs(fit.mlp) @ fit.pairs.coefficients
    row_weights = inner_product(reader.degrees, laplacian)
    assert metrics.orthonormality_error(Y, row_weights) < 1e-10
    product = laplacian_product(reader.graph, reader.degrees, Y, laplacian)
    form = Y.T @ product / row_weights.sum()
    assert_allclose(np.diag(form), fit.pairs.eigenvalues, atol=1e-10)
    assert (np.diff(fit.pairs.eigenvalues[1:]) >= 0).all()  # the trivial one is first
    error = fit.error
    cut = error.n_vectors
    distance = metrics.grassmann_distance(
        Y[:, :cut], pairs.vectors[:, :cut], row_weights
    )
    assert error.distance == pytest.approx(distance, abs=1e-12)
    assert error.distance <= min(0.05, error.bound)
    left = residuals(reader.graph, Y, fit.pairs.eigenvalues, laplacian)
    assert_allclose(error.residuals, left[:3], atol=1e-12)
    # Each vector is its exact one, not a mixture of neighbours.
    cosines = np.abs(
        np.sum(row_weights[:, None] * Y * pairs.vectors[:, : Y.shape[1]], axis=0)
    )
    assert (cosines / row_weights.sum() > 0.98).all()


def test_without_exact_vectors_the_ritz_pairs_are_taken():
    reader, pairs = waves()
    mlp = learn(reader, pairs)[0]
    fit = align_to_graph(reader, mlp, None)
    assert fit.error.distance is None
    assert fit.error.exact_eigenvalues is None
    Y = reader.outputs(fit.mlp) @ fit.pairs.coefficients
    form = Y.T @ laplacian_product(reader.graph, reader.degrees, Y, "random_walk")
    assert_allclose(
        form / reader.degrees.sum(), np.diag(fit.pairs.eigenvalues), atol=1e-9
    )
    # Ritz values are bounds from above.
    assert (fit.pairs.eigenvalues[:3] >= pairs.eigenvalues[:3] - 1e-12).all()


def test_a_network_that_cannot_follow_gives_its_ritz_pairs():
    network = {"hidden_layer_sizes": (2,), "activation": "identity"}
    reader, pairs = waves(n_components=6, **network)
    mlp = new_network(reader, 8, generator())
    fit = align_to_graph(reader, mlp.float(), pairs)
    assert len(fit.pairs.eigenvalues) == 2  # a constant and one direction
    assert fit.error.n_vectors <= 2
    assert np.isfinite(fit.pairs.coefficients).all()


def test_polishing_is_kept_only_where_it_helps(monkeypatch):
    reader, pairs = waves()
    good, poor = learn(reader, pairs)[0], learn(reader, pairs, epochs=3)[0]
    schedule = Schedule(40, 5e-3, 1e-4, 0.0, 40)
    for mlp in (good, poor):
        best = polished(reader, mlp, pairs, schedule, generator=generator(), **HOOKS)
        after = align_to_graph(reader, best.mlp, pairs).error.distance
        before = best.fit.error.distance_before_polish
        assert best.fit.error.distance == after
        assert after <= before
        assert not best.interrupted
        if best.mlp is mlp:
            assert after == pytest.approx(before)
    for rate in (1e3, 1e30):  # ruins any network; makes a loss that is no number
        monkeypatch.setattr(_whole_graph, "_POLISH_RATE", rate)
        best = polished(reader, poor, pairs, schedule, generator=generator(), **HOOKS)
        assert best.mlp is poor
    monkeypatch.setattr(_whole_graph, "fit_edges", None)  # not called where it is near
    assert polished(reader, good, pairs, schedule, generator=None, **HOOKS).mlp is good


# --- the estimators


def model(n_components=2, seed=0, **params):
    return SpectralNetEmbedding(n_components, random_state=seed, **params)


@pytest.fixture(scope="module")
def moons():
    return make_moons(400, noise=0.06, random_state=0)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_embedding_is_near_the_exact_one_of_its_graph(
    laplacian, moons, global_random_seed
):
    X, _ = moons
    graph = graph_of(X, 10)
    fitted = model(3, global_random_seed, laplacian=laplacian).fit(X)
    error = fitted.approximation_error_
    exact = graph_eigenpairs(graph, 11, laplacian, np.random.RandomState(0))
    assert_allclose(error.exact_eigenvalues[:6], exact.eigenvalues[:6], atol=1e-7)
    assert error.distance < 0.1
    assert fitted.eigenvalues_[0] == pytest.approx(exact.eigenvalues[1], abs=0.02)
    assert error.n_vectors == 4  # the exact eigenvalues have a gap there
    row_weights = inner_product(degrees_of(graph), laplacian)
    Y = np.column_stack([exact.vectors[:, :1], fitted.embedding_])
    distance = metrics.grassmann_distance(Y, exact.vectors[:, :4], row_weights)
    # The trivial vector is exact here, and learned there.
    assert distance <= error.distance + 0.05


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_the_trivial_vector_is_the_one_left_out(laplacian, moons, global_random_seed):
    # That of "symmetric" is learned, and its quotient may not be the least.
    X, _ = moons
    dropped = model(2, global_random_seed, laplacian=laplacian).fit(X)
    whole = model(3, global_random_seed, laplacian=laplacian, drop_first=False).fit(X)
    degrees = degrees_of(graph_of(X, 10))
    row_weights = inner_product(degrees, laplacian)
    trivial = np.sqrt(degrees) if laplacian == "symmetric" else np.ones(400)
    seen = (
        (row_weights * trivial) @ dropped.embedding_ / np.sqrt(row_weights @ trivial**2)
    )
    assert np.abs(seen / np.sqrt(row_weights.sum())).max() < 0.3
    assert (np.diff(dropped.eigenvalues_) >= 0).all()
    assert (np.diff(whole.eigenvalues_) >= 0).all()
    assert set(np.round(dropped.eigenvalues_, 12)) <= set(
        np.round(whole.eigenvalues_, 12)
    )


def test_same_graph_as_scikit_learns(moons):
    # Ours is the mean of the two directions, as in SpectralEmbedding.
    X, _ = moons
    fitted = model(2, affinity="nearest_neighbors", n_neighbors=8).fit(X)
    theirs = sklearn.manifold.SpectralEmbedding(
        2, affinity="nearest_neighbors", n_neighbors=9, random_state=0
    )  # it counts the row itself
    theirs.fit(X)
    graph = sparse.csr_array(theirs.affinity_matrix_)
    graph.setdiag(0)
    exact = graph_eigenpairs(graph, 8, "random_walk", np.random.RandomState(0))
    found = fitted.approximation_error_.exact_eigenvalues[:8]
    assert_allclose(found, exact.eigenvalues, atol=1e-8)


def test_random_init_works_and_says_how_far_it_is(moons):
    X, _ = moons
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model(3, init="random").fit(X)
    error = fitted.approximation_error_
    assert error.distance_before_polish is None
    assert 0 < error.distance < 0.5
    assert len(fitted.validation_loss_curve_) == fitted.n_iter_


def exact_eigenvalues(rows, seed):
    return model(2, seed).fit(rows).approximation_error_.exact_eigenvalues


def test_copies_of_all_rows_leave_the_graph_as_it_is(moons, global_random_seed):
    X, _ = moons
    once, often = (
        exact_eigenvalues(rows, global_random_seed) for rows in (X, np.tile(X, (3, 1)))
    )
    assert_allclose(often, once, atol=1e-9)


def test_equal_rows_are_one_that_weighs_more(moons, global_random_seed):
    X, _ = moons
    found = exact_eigenvalues(np.r_[X[:50], X, X[:100]], global_random_seed)
    many = np.ones(len(X))
    many[:100] += 1  # rows 50 to 99 occur twice,
    many[:50] += 1  # the first 50 three times
    rows = standard_points(X, 50)
    W = neighbor_affinity(rows, "self_tuning", 10, gamma=None, random_state=None)
    W = W.toarray() * (many + many[:, None]) / 2
    D = np.diag(W.sum(axis=1))
    expected = linalg.eigh(D - W, D, eigvals_only=True)[: len(found)]
    assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("drop_first", [True, False])
def test_components_are_told_apart_without_a_warning(
    drop_first, rng, global_random_seed
):
    X = rng.normal(size=(150, 2)) + np.repeat([[0, 0], [40, 0], [0, 40]], 50, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = model(
            2 + (not drop_first), global_random_seed, drop_first=drop_first
        ).fit(X)
    assert fitted.approximation_error_.n_connected == 3
    assert fitted.eigenvalues_.max() < 1e-2
    groups = np.round(fitted.embedding_, 1)
    assert len(np.unique(groups, axis=0)) < 12
    assert (fitted.approximation_error_.exact_eigenvalues[:3] == 0).all()


def test_more_components_than_vectors_is_said_once(rng):
    X = rng.normal(size=(200, 2)) * 0.1 + 9 * np.repeat(np.arange(5), 40)[:, None]
    with pytest.warns(UserWarning, match="5 connected components, .*only 3 ") as caught:
        model(2).fit(X)
    assert len(caught) == 1


def test_large_data_are_solved_in_part(moons, monkeypatch):
    X, _ = moons
    monkeypatch.setattr(_neighbor_graph, "_SOLVED_ROWS", 250)
    fitted = model(2).fit(X)
    error = fitted.approximation_error_
    assert error.distance is None
    assert error.exact_eigenvalues is None
    assert len(error.residuals) == 3
    assert 0 < error.bound <= error.n_vectors
    exact = graph_eigenpairs(
        graph_of(X, 10), 3, "random_walk", np.random.RandomState(0)
    )
    Y = np.column_stack([np.ones(400), fitted.embedding_])
    degrees = degrees_of(graph_of(X, 10))
    assert metrics.grassmann_distance(Y, exact.vectors, degrees) < 0.2


def test_nothing_but_the_embedding_grows_with_the_rows(moons):
    fitted = model(2).fit(moons[0])
    for name, value in vars(fitted).items():
        if name not in ("embedding_", "loss_curve_"):  # an entry for each epoch
            parts = value if isinstance(value, tuple) else [value]
            assert all(np.size(part) < 100 for part in parts), name


# --- a graph of the user's own


def fiedler(X, graph, **params):
    fitted = model(1, laplacian="unnormalized", **params).fit(X, graph=graph)
    return fitted.eigenvalues_[0], fitted.embedding_[:, 0]


def test_fiedler_pair_of_a_path():
    n = 200
    value, vector = fiedler(np.arange(n)[:, None] * 1.0, path(n))
    assert value == pytest.approx(2 - 2 * np.cos(np.pi / n), rel=0.01)
    exact = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    assert abs(np.corrcoef(vector, exact)[0, 1]) > 0.9999


def test_fiedler_pair_of_a_ring():
    n = 120
    angle = 2 * np.pi * np.arange(n) / n
    graph = path(n).tolil()
    graph[0, n - 1] = graph[n - 1, 0] = 1
    X = np.c_[np.cos(angle), np.sin(angle)]
    fitted = model(2, laplacian="unnormalized").fit(X, graph=graph.tocsr())
    assert_allclose(fitted.eigenvalues_, 2 - 2 * np.cos(2 * np.pi / n), rtol=0.01)
    # Any basis of the two waves is right: the span is what is defined.
    assert metrics.grassmann_distance(fitted.embedding_, X) < 1e-3


def test_fiedler_pair_of_two_blocks(rng):
    # Two complete graphs of m rows, edges of weight e between them: v = 1 and -1 gives
    # L v = 2 e m v and D = m - 1 + e m.
    m, e = 40, 0.01
    side = np.repeat([1.0, -1.0], m)
    graph = np.where(np.equal.outer(side, side), 1.0, e) - np.eye(2 * m)
    X = side[:, None] * 3 + rng.normal(size=(2 * m, 2))
    value, vector = fiedler(X, graph)
    assert value == pytest.approx(2 * e * m, rel=0.01)
    fitted = model(1).fit(X, graph=graph)
    exact = 2 * e * m / (m - 1 + e * m)
    assert fitted.eigenvalues_[0] == pytest.approx(exact, rel=0.01)
    found = fitted.approximation_error_.exact_eigenvalues[1]
    assert found == pytest.approx(exact, rel=1e-6)
    assert abs(np.corrcoef(vector, side)[0, 1]) > 0.9999


def test_new_rows_follow_the_graph_by_their_features(rng):
    # Friends are near in the second column; the first one, far larger, says nothing.
    place = rng.uniform(size=(400, 1))
    X = np.c_[3 * rng.normal(size=400), 3 * place]
    fitted = model(1).fit(X[:300], graph=graph_of(place[:300], 20))
    seen = model(1, n_neighbors=20).fit(place[:300])
    new = fitted.transform(X[300:])[:, 0]
    expected = seen.transform(place[300:])[:, 0]
    assert abs(np.corrcoef(new, expected)[0, 1]) > 0.95
    assert (
        abs(np.corrcoef(model(1).fit(X[:300]).embedding_[:, 0], place[:300, 0])[0, 1])
        < 0.9
    )


def test_clusters_of_a_graph(rng):
    y = rng.randint(3, size=150)
    W = rng.uniform(size=(150, 150)) < np.where(np.equal.outer(y, y), 0.3, 0.01)
    graph = np.triu(W, 1) + np.triu(W, 1).T
    graph = graph.astype(float)
    X = np.eye(3)[y] + 0.1 * rng.normal(size=(150, 3))
    fitted = SpectralNetClustering(
        3, init="spectral", metric_learner=None, random_state=0
    ).fit(X, graph=graph)
    exact = SpectralClustering(3, affinity="precomputed", random_state=0)
    assert adjusted_rand_score(y, fitted.labels_) == 1.0
    assert adjusted_rand_score(exact.fit_predict(graph), fitted.labels_) > 0.95
    assert_array_equal(fitted.predict(X), fitted.labels_)


def test_rows_without_edges_are_mapped_like_new_ones(moons):
    X, _ = moons
    graph = graph_of(X[:350], 10)
    alone = sparse.csr_array(sparse.block_diag([graph, sparse.csr_array((50, 50))]))
    fitted = model(2).fit(X, graph=alone)
    assert fitted.embedding_.shape == (400, 2)
    assert np.isfinite(fitted.embedding_).all()
    without = model(2).fit(X[:350], graph=graph)
    assert_allclose(
        fitted.approximation_error_.exact_eigenvalues,
        without.approximation_error_.exact_eigenvalues,
        atol=1e-8,
    )


def test_graph_is_metadata_that_can_be_routed(moons):
    X, y = moons
    graph = graph_of(X, 10)
    with sklearn.config_context(enable_metadata_routing=True):
        own = model(2, max_iter=5).set_fit_request(graph=True)
        pipe = make_pipeline(own, LogisticRegression())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipe.fit(X, y, graph=graph)
        assert pipe.predict(X).shape == (400,)
        with pytest.raises(ValueError, match="slices the rows of a graph but not"):
            cross_val_score(
                pipe, X, y, params={"graph": graph}, error_score="raise", cv=3
            )


def test_graph_means_the_graph_of_all_rows(moons):
    X, _ = moons
    graph = graph_of(X, 10)
    given = model(2, neighbors_in="batch").fit(X, graph=graph)
    built = model(2).fit(X, graph=graph)
    assert_array_equal(given.embedding_, built.embedding_)
    kept = graph.copy()
    assert (abs(graph - kept)).nnz == 0


def test_diffusion_maps(moons):
    X, _ = moons
    plain, slow = model(3).fit(X), model(3, diffusion_time=5).fit(X)
    weights = (1 - plain.eigenvalues_) ** 5
    assert_allclose(slow.component_weights_, weights)
    assert_allclose(slow.embedding_, plain.embedding_ * weights)


@pytest.mark.parametrize("n", [2, 3, 4, 12])
def test_few_rows(n, rng):
    X = rng.normal(size=(n, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = SpectralNetEmbedding(1, random_state=0).fit(X)
    assert np.isfinite(fitted.embedding_).all()
    assert fitted.n_neighbors_ <= n - 1
