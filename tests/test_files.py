"""Models in files: by skops, pickle and joblib; of older versions; broken ones."""

import functools
import importlib
import inspect
import io
import json
import os
import pickle
import signal
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from stored_models import FITS, GOLDEN, SAID, SMALL, fitted, rows, rows_for, says

import skspectralnet
from skspectralnet import (
    TRUSTED_TYPES,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)
from skspectralnet._states import STATE_VERSION

skops_io = pytest.importorskip("skops.io")
BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
each_fit = pytest.mark.parametrize("name", sorted(FITS))


@pytest.fixture
def crafted(monkeypatch):
    """What makes broken states and files."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("crafted")
    sys.modules.pop("crafted", None)


def through_skops(model):
    return skops_io.loads(skops_io.dumps(model), trusted=TRUSTED_TYPES)


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))  # noqa: S301


def through_joblib(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=3)
    buffer.seek(0)
    return joblib.load(buffer)


WAYS = (through_skops, through_pickle, through_joblib)


# --- good files


@each_fit
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("way", WAYS)
def test_a_loaded_model_says_the_same_bit_for_bit(name, way):
    model = fitted(name)
    loaded = way(model)
    expected, found = says(model), says(loaded)
    assert expected.keys() == found.keys()
    for method, values in expected.items():
        assert_array_equal(found[method], values, err_msg=method)
        assert found[method].dtype == values.dtype
    assert repr(loaded.get_params()) == repr(model.get_params())
    assert vars(loaded).keys() == vars(model).keys()
    assert {n: type(v) for n, v in vars(loaded).items()} == {
        n: type(v) for n, v in vars(model).items()
    }


@pytest.mark.parametrize("name", ["kmeans", "merged"])
def test_a_loaded_model_goes_on_as_the_first(name):
    model, loaded = through_pickle(fitted(name)), through_skops(fitted(name))
    X, _ = rows()
    assert_array_equal(loaded.merge(2).predict(X), model.merge(2).predict(X))
    assert repr(loaded.summary(X)) == repr(model.summary(X))
    if hasattr(model, "partial_fit"):
        for one in (model, loaded):
            one.partial_fit(X[:30])
        assert loaded.drift_ == model.drift_
        assert_array_equal(loaded.cluster_centers_, model.cluster_centers_)


@pytest.mark.parametrize("name", ["embedding", "siamese", "coder", "mixture"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_clone_of_a_loaded_model_is_fitted_the_same(name):
    again = clone(through_skops(fitted(name))).fit(rows()[0])
    for method, values in says(fitted(name)).items():
        assert_array_equal(says(again)[method], values)


@pytest.mark.filterwarnings("ignore")
def test_in_a_pipeline():
    X, _ = rows()
    model = make_pipeline(StandardScaler(), SpectralNetEmbedding(2, **SMALL)).fit(X)
    assert_array_equal(through_skops(model).transform(X), model.transform(X))


def test_an_unfitted_model_with_stages_and_a_generator():
    stages = {"encoder": StandardScaler(), "metric_learner": SiameseEmbedding(3)}
    model = SpectralNetClustering(4, random_state=np.random.RandomState(3), **stages)
    loaded = through_skops(model)
    assert loaded.random_state.randint(10**9) == model.random_state.randint(10**9)
    assert repr(loaded.set_params(random_state=0)) == repr(
        model.set_params(random_state=0)
    )


def test_output_and_columns_stay():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rows()[0], columns=["a", "b", "c"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SpectralNetEmbedding(2, **SMALL).fit(X).set_output(transform="pandas")
    loaded = through_skops(model)
    pd.testing.assert_frame_equal(loaded.transform(X), model.transform(X))
    assert list(loaded.feature_names_in_) == ["a", "b", "c"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", ["heavy_tailed", "contrastive"])
def test_a_space_of_rows_that_are_all_equal(loss):
    # They have no neighbours.
    model = SiameseEmbedding(2, loss=loss, **SMALL).fit(np.ones((20, 3)))
    assert model.n_neighbors_ == 0
    assert_array_equal(
        through_skops(model).transform([[2.0] * 3]), model.transform([[2.0] * 3])
    )


# --- trusted types


def test_every_trusted_type_is_needed_and_no_other():
    found = set()
    for name in FITS:
        found |= set(skops_io.get_untrusted_types(data=skops_io.dumps(fitted(name))))
    assert found == set(TRUSTED_TYPES)
    assert skspectralnet.TRUSTED_TYPES is TRUSTED_TYPES


def test_trusted_types_check_what_they_read():
    for name in TRUSTED_TYPES:
        module, _, cls = name.rpartition(".")
        cls = getattr(importlib.import_module(module), cls)
        assert cls.__setstate__ is not BaseEstimator.__setstate__
        assert cls._stored.entries


def test_files_name_neither_torch_nor_private_classes():
    for name in FITS:
        text = skops_io.dumps(fitted(name))
        assert b"torch" not in text, name
        named = [b"_assignment.", b"Centers", b"Merged", b"SpectralMap", b"Landmarks"]
        assert not [word for word in named if word in text]


class Doubled(TransformerMixin, BaseEstimator):
    """A stage of a user's own."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return 2.0 * X


