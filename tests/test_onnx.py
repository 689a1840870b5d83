"""Converted models: the same numbers and labels in onnxruntime, without torch."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import norm
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
converters = pytest.importorskip("skspectralnet.onnx")
_nodes = pytest.importorskip("skspectralnet._onnx_nodes")
types = pytest.importorskip("skl2onnx.common.data_types")

# float64: rounding; float32: what its perceptron and its first steps lose.
DOUBLE, SINGLE = 1e-10, 2e-5
EMBEDDINGS = ("embedding", "codes", "points")


class Doubled(TransformerMixin, BaseEstimator):
    """A transformer of which skl2onnx knows nothing."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return 2.0 * X


def clustering(**params):
    defaults = {"max_iter": 1, "random_state": 0, "metric_learner": None}
    return SpectralNetClustering(3, **(defaults | params))


def embedding(**params):
    return SpectralNetEmbedding(2, max_iter=1, random_state=0, **params)


def short(stage, **params):
    return stage(**({"max_iter": 1, "random_state": 0} | params))


def rows(n_columns, n_samples=300, seed=0):
    """Three blobs, and two rows far from all of them."""
    rng = np.random.RandomState(seed)
    centers = 3.0 * rng.normal(size=(3, n_columns))
    X = centers[np.arange(n_samples) % 3] + rng.normal(size=(n_samples, n_columns))
    X[:2] += 200.0
    return X


def converted(model, X, **options):
    """The session of a converted model."""
    made = skl2onnx.to_onnx(model, X[:1], **options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        made.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )


def outputs(session, X):
    """What a session makes of rows, by name."""
    names = [output.name for output in session.get_outputs()]
    (given,) = session.get_inputs()
    return dict(zip(names, session.run(None, {given.name: X}), strict=True))


def assert_same(model, X, bound=DOUBLE, **options):
    """Compare all outputs of a converted model with those of the model."""
    found = outputs(converted(model, X, **options), X)
    (name,) = found.keys() & set(EMBEDDINGS)
    Z = model.transform(X)
    if not hasattr(model, "steps"):  # of which some make float64 of float32
        assert found[name].dtype == Z.dtype
    assert_allclose(found[name], Z, rtol=0, atol=bound * max(1.0, np.abs(Z).max()))
    if "label" in found:
        assert found["label"].dtype == np.int64
        assert_array_equal(found["label"], model.predict(X))
    assert ("label" in found) == hasattr(model, "predict")
    assert ("probabilities" in found) == hasattr(model, "predict_proba")
    if "probabilities" in found:
        shares = model.predict_proba(X)
        assert_allclose(found["probabilities"], shares, rtol=0, atol=bound)
        assert_array_equal(found["probabilities"].argmax(1), shares.argmax(1))
    return found


KINDS = {
    "kmeans": (clustering(), 6),
    "cluster_qr": (clustering(assign_labels="cluster_qr"), 6),
    "mixture": (clustering(assign_labels="mixture"), 6),
    "outliers": (clustering(contamination=0.05), 6),
    "cosine": (clustering(metric="cosine", contamination=0.05), 60),
    "pca": (clustering(activation="gelu"), 60),
    "all stages": (
        clustering(
            encoder=short(Autoencoder),
            metric_learner=short(SiameseEmbedding),
            metric="cosine",
        ),
        8,
    ),
    "codes": (
        clustering(metric_learner=short(SiameseEmbedding), network_input="code"),
        6,
    ),
    "stages of scikit-learn": (
        clustering(
            encoder=ColumnTransformer(
                [("a", StandardScaler(), [0, 1, 2]), ("b", MinMaxScaler(), [3, 4])]
            ),
            metric_learner=make_pipeline(StandardScaler(), PCA(3)),
        ),
        6,
    ),
    "embedding": (embedding(), 6),
    "one cluster": (clustering().set_params(n_clusters=1), 6),
    "autoencoder": (short(Autoencoder, n_components=2), 6),
    "siamese": (short(SiameseEmbedding, n_components=2), 6),
}


@pytest.fixture(scope="module")
def fitted():
    """Each kind is fitted once."""
    models = {}

    def get(kind, seed=42):
        if (kind, seed) not in models:
            model, n_columns = KINDS[kind]
            model = clone(model).set_params(random_state=seed)
            models[kind, seed] = model.fit(rows(n_columns, seed=seed))
        return models[kind, seed], rows(KINDS[kind][1], seed=seed + 1)

    return get


@pytest.fixture(scope="module")
def blobs_model(fitted):
    return fitted("kmeans")


