"""Nothing outside the estimator changes, and nothing outside changes it."""

import logging
import os
import random
import socket
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
    _autoencoder,
    _siamese,
)

SPECTRAL = [
    SpectralNetClustering(3, random_state=0),
    SpectralNetEmbedding(2, random_state=0),
]
STAGES = [
    Autoencoder(2, max_iter=3, random_state=0),
    SiameseEmbedding(2, max_iter=3, random_state=0),
]
# All stages at once.
LEARNED = SpectralNetEmbedding(
    2, encoder=STAGES[0], metric_learner=STAGES[1], max_iter=30, random_state=0
)


def over(estimators):
    return pytest.mark.parametrize(
        "estimator", estimators, ids=lambda e: type(e).__name__
    )


each = over(SPECTRAL + STAGES)


def numpy_state():
    """The state of numpy's global generator."""
    return repr(np.random.get_state(legacy=False))  # noqa: NPY002


def snapshot():
    """Everything that the process shares with the package."""
    return {
        "torch generator": torch.get_rng_state().numpy().tobytes(),
        "numpy generator": numpy_state(),
        "python generator": random.getstate(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "interop threads": torch.get_num_interop_threads(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "anomaly mode": torch.is_anomaly_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "warning filters": list(warnings.filters),
        "warnings shown by": warnings.showwarning,
        "working directory": os.getcwd(),
        "files": sorted(os.listdir()),
        "environment": {k: v for k, v in os.environ.items() if "PYTEST" not in k},
        "log handlers": list(logging.getLogger().handlers),
        "log level": logging.getLogger().level,
        "numpy errors": np.geterr(),
        "numpy printing": np.get_printoptions(),
        "threads alive": threading.active_count(),
    }


@pytest.fixture
def unchanged(tmp_path, monkeypatch):
    """Fails the test if anything differs after it; runs it in an empty folder."""
    monkeypatch.chdir(tmp_path)
    # What torch imports and sets on first use is none of this package's doing.
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    before = snapshot()
    yield
    after = snapshot()
    changed = [name for name in before if before[name] != after[name]]
    assert not changed


@each
@pytest.mark.parametrize("verbose", [0, 1])
def test_fit_changes_nothing(estimator, verbose, blobs, unchanged):
    clone(estimator).set_params(verbose=verbose).fit(blobs[0])


@each
def test_fit_without_a_seed_changes_only_numpys_generator(estimator, blobs, unchanged):
    # random_state=None means numpy's global generator, as everywhere in scikit-learn.
    state, before = np.random.get_state(), numpy_state()  # noqa: NPY002
    clone(estimator).set_params(random_state=None).fit(blobs[0])
    assert numpy_state() != before
    np.random.set_state(state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        pytest.param(estimator, method, id=f"{type(estimator).__name__}-{method}")
        for method, estimators in {
            "transform": SPECTRAL + STAGES,
            "fit_transform": SPECTRAL + STAGES,
            "predict": SPECTRAL[:1],
            "score": SPECTRAL[:1],
        }.items()
        for estimator in estimators
    ],
)
def test_a_fitted_model_changes_nothing(estimator, method, blobs):
    fitted = clone(estimator).fit(blobs[0])
    before, attributes = snapshot(), dict(vars(fitted))
    getattr(fitted, method)(blobs[0])
    after = snapshot()
    assert [name for name in before if before[name] != after[name]] == []
    if method != "fit_transform":
        assert vars(fitted) == attributes


def interrupted(*args):
    raise KeyboardInterrupt


def broken(points):
    raise RuntimeError("of the user's own")


@over(SPECTRAL)
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"affinity": interrupted}, KeyboardInterrupt),
        ({"affinity": broken}, RuntimeError),
        ({"affinity": lambda points: -1.0}, ValueError),
        ({"n_components": 10_000}, ValueError),
    ],
    ids=["interrupt", "user's error", "affinity", "components"],
)
def test_a_failed_graph_changes_nothing(estimator, params, error, blobs, unchanged):
    with pytest.raises(error):
        clone(estimator).set_params(**params).fit(blobs[0])


@each
@pytest.mark.parametrize(
    "params",
    [{"device": "nowhere"}, {"learning_rate_init": -1}, {"hidden_layer_sizes": ()}],
    ids=["device", "parameter", "layers"],
)
def test_a_failed_fit_changes_nothing(estimator, params, blobs, unchanged):
    with pytest.raises(ValueError, match=next(iter(params))):
        clone(estimator).set_params(**params).fit(blobs[0])


@pytest.mark.parametrize(
    "estimator", [SPECTRAL[0], STAGES[1]], ids=["spectral", "siamese"]
)
def test_contradictory_labels_change_nothing(estimator, blobs, unchanged):
    known = {"partial_labels": np.arange(150) % 3, "must_link": [[0, 1]]}
    with pytest.raises(ValueError, match="Contradiction"):
        clone(estimator).fit(blobs[0], **known)


