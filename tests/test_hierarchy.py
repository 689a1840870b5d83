"""Merges of clusters: which come first, and what the model after them answers."""

import pickle
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.cluster.hierarchy import cut_tree, is_monotonic, is_valid_linkage
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SiameseEmbedding, SpectralNetClustering
from skspectralnet._hierarchy import Gaps, Labelled, hierarchy

ASSIGNMENTS = ("kmeans", "cluster_qr", "mixture")
each_assignment = pytest.mark.parametrize("how", ASSIGNMENTS)


def gaps(places):
    """Of clusters of ten rows, all rows of one at one place."""
    places = np.asarray(places, dtype=float)
    return Gaps.of(places, np.arange(len(places)), np.full(len(places), 10))


def unlabelled(n_clusters):
    nothing = np.empty(0, dtype=int)
    return Labelled.of(np.arange(n_clusters), np.ones(n_clusters, int), nothing)


def merges(weights):
    """The Hierarchy of a graph of clusters without a name, all at one place."""
    n_clusters = len(weights)
    nowhere = gaps(np.zeros((n_clusters, 2)))
    return hierarchy(np.array(weights, float), nowhere, unlabelled(n_clusters))


def random_weights(rng, n_clusters=9):
    weights = rng.exponential(size=(n_clusters, n_clusters)) ** 3
    return weights + weights.T + np.diag(10 * rng.uniform(size=n_clusters))


@cache
def rows(seed):
    """Six blobs in three pairs, the pairs far from each other, and the pairs."""
    pairs = np.repeat(12.0 * np.eye(3), 2, axis=0)
    centers = np.hstack([pairs, np.tile([[2.0, 0], [-2.0, 0]], (3, 1))])
    X, y = make_blobs(
        [60, 50, 45, 40, 35, 30], centers=centers, cluster_std=0.7, random_state=seed
    )
    return X, y // 2


@cache
def fitted(seed, how="kmeans"):
    model = SpectralNetClustering(6, assign_labels=how, random_state=seed)
    return model.fit(rows(seed)[0])


@pytest.fixture(name="X")
def rows_of_the_seed(global_random_seed):
    return rows(global_random_seed)[0]


@pytest.fixture
def model(global_random_seed):
    return fitted(global_random_seed)


# --- which are merged first


def test_merges_by_hand():
    # The total is 40, each degree a quarter: c is 1/8 of 1/16 over the weight. That is
    # 1/128 * 10 for 0 and 1, 1/128 * 40/3 for 2 and 3. Then {0, 1} and {2, 3} have a
    # half each, and 1/40 between them: c = 1/4 of 1/4 over 1/40 = 5/2.
    weights = [[6, 4, 0, 0], [4, 5, 1, 0], [0, 1, 6, 3], [0, 0, 3, 7]]
    costs = np.array([10 / 128, 40 / 3 / 128, 5 / 2])
    found = merges(weights)
    assert_array_equal(found.children, [[0, 1], [2, 3], [4, 5]])
    assert_allclose(found.distances, costs / (1 + costs))
    expected = np.column_stack([found.children, costs / (1 + costs), [2, 2, 4]])
    assert_allclose(found.linkage(), expected)
    assert_array_equal(found.groups(2), [0, 0, 1, 1])
    assert_array_equal(found.groups(3), [0, 0, 1, 2])


def test_each_merge_is_the_one_of_least_cost(rng):
    """Each time the weights between all groups are added up anew."""
    weights = random_weights(rng)
    found, total = merges(weights), weights.sum()
    for n_groups in range(len(weights), 1, -1):
        member = np.eye(n_groups)[found.groups(n_groups)]
        between = member.T @ weights @ member / total
        degrees = between.sum(axis=1)
        product = np.outer(degrees, degrees)
        costs = product**2 / (degrees[:, None] + degrees) / between
        costs[np.diag_indices(n_groups)] = np.inf
        height = found.distances[len(weights) - n_groups]
        assert height == pytest.approx(costs.min() / (1 + costs.min()))
        i, j = divmod(costs.argmin(), n_groups)
        after = found.groups(n_groups - 1)
        assert len(set(after[np.isin(found.groups(n_groups), (i, j))])) == 1


def test_scipy_takes_the_merges(rng):
    found = merges(random_weights(rng))
    assert is_valid_linkage(found.linkage())
    assert is_monotonic(found.linkage())
    assert found.distances.min() >= 0
    assert found.distances.max() <= 1
    for n_groups in range(1, 10):
        cut = cut_tree(found.linkage(), n_groups).ravel()
        assert adjusted_rand_score(cut, found.groups(n_groups)) == 1.0


