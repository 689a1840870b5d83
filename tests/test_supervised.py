"""Labels and links given to the spectral estimators: what they change, and routing."""

import functools
import pickle
import warnings

import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import (
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

# Fewer epochs leave a row of the blobs in a gap now and then.
QUICK = SiameseEmbedding(2, hidden_layer_sizes=(32,), max_iter=30)


def kernel(points):
    return torch.exp(-0.5 * torch.cdist(points, points) ** 2)


def model(n_clusters=3, seed=0, **params):
    params = {"metric_learner": QUICK, **params}
    return SpectralNetClustering(n_clusters, random_state=seed, **params)


def some_of(y, rng, share=0.1):
    """Labels of some rows, -1 for the others; at least three of each."""
    labels = np.where(rng.uniform(size=len(y)) < share, y, -1)
    for label in np.unique(y):
        labels[rng.choice(np.flatnonzero(y == label), 3, replace=False)] = label
    return labels


@pytest.fixture
def named(blobs, rng):
    """Rows, the names that their blobs are given, and some of these names."""
    X, y = blobs
    y = rng.permutation(3)[y]
    return X, y, some_of(y, rng)


def touching(rng, n=300):
    """Two halves of one cloud, cut along it: no gap tells them apart."""
    X = rng.uniform(-1, 1, size=(n, 2)) * [1.0, 3.0]
    return X, (X[:, 0] > 0).astype(int)


# --- the numbers of the clusters


@pytest.mark.parametrize("how", ["kmeans", "cluster_qr", "mixture"])
@pytest.mark.parametrize("names", [[0, 1, 2], [1, 2, 0], [2, 1, 0]])
def test_clusters_have_the_numbers_given(how, names, blobs, global_random_seed, rng):
    X, y = blobs
    y = np.array(names)[y]
    fitted = model(3, global_random_seed, assign_labels=how)
    fitted.fit(X, partial_labels=some_of(y, rng))
    assert_array_equal(fitted.labels_, y)
    assert_array_equal(fitted.predict(X), y)
    assert fitted.labels_.dtype == np.int64
    new = X + 0.1 * rng.normal(size=X.shape)
    assert_array_equal(fitted.predict(new), y)
    if how == "mixture":
        assert_array_equal(fitted.predict_proba(X).argmax(axis=1), y)
    Z = fitted.transform(X)
    means = np.array([Z[y == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(fitted.cluster_centers_[:, None] - means, axis=2)
    assert_array_equal(nearest.argmin(axis=1), range(3))


@pytest.mark.parametrize("known", [[0], [2], [0, 2]])
def test_clusters_without_a_label_take_the_numbers_left(known, blobs, rng):
    X, y = blobs
    labels = some_of(y, rng)
    labels[~np.isin(labels, known)] = -1
    found = model().fit(X, partial_labels=labels).labels_
    assert adjusted_rand_score(y, found) == 1.0
    for label in known:
        assert_array_equal(found[y == label], label)
    assert_array_equal(np.unique(found), range(3))


def test_one_labelled_row_names_its_cluster(blobs):
    X, y = blobs
    row = np.flatnonzero(y == 1)[0]
    labels = np.full(150, -1)
    for name in range(3):
        labels[row] = name
        assert (model().fit(X, partial_labels=labels).labels_[y == 1] == name).all()


@pytest.mark.parametrize("n_clusters", [3, "auto"])
@pytest.mark.parametrize("how", ["kmeans", "cluster_qr", "mixture"])
@pytest.mark.parametrize("names", [[10, 20, 30], [5, 0, 2], [310, 10**12, 101]])
def test_any_numbers_are_kept(names, how, n_clusters, blobs, global_random_seed, rng):
    X, y = blobs
    y = np.array(names)[y]
    params = {"assign_labels": how, "metric_learner": None}
    fitted = model(n_clusters, global_random_seed, **params)
    fitted.fit(X, partial_labels=some_of(y, rng))
    assert_array_equal(fitted.labels_, y)
    assert_array_equal(fitted.predict(X), y)
    assert_array_equal(fitted.classes_, np.sort(names))
    assert fitted.n_clusters_ == 3
    assert fitted.labels_.dtype == fitted.classes_.dtype == np.int64
    Z = fitted.transform(X)
    means = [Z[y == name].mean(axis=0) for name in fitted.classes_]
    assert_allclose(fitted.cluster_centers_, means, atol=1e-2 * np.abs(Z).max())
    if how == "mixture":
        assert_array_equal(fitted.classes_[fitted.predict_proba(X).argmax(axis=1)], y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "params",
    [{}, {"subsample": 60}, {"neighbors_in": "data", "init": "spectral"}],
    ids=["batch", "subsample", "data"],
)
@pytest.mark.parametrize("n_clusters", [3, 5, "auto"])
def test_a_fit_does_not_depend_on_the_numbers(
    n_clusters, params, named, global_random_seed
):
    X, _, labels = named
    params = {"metric_learner": None, "max_iter": 5, **params}
    fitted = model(n_clusters, global_random_seed, **params)
    one = clone(fitted).fit(X, partial_labels=labels)
    for numbers, unused in (([0, 2, 5], [1, 3]), ([40, 1, 10**12], [0, 2])):
        numbers = np.array(numbers)
        given = np.where(labels < 0, -1, numbers[labels])
        other = clone(fitted).fit(X, partial_labels=given)
        assert_array_equal(other.transform(X), one.transform(X))
        expected = np.r_[numbers, unused][one.labels_]
        assert_array_equal(other.labels_, expected)
        assert other.score(X) == pytest.approx(one.score(X))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32, "Int64", object])
def test_labels_of_any_type(dtype, blobs, rng):
    X, y = blobs
    labels = some_of(np.array([100, 127, 7])[y], rng, 1.0 if dtype is np.uint8 else 0.2)
    given = labels.astype(np.uint8 if dtype is np.uint8 else np.float64)
    if dtype == "Int64":
        pandas = pytest.importorskip("pandas")
        given = pandas.Series(np.where(labels < 0, np.nan, labels)).astype(dtype)
    elif dtype is object:
        given = np.where(labels < 0, None, labels)
    else:
        given = labels.astype(dtype)
    one, other = (model().fit(X, partial_labels=known) for known in (labels, given))
    assert_array_equal(other.labels_, one.labels_)
    assert_array_equal(other.classes_, [7, 100, 127])
    assert other.labels_.dtype == np.int64


def test_auto_counts_labels_and_not_their_values(global_random_seed):
    X, y = make_blobs(300, centers=3, random_state=global_random_seed)
    fitted = SpectralNetClustering("auto", metric_learner=None, max_iter=5)
    labels = np.array([101, 205, 310])[y]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert fitted.fit(X, partial_labels=labels).n_clusters_ < 10
    fitted.set_params(n_clusters=2)
    with pytest.raises(ValueError, match="3 different labels, more than n_clusters=2"):
        fitted.fit(X, partial_labels=labels)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("how", ["kmeans", "cluster_qr", "mixture"])
def test_auto_learns_enough_for_many_labels(how, global_random_seed):
    # 35 classes: more than the 31 eigenvectors that are learned without labels.
    places = 8.0 * np.stack(np.divmod(np.arange(35), 6), axis=1)
    X, y = make_blobs(350, centers=places, random_state=global_random_seed)
    fitted = model("auto", metric_learner=None, assign_labels=how, max_iter=30)
    fitted.set_params(n_init=2).fit(X, partial_labels=3 * y)
    assert fitted.n_clusters_ == 35
    assert fitted.transform(X).shape[1] == 46  # 1.3 times 35, rounded up
    assert np.mean(fitted.labels_ == 3 * y) > 0.9


@pytest.mark.parametrize("how", ["kmeans", "cluster_qr", "mixture"])
@pytest.mark.parametrize("names", [[5, 6, 7, 8], [3, 2, 1, 0], [0, 1, 2, 3]])
def test_the_number_of_a_class_without_a_cluster_is_that_of_none(how, names):
    # Three different rows, four classes: the last is among the rows of another.
    X = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [60, 50, 40], axis=0)
    labels = np.full(150, -1)
    labels[[0, 1, 70, 71, 120, 121, 149]] = np.array(names)[[0, 0, 1, 1, 2, 2, 3]]
    fitted = model(5, metric_learner=None, assign_labels=how, max_iter=3)
    with pytest.warns(ConvergenceWarning) as caught:
        fitted.fit(X, partial_labels=labels)
    told = "\n".join(str(warning.message) for warning in caught)
    assert f"1 of the 4 labels in partial_labels got no cluster ({names[3]})" in told
    assert "Only 3 clusters were found where n_clusters=5" in told
    assert_array_equal(fitted.classes_, np.sort(names[:3]))
    assert_array_equal(fitted.labels_, np.repeat(names[:3], [60, 50, 40]))
    assert_array_equal(fitted.predict(X), fitted.labels_)
    assert fitted.cluster_centers_.shape[0] == fitted.n_clusters_ == 3


@pytest.mark.parametrize("n_clusters", [1, 3])
def test_one_class_only(n_clusters, blobs):
    X, y = blobs
    labels = np.where(y == 1, 10**12, -1)
    fitted = model(n_clusters).fit(X, partial_labels=labels)
    assert_array_equal(fitted.classes_, [*range(n_clusters - 1), 10**12])
    assert_array_equal(np.unique(fitted.labels_), fitted.classes_)
    assert (fitted.labels_[y == 1] == 10**12).all()


def test_a_part_of_the_rows_keeps_the_numbers(named, global_random_seed):
    # All rows have labels: most of those are not learned from.
    X, y, _ = named
    y = np.array([20, 10**12, 3])[y]
    fitted = model(3, global_random_seed, subsample=60).fit(X, partial_labels=y)
    assert_array_equal(fitted.labels_, y)


def test_a_stream_keeps_the_numbers(named, rng):
    X, y, labels = named
    numbers = np.array([30, 10, 10**12])
    known = np.where(labels < 0, -1, numbers[labels])
    streamed = model(metric_learner=None).fit(X, partial_labels=known)
    plain = model(metric_learner=None).fit(X, partial_labels=labels)
    order = np.argsort(numbers)  # of the rows of cluster_centers_
    for rows in np.array_split(rng.permutation(150)[:80], 3):
        new = X[rows] + 0.1 * rng.normal(size=X[rows].shape)
        streamed.partial_fit(new)
        plain.partial_fit(new)
        assert_array_equal(streamed.labels_, numbers[y[rows]])
        assert_array_equal(streamed.labels_, streamed.predict(new))
        centers = plain.cluster_centers_[order]
        assert_allclose(streamed.cluster_centers_, centers, atol=1e-12)
    assert streamed.n_samples_seen_ == 230
    again = pickle.loads(pickle.dumps(streamed))  # noqa: S301
    assert_array_equal(again.predict(X), numbers[y])
    assert_array_equal(again.partial_fit(X).labels_, numbers[y])


def test_pipelines_and_searches_have_the_classes(named):
    X, _, labels = named
    given = np.where(labels < 0, -1, 10 * labels + 10)
    pipe = make_pipeline(StandardScaler(), model())
    pipe.fit(X, spectralnetclustering__partial_labels=given)
    assert_array_equal(pipe.classes_, [10, 20, 30])
    assert_array_equal(model(5).fit(X).classes_, range(5))


def test_more_clusters_than_labels(named):
    X, y, labels = named
    fitted = model(5).fit(X, partial_labels=labels)
    assert fitted.n_clusters_ == 5
    assert np.mean(fitted.labels_[labels >= 0] == y[labels >= 0]) > 0.5


def test_links_do_not_name_clusters(blobs):
    X, y = blobs
    links = {"must_link": [[0, 0]], "cannot_link": []}
    found = model().fit(X, **links).labels_
    assert adjusted_rand_score(y, found) == 1.0
    assert (np.diff(np.bincount(found)) <= 0).all()  # by size, as without links


def test_unknown_labels_are_no_labels(blobs):
    X, _ = blobs
    nothing = {"partial_labels": np.full(150, -1), "must_link": [], "cannot_link": []}
    one, other = model().fit(X), model().fit(X, **nothing)
    assert_array_equal(one.labels_, other.labels_)
    assert_array_equal(one.transform(X), other.transform(X))


# --- what labels and links change


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"metric_learner": "auto"},
        {"metric_learner": None},
        {"metric_learner": PCA(2)},
        {"metric_learner": StandardScaler(), "network_input": "code"},
        {"affinity": "rbf"},
        {"affinity": "rbf", "metric_learner": None},
        {"affinity": "nearest_neighbors", "metric_learner": None},
        {"affinity": kernel, "metric_learner": None},
        {"laplacian": "symmetric", "metric_learner": None},
        {"laplacian": "unnormalized", "metric_learner": None},
        {"orthonorm": "alternating", "metric_learner": None},
        {"batch_size": 50, "metric_learner": None},
        {"encoder": PCA(3)},
    ],
    ids=lambda params: ", ".join(
        f"{k}={v}".split("(")[0].split(" at ")[0] for k, v in params.items()
    ),
)
def test_labelled_rows_get_their_label(params, named, global_random_seed):
    X, y, labels = named
    fitted = model(3, global_random_seed, **params).fit(X, partial_labels=labels)
    given = labels >= 0
    assert np.mean(fitted.labels_[given] == labels[given]) > 0.9
    assert np.mean(fitted.labels_ == y) > 0.9
    assert_array_equal(fitted.predict(X), fitted.labels_)


