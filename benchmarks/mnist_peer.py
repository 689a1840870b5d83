"""MNIST by `spectralnet` 1.1.0 and by this package: CPU seconds of one run of each.

    python benchmarks/mnist_peer.py --peer-python PYTHON [--rows N]

A full run of that package, with the settings of its own example
(examples/cluster_mnist.py of https://github.com/shaham-lab/SpectralNet: autoencoder,
siamese network, spectral network, its default sizes), takes more than an hour. Its
three networks are trained for one epoch each; an epoch's seconds are multiplied by the
40, 30 and 30 epochs of that run, and what is done once (neighbours, codes, predict) is
added as it is. Then comes a default fit of this package. Both with one thread and in
processes of their own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from data import load
from report import RESULTS, SCRIPTS, SCRIPTS_PATH, processor
from sklearn.metrics import normalized_mutual_info_score

from skspectralnet.metrics import clustering_accuracy

EPOCHS = {"autoencoder": 40, "siamese": 30, "spectral": 30}


def in_process(python, script, X, folder):
    """Run a script of peers/ on the rows, one thread, in a folder of its own."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = os.environ | limits | {"PYTHONPATH": SCRIPTS_PATH}
    np.save(Path(folder, "X.npy"), X)
    done = subprocess.run(  # noqa: S603
        [python, str(SCRIPTS / script)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{script} failed with {python}; its error is above.")
    return json.loads(done.stdout.splitlines()[-1])


def tables(record):
    """One sentence: CPU seconds of the two packages and their ratio."""
    ours, theirs = record["skspectralnet"], record["spectralnet 1.1.0"]
    text = (
        f"{record['rows']:,} rows on {record['processor']}, one thread: "
        f"{ours['cpu']:.0f} CPU seconds against {theirs['cpu']:,.0f}, "
        f"a ratio of {record['cpu_ratio']:.3f}.\n"
    )
    return {"mnist_peer": text}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", required=True, help="with spectralnet==1.1.0")
    parser.add_argument("--rows", type=int, default=70_000, help="the first N only")
    parser.add_argument("--results", type=Path, default=RESULTS / "mnist_peer.json")
    options = parser.parse_args(arguments)
    X, y = (part[: options.rows] for part in load("mnist"))
    with tempfile.TemporaryDirectory() as folder:
        theirs = in_process(options.peer_python, "mnist_peer_run.py", X, folder)
    with tempfile.TemporaryDirectory() as folder:
        ours = in_process(sys.executable, "mnist_own_run.py", X, folder)
    labels = np.array(ours.pop("labels"))
    stages = theirs["stages"]
    seconds = theirs["once"] + sum(n * stages[stage] for stage, n in EPOCHS.items())
    record = {
        "command": "python benchmarks/mnist_peer.py --peer-python PYTHON",
        "processor": processor(),
        "rows": len(X),
        "epochs": EPOCHS,
        "spectralnet 1.1.0": theirs | {"cpu": round(seconds, 1)},
        "skspectralnet": ours
        | {
            "acc": round(float(clustering_accuracy(y, labels)), 4),
            "nmi": round(float(normalized_mutual_info_score(y, labels)), 4),
        },
        "cpu_ratio": round(ours["cpu"] / seconds, 5),
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(record, indent=1) + "\n")
    print(
        f"{len(X):,} rows, CPU seconds: {ours['cpu']:.1f} against {seconds:.0f} "
        f"(one epoch each, times 40, 30, 30), ratio {record['cpu_ratio']:.4f}; "
        f"NMI {record['skspectralnet']['nmi']:.3f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
