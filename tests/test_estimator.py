"""What SpectralNetClustering and SpectralNetEmbedding alone have in common.

What they promise as all estimators do is in test_contract.py.
"""

import _thread
import pickle
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import pdist, squareform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import FunctionTransformer, StandardScaler, normalize

import skspectralnet
from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
    _batch_graph,
    _defaults,
)
from skspectralnet._trainer import Trainer

LAPLACIANS = ["random_walk", "symmetric", "unnormalized"]
PACKAGE = str(Path(skspectralnet.__file__).parent)

both = pytest.mark.parametrize("cls", [SpectralNetClustering, SpectralNetEmbedding])


def named(params):
    """A test's name from its parameters, the same in every process."""
    return ", ".join(f"{k}={getattr(v, '__name__', v)}" for k, v in params.items())


def make(cls, seed=0, **params):
    """Three clusters, or the two eigenvectors that tell them apart."""
    size = {"n_clusters": 3} if cls is SpectralNetClustering else {"n_components": 2}
    return cls(**{**size, "random_state": seed, **params})


def in_batches(cls):
    """Parameters for graphs of random batches, which the embedding does not default
    to."""
    if cls is SpectralNetClustering:
        return {}
    return {"neighbors_in": "batch", "init": "random"}


def assert_finds(model, X, y):
    """The three blobs are told apart."""
    if hasattr(model, "predict"):
        assert adjusted_rand_score(y, model.predict(X)) == 1.0
    else:
        distances = squareform(pdist(model.transform(X)))
        np.fill_diagonal(distances, np.inf)
        assert np.mean(y[distances.argmin(axis=1)] == y) >= 0.99


# --- what must not change the result


@both
def test_permuted_rows(cls, blobs, global_random_seed, rng):
    X, y = blobs
    order = rng.permutation(len(X))
    model = make(cls, global_random_seed).fit(X[order])
    assert_finds(model, X, y)


@both
@pytest.mark.parametrize("shift", [-3.0, 1e3, 1e6])
def test_shifted_rows(cls, shift, blobs, global_random_seed):
    X, y = blobs
    assert_finds(make(cls, global_random_seed).fit(X + shift), X + shift, y)


@both
@pytest.mark.parametrize("unit", [2.0**-30, 2.0**30])
def test_scaled_by_a_power_of_two_is_bitwise_the_same(
    cls, unit, blobs, assert_same_results
):
    X, _ = blobs
    one, other = make(cls).fit(X), make(cls).fit(X * unit)
    assert_same_results(one, other)
    assert_array_equal(one.transform(X), other.transform(X * unit))


@both
@pytest.mark.parametrize("factor", [1e-5, 1 / 3, 1e7])
@pytest.mark.parametrize("affinity", ["self_tuning", "rbf", "nearest_neighbors"])
def test_scaled_rows(cls, factor, affinity, blobs, global_random_seed):
    X, y = blobs
    model = make(cls, global_random_seed, affinity=affinity).fit(X * factor)
    assert_finds(model, X * factor, y)


@both
def test_rotated_rows(cls, blobs, global_random_seed, rng):
    X, y = blobs
    X = X @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert_finds(make(cls, global_random_seed).fit(X), X, y)


@both
def test_float32_rows_give_the_result_of_float64_rows(cls, blobs, global_random_seed):
    X, _ = blobs
    wide = make(cls, global_random_seed).fit(X.astype(np.float32).astype(np.float64))
    narrow = make(cls, global_random_seed).fit(X.astype(np.float32))
    Z = narrow.transform(X.astype(np.float32))
    assert Z.dtype == np.float32
    assert_allclose(Z, wide.transform(X.astype(np.float32)), rtol=1e-4, atol=1e-5)
    assert_allclose(narrow.eigenvalues_, wide.eigenvalues_, rtol=1e-6, atol=1e-12)


