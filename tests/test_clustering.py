"""SpectralNetClustering: labels, centres, score, and its place in scikit-learn."""

import math
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_clusterer
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import SpectralNetClustering, _selection
from skspectralnet._constraints import draw_rows
from skspectralnet._graph import modularity, neighbor_graph

other_ways = pytest.mark.parametrize("how", ["cluster_qr", "mixture"])


@pytest.fixture(scope="module")
def uneven():
    """Blobs of 20, 90 and 40 rows, in this order."""
    centers = [[0, 0], [10, 0], [0, 10]]
    return make_blobs([20, 90, 40], centers=centers, shuffle=False, random_state=0)


def model(n_clusters=3, seed=0, **params):
    return SpectralNetClustering(n_clusters, random_state=seed, **params)


# --- labels and centres


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_clusters", [1, 2, 3, 5, 8])
def test_labels_are_predictions_bitwise(dtype, n_clusters, blobs, global_random_seed):
    X = blobs[0].astype(dtype)
    fitted = model(n_clusters, global_random_seed).fit(X)
    assert_array_equal(fitted.labels_, fitted.predict(X))
    again = model(n_clusters, global_random_seed).fit_predict(X)
    assert_array_equal(fitted.labels_, again)
    # The nearest centre in what transform returns.
    Z = fitted.transform(X)
    assert Z.dtype == dtype
    distances = np.linalg.norm(Z[:, None] - fitted.cluster_centers_, axis=2)
    gap = np.diff(np.sort(distances, axis=1)[:, :2], axis=1).ravel()
    sure = np.ones(len(X), bool) if n_clusters == 1 else gap > 1e-6
    assert sure.mean() > 0.9
    assert_array_equal(distances.argmin(axis=1)[sure], fitted.labels_[sure])


def test_labels_are_int64_from_zero_without_gaps(blobs, global_random_seed):
    for n_clusters in (1, 3, 7):
        labels = model(n_clusters, global_random_seed).fit_predict(blobs[0])
        assert labels.dtype == np.int64
        assert_array_equal(np.unique(labels), np.arange(n_clusters))


def test_clusters_are_numbered_by_size(uneven, global_random_seed):
    X, y = uneven
    fitted = model(3, global_random_seed).fit(X)
    assert_array_equal(fitted.labels_, np.array([2, 0, 1])[y])
    for n_clusters in (4, 6):
        sizes = np.bincount(model(n_clusters, global_random_seed).fit_predict(X))
        assert (np.diff(sizes) <= 0).all()


def test_centers_are_the_means_of_their_rows(blobs):
    fitted = model(3).fit(blobs[0])
    Z = fitted.transform(blobs[0])
    for label, center in enumerate(fitted.cluster_centers_):
        mean = Z[fitted.labels_ == label].mean(axis=0)
        assert_allclose(center, mean, atol=1e-3 * np.abs(Z).max())
    own = fitted.cluster_centers_[fitted.labels_]
    assert fitted.inertia_ == pytest.approx(((Z - own) ** 2).sum(), rel=1e-3)


def test_one_cluster(blobs):
    fitted = model(1).fit(blobs[0])
    assert_array_equal(fitted.labels_, 0)
    assert fitted.n_clusters_ == 1
    assert fitted.score(blobs[0]) == pytest.approx(0.0, abs=1e-12)


def test_new_rows_join_their_cluster(blobs, global_random_seed, rng):
    X, y = blobs
    fitted = model(3, global_random_seed).fit(X)
    new = X + 0.2 * rng.normal(size=X.shape)
    assert adjusted_rand_score(y, fitted.predict(new)) == 1.0
    assert_array_equal(fitted.predict(new), fitted.labels_)


@pytest.mark.parametrize("n_clusters", [2, 3, 8, 10, 20])
def test_default_number_of_components(n_clusters, blobs):
    # ceil(1.3 n_clusters), always one more than the clusters.
    expected = max(int(np.ceil(1.3 * n_clusters)), n_clusters + 1)
    fitted = model(n_clusters).fit(blobs[0])
    assert fitted.transform(blobs[0]).shape[1] == expected
    assert len(fitted.eigenvalues_) == expected


