"""Forked processes, as servers and multiprocessing make them: they answer, too.

Each test runs this file in a process of its own, with two threads of OpenMP: one that
waits for threads which were not forked can then be ended. scikit-learn is imported
before torch: the other way round it would use the OpenMP of torch, here it has one of
its own.
"""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import sklearn.cluster
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_info

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

X, Y = make_blobs(3000, n_features=20, centers=3, random_state=0)
QUICK = {"max_iter": 2, "random_state": 0}
ESTIMATORS = {
    "clustering": SpectralNetClustering(3, subsample=300, **QUICK),
    "mixture": SpectralNetClustering(
        3, metric_learner=None, assign_labels="mixture", batch_size=500, **QUICK
    ),
    "embedding": SpectralNetEmbedding(2, encoder="autoencoder", subsample=600, **QUICK),
    "autoencoder": Autoencoder(2, **QUICK),
    "siamese": SiameseEmbedding(2, **QUICK),
}
# With weights of which torch shares the copying among its threads, too.
WIDE = SpectralNetClustering(
    3, metric_learner=None, hidden_layer_sizes=(300, 300), subsample=300, **QUICK
)


def methods(model):
    """What the methods of a fitted model return, by their names."""
    found = {"transform": model.transform(X)}
    for name in ("predict", "predict_proba", "score"):
        if hasattr(model, name):
            found[name] = getattr(model, name)(X)
    if hasattr(model, "inverse_transform"):
        found["inverse_transform"] = model.inverse_transform(found["transform"])
    if hasattr(model, "partial_fit"):
        before = pickle.dumps(model)
        found["partial_fit"] = model.partial_fit(X).cluster_centers_
        model.__setstate__(pickle.loads(before).__getstate__())  # noqa: S301
    return found


def forked(work):
    """What a function returns in a forked process, and what it has for threads."""
    reader, writer = multiprocessing.get_context("fork").Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            before = threads()
            result = work()
            assert threads() == before
            writer.send(result)
        except BaseException as error:
            writer.send(error)
        os._exit(0)
    assert reader.poll(60), "no answer from the forked process"
    result = reader.recv()
    os.waitpid(pid, 0)
    if isinstance(result, BaseException):
        raise result
    return result


def threads():
    """How many threads torch and the OpenMP libraries would take."""
    openmp = [x["num_threads"] for x in threadpool_info() if x["user_api"] == "openmp"]
    assert openmp
    return torch.get_num_threads(), openmp


def n_tasks():
    """The number of threads of any kind; 0 where the system keeps no list of them."""
    tasks = "/proc/self/task"
    return len(os.listdir(tasks)) if os.path.exists(tasks) else 0


def joined(thread, n_before):
    """Wait for the end of a thread and of those that it had for its loops.

    They end by themselves, after it. Each gives its memory back to MKL under a lock; a
    fork meanwhile copies the lock as it is, and the next product in the fork waits for
    ever, with torch alone as well.
    """
    thread.join()
    start = time.monotonic()
    while n_tasks() > n_before:
        assert time.monotonic() - start < 30, "threads of loops do not end"
        time.sleep(0.01)


def busy():
    """Start the threads of torch and of scikit-learn, so that they do not live on."""
    assert threads()[0] == 2
    square = torch.ones(600, 600)
    assert float((square @ square).mean()) == 600
    return sklearn.cluster.KMeans(3, n_init=1).fit(X).predict(X)