@pytest.mark.parametrize("metric_learner", [QUICK, None], ids=["siamese", "none"])
def test_labels_cut_where_no_gap_is(metric_learner, global_random_seed, rng):
    X, y = touching(rng)
    labels = some_of(y, rng, 0.5)
    fitted = model(2, global_random_seed, metric_learner=metric_learner)
    plain = adjusted_rand_score(y, fitted.fit_predict(X))
    taught = fitted.fit(X, partial_labels=labels)
    assert np.mean(taught.labels_ == y) > 0.9
    assert adjusted_rand_score(y, taught.labels_) > plain


def test_links_join_and_part_blobs(global_random_seed, rng):
    # Four blobs in a row, two clusters: which pairs are one is for the links to say.
    centers = np.array([[0, 0], [6, 0], [12, 0], [18, 0]])
    # Every row is nearest to its own centre: four deviations from where two meet.
    X, blob = make_blobs(
        200, centers=centers, cluster_std=0.7, random_state=global_random_seed
    )

    def members(label):
        return rng.choice(np.flatnonzero(blob == label), 25)

    must = np.r_[np.c_[members(0), members(3)], np.c_[members(1), members(2)]]
    fitted = model(2, global_random_seed, metric_learner=None).fit(X, must_link=must)
    outer = np.isin(blob, [0, 3])
    assert adjusted_rand_score(outer, fitted.labels_) == 1.0