def test_units_of_the_weights_do_not_count(rng):
    weights = random_weights(rng)
    one, other = merges(weights), merges(1e6 * weights)
    assert_array_equal(one.children, other.children)
    assert_allclose(one.distances, other.distances)


def test_above_some_merges_are_the_others(rng):
    found = merges(random_weights(rng))
    for n_groups in range(1, 10):
        # The groups may have any numbers: a model has them in the order of names.
        groups = rng.permutation(n_groups)[found.groups(n_groups)]
        above = found.above(groups)
        assert_array_equal(above.distances, found.distances[9 - n_groups :])
        for n_fewer in range(1, n_groups + 1):
            both = above.groups(n_fewer)[groups]
            assert adjusted_rand_score(both, found.groups(n_fewer)) == 1.0


def test_without_edges_the_distances_decide():
    # Places on a line: 0 and 1 are nearest, then 10 and 13, then these two pairs.
    places = np.array([[0.0], [10], [1], [13]])
    found = hierarchy(np.diag([1.0, 1, 1, 1]), gaps(places), unlabelled(4))
    assert_array_equal(found.children, [[0, 2], [1, 3], [4, 5]])
    assert_array_equal(found.distances, [1, 1, 1])


def test_edges_come_before_distances():
    weights = np.diag([5.0, 5, 5])
    weights[0, 2] = weights[2, 0] = 0.1
    found = hierarchy(weights, gaps([[0.0], [0], [50]]), unlabelled(3))
    assert_array_equal(found.children, [[0, 2], [1, 3]])
    assert found.distances[1] == 1.0


def test_of_many_pieces_the_nearest_are_merged(rng):
    near = np.repeat(np.arange(15), 3)
    centers = 100 * rng.normal(size=(15, 40))[near] + rng.normal(size=(45, 40))
    found = hierarchy(np.eye(45), gaps(centers), unlabelled(45))
    assert adjusted_rand_score(found.groups(15), near) == 1.0


def test_gaps_are_those_of_the_nearest_rows(rng):
    points, labels = rng.normal(size=(40, 3)), rng.randint(4, size=40)
    counts = np.array([5, 1, 7, 2])
    found = Gaps.of(sparse.csr_array(points), labels, counts)
    for i in range(4):
        for j in range(4):
            pairs = points[labels == i][:, None] - points[labels == j]
            least = (pairs**2).sum(axis=2).min() if i != j else 0.0
            assert found.squares[i, j] == pytest.approx(least, abs=1e-12)
    joined = found.merged(1, 3)
    again = Gaps.of(points, np.array([0, 1, 2, 1])[labels], np.array([5, 3, 7]))
    assert_allclose(joined.squares, again.squares, atol=1e-12)
    assert_array_equal(joined.counts, again.counts)


def test_a_single_cluster_has_no_merges():
    found = merges([[3.0]])
    assert found.children.shape == (0, 2)
    assert found.linkage().shape == (0, 4)
    assert_array_equal(found.groups(1), [0])


# --- the model after merges


@each_assignment
def test_fewer_clusters_are_unions(global_random_seed, how):
    model, (X, pairs) = fitted(global_random_seed, how), rows(global_random_seed)
    for n_clusters in range(1, 7):
        merged = model.merge(n_clusters)
        assert merged.n_clusters == merged.n_clusters_ == n_clusters
        assert_array_equal(merged.classes_, np.arange(n_clusters))
        assert_array_equal(merged.labels_, merged.predict(X))
        assert len(set(zip(model.labels_, merged.labels_, strict=True))) == 6
        sizes = np.bincount(merged.labels_)
        assert len(sizes) == n_clusters
        assert np.all(np.diff(sizes) <= 0)
        assert_array_equal(merged.transform(X), model.transform(X))
    # Three pieces that no edge joins: within them the two blobs.
    assert adjusted_rand_score(pairs, model.merge(3).labels_) == 1.0


@each_assignment
def test_merges_one_after_the_other(global_random_seed, how):
    model, X = fitted(global_random_seed, how), rows(global_random_seed)[0]
    for first in range(2, 7):
        for second in range(1, first + 1):
            twice, once = model.merge(first).merge(second), model.merge(second)
            assert_array_equal(twice.labels_, once.labels_)
            assert_array_equal(twice.predict(X[:9]), once.predict(X[:9]))
            assert_allclose(twice.cluster_centers_, once.cluster_centers_)
            linkages = twice.hierarchy_.linkage(), once.hierarchy_.linkage()
            assert_array_equal(*linkages)


