"""What all estimators promise: kinds of rows, seeds, copies, how fits fail and end."""

import copy
import inspect
import itertools
import pickle
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import joblib
import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from packaging.version import Version
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import (
    ConvergenceWarning,
    InconsistentVersionWarning,
    NotFittedError,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
    _autoencoder,
    _estimator,
    _siamese,
    _tasks,
)

try:
    import cloudpickle
except ImportError:  # joblib before 1.6 brings it along
    from joblib.externals import cloudpickle

ROOT = Path(__file__).resolve().parent.parent
FAST = {"hidden_layer_sizes": (32,), "max_iter": 3}


class Case(NamedTuple):
    """An estimator, what makes it small, and how near two ways to a result are."""

    cls: type
    params: dict
    alone: dict  # a row alone and the row among others
    refit: dict  # two fits of equal rows of two kinds
    bar: str  # what its progress bar is called

    def __call__(self, seed=0, **params):
        return self.cls(**{**self.params, "random_state": seed, **params})

    @property
    def is_spectral(self):
        return self in SPECTRAL


ABOUT_A_MAP = {
    "alone": {"rtol": 0, "atol": 1e-7},
    # The sums behind the centre may run in another order, training starts from it.
    "refit": {"rtol": 0, "atol": 1e-4},
    "bar": "spectral map",
}
ABOUT_A_STAGE = {
    "params": {"n_components": 2, **FAST},
    "alone": {"rtol": 1e-10, "atol": 1e-12},
    "refit": {"rtol": 1e-5, "atol": 1e-6},
}
SPECTRAL = [
    Case(SpectralNetClustering, {"n_clusters": 3}, **ABOUT_A_MAP),
    Case(SpectralNetEmbedding, {"n_components": 2}, **ABOUT_A_MAP),
]
STAGES = [
    Case(Autoencoder, bar="encoder", **ABOUT_A_STAGE),
    Case(SiameseEmbedding, bar="metric learner", **ABOUT_A_STAGE),
]
CASES = SPECTRAL + STAGES


def over(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.cls.__name__)


each = over(CASES)


def in_batches(case):
    """Parameters for graphs of random batches, to which an affinity is handed."""
    if case.cls is SpectralNetEmbedding:
        return {"neighbors_in": "batch", "init": "random"}
    return {}


@pytest.fixture
def rows(case, blobs, rng):
    """Three blobs for a map; a noisy curve, in units of 100, for a learned space."""
    if case.is_spectral:
        return blobs[0]
    t = rng.uniform(0, 3 * np.pi, size=300)
    k = np.arange(6)
    return 300 + 100 * np.cos((k + 1) * t[:, None] / 3 + k)


@pytest.fixture
def counts(case, blobs, rng):
    """Small integers."""
    if case.is_spectral:
        return np.round(10 * (blobs[0] - blobs[0].min())).astype(np.uint8)
    return rng.poisson(9.0, size=(120, 6)).astype(np.uint8)


@pytest.fixture
def gappy(case, blobs, rng):
    """Rows with many zeros."""
    if case.is_spectral:
        return np.where(np.abs(blobs[0]) < 0.3, 0.0, blobs[0])
    # Continuous entries: no two neighbours are equally far.
    return rng.exponential(size=(150, 8)) * (rng.uniform(size=(150, 8)) < 0.6)


# --- the rows and their types


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fit_transform_is_transform_bitwise(case, dtype, rows, global_random_seed):
    X = rows.astype(dtype)
    model = case(global_random_seed)
    Z = model.fit_transform(X)
    assert Z.dtype == model.transform(X).dtype == dtype
    assert_array_equal(Z, model.transform(X))
    assert_array_equal(Z, case(global_random_seed).fit(X).transform(X))
    assert {p.dtype for p in model.network_.parameters()} == {torch.float64}


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_row_alone_is_the_row_among_others(
    case, dtype, rows, global_random_seed, rng
):
    X = rows.astype(dtype)
    model = case(global_random_seed).fit(X)
    Z, order = model.transform(X), rng.permutation(len(X))
    alone = np.concatenate([model.transform(X[i : i + 1]) for i in range(len(X))])
    near = case.alone if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-7}
    assert_allclose(alone, Z, **near)
    assert_allclose(model.transform(X[order]), Z[order], **near)