# --- the same numbers


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_model(kind, fitted, global_random_seed):
    model, X = fitted(kind, global_random_seed)
    assert_same(model, X)
    assert_same(model, X.astype(np.float32), SINGLE)


@pytest.mark.parametrize("n_samples", [0, 1, 7, 1000])
def test_any_number_of_rows(n_samples, blobs_model):
    model, _ = blobs_model
    session, X = converted(model, rows(6)), rows(6, 1000, seed=2)
    found = outputs(session, X[:n_samples])
    assert_array_equal(found["label"], model.predict(X)[:n_samples])
    assert_allclose(found["embedding"], model.transform(X)[:n_samples], atol=DOUBLE)


def test_a_row_far_away_is_an_outlier(fitted):
    model, X = fitted("outliers")
    labels = outputs(converted(model, X), X)["label"]
    assert_array_equal(labels[:2], [-1, -1])
    assert model.network_.reach is not None  # so that it is pulled in on the way
    far = 1e150 * X[:3]
    assert_array_equal(outputs(converted(model, X), far)["label"], model.predict(far))


@pytest.mark.parametrize("kind", ["kmeans", "cluster_qr", "mixture"])
def test_merged_clusters(kind, fitted):
    model, X = fitted(kind)
    assert set(assert_same(model.merge(2), X)["label"].tolist()) <= {0, 1}


def test_numbers_of_partial_labels():
    X, known = rows(6), np.full(300, -1)
    known[[4, 7, 10]], known[[5, 8, 11]] = 7, 3
    model = clustering().fit(X, partial_labels=known)
    assert_same(model, X)
    assert {7, 3} < set(model.classes_.tolist())


@pytest.mark.parametrize("name", ["identity", "logistic", "tanh", "relu", "silu"])
def test_activations(name):
    X = rows(4, 100)
    model = short(Autoencoder, n_components=2, activation=name).fit(X)
    assert_same(model, X)
    assert_same(model, X.astype(np.float32), SINGLE)


def test_gelu_by_its_polynomial():
    x = np.linspace(0.0, 60.0, 100_001)
    t = (x - _nodes._TAIL_MIDDLE) / (x + _nodes._TAIL_MIDDLE)
    p = np.polynomial.polynomial.polyval(t, _nodes._tail())
    tail = x * np.exp(-0.5 * x * x) * p
    assert_allclose(tail, x * norm.sf(x), rtol=0, atol=3e-13)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float16, bool])
def test_rows_of_other_types_are_float64(kind):
    X = (np.abs(rows(6)) // 2.0).astype(kind)
    found = assert_same(clustering().fit(X), X)
    assert found["embedding"].dtype == np.float64


@pytest.mark.parametrize("version", [11, 13, 17, 18, 21])
def test_versions_of_onnx(version, fitted):
    model, X = fitted("cosine")
    assert_same(model, X, target_opset=version)


# --- pipelines


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler(), PCA(5)],
        [TruncatedSVD(5, random_state=0)],
        [ColumnTransformer([("a", StandardScaler(), [0, 5]), ("b", PCA(2), [2, 3])])],
        [FeatureUnion([("a", StandardScaler()), ("b", embedding())])],
        [short(Autoencoder, n_components=3), short(SiameseEmbedding, n_components=2)],
    ],
    ids=lambda steps: "-".join(type(step).__name__ for step in steps),
)
def test_whole_pipelines(steps, global_random_seed):
    X = rows(8, seed=global_random_seed)
    model = make_pipeline(*steps, clustering()).fit(X)
    assert_same(model, X)
    assert_same(model, X.astype(np.float32), 10 * SINGLE)


def test_columns_of_a_frame_by_name():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rows(4), columns=list("abcd")).assign(d=lambda X: X.d.round())
    X["d"], X["kind"] = X.d.astype(int), np.array(["u", "v", "w"])[np.arange(300) % 3]
    columns = ColumnTransformer(
        [("a", StandardScaler(), list("abcd")), ("b", OneHotEncoder(), ["kind"])]
    )
    for model, frame in (
        (make_pipeline(columns, clustering()), X),
        (clustering(), X[[*"abcd"]]),
    ):
        model.fit(frame)
        given = {name: frame[[name]].to_numpy() for name in frame}
        Z, labels = converted(model, frame).run(["embedding", "label"], given)
        assert_allclose(Z, model.transform(frame), atol=DOUBLE)
        assert_array_equal(labels, model.predict(frame))


