"""SpectralNetEmbedding: scikit-learn's SpectralEmbedding with a transform."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import SpectralEmbedding
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skspectralnet import SpectralNetEmbedding


def model(n_components=2, seed=0, **params):
    return SpectralNetEmbedding(n_components, random_state=seed, **params)


@pytest.fixture(scope="module")
def chain():
    """Five touching groups in a row: eigenvectors that are waves along it."""
    rng = np.random.RandomState(0)
    place = np.sort(rng.uniform(0, 10, size=300))
    return np.c_[place, 0.1 * rng.normal(size=300)], place


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_embedding_is_the_transform_bitwise(dtype, blobs, global_random_seed):
    X = blobs[0].astype(dtype)
    fitted = model(3, global_random_seed).fit(X)
    assert fitted.embedding_.dtype == dtype
    assert_array_equal(fitted.embedding_, fitted.transform(X))
    again = model(3, global_random_seed).fit_transform(X)
    assert_array_equal(fitted.embedding_, again)


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_number_of_components(n_components, blobs):
    fitted = model(n_components).fit(blobs[0])
    assert fitted.embedding_.shape == (150, n_components)
    assert len(fitted.eigenvalues_) == n_components
    assert_array_equal(fitted.component_weights_, 1.0)  # diffusion_time=0
    assert fitted.diffusion_time_ == 0


def test_many_components_have_as_many_dimensions(rng):
    """The last hidden layer of a table of 300 rows would have 64 units."""
    X = rng.uniform(size=(300, 2))
    fitted = model(90, max_iter=3).fit(X)
    assert fitted.embedding_.shape == (300, 90)
    centred = fitted.embedding_ - fitted.embedding_.mean(axis=0)
    assert np.linalg.matrix_rank(centred) == 90


def test_drop_first_leaves_the_constant_out(chain, global_random_seed):
    X, _ = chain
    with_first = model(3, global_random_seed, drop_first=False).fit(X)
    without = model(2, global_random_seed).fit(X)
    first = with_first.embedding_[:, 0]
    assert with_first.eigenvalues_[0] < 1e-3
    assert np.ptp(first) < 0.2 * np.abs(first).mean()
    assert_allclose(without.eigenvalues_, with_first.eigenvalues_[1:], rtol=1e-12)
    assert_allclose(
        np.abs(without.embedding_), np.abs(with_first.embedding_[:, 1:]), rtol=1e-9
    )


def test_first_coordinate_runs_along_a_chain(chain, global_random_seed):
    # The second eigenvector of a path is a half wave: monotone along it.
    X, place = chain
    Z = model(1, global_random_seed).fit_transform(X)[:, 0]
    smooth = np.convolve(Z, np.ones(15) / 15, mode="valid")
    steps = np.sign(np.diff(smooth[::10]))
    assert abs(steps.sum()) >= len(steps) - 2
    assert abs(np.corrcoef(Z, place)[0, 1]) > 0.95


def test_near_the_exact_embedding(chain, global_random_seed):
    X, _ = chain
    Z = model(2, global_random_seed).fit_transform(X)
    exact = SpectralEmbedding(
        2, affinity="nearest_neighbors", n_neighbors=10, random_state=0
    ).fit_transform(X)
    bases = [linalg.orth(A - A.mean(axis=0)) for A in (Z, exact)]
    assert linalg.svdvals(bases[0].T @ bases[1]).min() > 0.95


def test_new_rows_lie_between_their_neighbours(chain, global_random_seed):
    X, _ = chain
    fitted = model(2, global_random_seed).fit(X[::2])
    Z, new = fitted.transform(X[::2]), fitted.transform(X[1::2])
    assert np.median(np.linalg.norm(new - Z, axis=1)) < 0.1 * np.ptp(Z, axis=0).max()


def test_columns_are_ordered_by_eigenvalue(chain, global_random_seed):
    fitted = model(6, global_random_seed).fit(chain[0])
    assert (np.diff(fitted.eigenvalues_) >= 0).all()
    assert (fitted.eigenvalues_ > 0).all()
    assert (fitted.eigenvalues_ <= 2).all()


def test_before_a_classifier(blobs):
    X, y = blobs
    pipe = make_pipeline(model(2), LogisticRegression())
    assert (cross_val_score(pipe, X, y, cv=3) > 0.95).all()


def test_grid_search_over_its_parameters(blobs):
    X, y = blobs
    pipe = make_pipeline(model(2), LogisticRegression())
    grid = {"spectralnetembedding__n_components": [1, 2]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.95
    assert search.predict(X).shape == (150,)


def test_feature_names_out(blobs):
    names = model(2).fit(blobs[0]).get_feature_names_out()
    assert names.tolist() == ["spectralnetembedding0", "spectralnetembedding1"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library, blobs):
    frames = pytest.importorskip(library)
    Z = model(2).set_output(transform=library).fit_transform(blobs[0])
    assert isinstance(Z, frames.DataFrame)
    assert_array_equal(Z.to_numpy(), model(2).fit_transform(blobs[0]))


def test_has_no_clusters(blobs):
    fitted = model(2, encoder=PCA(2)).fit(blobs[0])
    for name in ("predict", "fit_predict", "labels_", "n_clusters"):
        assert not hasattr(fitted, name)