@pytest.mark.parametrize("n_components", [1, 2, 3, 6])
def test_components_may_be_fewer_or_more_than_clusters(n_components, blobs):
    fitted = model(3, n_components=n_components).fit(blobs[0])
    assert fitted.cluster_centers_.shape == (3, n_components)
    if n_components >= 3:
        assert adjusted_rand_score(blobs[1], fitted.labels_) == 1.0


def test_first_eigenvalues_tell_the_number_of_clusters(blobs):
    values = model(3, n_components=5).fit(blobs[0]).eigenvalues_
    assert (values[:3] < 1e-3).all()
    assert (values[3:] > 0.05).all()


def test_as_many_clusters_as_rows(rng):
    X = rng.normal(size=(12, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model(12).fit(X)
    assert len(np.unique(fitted.labels_)) == fitted.n_clusters_ <= 12


@pytest.mark.parametrize("affinity", ["self_tuning", "rbf", "nearest_neighbors"])
@pytest.mark.parametrize("n", [2, 3, 5, 8, 12])
def test_defaults_fit_tiny_data(affinity, n, rng):
    X = rng.normal(size=(n, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = SpectralNetClustering(min(n, 8), affinity=affinity).fit(X)
    if n <= 8:  # eigenvalues above 1, too
        assert fitted.n_clusters_ == n
    assert np.isfinite(fitted.transform(X)).all()
    assert_array_equal(fitted.labels_, fitted.predict(X))


# --- the other ways to labels


@other_ways
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_other_labels_are_predictions_bitwise(how, dtype, blobs, global_random_seed):
    X = blobs[0].astype(dtype)
    for n_clusters in (1, 3, 6):
        fitted = model(n_clusters, global_random_seed, assign_labels=how).fit(X)
        assert fitted.labels_.dtype == np.int64
        assert_array_equal(fitted.labels_, fitted.predict(X))
        alone = [fitted.predict(row[None])[0] for row in X[::10]]
        assert_array_equal(alone, fitted.labels_[::10])
        assert_array_equal(np.unique(fitted.labels_), np.arange(fitted.n_clusters_))
        assert (np.diff(np.bincount(fitted.labels_)) <= 0).all()
        shape = (fitted.n_clusters_, fitted.transform(X).shape[1])
        assert fitted.cluster_centers_.shape == shape
        assert fitted.cluster_centers_.dtype == dtype


@other_ways
def test_other_ways_find_blobs_and_score_them(how, uneven, global_random_seed):
    X, y = uneven
    fitted = model(3, global_random_seed, assign_labels=how)
    assert_array_equal(fitted.fit_predict(X), np.array([2, 0, 1])[y])
    Z = fitted.transform(X)
    for label, center in enumerate(fitted.cluster_centers_):
        mean = Z[fitted.labels_ == label].mean(axis=0)
        assert_allclose(center, mean, atol=1e-3 * np.abs(Z).max())
    assert isinstance(fitted.score(X), float)


@other_ways
def test_inertia_is_of_kmeans_alone(how, blobs):
    fitted = model(3).fit(blobs[0])
    assert fitted.inertia_ > 0
    assert not hasattr(fitted.set_params(assign_labels=how).fit(blobs[0]), "inertia_")


@other_ways
def test_parameters_set_after_fit_wait_for_the_next_one(how, blobs):
    X, _ = blobs
    fitted = model(5, assign_labels=how).fit(X)
    labels = fitted.labels_
    fitted.set_params(assign_labels="kmeans", n_clusters=2)
    assert_array_equal(fitted.predict(X), labels)
    shares = fitted.predict_proba(X)
    assert_array_equal(shares.argmax(axis=1), labels)
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert_array_equal(copy.predict(X), labels)
    assert_array_equal(np.unique(fitted.fit(X).predict(X)), [0, 1])
    assert fitted.predict_proba(X).shape == (len(X), 2)


@other_ways
def test_the_way_changes_the_labels_alone(how, blobs):
    X, _ = blobs
    assert_array_equal(
        model(3, assign_labels=how).fit(X).transform(X), model(3).fit(X).transform(X)
    )


every_way = pytest.mark.parametrize("how", ["kmeans", "cluster_qr", "mixture"])


@every_way
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_probabilities(dtype, how, global_random_seed):
    # Three blobs that touch, so that some rows are in doubt.
    X, _ = make_blobs(300, centers=[[0, 0], [4, 0], [0, 4]], random_state=0)
    X = X.astype(dtype)
    fitted = model(3, global_random_seed, assign_labels=how).fit(X)
    shares = fitted.predict_proba(X)
    assert shares.shape == (300, 3)
    assert shares.dtype == np.float64
    assert ((shares > 0.01) & (shares < 0.99)).any()
    assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    assert_array_equal(shares.argmax(axis=1), fitted.labels_)
    far = np.array([[1e6, -1e6], [-1e9, 3.0], [2.0, 2.0]], dtype=dtype)
    assert_array_equal(fitted.predict_proba(far).argmax(axis=1), fitted.predict(far))
    alone = np.concatenate([fitted.predict_proba(row[None]) for row in X])
    atol = 1e-7 if dtype == np.float64 else 1e-4
    assert_allclose(alone, shares, rtol=0, atol=atol)
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert_array_equal(copy.predict_proba(X), shares)


def test_rows_between_clusters_are_in_doubt(global_random_seed):
    """Blobs that overlap are less certain than blobs that do not."""
    means = []
    for distance in (3, 12):
        X, _ = make_blobs(400, centers=[[0, 0], [distance, 0]], random_state=0)
        fitted = model(2, global_random_seed).fit(X)
        shares = fitted.predict_proba([[0, 0], [distance / 2, 0], [distance, 0]])
        largest = shares.max(axis=1)
        assert largest[1] < min(largest[0], largest[2])
        means.append(fitted.predict_proba(X).max(axis=1).mean())
    assert means[0] < means[1]
    assert means[1] > 0.98


@every_way
def test_probabilities_follow_moved_centres_and_labels(how, blobs):
    X, y = blobs
    known = np.where(np.arange(len(y)) % 3 == 0, 7 * y + 2, -1)
    fitted = model(3, assign_labels=how).fit(X, partial_labels=known)
    shares = fitted.predict_proba(X)
    assert_array_equal(fitted.classes_[shares.argmax(axis=1)], fitted.labels_)
    if how == "kmeans":
        fitted.partial_fit(X[:40] + 0.5)
        named = fitted.classes_[fitted.predict_proba(X).argmax(axis=1)]
        assert_array_equal(named, fitted.predict(X))


def test_a_graph_tells_how_sure_its_clusters_are(blobs):
    X, y = blobs
    graph = (y[:, None] == y).astype(float)
    sure = model(3).fit(X, graph=graph).predict_proba(X).max(axis=1)
    half = graph + 0.5 * (y[:, None] != y)
    unsure = model(3).fit(X, graph=half).predict_proba(X).max(axis=1)
    assert unsure.mean() < sure.mean()


@every_way
def test_probabilities_of_one_cluster(how, blobs):
    fitted = model(1, assign_labels=how).fit(blobs[0])
    assert_array_equal(fitted.predict_proba(blobs[0]), np.ones((150, 1)))


def test_few_rows_of_a_cluster_do_not_tell_how_sure_it_is(blobs):
    X, _ = blobs
    few = model(3).fit(X[:29])
    assert not hasattr(few, "predict_proba")
    with pytest.raises(AttributeError) as error:
        few.predict_proba(X)
    assert "10 rows of the fit for each cluster: of the 29" in str(
        error.value.__cause__
    )
    assert hasattr(few.fit(X[:30]), "predict_proba")
    assert hasattr(model(3, assign_labels="mixture").fit(X[:29]), "predict_proba")


def test_probabilities_need_a_fit(blobs):
    with pytest.raises(AttributeError, match="predict_proba") as raised:
        model(3).predict_proba(blobs[0])
    assert isinstance(raised.value.__cause__, NotFittedError)


@every_way
def test_pipeline_passes_probabilities_on(how, blobs):
    pipe = make_pipeline(StandardScaler(), model(3, assign_labels=how))
    pipe.set_output(transform="pandas")
    shares = pipe.fit(blobs[0]).predict_proba(blobs[0])
    assert_array_equal(shares.argmax(axis=1), pipe[-1].labels_)


# --- score


def test_score_is_a_float_and_changes_nothing(blobs):
    X, _ = blobs
    fitted = model(3).fit(X)
    before = dict(vars(fitted))
    score = fitted.score(X)
    assert type(score) is float
    assert fitted.score(X) == score
    assert fitted.score(X, y=["ignored"] * 150) == score
    assert vars(fitted) == before


def test_score_is_the_modularity_of_the_labels(blobs):
    X, y = blobs
    # Three equal groups without edges between them: 1 - 3 (1/3)^2.
    assert model(3).fit(X).score(X) == pytest.approx(2 / 3)
    assert modularity(neighbor_graph(X, 10), y) == pytest.approx(2 / 3)


def test_score_is_highest_for_the_right_number_of_clusters(
    blobs, global_random_seed, rng
):
    train, held_out = np.split(rng.permutation(150), [100])
    X, _ = blobs
    for rows in (train, held_out):
        scores = [
            model(k, global_random_seed).fit(X[train]).score(X[rows])
            for k in (1, 2, 3, 6)
        ]
        assert np.argmax(scores) == 2


def test_score_depends_on_the_labels_alone(blobs):
    X, _ = blobs
    scores = [
        model(3, **params).fit(X).score(X)
        for params in (
            {},
            {"affinity": "rbf"},
            {"laplacian": "symmetric"},
            {"n_components": 3},
            {"encoder": PCA(2)},
            {"hidden_layer_sizes": (8,)},
        )
    ]
    assert_allclose(scores, scores[0], rtol=1e-12)


def test_score_of_many_rows_takes_the_same_ones_each_time(blobs, monkeypatch):
    X, _ = blobs
    fitted = model(3).fit(X)
    monkeypatch.setattr(_selection, "CRITERION_ROWS", 100)
    assert fitted.score(X) == fitted.score(X)
    assert fitted.score(X) == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.parametrize("n", [2, 3, 10, 11, 12])
def test_score_of_few_rows(n, blobs):
    fitted = model(3).fit(blobs[0])
    assert -1 <= fitted.score(blobs[0][:n]) < 1


def test_score_of_one_row_is_named(blobs):
    fitted = model(3).fit(blobs[0])
    with pytest.raises(ValueError, match="at least 2 rows"):
        fitted.score(blobs[0][:1])


def test_score_before_fit(blobs):
    with pytest.raises(NotFittedError):
        model(3).score(blobs[0])


# --- scikit-learn


def test_is_a_clusterer_that_transforms():
    assert is_clusterer(model())
    tags = model().__sklearn_tags__()
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]
    assert tags.input_tags.sparse
    assert not tags.non_deterministic


def test_pipeline(blobs):
    X, y = blobs
    units = X * [1, 1, 1e3, 1e3]
    pipe = make_pipeline(StandardScaler(), model(3))
    assert adjusted_rand_score(y, pipe.fit_predict(units)) == 1.0
    assert_array_equal(pipe.predict(units), pipe[-1].labels_)
    assert pipe.transform(units).shape == (150, 4)
    assert isinstance(pipe.score(units), float)


@pytest.mark.slow
def test_grid_search_in_two_processes(blobs):
    X, y = blobs
    grid = {"n_clusters": [2, 3, 5], "encoder__n_components": [2, 3]}
    search = GridSearchCV(model(encoder=PCA(), max_iter=20), grid, cv=2, n_jobs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X)
    assert search.best_params_["n_clusters"] == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert adjusted_rand_score(y, search.predict(X)) == 1.0
    alone = clone(search.best_estimator_)
    assert_array_equal(alone.fit_predict(X), search.best_estimator_.labels_)


def test_cross_val_score(blobs):
    X, y = blobs
    scores = cross_val_score(model(3), X, cv=3)
    assert scores.shape == (3,)
    assert (scores > 0.4).all()
    labelled = cross_val_score(model(3), X, y, cv=3, scoring="adjusted_rand_score")
    assert_array_equal(labelled, 1.0)


def test_column_transformer(blobs):
    X, _ = blobs
    columns = ColumnTransformer(
        [("left", model(2), [0, 1]), ("right", model(3), [2, 3])]
    )
    assert columns.fit_transform(X).shape == (150, 3 + 4)
    names = columns.get_feature_names_out()
    assert names[0] == "left__spectralnetclustering0"


def test_feature_union(blobs):
    X, _ = blobs
    union = FeatureUnion([("pca", PCA(2)), ("net", model(3))])
    Z = union.fit_transform(X)
    assert Z.shape == (150, 6)
    assert_array_equal(Z[:, 2:], model(3).fit_transform(X))


def test_feature_names(blobs):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(blobs[0], columns=list("abcd"))
    fitted = model(3).fit(frame)
    assert fitted.feature_names_in_.tolist() == list("abcd")
    assert not hasattr(clone(fitted).fit(frame).fit(blobs[0]), "feature_names_in_")
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[list("dcba")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(blobs[0])
    assert_array_equal(fitted.labels_, model(3).fit_predict(blobs[0]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library, blobs):
    frames = pytest.importorskip(library)
    configured = model(3).set_output(transform=library)
    Z = configured.fit_transform(blobs[0])
    assert isinstance(Z, frames.DataFrame)
    assert list(Z.columns) == [f"spectralnetclustering{i}" for i in range(4)]
    assert_array_equal(Z.to_numpy(), model(3).fit_transform(blobs[0]))
    assert isinstance(configured.fit(blobs[0]).transform(blobs[0]), frames.DataFrame)
    assert isinstance(configured.predict(blobs[0]), np.ndarray)


def test_frozen(blobs):
    frozen = pytest.importorskip("sklearn.frozen")
    fitted = model(3).fit(blobs[0])
    pipe = make_pipeline(frozen.FrozenEstimator(fitted))
    assert_array_equal(pipe.fit(blobs[0][:50]).predict(blobs[0]), fitted.labels_)


def test_clone_is_unfitted_with_the_same_parameters(blobs):
    fitted = model(3, encoder=PCA(2), affinity="rbf", gamma=0.5).fit(blobs[0])
    other = clone(fitted)
    assert repr(other) == repr(fitted)
    with pytest.raises(NotFittedError):
        other.predict(blobs[0])


def test_nested_parameters(blobs):
    nested = model(3, encoder=PCA(3)).set_params(encoder__n_components=2)
    assert nested.fit(blobs[0]).encoder_.n_components_ == 2


# --- the number of clusters


@pytest.mark.parametrize("k", [2, 3, 6, 12])
def test_auto_finds_the_blobs(k, global_random_seed):
    # Centres on a grid, far apart for the spread.
    centers = 9.0 * np.array([[i % 4, i // 4, i % 3] for i in range(k)])
    X, y = make_blobs(80 * k, centers=centers, random_state=global_random_seed)
    model = SpectralNetClustering("auto", random_state=global_random_seed)
    model.set_params(metric_learner=None).fit(X)
    assert model.n_clusters_ == k
    assert adjusted_rand_score(y, model.labels_) > 0.99
    assert model.n_clusters_support_.n_clusters[0] == k
    assert model.transform(X).shape[1] == max(math.ceil(1.3 * k), k + 1)


@pytest.mark.parametrize("n_components", [None, 2, 5])
def test_auto_is_bitwise_the_number_that_it_takes(n_components, blobs):
    X, _ = blobs
    params = {"n_components": n_components, "random_state": 0}
    auto = SpectralNetClustering("auto", **params).fit(X)
    asked = SpectralNetClustering(3, **params).fit(X)
    assert_array_equal(auto.transform(X), asked.transform(X))
    assert_array_equal(auto.labels_, asked.labels_)
    assert not hasattr(asked, "n_clusters_support_")


# --- a part of the rows


def test_a_part_that_is_all_rows_changes_nothing(blobs):
    for subsample in (len(blobs[0]), 10_000, None):
        fitted = model(subsample=subsample).fit(blobs[0])
        assert_array_equal(fitted.transform(blobs[0]), model().fit_transform(blobs[0]))


def test_a_part_is_learned_as_if_it_were_all(uneven, global_random_seed):
    """Other rows play no part in the map, and get labels like new ones."""
    X, y = uneven
    rows = draw_rows(None, 60, len(X), np.random.RandomState(global_random_seed))
    fitted = model(seed=global_random_seed, subsample=60).fit(X)
    others = np.setdiff1d(np.arange(len(X)), rows)
    moved = X.copy()
    moved[others] += [3.0, -1.0]
    again = model(seed=global_random_seed, subsample=60).fit(moved)
    # Signs are fixed by all rows, as they must be the same for embedding_.
    assert_allclose(np.abs(fitted.transform(X)), np.abs(again.transform(X)))
    assert_array_equal(fitted.labels_, fitted.predict(X))
    assert adjusted_rand_score(y, fitted.labels_) == 1.0


def test_a_part_has_the_labelled_rows(uneven, global_random_seed):
    X, y = uneven
    labels = np.full(len(X), -1)
    labels[[3, 40, 130]] = [2, 0, 1]
    # Of half as many rows the least blob has seven, fewer than a row has neighbours.
    fitted = model(seed=global_random_seed, subsample=100)
    fitted.fit(X, partial_labels=labels, must_link=[[0, 4]], cannot_link=[[0, 50]])
    assert_array_equal(fitted.labels_[[3, 40, 130]], [2, 0, 1])
    assert adjusted_rand_score(y, fitted.labels_) == 1.0


def test_a_part_is_not_taken_of_a_graph(blobs):
    X = blobs[0]
    graph = neighbor_graph(X, 10)
    whole = model(subsample=None).fit(X, graph=graph)
    assert_array_equal(model(subsample=20).fit(X, graph=graph).labels_, whole.labels_)


# --- streams


def test_first_part_of_a_stream_is_a_fit(blobs, global_random_seed):
    X = blobs[0]
    fitted = model(seed=global_random_seed).fit(X)
    streamed = model(seed=global_random_seed).partial_fit(X)
    assert_array_equal(streamed.labels_, fitted.labels_)
    assert_array_equal(streamed.transform(X), fitted.transform(X))
    assert streamed.n_samples_seen_ == len(X)
    assert streamed.drift_ <= 0.05


@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
def test_centers_of_a_stream_are_means_of_all_its_rows(begin, blobs, rng):
    """And it does not matter how the rows come in, where labels are sure."""
    X = blobs[0]
    new = X[rng.permutation(len(X))[:60]] + rng.normal(0, 0.1, size=(60, X.shape[1]))
    streamed, at_once = (getattr(model(), begin)(X) for _ in range(2))
    names = streamed.labels_.copy()
    for rows in np.array_split(new, 4):
        streamed.partial_fit(rows)
        assert_array_equal(streamed.labels_, streamed.predict(rows))
    assert_array_equal(streamed.predict(X), names)
    Z = streamed.transform(np.r_[X, new])
    labels = streamed.predict(np.r_[X, new])
    means = [Z[labels == j].mean(axis=0) for j in range(3)]
    assert_allclose(streamed.cluster_centers_, means, atol=1e-9)
    at_once.partial_fit(new)
    assert_allclose(at_once.cluster_centers_, streamed.cluster_centers_, atol=1e-9)
    assert at_once.n_samples_seen_ == streamed.n_samples_seen_ == len(X) + 60


def test_drift_sees_rows_in_other_places(global_random_seed):
    X, _ = make_blobs(2000, centers=3, n_features=4, random_state=global_random_seed)
    streamed = model(seed=global_random_seed).partial_fit(X[:1000])
    assert streamed.partial_fit(X[1000:]).drift_ < 0.05
    assert streamed.partial_fit(X[1000:] + 30).drift_ == 1.0
    other = X[1000:].copy()
    other[900:] += [0, 0, 40, 0]  # a tenth is a new cluster
    assert 0.1 <= streamed.partial_fit(other).drift_ < 0.15


def test_a_new_fit_begins_a_new_stream(blobs):
    X = blobs[0]
    streamed = model().partial_fit(X).partial_fit(X + 1)
    streamed.fit(X)
    assert not hasattr(streamed, "drift_")
    assert streamed.partial_fit(X).n_samples_seen_ == 2 * len(X)
    assert_allclose(streamed.cluster_centers_, model().fit(X).cluster_centers_)


def test_a_failed_part_changes_nothing(blobs):
    streamed = model().partial_fit(blobs[0])
    before = pickle.dumps(streamed)
    with pytest.raises(ValueError, match="expecting 4 features"):
        streamed.partial_fit(blobs[0][:, :2])
    assert pickle.dumps(streamed) == before


@other_ways
def test_only_centers_move(how, blobs):
    assert not hasattr(model(assign_labels=how), "partial_fit")
    with pytest.raises(AttributeError) as caught:
        model(assign_labels=how).fit(blobs[0]).partial_fit(blobs[0])
    assert "assign_labels='kmeans'" in str(caught.value.__cause__)