@pytest.mark.filterwarnings("ignore")
def test_the_type_of_a_users_stage_has_to_be_trusted():
    model = SpectralNetEmbedding(2, encoder=Doubled(), **SMALL).fit(rows()[0])
    data = skops_io.dumps(model)
    with pytest.raises(TypeError, match=r"test_files\.Doubled"):
        skops_io.loads(data, trusted=TRUSTED_TYPES)
    loaded = skops_io.loads(data, trusted=[*TRUSTED_TYPES, "test_files.Doubled"])
    assert_array_equal(loaded.transform(rows()[0]), model.transform(rows()[0]))


# --- versions


def golden():
    return sorted(path.stem for path in GOLDEN.glob("*.skops"))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("stem", golden())
def test_files_of_each_version_say_what_they_said(stem):
    data = (GOLDEN / f"{stem}.skops").read_bytes()
    assert len(data) < 30_000
    trusted = TRUSTED_TYPES
    if stem.startswith("state_0"):  # before its parts were plain data
        trusted = skops_io.get_untrusted_types(data=data)
    model = skops_io.loads(data, trusted=trusted)
    said, found = json.loads(SAID.read_text("utf-8"))[stem], says(model)
    assert found.keys() == said.keys()
    for method, values in said.items():
        assert_allclose(found[method], values, rtol=1e-10, atol=1e-10, err_msg=method)
    for method, values in says(through_skops(model)).items():
        assert_array_equal(found[method], values)


def test_each_version_has_its_files():
    versions = {stem.split("_")[1] for stem in golden()}
    assert versions == {str(i) for i in range(STATE_VERSION + 1)}
    assert set(json.loads(SAID.read_text("utf-8"))) == set(golden())


@pytest.mark.parametrize("name", ["merged", "embedding", "siamese", "coder"])
def test_a_newer_state_is_refused_by_name(name):
    state = fitted(name).__getstate__()
    assert state["_state_version"] == STATE_VERSION
    state |= {"_state_version": STATE_VERSION + 1, "_skspectralnet_version": "9.8"}
    message = (
        f"{type(fitted(name)).__name__} was written by skspectralnet 9.8 with state "
        f"version {STATE_VERSION + 1}.* up to {STATE_VERSION}. Upgrade"
    )
    with pytest.raises(ValueError, match=message):
        read(type(fitted(name)), state)
    network = fitted(name).network_
    newer = {**network.__getstate__(), "_state_version": 99}
    with pytest.raises(ValueError, match="state version 99"):
        network.__class__.__new__(type(network)).__setstate__(newer)


def test_a_state_is_not_changed_by_reading_it():
    state = fitted("embedding").__getstate__()
    before = dict(state)
    read(SpectralNetEmbedding, state)
    assert state == before


@pytest.mark.filterwarnings("error")
def test_a_parameter_that_came_later_has_its_default():
    state = fitted("mixture").__getstate__()
    del state["n_init"]
    assert read(SpectralNetClustering, state).n_init == 10


def test_an_older_version_of_the_package_is_told_of():
    state = {**fitted("coder").__getstate__(), "_skspectralnet_version": "0.0.1"}
    with pytest.warns(InconsistentVersionWarning, match="0.0.1"):
        read(type(fitted("coder")), state)


# --- broken states


def read(cls, state):
    model = cls.__new__(cls)
    model.__setstate__(state)
    return model