def test_the_best_of_a_search():
    X = rows(6)
    search = GridSearchCV(clustering(), {"n_neighbors": [5]}, cv=2).fit(X)
    assert_same(search, X)


def test_steps_after_a_clusterer_are_refused_unless_its_labels_are_left_out():
    X = rows(6)
    model = make_pipeline(clustering(), StandardScaler()).fit(X)
    both = FeatureUnion([("a", clustering()), ("b", StandardScaler())]).fit(X)
    for chain in (model, both):
        with pytest.raises(ValueError, match=r"not the last step.*'embedding_only'"):
            skl2onnx.to_onnx(chain, X[:1])
        options = {SpectralNetClustering: {"embedding_only": True}}
        ((_, Z),) = outputs(converted(chain, X, options=options), X).items()
        assert_allclose(Z, chain.transform(X), atol=DOUBLE)


ALONE = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
kept = np.load("kept.npz")
labels, Z = session.run(["label", "embedding"], {"X": kept["X"]})
np.testing.assert_array_equal(labels, kept["labels"])
np.testing.assert_allclose(Z, kept["Z"], rtol=0, atol=1e-10)
loaded = {name.split(".")[0] for name in sys.modules}
print(sorted(loaded & {"torch", "sklearn", "scipy", "skl2onnx", "skspectralnet"}))
"""


def test_runs_where_only_numpy_and_onnxruntime_are_imported(fitted, tmp_path):
    model, X = fitted("all stages")
    made = skl2onnx.to_onnx(model, X[:1]).SerializeToString()
    (tmp_path / "model.onnx").write_bytes(made)
    kept = {"X": X, "labels": model.predict(X), "Z": model.transform(X)}
    np.savez(tmp_path / "kept.npz", **kept)
    call = [sys.executable, "-c", ALONE]
    said = subprocess.check_output(call, text=True, cwd=tmp_path)  # noqa: S603
    assert said.strip() == "[]"


# --- what cannot be converted


def test_a_stage_without_a_converter_is_named():
    X = rows(6)
    for name, stage in (
        ("metric_learner", Doubled()),
        ("encoder", make_pipeline(StandardScaler(), Doubled())),
    ):
        model = clustering(**{name: stage}).fit(X)
        words = rf"{name}=.*cannot be converted: .*no converter of Doubled"
        with pytest.raises(ValueError, match=words):
            skl2onnx.to_onnx(model, X[:1])
    # It has no part in the map: the network sees the codes.
    model = clustering(metric_learner=Doubled(), network_input="code").fit(X)
    assert_same(model, X)


def test_a_stage_of_several_outputs_is_named():
    X = rows(6)
    model = clustering(encoder=KMeans(4, n_init=1, random_state=0)).fit(X)
    with pytest.raises(ValueError, match=r"encoder=KMeans.*outputs label, scores"):
        skl2onnx.to_onnx(model, X[:1])


def test_sparse_rows_are_refused_dense_ones_of_the_same_model_are_not():
    X = rows(60)
    X[np.abs(X) < 3.0] = 0.0
    model = clustering(contamination=0.05).fit(sparse.csr_array(X))
    assert_same(model, X)
    with pytest.raises(TypeError, match=r"csr_array.*unable to guess type"):
        skl2onnx.to_onnx(model, sparse.csr_array(X[:1]))


def test_errors_say_what_is_wrong(blobs_model):
    model, X = blobs_model
    with pytest.raises(NotFittedError, match="SpectralNetClustering"):
        skl2onnx.to_onnx(clustering(), X[:1])
    with pytest.raises(ValueError, match=r"X has 4 columns.*was fitted on 6"):
        skl2onnx.to_onnx(model, X[:1, :4])
    words = [("x", types.StringTensorType([None, 6]))]
    with pytest.raises(TypeError, match="takes numbers; got an input of strings"):
        skl2onnx.to_onnx(model, initial_types=words)
    unknown = [("x", types.FloatTensorType(None))]
    made = skl2onnx.to_onnx(model, initial_types=unknown).SerializeToString()
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    labels = session.run(["label"], {"x": X.astype(np.float32)})[0]
    assert_array_equal(labels, model.predict(X.astype(np.float32)))


def test_without_skl2onnx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    monkeypatch.delitem(sys.modules, "skspectralnet.onnx")
    with pytest.raises(ImportError, match="needs skl2onnx: python -m pip install"):
        importlib.import_module("skspectralnet.onnx")


def test_registering_again_changes_nothing(blobs_model):
    model, X = blobs_model
    converters.register()
    assert_same(model, X)
