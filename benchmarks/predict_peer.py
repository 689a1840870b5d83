"""`predict` of MNIST's 70,000 rows by this package and by `spectralnet` 1.1.0.

    python benchmarks/predict_peer.py --peer-python PYTHON

Networks of the same layers, 784-1024-1024-512-10, fitted on 5,000 rows for an epoch:
what they have learned does not matter for the seconds. That package computes in
float32 and then fits k-means anew, this one computes in float64 and compares with its
centres. Each in a process of its own, the median of five predictions.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from data import load
from report import Stopwatch, say, write

HIDDEN, N_FITTED, REPEATS = (1024, 1024, 512), 5000, 5


def ours(X):
    """This package's predict."""
    from skspectralnet import SpectralNetClustering

    model = SpectralNetClustering(
        10,
        encoder=None,
        metric_learner=None,
        n_components=10,
        hidden_layer_sizes=HIDDEN,
        max_iter=1,
        random_state=0,
    )
    return model.fit(X[:N_FITTED]).predict


def theirs(X):
    """The other package's, as it wants its rows."""
    import torch
    from spectralnet import SpectralNet

    model = SpectralNet(10, spectral_hiddens=[*HIDDEN, 10], spectral_epochs=1)
    model.fit(torch.tensor(X[:N_FITTED]))
    return lambda rows: model.predict(torch.tensor(rows))


PACKAGES = {"skspectralnet": ours, "spectralnet": theirs}


def run(package, path):
    """Median seconds of `predict` in this process."""
    X = np.load(path)
    warnings.simplefilter("ignore")  # an epoch is not enough, and it does not matter
    predict, wall, cpu = PACKAGES[package](X), [], []
    for _ in range(REPEATS):
        with Stopwatch() as watch:
            predict(X)
        wall.append(watch.wall)
        cpu.append(watch.cpu)
    return {"wall": round(median(wall), 3), "cpu": round(median(cpu), 3)}


def main(arguments):
    if arguments[:1] == ["--run"]:
        print(json.dumps(run(*arguments[1:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", required=True, help="with spectralnet==1.1.0")
    options = parser.parse_args(arguments)
    pythons = {"skspectralnet": sys.executable, "spectralnet": options.peer_python}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "X.npy")
        np.save(path, load("mnist")[0].astype(np.float32) / 255)
        for package, python in pythons.items():
            call = [python, str(Path(__file__).resolve()), "--run", package, str(path)]
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
            done = subprocess.run(  # noqa: S603
                call,
                cwd=folder,
                env=environment,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            found[package] = json.loads(done.stdout.splitlines()[-1])
            say(f"{package} {found[package]}")
    ratio = found["spectralnet"]["wall"] / found["skspectralnet"]["wall"]
    found["ratio"] = round(ratio, 2)
    say(f"ratio {found['ratio']}")
    command = "python benchmarks/predict_peer.py --peer-python PYTHON"
    write("predict_peer", command, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