@each
def test_many_rows_are_the_rows_in_pieces(case, rows, rng):
    model = case().fit(rows)
    X = rng.normal(size=(20_000, rows.shape[1]))  # more than one block
    pieces = np.array_split(X, 7)
    whole = model.transform(X)
    in_pieces = np.concatenate([model.transform(part) for part in pieces])
    assert_allclose(in_pieces, whole, **case.alone)
    order = rng.permutation(len(X))
    assert_allclose(model.transform(X[order]), whole[order], **case.alone)


def memory_map(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


KINDS = {
    "uint8": lambda X, folder: X,
    "int32": lambda X, folder: X.astype(np.int32),
    "int64": lambda X, folder: X.astype(np.int64),
    "float16": lambda X, folder: X.astype(np.float16),
    "float32": lambda X, folder: X.astype(np.float32),
    "memory map of integers": memory_map,
    "memory map of floats": lambda X, folder: memory_map(X.astype(float), folder),
    "list": lambda X, folder: X.tolist(),
    "Fortran": lambda X, folder: np.asfortranarray(X, dtype=np.float64),
}


@each
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_rows_agree(case, kind, counts, tmp_path):
    same, X = KINDS[kind](counts, tmp_path), counts.astype(np.float64)
    model = case().fit(same)
    Z = model.transform(same)
    assert_allclose(Z, case().fit_transform(X), rtol=1e-5, atol=1e-6)
    assert Z.dtype == (np.float32 if kind == "float32" else np.float64)
    assert_array_equal(Z, model.transform(X).astype(Z.dtype))


@each
@pytest.mark.parametrize(
    "view",
    [
        lambda X: np.asfortranarray(X),
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X[::-1].copy()[::-1],
        lambda X: X[:, ::-1].copy()[:, ::-1],
        lambda X: X.tolist(),
    ],
    ids=["fortran", "strided", "reversed rows", "reversed columns", "list"],
)
def test_memory_layout_makes_no_difference(case, view, rows):
    one, other = case().fit(rows), case().fit(view(rows))
    assert_allclose(one.transform(view(rows)), one.transform(rows), **case.alone)
    assert_allclose(other.transform(rows), one.transform(rows), **case.refit)


@each
@pytest.mark.parametrize(
    "convert",
    [
        sparse.csr_matrix,
        sparse.csr_array,
        sparse.csc_array,
        sparse.coo_array,
        sparse.lil_matrix,
        sparse.dok_array,
    ],
)
def test_sparse_rows_equal_dense_rows_bitwise(
    case, convert, gappy, assert_same_results
):
    dense, other = case().fit(gappy), case().fit(convert(gappy))
    assert_same_results(dense, other)
    Z = dense.transform(gappy)
    assert_array_equal(dense.transform(convert(gappy)), other.transform(gappy))
    assert_array_equal(other.transform(convert(gappy)), Z)


@each
def test_rows_that_may_not_be_written(case, rows, tmp_path, assert_same_results):
    joblib.dump(rows, tmp_path / "X.joblib")
    mapped = joblib.load(tmp_path / "X.joblib", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_results(case().fit(mapped), case().fit(rows))


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_input_is_left_as_it_was(case, dtype, rows):
    X = rows.astype(dtype)
    before = X.copy()
    case().fit(X).transform(X)
    assert_array_equal(X, before)


@each
@pytest.mark.parametrize("y", [None, [0] * 150, "ignored"])
def test_y_is_ignored(case, y, rows, assert_same_results):
    assert_same_results(case().fit(rows, y), case().fit(rows))


# --- seeds


@each
@pytest.mark.parametrize("seed", range(3))
def test_same_seed_is_bitwise_the_same(case, seed, rows, assert_same_results):
    one, two = case(seed).fit(rows), case(seed).fit(rows)
    assert_same_results(one, two)


@pytest.mark.slow
@each
@pytest.mark.parametrize("seed", range(20))
def test_same_seed_is_bitwise_the_same_on_larger_data(case, seed, assert_same_results):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(3000, 5)) + 3 * rng.randint(3, size=(3000, 1))
    assert_same_results(case(seed).fit(X), case(seed).fit(X))


@pytest.mark.parametrize(
    ("case", "params", "known"),
    [
        (SPECTRAL[0], {}, {}),
        (SPECTRAL[1], {}, {}),
        (STAGES[0], {"noise": 0.1}, {}),
        (STAGES[1], {}, {"partial_labels": np.arange(300) % 4 - 1}),
    ],
    ids=["clustering", "embedding", "noisy autoencoder", "siamese with labels"],
)
def test_another_seed_is_another_fit(
    case, params, known, rows, global_random_seed, assert_same_results
):
    def fit(seed):
        return case(seed, **params).fit(rows, **known)

    one, two = fit(global_random_seed), fit(global_random_seed)
    assert_same_results(one, two)
    assert one.loss_curve_ != fit(global_random_seed + 1).loss_curve_


def test_same_seed_in_a_fresh_process(blobs, tmp_path):
    models = {case.cls.__name__: case() for case in CASES}
    np.save(tmp_path / "X.npy", blobs[0])
    code = f"""
import numpy as np
from skspectralnet import {", ".join(models)}
X = np.load("X.npy")
for name, model in {models!r}.items():
    np.save(name, model.fit_transform(X))
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)  # noqa: S603
    for name, model in models.items():
        found = np.load(tmp_path / f"{name}.npy")
        assert_array_equal(found, model.fit_transform(blobs[0]), err_msg=name)


@each
def test_refit_is_a_fresh_fit(case, rows, rng, assert_same_results):
    model = case().fit(rng.normal(size=(80, rows.shape[1])))
    assert_same_results(model.fit(rows), case().fit(rows))


@each
def test_random_state_instance_advances_itself(case, rows, assert_same_results):
    model = case(np.random.RandomState(0))
    copied = clone(model).fit(rows)  # clone copies the state before it advances
    assert_same_results(model.fit(rows), copied)
    assert model.fit(rows).loss_curve_[0] != copied.loss_curve_[0]


@each
def test_same_random_state_instance_twice(case, rows, assert_same_results):
    one = case(np.random.RandomState(5)).fit(rows)
    two = case(np.random.RandomState(5)).fit(rows)
    assert_same_results(one, two)


# --- copies


def round_trips(model, folder):
    """The same model by every way of copying one."""
    joblib.dump(model, folder / "plain.joblib")
    joblib.dump(model, folder / "packed.joblib", compress=3)
    return {
        "pickle": pickle.loads(pickle.dumps(model)),  # noqa: S301
        "pickle 2": pickle.loads(pickle.dumps(model, protocol=2)),  # noqa: S301
        "cloudpickle": pickle.loads(cloudpickle.dumps(model)),  # noqa: S301
        "deepcopy": copy.deepcopy(model),
        "copy": copy.copy(model),
        "joblib": joblib.load(folder / "plain.joblib"),
        "joblib, memory-mapped": joblib.load(folder / "plain.joblib", mmap_mode="r"),
        "joblib, compressed": joblib.load(folder / "packed.joblib"),
    }


WITH_STAGES = {
    "encoder": {"encoder": PCA(2)},
    "metric learner": {"metric_learner": PCA(2), "network_input": "code"},
    "learned": {
        "encoder": Autoencoder(2, max_iter=2),
        "metric_learner": SiameseEmbedding(2, max_iter=2),
    },
}


@pytest.mark.parametrize(
    ("case", "params"),
    [pytest.param(case, {}, id=f"{case.cls.__name__}-plain") for case in CASES]
    + [
        pytest.param(case, params, id=f"{case.cls.__name__}-{name}")
        for case in SPECTRAL
        for name, params in WITH_STAGES.items()
    ],
)
def test_copies_are_the_same_bit_for_bit(
    case, params, rows, tmp_path, rng, assert_same_results
):
    model = case(**params).fit(rows)
    new = np.r_[rows, rng.normal(size=(50, rows.shape[1]))]
    methods = ["transform", "predict"]
    expected = {m: getattr(model, m)(new) for m in methods if hasattr(model, m)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copies = round_trips(model, tmp_path)
        for way, other in copies.items():
            for method, values in expected.items():
                assert_array_equal(getattr(other, method)(new), values, err_msg=way)
            assert_same_results(other, model)
            assert_same_results(other.fit(rows), model)


@each
def test_an_unfitted_model_can_be_copied(case, rows, tmp_path):
    for other in round_trips(case(), tmp_path).values():
        with pytest.raises(NotFittedError):
            other.transform(rows)
        assert repr(other) == repr(case())


@each
def test_a_pickle_names_nothing_of_torch(case, rows):
    assert b"torch" not in pickle.dumps(case().fit(rows))


@each
def test_other_version_is_warned_of(case, rows, monkeypatch):
    written = pickle.dumps(case().fit(rows))
    monkeypatch.setattr(_estimator, "version", lambda name: "999.0")
    name = case.cls.__name__
    with pytest.warns(InconsistentVersionWarning, match=name) as caught:
        model = pickle.loads(written)  # noqa: S301
    assert len(caught) == 1
    assert "999.0" in str(caught[0].message)
    assert np.isfinite(model.transform(rows)).all()


@each
def test_fitted_network_stays_on_the_cpu(case, rows):
    network = case().fit(rows).network_
    assert {t.device.type for t in network.state_dict().values()} == {"cpu"}
    assert not any(p.requires_grad for p in network.parameters())
    assert not any(p.grad is not None for p in network.parameters())


# --- a fit that fails


def affinity_of_the_user(points):
    return torch.exp(-0.5 * torch.cdist(points, points) ** 2)


def failing_affinity():
    """An affinity that works for a while."""
    calls = []

    def affinity(points):
        calls.append(1)
        return "nothing" if len(calls) > 2 else affinity_of_the_user(points)

    return affinity


# name: (parameters, what is made of good rows, what the error says)
BAD_FITS = {
    "NaN": ({}, lambda X: np.where(np.median(X) < X, np.nan, X), "NaN"),
    "one row": ({}, lambda X: X[:1], "minimum of 2|1 sample"),
    "no columns": ({}, lambda X: X[:, :0], "0 feature"),
    "strings": ({}, lambda X: [["a"], ["b"]], "convert"),
    "other columns and NaN": ({}, lambda X: np.full((20, 3), np.nan), "NaN"),
    "no layers": (
        {"hidden_layer_sizes": ()},
        lambda X: X[:, :3],
        "hidden_layer_sizes",
    ),
    "device": ({"device": "abacus"}, lambda X: X[:, :3], "device='abacus'"),
}
BAD_SPECTRAL_FITS = {
    "too many components": ({"n_components": 1000}, "n_components"),
    "batch too small": ({"batch_size": 2, "n_components": 4}, "batch_size"),
    "gamma without rbf": ({"gamma": 1.0}, "gamma"),
    "bad parameter": ({"loss": "nothing"}, "loss"),
    "metric and bad layers": (
        {"metric": "cosine", "hidden_layer_sizes": ()},
        "hidden_layer_sizes",
    ),
    "affinity fails on the way": (
        {"affinity": failing_affinity, "batch_size": 50},
        "affinity",
    ),
    "encoder fails": ({"encoder": PCA(1000)}, "n_components"),
    "code without learner": (
        {"network_input": "code", "metric_learner": None},
        "metric_learner",
    ),
}


def bad_fits():
    """Of every estimator: its parameters, how rows are spoilt, what the error says."""
    for case in CASES:
        name = case.cls.__name__
        for what, (params, spoil, text) in BAD_FITS.items():
            yield pytest.param(case, params, spoil, text, id=f"{name}-{what}")
    for case in SPECTRAL:
        name, way = f"{case.cls.__name__}-in batches", in_batches(case)
        own = {
            what: (params, lambda X: X, text)
            for what, (params, text) in BAD_SPECTRAL_FITS.items()
        }
        for what, (params, spoil, text) in {**(BAD_FITS if way else {}), **own}.items():
            params = {**way, **params}
            yield pytest.param(case, params, spoil, text, id=f"{name}-{what}")


each_bad_fit = pytest.mark.parametrize(
    ("case", "params", "spoil", "text"), list(bad_fits())
)


def fresh(params):
    """Parameters in which nothing has been called yet."""
    return {k: v() if v is failing_affinity else v for k, v in params.items()}


@each_bad_fit
def test_failed_fit_leaves_the_old_model(case, params, spoil, text, rows):
    model = case().fit(rows)
    before, Z = dict(vars(model)), model.transform(rows)
    model.set_params(**fresh(params))
    with pytest.raises((ValueError, TypeError), match=text):
        model.fit(spoil(rows))
    assert set(vars(model)) == set(before)
    fitted = [name for name in before if name.endswith("_")]
    assert "network_" in fitted
    assert all(vars(model)[name] is before[name] for name in fitted)
    model.set_params(device=before["device"])
    assert_array_equal(model.transform(rows), Z)


@each_bad_fit
def test_failed_first_fit_leaves_no_model(case, params, spoil, text, rows):
    model = case(**fresh(params))
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=text):
        model.fit(spoil(rows))
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.transform(rows)


INVALID = "must be .* Got .* instead"


@each
@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"n_components": 0}, INVALID),
        ({"n_components": "all"}, INVALID),
        ({"n_components": 2.0}, INVALID),
        ({"batch_size": 0}, INVALID),
        ({"activation": "step"}, INVALID),
        ({"learning_rate_init": 0}, INVALID),
        ({"max_iter": 0}, INVALID),
        ({"validation_fraction": 1.0}, INVALID),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_bad_parameters(case, params, text, rows):
    model = case().set_params(**params)
    with pytest.raises(ValueError, match=text):
        model.fit(rows)
    with pytest.raises(NotFittedError):
        model.transform(rows)


@each
@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (np.full((9, 2), np.inf), "infinity"),
        (np.zeros((1, 2)), "minimum of 2"),
        (np.zeros(5), "Reshape your data"),
        ([["a", "b"], ["c", "d"]], "convert"),
        (np.array([[-1.7e308], [1.7e308], [1.7e308]]), "Rescale X"),
    ],
)
def test_bad_rows(case, bad, text):
    with pytest.raises(ValueError, match=text):
        case().fit(bad)


# --- Ctrl-C

LOSSES = {
    Autoencoder: (_autoencoder, "_denoising_loss"),
    SiameseEmbedding: (_siamese, "_pair_loss"),
}


def counted(function, interrupted_at=()):
    """A function in whose given calls Ctrl-C is pressed, and the list of its calls."""
    calls = []

    def called(*args):
        calls.append(1)
        if len(calls) in interrupted_at:
            raise KeyboardInterrupt
        return function(*args)

    return called, calls


def spied(monkeypatch, case, interrupted_at=()):
    """Count the steps of a stage; Ctrl-C is pressed in the given ones."""
    module, name = LOSSES[case.cls]
    loss, calls = counted(getattr(module, name), interrupted_at)
    monkeypatch.setattr(module, name, loss)
    return calls


def steps_of_an_epoch(monkeypatch, case, rows):
    """How often a stage takes its loss in an epoch."""
    with monkeypatch.context() as patched:
        calls = spied(patched, case)
        n_epochs = case(max_iter=6).fit(rows).n_iter_
        return len(calls) // n_epochs


def interrupt(monkeypatch, case, rows, model, *, twice=False):
    """Let Ctrl-C be pressed in the next fit of a model, and again while it ends."""
    if case.is_spectral:
        # 150 rows in 3 batches: three calls for the first group, three more for each
        # next one, then three for the alignment.
        affinity, _ = counted(affinity_of_the_user, (8, 9) if twice else (8,))
        model.set_params(affinity=affinity, batch_size=50, **in_batches(case))
        return
    if twice:
        spied(monkeypatch, case, [5])
        accept, _ = counted(_tasks.Interrupts.accept, [1])
        monkeypatch.setattr(_tasks.Interrupts, "accept", accept)
    else:
        n_steps = steps_of_an_epoch(monkeypatch, case, rows)
        spied(monkeypatch, case, [2 * n_steps + n_steps // 2])


@each
def test_interrupted_once_ends_training(case, rows, monkeypatch):
    model = case(max_iter=100)
    interrupt(monkeypatch, case, rows, model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows)
    assert [w.category for w in caught] == [UserWarning]
    assert "interrupted by user" in str(caught[0].message)
    assert 1 <= model.n_iter_ == len(model.loss_curve_) < 100
    assert_array_equal(model.transform(rows), model.transform(rows))
    assert np.isfinite(model.transform(rows)).all()


@over(STAGES)
def test_interrupted_once_keeps_the_best_weights(
    case, rows, monkeypatch, assert_same_results
):
    n_steps = steps_of_an_epoch(monkeypatch, case, rows)
    ended = []
    # In the middle of the third epoch, and before it: what it changed is dropped.
    for call in (2 * n_steps + n_steps // 2, 2 * n_steps + 1):
        with monkeypatch.context() as patched:
            spied(patched, case, [call])
            with pytest.warns(UserWarning, match="interrupted by user after 2 epochs"):
                ended.append(case(max_iter=6).fit(rows))
    assert [fitted.n_iter_ for fitted in ended] == [2, 2]
    assert [len(fitted.loss_curve_) for fitted in ended] == [2, 2]
    assert np.isfinite(ended[0].transform(rows)).all()
    assert all(w.isfinite().all() for w in ended[0].network_.parameters())
    assert_same_results(*ended)


@each
@pytest.mark.filterwarnings("ignore:Training of the:UserWarning")
def test_interrupted_twice_leaves_the_old_model(case, rows, monkeypatch):
    model = case().fit(rows)
    fitted, Z = dict(vars(model)), model.transform(rows)
    interrupt(monkeypatch, case, rows, model, twice=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(rows[:, :3])
    kept = [key for key in fitted if key.endswith("_")]
    assert "network_" in kept
    assert all(vars(model)[key] is fitted[key] for key in kept)
    assert_array_equal(model.transform(rows), Z)


@over(SPECTRAL)
@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_ctrl_c_in_two_stages_is_two_presses(case, seconds, rows, monkeypatch):
    """Soon after the first, in a stage of its own, the second one ends the fit."""
    clock = itertools.count(0.0, seconds)
    monkeypatch.setattr(_tasks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    spied(monkeypatch, STAGES[1], [30])
    affinity, _ = counted(affinity_of_the_user, [8])
    learner = SiameseEmbedding(2, hidden_layer_sizes=(8,), max_iter=20, batch_size=30)
    model = case(metric_learner=learner, affinity=affinity, batch_size=50)
    model.set_params(**in_batches(case))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(rows)
        except KeyboardInterrupt:
            ended = True
        else:
            ended = False
    assert ended == (seconds == 1.0)
    assert ended != hasattr(model, "network_")
    texts = [str(w.message) for w in caught if "interrupted" in str(w.message)]
    assert "of the metric learner interrupted by user after" in texts[0]
    assert "again within two seconds" in texts[0]
    assert len(texts) == (1 if ended else 2)


# --- what is shown


@each
def test_silent_by_default(case, rows, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = case().fit(rows)
        model.transform(rows)
    assert model.n_iter_ == case.params.get("max_iter", model.n_iter_)
    assert capfd.readouterr() == ("", "")


@each
@pytest.mark.parametrize("verbose", [1, True])
def test_verbose_writes_to_the_standard_error(case, verbose, rows, capfd):
    model = case(verbose=verbose).fit(rows)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert case.bar in shown.err
    # The siamese network has an epoch of its start.
    n_epochs = model.n_iter_ + (case.cls is SiameseEmbedding)
    assert f"{n_epochs}/{n_epochs}" in shown.err


@each
def test_repr_is_the_name_and_what_is_not_default(case):
    model = case(max_iter=7)
    assert repr(model).startswith(f"{case.cls.__name__}(")
    assert "max_iter=7" in repr(model)


@each
def test_parameters_are_keywords_in_the_order_of_the_docstring(case):
    signature = inspect.signature(case.cls.__init__).parameters
    names = [name for name in signature if name != "self"]
    kinds = {signature[name].kind for name in names[1:]}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert set(case.cls._parameter_constraints) == set(names)
    lines = case.cls.__doc__.splitlines()
    documented = [
        line.strip().split(" : ")[0]
        for line in lines[lines.index("    Parameters") : lines.index("    Attributes")]
        if line.startswith("    ") and line[4:5].strip() and " : " in line
    ]
    assert documented == names


@each
def test_fitted_attributes_are_documented(case, rows):
    learned = [name for name in vars(case().fit(rows)) if name.endswith("_")]
    assert {"network_", "loss_curve_", "n_features_in_"} <= set(learned)
    attributes = case.cls.__doc__.split("Attributes\n")[1].split("See Also")[0]
    for name in learned:
        assert f"\n    {name} : " in attributes, name


# --- the HTML that a notebook shows


def page_of(model):
    pages = _estimator.DOCUMENTATION
    return f"{pages}/api/skspectralnet.{type(model).__name__}.html"


def quiet_fit(model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X)


def explained(html, page):
    """The names that link to their place on the page and say what they are."""
    pattern = rf'href="{re.escape(page)}#:~:text=[^"]*">\s*(\w+)\s*<span[^>]*>\s*(\w+):'
    found = re.findall(pattern, html)
    assert all(shown == described for shown, described in found)
    return {shown for shown, _ in found}


def test_documentation_is_where_the_metadata_say():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"] == {"Documentation": _estimator.DOCUMENTATION}


@each
def test_html_links_to_the_page_before_and_after_a_fit(case, rows):
    model = case()
    assert f'href="{page_of(model)}"' in model._repr_html_()
    fitted = quiet_fit(model, rows)._repr_html_()
    assert f'href="{page_of(model)}"' in fitted
    assert "<span>Fitted</span>" in fitted


@pytest.mark.skipif(
    Version(sklearn.__version__) < Version("1.9"),
    reason="older HTML has no such tables",
)
@each
def test_html_explains_parameters_and_what_was_learned(case, rows):
    model = case()
    page = page_of(model)
    parameters = set(model.get_params(deep=False))
    assert explained(model._repr_html_(), page) == parameters
    fitted = quiet_fit(model, rows)._repr_html_()
    learned = {name for name in vars(model) if name[0] != "_" and name.endswith("_")}
    assert {"network_", "loss_curve_", "n_features_in_"} <= learned
    assert explained(fitted, page) == parameters | learned


@each
def test_html_of_a_pipeline_links_to_the_page_of_each_step(case, rows):
    pipeline = make_pipeline(StandardScaler(), case())
    name = case.cls.__name__.lower()
    for html in (
        estimator_html_repr(pipeline),
        estimator_html_repr(quiet_fit(pipeline, rows)),
        estimator_html_repr(GridSearchCV(pipeline, {f"{name}__max_iter": [1, 2]})),
    ):
        assert f'href="{page_of(case())}"' in html
        assert "sklearn.preprocessing.StandardScaler.html" in html


def test_html_of_a_stage_in_its_place(blobs):
    model = SpectralNetClustering(3, encoder=Autoencoder(max_iter=2), random_state=0)
    for html in (model._repr_html_(), quiet_fit(model, blobs[0])._repr_html_()):
        assert "Autoencoder(max_iter=2)" in html


def test_html_of_a_subclass_elsewhere_claims_no_page():
    class Mine(SpectralNetClustering):
        pass

    assert Mine()._get_doc_link() == ""


@each
def test_linked_page_is_one_that_the_documentation_has(case):
    # autosummary names the page of each entry in its toctree after the module.
    pages = (ROOT / "docs" / "api.rst").read_text("utf-8")
    assert pages.startswith("API\n===\n\n.. currentmodule:: skspectralnet\n")
    assert "   :toctree: api\n" in pages
    assert f"   {case.cls.__name__}\n" in pages
    page = f"/api/skspectralnet.{case.cls.__name__}.html"
    assert case()._get_doc_link() == _estimator.DOCUMENTATION + page


@each
def test_parameters_of_what_is_no_estimator_cannot_be_set(case):
    """A search over them said that a str has no set_params."""
    model = case()
    for name in ("random_state", "device"):
        with pytest.raises(ValueError, match=rf"{name}__x cannot be set: {name}="):
            model.set_params(**{f"{name}__x": 1})
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
        model.set_params(nothing__x=1)
    assert model.set_params(max_iter=7).max_iter == 7


@pytest.mark.parametrize(
    ("name", "values", "stage"),
    [
        ("encoder", ["auto", "autoencoder", None], Autoencoder()),
        ("metric_learner", ["auto", "siamese", None], SiameseEmbedding()),
    ],
)
@over(SPECTRAL)
def test_a_search_over_a_stage_is_told_to_pass_it(case, name, values, stage, rows):
    grid = {f"{name}__max_iter": [1, 2]}
    told = rf"{name}__max_iter cannot be set: .* Pass one, such as {name}=({stage!r})"
    for value in values:
        model = case(**{name: value})
        search = GridSearchCV(model, grid, scoring=lambda *_: 0.0, cv=2)
        with pytest.raises(ValueError, match=told.replace("()", r"\(\)")):
            search.fit(rows)
        # With the stage in the same call, in whatever order, nothing is wrong.
        model.set_params(**{f"{name}__max_iter": 3, name: clone(stage)})
        assert getattr(model, name).max_iter == 3
        assert model.get_params()[f"{name}__max_iter"] == 3
        # And with the string in the same call it is.
        with pytest.raises(ValueError, match="cannot be set"):
            model.set_params(**{f"{name}__max_iter": 3, name: value})
        assert getattr(model, name).max_iter == 3  # unchanged
    search.set_params(**{f"estimator__{name}": stage}).fit(rows)
    assert search.best_params_ in [{f"{name}__max_iter": n} for n in (1, 2)]


def test_docstrings_of_stages_say_how_to_set_their_parameters():
    for case in SPECTRAL:
        for name, stage in case.cls._own_stages.items():
            described = re.search(rf"    {name} : .*?\n    \w", case.cls.__doc__, re.S)[
                0
            ]
            words = " ".join(described.split())
            assert f"(``{name}__" in words
            assert f"pass ``{stage}``" in words


@over(SPECTRAL)
@pytest.mark.parametrize("method", ["fit_predict", "fit_transform"])
def test_a_fit_with_a_result_hands_all_to_fit(case, method, rows, monkeypatch):
    """y, which callbacks are given, and what is known of the rows."""
    if not hasattr(case.cls, method):
        pytest.skip("SpectralNetEmbedding has no clusters")
    known = {"must_link": [[0, 1]], "partial_labels": [0, 0, 1] + [-1] * 147}
    params = {"max_iter": 2, "metric_learner": None}
    fitted, found, handed = case(**params).fit(rows, **known), case(**params), []
    fit = case.cls.fit
    monkeypatch.setattr(
        case.cls, "fit", lambda *args, **kw: handed.append(args[1:]) or fit(*args, **kw)
    )
    result = getattr(found, method)(rows, "a target", **known)
    assert handed[0][1] == "a target"
    expected = fitted.transform(rows) if method == "fit_transform" else fitted.labels_
    assert_array_equal(result, expected)