def test_a_few_links_among_many_batches(rng):
    centers = [[0, 0], [9, 0], [0, 9]]
    X, y = make_blobs(600, centers=centers, random_state=0)
    links = {"must_link": [[0, np.flatnonzero(y == y[0])[1]]]}
    fitted = model(3, batch_size=40, metric_learner=None).fit(X, **links)
    assert adjusted_rand_score(y, fitted.labels_) > 0.9


def test_embedding_takes_labels(named, global_random_seed):
    X, y, labels = named
    for metric_learner in (QUICK, None, "auto"):
        fitted = SpectralNetEmbedding(
            2, metric_learner=metric_learner, random_state=global_random_seed
        )
        Z = fitted.fit_transform(X, partial_labels=labels)
        assert_array_equal(Z, fitted.embedding_)
        centers = np.array([Z[y == label].mean(axis=0) for label in range(3)])
        nearest = np.linalg.norm(Z[:, None] - centers, axis=2).argmin(axis=1)
        assert np.mean(nearest == y) > 0.95


def test_names_of_labels_may_be_any_for_an_embedding(named):
    X, _, labels = named
    fitted = SpectralNetEmbedding(2, metric_learner=None, random_state=0)
    renamed = np.where(labels < 0, -1, 100 * labels + 7)
    one = clone(fitted).fit_transform(X, partial_labels=labels)
    assert_array_equal(one, clone(fitted).fit_transform(X, partial_labels=renamed))


