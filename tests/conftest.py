"""Seeds, threads and data that the tests share."""

import ipaddress
import logging
import os
import socket
import sys
import time

# One thread for each worker, before torch is imported: the tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.datasets import make_blobs

from skspectralnet import SpectralNetClustering, SpectralNetEmbedding

_SEED_VARIABLE = "SKSPECTRALNET_TESTS_GLOBAL_RANDOM_SEED"


def _refuse_other_machines(event, args):
    """A hook of Python's audit events: a connection goes to this machine or nowhere."""
    if event not in ("socket.connect", "socket.sendto"):
        return
    sock, address = args
    if event == "socket.connect" and sock.type != socket.SOCK_STREAM:
        return  # sends nothing: so dask asks the system for the machine's own address
    if not isinstance(address, tuple) or address[0] in ("", "localhost"):
        return  # no address of the internet
    try:
        here = ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        here = False
    if not here:
        raise RuntimeError(f"the tests use no network, but asked for {address}")


def pytest_configure(config):
    sys.addaudithook(_refuse_other_machines)


def _global_random_seeds():
    """The seeds asked for in the environment: ``7``, ``0-9``; 42 by default."""
    asked = os.environ.get(_SEED_VARIABLE, "42")
    first, _, last = asked.partition("-")
    return list(range(int(first), int(last or first) + 1))


def pytest_generate_tests(metafunc):
    if "global_random_seed" in metafunc.fixturenames:
        metafunc.parametrize("global_random_seed", _global_random_seeds())


def pytest_report_header(config):
    return (
        f"{_SEED_VARIABLE}={os.environ.get(_SEED_VARIABLE, '42')}, "
        f"torch {torch.__version__} with {torch.get_num_threads()} threads"
    )


@pytest.fixture
def rng(global_random_seed):
    """A numpy random state of the test's own."""
    return np.random.RandomState(global_random_seed)


@pytest.fixture
def collected(monkeypatch):
    """Keeps all that a function of a module returns from now on: the list of it."""

    def collect(module, name):
        made, original = [], getattr(module, name)

        def spy(*args):
            made.append(original(*args))
            return made[-1]

        monkeypatch.setattr(module, name, spy)
        return made

    return collect


@pytest.fixture(scope="session")
def blobs():
    """Three blobs with clear gaps: 150 rows, 4 columns, and their labels."""
    centers = [[0, 0, 0, 0], [6, 0, 6, 0], [0, 7, 0, 7]]
    return make_blobs(n_samples=150, centers=centers, cluster_std=0.5, random_state=0)


@pytest.fixture(scope="module")
def client():
    """A client of dask: two workers of one thread in this process."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def processes():
    """A client of two workers of dask in processes of their own."""
    dask, distributed = map(pytest.importorskip, ("dask", "distributed"))
    # One that was killed imports torch again, which takes longer on a busy machine
    # than a local cluster waits by default.
    patience = {"distributed.deploy.lost-worker-timeout": "300s"}
    with (
        dask.config.set(patience),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def nothing_runs():
    """Whether the workers of a client do nothing and keep nothing, after a while."""

    def found(client):
        for _ in range(100):
            if not (any(client.processing().values()) or client.who_has()):
                return True
            time.sleep(0.05)
        return False

    return found


@pytest.fixture(scope="session")
def four_blobs():
    """So many rows of four blobs in three columns, the rows of a blob together."""

    def made(n_rows):
        centers = [[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]]
        X, y = make_blobs(n_rows, centers=centers, random_state=0)
        order = np.argsort(y, kind="stable")
        return X[order], y[order]

    return made


@pytest.fixture(scope="session")
def sorted_blobs(four_blobs):
    """800 rows of four blobs, the rows of a blob together."""
    return four_blobs(800)


@pytest.fixture(scope="session")
def assert_same_map():
    """Asserts that two models have the same map and centres, bit for bit."""

    def check(one, other):
        for name in ("eigenvalues_", "loss_curve_", "cluster_centers_"):
            assert_array_equal(getattr(one, name), getattr(other, name))
        weights = [m.network_.state_dict() for m in (one, other)]
        for name, value in weights[0].items():
            assert torch.equal(value, weights[1][name]), name

    return check


class Elsewhere:
    """Rows in a file, as far as a reader can tell: only slices, each one counted."""

    def __init__(self, X):
        self._rows = X
        self.shape, self.dtype = X.shape, X.dtype
        self.largest_read = self.n_read = 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        block = self._rows[rows]
        self.largest_read = max(self.largest_read, len(block))
        self.n_read += len(block)
        return block.tolist()  # not an ndarray: numpy can read it

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read as a whole")


@pytest.fixture
def elsewhere():
    return Elsewhere


def _learned(model):
    """Everything that a fit has learned, as arrays."""
    names = ["loss_curve_"]
    if isinstance(model, SpectralNetClustering | SpectralNetEmbedding):
        names += ["eigenvalues_", "component_weights_"]
    names += {"labels_", "cluster_centers_", "embedding_"} & set(vars(model))
    found = {name: getattr(model, name) for name in names}
    for name, tensor in model.network_.state_dict().items():
        if name not in ("center", "scale"):  # of the rows: units make no difference
            found[f"network_.{name}"] = tensor.numpy()
    return found


def _assert_same_results(one, other):
    one, other = _learned(one), _learned(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert_array_equal(value, other[name], err_msg=name)


@pytest.fixture
def assert_same_results():
    """Fails where two fitted models differ in a bit."""
    return _assert_same_results
