"""scikit-learn's own checks on default parameters, all but two as they are."""

import os
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from packaging.version import Version
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

ESTIMATORS = [
    SpectralNetClustering(),
    SpectralNetEmbedding(),
    Autoencoder(),
    SiameseEmbedding(),
]
OTHER_WAYS = [
    SpectralNetClustering(assign_labels="cluster_qr"),
    SpectralNetClustering(assign_labels="mixture"),
    SpectralNetClustering(contamination=0.2),
]
# scikit-learn 1.9 yields so many; other versions have a few more or fewer.
YIELDED = {
    "SpectralNetClustering": 59,
    "SpectralNetEmbedding": 55,
    "Autoencoder": 47,
    "SiameseEmbedding": 55,
}
# Public checks that check_estimator leaves out.
NOT_YIELDED = [
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]

each = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)


@parametrize_with_checks(ESTIMATORS)
def test_yielded_checks(estimator, check):
    check(estimator)


def failures_of(estimator):
    """Checks that cannot pass with these parameters, with the reason."""
    if estimator.assign_labels != "mixture":
        return {}
    # tests/test_bad_input.py fits sparse rows.
    reason = "takes what has predict_proba for a classifier of four classes"
    weighs = "the Gaussians of scikit-learn take no weights"
    return {
        "check_estimator_sparse_array": reason,
        "check_estimator_sparse_matrix": reason,
        "check_sample_weight_equivalence_on_dense_data": weighs,
        "check_sample_weight_equivalence_on_sparse_data": weighs,
        "check_sample_weights_not_overwritten": weighs,
    }


@pytest.mark.slow
@parametrize_with_checks(OTHER_WAYS, expected_failed_checks=failures_of)
def test_yielded_checks_of_other_labels(estimator, check):
    check(estimator)


@each
def test_how_many_checks_are_yielded(estimator):
    count = len(list(estimator_checks_generator(estimator)))
    expected = YIELDED[type(estimator).__name__]
    print(f"scikit-learn {sklearn.__version__}: {count} checks")
    if sklearn.__version__.startswith("1.9."):
        assert count == expected
    else:
        assert abs(count - expected) <= 6


@each
@pytest.mark.parametrize("name", NOT_YIELDED)
def test_checks_that_are_not_yielded(estimator, name):
    check = getattr(estimator_checks, name, None)
    if check is None:
        pytest.skip(f"scikit-learn {sklearn.__version__} has no {name}")
    estimator = clone(estimator)
    if "output" in name:
        # A dozen fits, of which only the containers and the names of columns are looked
        # at: they do not depend on the epochs.
        estimator.set_params(max_iter=2)
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("kind", ["NotAnArray", "PandasDataframe"])
def test_data_that_are_not_an_array(kind):
    # For estimators with a predict; check_transformer_data_not_an_array has the other.
    X, y = make_blobs(n_samples=30, random_state=0)
    estimator_checks.check_estimators_data_not_an_array(
        "SpectralNetClustering", SpectralNetClustering(), X, y, kind
    )


def run_alone(code, **environment):
    """Run code in a process of its own and return what it prints."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


ARRAY_API_CHECKS = """
import skspectralnet
from sklearn.utils import estimator_checks
for name in NAMES:
    estimator = getattr(skspectralnet, name)()
    for e, check in estimator_checks.estimator_checks_generator(estimator):
        if "array_api" in str(check):
            check(e)
            print("ran")
    estimator_checks.check_array_api_input_and_values(name, estimator, "numpy")
    print("ran")