def test_a_siamese_stage_is_told_what_is_known(named, monkeypatch):
    X, _, labels = named
    told, original = [], SiameseEmbedding.fit

    @functools.wraps(original)
    def fit(self, X, y=None, **known):
        told.append(known)
        return original(self, X, y, **known)

    monkeypatch.setattr(SiameseEmbedding, "fit", fit)
    links = {"must_link": [[0, 0]], "cannot_link": None}
    model().fit(X, partial_labels=labels, **links)
    assert_array_equal(told[0]["partial_labels"], labels)
    assert_array_equal(told[0]["must_link"], links["must_link"])
    assert len(told[0]["cannot_link"]) == 0


def test_seed_and_order_of_arguments(named, global_random_seed):
    X, _, labels = named
    fitted = model(3, global_random_seed)
    one = clone(fitted).fit(X, partial_labels=labels)
    found = clone(fitted).fit_predict(X, partial_labels=labels)
    assert_array_equal(found, one.labels_)
    Z = clone(fitted).fit_transform(X, None, partial_labels=labels)
    assert_array_equal(Z, one.transform(X))
    assert_array_equal(
        clone(fitted).fit(X, partial_labels=labels.tolist()).labels_, found
    )


def test_a_failed_fit_leaves_the_old_model(named):
    X, _, labels = named
    fitted = model().fit(X)
    before = dict(vars(fitted))
    for known in (
        {"partial_labels": labels[1:]},
        {"partial_labels": labels + 1},
        {"must_link": [[0, 150]]},
        {"must_link": [[0, 1]], "cannot_link": [[1, 0]]},
    ):
        with pytest.raises(ValueError, match=r"partial_labels|must_link|Contradiction"):
            fitted.fit(X, **known)
        assert vars(fitted) == before