def fitted(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two epochs
        return estimator.fit(X)


# --- what the tests run


def every_method():
    for name, estimator in ESTIMATORS.items():
        model = fitted(estimator)
        busy()
        expected = methods(model)
        found = forked(lambda model=model: methods(model))
        assert found.keys() == expected.keys()
        for method, value in expected.items():
            message = f"{name}: {method}"
            assert_allclose(found[method], value, rtol=1e-9, atol=1e-9, err_msg=message)
        after = methods(model)["transform"]
        assert_allclose(after, expected["transform"], rtol=1e-9, atol=1e-9)


def every_fit():
    for name, estimator in ESTIMATORS.items():
        before = fitted(clone(estimator))
        busy()
        model = forked(lambda estimator=estimator: fitted(clone(estimator)))
        # The same training, but for the rounding of sums by two threads.
        loss = before.loss_curve_
        assert_allclose(model.loss_curve_, loss, rtol=0.1, err_msg=name)
        if hasattr(model, "predict"):
            assert adjusted_rand_score(Y, model.predict(X)) == 1.0


def twenty_forks():
    model = fitted(ESTIMATORS["clustering"])
    labels = model.predict(X)
    assert adjusted_rand_score(Y, labels) == 1.0
    for _ in range(20):
        assert_array_equal(forked(lambda: model.predict(X)), labels)

    found = forked(lambda: (model.predict(X), forked(lambda: model.predict(X))))
    for of_one in found:
        assert_array_equal(of_one, labels)


def twenty_forks_after_threads_were_set():
    torch.set_num_threads(2)  # matrix products no longer follow OpenMP
    twenty_forks()


def forks_and_threads():
    torch.set_num_threads(2)
    model, found = fitted(ESTIMATORS["clustering"]), []
    labels = model.predict(X)

    def fork():
        busy()
        found.append(forked(lambda: model.predict(X)))

    busy()
    n_before, thread = n_tasks(), threading.Thread(target=fork)
    thread.start()
    joined(thread, n_before)
    assert_array_equal(found[0], labels)

    def work():
        found, start = [], threading.Barrier(3)

        def predict():
            start.wait()
            found.append(model.predict(X))

        workers = [threading.Thread(target=predict) for _ in range(3)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        return [*found, model.predict(X)]

    for _ in range(5):
        found = forked(work)
        assert len(found) == 4
        for of_one in found:
            assert_array_equal(of_one, labels)


def models_that_are_sent():
    model = fitted(WIDE)
    labels = model.predict(X)
    busy()
    with multiprocessing.get_context("fork").Pool(2) as workers:
        # Each part takes the model with it: it is unpickled in the worker.
        parts = workers.map_async(model.predict, np.array_split(X, 6)).get(60)
    assert_array_equal(np.concatenate(parts), labels)
    rng = np.random.RandomState(0)
    wide = rng.normal(size=(100, 40_000)) + 100 * (np.arange(100) % 2)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Autoencoder(2, hidden_layer_sizes=8, max_iter=1).fit(wide)
    codes, written = model.transform(wide), pickle.dumps(model)
    found = forked(lambda: pickle.loads(written).transform(wide))  # noqa: S301
    assert_allclose(found, codes, rtol=1e-9, atol=1e-9)


def displays():
    import matplotlib

    matplotlib.use("agg")
    from skspectralnet.inspection import AffinityDisplay, NeighborPurityDisplay

    model = fitted(ESTIMATORS["mixture"])
    busy()

    def work():
        purity = NeighborPurityDisplay.from_estimator(model, X).purity
        return purity, AffinityDisplay.from_estimator(model, X).affinity

    for found, here in zip(forked(work), work(), strict=True):
        assert_allclose(found, here, rtol=1e-4, atol=1e-6)
    model = SiameseEmbedding(neighbors_algorithm="pynndescent", max_iter=1)
    with pytest.raises(ValueError, match=r"'pynndescent' .* forked process.*'exact'"):
        forked(lambda: model.fit(X[:100]))


# --- the tests


def run(name):
    """Run a function of this file in another process; fail where it does not end."""
    env = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    env.pop("MKL_NUM_THREADS", None)
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, __file__, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
        pytest.fail(f"{name} did not end: {printed}")
    assert process.returncode == 0, printed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    "work",
    [
        forks_and_threads,
        pytest.param(every_method, marks=pytest.mark.slow),
        pytest.param(twenty_forks, marks=pytest.mark.slow),
        pytest.param(models_that_are_sent, marks=pytest.mark.slow),
        pytest.param(displays, marks=pytest.mark.slow),
        pytest.param(every_fit, marks=pytest.mark.slow),
        pytest.param(twenty_forks_after_threads_were_set, marks=pytest.mark.slow),
    ],
    ids=lambda work: work.__name__,
)
def test_forks(work):
    run(work.__name__)


def test_auto_is_the_cpu_where_a_fork_has_lost_cuda(monkeypatch):
    from skspectralnet._tensors import resolve_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    assert resolve_device("auto").type == "cpu"


if __name__ == "__main__":
    globals()[sys.argv[1]]()
