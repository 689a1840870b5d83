"""A default fit of the rows in X.npy of this folder; run by mnist_peer.py."""

import json

import numpy as np
from report import Stopwatch

from skspectralnet import SpectralNetClustering

if __name__ == "__main__":
    X = np.load("X.npy")
    with Stopwatch() as watch:
        labels = SpectralNetClustering(10, random_state=0).fit(X).labels_
    record = {"cpu": round(watch.cpu, 2), "wall": round(watch.wall, 2)}
    print(json.dumps(record | {"labels": labels.tolist()}))
