"""Embed rows with `grease-embeddings` 0.1.5, by the settings of its own examples.

Run by fidelity.py with the interpreter of an environment that has the package; prints
one line of JSON. Settings: examples/reduce_moon.py of
https://github.com/shaham-lab/GrEASE.
"""

import json
import sys
import time

import numpy as np
import torch
from grease import GrEASE


def main(path, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    X = torch.tensor(np.load(path), dtype=torch.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    model = GrEASE(
        n_components=2,
        spectral_hiddens=[128, 256],
        spectral_batch_size=1024,
        spectral_n_nbg=10,
    )
    embedding = model.fit_transform(X)
    record = {
        "embedding": np.asarray(embedding).astype(float).tolist(),
        "eigenvalues": np.asarray(model.get_eigenvalues()).astype(float).tolist(),
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
