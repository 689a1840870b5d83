"""Kinds of rows, and estimators that hold ours: each row of the guide's table."""

import re
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import SpectralNetClustering, SpectralNetEmbedding

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "fits_in.rst"


def model(n_clusters=3, **params):
    return SpectralNetClustering(n_clusters, random_state=0, **params)


@pytest.fixture(scope="module")
def whole(blobs):
    """The blobs in whole numbers from 0, which all kinds of rows can hold."""
    X = np.round(10 * (blobs[0] - blobs[0].min()))
    assert 0 <= X.min() < X.max() < 256
    return X


# --- rows


def memory_map(X, folder):
    np.save(folder / "rows.npy", X)
    return np.load(folder / "rows.npy", mmap_mode="r")


def pandas(X, folder):
    frame = pytest.importorskip("pandas").DataFrame
    return frame(X, columns=[f"c{i}" for i in range(X.shape[1])])


def pandas_arrow(X, folder):
    pytest.importorskip("pyarrow")
    return pandas(X, folder).astype("float[pyarrow]")


def polars(X, folder):
    frame = pytest.importorskip("polars").DataFrame
    return frame(X, schema=[f"c{i}" for i in range(X.shape[1])])


def hdf5(X, folder):
    h5py = pytest.importorskip("h5py")
    return h5py.File(folder / "rows.h5", "w").create_dataset("X", data=X)


ROWS = {
    "lists": lambda X, folder: X.tolist(),
    "float64": lambda X, folder: X,
    "float32": lambda X, folder: X.astype(np.float32),
    "uint8": lambda X, folder: X.astype(np.uint8),
    "int64": lambda X, folder: X.astype(np.int64),
    "Fortran order": lambda X, folder: np.asfortranarray(X),
    "memory map": memory_map,
    "CSR matrix": lambda X, folder: sparse.csr_matrix(X),
    "CSR array": lambda X, folder: sparse.csr_array(X),
    "CSC array": lambda X, folder: sparse.csc_array(X),
    "pandas": pandas,
    "pandas, pyarrow types": pandas_arrow,
    "polars": polars,
    "torch tensor": lambda X, folder: torch.tensor(X),
    "HDF5": hdf5,
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows(kind, whole, tmp_path):
    X = ROWS[kind](whole, tmp_path)
    fitted = model().fit(X)
    assert_array_equal(fitted.labels_, model().fit(whole).labels_)
    assert_array_equal(fitted.predict(X), fitted.labels_)
    Z = SpectralNetEmbedding(2, max_iter=5, random_state=0).fit_transform(X)
    assert isinstance(Z, np.ndarray)
    assert Z.shape == (150, 2)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_out(library, whole, tmp_path):
    frames = pytest.importorskip(library)
    X = ROWS[library](whole, tmp_path)
    Z = model().set_output(transform=library).fit(X).transform(X)
    assert isinstance(Z, frames.DataFrame)
    assert_allclose(Z.to_numpy(), model().fit_transform(whole))


# --- estimators that hold ours


def pipeline(X, y):
    pipe = make_pipeline(StandardScaler(), model())
    return pipe.fit(X).predict(X)


def grid_search(X, y):
    grid = {"spectralnetclustering__n_clusters": [2, 3]}
    search = GridSearchCV(make_pipeline(StandardScaler(), model()), grid, cv=2)
    return search.fit(X).predict(X)


def randomized_search(X, y):
    grid = {"n_clusters": [2, 3], "n_neighbors": [5, 10, 15]}
    search = RandomizedSearchCV(model(), grid, n_iter=4, cv=2, random_state=0)
    return search.fit(X).predict(X)


def halving_search(X, y):
    grid = {"n_clusters": [2, 3, 4, 5]}
    search = HalvingGridSearchCV(model(), grid, cv=2, min_resources=40, random_state=0)
    return search.fit(X).predict(X)


def optuna_search(X, y):
    optuna = pytest.importorskip("optuna", reason="optuna is not installed")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        n_clusters = trial.suggest_int("n_clusters", 2, 4)
        return cross_val_score(model(n_clusters), X, cv=2).mean()

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.GridSampler({"n_clusters": [2, 3]}),
    )
    study.optimize(objective, n_trials=2)
    return model(**study.best_params).fit_predict(X)


def cross_validation(X, y):
    scores = cross_val_score(model(), X, y, cv=3, scoring="adjusted_rand_score")
    assert_array_equal(scores, 1.0)
    return model().fit_predict(X)


def column_transformer(X, y):
    columns = ColumnTransformer([("all", model(), [0, 1, 2, 3])])
    classifier = make_pipeline(columns, LogisticRegression())
    return classifier.fit(X, y).predict(X)


def feature_union(X, y):
    union = FeatureUnion([("pca", PCA(1)), ("net", SpectralNetEmbedding(2))])
    union.set_params(net__random_state=0, net__max_iter=20)
    return make_pipeline(union, LogisticRegression()).fit(X, y).predict(X)


def one_against_the_rest(X, y):
    step = make_pipeline(model(), LogisticRegression())
    return OneVsRestClassifier(step).fit(X, y).predict(X)


def metadata_routing(X, y):
    known = np.where(np.arange(len(X)) % 10 == 0, y, -1)
    with sklearn.config_context(enable_metadata_routing=True):
        step = model().set_fit_request(partial_labels=True)
        pipe = make_pipeline(StandardScaler(), step)
        labels = pipe.fit(X, partial_labels=known).predict(X)
    assert_array_equal(labels, y)  # by the numbers given
    return labels


def frozen(X, y):
    module = pytest.importorskip("sklearn.frozen")
    pipe = make_pipeline(module.FrozenEstimator(model().fit(X)))
    return pipe.fit(X[:10]).predict(X)


def joblib_threads(X, y):
    jobs = joblib.Parallel(n_jobs=2, backend="threading")
    found = jobs(joblib.delayed(model().fit_predict)(X) for _ in range(4))
    for labels in found[1:]:
        assert_array_equal(labels, found[0])
    return found[0]


HOLDERS = {
    "Pipeline": pipeline,
    "GridSearchCV": grid_search,
    "RandomizedSearchCV": randomized_search,
    "HalvingGridSearchCV": halving_search,
    "optuna": optuna_search,
    "cross_val_score": cross_validation,
    "ColumnTransformer": column_transformer,
    "FeatureUnion": feature_union,
    "OneVsRestClassifier": one_against_the_rest,
    "metadata routing": metadata_routing,
    "FrozenEstimator": frozen,
    "joblib": joblib_threads,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_holders(holder, blobs):
    X, y = blobs
    with warnings.catch_warnings():
        # A part of a search or a fold may end at max_iter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = HOLDERS[holder](X, y)
    assert adjusted_rand_score(y, labels) == 1.0


def test_the_guide_lists_what_is_tested():
    text = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^   \* - (.+)$", text, re.MULTILINE)
    headers = {"rows", "estimator"}
    assert set(listed) - headers == {*ROWS, *HOLDERS}
