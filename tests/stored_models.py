"""Small fitted models of each kind, and the files of them that later versions read.

``make golden-files`` writes ``tests/golden/state_N_*.skops`` of the state version N as
it is, where they are missing, and what the models say of a few rows. A file that is
there is never written again: it stands for those that users have.
"""

import functools
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)
from skspectralnet._states import STATE_VERSION

GOLDEN = Path(__file__).parent / "golden"
SAID = GOLDEN / "files.json"
SMALL = {"max_iter": 2, "hidden_layer_sizes": (5,), "random_state": 0}
METHODS = ("transform", "predict", "predict_proba", "score_samples")
# Kept in each version: one of each assignment and of each kind of stage.
KEPT = ("kmeans", "cluster_qr", "mixture", "merged", "embedding", "siamese", "coder")


def rows(n_features=3):
    """150 rows, three groups, and their numbers."""
    return make_blobs(150, n_features=n_features, centers=3, random_state=0)


def wide_rows():
    """Rows of more columns than a graph takes as they are, sparse."""
    X, _ = rows(80)
    return sparse.csr_array(np.where(np.abs(X) > 4.0, X, 0.0).astype(np.float32))


def _clustering(n_clusters=3, **params):
    return SpectralNetClustering(
        n_clusters, **{"metric_learner": None, **SMALL, **params}
    )


def _embedding(**params):
    return SpectralNetEmbedding(2, **SMALL, **params)


def _learned():
    stages = Autoencoder(2, **SMALL), SiameseEmbedding(2, **SMALL)
    params = {"encoder": stages[0], "metric_learner": stages[1]}
    return _clustering(contamination=0.1, **params).fit(rows()[0])


def _streamed():
    return _learned().partial_fit(rows()[0][:40])


def _given():
    """With stages of scikit-learn that a user has passed."""
    stages = {"encoder": make_pipeline(StandardScaler(), PCA(2))}
    stages |= {"metric_learner": StandardScaler(), "network_input": "code"}
    model = _clustering(assign_labels="mixture", neighbors_in="data", **stages)
    return model.fit(rows()[0])


def _labelled():
    X, y = rows()
    partial = np.where(np.arange(len(y)) % 9 == 0, 10 * y, -1)
    return _clustering("auto", assign_labels="cluster_qr", metric="cosine").fit(
        X, partial_labels=partial
    )


def _far():
    X = rows(80)[0] + 1e6
    return _clustering().fit(X)


FITS = {
    "kmeans": _streamed,
    "learned": _learned,
    "cluster_qr": _labelled,
    "mixture": _given,
    "merged": lambda: _labelled().merge(2),
    "centred": _far,
    "sparse": lambda: _clustering(metric_learner="auto").fit(wide_rows()),
    "embedding": lambda: _embedding(encoder=PCA(2)).fit(rows()[0]),
    "embedding, batch": lambda: _embedding(neighbors_in="batch", init="random").fit(
        rows()[0]
    ),
    "siamese": lambda: SiameseEmbedding(2, **SMALL).fit(rows()[0]),
    "coder": lambda: Autoencoder(2, **SMALL).fit(rows()[0]),
}


@functools.cache
def fitted(name):
    """A model; not to be changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are too few
        return FITS[name]()


def rows_for(model):
    """A few rows, near those of the fit and far from them."""
    X = rows(getattr(model, "n_features_in_", 3))[0][:8]
    return np.r_[X, X + 0.25, 5.0 * X]


def says(model):
    """{method: what a model says of these rows}."""
    X = rows_for(model)
    return {m: getattr(model, m)(X) for m in METHODS if hasattr(model, m)}


def without_rows(model):
    """A model without what has an entry for each row of the fit."""
    for name in ("labels_", "embedding_"):
        vars(model).pop(name, None)
    return model


def write():
    """Write the files of this version that are missing, and what the models say."""
    import skops.io

    said = json.loads(SAID.read_text("utf-8")) if SAID.exists() else {}
    for name in KEPT:
        path = GOLDEN / f"state_{STATE_VERSION}_{name}.skops"
        if path.exists():
            continue
        model = without_rows(fitted(name))
        packing = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 9}
        path.write_bytes(skops.io.dumps(model, **packing))
        of_model = {method: made.tolist() for method, made in says(model).items()}
        said[path.stem] = of_model
        print(path.name, path.stat().st_size)
    SAID.write_text(json.dumps(said, indent=0, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    write()