""".replace("NAMES", repr(list(YIELDED)))


@pytest.mark.slow
def test_array_api_checks_run_in_their_own_process():
    # A check that is skipped raises SkipTest, and the process would fail.
    if Version(sklearn.__version__) < Version("1.7"):
        pytest.importorskip("array_api_compat", reason="later versions bring it along")
    assert run_alone(ARRAY_API_CHECKS, SCIPY_ARRAY_API="1") == ["ran"] * 8


ALL_CHECKS = """
import skspectralnet, torch
from sklearn.utils.estimator_checks import check_estimator
print(torch.get_num_threads())
for name in NAMES:
    estimator = getattr(skspectralnet, name)()
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"] for r in results if r["status"] != "passed"}
    assert not failed, failed
    print(len(results))
""".replace("NAMES", repr(list(YIELDED)))


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_all_checks_with_array_api_and_threads(threads):
    printed = run_alone(ALL_CHECKS, SCIPY_ARRAY_API="1", OMP_NUM_THREADS=str(threads))
    assert printed[0] == str(threads)
    if sklearn.__version__.startswith("1.9."):
        assert list(map(int, printed[1:])) == list(YIELDED.values())


# --- float32 twins of the checks that scikit-learn makes on float64 rows


def seeded(estimator, **sizes):
    known = estimator.get_params()
    sizes = {name: value for name, value in sizes.items() if name in known}
    return clone(estimator).set_params(random_state=1, **sizes)


def outputs(fitted, X):
    """What the fitted model says of the rows, by method."""
    methods = ("transform", "predict")
    return {name: getattr(fitted, name)(X) for name in methods if hasattr(fitted, name)}


def assert_close(found, expected):
    for name, value in expected.items():
        if name == "predict":
            assert_array_equal(found[name], value)
        else:
            assert found[name].dtype == np.float32
            assert_allclose(found[name], value, rtol=1e-4, atol=1e-7)


@each
@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_float32_subset_invariance(estimator, n_clusters, rng):
    X = (3 * rng.uniform(size=(20, 3))).astype(np.float32)
    fitted = seeded(estimator, n_clusters=n_clusters).fit(X)
    rows = [outputs(fitted, X[i : i + 1]) for i in range(len(X))]
    alone = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    assert_close(alone, outputs(fitted, X))


@each
@pytest.mark.parametrize("n_clusters", [2, 5])
def test_float32_sample_order_invariance(estimator, n_clusters, rng):
    X = (3 * rng.uniform(size=(20, 3))).astype(np.float32)
    fitted = seeded(estimator, n_clusters=n_clusters).fit(X)
    order = rng.permutation(len(X))
    expected = {name: value[order] for name, value in outputs(fitted, X).items()}
    assert_close(outputs(fitted, X[order]), expected)


@each
def test_float32_fit_idempotent(estimator, rng):
    X = rng.normal(loc=100, size=(100, 2)).astype(np.float32)
    train, test = next(ShuffleSplit(test_size=0.2, random_state=0).split(X))
    fitted = seeded(estimator).fit(X[train])
    once = outputs(fitted, X[test])
    again = outputs(fitted.fit(X[train]), X[test])
    for name, value in once.items():
        assert_array_equal(again[name], value)


@each
def test_float32_pipeline_consistency(estimator):
    X = make_blobs(30, centers=[[0, 0, 0], [1, 1, 1]], cluster_std=0.1, random_state=0)
    X = X[0].astype(np.float32)
    fitted, pipe = seeded(estimator).fit(X), make_pipeline(seeded(estimator)).fit(X)
    assert_array_equal(fitted.transform(X), pipe.transform(X))
    if isinstance(fitted, SpectralNetClustering):
        assert fitted.score(X) == pipe.score(X)


@each
def test_float32_fit_transform_consistency(estimator):
    X = make_blobs(30, centers=[[0, 0, 0], [1, 1, 1]], cluster_std=0.1, random_state=0)
    X = X[0].astype(np.float32)
    fitted = seeded(estimator).fit(X)
    assert_array_equal(seeded(estimator).fit_transform(X), fitted.transform(X))
    lists = seeded(estimator).fit(X.tolist())
    assert_allclose(lists.transform(X.tolist()), fitted.transform(X), atol=1e-4)
