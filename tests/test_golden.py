"""Fits whose results are stored: a change of the code's form must not change them.

``make golden`` writes the values again, where a result was meant to change. They are
compared bit for bit where processor and libraries are those that they were written
with; elsewhere the labels must agree and the eigenvalues be near.
"""

import hashlib
import json
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph
from threadpoolctl import threadpool_info

from skspectralnet import SpectralNetClustering, SpectralNetEmbedding

VALUES = Path(__file__).parent / "golden" / "values.json"
STORED = json.loads(VALUES.read_text()) if VALUES.exists() else {"fits": {}}
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")


def machine():
    """What the bits of a fit depend on."""
    kernels = {pool.get("architecture") for pool in threadpool_info()} - {None}
    return {
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "limits": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        "threads": torch.get_num_threads(),
        "kernels": sorted(kernels),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _processor():
    """A digest of model, caches and extensions; None where they are not known."""
    description = Path("/proc/cpuinfo")
    if not description.exists():
        return None
    told = ("vendor_id", "cpu family", "model", "stepping", "cache size", "flags")
    lines = description.read_text().split("\n\n")[0].splitlines()
    return _digest("\n".join(line for line in lines if line.startswith(told)).encode())


def rows(n_samples=320, n_features=6, dtype=np.float64):
    centers = 4.0 * np.eye(4, n_features)
    X, y = make_blobs(n_samples, centers=centers, cluster_std=0.7, random_state=0)
    return X.astype(dtype), y


def sparse_rows():
    X, y = rows(n_features=80, dtype=np.float32)
    X[np.abs(X) < 0.6] = 0.0
    return sparse.csr_array(X), y


def moons():
    return make_moons(400, noise=0.05, random_state=0)


def some_labels(y):
    return np.where(np.arange(len(y)) % 7 == 0, y, -1)


def links(y):
    first, second = np.arange(0, 40), np.arange(40, 80)
    same = y[first] == y[second]
    pairs = np.c_[first, second]
    return {"must_link": pairs[same], "cannot_link": pairs[~same]}


def neighbours(X):
    graph = kneighbors_graph(X, 8)
    return graph + graph.T


def inverse_square(points):
    return 1.0 / (1.0 + torch.cdist(points, points).square())


def clustering(n_clusters=4, **params):
    return SpectralNetClustering(n_clusters, max_iter=8, random_state=0, **params)


def embedding(n_components=3, **params):
    return SpectralNetEmbedding(n_components, max_iter=8, random_state=0, **params)


def _in_file(folder):
    X, y = rows(n_features=5, dtype=np.float32)
    np.save(folder / "rows.npy", X)
    return np.load(folder / "rows.npy", mmap_mode="r"), y


def _stream():
    X, _ = rows()
    return clustering(metric_learner=None).fit(X[:200]).partial_fit(X[200:])


def _learned(**params):
    return clustering(metric_learner="siamese", **params)


def _fits(folder):
    """Name: a function without arguments that returns a fitted estimator."""
    X, y = rows()
    S, _ = sparse_rows()
    F, _ = _in_file(folder)
    M, _ = moons()
    labels, known = {"partial_labels": some_labels(y)}, links(y)
    plain = {"metric_learner": None}
    fine = {**plain, "neighbors_in": "data"}
    trace = {"loss": "trace", "laplacian": "unnormalized"}
    code = {"network_input": "code", "metric": "cosine"}
    return {
        "learned": lambda: _learned().fit(X),
        "plain": lambda: clustering(2, **plain).fit(M),
        "data": lambda: clustering(**fine).fit(X),
        "data, spectral start": lambda: clustering(init="spectral", **fine).fit(X),
        "graph": lambda: clustering(**plain).fit(X, graph=neighbours(X)),
        "sparse": lambda: clustering(**plain).fit(S),
        "sparse, learned": lambda: _learned().fit(S),
        "sparse, data": lambda: clustering(**fine).fit(S),
        "file": lambda: clustering(**plain).fit(F),
        "labels": lambda: clustering().fit(X, **labels),
        "labels, data": lambda: clustering(**fine).fit(X, **labels),
        "links": lambda: clustering().fit(X, **known),
        "links, data": lambda: clustering(**fine).fit(X, **known),
        "subsample": lambda: _learned(subsample=200).fit(X, **labels),
        "mixture": lambda: clustering(assign_labels="mixture", **plain).fit(X),
        "cluster_qr": lambda: clustering(assign_labels="cluster_qr", **plain).fit(X),
        "auto": lambda: clustering("auto", **plain).fit(X),
        "alternating": lambda: clustering(orthonorm="alternating", **plain).fit(X),
        "alternating, data": lambda: clustering(orthonorm="alternating", **fine).fit(X),
        "stream": _stream,
        "code, cosine": lambda: _learned(**code).fit(X),
        "autoencoder": lambda: clustering(encoder="autoencoder", **plain).fit(X),
        "rbf, trace": lambda: clustering(affinity="rbf", **trace, **plain).fit(X),
        "gamma": lambda: clustering(affinity="rbf", gamma=0.3, **plain).fit(X),
        "callable": lambda: clustering(affinity=inverse_square, **fine).fit(X),
        "embedding": lambda: embedding().fit(X),
        "embedding, batch": lambda: embedding(neighbors_in="batch", init="random").fit(
            X
        ),
        "embedding, sparse": lambda: embedding(laplacian="symmetric").fit(S),
        "embedding, graph": lambda: embedding().fit(X, graph=neighbours(X), **labels),
        "embedding, random": lambda: embedding(init="random").fit(X),
        "embedding, file": lambda: embedding(subsample=250).fit(F),
    }


def _curves(model):
    learner = getattr(model.metric_learner_, "loss_curve_", [])
    coder = getattr(model.encoder_, "loss_curve_", [])
    held_out = model.validation_loss_curve_ or []
    return np.concatenate([model.loss_curve_, held_out, learner, coder])


def _digest(content):
    return hashlib.sha256(content).hexdigest()[:16]


def results(model, X):
    """What is stored of a fitted estimator."""
    labels = getattr(model, "labels_", None)
    return {
        "embedding": _digest(model.transform(X).tobytes()),
        "eigenvalues": model.eigenvalues_.tolist(),
        "curves": _digest(_curves(model).tobytes()),
        "labels": None if labels is None else "".join(map(str, labels)),
    }


def _rows_of(name):
    if name == "plain":
        return moons()[0]
    if "sparse" in name:
        return sparse_rows()[0]
    return rows(n_features=5, dtype=np.float32)[0] if "file" in name else rows()[0]


def _run(fit, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # eight epochs are too few for most
        return results(fit(), _rows_of(name))


@pytest.mark.parametrize("name", sorted(STORED["fits"]))
def test_same_results_as_stored(name, tmp_path):
    expected, found = STORED["fits"][name], _run(_fits(tmp_path)[name], name)
    if machine() == STORED["machine"] and _processor() is not None:
        assert found == expected
        return
    assert (found["labels"] is None) == (expected["labels"] is None)
    if found["labels"] is not None:
        agreement = adjusted_rand_score(list(found["labels"]), list(expected["labels"]))
        assert agreement > 0.95
    np.testing.assert_allclose(
        found["eigenvalues"], expected["eigenvalues"], rtol=0.2, atol=0.02
    )


def test_every_fit_is_stored(tmp_path):
    assert set(STORED["fits"]) == set(_fits(tmp_path))


def write(folder):
    torch.set_num_threads(1)
    fits = {name: _run(fit, name) for name, fit in _fits(folder).items()}
    text = json.dumps({"machine": machine(), "fits": fits}, indent=1)
    VALUES.write_text(text + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