@both
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float16])
def test_other_dtypes(cls, dtype, blobs):
    X = np.round(10 * (blobs[0] - blobs[0].min())).astype(dtype)
    assert_finds(make(cls).fit(X), X, blobs[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_row_alone_has_its_label(dtype, blobs, global_random_seed):
    X = blobs[0].astype(dtype)
    model = make(SpectralNetClustering, global_random_seed).fit(X)
    single = [model.predict(X[i : i + 1])[0] for i in range(len(X))]
    assert_array_equal(single, model.labels_)


# --- the stages and their parameters


@both
@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("orthonorm", ["joint", "alternating"])
@pytest.mark.parametrize("loss", ["log", "trace"])
def test_every_laplacian_mode_and_loss(cls, laplacian, orthonorm, loss, blobs):
    X, y = blobs
    named = {"laplacian": laplacian, "orthonorm": orthonorm, "loss": loss}
    if orthonorm == "alternating":
        named["activation"] = "relu"  # as in the paper
    model = make(cls, **named).fit(X)
    assert_finds(model, X, y)
    assert np.isfinite(model.loss_curve_).all()
    assert (np.diff(model.eigenvalues_) >= 0).all()


@both
@pytest.mark.parametrize(
    "activation", ["identity", "logistic", "relu", "tanh", "gelu", "silu", "auto"]
)
def test_every_activation(cls, activation, blobs):
    X, y = blobs
    model = make(cls, activation=activation).fit(X)
    assert np.isfinite(model.transform(X)).all()
    if activation != "identity":  # three blobs are no linear function of the rows
        assert_finds(model, X, y)


@both
@pytest.mark.parametrize(("learner", "used"), [(None, "tanh"), ("siamese", "relu")])
@pytest.mark.parametrize(
    "neighbors_in", ["batch", pytest.param("data", marks=pytest.mark.slow)]
)
def test_automatic_activation(cls, learner, used, neighbors_in, blobs):
    named = {"metric_learner": learner, "neighbors_in": neighbors_in, "init": "random"}
    X = blobs[0]
    auto, same = (make(cls, activation=a, **named).fit(X) for a in ("auto", used))
    assert auto.network_.mlp.activation == used
    assert_array_equal(auto.transform(X), same.transform(X))


@both
@pytest.mark.parametrize("sizes", [16, (16,), [8, 8, 8], np.array([16, 8])])
def test_hidden_layer_sizes(cls, sizes, blobs):
    model = make(cls, hidden_layer_sizes=sizes).fit(blobs[0])
    widths = [len(bias) for bias in model.network_.mlp.biases]
    assert widths[:-1] == np.atleast_1d(sizes).tolist()


def affinity_of_the_user(points):
    return torch.exp(-0.5 * torch.cdist(points, points) ** 2)


@both
@pytest.mark.parametrize(
    "params",
    [
        {"affinity": "self_tuning"},
        {"affinity": "nearest_neighbors"},
        {"affinity": "rbf"},
        {"affinity": "rbf", "gamma": 0.5},
        {"affinity": affinity_of_the_user},
        {"n_neighbors": 4},
        {"batch_size": 50},
        {"batch_size": 10_000},
        {"early_stopping": False},
        {"validation_fraction": 0.3},
        {"alpha": 0.0},
        {"tol": 0.0, "max_iter": 60},
        {"n_iter_no_change": 1},
        {"device": "cpu"},
        {"diffusion_time": 0},
        {"diffusion_time": 3.5},
        {"diffusion_time": "auto"},
        {"encoder": None},
    ],
    ids=named,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_parameters_one_at_a_time(cls, params, blobs):
    X, y = blobs
    assert_finds(make(cls, **params).fit(X), X, y)


@both
def test_rbf_with_gamma_is_the_callable(cls, blobs, global_random_seed):
    X, _ = blobs
    way = in_batches(cls)
    named = make(cls, global_random_seed, affinity="rbf", gamma=0.5, **way).fit(X)
    given = make(cls, global_random_seed, affinity=affinity_of_the_user, **way).fit(X)
    assert_allclose(named.eigenvalues_, given.eigenvalues_, rtol=1e-2, atol=1e-6)


class Halves(TransformerMixin, BaseEstimator):
    """Keeps the first half of the columns; nothing of scikit-learn's own."""

    def fit(self, X, y=None):
        self.width_ = X.shape[1] // 2
        return self

    def transform(self, X):
        return X[:, : self.width_]


@both
@pytest.mark.parametrize("encoder", [PCA(2), StandardScaler(), Halves()], ids=repr)
def test_encoder_is_the_transformer_before(cls, encoder, blobs, assert_same_results):
    X, y = blobs
    model = make(cls, encoder=encoder).fit(X)
    assert_finds(model, X, y)
    assert not hasattr(encoder, "n_features_in_")  # a clone was fitted
    codes = clone(encoder).fit(X).transform(X)
    plain = make(cls, encoder=None).fit(codes)
    if not isinstance(encoder, PCA):  # whose random_state costs a draw
        assert_same_results(model, plain)
        assert_array_equal(model.transform(X), plain.transform(codes))


@both
def test_unset_seeds_of_the_stages_follow_random_state(cls, blobs, assert_same_results):
    X, _ = blobs
    encoder = TruncatedSVD(3, algorithm="randomized")
    one = make(cls, encoder=encoder).fit(X)
    two = make(cls, encoder=encoder).fit(X)
    assert encoder.random_state is None
    assert one.encoder_.random_state is not None
    assert_same_results(one, two)
    fixed = make(cls, encoder=TruncatedSVD(3, random_state=7)).fit(X)
    assert fixed.encoder_.random_state == 7


def wide_rows(blobs, width=150):
    """The blobs in more columns than the network takes, the rest small noise."""
    X, y = blobs
    noise = np.random.RandomState(0).normal(size=(len(X), width - X.shape[1]))
    return np.hstack([X, 0.05 * noise]), y


@both
def test_auto_encoder_leaves_narrow_rows_alone(cls, blobs):
    model = make(cls).fit(np.tile(blobs[0], 12))  # 48 columns, 50 are narrow
    assert model.encoder_ is None


@both
@pytest.mark.parametrize(
    ("convert", "metric", "expected"),
    [
        (np.asarray, "euclidean", PCA),
        (sparse.csr_array, "euclidean", TruncatedSVD),
        (np.asarray, "cosine", TruncatedSVD),
        (sparse.csr_array, "cosine", TruncatedSVD),
    ],
)
def test_auto_encoder_of_wide_rows(cls, convert, metric, expected, blobs):
    X, y = wide_rows(blobs)
    X = convert(X + 1.0)  # away from the origin, for the angles
    model = make(cls, metric=metric).fit(X)
    assert isinstance(model.encoder_, expected)
    assert model.encoder_.n_components == 50
    assert model.encoder == "auto"
    if metric == "euclidean":
        assert_finds(model, X, y)


@both
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("divide", [False, True])
def test_sparse_rows_of_one_length_are_compared_by_angle(cls, convert, divide, blobs):
    X, _ = wide_rows(blobs)
    X = convert(normalize(X + 1.0) if divide else X)
    expected = "cosine" if divide and sparse.issparse(X) else "euclidean"
    auto, asked = make(cls).fit(X), make(cls, metric=expected).fit(X)
    assert_array_equal(auto.transform(X), asked.transform(X))
    assert auto.metric == "auto"


@both
def test_auto_encoder_of_fewer_rows_than_columns(cls, blobs):
    X, y = wide_rows(blobs)
    model = make(cls).fit(X[::3][:40])
    assert model.encoder_.n_components == 39
    assert_finds(model, X, y)


@both
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_wide_small_integers(cls, dtype, blobs):
    X, y = wide_rows(blobs)
    X = np.round(10 * (X - X.min())).astype(dtype)
    model = make(cls).fit(X)
    assert_finds(model, X, y)
    alone = np.concatenate([model.transform(X[i : i + 1]) for i in range(20)])
    assert_allclose(alone, model.transform(X)[:20], rtol=1e-4, atol=1e-6)


@both
def test_metric_learner_moves_the_points(cls, rng):
    # Two noisy columns hide what the third one says; the learner knows it.
    X = np.c_[rng.normal(size=(150, 2)) * 5, np.repeat([0, 5, 10], 50)]
    X[:, 2] += 0.2 * rng.normal(size=150)
    learner = FunctionTransformer(lambda X: X[:, 2:])
    for network_input in ("metric", "code"):
        model = make(cls, metric_learner=learner, network_input=network_input).fit(X)
        assert_finds(model, X, np.repeat(range(3), 50))
        n_inputs = 1 if network_input == "metric" else 3
        assert model.network_.mlp.weights[0].shape[1] == n_inputs
        assert model.metric_learner_ is not learner


@both
def test_network_on_codes_takes_distances_from_the_points(cls, blobs):
    X, _ = blobs
    seen = []

    def affinity(points):
        seen.append(points.shape[1])
        return affinity_of_the_user(points)

    make(
        cls,
        encoder=PCA(3),
        metric_learner=PCA(2),
        network_input="code",
        affinity=affinity,
    ).fit(X)
    assert set(seen) == {2}


@both
def test_sparse_codes_pass_through_the_stages(cls, blobs):
    X, y = blobs
    model = make(cls, encoder=FunctionTransformer(sparse.csr_matrix)).fit(X)
    assert_finds(model, X, y)


@both
def test_cosine_sees_only_directions(cls, rng, assert_same_results):
    directions = np.repeat([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 50, axis=0)
    X = directions + 0.05 * rng.normal(size=(150, 3))
    lengths = rng.uniform(0.1, 50, size=(150, 1))
    y = np.repeat(range(3), 50)
    model = make(cls, metric="cosine").fit(X * lengths)
    assert_finds(model, X, y)
    assert_allclose(model.transform(X), model.transform(lengths * X), atol=1e-6)
    plain = make(cls).fit(normalize(X * lengths))
    assert_same_results(model, plain)


@both
def test_cosine_is_of_what_the_metric_learner_sees(cls, rng, assert_same_results):
    # The learner sees unit rows; what it makes of them is taken as it is, so that
    # lengths count there: here the three groups differ in nothing else.
    directions = np.c_[np.ones(150), 0.3 * np.repeat([0, 1, 2], 50)]
    directions += 0.01 * rng.normal(size=(150, 2))
    lengths = rng.uniform(0.1, 50, size=(150, 1))
    seen = []

    def slopes(rows):
        seen.append(rows)
        return 10 * rows[:, 1:] + 1

    learner = FunctionTransformer(slopes)
    same = {"n_neighbors": 10, "activation": "tanh"}
    model = make(cls, metric="cosine", metric_learner=learner, **same)
    model.fit(directions * lengths)
    assert_finds(model, directions, np.repeat(range(3), 50))
    assert seen
    for rows in seen:
        assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-12)
    assert_allclose(
        model.transform(directions), model.transform(lengths * directions), atol=1e-6
    )
    points = slopes(normalize(directions * lengths))
    plain = make(cls, metric_learner=None, **same)
    assert_same_results(model, plain.fit(points))


@both
def test_auto_metric_learner(cls, blobs):
    X, y = blobs
    auto = {"metric_learner": "auto", **in_batches(cls)}
    assert make(cls, **auto).fit(X).metric_learner_ is None  # few rows
    known = np.where(np.arange(150) % 10, -1, y)
    model = make(cls, **auto).fit(X, partial_labels=known)
    assert isinstance(model.metric_learner_, SiameseEmbedding)
    assert model.metric_learner == "auto"
    assert_finds(model, X, y)
    assert make(cls, metric_learner=None).fit(X).metric_learner_ is None


@both
@pytest.mark.parametrize(
    "metric", ["euclidean", pytest.param("cosine", marks=pytest.mark.slow)]
)
def test_learned_stages_by_name(cls, metric, blobs, assert_same_results):
    X, y = blobs
    X = X + 2.0  # away from the origin, for the angles
    named = {"encoder": "autoencoder", "metric_learner": "siamese"}
    model = make(cls, metric=metric, **named).fit(X)
    assert isinstance(model.encoder_, Autoencoder)
    assert isinstance(model.metric_learner_, SiameseEmbedding)
    assert model.metric_learner_.n_features_in_ == model.encoder_.n_components_
    if metric == "euclidean":
        assert_finds(model, X, y)
    assert_same_results(model, make(cls, metric=metric, **named).fit(X))


@both
def test_own_stages_take_device_and_verbosity(cls, blobs, capfd):
    named = {"encoder": "autoencoder", "metric_learner": "siamese"}
    model = make(cls, verbose=1, device="cpu", **named).fit(blobs[0])
    shown = capfd.readouterr().err
    for stage in ("encoder", "metric learner", "spectral map"):
        assert stage in shown
    assert model.encoder_.device == model.metric_learner_.device == "cpu"
    seeds = {model.encoder_.random_state, model.metric_learner_.random_state}
    assert len(seeds) == 2
    assert None not in seeds


@both
def test_cosine_of_a_zero_row_is_finite(cls, blobs):
    X = np.r_[blobs[0] + 3, np.zeros((1, 4))]
    assert np.isfinite(make(cls, metric="cosine").fit_transform(X)).all()


# --- what is reported


@both
def test_histories(cls, blobs):
    way = in_batches(cls)
    model = make(cls, **way).fit(blobs[0])
    assert model.n_iter_ == len(model.loss_curve_) >= 1
    assert model.validation_loss_curve_ is None  # too few rows to hold out
    assert min(model.loss_curve_) < model.loss_curve_[0]
    assert all(type(loss) is float for loss in model.loss_curve_)
    X = np.random.RandomState(0).normal(size=(2500, 3))
    model = make(cls, metric_learner=None, max_iter=40, tol=0.05, **way).fit(X)
    assert len(model.validation_loss_curve_) == model.n_iter_
    model.set_params(early_stopping=False).fit(X)
    assert model.validation_loss_curve_ is None


@both
def test_resolved_sizes(cls, blobs):
    X, _ = blobs
    model = make(cls).fit(X)
    assert 1 <= model.n_neighbors_ < len(X)
    assert model.n_features_in_ == 4
    assert not hasattr(model, "feature_names_in_")
    assert make(cls, n_neighbors=7).fit(X).n_neighbors_ == 7
    assert model.batch_size_ == len(X)
    assert make(cls, batch_size=40).fit(X).batch_size_ == 40
    components = len(model.eigenvalues_)
    assert model.transform(X).shape == (len(X), components)
    assert len(model.component_weights_) == components
    assert len(model.get_feature_names_out()) == components


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, (0.01, 4)),  # one batch of all rows
        ({"batch_size": 50}, (0.002, 6)),
        ({"batch_size": 50, "metric_learner": PCA(2)}, (0.002, 4)),
        ({"batch_size": 50, "tol": 0.1, "n_iter_no_change": 3}, (0.1, 3)),
        ({"neighbors_in": "data"}, (0.002, 4)),
    ],
)
def test_resolved_patience(params, expected, blobs, monkeypatch):
    seen, run = [], Trainer.run

    def spy(self, training, stage, *args, **schedule):
        if stage == "spectral map":
            seen.append((schedule["tol"], schedule["n_iter_no_change"]))
        return run(self, training, stage, *args, **schedule)

    monkeypatch.setattr(Trainer, "run", spy)
    make(SpectralNetClustering, max_iter=2, **params).fit(blobs[0])
    assert seen == [expected]


