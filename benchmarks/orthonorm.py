"""The orthonorm step in the same batch or in another one: joint against alternating.

    python benchmarks/orthonorm.py

Three data sets, five seeds, the same budget for both: the trace loss of Shaham et al.
(2018), a fixed number of epochs at a constant learning rate, for three learning rates.
Recorded: the held-out loss after each epoch (the mean Ritz value of the outputs on a
held-out batch, its own orthonorm factor in both modes), the largest Ritz error, ARI.
"""

import warnings

import numpy as np
from data import load, shape
from report import spread, write
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

SEEDS = range(5)
EPOCHS = 30
RATES = (5e-3, 1e-3, 2e-4)


def data_sets():
    """Name, clusters and rows of each data set; labels only for the score."""
    yield "moons", 2, *shape("moons", 0)
    for name in ("usps", "pendigits"):
        yield name, 10, *load(name)


def measure(X, y, n_clusters, orthonorm, rate, seed):
    """Held-out loss curve and ARI of one fit."""
    model = SpectralNetClustering(
        n_clusters=n_clusters,
        orthonorm=orthonorm,
        loss="trace",
        learning_rate_init=rate,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the budget is fixed
        model.fit(X)
    return model.validation_loss_curve_, adjusted_rand_score(y, model.labels_)


def main():
    results = []
    for name, n_clusters, X, y in data_sets():
        for orthonorm in ("joint", "alternating"):
            for rate in RATES:
                runs = [
                    measure(X, y, n_clusters, orthonorm, rate, seed) for seed in SEEDS
                ]
                curves = np.array([curve for curve, _ in runs])
                result = {
                    "data": name,
                    "orthonorm": orthonorm,
                    "learning_rate": rate,
                    "curve": [round(float(v), 5) for v in curves.mean(axis=0)],
                    "best_loss": spread(curves.min(axis=1)),
                    "last_loss": spread(curves[:, -1]),
                    "ari": spread([ari for _, ari in runs]),
                }
                results.append(result)
                print(
                    f"{name:10} {orthonorm:12} rate {rate:.0e}: held-out loss best "
                    f"{result['best_loss']['mean']:.4f} last "
                    f"{result['last_loss']['mean']:.4f}, ARI mean "
                    f"{result['ari']['mean']:.3f} worst {result['ari']['min']:.3f}",
                    flush=True,
                )
    write("orthonorm", "python benchmarks/orthonorm.py", results)


if __name__ == "__main__":
    main()
