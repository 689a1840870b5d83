"""Cluster two moons with `spectralnet` 1.1.0, by the settings of its own example.

Run by shapes.py with the interpreter of an environment that has the package; prints
one line of JSON. Settings: examples/cluster_twomoons.py of
https://github.com/shaham-lab/SpectralNet.
"""

import json
import sys
import time

import numpy as np
import torch
from spectralnet import SpectralNet


def main(path):
    with np.load(path) as file:
        X = torch.tensor(file["X"], dtype=torch.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    model = SpectralNet(
        n_clusters=2,
        should_use_ae=False,
        should_use_siamese=False,
        spectral_batch_size=712,
        spectral_epochs=40,
        spectral_is_local_scale=False,
        spectral_n_nbg=8,
        spectral_scale_k=2,
        spectral_lr=1e-2,
        spectral_hiddens=[128, 128, 2],
    )
    model.fit(X)
    labels = model.predict(X)
    record = {
        "labels": np.asarray(labels).astype(int).tolist(),
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1])
