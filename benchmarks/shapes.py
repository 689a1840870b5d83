"""Shapes in two or three columns with default parameters, seeds 0 to 9: ARI, seconds.

    python benchmarks/shapes.py [--peer PYTHON]

`PYTHON` is the interpreter of an environment with ``spectralnet==1.1.0`` (`make
bench-env` makes one): the same moons are then clustered by that package with the
settings of its own two-moons example, in the same run, seed by seed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rst
from data import SHAPES, shape
from report import SCRIPTS, Stopwatch, spread, write
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

SEEDS = range(10)


def measure(name, n_clusters, seed):
    """ARI, wall and CPU seconds of one default fit."""
    X, y = shape(name, seed)
    with Stopwatch() as watch:
        model = SpectralNetClustering(n_clusters=n_clusters, random_state=seed).fit(X)
    return adjusted_rand_score(y, model.labels_), watch.wall, watch.cpu


def measure_peer(python, seed):
    """The same of `spectralnet` 1.1.0 on the moons of a seed, in its own process."""
    X, y = shape("moons", seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moons.npz"
        np.savez(path, X=X, y=y)
        # The package writes weights and prints: it gets a folder of its own.
        done = subprocess.run(  # noqa: S603
            [python, str(SCRIPTS / "shapes_peer.py"), str(path)],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
    record = json.loads(done.stdout.splitlines()[-1])
    labels = np.array(record["labels"])
    return adjusted_rand_score(y, labels), record["wall"], record["cpu"]


def tables(record):
    """ARI and seconds on the generated shapes, and beside the other package."""
    own, compared = {}, {}
    for name, result in record["results"].items():
        (compared if "cpu_ratio" in result else own)[name] = result
    return {"shapes": _own_table(own), "peer": _peer_table(compared)}


def _own_table(results):
    header = ["data", "seeds", "ARI, worst", "ARI, mean"]
    header += ["seconds, wall", "seconds, CPU"]
    rows = [[name, *_cells(result)] for name, result in results.items()]
    return rst.list_table(header, rows) + "\nSeconds are medians over the seeds.\n"


def _peer_table(results):
    """The same moons by this package and by the paper's authors' package, in turn."""
    if not results:
        return (
            "*The comparison with another package was not part of the last run of the "
            "benchmark.*\n"
        )
    text = ""
    for result in results.values():
        header = ["package", "seeds", "ARI, worst", "ARI, mean", "wall", "CPU"]
        rows = [
            [package, *_cells(summary)]
            for package, summary in result.items()
            if package != "cpu_ratio"
        ]
        ratio = result["cpu_ratio"]
        text += rst.list_table(header, rows) + (
            "\nMedian seconds of fit and predict. CPU seconds of the first over those "
            f"of the second, seed by seed: median {rst.number(ratio['median'])}, from "
            f"{rst.number(ratio['min'])} to {rst.number(ratio['max'])}.\n"
        )
    return text


def _cells(summary):
    return [
        len(summary["ari"]["values"]),
        rst.number(summary["ari"]["min"]),
        rst.number(summary["ari"]["mean"]),
        rst.number(summary["wall"]["median"], 2),
        rst.number(summary["cpu"]["median"], 2),
    ]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="python with spectralnet==1.1.0")
    peer = parser.parse_args(arguments).peer
    results = {}
    measure("moons", 2, 0)  # imports and first calls, not counted
    for name, n_clusters in SHAPES.items():
        rows = [measure(name, n_clusters, seed) for seed in SEEDS]
        results[name] = _summary(rows)
        _show(name, results[name])
    if peer:
        ours, theirs = [], []
        for seed in SEEDS:  # in turn, so that both meet the same machine
            ours.append(measure("moons", 2, seed))
            theirs.append(measure_peer(peer, seed))
        ratios = [a[2] / b[2] for a, b in zip(ours, theirs, strict=True)]
        results["moons against spectralnet 1.1.0"] = {
            "skspectralnet": _summary(ours),
            "spectralnet 1.1.0": _summary(theirs),
            "cpu_ratio": spread(ratios),
        }
        _show("moons, in turn", _summary(ours))
        _show("spectralnet 1.1.0", _summary(theirs))
        print(f"CPU seconds, ratio: median {np.median(ratios):.3f}")
    write("shapes", "python benchmarks/shapes.py --peer PYTHON", results)


def _summary(rows):
    ari, wall, cpu = zip(*rows, strict=True)
    return {"ari": spread(ari), "wall": spread(wall), "cpu": spread(cpu)}


def _show(name, result):
    print(
        f"{name:20} ARI min {result['ari']['min']:.3f} mean {result['ari']['mean']:.3f}"
        f"  median seconds: wall {result['wall']['median']:.2f}"
        f" cpu {result['cpu']['median']:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
