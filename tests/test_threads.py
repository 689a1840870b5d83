"""Calls at the same time: one model in many threads, many fits, and other processes."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

N_THREADS, N_CALLS, N_FITS = 16, 50, 8
SHORT = {"max_iter": 2, "random_state": 0}
MODELS = {
    "plain": SpectralNetClustering(
        3, metric_learner=None, contamination=0.05, activation="gelu", **SHORT
    ),
    "stages": SpectralNetClustering(
        3,
        encoder=Autoencoder(3, **SHORT),
        metric_learner=SiameseEmbedding(2, **SHORT),
        assign_labels="mixture",
        **SHORT,
    ),
    "embedding": SpectralNetEmbedding(2, **SHORT),
    "autoencoder": Autoencoder(2, **SHORT),
    "siamese": SiameseEmbedding(2, **SHORT),
}
METHODS = ("transform", "predict", "predict_proba", "score_samples")
each = pytest.mark.parametrize("name", MODELS)


def rows(seed=0):
    return make_blobs(120, centers=3, n_features=5, random_state=seed)[0]


def answers(model, X):
    """What all methods say of some rows."""
    names = [name for name in METHODS if hasattr(model, name)]
    return [np.asarray(getattr(model, name)(X)) for name in names]


def fitted_and_asked(estimator, seed, X):
    return answers(clone(estimator).set_params(random_state=seed).fit(X), X)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def together(calls):
    """What functions return that begin at the same moment, each in its own thread."""
    start = threading.Barrier(len(calls))

    def call(function):
        start.wait()
        return function()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "stages" else [])
        for name in MODELS
    ],
)
def test_one_model_answers_many_threads(name):
    """Sixteen threads, fifty calls each, of all methods in turn."""
    model, batches = clone(MODELS[name]).fit(rows()), [rows(1)[:n] for n in (1, 7, 120)]
    calls = [
        (method, X) for X in batches for method in METHODS if hasattr(model, method)
    ]
    expected = [getattr(model, method)(X) for method, X in calls]

    def ask():
        found = []
        for i in range(N_CALLS):
            method, X = calls[i % len(calls)]
            found.append(getattr(model, method)(X))
        return found

    for found in together([ask] * N_THREADS):
        assert len(found) == N_CALLS
        for i, said in enumerate(found):
            assert_array_equal(said, expected[i % len(calls)])


def assert_fits_together_are_those_in_a_row(estimator, n_rounds):
    X = rows()
    for first in range(0, N_FITS * n_rounds, N_FITS):
        seeds = range(first, first + N_FITS)
        calls = [
            lambda seed=seed: fitted_and_asked(estimator, seed, X) for seed in seeds
        ]
        for seed, found in zip(seeds, together(calls), strict=True):
            assert_equal(found, fitted_and_asked(estimator, seed, X))


def test_eight_fits_at_once_are_those_in_a_row():
    assert_fits_together_are_those_in_a_row(MODELS["siamese"], 1)


@pytest.mark.slow
@each
def test_many_fits_at_once_are_those_in_a_row(name):
    """Eight at once, twenty times."""
    assert_fits_together_are_those_in_a_row(MODELS[name], 20)


def test_a_fit_of_one_model_does_not_disturb_the_answers_of_another():
    model, X = clone(MODELS["embedding"]).fit(rows()), rows(1)
    expected = answers(model, X)
    done = threading.Event()

    def fit():
        clone(MODELS["stages"]).fit(X)
        done.set()

    def ask():
        found = [answers(model, X)]
        while not done.is_set():
            found.append(answers(model, X))
        return found

    for found in together([fit, ask, ask])[1:]:
        for said in found:
            assert_equal(said, expected)


@pytest.mark.parametrize(
    "backend",
    ["threading", pytest.param("loky", marks=pytest.mark.slow)],
)
def test_jobs_of_joblib(backend):
    X, estimator = rows(), MODELS["embedding"]
    jobs = joblib.Parallel(2, backend=backend)
    fits = jobs(joblib.delayed(clone(estimator).fit)(X) for _ in range(4))
    expected = fitted_and_asked(estimator, 0, X)
    for model in fits:
        assert_equal(answers(model, X), expected)
    # And the other way round: one model, many workers.
    for said in jobs(joblib.delayed(answers)(fits[0], X) for _ in range(8)):
        assert_equal(said, expected)


@pytest.mark.slow
def test_threads_of_python_and_of_openmp_together():
    """All above once more where each call takes two threads of its own."""
    call = [sys.executable, "-m", "pytest", "-q", "-n", "0", __file__]
    call += ["-k", "many_threads or at_once or disturb", "-m", "not slow"]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run(call, check=True, env=environment)  # noqa: S603