CLUSTERS = "kmeans", ("_assignment", "centers")
BROKEN = {
    "shape": (*CLUSTERS, lambda a: a[:, :-1], "_assignment.centers.*shape"),
    "order": (*CLUSTERS, lambda a: a[:-1], "_assignment.centers.*n_clusters is 3"),
    "NaN": (*CLUSTERS, lambda a: a * np.nan, "_assignment.centers.*NaN"),
    "dtype": (*CLUSTERS, lambda a: a.astype(str), "_assignment.centers.*floating"),
    "object": (*CLUSTERS, lambda a: a.astype(object), "_assignment.centers.*floating"),
    "no array": (*CLUSTERS, lambda a: a.tolist(), "_assignment.centers.*an array"),
    "negative": ("kmeans", ("n_clusters_",), lambda n: -1, "n_clusters_ .*-1"),
    "huge": ("kmeans", ("n_clusters_",), lambda n: 10**30, "n_clusters_ .*1000000"),
    "other size": ("kmeans", ("n_features_in_",), lambda n: n + 1, "n_features_in_"),
    "missing": ("kmeans", ("network_",), None, "lacks 'network_'"),
    "missing inside": ("kmeans", ("network_", "mlp"), None, "network_ .*lacks 'mlp'"),
    "scale": ("siamese", ("network_", "scale"), lambda s: 0.0, "network_.scale"),
    "layers": (
        "coder",
        ("network_", "decoder", "weights", 0),
        lambda w: w[:, 1:],
        r"network_.decoder.weights\[0\]",
    ),
    "activation": (
        "coder",
        ("network_", "mlp", "activation"),
        lambda a: "__import__",
        "network_.mlp.activation",
    ),
    "merges": ("merged", ("hierarchy_", "children"), lambda c: c + 1, "children"),
    "groups": ("merged", ("_assignment", "groups"), lambda g: g * 10**9, "groups"),
    "kind": ("merged", ("_assignment", "kind"), lambda k: "Popen", "_assignment.kind"),
    "factors": ("mixture", ("_assignment", "factors"), lambda f: -f, "factors"),
    "counts": ("merged", ("_counts",), lambda c: c[:-1], "_counts"),
    "labels": ("learned", ("labels_",), lambda y: y + 7, "labels_"),
    "landmarks": (
        "learned",
        ("_typicality", "landmarks", "n_outside"),
        lambda n: 10**9,
        "landmarks.n_outside",
    ),
    "metric": ("mixture", ("_stages", "metric"), lambda m: "x", "_stages.metric"),
    "curve": ("siamese", ("loss_curve_",), lambda c: c * np.inf, "loss_curve_"),
    "output": ("coder", ("_sklearn_output_config",), 5, "_sklearn_output_config"),
    "method": ("coder", ("transform",), 5, "transform"),
    "class": ("coder", ("__class__",), 5, "__class__"),
    "version": ("coder", ("_state_version",), lambda v: "1", "_state_version"),
}


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_a_broken_state_is_refused_by_the_name_of_its_entry(what, crafted):
    name, path, change, message = BROKEN[what]
    model = fitted(name)
    state = model.__getstate__()
    if callable(change):
        change = change(crafted.entry_at(state, path))
    if len(path) == 1 and path[0] not in state:
        state[path[0]] = change
    else:
        entry = crafted.MISSING if change is None else change
        state = crafted.replaced(state, path, entry)
    with pytest.raises(ValueError, match=message):
        read(type(model), state)
    with pytest.raises(ValueError, match=message):
        skops_io.loads(crafted.file_of(type(model), state), trusted=TRUSTED_TYPES)


def test_what_is_no_state_is_refused():
    for state in ([], "x", None, 5):
        with pytest.raises(ValueError, match="is a dict"):
            read(SpectralNetClustering, state)


def without(name):
    def change(pca):
        del vars(pca)[name]

    return change


def other(name, value):
    return lambda pca: setattr(pca, name, value(getattr(pca, name)))


@pytest.mark.parametrize(
    "change",
    [
        without("components_"),
        without("mean_"),
        without("whiten"),
        other("components_", lambda a: a * np.nan),
        other("components_", lambda a: a[:, :-1]),
        other("components_", lambda a: a[:-1]),
        other("components_", lambda a: a.astype(object)),
        other("mean_", lambda a: a + np.inf),
        other("n_features_in_", lambda n: n + 1),
    ],
)
def test_a_broken_stage_of_scikit_learn_is_refused(change):
    model = through_pickle(fitted("embedding"))
    change(model.encoder_)
    data = skops_io.dumps(model)
    with pytest.raises(ValueError, match=r"encoder_|network_.center"):
        skops_io.loads(data, trusted=TRUSTED_TYPES)


