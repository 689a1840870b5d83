"""Bad input: a table of what goes in and the one thing that must come out.

Each row is a working fit without a warning, a working fit with one named warning, or
an error whose text names the cause. Never an error of torch or LAPACK, and never one
cluster without a word.
"""

import re
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

CENTERS = [[0, 0, 0], [8, 0, 8], [0, 9, 0]]
X, Y = make_blobs(90, centers=CENTERS, cluster_std=0.5, random_state=0)


class Works(NamedTuple):
    """A fit without a warning; that finds the three blobs, unless told otherwise."""

    finds: bool = True


class Warns(NamedTuple):
    """A fit with exactly one warning, whose text matches."""

    category: type
    text: str
    finds: bool = False


class Raises(NamedTuple):
    """An error of this type, whose text matches."""

    error: type
    text: str


class DropsRows(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[::2]


class Returns(TransformerMixin, BaseEstimator):
    """A transformer that returns the same whatever it is given."""

    def __init__(self, what=None):
        self.what = what

    def fit(self, X, y=None):
        self.rows_ = len(X)
        return self

    def transform(self, X):
        return np.full((len(X), 2), self.what) if np.isscalar(self.what) else self.what


class NotCloneable:
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class Broken(Returns):
    def fit(self, X, y=None):
        raise ZeroDivisionError("of the user's own")


def kernel(points):
    return torch.exp(-(torch.cdist(points, points) ** 2))


def needs_gradient(points):
    """The weights of a network of the user's own."""
    return torch.exp(-torch.nn.Parameter(torch.ones(())) * torch.cdist(points, points))


def fails(points):
    raise ZeroDivisionError("of the user's own")


ALTERNATING = {"orthonorm": "alternating"}
QR, MIXTURE = {"assign_labels": "cluster_qr"}, {"assign_labels": "mixture"}


def distinct(n):
    """The 90 rows with only n different values, evenly."""
    return (
        np.array([[0, 0, 0], [8, 0, 8], [0, 9, 0], [9, 9, 9]])[np.arange(90) % n] * 1.0
    )


def with_cell(value):
    rows = X.copy()
    rows[3, 1] = value
    return rows


def wide(factor=1.0):
    """More columns than the network takes."""
    return np.tile(X, 50) * factor


# Rows of the same blob linked to their next nine, and a graph of 45 pairs.
_SAME_BLOB = np.sort(np.argsort(Y, kind="stable").reshape(3, 30), axis=1)
NEAR = np.zeros((90, 90))
for _blob in _SAME_BLOB:
    for _step in range(1, 10):
        NEAR[_blob, np.roll(_blob, _step)] = NEAR[np.roll(_blob, _step), _blob] = 1
NEAR = sparse.csr_array(NEAR)
LINKED = np.arange(90) % 10 > 0
PAIRS = sparse.csr_array(np.kron(np.eye(45), [[0, 1], [1, 0]]))
SPECTRAL = {"init": "spectral"}
WHOLE = {"neighbors_in": "data", **SPECTRAL}

INVALID = "must be .* Got .* instead"

QUICK = SiameseEmbedding(3, hidden_layer_sizes=(32,), max_iter=15)
# Labels of three rows of each blob, and links between them that agree.
SOME = np.full(90, -1)
for _label in range(3):
    SOME[np.flatnonzero(_label == Y)[:3]] = _label
GAPS = np.where(SOME < 0, -1, np.array([2, 10**12, 5])[SOME])
SAME = [np.flatnonzero(_label == Y)[:2].tolist() for _label in range(3)]
OTHER = [[SAME[0][0], SAME[1][0]], [SAME[1][1], SAME[2][1]]]
KNOWLEDGE = ("partial_labels", "must_link", "cannot_link", "graph")

# (what it is, rows, parameters, outcome). n_clusters=3 and n_components=2 unless set.
BOTH = [
    # --- the rows
    ("plain", X, {}, Works()),
    ("NaN", with_cell(np.nan), {}, Raises(ValueError, "NaN")),
    ("infinity", with_cell(np.inf), {}, Raises(ValueError, "infinity")),
    ("minus infinity", with_cell(-np.inf), {}, Raises(ValueError, "infinity")),
    ("sparse NaN", sparse.csr_array(with_cell(np.nan)), {}, Raises(ValueError, "NaN")),
    ("sparse", sparse.csr_matrix(X), {}, Works()),
    ("sparse, other format", sparse.coo_array(X), {}, Works()),
    ("sparse zeros", sparse.csr_array((90, 3)), {}, Raises(ValueError, "distinct")),
    ("one dimension", X[:, 0], {}, Raises(ValueError, "Reshape your data")),
    ("three dimensions", X[None], {}, Raises(ValueError, "dim 3")),
    ("a number", 3.0, {}, Raises(ValueError, "X is 3.0: expected an array")),
    ("nothing", None, {}, Raises(ValueError, "X is None: expected an array")),
    ("no rows", X[:0], {}, Raises(ValueError, "0 sample")),
    ("no columns", X[:, :0], {}, Raises(ValueError, "0 feature")),
    ("one row", X[:1], {}, Raises(ValueError, "1 sample|minimum of 2")),
    ("strings", [["a", "b"], ["c", "d"]], {}, Raises(ValueError, "convert string")),
    ("bytes", np.full((9, 2), b"x"), {}, Raises(ValueError, "convert")),
    ("a dict", {"a": 1}, {}, Raises((TypeError, ValueError), "dict")),
    ("cells that are dicts", np.full((9, 2), {}), {}, Raises(TypeError, "dict")),
    (
        "rows of many lengths",
        [[1, 2], [3]] * 9,
        {},
        Raises(ValueError, "inhomog"),
    ),
    ("complex", X + 1j, {}, Raises(ValueError, "Complex data not supported")),
    ("objects that are numbers", X.astype(object), {}, Works()),
    ("nested lists", X.tolist(), {}, Works()),
    ("a torch tensor", torch.tensor(X), {}, Works()),
    ("float16", X.astype(np.float16), {}, Works()),
    ("float32", X.astype(np.float32), {}, Works()),
    ("longdouble", X.astype(np.longdouble), {}, Works()),
    ("uint8", (X * 9 + 60).astype(np.uint8), {}, Works()),
    ("int8", (X * 5).astype(np.int8), {}, Works()),
    ("uint16", (X * 900 + 9000).astype(np.uint16), {}, Works()),
    ("int64", (X * 100).astype(np.int64), {}, Works()),
    ("int64 near its end", (X * 1e17).astype(np.int64) * 5, {}, Works()),
    ("uint64", (X * 100 + 900).astype(np.uint64), {}, Works()),
    ("bool", X > 4, {}, Works()),
    # --- shapes of the cloud
    ("duplicates", np.tile(X, (5, 1)), {}, Works()),
    ("each row often", distinct(3), {}, Works(finds=False)),
    ("each row often, alternating", distinct(3), ALTERNATING, Works(finds=False)),
    ("integers with few values", X.round(), {}, Works()),
    ("zeros and ones", np.tile(X > 4, 40).astype(float), {}, Works()),
    ("constant columns", X * [1, 1, 0] + [0, 0, 7], {}, Works()),
    ("constant wide columns", wide() * (np.arange(150) < 3), {}, Works()),
    ("one column", X[:, 1:2] + X[:, :1] / 3, {}, Works()),
    ("more columns than rows", wide()[:30], {}, Works(finds=False)),
    # --- magnitudes
    ("times 1e300", X * 1e300, {}, Works()),
    ("times 1e-300", X * 1e-300, {}, Works()),
    ("times 1e150", X * 1e150, {}, Works()),
    ("float32 times 1e37", (X * 1e37).astype("f4"), {}, Works()),
    ("float32 times 1e-37", (X * 1e-37).astype("f4"), {}, Works()),
    ("sparse times 1e300", sparse.csr_array(X * 1e300), {}, Works()),
    ("wide times 1e300", wide(1e300), {}, Raises(ValueError, "magnitude")),
    ("wide times 1e-300", wide(1e-300), {}, Raises(ValueError, "magnitude")),
    ("wide times 1e100", wide(1e100), {}, Works()),
    ("cosine times 1e300", X * 1e300 + 1e299, {"metric": "cosine"}, Works()),
    ("cosine times 1e-300", X * 1e-300 + 1e-301, {"metric": "cosine"}, Works()),
    ("at the end of float64", X * (1.7e308 / np.abs(X).max()), {}, Works()),
    ("offset 1e6", X + 1e6, {}, Works()),
    ("offset 1e12", X + 1e12, {}, Works()),
    ("offset -1e12", X - 1e12, {}, Works()),
    ("columns of other sizes", X * [1, 1, 1e-9], {}, Works()),
    # --- graph
    ("gamma", X, {"affinity": "rbf", "gamma": 0.5}, Works()),
    ("gamma as an integer", X, {"affinity": "rbf", "gamma": 1}, Works()),
    (
        "gamma without rbf",
        X,
        {"gamma": 0.5},
        Raises(ValueError, "gamma=0.5 .*affinity='self_tuning'"),
    ),
    (
        "gamma with a callable",
        X,
        {"gamma": 0.5, "affinity": kernel},
        Raises(ValueError, "gamma=0.5 .*affinity="),
    ),
    (
        "gamma that cuts every edge",
        X,
        {"affinity": "rbf", "gamma": 1e9},
        Raises(ValueError, "no edges.*gamma"),
    ),
    (
        "gamma in other units",
        X * 1e300,
        {"affinity": "rbf", "gamma": 0.5},
        Raises(ValueError, "gamma"),
    ),
    ("gamma 0", X, {"affinity": "rbf", "gamma": 0}, Raises(ValueError, INVALID)),
    ("gamma NaN", X, {"affinity": "rbf", "gamma": np.nan}, Raises(ValueError, INVALID)),
    ("other affinity", X, {"affinity": "precomputed"}, Raises(ValueError, INVALID)),
    ("other metric", X, {"metric": "manhattan"}, Raises(ValueError, INVALID)),
    ("other laplacian", X, {"laplacian": "normed"}, Raises(ValueError, INVALID)),
    ("a neighbour", X, {"n_neighbors": 1}, Works(finds=False)),
    ("no neighbour", X, {"n_neighbors": 0}, Raises(ValueError, INVALID)),
    ("1.5 neighbours", X, {"n_neighbors": 1.5}, Raises(ValueError, INVALID)),
    ("all neighbours", X, {"n_neighbors": 89}, Works(finds=False)),
    (
        "as many neighbours as rows",
        X,
        {"n_neighbors": 90},
        Warns(UserWarning, "n_neighbors=90 is not below the 90 rows"),
    ),
    (
        "more neighbours than a batch",
        X,
        {"n_neighbors": 40, "batch_size": 30},
        Warns(UserWarning, "n_neighbors=40 is not below the 30 rows"),
    ),
    ("callable", X, {"affinity": kernel}, Works()),
    ("callable of float32", X, {"affinity": lambda p: kernel(p).float()}, Works()),
    ("callable of numpy", X, {"affinity": lambda p: kernel(p).numpy()}, Works()),
    ("callable with gradient", X, {"affinity": needs_gradient}, Works()),
    ("callable of bool", X, {"affinity": lambda p: torch.cdist(p, p) < 3}, Works()),
    ("callable of ones", X, {"affinity": lambda p: p.new_ones(90, 90)}, Works(False)),
    (
        "callable without edges",
        X,
        {"affinity": lambda p: p.new_zeros(90, 90)},
        Raises(ValueError, "no edges"),
    ),
    (
        "callable of a wrong shape",
        X,
        {"affinity": lambda p: kernel(p)[:, 1:]},
        Raises(ValueError, r"shape \(90, 89\).* expected \(90, 90\)"),
    ),
    (
        "callable of negative weights",
        X,
        {"affinity": lambda p: -kernel(p)},
        Raises(ValueError, "affinity callable .*negative"),
    ),
    (
        "callable of NaN",
        X,
        {"affinity": lambda p: kernel(p) * np.nan},
        Raises(ValueError, "affinity callable .*NaN"),
    ),
    (
        "callable of infinity",
        X,
        {"affinity": lambda p: 1 / (0 * kernel(p))},
        Raises(ValueError, "affinity callable .*infinite"),
    ),
    (
        "callable of complex weights",
        X,
        {"affinity": lambda p: kernel(p) * 1j},
        Raises((TypeError, ValueError), "affinity callable"),
    ),
    (
        "callable of nothing",
        X,
        {"affinity": lambda p: None},
        Raises(TypeError, "affinity callable .*got NoneType"),
    ),
    (
        "callable of a string",
        X,
        {"affinity": lambda p: "weights"},
        Raises(TypeError, "affinity callable .*got str"),
    ),
    (
        "callable of a sparse matrix",
        X,
        {"affinity": lambda p: sparse.eye_array(90)},
        Raises(TypeError, "affinity callable .*array"),
    ),
    (
        "callable of two arguments",
        X,
        {"affinity": lambda p, q: kernel(p)},
        Raises(TypeError, "argument"),
    ),
    (
        "callable that fails",
        X,
        {"affinity": fails},
        Raises(ZeroDivisionError, "of the user's own"),
    ),
    # --- sizes
    (
        "batch smaller than the components",
        X,
        {"batch_size": 3, "n_components": 5},
        Raises(ValueError, "batch_size=3 .*components, [56]"),
    ),
    ("batch of one", X, {"batch_size": 1}, Raises(ValueError, INVALID)),
    ("batch of 50.0", X, {"batch_size": 50.0}, Raises(ValueError, INVALID)),
    ("batch larger than the data", X, {"batch_size": 10**9}, Works()),
    ("small batches", X, {"batch_size": 30}, Works()),
    (
        "more components than rows",
        X,
        {"n_components": 91},
        Raises(ValueError, "n_components=91 .*n_samples=90"),
    ),
    ("no component", X, {"n_components": 0}, Raises(ValueError, INVALID)),
    ("1.5 components", X, {"n_components": 1.5}, Raises(ValueError, INVALID)),
    ("a numpy integer", X, {"n_components": np.int64(3)}, Works()),
    # --- network
    ("no layer", X, {"hidden_layer_sizes": ()}, Raises(ValueError, "hidden_layer")),
    ("empty list", X, {"hidden_layer_sizes": []}, Raises(ValueError, "hidden_layer")),
    ("no unit", X, {"hidden_layer_sizes": (0,)}, Raises(ValueError, "hidden_layer")),
    ("-1 units", X, {"hidden_layer_sizes": -1}, Raises(ValueError, "hidden_layer")),
    ("units a", X, {"hidden_layer_sizes": "a"}, Raises(ValueError, "hidden_layer")),
    ("3.5 units", X, {"hidden_layer_sizes": (3.5,)}, Raises(ValueError, "hidden_lay")),
    ("a table", X, {"hidden_layer_sizes": [[3, 3]]}, Raises(ValueError, "hidden_lay")),
    ("ragged", X, {"hidden_layer_sizes": [[3], 3]}, Raises(ValueError, "hidden_layer")),
    ("letters", X, {"hidden_layer_sizes": ["8"]}, Raises(ValueError, "hidden_layer")),
    ("other activation", X, {"activation": "swish"}, Raises(ValueError, INVALID)),
    ("other loss", X, {"loss": "hinge"}, Raises(ValueError, INVALID)),
    ("other orthonorm", X, {"orthonorm": "qr"}, Raises(ValueError, INVALID)),
    # --- training
    ("negative alpha", X, {"alpha": -1}, Raises(ValueError, INVALID)),
    ("alpha NaN", X, {"alpha": np.nan}, Raises(ValueError, INVALID)),
    ("rate 0", X, {"learning_rate_init": 0}, Raises(ValueError, INVALID)),
    ("rate infinite", X, {"learning_rate_init": np.inf}, Raises(ValueError, INVALID)),
    (
        "rate 1e30",
        X,
        {"learning_rate_init": 1e30},
        Raises(ValueError, r"learning_rate_init=1e\+30"),
    ),
    ("no epoch", X, {"max_iter": 0}, Raises(ValueError, INVALID)),
    ("2.5 epochs", X, {"max_iter": 2.5}, Raises(ValueError, INVALID)),
    ("one epoch", X, {"max_iter": 1}, Warns(ConvergenceWarning, "max_iter=1")),
    ("negative tol", X, {"tol": -1e-9}, Raises(ValueError, INVALID)),
    ("no patience", X, {"n_iter_no_change": 0}, Raises(ValueError, INVALID)),
    ("nothing held out", X, {"validation_fraction": 0.0}, Raises(ValueError, INVALID)),
    ("all held out", X, {"validation_fraction": 1.0}, Raises(ValueError, INVALID)),
    (
        "nearly all held out",
        np.repeat(X, 4, axis=0) + np.linspace(0.0, 1e-3, 4 * len(X))[:, None],
        {"validation_fraction": 0.99, "neighbors_in": "batch", "init": "random"},
        Raises(ValueError, "validation_fraction=0.99 leaves [0-9] of 360 rows"),
    ),
    (
        "weights that turn around",
        X,
        {"alpha": 1e9},
        Raises(ValueError, "alpha=1000000000"),
    ),
    ("early stopping yes", X, {"early_stopping": "yes"}, Raises(ValueError, INVALID)),
    ("negative verbose", X, {"verbose": -1}, Raises(ValueError, INVALID)),
    # --- devices and seeds
    ("unknown device", X, {"device": "gpu"}, Raises(ValueError, "device='gpu'")),
    ("device 99", X, {"device": "cuda:99"}, Raises(ValueError, "device='cuda:99'")),
    ("meta device", X, {"device": "meta"}, Raises(ValueError, "device='meta'")),
    ("hpu device", X, {"device": "hpu"}, Raises(ValueError, "device='hpu'")),
    ("no device", X, {"device": None}, Raises(ValueError, INVALID)),
    ("torch's device", X, {"device": torch.device("cpu")}, Raises(ValueError, INVALID)),
    ("seed -1", X, {"random_state": -1}, Raises(ValueError, INVALID)),
    ("seed as a word", X, {"random_state": "seed"}, Raises(ValueError, INVALID)),
    (
        "a new generator",
        X,
        {"random_state": np.random.default_rng(0)},
        Raises(ValueError, INVALID),
    ),
    # --- stages
    ("encoder", X, {"encoder": StandardScaler()}, Works()),
    ("other encoder", X, {"encoder": "pca"}, Raises(ValueError, INVALID)),
    (
        "encoder without transform",
        X,
        {"encoder": DBSCAN()},
        Raises(ValueError, INVALID),
    ),
    ("a class as encoder", X, {"encoder": PCA}, Raises(TypeError, "instance")),
    (
        "encoder that cannot be cloned",
        X,
        {"encoder": NotCloneable()},
        Raises(TypeError, "get_params"),
    ),
    (
        "encoder that drops rows",
        X,
        {"encoder": DropsRows()},
        Raises(ValueError, r"encoder=DropsRows.* shape \(45, .* of 90 rows"),
    ),
    (
        "encoder of NaN",
        X,
        {"encoder": Returns(np.nan)},
        Raises(ValueError, "made by encoder contains NaN"),
    ),
    (
        "encoder of infinity",
        X,
        {"encoder": Returns(np.inf)},
        Raises(ValueError, "made by encoder contains infinity"),
    ),
    (
        "encoder of no column",
        X,
        {"encoder": FunctionTransformer(lambda rows: rows[:, :0])},
        Raises(ValueError, r"encoder=.* shape \(90, 0\)"),
    ),
    (
        "encoder of one dimension",
        X,
        {"encoder": FunctionTransformer(lambda rows: rows[:, 0])},
        Raises(ValueError, "two dimensions"),
    ),
    (
        "encoder of nothing",
        X,
        {"encoder": Returns([])},
        Raises(ValueError, "encoder.* two dimensions"),
    ),
    (
        "encoder of strings",
        X,
        {"encoder": Returns("code")},
        Raises(ValueError, "convert string"),
    ),
    (
        "encoder that fails",
        X,
        {"encoder": Broken()},
        Raises(ZeroDivisionError, "of the user's own"),
    ),
    (
        "encoder with too many components",
        X,
        {"encoder": PCA(1000)},
        Raises(ValueError, "n_components=1000"),
    ),
    (
        "other metric learner",
        X,
        {"metric_learner": "umap"},
        Raises(ValueError, INVALID),
    ),
    (
        "metric learner that drops rows",
        X,
        {"metric_learner": DropsRows()},
        Raises(ValueError, r"metric_learner=DropsRows.* shape \(45, .* of 90 rows"),
    ),
    (
        "metric learner of NaN",
        X,
        {"metric_learner": Returns(np.nan)},
        Raises(ValueError, "made by metric_learner contains NaN"),
    ),
    (
        "code without a metric learner",
        X,
        {"network_input": "code", "metric_learner": None},
        Raises(ValueError, "network_input='code' .*metric_learner=None"),
    ),
    (
        "metric learner without transform",
        X,
        {"metric_learner": DBSCAN()},
        Raises(ValueError, INVALID),
    ),
    (
        "a clusterer as metric learner",
        X,
        {"metric_learner": "kmeans"},
        Raises(ValueError, INVALID),
    ),
    (
        "a network as encoder",
        X,
        {"encoder": torch.nn.Identity()},
        Raises(ValueError, INVALID),
    ),
    ("a function as encoder", X, {"encoder": np.tanh}, Raises(ValueError, INVALID)),
    ("autoencoder", X, {"encoder": "autoencoder"}, Works()),
    ("siamese", X, {"metric_learner": "siamese"}, Works()),
    ("auto stages", X, {"metric_learner": "auto", "network_input": "code"}, Works()),
    (
        "fewer rows than neighbours of the siamese stage",
        X[:6],
        {"metric_learner": "siamese"},
        Works(finds=False),
    ),
    (
        "siamese: duplicates",
        np.tile(X, (5, 1)),
        {"metric_learner": QUICK},
        Works(),
    ),
    ("siamese: each row often", distinct(3), {"metric_learner": QUICK}, Works(False)),
    ("siamese: sparse", sparse.csr_array(X), {"metric_learner": QUICK}, Works()),
    ("siamese: times 1e300", X * 1e300, {"metric_learner": QUICK}, Works()),
    # --- labels and links
    ("labels", X, {"partial_labels": SOME}, Works()),
    ("all labels", X, {"partial_labels": Y}, Works()),
    (
        "labels without a learner",
        X,
        {"partial_labels": SOME, "metric_learner": None},
        Works(),
    ),
    ("labels that are floats", X, {"partial_labels": SOME * 1.0}, Works()),
    ("no label known", X, {"partial_labels": np.full(90, -1)}, Works()),
    (
        "one cluster in the labels",
        X,
        {"partial_labels": np.where(SOME == 0, 0, -1)},
        Works(),
    ),
    (
        "labels of duplicates that differ",
        np.tile(X, (2, 1)),
        {
            "partial_labels": np.r_[np.full(90, -1), (Y + 1) % 3],
            "metric_learner": QUICK,
        },
        Works(),
    ),
    ("links", X, {"must_link": SAME, "cannot_link": OTHER}, Works()),
    ("no links", X, {"must_link": [], "cannot_link": np.empty((0, 2))}, Works()),
    (
        "labels of a wrong length",
        X,
        {"partial_labels": Y[:89]},
        Raises(ValueError, "partial_labels has 89 entries for 90 rows"),
    ),
    (
        "labels in a table",
        X,
        {"partial_labels": np.c_[Y, Y]},
        Raises(ValueError, "1d array"),
    ),
    (
        "label -2",
        X,
        {"partial_labels": Y - 2},
        Raises(ValueError, "partial_labels .*got -2"),
    ),
    (
        "labels of halves",
        X,
        {"partial_labels": Y / 2},
        Raises(ValueError, "partial_labels must be integers"),
    ),
    ("labels with gaps", X, {"partial_labels": GAPS}, Works()),
    (
        "labels as objects",
        X,
        {"partial_labels": [None if v < 0 else v for v in GAPS]},
        Works(),
    ),
    (
        "labels in words",
        X,
        {"partial_labels": np.array(["a", "b", "c"])[Y]},
        Raises(ValueError, "partial_labels must be integers.*LabelEncoder"),
    ),
    (
        "unknown labels NaN",
        X,
        {"partial_labels": np.where(SOME < 0, np.nan, SOME)},
        Works(),
    ),
    (
        "contradictory links",
        X,
        {"must_link": [[0, 1], [1, 2]], "cannot_link": [[2, 0]]},
        Raises(ValueError, "Contradiction: cannot_link .*rows 2 and 0"),
    ),
    (
        "a must-link between labels",
        X,
        {"partial_labels": SOME, "must_link": OTHER},
        Raises(ValueError, "Contradiction: must_link joins row"),
    ),
    (
        "a cannot-link inside a label",
        X,
        {"partial_labels": SOME, "cannot_link": SAME},
        Raises(ValueError, "Contradiction: cannot_link separates"),
    ),
    (
        "a row apart from itself",
        X,
        {"cannot_link": [[4, 4]]},
        Raises(ValueError, "Contradiction: cannot_link .*rows 4 and 4"),
    ),
    (
        "a link to a row that is not there",
        X,
        {"must_link": [[0, 90]]},
        Raises(ValueError, "must_link names row 90, but X has the rows 0 to 89"),
    ),
    (
        "a link to row -1",
        X,
        {"cannot_link": [[0, -1]]},
        Raises(ValueError, "cannot_link names row -1"),
    ),
    (
        "links of three",
        X,
        {"must_link": [[0, 1, 2]]},
        Raises(ValueError, r"must_link .*shape \(1, 3\)"),
    ),
    (
        "links of floats",
        X,
        {"cannot_link": [[0.0, 1.0]]},
        Raises(ValueError, "cannot_link .*float64"),
    ),
    ("code", X, {"network_input": "code", "metric_learner": StandardScaler()}, Works()),
    # --- the graph of all rows
    ("data", X, WHOLE, Works()),
    ("data, random", X, {**WHOLE, "init": "random"}, Works()),
    ("data, labels", X, {**WHOLE, "partial_labels": SOME}, Works()),
    ("data, sparse", sparse.csr_array(X), WHOLE, Works()),
    ("data, other rows", X, {"neighbors_in": "rows"}, Raises(ValueError, INVALID)),
    ("other init", X, {"init": "pca"}, Raises(ValueError, INVALID)),
    # --- a graph of the user's own
    ("graph", X, {**SPECTRAL, "graph": NEAR}, Works()),
    ("graph, dense", X, {**SPECTRAL, "graph": NEAR.toarray()}, Works()),
    ("graph, integers", X, {**SPECTRAL, "graph": NEAR.astype(int)}, Works()),
    ("graph, loops", X, {**SPECTRAL, "graph": NEAR + sparse.eye_array(90)}, Works()),
    ("graph, coo", X, {**SPECTRAL, "graph": sparse.coo_matrix(NEAR)}, Works()),
    (
        "graph with isolated rows",
        X,
        {**SPECTRAL, "graph": NEAR.multiply(LINKED[:, None]).multiply(LINKED)},
        Works(),
    ),
    (
        "graph that is not symmetric",
        X,
        {"graph": sparse.triu(NEAR)},
        Raises(ValueError, "graph is not symmetric"),
    ),
    (
        "graph that is negative",
        X,
        {"graph": -NEAR},
        Raises(ValueError, "graph has the weight -1"),
    ),
    (
        "graph that is not square",
        X,
        {"graph": NEAR[:45]},
        Raises(ValueError, r"shape \(45, 90\).* Cross-validation"),
    ),
    (
        "graph of other rows",
        X,
        {"graph": NEAR[:45][:, :45]},
        Raises(ValueError, r"shape \(45, 45\), but X has 90 rows"),
    ),
    (
        "graph without edges",
        X,
        {"graph": sparse.csr_array((90, 90))},
        Raises(ValueError, "graph has no edges"),
    ),
    ("graph of NaN", X, {"graph": NEAR * np.nan}, Raises(ValueError, "graph.*NaN")),
    ("graph of words", X, {"graph": "knn"}, Raises(ValueError, "graph|convert|scalar")),
    (
        "graph of pairs",
        X,
        {"graph": PAIRS},
        Warns(UserWarning, "45 connected components, .*only [34] "),
    ),
]

CLUSTERING = [
    ("no cluster", X, {"n_clusters": 0}, Raises(ValueError, INVALID)),
    (
        "more labels than clusters",
        X,
        {"partial_labels": np.where(SOME < 0, 7, SOME)},
        Raises(ValueError, "4 different labels, more than n_clusters=3"),
    ),
    (
        "one cluster, labelled",
        X,
        {"n_clusters": 1, "partial_labels": Y * 0},
        Works(False),
    ),
    ("all labels the same", X, {"partial_labels": Y * 0}, Works(False)),
    ("auto clusters", X, {"n_clusters": "auto"}, Works()),
    (
        "auto clusters of labels",
        X,
        {"n_clusters": "auto", "partial_labels": Y},
        Works(),
    ),
    (
        "auto clusters of labels with gaps",
        X,
        {"n_clusters": "auto", "partial_labels": GAPS},
        Works(),
    ),
    ("auto clusters of four rows", X[:4], {"n_clusters": "auto"}, Works(finds=False)),
    ("auto clusters of the whole", X, {"n_clusters": "auto", **WHOLE}, Works()),
    ("-1 clusters", X, {"n_clusters": -1}, Raises(ValueError, INVALID)),
    ("2.0 clusters", X, {"n_clusters": 2.0}, Raises(ValueError, INVALID)),
    ("2.5 clusters", X, {"n_clusters": 2.5}, Raises(ValueError, INVALID)),
    ("a word of clusters", X, {"n_clusters": "3"}, Raises(ValueError, INVALID)),
    ("no word on clusters", X, {"n_clusters": None}, Raises(ValueError, INVALID)),
    ("a numpy integer of clusters", X, {"n_clusters": np.int32(3)}, Works()),
    ("one cluster", X, {"n_clusters": 1}, Works(finds=False)),
    ("too few rows", X[:2], {}, Raises(ValueError, "n_samples=2 .* n_clusters=3")),
    (
        "a part of two",
        X,
        {"subsample": 2},
        Raises(ValueError, "subsample=2 .*clusters=3"),
    ),
    ("a part of one", X, {"subsample": 1}, Raises(ValueError, INVALID)),
    ("a part of nine", X, {"subsample": 9}, Works(finds=False)),
    ("a part of half", X, {"subsample": 45}, Works()),
    ("as many rows as clusters", X[:3], {}, Works(finds=False)),
    ("one row more", X[:4], {}, Works(finds=False)),
    ("one unit", X, {"hidden_layer_sizes": 1}, Works(finds=False)),
    ("batches of two", X[:9], {"batch_size": 2, "n_components": 2}, Works(False)),
    ("no start", X, {"n_init": 0}, Raises(ValueError, INVALID)),
    ("all outliers", X, {"contamination": 0.6}, Raises(ValueError, INVALID)),
    ("other labels", X, {"assign_labels": "discretize"}, Raises(ValueError, INVALID)),
    ("no labels", X, {"assign_labels": None}, Raises(ValueError, INVALID)),
    ("labels in a list", X, {"assign_labels": ["kmeans"]}, Raises(ValueError, INVALID)),
    ("cluster_qr", X, QR, Works()),
    (
        "cluster_qr of fewer components",
        X,
        {**QR, "n_components": 2},
        Warns(ConvergenceWarning, "Only 2 .*'cluster_qr' .* 2 components"),
    ),
    ("cluster_qr: four rows", X[:4], QR, Works(finds=False)),
    ("mixture: four rows", X[:4], MIXTURE, Works(finds=False)),
    *(
        (f"{params['assign_labels']}: {what}", rows, params, outcome)
        for params in (QR, MIXTURE)
        for what, rows, outcome in [
            ("float32", X.astype(np.float32), Works()),
            ("sparse", sparse.csr_matrix(X), Works()),
            ("duplicates", np.tile(X, (5, 1)), Works()),
            ("each row often", distinct(3), Works(finds=False)),
            ("two values", distinct(2), Warns(ConvergenceWarning, "Only 2 .* 2 dist")),
            ("equal rows", np.ones((90, 3)), Warns(ConvergenceWarning, "Only 1 ")),
            ("zeros", np.zeros((90, 3)), Warns(ConvergenceWarning, "Only 1 ")),
            ("times 1e300", X * 1e300, Works()),
            ("too few rows", X[:2], Raises(ValueError, "n_samples=2 .* n_clusters=3")),
        ]
    ),
    ("mixture", X, MIXTURE, Works()),
    ("a long time", X, {**MIXTURE, "diffusion_time": 1e4}, Works(finds=False)),
    (
        "fewer distinct rows",
        distinct(2),
        {},
        Warns(ConvergenceWarning, "Only 2"),
    ),
    (
        "many more clusters than distinct rows",
        distinct(4),
        {"n_clusters": 20},
        Warns(ConvergenceWarning, "Only 4"),
    ),
    ("equal rows", np.ones((90, 3)), {}, Warns(ConvergenceWarning, "Only 1")),
    (
        "rows of 0.1",
        np.full((90, 3), 0.1),
        {},
        Warns(ConvergenceWarning, "Only 1"),
    ),
    (
        "equal rows far away",
        np.full((3, 3), 1e12),
        {"n_clusters": 2, "hidden_layer_sizes": 1},
        Warns(ConvergenceWarning, "Only 1"),
    ),
    ("zeros", np.zeros((90, 3)), {}, Warns(ConvergenceWarning, "Only 1")),
    (
        "sparse zeros",
        sparse.csr_array((90, 3)),
        {},
        Warns(ConvergenceWarning, "Only [12]"),
    ),
    (
        "encoder of a constant",
        X,
        {"encoder": Returns(3.0)},
        Warns(ConvergenceWarning, "Only 1"),
    ),
    (
        "an outlier of 1e30",
        with_cell(1e30),
        {},
        Works(finds=False),  # all but that row
    ),
    ("offset 1e20", X + 1e20, {}, Warns(ConvergenceWarning, "Only [12]")),
]

BATCHES = {"neighbors_in": "batch", "init": "random"}
EMBEDDING = [
    ("too few rows", X[:2], {}, Raises(ValueError, "n_components=2 .*n_samples=2")),
    (
        "one unit",
        X,
        {"hidden_layer_sizes": 1},
        Warns(ConvergenceWarning, "distinct"),
    ),
    ("one epoch", X, {"max_iter": 1}, Works(finds=False)),
    (
        "one epoch for noise",
        np.random.RandomState(0).normal(size=(90, 3)),
        {"max_iter": 1, "n_components": 8, "hidden_layer_sizes": 12},
        Warns(ConvergenceWarning, r"Grassmann distance is .*approximation_error_"),
    ),
    (
        "a neighbour",
        X,
        {"n_neighbors": 1},
        Warns(UserWarning, "26 connected components, .*only 3 .*n_neighbors"),
    ),
    (
        "as many neighbours as rows",
        X,
        {"n_neighbors": 90},
        Warns(UserWarning, "n_neighbors=90 is not below the 90 distinct rows"),
    ),
    (
        "more neighbours than a batch",
        X,
        {"n_neighbors": 40, "batch_size": 30},
        Works(),
    ),
    *(
        (f"batches: {name}", X, {**BATCHES, **params}, outcome)
        for name, params, outcome in [
            ("plain", {}, Works()),
            ("callable", {"affinity": kernel}, Works()),
            ("one epoch", {"max_iter": 1}, Warns(ConvergenceWarning, "max_iter=1")),
            (
                "one unit",
                {"hidden_layer_sizes": 1},
                Warns(ConvergenceWarning, "distinct"),
            ),
            (
                "many neighbours",
                {"n_neighbors": 40, "batch_size": 30},
                Warns(UserWarning, "n_neighbors=40 is not below the 30 rows"),
            ),
            (
                "spectral init",
                {"init": "spectral"},
                Raises(ValueError, "init='spectral' .*neighbors_in='data'"),
            ),
        ]
    ),
    ("drop first perhaps", X, {"drop_first": None}, Raises(ValueError, INVALID)),
    ("equal rows", np.ones((90, 3)), {}, Raises(ValueError, "distinct")),
    ("rows of 0.1", np.full((90, 3), 0.1), {}, Raises(ValueError, "distinct")),
    ("fewer distinct rows", distinct(2), {}, Warns(ConvergenceWarning, "distinct")),
    (
        "encoder of a constant",
        X,
        {"encoder": Returns(3.0)},
        Raises(ValueError, "distinct"),
    ),
]


def table(own):
    """Rows for both estimators, those of its own name first."""
    names = {row[0] for row in own}
    return [*own, *(row for row in BOTH if row[0] not in names)]


# Rows and knowledge of the table that say the same to a siamese network alone.
SIAMESE = [
    *(
        case
        for case in BOTH
        if not set(case[2]) - set(KNOWLEDGE[:3]) and case[0] != "plain"
    ),
    ("too few rows for the neighbours", X[:4], {"n_neighbors": 10}, Works(False)),
    ("two rows", X[:2], {}, Works(False)),
    ("equal rows", np.ones((90, 3)), {}, Works(False)),
]
# What only the first stage or the graph of the others refuses.
SIAMESE = [
    (name, rows, params, Works(False) if "wide" in name or "zeros" in name else outcome)
    for name, rows, params, outcome in SIAMESE
]

CASES = [
    pytest.param(estimator, *case[1:], id=f"{kind}: {case[0]}")
    for kind, estimator, cases in [
        ("clustering", SpectralNetClustering(3, random_state=0), table(CLUSTERING)),
        ("embedding", SpectralNetEmbedding(2, random_state=0), table(EMBEDDING)),
        ("siamese", clone(QUICK).set_params(random_state=0), SIAMESE),
    ]
    for case in cases
]


def fit(estimator, rows, **known):
    """The fitted estimator and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(rows, **known)
    # Many of the rows are drawn at random, and have no clusters.
    return estimator, [w for w in caught if "k-means on the same" not in str(w.message)]


def check_usable(model, rows):
    """What every fitted model must do."""
    Z = model.transform(rows)
    assert np.isfinite(Z).all()
    assert np.isfinite(model.loss_curve_).all()
    if isinstance(model, SiameseEmbedding):
        assert Z.shape[1] == model.n_components_
        return
    assert Z.shape[1] == len(model.eigenvalues_) == len(model.component_weights_) > 0
    assert (np.diff(model.eigenvalues_) >= 0).all()
    if isinstance(model, SpectralNetClustering):
        labels = model.labels_
        assert labels.dtype == np.int64
        found = set(labels.tolist())
        if model.contamination is None:
            assert found == set(model.classes_.tolist())
        else:  # a cluster may be outliers alone
            assert found <= {-1, *model.classes_.tolist()}
        assert model.cluster_centers_.shape == (model.n_clusters_, Z.shape[1])
        assert_array_equal(model.predict(rows), labels)
        if hasattr(model, "predict_proba"):
            shares = model.predict_proba(rows)
            assert shares.shape == (len(labels), model.n_clusters_)
            likeliest = model.classes_[shares.argmax(axis=1)]
            assert_array_equal(likeliest[labels >= 0], labels[labels >= 0])
    else:
        assert_array_equal(model.embedding_, Z)


def check_finds(model, rows):
    """The three blobs, for rows that follow X."""
    y = np.resize(Y, rows.shape[0] if hasattr(rows, "shape") else len(rows))
    if isinstance(model, SpectralNetClustering):
        assert adjusted_rand_score(y, model.labels_) == 1.0
    else:
        Z = model.transform(rows)
        distances = np.linalg.norm(Z[:, None] - Z[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        assert np.mean(y[distances.argmin(axis=1)] == y) >= 0.98


@pytest.mark.parametrize(("estimator", "rows", "params", "outcome"), CASES)
def test_bad_input(estimator, rows, params, outcome):
    known = {name: params[name] for name in KNOWLEDGE if name in params}
    params = {name: value for name, value in params.items() if name not in known}
    estimator = clone(estimator).set_params(**params)
    if isinstance(outcome, Raises):
        with pytest.raises(outcome.error) as error:
            estimator.fit(rows, **known)
        assert re.search(outcome.text, str(error.value), re.DOTALL), error.value
        with pytest.raises(NotFittedError):
            estimator.transform(X)
        return
    model, caught = fit(estimator, rows, **known)
    check_usable(model, rows)
    if isinstance(outcome, Works):
        assert [str(w.message) for w in caught] == []
        if isinstance(model, SpectralNetClustering) and model.n_clusters != "auto":
            assert model.n_clusters_ == model.n_clusters
    else:
        assert [w.category for w in caught] == [outcome.category]
        assert re.search(outcome.text, str(caught[0].message), re.DOTALL)
    if outcome.finds:
        check_finds(model, rows)


@pytest.mark.parametrize("power", [-300, -20, 20, 300])
def test_labels_do_not_change_with_the_scale(power):
    labels = SpectralNetClustering(3, random_state=0).fit_predict(X)
    scaled = SpectralNetClustering(3, random_state=0).fit_predict(X * 10.0**power)
    assert_array_equal(scaled, labels)


@pytest.mark.parametrize(
    ("rows", "error", "text"),
    [
        (X[:, :2], ValueError, "X has 2 features, but .* is expecting 3 features"),
        (X[0], ValueError, "Reshape your data"),
        (with_cell(np.nan), ValueError, "NaN"),
        (with_cell(np.inf), ValueError, "infinity"),
        (X[:0], ValueError, "0 sample"),
        (X + 1j, ValueError, "Complex data"),
        ([["a", "b", "c"]], ValueError, "convert string"),
    ],
)
@pytest.mark.parametrize("method", ["transform", "predict", "score"])
def test_bad_new_rows(rows, error, text, method):
    model = SpectralNetClustering(3, random_state=0, max_iter=30).fit(X)
    with pytest.raises(error, match=text):
        getattr(model, method)(rows)


@pytest.mark.parametrize(
    ("cls", "method"),
    [
        (Autoencoder, "transform"),
        (SiameseEmbedding, "transform"),
        (SpectralNetEmbedding, "transform"),
        (SpectralNetClustering, "transform"),
        (SpectralNetClustering, "predict"),
        (SpectralNetClustering, "score"),
    ],
)
def test_before_fit(cls, method):
    with pytest.raises(NotFittedError, match=cls.__name__):
        getattr(cls(), method)(X)


# --- random pairs of parameters on random rows

ODD = st.sampled_from(
    [None, 0, -1, 1, 2, 3.5, np.nan, np.inf, "auto", "", (), [], {}, True, X, object()]
)
SMALL = SiameseEmbedding(2, hidden_layer_sizes=(8,), max_iter=1)
VALID = {
    "subsample": st.sampled_from([None, 2, 10, 1000]),
    "n_clusters": st.one_of(st.integers(1, 12), st.just("auto")),
    "n_components": st.integers(1, 12),
    "drop_first": st.booleans(),
    "diffusion_time": st.one_of(st.floats(0, 1e6), st.just("auto")),
    "encoder": st.sampled_from(
        [
            "auto",
            None,
            PCA(1),
            StandardScaler(),
            Returns(1.0),
            Autoencoder(2, max_iter=1),
        ]
    ),
    "metric_learner": st.sampled_from(
        ["auto", None, PCA(1), StandardScaler(), DropsRows(), SMALL]
    ),
    "network_input": st.sampled_from(["metric", "code"]),
    "metric": st.sampled_from(["auto", "euclidean", "cosine"]),
    "affinity": st.sampled_from(["self_tuning", "rbf", "nearest_neighbors", kernel]),
    "gamma": st.one_of(st.none(), st.floats(1e-12, 1e12)),
    "n_neighbors": st.one_of(st.none(), st.integers(1, 50)),
    "neighbors_in": st.sampled_from(["auto", "batch", "data"]),
    "init": st.sampled_from(["random", "spectral"]),
    "laplacian": st.sampled_from(["random_walk", "symmetric", "unnormalized"]),
    "orthonorm": st.sampled_from(["joint", "alternating"]),
    "loss": st.sampled_from(["log", "trace"]),
    "hidden_layer_sizes": st.one_of(
        st.none(), st.integers(1, 30), st.lists(st.integers(1, 20), max_size=4)
    ),
    "activation": st.sampled_from(["auto", "relu", "tanh", "logistic", "identity"]),
    "alpha": st.floats(0, 1e3),
    "learning_rate_init": st.floats(1e-30, 1e30),
    "batch_size": st.one_of(st.just("auto"), st.integers(2, 60)),
    "max_iter": st.integers(1, 3),
    "tol": st.floats(0, 1e3),
    "n_iter_no_change": st.integers(1, 3),
    "early_stopping": st.booleans(),
    "validation_fraction": st.floats(0.01, 0.99),
    "assign_labels": st.sampled_from(["kmeans", "cluster_qr", "mixture"]),
    "contamination": st.sampled_from([None, 0.01, 0.5]),
    "n_init": st.integers(1, 3),
    "verbose": st.just(0),
    "device": st.sampled_from(["cpu", "auto", "nowhere"]),
    "random_state": st.one_of(st.none(), st.integers(0, 2**32 - 1)),
}


@st.composite
def odd_rows(draw):
    """A few rows of one kind or another."""
    sizes = [
        (30, 3),
        (9, 2),
        (30, 120),
        (12, 1),
        (5, 3),
        (4, 2),
        (3, 3),
        (2, 1),
        (1, 2),
    ]
    n, d = draw(st.sampled_from(sizes))
    rng = np.random.RandomState(draw(st.integers(0, 99)))
    rows = rng.normal(size=(n, d))
    kinds = {
        "plain": rows,
        "integers": rng.randint(3, size=(n, d)),
        "equal": np.full((n, d), 0.1),
        "equal columns": rows * (np.arange(d) == 0),
        "duplicates": rows[np.arange(n) % 3 if n > 3 else slice(None)],
        "zero rows": rows * (np.arange(n) % 2)[:, None],
        "huge": rows * 1e300,
        "tiny": rows * 1e-300,
        "far": rows + 1e12,
        "float32": rows.astype(np.float32),
        "uint8": rng.randint(256, size=(n, d)).astype(np.uint8),
        "sparse": sparse.csr_array(
            sparse.random_array((n, d), density=0.3, rng=rng.randint(2**31))
        ),
        "outlier": rows + 1e30 * (np.arange(n) == 0)[:, None],
    }
    return kinds[draw(st.sampled_from(sorted(kinds)))]


@st.composite
def odd_estimators(draw):
    """An estimator with a few parameters set, now and then to nonsense."""
    cls = draw(st.sampled_from([SpectralNetClustering, SpectralNetEmbedding]))
    names = sorted(cls().get_params())
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    params = {name: draw(VALID[name]) for name in chosen}
    if chosen and draw(st.integers(0, 4)) == 0:
        params[draw(st.sampled_from(chosen))] = draw(ODD)
    if cls is SpectralNetClustering and "n_clusters" not in params:
        params["n_clusters"] = 2
    return cls(**{"max_iter": 2, "random_state": 0, "n_components": 2, **params})


# What torch, LAPACK and Python say when a check is missing.
BARE = re.compile(
    "cholesky|linalg|LAPACK|torch|tensor|size mismatch|out of bounds|stride"
    "|unsupported operand|NoneType|has no attribute|must be real|not subscriptable"
    "|broadcast|dimension out of range|mat1|overflow encountered",
    re.IGNORECASE,
)


def is_named(text):
    """Whether a text is one that the package or scikit-learn wrote."""
    without_values = re.sub(r"Got .* instead", "", text, flags=re.DOTALL)
    return bool(text) and not BARE.search(without_values)


@pytest.mark.slow
@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(estimator=odd_estimators(), rows=odd_rows())
def test_random_pairs_work_or_say_why(estimator, rows):
    params = dict(vars(estimator))
    failed = None
    try:
        model, caught = fit(estimator, rows)
    except (ValueError, TypeError) as error:
        failed = error
    if failed is not None:
        assert type(failed) is not np.linalg.LinAlgError
        assert is_named(str(failed)), failed
        assert vars(estimator) == params
        return
    for warning in caught:
        if warning.category is RuntimeWarning:  # of a stage that the user has chosen
            own = model.encoder, model.metric_learner
            assert any(stage not in (None, "auto") for stage in own)
            continue
        assert warning.category in (ConvergenceWarning, UserWarning), warning
        assert is_named(str(warning.message)), warning
    check_usable(model, rows)