@both
@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("t", [0, 0.5, 2.0, "auto"])
def test_component_weights_formula(cls, laplacian, t, blobs, monkeypatch):
    X, _ = blobs
    seen = []

    def spy(*args, **kwargs):
        seen.append(align(*args, **kwargs))
        return seen[-1]

    align = _batch_graph.align
    monkeypatch.setattr(_batch_graph, "align", spy)
    way = in_batches(cls)
    model = make(cls, laplacian=laplacian, diffusion_time=t, **way).fit(X)
    decays = model.eigenvalues_
    if laplacian == "unnormalized":
        decays = decays / seen[0].largest_degree
    expected = np.maximum(0, 1 - decays) ** model.diffusion_time_
    assert_allclose(model.component_weights_, expected, rtol=1e-12)
    if t == "auto":
        last = 2 if cls is SpectralNetClustering else -1
        kept = np.exp(-_defaults.AUTO_DECAY)
        assert model.component_weights_[last] == pytest.approx(kept, rel=1e-3)
    else:
        assert model.diffusion_time_ == t
    plain = clone(model).set_params(diffusion_time=0).fit(X)
    assert_array_equal(plain.component_weights_, 1.0)
    scaled = plain.transform(X) * model.component_weights_
    assert_allclose(model.transform(X), scaled, rtol=1e-12)


