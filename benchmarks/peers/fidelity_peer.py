"""Embed rows with another package, by the settings of its own examples or defaults.

    PYTHON benchmarks/peers/fidelity_peer.py PACKAGE ROWS SEED

Run by fidelity.py with the interpreter of an environment that has the package; prints
one line of JSON. ``grease``: `grease-embeddings` 0.1.5, settings of
examples/reduce_moon.py of https://github.com/shaham-lab/GrEASE. ``spectralnet``:
version 1.1.0 with the defaults of its SpectralReduction, ten components, before the
rotation that it adds; https://github.com/shaham-lab/SpectralNet.
"""

import json
import sys
import time

import numpy as np
import torch


def grease(X):
    """Two eigenvectors and their eigenvalues."""
    from grease import GrEASE

    model = GrEASE(
        n_components=2,
        spectral_hiddens=[128, 256],
        spectral_batch_size=1024,
        spectral_n_nbg=10,
    )
    embedding = model.fit_transform(X)
    return embedding, np.asarray(model.get_eigenvalues()).astype(float).tolist()


def spectralnet(X):
    """A basis of the span of ten eigenvectors; no eigenvalues."""
    from spectralnet import SpectralNet

    model = SpectralNet(n_clusters=10, should_use_ae=False, should_use_siamese=False)
    model.fit(X)
    model.predict(X)
    return model.embeddings_, None


def main(package, path, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    X = torch.tensor(np.load(path), dtype=torch.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    embedding, eigenvalues = {"grease": grease, "spectralnet": spectralnet}[package](X)
    record = {
        "embedding": np.asarray(embedding).astype(float).tolist(),
        "eigenvalues": eigenvalues,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
