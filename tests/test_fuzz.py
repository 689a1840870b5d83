"""Random calls: containers, types, values, parameters, knowledge and their order.

Each call works and keeps what is promised of it, or is refused by an error that says
what is wrong. 60 cases by default; ``make fuzz`` makes as many as
``SKSPECTRALNET_FUZZ_CASES`` says, from the seed ``SKSPECTRALNET_FUZZ_SEED``, and says
at its end how they went.
"""

import collections
import copy
import importlib
import os
import pickle
import random
import re
import sys
import time
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from test_bad_input import BARE, ODD, VALID

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
    _estimator,
)
from skspectralnet._estimator import RowTransformer
from skspectralnet._probability import Sharpness

CASES = int(os.environ.get("SKSPECTRALNET_FUZZ_CASES", "60"))
SEED = os.environ.get("SKSPECTRALNET_FUZZ_SEED")
SLOWEST = 20.0  # CPU seconds of a case: it may have to wait for other processes
CLASSES = (
    SpectralNetClustering,
    SpectralNetEmbedding,
    Autoencoder,
    SiameseEmbedding,
)
SHAPES = [(30, 3), (40, 2), (24, 60), (9, 2), (12, 1), (5, 3), (3, 3), (2, 1), (1, 2)]
ODD_SHAPES = [(0, 3), (20, 0), (1, 1)]


# --- rows


def blobs(n, d, rng):
    return rng.normal(size=(n, d)) + 6.0 * (np.arange(n) % 3)[:, None]