@both
def test_largest_entry_of_each_component_is_positive(cls, blobs, global_random_seed):
    Z = make(cls, global_random_seed, diffusion_time=0).fit_transform(blobs[0])
    assert (Z[np.abs(Z).argmax(axis=0), np.arange(Z.shape[1])] > 0).all()


@both
def test_one_convergence_warning_at_max_iter(cls, blobs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make(cls, max_iter=1, **in_batches(cls)).fit(blobs[0])
    assert [w.category for w in caught] == [ConvergenceWarning]
    assert "max_iter=1" in str(caught[0].message)
    assert model.n_iter_ == 1
    assert np.isfinite(model.transform(blobs[0])).all()


# --- persistence


def in_outputs(cls):
    """Bytes of six outputs of the default network, of 64-bit numbers."""
    return 0 if cls is SpectralNetClustering else 6 * 8 * 260


@both
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_pickle_does_not_grow_with_the_rows(cls):
    sizes = []
    # Both have as many landmarks as there can be, and write their number of rows,
    # which is stored, in two bytes.
    for n in (10_000, 60_000):
        X = np.random.RandomState(0).normal(size=(n, 3))
        plain = {"metric_learner": None, "early_stopping": False}
        model = make(cls, max_iter=1, **plain).fit(X)
        for name in ("labels_", "embedding_"):
            vars(model).pop(name, None)
        sizes.append(len(pickle.dumps(model)))
    # Not a byte more, but for a few outputs that reach to a gap in the spectrum.
    assert abs(sizes[0] - sizes[1]) <= in_outputs(cls)


# --- parameters set later


@both
@pytest.mark.parametrize(
    "change",
    [
        {"metric": "cosine"},
        {"encoder": PCA(2)},
        {"metric_learner": PCA(2), "network_input": "code"},
        {"encoder": "autoencoder", "metric_learner": "siamese"},
        {"laplacian": "symmetric", "diffusion_time": 9.0, "n_neighbors": 3},
    ],
    ids=named,
)
def test_parameters_set_after_fit_wait_for_the_next_fit(cls, change, blobs):
    X, _ = blobs
    model = make(cls).fit(X)
    Z = model.transform(X)
    model.set_params(**change)
    assert_array_equal(model.transform(X), Z)


# --- Ctrl-C


@both
def test_interrupted_before_training_leaves_no_model(cls, blobs):
    class Slow(Halves):
        def fit(self, X, y=None):
            raise KeyboardInterrupt

    model = make(cls, encoder=Slow())
    with pytest.raises(KeyboardInterrupt):
        model.fit(blobs[0])
    with pytest.raises(NotFittedError):
        model.transform(blobs[0])


class InterruptAt:
    """Presses Ctrl-C when the package makes its n-th call of a function."""

    def __init__(self, n):
        self.n = n
        self.count = 0

    def __call__(self, frame, event, arg):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self.count += 1
            if self.count == self.n:
                raise KeyboardInterrupt
        return None

    def run(self, function):
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return function()
        finally:
            sys.settrace(before)


@both
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_interrupted_anywhere_is_a_model_or_none(cls, blobs, rng):
    X, _ = blobs
    model = make(cls, max_iter=4)
    counter = InterruptAt(None)
    counter.run(lambda: model.fit(X))
    Z, fitted = model.transform(X), model.network_
    finished = 0
    for n in sorted(rng.choice(np.arange(1, counter.count + 1), 30, replace=False)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                InterruptAt(n).run(lambda: model.fit(X))
            except KeyboardInterrupt:
                assert model.network_ is fitted
                assert_array_equal(model.transform(X), Z)
                continue
        finished += 1
        assert ["interrupted" in str(w.message) for w in caught] == [True]
        assert np.isfinite(model.transform(X)).all()
        assert model.n_iter_ == len(model.loss_curve_)
        assert_array_equal(make(cls, max_iter=4).fit(X).transform(X), Z)
        model.fit(X)
        Z, fitted = model.transform(X), model.network_
    assert finished > 0


@pytest.mark.skipif(
    not hasattr(_thread, "interrupt_main"), reason="no way to press Ctrl-C"
)
def test_a_real_ctrl_c(blobs, request):
    X, _ = blobs
    calls = []
    # A shell starts what runs in the background with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def affinity(points):
        calls.append(1)
        if len(calls) == 8:
            _thread.interrupt_main()
        return affinity_of_the_user(points)

    model = make(SpectralNetClustering, affinity=affinity, batch_size=50)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X)
    assert np.isfinite(model.transform(X)).all()


# --- devices


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@both
def test_gpu(cls, blobs, monkeypatch):
    X, y = blobs
    model = make(cls, device="cuda").fit(X)
    assert_finds(model, X, y)
    Z = model.transform(X)
    written = pickle.dumps(model)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    loaded = pickle.loads(written).set_params(device="auto")  # noqa: S301
    assert_allclose(loaded.transform(X), Z, atol=1e-7)


@both
def test_numbers_of_few_bits_are_numbers(cls, blobs):
    X, _ = blobs
    name = "n_clusters" if cls is SpectralNetClustering else "n_components"
    given = {name: np.uint8(3), "n_neighbors": np.int8(10), "batch_size": np.int16(128)}
    given |= {"max_iter": np.uint8(5), "learning_rate_init": np.float16(0.0078125)}
    few = make(cls, **given).fit(X)
    plain = make(cls, **{n: v.item() for n, v in given.items()}).fit(X)
    assert_array_equal(few.transform(X), plain.transform(X))
    params = few.get_params()
    assert all(params[n] is v for n, v in given.items())