@pytest.mark.filterwarnings("ignore")
def test_a_broken_stage_of_a_user_is_named_when_it_fails():
    class Broken(StandardScaler):
        def transform(self, X):
            return self.nothing

    model = through_pickle(fitted("embedding"))
    model._stages = model._stages._replace(encoder=Broken())
    with pytest.raises(ValueError, match=r"encoder, a Broken, .*AttributeError"):
        model.transform(rows()[0])
    model._stages = model._stages._replace(encoder=None)
    with pytest.raises(ValueError, match=r"takes rows of 2 columns.* 3"):
        model.transform(rows()[0])


def quietly(function):
    @functools.wraps(function)
    def called(*args, **kwargs):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)

    return called


@quietly
def outcomes(crafted, name, states):
    """The broken states that are neither refused nor harmless."""
    cls = type(fitted(name))
    found = []
    for path, state in states:
        word, error = crafted.outcome(functools.partial(read, cls, state), says)
        if word in ("foreign", "unreadable"):
            found.append((path, type(error).__name__, str(error)))
    return found


@pytest.mark.parametrize("name", ["learned", "merged", "mixture", "embedding", "coder"])
def test_no_broken_state_gives_a_foreign_error(name, crafted, rng):
    state = fitted(name).__getstate__()
    states = crafted.crafted_states(state, 80, rng)
    assert not outcomes(crafted, name, states)


@pytest.mark.slow
@each_fit
def test_no_broken_entry_gives_a_foreign_error(name, crafted):
    state = fitted(name).__getstate__()
    states = (
        (path, crafted.replaced(state, path, entry))
        for path in crafted.places(state)
        for entry in crafted.mutants(crafted.entry_at(state, path))
    )
    assert not outcomes(crafted, name, states)


# --- broken files


@quietly
def test_no_hostile_file_runs_code(crafted, tmp_path, rng):
    canary = tmp_path / "canary"
    data = skops_io.dumps(fitted("coder"))
    for name, hostile in crafted.hostile(data, canary, rng):
        load = functools.partial(skops_io.loads, hostile, trusted=TRUSTED_TYPES)
        word, error = crafted.outcome(load, says)
        assert word != "foreign", (name, error)
        assert not canary.exists(), name


def test_the_canary_of_hostile_files_sings(crafted, tmp_path):
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(crafted.Touch(canary)))  # noqa: S301
    assert canary.exists()


@quietly
def test_a_flipped_bit_gives_no_foreign_error(crafted, rng):
    data = skops_io.dumps(fitted("siamese"))
    words = []
    for _ in range(100):
        flipped = crafted.flipped(data, rng)
        load = functools.partial(skops_io.loads, flipped, trusted=TRUSTED_TYPES)
        word, error = crafted.outcome(load, says)
        assert word != "foreign", error
        words.append(word)
    assert words.count("unreadable") > 50


# --- a process that is killed while it saves


def save(model, path):
    """As docs/guide/storing.rst says."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        skops_io.dump(model, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def test_the_page_shows_this_habit():
    page = BENCHMARKS.parent / "docs" / "guide" / "storing.rst"
    lines = [line.strip() for line in inspect.getsource(save).splitlines()[2:]]
    text = page.read_text("utf-8").replace("skops.io.dump", "skops_io.dump")
    assert [line for line in lines if line not in text] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    import resource

    path, old, new = tmp_path / "model.skops", fitted("coder"), fitted("siamese")
    save(old, path)
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the write fails
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            save(new, path)
        except OSError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path, rng):
    path, models = tmp_path / "model.skops", [fitted("coder"), fitted("siamese")]
    save(models[0], path)
    files = {skops_io.dumps(model) for model in models}
    loaded = []
    for _ in range(50):
        child = os.fork()
        if child == 0:
            while True:
                for model in models[::-1]:
                    save(model, path)
        time.sleep(0.3 * rng.uniform())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        model = skops_io.load(path, trusted=TRUSTED_TYPES)
        loaded.append(type(model).__name__)
        expected = next(m for m in models if type(m) is type(model))
        X = rows_for(expected)
        assert_array_equal(model.transform(X), expected.transform(X))
    assert len(files) == len(set(loaded)) == 2