VALUES = {
    "blobs": blobs,
    "normal": lambda n, d, rng: rng.normal(size=(n, d)),
    "integers": lambda n, d, rng: rng.randint(3, size=(n, d)).astype(float),
    "one value": lambda n, d, rng: np.full((n, d), 0.1),
    "zeros": lambda n, d, rng: np.zeros((n, d)),
    "one column": lambda n, d, rng: blobs(n, d, rng) * (np.arange(d) == 0),
    "copies": lambda n, d, rng: blobs(n, d, rng)[np.arange(n) % max(n // 4, 1)],
    "zero rows": lambda n, d, rng: blobs(n, d, rng) * (np.arange(n) % 2)[:, None],
    "huge": lambda n, d, rng: rng.normal(size=(n, d)) * 1e300,
    "tiny": lambda n, d, rng: rng.normal(size=(n, d)) * 1e-300,
    "subnormal": lambda n, d, rng: rng.normal(size=(n, d)) * 1e-310,
    "beyond float32": lambda n, d, rng: rng.normal(size=(n, d)) * 1e39,
    "far": lambda n, d, rng: blobs(n, d, rng) + 1e12,
    "dates": lambda n, d, rng: 1.7e9 + 1e4 * blobs(n, d, rng),
    "outlier": lambda n, d, rng: blobs(n, d, rng) + 1e30 * (np.arange(n) == 0)[:, None],
    "near the end of int64": lambda n, d, rng: 9.2e18 * rng.uniform(-1, 1, (n, d)),
    "NaN": lambda n, d, rng: spoiled(blobs(n, d, rng), np.nan),
    "infinity": lambda n, d, rng: spoiled(blobs(n, d, rng), -np.inf),
    "sparse": lambda n, d, rng: blobs(n, d, rng) * (rng.uniform(size=(n, d)) < 0.3),
}
TYPES = [
    *("float64", "float64", "float64", "float32", "float16", "longdouble", "int64"),
    *("uint8", "int8", "int16", "uint64", "bool", "complex128", "object", "str"),
    *("bytes", "datetime64[s]", "timedelta64[s]"),
]


def spoiled(X, value):
    if X.size:
        X[len(X) // 2, X.shape[1] // 2] = value
    return X


def optional(name):
    """A package, or an error that another container is taken for."""
    if find_spec(name) is None:
        raise ValueError(f"{name} is not installed")
    return importlib.import_module(name)


def frame(X, names=None):
    return optional("pandas").DataFrame(X, columns=names)


def polars_frame(X):
    return optional("polars").DataFrame(
        {str(i): column for i, column in enumerate(X.T)}
    )


def read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


def twice_given(X):
    """A CSR matrix each entry of which is the sum of two."""
    made = sparse.csr_array(X)
    data, indices = np.repeat(made.data / 2, 2), np.repeat(made.indices, 2)
    return sparse.csr_array((data, indices, 2 * made.indptr), shape=made.shape)


def long_indices(X):
    made = sparse.csr_matrix(X)
    made.indices, made.indptr = made.indices.astype("i8"), made.indptr.astype("i8")
    return made


def tensor(X, **options):
    return torch.tensor(np.ascontiguousarray(X), device="cpu", **options)


CONTAINERS = {
    "array": lambda X: X,
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=0)[::2],
    "reversed": lambda X: np.ascontiguousarray(X[::-1])[::-1],
    "read-only": read_only,
    "subclass": lambda X: X.view(type("Mine", (np.ndarray,), {})),
    "masked": np.ma.masked_array,
    "matrix": lambda X: np.asmatrix(X),
    "record": lambda X: X.astype([("a", X.dtype)]),
    "list": lambda X: X.tolist(),
    "tuple": lambda X: tuple(map(tuple, X.tolist())),
    "generator": lambda X: (row for row in X),
    "ragged": lambda X: [*X.tolist(), [1.0] * (X.shape[1] + 1)],
    "frame": frame,
    "frame of names": lambda X: frame(X, [f"c{i}" for i in range(X.shape[1])]),
    "frame of equal names": lambda X: frame(X, ["c"] * X.shape[1]),
    "frame of mixed names": lambda X: frame(
        X, [*range(X.shape[1] - 1), "c"][: X.shape[1]]
    ),
    "series": lambda X: frame(X).get(0),
    "polars": polars_frame,
    **{
        f"{name} {form}": lambda X, name=name, form=form: getattr(
            sparse, f"{name}_{form}"
        )(X)
        for name in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")
        for form in ("array", "matrix")
    },
    "CSR entries twice": twice_given,
    "CSR of long indices": long_indices,
    "tensor": tensor,
    "tensor with a gradient": lambda X: tensor(X).requires_grad_(),
    "tensor of bfloat16": lambda X: tensor(X, dtype=torch.bfloat16),
    "tensor without values": lambda X: tensor(X).to("meta"),
    "dict": lambda X: dict(enumerate(X)),
    "None": lambda X: None,
    "text": lambda X: "rows",
    "number": lambda X: 3.0,
    "no dimension": lambda X: np.array(3.0),
    "one dimension": lambda X: X.ravel(),
    "three dimensions": lambda X: X[None],
}


@st.composite
def rows(draw, shape=None):
    """(description, rows): mostly usable ones."""
    odd = draw(st.integers(0, 9)) == 0
    n, d = shape or draw(
        st.sampled_from(ODD_SHAPES if odd else SHAPES[:4] * 3 + SHAPES)
    )
    rng = np.random.RandomState(draw(st.integers(0, 99)))
    value = draw(st.sampled_from(["blobs"] * 8 + list(VALUES)))
    kind = draw(st.sampled_from(["float64"] * 16 + TYPES))
    container = draw(st.sampled_from(["array"] * 20 + list(CONTAINERS)))
    X = VALUES[value](n, d, rng)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            X = CONTAINERS[container](X.astype(kind))
    except (ValueError, TypeError, OverflowError, IndexError, RuntimeError):
        container, X = "array", X  # there is no such thing
    return f"{value}, {kind}, {container}, {(n, d)}", X


# --- parameters and knowledge

STAGE_VALUES = {
    **{name: VALID[name] for name in ("n_components", "hidden_layer_sizes")},
    **{name: VALID[name] for name in ("activation", "alpha", "max_iter", "tol")},
    **{name: VALID[name] for name in ("n_iter_no_change", "early_stopping")},
    **{name: VALID[name] for name in ("validation_fraction", "device")},
    "batch_size": st.one_of(st.just("auto"), st.integers(1, 60)),
    "learning_rate_init": st.floats(1e-30, 1e3),
    "noise": st.one_of(st.just("auto"), st.floats(0, 1e3)),
    "n_neighbors": st.integers(1, 50),
    "margin": st.floats(1e-6, 1e6),
    "repulsion": st.floats(0, 1e6),
    "random_state": st.integers(0, 2**32 - 1),
}


@st.composite
def estimators(draw):
    """An estimator of an epoch with a few parameters set, now and then to nonsense."""
    cls = draw(st.sampled_from(CLASSES[:1] * 3 + CLASSES))
    known = VALID if cls in CLASSES[:2] else STAGE_VALUES
    names = sorted(set(cls().get_params(deep=False)) & set(known) - {"verbose"})
    chosen = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    params = {"max_iter": 1, "random_state": 0}
    if cls in CLASSES[:2]:
        params |= {"metric_learner": None, "n_components": 2}
    if cls is SpectralNetClustering:
        params["n_clusters"] = 2
    params |= {name: draw(known[name]) for name in chosen}
    if draw(st.integers(0, 7)) == 0:
        params[draw(st.sampled_from(names))] = draw(ODD)
    if params["random_state"] is None:  # which draws from the generator of the process
        params["random_state"] = 0
    return cls(**params)


def graph_of(kind, n, rng):
    W = rng.uniform(size=(n, n)) * (rng.uniform(size=(n, n)) < 0.3)
    W = W + W.T
    if kind == "float32":
        W = sparse.csr_array(W.astype(np.float32))
        W.data *= 1.0 + 1e-7 * rng.normal(size=W.nnz).astype(np.float32)
        return W
    changed = {
        "dense": W,
        "coo": sparse.coo_matrix(W),
        "one-sided": np.triu(W),
        "negative": -W,
        "NaN": spoiled(W, np.nan),
        "no edges": np.zeros((n, n)),
        "too small": W[:-1, :-1],
        "text": "graph",
    }
    return changed[kind]


def must_be_refused(graph, n):
    """Whether a graph is none of so many rows."""
    if graph is None or isinstance(graph, str):
        return graph is not None
    W = graph.toarray() if sparse.issparse(graph) else graph
    if W.shape != (n, n) or not np.isfinite(W).all():
        return True
    W = W - np.diag(np.diag(W))
    return bool((W < 0).any() or (np.abs(W - W.T) > 1e-5 * np.abs(W).max()).any())


@st.composite
def knowledge(draw, n):
    """What `fit` may be told beside rows."""
    rng = np.random.RandomState(draw(st.integers(0, 99)))
    found, n = {}, max(n, 1)
    which = draw(st.sampled_from([(), (), (), ("labels",), ("links",), ("graph",)]))
    if "labels" in which:
        some = np.where(rng.uniform(size=n) < 0.3, np.arange(n) % 2, -1)
        found["partial_labels"] = draw(
            st.sampled_from(
                [
                    some,
                    some * 1000,
                    np.where(some < 0, np.nan, some),
                    [None if label < 0 else int(label) for label in some],
                    np.where(some < 0, -1, 2**62),
                    some - 5,
                    some[:-1],
                    some + 0.5,
                    some.astype(str),
                    np.full(n, -1),
                    "labels",
                ]
            )
        )
    if "links" in which:
        pairs = rng.randint(n, size=(3, 2))
        odd = [pairs, pairs.tolist(), [], pairs + n, -pairs - 1, pairs[0], [[0, 0]], 3]
        for name in ("must_link", "cannot_link"):
            if draw(st.booleans()):
                found[name] = draw(st.sampled_from(odd))
    if "graph" in which:
        kinds = ["float32", "dense", "coo", "one-sided", "negative", "NaN", "no edges"]
        kind = draw(st.sampled_from([*kinds, "too small", "text"]))
        found["graph"] = graph_of(kind, n, rng)
    return found


# --- what is promised

REFUSED = (ValueError, TypeError, NotFittedError)
WARNED = (ConvergenceWarning, UserWarning, DataConversionWarning)


def shared_state():
    """What belongs to the process."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
        "python": random.getstate(),
        "type": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "numpy errors": np.geterr(),
        "folder": os.getcwd(),
    }


def fingerprint(X):
    """All values of rows, as far as they can be kept."""
    if sparse.issparse(X):  # which notes in itself what it has found out about itself
        names = ("data", "indices", "indptr", "row", "col", "rows", "offsets")
        parts = [getattr(X, name) for name in names if hasattr(X, name)]
        return pickle.dumps([X.format, X.shape, *parts, X.toarray()])
    try:
        return pickle.dumps(X)
    except Exception:  # a generator, a class made here, a column of objects
        return None


def size_of(X):
    shape = getattr(X, "shape", None)
    if shape is None:
        return len(X) if hasattr(X, "__len__") else 0
    return shape[0] if len(shape) else 0


class Journal:
    """How the cases of a campaign went."""

    def __init__(self):
        self.outcomes, self.messages = collections.Counter(), collections.Counter()
        self.slowest = (0.0, "")

    def said(self, text):
        self.messages[re.sub(r"[\d.e+-]+", "#", text)[:60]] += 1

    def report(self):
        calls = sum(self.outcomes.values())
        lines = [f"{calls} calls, {len(self.messages)} distinct messages"]
        lines += [f"{n:8} {name}" for name, n in self.outcomes.most_common()]
        return "\n".join([*lines, "slowest: {:.1f} s, {}".format(*self.slowest)])


JOURNAL = Journal()


@pytest.fixture(scope="module", autouse=True)
def report(request):
    """Say how a campaign went."""
    yield
    if SEED is not None:
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\n{JOURNAL.report()}")


def checked(what, function, inputs):
    """The result of a call that works, or None of one that is refused as promised."""
    before, kept = shared_state(), [fingerprint(X) for X in inputs]
    made = error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = function()
        except REFUSED as found:
            error = found
    assert shared_state() == before
    assert [fingerprint(X) for X in inputs] == kept
    for warning in caught:
        check_warning(warning)
    if error is None:
        JOURNAL.outcomes[f"{what} worked"] += 1
        return made
    assert type(error) is not np.linalg.LinAlgError
    text = re.sub(r"Got .* instead", "", str(error), flags=re.DOTALL)
    assert text, repr(error)
    assert not BARE.search(text) or is_of_the_rows(text), error
    JOURNAL.outcomes[f"{what} refused: {type(error).__name__}"] += 1
    JOURNAL.said(str(error))
    return None


def is_of_the_rows(text):
    """Whether words of torch are there because a user gave a tensor or an array."""
    return bool(
        re.search(
            r"tensor on device 'meta'|dtype|Expected (2D|a 2D)|dim(ension)? ", text
        )
    )


def check_warning(warning):
    if warning.category in (PendingDeprecationWarning, DeprecationWarning):
        assert "skspectralnet" not in warning.filename, warning  # of np.matrix and such
        return
    if warning.category is RuntimeWarning:  # of a cast or of stages of scikit-learn
        assert "skspectralnet" not in warning.filename, warning
        return
    assert issubclass(warning.category, WARNED), warning
    assert not BARE.search(str(warning.message)), warning


def check_model(model, X):
    """What a model promises of rows that it takes."""
    Z = checked("transform", lambda: model.transform(X), [X])
    assert Z is not None
    Z = np.asarray(Z)
    assert Z.shape == (size_of(X), model._n_features_out)
    assert Z.dtype in (np.float32, np.float64)
    assert np.isfinite(Z).all()
    if not isinstance(model, SpectralNetClustering):
        return
    labels = checked("predict", lambda: model.predict(X), [X])
    assert labels.dtype == np.int64
    assert set(labels.tolist()) <= {-1, *model.classes_.tolist()}
    if hasattr(model, "predict_proba"):
        shares = checked("predict_proba", lambda: model.predict_proba(X), [X])
        assert shares.shape == (len(labels), model.n_clusters_)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-12)
        inside = labels >= 0
        likeliest = model.classes_[shares.argmax(axis=1)]
        np.testing.assert_array_equal(likeliest[inside], labels[inside])


def names_of(model):
    return {name: id(value) for name, value in vars(model).items()}


def fit(model, X, known):
    """Fit; a failed fit leaves the object as it was."""
    before = names_of(model)
    kept = copy.copy(vars(model))  # so that no number is given away twice
    made = checked("fit", lambda: model.fit(X, **known), [X, *known.values()])
    if made is None:
        assert names_of(model) == before
    else:
        assert made is model
    del kept
    return made is not None


ACTIONS = ("transform", "score", "partial_fit", "refit", "pickle", "clone", "merge")


def act(action, model, X):
    """One more call of a fitted model."""
    if action == "pickle":
        twin = pickle.loads(pickle.dumps(model))  # noqa: S301
        assert type(twin) is type(model)
    elif action == "clone":
        with pytest.raises(NotFittedError):
            clone(model).transform(np.zeros((2, model.n_features_in_)))
    elif action == "refit":
        if fit(model, X, {}):
            check_model(model, X)
    elif action == "merge":
        if isinstance(model, SpectralNetClustering):
            checked("merge", lambda: model.merge(1), [])
    elif hasattr(model, action):
        checked(action, lambda: getattr(model, action)(X), [X])


def run(case):
    """All calls of a case."""
    model, (_, X), known, steps = case
    if not steps:
        checked("before a fit", lambda: clone(model).transform(X), [X])
    if not isinstance(model, SpectralNetClustering | SpectralNetEmbedding):
        known = {} if isinstance(model, Autoencoder) else known
        known = {name: value for name, value in known.items() if name != "graph"}
    if fit(model, X, known):
        assert not must_be_refused(known.get("graph"), size_of(X))
        check_model(model, X)
        for action, (_, other) in steps:
            act(action, model, other)


@st.composite
def cases(draw):
    model, given_rows = draw(estimators()), draw(rows())
    known = draw(knowledge(size_of(given_rows[1])))
    steps = draw(st.lists(st.tuples(st.sampled_from(ACTIONS), rows()), max_size=2))
    return model, given_rows, known, steps


def with_seed(test):
    return test if SEED is None else seed(int(SEED))(test)


@with_seed
@settings(
    max_examples=CASES,
    derandomize=SEED is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_random_calls_work_or_say_why(case):
    start = time.process_time()
    run(case)
    seconds = time.process_time() - start
    JOURNAL.slowest = max(JOURNAL.slowest, (seconds, case[1][0]))
    assert seconds < SLOWEST


# --- ten bugs that it finds


def replace(monkeypatch, name, make):
    """Put a function in the place of another wherever the package has imported it."""
    modules = [m for n, m in sys.modules.items() if n.startswith("skspectralnet")]
    found = [module for module in modules if name in vars(module)]
    assert found
    for module in found:
        monkeypatch.setattr(module, name, make(getattr(module, name)))


def writes_to_the_rows(validate_rows):
    def changed(estimator, X, *, reset):
        found = validate_rows(estimator, X, reset=reset)
        if isinstance(found, np.ndarray) and found.flags.writeable:
            found[:1] = 0
        return found

    return changed


def lets_missing_values_pass(validate_data):
    def changed(*args, **kwargs):
        return validate_data(*args, **kwargs, ensure_all_finite=False)

    return changed


def seeds_the_process(torch_generator):
    def changed(random_state):
        torch.manual_seed(0)
        return torch_generator(random_state)

    return changed


def half_of_it(probabilities):
    return lambda *args: 0.5 * probabilities(*args)


MUTANTS = {
    "rows are written to": ("validate_rows", writes_to_the_rows),
    "missing values pass": ("validate_data", lets_missing_values_pass),
    "graphs are not checked": (
        "checked_graph",
        lambda old: lambda graph, n: sparse.csr_array(graph),
    ),
    "what is known is not checked": (
        "known_pairs",
        lambda old: lambda n, **known: None if not any(known.values()) else known,
    ),
    "tensors stay tensors": ("without_tensors", lambda old: lambda value: value),
    "devices are not checked": ("resolve_device", lambda old: torch.device),
    "the process is seeded": ("torch_generator", seeds_the_process),
    "the old model is changed": (_estimator, "_fresh", lambda old: lambda x: x),
    "parameters are not checked": (
        RowTransformer,
        "_validate_params",
        lambda old: lambda self: None,
    ),
    "shares do not add up": (Sharpness, "probabilities", half_of_it),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_bug_is_found(name, monkeypatch):
    *where, attribute, make = MUTANTS[name]
    if where:
        old = getattr(where[0], attribute)
        monkeypatch.setattr(where[0], attribute, make(old))
    else:
        replace(monkeypatch, attribute, make)
    found = settings(
        max_examples=3000,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(given(case=cases())(run))
    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever the bug makes)
        found()
