"""Encoder and metric learner as one frozen object."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.preprocessing import StandardScaler

from skspectralnet._constraints import known_pairs
from skspectralnet._stages import (
    StageParameters,
    encoded_rows,
    fit_learner,
    metric_for,
)
from skspectralnet._tasks import FitTask
from skspectralnet._validation import NoContext


def fitted(X, constraints=None, seed=0, **params):
    defaults = {"encoder": None, "metric_learner": None, "metric": "euclidean"}
    defaults |= {"network_input": "metric", "verbose": 0, "device": "cpu"}
    task = FitTask(NoContext(), None, X, None)
    rng = np.random.RandomState(seed)
    wanted = StageParameters(**defaults | params)
    encoded = encoded_rows(X, None, wanted, constraints, rng, task)
    return fit_learner(encoded, wanted, constraints, rng, task)


@pytest.fixture(name="X")
def some_rows(rng):
    return rng.normal(size=(60, 5)) + 3.0


def test_without_stages_rows_are_points(X):
    stages, inputs, points, directed = fitted(X)
    assert directed is None
    assert inputs is points is X
    assert stages.codes(X) is stages.points(X) is stages.inputs(X) is X


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("network_input", ["metric", "code"])
def test_new_rows_go_the_way_of_the_fit(metric, network_input, X):
    both = {"encoder": PCA(3), "metric_learner": StandardScaler()}
    stages, inputs, points, _ = fitted(
        X, metric=metric, network_input=network_input, **both
    )
    codes = PCA(3).fit_transform(X)
    if metric == "cosine":
        codes = codes / np.linalg.norm(codes, axis=1)[:, None]
    expected = StandardScaler().fit_transform(codes)
    assert_allclose(stages.codes(X), codes, rtol=1e-10)
    assert_allclose(points, expected, rtol=1e-10)
    assert_array_equal(stages.points(X), points)
    assert_array_equal(stages.inputs(X), inputs)
    assert_allclose(inputs, codes if network_input == "code" else expected)
    assert_array_equal(stages.points(X[7:9]), stages.points_of(stages.codes(X[7:9])))


def test_stages_are_frozen(X):
    stages = fitted(X).stages
    with pytest.raises(AttributeError):
        stages.metric = "cosine"


def test_auto_encoder_by_kind_of_rows(rng):
    wide = rng.normal(size=(70, 60))
    kinds = [
        (wide[:, :50], {}, type(None)),
        (wide, {}, PCA),
        (wide, {"metric": "cosine"}, TruncatedSVD),
        (sparse.csr_array(wide), {}, TruncatedSVD),
    ]
    for rows, params, expected in kinds:
        stages = fitted(rows, encoder="auto", **params).stages
        assert type(stages.encoder) is expected


class Seen(StandardScaler):
    """Keeps what it is fitted on."""

    def fit(self, X, y=None):
        self.seen_ = X
        return super().fit(X, y)


def test_a_learner_sees_the_codes_that_have_a_direction(X):
    X[::3] = 0.0
    params = {"metric": "cosine", "metric_learner": Seen()}
    found = fitted(X, **params)
    assert_array_equal(found.directed, np.flatnonzero(np.arange(60) % 3))
    assert_array_equal(
        found.stages.metric_learner.seen_, found.stages.codes(X)[found.directed]
    )
    assert len(found.points) == 60
    only = found.only_directed()
    assert only.inputs is only.points
    assert_array_equal(only.points, found.points[found.directed])
    assert fitted(X * (np.arange(60) == 1)[:, None], **params).directed is None


class Told(TransformerMixin, BaseEstimator):
    """A metric learner that takes labels, and no links."""

    def fit(self, X, y=None, partial_labels=None):
        self.told_ = partial_labels
        return self

    def transform(self, X):
        return X


def test_a_learner_is_told_what_its_fit_takes(X):
    labels = np.where(np.arange(60) < 30, 0, -1)
    known = known_pairs(60, labels, must_link=[[40, 41]])
    told = fitted(X, known, metric_learner=Told()).stages.metric_learner.told_
    assert_array_equal(told, labels)
    assert fitted(X, metric_learner=Told()).stages.metric_learner.told_ is None
    scaled = fitted(X, known, metric_learner=StandardScaler()).points
    assert_array_equal(scaled, StandardScaler().fit_transform(X))


@pytest.mark.parametrize("parameter", ["encoder", "metric_learner"])
def test_a_stage_that_its_solver_cannot_fit_is_named(parameter):
    """PCA of equal sparse rows: ARPACK is given a start vector of zeros."""
    X = sparse.csr_array(np.full((30, 3), 0.1))
    with pytest.raises(ValueError, match=rf"{parameter}=PCA.* could not be fitted"):
        fitted(X, **{parameter: PCA(1)})


def unit_rows(rng, n_columns=60):
    X = rng.exponential(size=(40, n_columns))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


ALL_OF_ONE_LENGTH = {
    "unit": lambda X: X,
    "longer": lambda X: 1e6 * X,
    "half precision": lambda X: X.astype(np.float16).astype(np.float32),
    "signs": np.sign,
    "some of zeros": lambda X: X * (np.arange(len(X)) % 3 > 0)[:, None],
}
OTHERS = {
    "as drawn": lambda X: X * np.linspace(1.0, 2.0, len(X))[:, None],
    "moved": lambda X: X + 1.0,
    "one longer": lambda X: X * (1.0 + 0.01 * (np.arange(len(X)) == 7))[:, None],
    "narrow": lambda X: X[:, :50] / np.linalg.norm(X[:, :50], axis=1)[:, None],
    "zeros": lambda X: 0.0 * X,
    "beyond floats": lambda X: 1e200 * X,
}


@pytest.mark.parametrize("change", ALL_OF_ONE_LENGTH.values(), ids=ALL_OF_ONE_LENGTH)
def test_reduced_sparse_rows_of_one_length_are_compared_by_angle(change, rng):
    dense = change(unit_rows(rng))
    X = sparse.csr_array(dense)
    assert metric_for(X, "auto", "auto") == "cosine"
    assert metric_for(dense, "auto", "auto") == "euclidean"
    assert metric_for(X, "euclidean", "auto") == "euclidean"
    for encoder in (None, "autoencoder", PCA(3)):
        assert metric_for(X, "auto", encoder) == "euclidean"


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_other_rows_are_compared_by_distance(change, rng):
    X = sparse.csr_array(change(unit_rows(rng)))
    assert metric_for(X, "auto", "auto") == "euclidean"
    assert metric_for(X, "cosine", "auto") == "cosine"
