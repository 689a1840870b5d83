"""What the two spectral estimators store: a table of each, and what fits together."""

import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet._assignment import Centers, Mixture, Rotation
from skspectralnet._autoencoder import Autoencoder
from skspectralnet._drift import Landmarks
from skspectralnet._fields import (
    Array,
    Flag,
    Maybe,
    Number,
    OneOf,
    Record,
    Text,
    TextOrCallable,
    Texts,
    Whole,
    expect,
    refuse,
)
from skspectralnet._hierarchy import Hierarchy, Labelled, Merged, fine_parts
from skspectralnet._n_clusters import GRAPH, LEARNED, ROWS, ClusterSupport
from skspectralnet._network import SpectralMap
from skspectralnet._plan import AsFitted
from skspectralnet._probability import Sharpness
from skspectralnet._selection import Selection
from skspectralnet._siamese import SiameseEmbedding
from skspectralnet._stages import Stages
from skspectralnet._states import COLUMNS, CURVES, Map, Table
from skspectralnet._typicality import Typicality
from skspectralnet._whole_graph import ApproximationError

_POSITIVE = Number(0.0, strict=True)
_OWN_STAGES = (Autoencoder, SiameseEmbedding)
# What encoder="auto" makes: stages without side effects, of one row in no time.
_KNOWN_STAGES = (PCA, TruncatedSVD, StandardScaler)


# --- the stages before the network


class Transformer:
    """A fitted encoder or metric learner, or None.

    Those of this package have been checked when they were read. Those that
    ``encoder="auto"`` makes transform a row of zeros, in which an entry that is no
    number shows. Others belong to those who trust their types.

    Parameters
    ----------
    n_inputs, n_outputs : str
        Names of the numbers of columns before and behind it.
    """

    def __init__(self, n_inputs, n_outputs):
        self.n_inputs, self.n_outputs = n_inputs, n_outputs

    def pack(self, value):
        return value

    def read(self, value, where, sizes):
        n_inputs, made = sizes.get(self.n_inputs), None  # None: behind one of a user
        if value is None:
            made, where = n_inputs, sizes.said_by.get(self.n_inputs)
        elif type(value) in _OWN_STAGES:
            seen = getattr(value, "n_features_in_", None)
            if seen is None or n_inputs not in (None, seen):
                refuse(
                    where,
                    f"is not fitted to {n_inputs or 'any'} columns, n_features_in_",
                )
            made = value.n_components_
        elif _is_known(value) and n_inputs is not None:
            made = _columns_behind(value, n_inputs, where)
        elif isinstance(value, type) or not hasattr(value, "transform"):
            expect(value, where, "an object with transform")
        if made is not None:
            sizes.agreed(self.n_outputs, made, where)
        return value


def _is_known(value):
    if type(value) is Pipeline:
        steps = vars(value).get("steps")
        return isinstance(steps, list) and all(
            isinstance(step, tuple) and len(step) == 2 and _is_known(step[1])
            for step in steps
        )
    return type(value) in _KNOWN_STAGES


def _columns_behind(value, n_inputs, where):
    """The number of columns that a stage makes of a row of zeros."""
    if getattr(value, "n_features_in_", n_inputs) != n_inputs:
        refuse(where, f"is not fitted to {n_inputs} columns, those of n_features_in_")
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(value.transform(np.zeros((1, n_inputs))))
        usable = made.ndim == 2 and len(made) == 1 and np.isfinite(made).all()
    except Exception as error:
        name = type(error).__name__
        what = f"cannot transform a row of {n_inputs} zeros: {name}: {error}"
        raise ValueError(f"{where} of the stored state {what}") from error
    if not usable:
        refuse(where, f"makes no finite row of a row of {n_inputs} zeros")
    return made.shape[1]


# --- clusters


