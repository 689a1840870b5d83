"""Ctrl-C as it is pressed: signals at random times of a fit, one and two of them."""

import subprocess
import sys

import pytest

# Fits again and again while a thread sends signals. Each fit ends in a new model that
# can be used, or in KeyboardInterrupt and the model that was there before; it says so
# where a signal came. The last line counts the ends.
PRESSED = """
import os, signal, sys, threading, time, warnings
import numpy as np
from sklearn.datasets import make_blobs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skspectralnet import *

name, n_presses, n_fits, seed = sys.argv[1], *map(int, sys.argv[2:])
small = {"hidden_layer_sizes": 8, "max_iter": 8, "random_state": 0}
autoencoder, siamese = Autoencoder(2, **small), SiameseEmbedding(2, **small)
plain = {"metric_learner": None, **small}
model = {
    "clustering": SpectralNetClustering(3, **plain),
    "learned": SpectralNetClustering(
        3, encoder=autoencoder, **{**plain, "metric_learner": siamese}
    ),
    "steps": SpectralNetClustering(
        3, **{**plain, "metric_learner": make_pipeline(StandardScaler(), siamese)}
    ),
    "mixture": SpectralNetClustering(3, assign_labels="mixture", n_init=40, **plain),
    "k-means": SpectralNetClustering(3, n_init=300, **plain),
    "embedding": SpectralNetEmbedding(2, **small),
    "eigenvectors": SpectralNetEmbedding(40, **{**small, "max_iter": 2}),
    "edges": SpectralNetEmbedding(2, init="random", **small),
    "autoencoder": autoencoder,
    "siamese": siamese,
    "cells": siamese.set_params(neighbors_algorithm="cells", max_iter=2),
}[name]
if name != "cells":
    siamese.set_params(neighbors_algorithm="auto", max_iter=8)
X, _ = make_blobs(700, n_features=6, centers=3, random_state=0)
rng, ends, lost = np.random.RandomState(seed), {"new": 0, "old": 0}, []
sys.unraisablehook = lambda told: lost.append(told.exc_type)


def handled(signum, frame):
    received.append(time.monotonic())
    raise KeyboardInterrupt


def fit():
    warnings.simplefilter("ignore")
    started = time.monotonic()
    model.fit(X)
    return time.monotonic() - started


def press(after):
    time.sleep(after)
    for _ in range(n_presses):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)
    pressed.set()


def results():
    return [getattr(model, n) for n in ("predict", "transform") if hasattr(model, n)]


fit()
seconds = fit()
signal.signal(signal.SIGINT, handled)
for after in rng.uniform(0.0, seconds, size=n_fits):
    before, received, pressed = dict(vars(model)), [], threading.Event()
    expected = [result(X) for result in results()]
    lost.clear()
    finished = False
    try:
        threading.Thread(target=press, args=(after,)).start()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X)
        finished, n_received = True, len(received)
    except KeyboardInterrupt:
        n_received = len(received)
    while True:  # those that come too late for the fit
        try:
            pressed.wait()
            time.sleep(0.03)
            break
        except KeyboardInterrupt:
            pass
    # A signal on the way out of a fit that has ended finds a new model.
    ended = "old" if model.network_ is before["network_"] else "new"
    ends[ended] += 1
    if ended == "old":
        assert n_received and not finished
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[key] is value for key, value in before.items())
        for result, there in zip(results(), expected):
            assert np.array_equal(result(X), there)
        continue
    told = [str(w.message) for w in caught if "interrupted by user" in str(w.message)]
    if finished:
        assert n_received - len(lost) <= len(told) <= 1, (n_received, lost, told)
    assert model.n_iter_ == len(model.loss_curve_) >= 1
    if model.validation_loss_curve_ is not None:
        assert len(model.validation_loss_curve_) == model.n_iter_
    assert np.isfinite(model.transform(X)).all()
    if hasattr(model, "labels_"):
        assert np.array_equal(model.predict(X), model.labels_)
    if hasattr(model, "embedding_"):
        assert np.array_equal(model.transform(X), model.embedding_)
fit()
print(ends["new"], ends["old"])
"""
NAMES = (
    *("clustering", "learned", "steps", "mixture", "k-means", "embedding"),
    *("eigenvectors", "edges", "autoencoder", "siamese", "cells"),
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("n_presses", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_signals_at_random_times(name, n_presses, global_random_seed):
    arguments = [name, str(n_presses), "30", str(global_random_seed)]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PRESSED, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    new, old = map(int, done.stdout.split())
    assert new + old == 30
    assert old > 0 or n_presses == 1
