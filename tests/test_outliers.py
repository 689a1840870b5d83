"""A few rows far from all others: the clusters of the others stay as they are."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from skspectralnet import Autoencoder, SpectralNetClustering, SpectralNetEmbedding


def blobs(n, n_features, n_clusters, seed):
    return make_blobs(
        n,
        n_features,
        centers=8 * np.eye(n_clusters, n_features),
        random_state=seed,
    )


SHAPES = {
    "blobs, 3 columns": lambda seed: blobs(600, 3, 3, seed),
    "blobs, 8 columns": lambda seed: blobs(1000, 8, 4, seed),
    "blobs, 60 columns": lambda seed: blobs(600, 60, 3, seed),
    "moons": lambda seed: make_moons(800, noise=0.05, random_state=seed),
    "circles": lambda seed: make_circles(
        800, factor=0.4, noise=0.04, random_state=seed
    ),
}


def outliers(n_features, together, rng):
    """Three rows at 1e4 to 3e4, in one direction or in three."""
    directions = rng.normal(size=(3, n_features))
    if together:
        directions = directions[:1] + 1e-3 * directions
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * rng.uniform(1e4, 3e4, size=(3, 1))


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("shape", SHAPES)
def test_clusters_of_the_others_are_unchanged(shape, together, global_random_seed):
    X, y = SHAPES[shape](global_random_seed)
    rng = np.random.RandomState(global_random_seed)
    Z = np.r_[X, outliers(X.shape[1], together, rng)]
    model = SpectralNetClustering(len(set(y)), random_state=global_random_seed)
    labels = model.fit(Z).labels_[: len(X)]
    assert adjusted_rand_score(y, labels) >= 0.97
    assert adjusted_rand_score(model.predict(Z), model.labels_) == 1.0


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
def test_in_the_graph_of_all_rows(together, global_random_seed):
    X, y = blobs(600, 3, 3, global_random_seed)
    rng = np.random.RandomState(global_random_seed)
    Z = np.r_[X, outliers(3, together, rng)]
    model = SpectralNetClustering(
        3, neighbors_in="data", init="spectral", random_state=global_random_seed
    )
    assert adjusted_rand_score(y, model.fit(Z).labels_[:600]) >= 0.97
    embedding = SpectralNetEmbedding(2, random_state=global_random_seed).fit(Z)
    assert np.isfinite(embedding.transform(Z)).all()


def test_an_autoencoder_rebuilds_the_others(global_random_seed):
    X, _ = blobs(600, 8, 4, global_random_seed)
    rng = np.random.RandomState(global_random_seed)
    Z = np.r_[X, outliers(8, False, rng)]
    coder = Autoencoder(4, random_state=global_random_seed)
    rebuilt = coder.fit(Z).inverse_transform(coder.transform(X))
    assert np.square(rebuilt - X).mean() < 0.5 * X.var(axis=0).mean()
