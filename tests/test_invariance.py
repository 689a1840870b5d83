"""Changes of the rows that leave their clusters as they are."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering


def moons(seed):
    return make_moons(1000, noise=0.06, random_state=seed)


def circles(seed):
    return make_circles(1000, noise=0.04, factor=0.4, random_state=seed)


def blobs(seed):
    centers = [[0, 0], [10, 0], [0, 10], [10, 10]]
    return make_blobs([600, 150, 60, 300], centers=centers, random_state=seed)


def turned(X, rng):
    wide = np.column_stack([X, np.zeros((len(X), 10 - X.shape[1]))])
    return wide @ np.linalg.qr(rng.normal(size=(10, 10)))[0]


CHANGES = {
    "as they are": lambda X, rng: X,
    "turned into ten columns": turned,
    "fifty columns of zeros": lambda X, rng: np.pad(X, ((0, 0), (0, 50))),
    "a constant column": lambda X, rng: np.column_stack([X, np.full(len(X), 7e3)]),
    "each column three times": lambda X, rng: np.tile(X, 3),
    "scaled and shifted": lambda X, rng: 1e3 * X - 5e5,
    "reordered": lambda X, rng: X,
    "each row twice": lambda X, rng: np.vstack([X, X]),
    "one row far away": lambda X, rng: np.vstack([X, np.full(X.shape[1], 1e4)]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shape", [moons, circles, blobs])
def test_the_same_clusters(shape, change, rng, global_random_seed):
    X, y = shape(global_random_seed)
    changed = CHANGES[change](X, rng)
    if change == "reordered":
        order = rng.permutation(len(X))
        changed, y = changed[order], y[order]
    model = SpectralNetClustering(len(np.unique(y)), random_state=global_random_seed)
    labels = model.fit(changed).labels_
    assert adjusted_rand_score(y, labels[: len(y)]) >= 0.99
    if change == "each row twice":
        np.testing.assert_array_equal(labels[: len(y)], labels[len(y) :])