def _clusters(n_clusters):
    """The assignments of a fit, with this name of their number."""
    centers = Array((n_clusters, "n_components"))
    factors = Array((n_clusters, "n_components", "n_components"))
    rotation = Array((None, n_clusters))
    return {
        "kmeans": Record(Centers, (centers, Number(0.0))),
        "cluster_qr": Record(Rotation, (rotation, centers), _check_rotation),
        "mixture": Record(
            Mixture, (Array((n_clusters,)), centers, factors), _check_mixture
        ),
    }


def _check_rotation(rotation, where):
    n_leading, n_components = len(rotation.rotation), rotation.centers.shape[1]
    if not 1 <= n_leading <= n_components:
        what = f"has {n_leading} rows; expected from 1 to {n_components}"
        refuse(f"{where}.rotation", what)


def _check_mixture(mixture, where):
    diagonals = np.diagonal(mixture.factors, axis1=1, axis2=2)
    if not (diagonals > 0.0).all():
        refuse(f"{where}.factors", "has diagonal entries that are not positive")


def _check_merged(merged, where):
    found = np.unique(merged.groups)
    if not np.array_equal(found, np.arange(len(found))):
        refuse(f"{where}.groups", "does not number the clusters from 0 on")


def _check_hierarchy(hierarchy, where):
    n_leaves, children = len(hierarchy.labelled.rows), hierarchy.children
    if not np.array_equal(np.sort(children, axis=None), np.arange(2 * n_leaves - 2)):
        refuse(f"{where}.children", "does not merge each cluster once")
    latest = children.max(axis=1, initial=-1)
    if (latest >= n_leaves + np.arange(len(children))).any():
        refuse(f"{where}.children", "merges what no merge before it has made")
    if len(hierarchy.distances) != n_leaves - 1:
        refuse(f"{where}.distances", f"is not of shape ({n_leaves - 1},)")


def _check_selection(selection, where):
    n_candidates = len(selection.candidates)
    for name in ("scores", "errors"):
        if len(getattr(selection, name)) != n_candidates:
            refuse(f"{where}.{name}", f"is not of shape ({n_candidates},)")


def _check_landmarks(landmarks, where):
    if landmarks.n_outside > landmarks.n_measured:
        what = f"is above n_measured={landmarks.n_measured}"
        refuse(f"{where}.n_outside", what)


_MERGED = Record(
    Merged,
    (
        OneOf(_clusters("n_fine")),
        Array(("n_fine",), "i", 0),
        Array(("n_fine",), "n", 0),
    ),
    _check_merged,
)
_ASSIGNMENT = OneOf({**_clusters("n_clusters"), "merged": _MERGED})
_LABELLED = Record(Labelled, (Array(("n_clusters",), "n", 0), Array((None,), "i", 0)))
_HIERARCHY = Record(
    Hierarchy,
    (Array((None, 2), "i", 0), Array((None,), low=0.0, high=1.0), _LABELLED),
    _check_hierarchy,
)
_LANDMARKS = Record(
    Landmarks,
    (
        Array(("n_features",)),
        _POSITIVE,
        Array(("n_landmarks", "n_features")),
        Number(0.0),
        Whole(1),
        Whole(1),
    ),
    _check_landmarks,
)
_TYPICALITY = Record(
    Typicality, (_LANDMARKS, Array(("n_landmarks",), low=0.0), _POSITIVE)
)
_SELECTION = Record(
    Selection,
    (
        Texts(),
        Array((None,), finite=False),
        Array((None,), finite=False),
        Text(),
        Text(),
        Whole(),
    ),
    _check_selection,
)
_SUPPORT = Record(
    ClusterSupport,
    (
        Array(("n_numbers",), "i", 1),
        Array(("n_numbers",), finite=False),
        Array(("n_numbers",), finite=False),
        Text((ROWS, LEARNED, GRAPH)),
        Whole(),
    ),
)
_ERROR = Record(
    ApproximationError,
    (
        Maybe(Number(finite=False)),
        Number(finite=False),
        Whole(),
        Array((None,), finite=False),
        Maybe(Array((None,), finite=False)),
        Maybe(Number(finite=False)),
        Maybe(Whole()),
    ),
)
_AS_FITTED = Record(
    AsFitted, (TextOrCallable(), Maybe(Number()), Flag(), Flag(), Whole())
)


