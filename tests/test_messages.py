"""Typical mistakes of who knows other packages: what the message says of each.

It names the argument, says what came and what to do. `test_bad_input.py` asks whether
anything else is changed, or worked, after bad input.
"""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import (
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

X, Y = make_blobs(
    60, centers=[[0, 0, 0], [8, 0, 8], [0, 9, 0]], cluster_std=0.5, random_state=0
)
FRAME = pd.DataFrame(X, columns=["age", "income", "debt"])
A = np.exp(-((X[:, None] - X[None]) ** 2).sum(axis=2))
SOME = np.where(np.arange(60) % 4 == 0, Y, -1)


def model(n_clusters=3, **params):
    params = {"metric_learner": None, "max_iter": 2, "random_state": 0, **params}
    return SpectralNetClustering(n_clusters, **params)


def with_cell(value, column="income"):
    frame = FRAME.astype(object) if isinstance(value, str) else FRAME.copy()
    frame.loc[3, column] = value
    return frame


def fitted(X=X, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model(**params).fit(X)


def fits(*args, **known):
    """A call that fits, and the parameters of the model in `known`."""
    names = {"partial_labels", "must_link", "cannot_link", "graph"} & set(known)
    given = {name: known.pop(name) for name in names}
    return lambda: model(**known).fit(*(args or (X,)), **given)


def of_value(argument, value, came, to_do):
    """A parameter with a value that it does not take."""
    said = rf"The '{argument}' parameter", rf"Got {came} instead", to_do
    return argument, fits(**{argument: value}), ValueError, said


def of_name(argument, value, to_do):
    """A parameter that is called otherwise here."""
    said = rf"no parameter '{argument}'", rf"got {argument}={value!r}", to_do
    return argument, lambda: model(**{argument: value}), TypeError, said


def of_rows(name, rows, error, came, to_do):
    """Rows that cannot be used."""
    return name, fits(rows), error, (r"\bX\b", came, to_do)


def of_known(argument, value, came, to_do, **params):
    """Knowledge about the rows that cannot be used."""
    said = rf"\b{argument}\b", came, to_do
    return argument, fits(**{argument: value}, **params), ValueError, said


def of_new(method, rows, came, to_do, named="X", frame=False):
    """New rows that cannot be used."""

    def call():
        return getattr(fitted(FRAME if frame else X), method)(rows)

    return method, call, ValueError, (named, came, to_do)


INSTEAD = r"fit\(X, graph=A\)"

MISTAKES = [
    # SpectralClustering
    of_value(
        "affinity", "precomputed", "'precomputed'", rf"{INSTEAD}.*SpectralCluster"
    ),
    of_value("affinity", "precomputed_nearest_neighbors", "'precomp.*'", INSTEAD),
    of_value("affinity", "knn", "'knn'", "'nearest_neighbors'"),
    of_value("affinity", "cosine", "'cosine'", "metric='cosine'"),
    of_value("affinity", "rfb", "'rfb'", "Did you mean 'rbf'"),
    of_value("assign_labels", "discretize", "'discretize'", "take 'cluster_qr'"),
    of_value("gamma", "scale", "'scale'", "must be a float in the range"),
    of_value("laplacian", "normed", "'normed'", "'symmetric'"),
    of_name("eigen_solver", "arpack", "init='spectral'.*max_iter"),
    of_name("n_jobs", -1, "torch.set_num_threads"),
    of_name("kernel_params", {}, "affinity=lambda points"),
    ("X", fits(A), UserWarning, (r"X has", r"\(60, 60\) and is symmetric", INSTEAD)),
    # KMeans and mixtures
    of_value("n_clusters", True, "True", "must be an int"),
    of_value("n_clusters", "3", "'3'", "without quotes: n_clusters=3"),
    of_value("n_clusters", 3.0, "3.0", "n_clusters=3"),
    of_value("n_clusters", None, "None", "'auto'"),
    of_value("n_clusters", 0, "0", r"range \[1, inf\)"),
    of_value("n_init", "auto", "'auto'", "number of starts"),
    of_value("init", "k-means++", r"'k-means\+\+'", "n_init"),
    of_value("random_state", np.random.default_rng(0), "Generator.*", r"rng\.integers"),
    of_value("assign_labels", "gmm", "'gmm'", "'mixture'"),
    ("clusters", fits(n_clusters=99), ValueError, ("n_clusters=99", "=60", "lower")),
    (
        "equal rows",
        fits(np.ones((60, 3))),
        ConvergenceWarning,
        ("n_clusters=3", "Only 1 cluster was found .* same embedding", "Lower n_clust"),
    ),
    # UMAP, HDBSCAN, IsolationForest, LabelSpreading
    of_value("metric", "precomputed", "'precomputed'", rf"exp\(-gamma .*{INSTEAD}"),
    of_value("metric", "manhattan", "'manhattan'", f"Transform X .*{INSTEAD}"),
    of_value("n_neighbors", "auto", "'auto'", "None"),
    of_value("contamination", "auto", "'auto'", "share, or None"),
    of_value("contamination", 0.6, "0.6", r"range \(0.0, 0.5\]"),
    of_name("min_cluster_size", 5, "n_clusters, or 'auto'; contamination"),
    of_name("min_dist", 0.1, "leave it out"),
    (
        "labels as y",
        fits(X, SOME),
        UserWarning,
        ("y is ignored", "-1 or NaN", r"fit\(X, partial_labels=y\)"),
    ),
    # networks
    of_value("activation", "swish", "'swish'", "'silu'"),
    of_value("batch_size", None, "None", "'auto'"),
    of_value("hidden_layer_sizes", 64.0, "64.0", "hidden_layer_sizes=64"),
    of_value("encoder", "pca", "'pca'", r"encoder=PCA\(20\)"),
    of_value("encoder", PCA, "<class .*PCA'>", r"an instance, encoder=PCA\(\)"),
    of_value("encoder", DBSCAN(), r"DBSCAN\(\)", "implementing 'fit' and 'transform'"),
    of_name("epochs", 5, "max_iter"),
    ("device", fits(device="gpu"), ValueError, ("device=", "'gpu'", "'cuda:0'")),
    (
        "a parameter of a stage",
        lambda: model().set_params(encoder__noise=0.1),
        ValueError,
        ("encoder__noise", "encoder='auto' is no", r"encoder=Autoencoder\(\)"),
    ),
    # rows
    of_rows("text", FRAME.assign(city="Rome"), ValueError, "'Rome'.*'city'", "OneHot"),
    of_rows(
        "dates",
        FRAME.assign(day=pd.Timestamp("2020-01-01")),
        TypeError,
        "no numbers in the column 'day'",
        "number of days",
    ),
    of_rows(
        "NaN", with_cell(np.nan), ValueError, "'income', first in row 3", "Imputer"
    ),
    of_rows(
        "infinite", with_cell(np.inf), ValueError, "infinity.*'income'", "replace these"
    ),
    of_rows(
        "NaN in a sparse matrix",
        sparse.csr_array(with_cell(np.nan)),
        ValueError,
        "gaps in the column 1, first in row 3",
        "SimpleImputer",
    ),
    of_rows("texts", ["a b", "c d"] * 30, ValueError, "'a b'", "TfidfVectorizer"),
    of_rows("a path", "rows.csv", ValueError, "'rows.csv'", "expected an array"),
    of_rows("nothing", None, ValueError, "None", "expected an array"),
    of_rows("a generator", iter(X), TypeError, "iterator", "expected an array"),
    of_rows("one column", X[:, 0], ValueError, r"\(60,\)", r"X.reshape\(-1, 1\)"),
    of_rows("images", X.reshape(20, 3, 3), ValueError, r"\(20, 3, 3\)", r"\(len\(X\)"),
    of_rows("lists", [[1, 2], [3]] * 9, ValueError, "different lengths", "expected an"),
    of_rows("complex", X * 1j, ValueError, "complex", "X.real"),
    # what is known beside rows
    of_known("graph", A[:30], r"\(30, 60\)", r"expected \(60, 60\)"),
    of_known("graph", kneighbors_graph(X, 5), "symmetric", r"0\.5 \* \(graph \+ graph"),
    of_known("graph", np.corrcoef(X), "weight -1", "at least 0"),
    of_known("graph", A * np.nan, "NaN.*row 0", "0 where there is no edge"),
    of_known("graph", "knn", "'knn'", "expected an array"),
    of_known("partial_labels", Y[:9], "9 entries for 60 rows", "one for each row"),
    of_known("partial_labels", np.array(["a", "b"])[Y % 2], "<U1", "LabelEncoder"),
    of_known("partial_labels", {0: 1}, "dict", "an entry for each row"),
    of_known("must_link", A > 0.5, r"\(60, 60\) and type bool", r"\(n_pairs, 2\)"),
    # a fitted model, or one that is not
    (
        "predict before fit",
        lambda: model().predict(X),
        NotFittedError,
        ("SpectralNetClustering", "not fitted yet", "Call 'fit'"),
    ),
    of_new("predict", X[:, :2], "X has 2 features", "expecting 3 features"),
    of_new("predict", with_cell("many"), "'many'.*'income'", "OneHot", frame=True),
    (
        "merge",
        lambda: fitted().merge(9),
        ValueError,
        ("n_clusters", "got 9", "from 1 to 3.*a new fit"),
    ),
]


def said_by(call, outcome):
    """What the one error or warning says, and what it was raised from."""
    if issubclass(outcome, Warning):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        texts = [str(w.message) for w in caught if w.category is outcome]
        texts = [text for text in texts if "still falling" not in text]
        assert len(texts) == 1, texts
        return texts[0]
    with pytest.raises(outcome) as error:
        call()
    return str(error.value)


@pytest.mark.parametrize(
    ("call", "outcome", "said"),
    [pytest.param(*mistake[1:], id=mistake[0]) for mistake in MISTAKES],
)
def test_what_a_mistake_is_told(call, outcome, said):
    text = said_by(call, outcome)
    for pattern in said:
        assert re.search(pattern, text, re.DOTALL), text
    assert len(text) < 600, text


def test_there_are_so_many():
    assert len(MISTAKES) == 66


@pytest.mark.parametrize("n_columns", [2, 9])
def test_columns_are_named_few_at_a_time(n_columns):
    frame = pd.DataFrame({f"c{i}": ["a", "b"] for i in range(n_columns)}).assign(d=1.0)
    with pytest.raises(ValueError, match="in the columns 'c0'") as error:
        model().fit(frame)
    named = re.findall(r"'(c\d|d)'", str(error.value))
    assert named == [f"c{i}" for i in range(min(n_columns, 5))]
    assert ("and 4 more" in str(error.value)) == (n_columns == 9)


@pytest.mark.parametrize(
    "y",
    [Y, np.where(Y == 0, -1, 1), Y / 7, np.array(["a", "b", "c"])[Y], None, [[1], 2]],
    ids=["labels", "signs", "numbers", "words", "none", "ragged"],
)
def test_a_y_to_compare_with_is_no_mistake(y):
    """Pipelines and searches hand on what their scorers need."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for estimator in (model(), SiameseEmbedding(2, max_iter=1)):
            estimator.fit(X, y)
            make_pipeline(StandardScaler(), estimator).fit(X, y)


def test_a_search_with_labels_to_score_by_is_no_mistake():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(
            model(), {"n_clusters": [2, 3]}, scoring="adjusted_rand_score", cv=2
        )
        search.fit(X, Y)


def test_labels_that_are_given_as_well_are_no_mistake():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model().fit(X, SOME, partial_labels=SOME)


@pytest.mark.parametrize("make", [np.eye, sparse.eye_array], ids=["dense", "sparse"])
def test_indicators_are_no_matrix_of_affinities(make):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model().fit(make(12))
    assert not [w for w in caught if "is symmetric" in str(w.message)]


def test_names_of_other_packages_are_free_in_subclasses():
    class Mine(SpectralNetEmbedding):
        def __init__(self, seed=None):
            super().__init__()
            self.seed = seed

    assert clone(Mine(seed=3)).seed == 3


@pytest.mark.parametrize("row", [0, 9000])
def test_a_row_is_numbered_in_the_whole_table(row):
    big = np.zeros((10_000, 3))
    big[row, 1] = np.nan
    with pytest.raises(ValueError, match=f"in the column 1, first in row {row}"):
        model().fit(big)


THREE = np.repeat(X[:3], 9, axis=0)  # different rows
FOUR = np.full(27, -1)  # labels: the last is of a row that the third is of
FOUR[[0, 9, 18, 26]] = np.arange(4)
WARNED = [
    ("a y with -1", lambda: model().fit(X, SOME)),
    ("in a pipeline", lambda: make_pipeline(StandardScaler(), model()).fit(X, SOME)),
    ("fit_predict", lambda: model().fit_predict(X, SOME)),
    ("a matrix of affinities", lambda: model().fit(A)),
    ("fewer distinct rows", lambda: model(5).fit(THREE)),
    ("labels without a cluster", lambda: model(5).fit(THREE, partial_labels=FOUR)),
    ("too many neighbours", lambda: model(n_neighbors=99, neighbors_in="data").fit(X)),
    ("not converged", lambda: model(neighbors_in="data").fit(X)),
    ("a search", lambda: GridSearchCV(model(), {"n_clusters": [3]}).fit(X, SOME)),
]


@pytest.mark.parametrize("call", [w[1] for w in WARNED], ids=[w[0] for w in WARNED])
def test_a_warning_points_at_the_line_of_the_user(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert caught
    assert {warning.filename for warning in caught} == {__file__}