@each_assignment
def test_centres_are_means_of_the_parts(global_random_seed, how):
    model, X = fitted(global_random_seed, how), rows(global_random_seed)[0]
    merged, sizes = model.merge(4), np.bincount(model.labels_)
    Z = model.transform(X)
    for j, center in enumerate(merged.cluster_centers_):
        parts = np.unique(model.labels_[merged.labels_ == j])
        expected = np.average(
            model.cluster_centers_[parts], axis=0, weights=sizes[parts]
        )
        assert_allclose(center, expected)
        if how == "kmeans":  # whose centres are the means
            assert_allclose(center, Z[merged.labels_ == j].mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("how", ["kmeans", "cluster_qr", "mixture"])
def test_probabilities_are_of_the_merged_clusters(how, global_random_seed):
    model, X = fitted(global_random_seed, how), rows(global_random_seed)[0]
    between = np.vstack([X, 0.5 * (X[:80] + X[80:160])])
    fine, merged = model.predict_proba(between), model.merge(3)
    found = merged.predict_proba(between)
    assert_allclose(found.sum(axis=1), 1.0)
    assert_array_equal(merged.classes_[found.argmax(axis=1)], merged.predict(between))
    largest = np.zeros_like(found)
    for part in range(6):
        j = merged.predict(X[model.labels_ == part][:1])[0]
        largest[:, j] = np.maximum(largest[:, j], fine[:, part])
    assert_allclose(found, largest / largest.sum(axis=1, keepdims=True))


def test_only_where_the_model_has_them(model):
    merged = model.merge(3)
    assert hasattr(merged, "partial_fit")
    assert not hasattr(merged, "inertia_")
    assert hasattr(model, "inertia_")


def test_a_stream_moves_the_parts(model, X):
    """As the stream of the model itself, with labels that are nested in its labels."""
    fine, merged = pickle.loads(pickle.dumps(model)), model.merge(3)  # noqa: S301
    groups = {c: merged.labels_[model.labels_ == c][0] for c in range(6)}
    for part in (X[:100] + 0.3, X[100:] + 0.3):
        fine.partial_fit(part)
        merged.partial_fit(part)
        assert_array_equal(merged.labels_, [groups[c] for c in fine.labels_])
        assert_array_equal(merged.predict(X), [groups[c] for c in fine.predict(X)])
        assert (merged.drift_, merged.drift_limit_) == (fine.drift_, fine.drift_limit_)
        assert merged.n_samples_seen_ == fine.n_samples_seen_
    after, before = merged.cluster_centers_, model.merge(3).cluster_centers_
    assert not np.allclose(after, before)
    # Merging before and after the stream is the same.
    again = fine.merge(3)
    assert adjusted_rand_score(again.labels_, merged.labels_) == 1.0
    assert_allclose(np.sort(again.cluster_centers_, axis=0), np.sort(after, axis=0))


def test_the_model_stays_as_it_is(global_random_seed):
    X = rows(global_random_seed)[0]
    model = SpectralNetClustering(6, random_state=0).fit(X)
    before, labels = dict(vars(model)), model.labels_.copy()
    merged = model.merge(2)
    merged.partial_fit(X + 1.0)
    merged.set_params(n_init=3)
    merged.fit(X)
    assert vars(model) == before
    assert_array_equal(model.labels_, labels)


def test_parameters_are_its_own(X):
    learner = SiameseEmbedding(2, max_iter=2, hidden_layer_sizes=8)
    model = SpectralNetClustering(3, metric_learner=learner, random_state=0).fit(X)
    merged = model.merge(2).set_params(metric_learner__max_iter=7)
    assert model.metric_learner.max_iter == 2
    assert merged.get_params()["n_clusters"] == 2
    assert clone(merged).get_params()["metric_learner__max_iter"] == 7


@each_assignment
def test_a_merged_model_is_a_model(global_random_seed, how):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rows(global_random_seed)[0], columns=list("abcde"))
    model = SpectralNetClustering(6, assign_labels=how, random_state=0)
    merged = model.set_output(transform="pandas").fit(X).merge(3)
    assert merged.transform(X).equals(model.transform(X))
    assert_array_equal(merged.feature_names_in_, list("abcde"))
    assert merged.score(X) > 0.6
    summary = merged.summary(X)
    assert summary.sizes.sum() == len(X)
    assert summary.purity.min() == 1.0
    for j, chosen in enumerate(summary.exemplars):
        assert_array_equal(merged.labels_[chosen], j)
    loaded = pickle.loads(pickle.dumps(merged))  # noqa: S301
    assert_array_equal(loaded.predict(X), merged.predict(X))
    assert_array_equal(loaded.merge(2).labels_, merged.merge(2).labels_)