# --- the two estimators


class StagesKind:
    """Of the Stages what is not an attribute of its own: two words."""

    def pack(self, value):
        if not isinstance(value, Stages):
            return value
        return {"metric": value.metric, "network_input": value.network_input}

    def read(self, value, where, sizes):
        choices = {
            "metric": ("euclidean", "cosine"),
            "network_input": ("metric", "code"),
        }
        if not isinstance(value, dict) or set(value) != set(choices):
            refuse(where, f"is not a dict with {' and '.join(choices)}")
        for name, among in choices.items():
            Text(among).read(value[name], f"{where}.{name}", sizes)
        inputs = "n_codes" if value["network_input"] == "code" else "n_points"
        if inputs in sizes:
            sizes.agreed("n_inputs", sizes[inputs], sizes.said_by[inputs])
        return value


def _with_stages(values, sizes):
    encoder, learner = values["encoder_"], values["metric_learner_"]
    values["_stages"] = Stages(encoder, learner, **values["_stages"])


def _with_clusters(values, sizes):
    _with_stages(values, sizes)
    classes, labels = values["classes_"], values.get("labels_")
    fine, groups = fine_parts(values["_assignment"])
    if groups.max() + 1 != len(classes):
        what = f"makes {groups.max() + 1} clusters; expected {len(classes)}"
        refuse("_assignment.groups", what)
    if len(values["_counts"]) != len(fine.centers):
        refuse("_counts", f"is not of shape ({len(fine.centers)},)")
    if not (np.diff(classes) > 0).all():
        refuse("classes_", "is not ascending")
    if labels is not None and not np.isin(labels, [-1, *classes]).all():
        refuse("labels_", "has labels that are not in classes_")


_SPECTRAL = {
    **COLUMNS,
    "encoder_": Transformer("n_features", "n_codes"),
    "metric_learner_": Transformer("n_codes", "n_points"),
    "_stages": StagesKind(),
    "_fitted_with": _AS_FITTED,
    "selection_": _SELECTION,
    "component_weights_": Array(("n_components",)),
    "network_": Map(SpectralMap, "n_inputs", "n_components"),
    "eigenvalues_": Array(("n_components",)),
    "diffusion_time_": Number(finite=False),
    "approximation_error_": _ERROR,
    "batch_size_": Whole(1),
    "n_neighbors_": Whole(),
    **CURVES,
}

EMBEDDING = Table(
    {**_SPECTRAL, "embedding_": Array((None, "n_components"))},
    frozenset({"feature_names_in_", "approximation_error_", "embedding_"}),
    _with_stages,
)

CLUSTERING = Table(
    {
        **_SPECTRAL,
        "n_clusters_": Whole(1, "n_clusters"),
        "classes_": Array(("n_clusters",), "i", 0),
        "cluster_centers_": Array(("n_clusters", "n_components")),
        "_assignment": _ASSIGNMENT,
        "_counts": Array((None,), "n", 0),
        "_n_fitted": Whole(),
        "_sharpness": Maybe(Record(Sharpness, (_POSITIVE, _POSITIVE))),
        "_typicality": _TYPICALITY,
        "hierarchy_": _HIERARCHY,
        "labels_": Array((None,), "i", -1),
        "n_clusters_support_": _SUPPORT,
        "inertia_": Number(0.0),
        "offset_": Number(high=0.0),
        "outlier_share_": Number(0.0, 1.0),
        "drift_": Number(0.0, 1.0),
        "drift_limit_": Number(0.0, 1.0),
        "n_samples_seen_": Whole(),
    },
    frozenset(
        {
            "feature_names_in_",
            "approximation_error_",
            "labels_",
            "n_clusters_support_",
            "inertia_",
            "offset_",
            "outlier_share_",
            "drift_",
            "drift_limit_",
            "n_samples_seen_",
        }
    ),
    _with_clusters,
)
