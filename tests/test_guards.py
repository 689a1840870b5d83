"""The warning about rows whose neighbours are not what clusters need."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, make_blobs, make_moons
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skspectralnet import SpectralNetClustering
from skspectralnet._guards import simpler_notice
from skspectralnet._selection import criterion_graph


def customers(seed, n_rows=1500):
    """Four segments in four numbers, and a city of ten that says nothing of them."""
    rng = np.random.RandomState(seed)
    numbers, y = make_blobs(
        n_rows, 4, centers=4, cluster_std=1.5, center_box=(-6, 6), random_state=rng
    )
    city = OneHotEncoder(sparse_output=False).fit_transform(
        rng.randint(10, size=(n_rows, 1))
    )
    X = StandardScaler().fit_transform(np.column_stack([numbers, city]))
    return X, y


def messages(X, n_clusters, **params):
    quick = {"metric_learner": None, "max_iter": 3}  # what it warns of is in the rows
    model = SpectralNetClustering(n_clusters, random_state=0, **{**quick, **params})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    return [str(w.message) for w in caught if w.category is UserWarning]


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_indicator_columns_that_decide_are_named(layout, global_random_seed):
    X, _ = customers(global_random_seed)
    (message,) = messages(layout(X), 4)
    assert "pieces, where n_clusters=4" in message
    assert "4, 5, 6, 7, ..." in message


def test_columns_have_the_names_of_a_frame():
    X, _ = customers(0)
    names = ["age", "spent", "visits", "days", *(f"city_{i}" for i in range(10))]
    (message,) = messages(pd.DataFrame(X, columns=names), 4)
    assert "'city_0', 'city_1'" in message


def test_scaled_down_as_told_no_warning_is_left():
    X, _ = customers(0)
    X[:, 4:] *= 0.1
    assert messages(X, 4) == []


def test_many_groups_without_indicators():
    X, _ = make_blobs(
        1200, 3, centers=20 * np.random.RandomState(0).normal(size=(12, 3))
    )
    (message,) = messages(X, 3)
    assert "about 12 pieces" in message
    assert "columns of two values" not in message


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_one_column_with_all_variance(layout, rng):
    X = rng.normal(size=(600, 5)) * [1, 1, 5000, 1, 1]
    (message,) = messages(layout(X), 3)
    assert "One column, 2, holds nearly all variance" in message
    X[:, 3] = rng.uniform(size=600) < 0.05  # a rare indicator is no other scale
    (message,) = messages(layout(X), 3)
    assert "One column, 2," in message


@pytest.mark.parametrize(
    ("n_clusters", "X"),
    [
        (2, make_moons(600, noise=0.05, random_state=0)[0]),
        (2, np.pad(make_moons(600, noise=0.05, random_state=0)[0], ((0, 0), (0, 5)))),
        (3, np.column_stack([np.arange(600.0), np.zeros(600)])),
        (3, np.vstack([make_blobs(600, 3, random_state=0)[0], [[1e5, 0, 0]]])),
        (10, load_digits().data[:700]),
        (2, StandardScaler().fit_transform(load_breast_cancer().data)),
    ],
    ids=["moons", "zeros", "line", "outlier", "digits", "tumours"],
)
def test_no_word_where_nothing_is_wrong(n_clusters, X):
    assert messages(X, n_clusters, max_iter=100) == []


def test_answers_that_say_nothing_are_not_blamed_on_their_columns():
    X = (np.random.RandomState(0).uniform(size=(600, 8)) < 0.5).astype(float)
    assert not any("columns" in message for message in messages(X, 3))


def test_other_clusters_that_cut_as_well_are_told_of(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    square = rng.uniform(size=(1000, 2))
    graph, rows, _ = criterion_graph(square)
    upper, right = (square[rows] > 0.5).T.astype(int)
    assert simpler_notice(graph, right, square[rows]) or simpler_notice(
        graph, upper, square[rows]
    )  # k-means finds the halves in one of the two ways, or others
    moons, y = make_moons(1000, noise=0.05, random_state=rng)
    graph, rows, _ = criterion_graph(moons)
    assert simpler_notice(graph, y[rows], moons[rows]) is None  # ours are better
    blobs, y = make_blobs(1000, 3, centers=3, random_state=rng)
    graph, rows, _ = criterion_graph(blobs)
    assert simpler_notice(graph, y[rows], blobs[rows]) is None  # the same
    sizes = [2000, 15, 15]  # ones so small are not known to be well knit
    near = [[0, 0, 0], [7, 0, 0], [0, 7, 0]]
    few, small = make_blobs(
        sizes, centers=near, cluster_std=[1.0, 0.1, 0.1], random_state=rng
    )
    few_graph, places, _ = criterion_graph(few)
    assert simpler_notice(few_graph, small[places], few[places]) is None  # uncut
    mixed = rng.permutation(y[rows])
    notice = simpler_notice(graph, mixed, blobs[rows])
    assert "k-means on the same rows cuts their neighbour graph as well" in notice


def test_a_fit_tells_where_the_rows_do_not_speak_for_its_clusters():
    rows = np.random.RandomState(0).normal(size=(600, 2))
    (message,) = messages(rows, 4)
    assert "partial_labels" in message
    known = np.where(np.arange(600) < 8, np.arange(600) % 4, -1)
    model = SpectralNetClustering(4, max_iter=3, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows, partial_labels=known)  # somebody speaks for them
    assert not [w for w in caught if "k-means" in str(w.message)]
