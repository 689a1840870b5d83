"""What a model says of some rows: each number by another way, and what is refused."""

import json
import re
import sys
import warnings
from functools import cache

import numpy as np
import pytest
from conftest import Elsewhere
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import SpectralNetClustering, SpectralNetEmbedding
from skspectralnet._graph import cluster_weights
from skspectralnet._selection import criterion_graph

CENTERS = np.array([[0.0, 0, 0], [6, 0, 6], [0, 7, 0]])
ASSIGNMENTS = ("kmeans", "cluster_qr", "mixture")
each_assignment = pytest.mark.parametrize("how", ASSIGNMENTS)


@cache
def rows(seed):
    """Three blobs of 60, 50 and 40 rows."""
    return make_blobs(
        [60, 50, 40], centers=CENTERS, cluster_std=0.6, random_state=seed
    )[0]


@cache
def fitted(seed, how="kmeans", **params):
    model = SpectralNetClustering(3, assign_labels=how, random_state=seed, **params)
    return model.fit(rows(seed))


@pytest.fixture(name="X")
def rows_of_the_seed(global_random_seed):
    return rows(global_random_seed)


@pytest.fixture
def model(global_random_seed):
    return fitted(global_random_seed)


# --- numbers


def test_weights_between_clusters_by_hand():
    # A path of four rows, weights 1, 2, 3; the edge of 2 joins the halves.
    path = np.diag([1.0, 2, 3], 1)
    path = sparse.csr_array(path + path.T)
    found = cluster_weights(path, np.array([0, 0, 1, 1]), 3)
    assert_array_equal(found.toarray(), [[2, 2, 0], [2, 6, 0], [0, 0, 0]])


def test_sizes_and_purity_are_those_of_the_predicted_labels(model, X):
    new = np.vstack([X[20:], X[20:] + 0.1])
    summary, labels = model.summary(new), model.predict(new)
    assert_array_equal(summary.labels, model.classes_)
    assert_array_equal(summary.sizes, np.bincount(labels))
    assert_allclose(summary.shares, np.bincount(labels) / len(new))
    graph, nodes, _ = criterion_graph(new)
    graph, labels = graph.toarray(), labels[nodes]
    same = labels[:, None] == labels
    for j in range(3):
        own = labels == j
        expected = (graph * same)[own].sum() / graph[own].sum()
        assert summary.purity[j] == pytest.approx(expected)
    assert summary.inside == pytest.approx((graph * same).sum() / graph.sum())


def test_the_nearest_cluster_has_most_of_the_other_edges(global_random_seed):
    # Five groups of a line cut in the middle of none: each one touches the next.
    rng = np.random.RandomState(global_random_seed)
    X = np.column_stack([np.sort(rng.uniform(0, 30, 600)), rng.normal(size=600)])
    model = SpectralNetClustering(4, metric_learner=None, random_state=0).fit(X)
    summary = model.summary(X)
    graph, nodes, _ = criterion_graph(X)
    labels, graph = model.labels_[nodes], graph.toarray()
    for j, nearest in enumerate(summary.nearest):
        to = [graph[labels == j][:, labels == c].sum() * (c != j) for c in range(4)]
        assert nearest == int(np.argmax(to))


def test_differences_by_hand(model, X):
    summary, labels = model.summary(X, n_columns=3), model.labels_
    for j, columns in enumerate(summary.columns):
        own = labels == j
        effects = (X[own].mean(axis=0) - X[~own].mean(axis=0)) / X.std(axis=0)
        order = np.argsort(-np.abs(effects))
        assert [c.name for c in columns] == [f"x{i}" for i in order]
        assert_allclose([c.difference for c in columns], effects[order])


def effects(summary):
    return {
        (label, column.name): column.difference
        for label, columns in zip(summary.labels.tolist(), summary.columns, strict=True)
        for column in columns
    }