@over(SPECTRAL)
def test_a_fit_with_a_warning_changes_nothing(estimator, blobs, unchanged):
    estimator = clone(estimator).set_params(max_iter=1)
    if isinstance(estimator, SpectralNetEmbedding):
        estimator.set_params(neighbors_in="batch", init="random")
    with pytest.warns(UserWarning, match="max_iter=1"):
        estimator.fit(blobs[0])


@over(STAGES)
def test_an_interrupted_fit_changes_nothing(estimator, blobs, unchanged, monkeypatch):
    for module, loss in ((_autoencoder, "_denoising_loss"), (_siamese, "_pair_loss")):
        monkeypatch.setattr(module, loss, interrupted)
    with pytest.raises(KeyboardInterrupt, match="before the first epoch"):
        clone(estimator).fit(blobs[0])


def test_learned_stages_change_nothing(blobs, unchanged):
    X, y = blobs
    clone(LEARNED).fit(X, partial_labels=np.where(np.arange(150) % 5, -1, y))


# --- hostile globals


class DefaultDtype:
    def __init__(self, dtype):
        self.dtype = dtype

    def __enter__(self):
        self.before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)

    def __exit__(self, *error):
        torch.set_default_dtype(self.before)


class Deterministic:
    def __enter__(self):
        torch.use_deterministic_algorithms(True)

    def __exit__(self, *error):
        torch.use_deterministic_algorithms(False)


class WarningsAreErrors(warnings.catch_warnings):
    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("error")


class OtherSeeds:
    def __enter__(self):
        torch.manual_seed(987)
        np.random.seed(654)  # noqa: NPY002
        random.seed(321)

    def __exit__(self, *error):
        pass


HOSTILE = {
    "float64 by default": lambda: DefaultDtype(torch.float64),
    "float16 by default": lambda: DefaultDtype(torch.float16),
    "bfloat16 by default": lambda: DefaultDtype(torch.bfloat16),
    "meta device": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "deterministic algorithms": Deterministic,
    "numpy errors raise": lambda: np.errstate(all="raise"),
    "warnings are errors": WarningsAreErrors,
    "other seeds": OtherSeeds,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
}


@each
@pytest.mark.parametrize("name", sorted(HOSTILE))
@pytest.mark.filterwarnings("ignore:Anomaly Detection:UserWarning")
def test_immune_to_hostile_globals(estimator, name, blobs):
    X, _ = blobs
    expected = clone(estimator).fit(X)
    Z = expected.transform(X)
    with HOSTILE[name]():
        fitted = clone(estimator).fit(X)
        inside = fitted.transform(X)
        of_other = expected.transform(X)
    assert_array_equal(inside, Z)
    assert_array_equal(of_other, Z)
    assert_array_equal(fitted.transform(X), Z)
    assert_array_equal(fitted.loss_curve_, expected.loss_curve_)
    if isinstance(fitted, SpectralNetClustering):
        assert_array_equal(fitted.labels_, expected.labels_)


# --- threads


@over([*SPECTRAL, *STAGES, LEARNED])
def test_fits_in_threads_equal_fits_in_a_row(estimator, blobs):
    X, _ = blobs

    def fit(seed):
        model = clone(estimator).set_params(random_state=seed)
        known = {"must_link": [[0, 1]]} if estimator is LEARNED else {}
        return model.fit(X, **known).transform(X)

    serial = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, [0, 1, 2, 3] * 2))
    for i, Z in enumerate(together):
        assert_array_equal(Z, serial[i % 4])


@each
def test_one_model_in_many_threads(estimator, blobs):
    X, _ = blobs
    fitted = clone(estimator).fit(X)
    Z = fitted.transform(X)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(fitted.transform, [X] * 40):
            assert_array_equal(found, Z)


def test_torch_keeps_its_threads_and_generator_in_another_thread(blobs):
    # Modes of torch are kept per thread: a fit in one leaves those of others alone.
    modes = []

    def fit():
        SpectralNetEmbedding(2, random_state=0).fit(blobs[0])
        modes.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))

    with torch.no_grad():
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
        assert not torch.is_grad_enabled()
    assert modes == [(True, False)]


def test_no_test_reaches_another_machine():
    """conftest.py refuses it for all tests, before a packet leaves."""
    for host, family in (
        ("192.0.2.1", socket.AF_INET),
        ("2001:db8::1", socket.AF_INET6),
    ):
        with (
            socket.socket(family) as sock,
            pytest.raises(RuntimeError, match="network"),
        ):
            sock.connect((host, 80))
    with pytest.raises(RuntimeError, match="no network, but asked for"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