# --- scikit-learn's routing


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def accuracy(estimator, X, y):
    """Share of rows with their own number: labels that were cut wrongly give less."""
    return float(np.mean(estimator.predict(X) == y))


def test_pipeline_without_routing(named):
    X, y, labels = named
    pipe = make_pipeline(StandardScaler(), model())
    pipe.fit(X, spectralnetclustering__partial_labels=labels)
    assert_array_equal(pipe.predict(X), y)


def test_pipeline_routes_labels(named, routing):
    X, y, labels = named
    asked = model().set_fit_request(partial_labels=True)
    pipe = make_pipeline(StandardScaler(), asked)
    assert_array_equal(pipe.fit(X, partial_labels=labels).predict(X), y)
    assert_array_equal(clone(pipe).fit_predict(X, partial_labels=labels), y)


def test_siamese_step_takes_routed_labels(named, routing):
    X, y, labels = named
    step = clone(QUICK).set_params(random_state=0).set_fit_request(partial_labels=True)
    asked = model(metric_learner=None).set_fit_request(partial_labels=True)
    pipe = make_pipeline(step, asked).fit(X, partial_labels=labels)
    assert_array_equal(pipe.predict(X), y)
    alone = clone(step).fit(X, partial_labels=labels).transform(X)
    assert_array_equal(pipe[0].transform(X), alone)


def test_labels_nobody_asked_for_are_refused(named, routing):
    X, _, labels = named
    with pytest.raises(UnsetMetadataPassedError, match="partial_labels"):
        make_pipeline(StandardScaler(), model()).fit(X, partial_labels=labels)


@pytest.mark.parametrize("name", ["partial_labels", "must_link", "cannot_link"])
@pytest.mark.parametrize(
    "cls", [SiameseEmbedding, SpectralNetClustering, SpectralNetEmbedding]
)
def test_what_can_be_asked_for(cls, name, routing):
    request = cls().set_fit_request(**{name: True}).get_metadata_routing()
    assert request.fit.requests[name] is True


def test_cross_validation_slices_the_labels(named, routing):
    X, y, labels = named
    pipe = make_pipeline(StandardScaler(), model().set_fit_request(partial_labels=True))
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_validate(
        pipe,
        X,
        y,
        cv=folds,
        scoring=accuracy,
        params={"partial_labels": labels},
        return_estimator=True,
        error_score="raise",
    )
    assert_array_equal(scores["test_score"], 1.0)
    for estimator, (train, _) in zip(scores["estimator"], folds.split(X), strict=True):
        alone = clone(pipe).fit(X[train], partial_labels=labels[train])
        assert_array_equal(estimator.predict(X), alone.predict(X))


def test_grid_search_slices_the_labels(named, routing):
    X, y, labels = named
    grid = {"n_clusters": [3, 5]}
    asked = model(metric_learner=None).set_fit_request(partial_labels=True)
    search = GridSearchCV(asked, grid, cv=2, scoring=accuracy, error_score="raise")
    folds = np.argsort(y % 3, kind="stable")  # no fold without one of the blobs
    order = np.r_[folds[::2], folds[1::2]]
    search.fit(X[order], y[order], partial_labels=labels[order])
    assert search.best_params_ == {"n_clusters": 3}
    assert search.best_score_ == 1.0
    assert_array_equal(search.predict(X), y)


def test_links_cannot_be_sliced(named, routing):
    # They name rows of the whole X: a fold has other ones, and says so.
    X, y, _ = named
    asked = model().set_fit_request(must_link=True)
    params = {"must_link": [[0, 149]]}
    with pytest.raises(ValueError, match=r"must_link"):
        cross_validate(
            asked, X, y, cv=3, scoring=accuracy, params=params, error_score="raise"
        )