def test_rows_may_be_dense_sparse_or_elsewhere(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X = np.hstack([rows(global_random_seed), np.zeros((150, 1)), np.ones((150, 1))])
    X = np.hstack([X, rng.poisson(0.2, size=(150, 3))])
    model = SpectralNetClustering(3, random_state=0).fit(X)
    dense = model.summary(X, n_columns=8)
    assert not {(0, "x3"), (0, "x4")} & set(effects(dense))  # constant columns
    for others in (sparse.csr_matrix(X), sparse.csr_array(X), Elsewhere(X)):
        found = model.summary(others, n_columns=8)
        assert effects(found) == pytest.approx(effects(dense))
        assert_array_equal(found.sizes, dense.sizes)
        assert_allclose(found.purity, dense.purity)
        for one, other in zip(found.exemplars, dense.exemplars, strict=True):
            assert one[0] == other[0]


@pytest.mark.parametrize(("factor", "shift"), [(1e300, 0.0), (1e-300, 0.0), (1.0, 1e6)])
def test_differences_have_no_units(global_random_seed, factor, shift):
    X = rows(global_random_seed)
    moved = factor * X + shift
    before, after = (
        SpectralNetClustering(3, random_state=0).fit(rows).summary(rows)
        for rows in (X, moved)
    )
    assert effects(after) == pytest.approx(effects(before), rel=1e-6)
    assert [len(rows) for rows in after.exemplars] == [3, 3, 3]


@each_assignment
def test_a_row_between_two_clusters_is_the_most_doubtful(global_random_seed, how):
    between = 0.5 * (CENTERS[0] + CENTERS[1])
    X = np.vstack([rows(global_random_seed), between + 0.01])
    model = SpectralNetClustering(3, assign_labels=how, random_state=global_random_seed)
    summary = model.fit(X).summary(X, n_doubtful=5)
    assert summary.doubtful[0] == 150
    assert len(summary.doubtful) == 5
    assert np.all(np.diff(summary.margins) >= 0)
    assert np.all((summary.margins >= 0) & (summary.margins <= 1))


@each_assignment
def test_exemplars_are_of_the_inner_half_of_their_cluster(global_random_seed, how):
    model, X = fitted(global_random_seed, how), rows(global_random_seed)
    summary, Z = model.summary(X, n_exemplars=4), model.transform(X)
    for j, chosen in enumerate(summary.exemplars):
        assert len(set(chosen.tolist())) == 4
        assert_array_equal(model.labels_[chosen], j)
        lengths = np.linalg.norm(Z - model.cluster_centers_[j], axis=1)
        own = lengths[model.labels_ == j]
        assert lengths[chosen[0]] == own.min()
        assert np.all(lengths[chosen] <= np.sort(own)[-(-len(own) // 2) - 1])


def test_exemplars_are_spread(model, X):
    """Farther from each other than rows of the same half are on average."""
    summary, Z = model.summary(X, n_exemplars=4), model.transform(X)
    for j, chosen in enumerate(summary.exemplars):
        own = np.flatnonzero(model.labels_ == j)
        lengths = np.linalg.norm(Z[own] - model.cluster_centers_[j], axis=1)
        core = own[np.argsort(lengths)[: -(-len(own) // 2)]]
        apart = [
            np.linalg.norm(X[some][:, None] - X[some], axis=2)[np.triu_indices(n, 1)]
            for some, n in ((chosen, 4), (core, len(core)))
        ]
        assert apart[0].min() > np.median(apart[1]) / 2
        assert apart[0].mean() > apart[1].mean()


def test_copies_are_one_exemplar():
    X = np.repeat([[0.0, 0], [5, 5], [9, 0]], [30, 20, 10], axis=0)
    summary = SpectralNetClustering(3, random_state=0).fit(X).summary(X)
    assert [len(chosen) for chosen in summary.exemplars] == [1, 1, 1]


def test_numbers_are_those_that_were_compared(X):
    model = SpectralNetClustering("auto", random_state=0).fit(X)
    numbers, found = model.summary(X).numbers, model.n_clusters_support_
    assert numbers[0].n_clusters == model.n_clusters_ == 3
    assert [n.n_clusters for n in numbers] == found.n_clusters[:3].tolist()
    assert_array_equal([n.value for n in numbers], found.supports[:3])
    assert {n.measure for n in numbers} == {"support"}


def test_of_a_given_number_as_far_as_the_eigenvalues_say(model, X):
    # Four eigenvalues are learned: gaps after the second and the third.
    assert {n.n_clusters for n in model.summary(X).numbers} == {2, 3}
    assert model.summary(X).numbers[0].n_clusters == 3


def test_agreement_with_other_fits(model, X):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (model.summary(X, restarts=2).agreement for _ in range(2))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert_array_equal(first.scores, second.scores)
    assert first.scores.tolist() == [1.0, 1.0]
    assert (first.mean, first.worst) == (1.0, 1.0)
    assert model.summary(X).agreement is None


def test_fits_that_disagree_are_told(rng):
    """Of a single ball every fit cuts elsewhere."""
    X = rng.normal(size=(300, 8))
    agreement = SpectralNetClustering(6, random_state=0).fit(X).summary(X, restarts=2)
    agreement = agreement.agreement
    assert agreement.worst <= agreement.mean < 0.99
    assert agreement.worst == agreement.scores.min()


# --- form


def test_text_and_html_have_the_same_cells(model, X):
    summary = model.summary(X, restarts=1)
    lines, html = repr(summary).splitlines(), summary._repr_html_()
    assert lines[0].split()[:2] == ["cluster", "rows"]
    assert len(lines) == 1 + 3 + 4
    for line in lines[4:]:
        assert f"<p>{line}</p>" in html
    for chosen in summary.exemplars:
        assert f"<td>{', '.join(map(str, chosen))}</td>" in html
        assert ", ".join(map(str, chosen)) in repr(summary)


def test_names_of_columns_are_told_and_escaped(global_random_seed):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rows(global_random_seed), columns=["<a>", "b & c", "d"])
    model = SpectralNetClustering(3, random_state=0).fit(X)
    summary = model.summary(X)
    assert {name for _, name in effects(summary)} <= {"<a>", "b & c", "d"}
    assert "<a> +" in repr(summary) or "<a> -" in repr(summary)
    assert "<a>" not in summary._repr_html_()
    assert "&lt;a&gt;" in summary._repr_html_()


def test_the_dictionary_is_json(model, X):
    summary = model.summary(X, restarts=1)
    told = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert [c["size"] for c in told["clusters"]] == summary.sizes.tolist()
    assert told["doubtful"] == summary.doubtful.tolist()
    assert told["agreement"]["worst"] == summary.agreement.worst


def test_frames(model, X):
    pytest.importorskip("pandas")
    summary = model.summary(X)
    clusters = summary.to_frame()
    assert clusters.index.tolist() == summary.labels.tolist()
    assert clusters["size"].tolist() == summary.sizes.tolist()
    assert len(summary.to_frame("columns")) == sum(map(len, summary.columns))
    assert summary.to_frame("doubtful")["row"].tolist() == summary.doubtful.tolist()
    with pytest.raises(ValueError, match=r"part must be .*got 'rows'"):
        summary.to_frame("rows")


def test_without_pandas_the_error_says_what_to_do(model, X, monkeypatch):
    summary = model.summary(X)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas.*to_dict\(\)"):
        summary.to_frame()


def test_the_last_line_ends_what_verbose_shows(global_random_seed, capfd):
    X = rows(global_random_seed)
    model = SpectralNetClustering(3, random_state=0, verbose=1).fit(X)
    shown = capfd.readouterr()
    line = shown.err.splitlines()[-1]
    assert shown.out == ""
    assert line == repr(model.summary(X)).splitlines()[-1]
    assert line.startswith("3 clusters of 60, 50, 40 rows; ")


def test_verbose_2_tells_of_each_stage(global_random_seed, capfd):
    X = rows(global_random_seed)
    model = SpectralNetClustering(3, random_state=0, verbose=1).fit(X)
    once = capfd.readouterr().err
    model.set_params(verbose=2).fit(X)
    twice = capfd.readouterr().err
    for name in ("encoder", "spectral map", "alignment", "embedding", "clusters"):
        line = re.compile(rf"^{name}: \d+\.\d\d seconds$", re.MULTILINE)
        assert line.search(twice), name
        assert not line.search(once), name
    told = f"spectral map: {model.n_iter_} epochs, loss {model.loss_curve_[0]:.4g} to "
    assert told in twice
    assert told not in once
    assert twice.splitlines()[-1] == once.splitlines()[-1]


def test_an_embedding_ends_with_its_eigenvalues(global_random_seed, capfd):
    X = rows(global_random_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few epochs do not reach the eigenvectors
        model = SpectralNetEmbedding(2, max_iter=5, random_state=0, verbose=1).fit(X)
    line = capfd.readouterr().err.splitlines()[-1]
    first, second = model.eigenvalues_
    assert f"2 eigenvectors with eigenvalues {first:.4g}, {second:.4g}" in line
    assert f"to the exact ones {model.approximation_error_.distance:.2g}" in line
    assert line in model._repr_html_()


def test_a_notebook_shows_what_was_found(model, X):
    unfitted = SpectralNetClustering(3)
    assert "clusters of " not in unfitted._repr_html_()[-200:]
    sizes = ", ".join(map(str, np.bincount(model.labels_)))
    for html in (model._repr_html_(), model._repr_mimebundle_()["text/html"]):
        assert f"<p>3 clusters of {sizes} rows</p>" in html
        assert "numbers of clusters with the largest gap" in html
    merged = model.merge(2)
    sizes = ", ".join(map(str, np.bincount(merged.labels_)))
    assert f"<p>2 clusters of {sizes} rows</p>" in merged._repr_html_()
    assert f"<p>1 cluster of {len(X)} rows</p>" in model.merge(1)._repr_html_()
    with config_context(display="text"):
        assert "text/html" not in model._repr_mimebundle_()


def test_outliers_are_told_of(global_random_seed):
    X = rows(global_random_seed)
    model = SpectralNetClustering(3, contamination=0.1, random_state=0).fit(X)
    share = 100 * np.mean(model.labels_ == -1)
    assert f"{share:.1f} % of the rows are outliers (-1)" in model._repr_html_()


def test_names_are_those_of_the_labels(X):
    known = np.full(150, -1)
    plain = SpectralNetClustering(3, metric_learner=None, random_state=0)
    known[np.flatnonzero(plain.fit_predict(X) == 2)[:5]] = 17
    model = plain.fit(X, partial_labels=known)
    summary = model.summary(X)
    assert summary.labels.tolist() == [0, 1, 17]
    assert summary.sizes.tolist() == [np.sum(model.labels_ == n) for n in (0, 1, 17)]
    assert {n for n in summary.nearest if n is not None} <= {0, 1, 17}


def test_a_cluster_without_rows(model, X):
    summary = model.summary(X[model.labels_ != 1])
    assert summary.sizes[1] == 0
    assert np.isnan(summary.purity[1])
    assert (summary.nearest[1], summary.columns[1]) == (None, ())
    assert len(summary.exemplars[1]) == 0
    assert "nan" not in repr(summary)
    json.dumps(summary.to_dict(), allow_nan=False)


def test_one_cluster_and_one_row(X):
    model = SpectralNetClustering(1, random_state=0).fit(X)
    for some in (X, X[:1]):
        summary = model.summary(some)
        assert summary.purity[0] == 1.0 or len(some) == 1
        assert (summary.columns, len(summary.doubtful)) == (((),), 0)
        assert repr(summary).splitlines()[-1] == f"1 cluster of {len(some)} rows"


def test_in_a_pipeline_the_last_step_has_it(global_random_seed):
    X = rows(global_random_seed)
    pipeline = make_pipeline(StandardScaler(), SpectralNetClustering(3, random_state=0))
    labels = pipeline.fit_predict(X)
    summary = pipeline[-1].summary(pipeline[:-1].transform(X))
    assert_array_equal(summary.sizes, np.bincount(labels))


def test_nothing_is_changed(model, X):
    before, kept = X.copy(), dict(vars(model))
    model.summary(X, restarts=1)
    assert_array_equal(X, before)
    assert vars(model) == kept


def test_what_is_refused(model, X):
    with pytest.raises(NotFittedError):
        SpectralNetClustering(3).summary(X)
    with pytest.raises(ValueError, match="features"):
        model.summary(X[:, :2])
    for name in ("n_exemplars", "n_columns", "n_doubtful", "restarts"):
        for value in (-1, 1.5, "two", None, True):
            with pytest.raises(ValueError, match=f"{name} must be a whole number"):
                model.summary(X, **{name: value})