def test_doubtful_rows_are_between_the_merged_clusters(model, X):
    """A row between two parts of one is surer of that than of its part."""
    margins = []
    for one in (model, model.merge(3)):
        summary = one.summary(X, n_doubtful=len(X))
        margins.append(summary.margins[np.argsort(summary.doubtful)])
    assert np.all(margins[1] >= margins[0])
    assert np.mean(margins[1] > margins[0]) > 0.5


def test_a_model_grows_little(model):
    """By two numbers and a distance for each merge."""
    without = pickle.loads(pickle.dumps(model))  # noqa: S301
    del without.hierarchy_
    sizes = [len(pickle.dumps(one)) for one in (without, model, model.merge(3))]
    assert sizes[1] < 1.03 * sizes[0]
    assert sizes[2] < 1.03 * sizes[0]


def test_labels_may_have_been_dropped(model, X):
    smaller = pickle.loads(pickle.dumps(model))  # noqa: S301
    del smaller.labels_
    merged = smaller.merge(3)
    assert not hasattr(merged, "labels_")
    assert_array_equal(merged.predict(X), model.merge(3).labels_)


def test_partial_labels_keep_their_numbers(X, global_random_seed):
    plain = SpectralNetClustering(6, metric_learner=None, random_state=0).fit(X)
    known = np.full(len(X), -1)
    for cluster, number in ((0, 40), (1, 7), (5, 1)):
        known[np.flatnonzero(plain.labels_ == cluster)[:5]] = number
    model = clone(plain).fit(X, partial_labels=known)
    named = {1, 7, 40}
    assert set(model.classes_) == {0, 2, 3} | named
    for n_clusters in range(1, 7):
        merged = model.merge(n_clusters)
        assert_array_equal(merged.classes_, np.unique(merged.labels_))
        free = [n for n in range(50) if n not in named]
        kept = set(merged.classes_.tolist()) & named
        others = set(merged.classes_.tolist()) - named
        assert others == set(free[: n_clusters - len(kept)])
        for name in merged.classes_:
            parts, sizes = np.unique(
                model.labels_[merged.labels_ == name], return_counts=True
            )
            of_user = [s for p, s in zip(parts, sizes, strict=True) if p in named]
            if of_user:  # the label of the largest of them
                assert dict(zip(parts, sizes, strict=True))[name] == max(of_user)
        for n_fewer in range(1, n_clusters + 1):
            once, twice = model.merge(n_fewer), merged.merge(n_fewer)
            assert_array_equal(twice.labels_, once.labels_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_edges_are_those_of_a_given_graph(rng):
    """Between rows at random, whatever their distances are."""
    X = make_blobs(120, centers=4, random_state=0)[0]
    near = rng.uniform(size=(120, 120)) * (rng.uniform(size=(120, 120)) < 0.1)
    near = np.triu(near, 1)
    graph = sparse.csr_array(near + near.T)
    model = SpectralNetClustering(5, max_iter=2, random_state=0).fit(X, graph=graph)
    member = np.eye(5)[model.labels_]
    between = member.T @ graph.toarray() @ member
    expected, found = merges(between), model.hierarchy_
    assert_array_equal(found.children, expected.children)
    assert_allclose(found.distances, expected.distances)


def test_copies_of_one_row_are_one_cluster():
    model = SpectralNetClustering(1, random_state=0).fit(np.ones((20, 3)))
    assert_array_equal(model.merge(1).labels_, np.zeros(20))


def test_what_is_refused(model):
    with pytest.raises(NotFittedError):
        SpectralNetClustering(3).merge(2)
    for wrong in (0, 7, -1, 2.0, "auto", None, True):
        with pytest.raises(ValueError, match="whole number from 1 to 6, the clusters"):
            model.merge(wrong)
    with pytest.raises(ValueError, match="from 1 to 3"):
        model.merge(3).merge(4)
