"""Shapes that default parameters must get right, whatever the seed."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering


def moons(seed):
    return make_moons(7000, noise=0.075, random_state=seed)


def circles(seed):
    return make_circles(3000, noise=0.04, factor=0.4, random_state=seed)


def nested_cs(seed):
    """Three nested letters C of 1,000 rows, their arcs one unit apart."""
    rng = np.random.RandomState(seed)
    y = np.repeat(range(3), 1000)
    angle = rng.uniform(-0.75 * np.pi, 0.75 * np.pi, size=3000)
    arcs = (y + 1)[:, None] * np.c_[np.cos(angle), np.sin(angle)]
    return arcs + 0.05 * rng.normal(size=(3000, 2)), y


def uneven_blobs(seed):
    """Blobs of very different sizes with clear gaps."""
    centers = [[0, 0], [8, 0], [0, 8], [8, 8]]
    return make_blobs([2000, 300, 60, 700], centers=centers, random_state=seed)


def spirals(seed):
    """Two spirals of a turn and a half."""
    rng = np.random.RandomState(seed)
    y = rng.randint(2, size=5000)
    angle = 3 * np.pi * np.sqrt(rng.uniform(size=5000))
    turned = angle + np.pi * y
    rows = (angle + 0.7)[:, None] * np.c_[np.cos(turned), np.sin(turned)]
    return rows + 0.25 * rng.normal(size=(5000, 2)), y


def cut_roll(seed):
    """A swiss roll with two gaps: three sheets inside each other."""
    rng = np.random.RandomState(seed)
    angle = 1.5 * np.pi * (1 + 2 * rng.uniform(size=5000))
    y = np.searchsorted([7.5, 10.5], angle)
    angle = angle + 1.2 * y
    width = 20 * rng.uniform(size=5000)
    return np.c_[angle * np.cos(angle), width, angle * np.sin(angle)], y


SHAPES = {
    **{"moons": moons, "circles": circles, "Cs": nested_cs, "blobs": uneven_blobs},
    **{"spirals": spirals, "roll": cut_roll},
}
few_or_all = [
    pytest.param(seed, marks=[] if seed < 1 else pytest.mark.slow) for seed in range(10)
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", few_or_all)
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_default_parameters_find_the_shapes(shape, seed):
    X, y = SHAPES[shape](seed)
    model = SpectralNetClustering(len(np.unique(y)), random_state=seed).fit(X)
    assert adjusted_rand_score(y, model.labels_) >= 0.99
    # The same shape drawn again: rows that the model has not seen.
    new, y_new = SHAPES[shape](seed + 1000)
    assert adjusted_rand_score(y_new, model.predict(new)) >= 0.98


def arms(seed):
    """Three spiral arms, of which the longest has three quarters of the rows."""
    rng = np.random.RandomState(seed)
    y = np.repeat(range(3), (1500, 300, 200))
    angle = rng.uniform(0.6, 2.2 * np.pi, size=2000)
    turned = angle + 2 * np.pi * y / 3
    rows = angle[:, None] * np.c_[np.cos(turned), np.sin(turned)]
    return rows + 0.1 * rng.normal(size=rows.shape), y


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_long_arms_are_not_halved_for_equal_sizes(seed):
    X, y = arms(seed)
    model = SpectralNetClustering(3, random_state=seed).fit(X)
    assert adjusted_rand_score(y, model.labels_) >= 0.99


def curved_pieces(seed, n_clusters):
    """Arcs of unequal sizes in random planes of six directions, which touch."""
    rng = np.random.RandomState(seed)
    sizes = rng.randint(60, 240, size=n_clusters)
    rows = []
    for size in sizes:
        plane = np.linalg.qr(rng.normal(size=(6, 2)))[0]
        angle = rng.uniform(-0.75 * np.pi, 0.75 * np.pi, size)
        arc = np.c_[np.cos(angle), np.sin(angle)] @ plane.T
        noise = 0.15 * rng.normal(size=(size, 6))
        rows.append(rng.normal(size=6) + arc + noise)
    return np.concatenate(rows), np.repeat(np.arange(n_clusters), sizes)


@pytest.mark.slow
@pytest.mark.parametrize("n_clusters", [16, 30])
@pytest.mark.parametrize("seed", [0, 1])
def test_of_many_clusters_none_is_a_giant(seed, n_clusters):
    X, y = curved_pieces(seed, n_clusters)
    labels = SpectralNetClustering(n_clusters, random_state=seed).fit_predict(X)
    largest = np.bincount(labels).max() / len(y)
    assert largest <= 2 * np.bincount(y).max() / len(y)
