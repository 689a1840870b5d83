"""Converters for skl2onnx: models that run with neither torch nor scikit-learn.

Importing this module registers them; the extra ``onnx`` brings skl2onnx.
"""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skspectralnet._autoencoder import Autoencoder
from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._embedding import SpectralNetEmbedding
from skspectralnet._siamese import SiameseEmbedding
from skspectralnet._stages import Stages

try:
    from skl2onnx import update_registered_converter
    from skl2onnx._parse import _parse_sklearn
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    from skspectralnet._onnx_nodes import (
        Nodes,
        clusters,
        mapped,
        outside,
        probabilities,
        unit_rows,
    )
except ImportError as error:
    raise ImportError(
        "skspectralnet.onnx needs skl2onnx: python -m pip install skl2onnx, or the "
        "extra onnx of skspectralnet."
    ) from error

__all__ = ["register"]

# Names of the operators among those of skl2onnx.
_CLUSTERING, _EMBEDDING = "SkspectralnetClustering", "SkspectralnetEmbedding"
_ROW_MAP, _UNIT_ROWS = "SkspectralnetRowMap", "SkspectralnetUnitRows"
# Operators that hand an output on as it is.
_ENDS = ("SklearnIdentity", "SklearnCast", "SklearnGridSearchCV")


def register():
    """Tell skl2onnx how to convert the four estimators; the import calls it.

    ``skl2onnx.to_onnx(model, X[:1])`` then converts a fitted
    :class:`~skspectralnet.SpectralNetClustering`,
    :class:`~skspectralnet.SpectralNetEmbedding`, :class:`~skspectralnet.Autoencoder` or
    :class:`~skspectralnet.SiameseEmbedding`, or a pipeline with them. See
    :doc:`/guide/onnx`.
    """
    update_registered_converter(
        SpectralNetClustering,
        _CLUSTERING,
        _set_types,
        _convert_clustering,
        parser=_parse_clustering,
        options={"embedding_only": [False, True]},
    )
    update_registered_converter(
        SpectralNetEmbedding,
        _EMBEDDING,
        _set_types,
        _convert_embedding,
        parser=_parse_embedding,
    )
    for kind in (Autoencoder, SiameseEmbedding):
        update_registered_converter(
            kind, _ROW_MAP, _set_types, _convert_row_map, parser=_parse_row_map
        )
    update_registered_converter(
        Stages, _UNIT_ROWS, _set_type_of_unit_rows, _convert_unit_rows
    )


# --- parsers: which operators there are, and what they hand on


def _parse_clustering(scope, model, inputs, custom_parsers=None):
    operator = _declared(scope, _CLUSTERING, model, inputs, custom_parsers)
    kind = _float_kind(operator)
    if not scope.get_options(model, {"embedding_only": False})["embedding_only"]:
        _declare_output(scope, operator, "label", Int64TensorType())
        if hasattr(model, "predict_proba"):
            _declare_output(scope, operator, "probabilities", kind())
    _declare_output(scope, operator, "embedding", kind())
    return operator.outputs


def _parse_embedding(scope, model, inputs, custom_parsers=None):
    operator = _declared(scope, _EMBEDDING, model, inputs, custom_parsers)
    _declare_output(scope, operator, "embedding", _float_kind(operator)())
    return operator.outputs


def _parse_row_map(scope, model, inputs, custom_parsers=None):
    check_is_fitted(model)
    operator = scope.declare_local_operator(_ROW_MAP, model)
    operator.inputs.append(_floats(scope, model, inputs))
    name = "codes" if isinstance(model, Autoencoder) else "points"
    _declare_output(scope, operator, name, _float_kind(operator)())
    return operator.outputs


def _declared(scope, alias, model, inputs, custom_parsers):
    """The operator of a spectral estimator: behind its stages, and with its rows."""
    check_is_fitted(model)
    rows = _floats(scope, model, inputs)
    stages, found = model._stages, rows
    if stages.encoder is not None:
        found = _parsed(scope, "encoder", stages.encoder, found, custom_parsers)
    if stages.metric == "cosine":
        found = _declared_unit_rows(scope, found)
    if stages.metric_learner is not None and stages.network_input != "code":
        learner = stages.metric_learner
        found = _parsed(scope, "metric_learner", learner, found, custom_parsers)
    operator = scope.declare_local_operator(alias, model)
    operator.inputs.append(found)
    operator.inputs.append(rows)
    return operator


def _floats(scope, model, inputs):
    """All inputs as one variable, float32 where all of them are, else float64."""
    kinds = {type(variable.type) for variable in inputs}
    if StringTensorType in kinds:
        raise TypeError(
            f"{type(model).__name__} takes numbers; got an input of strings. Encode "
            "them by a step before it, as for fit."
        )
    kind = FloatTensorType if kinds == {FloatTensorType} else DoubleTensorType
    if len(inputs) == 1 and kinds == {kind}:
        return inputs[0]
    one = len(inputs) == 1
    operator = scope.declare_local_operator("SklearnCast" if one else "SklearnConcat")
    for variable in inputs:
        operator.inputs.append(variable)
    return _declare_output(scope, operator, "rows", kind([None, None]))


def _parsed(scope, parameter, stage, rows, custom_parsers):
    """What a stage makes of its rows; an error that names it where that is unknown."""
    before = set(scope.operators)
    found = _parse_sklearn(scope, stage, [rows], custom_parsers=custom_parsers)
    for name in set(scope.operators) - before:
        operator = scope.operators[name]
        model, known = operator.raw_operator, scope.custom_shape_calculators or {}
        if operator.type is None and type(model) not in known:
            raise ValueError(
                f"{parameter}={stage!r} cannot be converted: skl2onnx has no converter "
                f"of {type(model).__name__}. Register one by "
                "skl2onnx.update_registered_converter, or fit without this stage."
            )
    if len(found) != 1:
        names = ", ".join(variable.raw_name for variable in found)
        raise ValueError(
            f"{parameter}={stage!r} cannot be converted: skl2onnx gives it the outputs "
            f"{names}; expected a single one, of its transform."
        )
    return found[0]


def _declared_unit_rows(scope, rows):
    operator = scope.declare_local_operator(_UNIT_ROWS)
    operator.inputs.append(rows)
    return _declare_output(scope, operator, "unit_rows", type(rows.type)())


def _declare_output(scope, operator, name, kind):
    variable = scope.declare_local_variable(name, kind)
    operator.outputs.append(variable)
    return variable


def _float_kind(operator):
    """The type of what is made of the rows: float32 for float32 ones, else float64."""
    rows = operator.inputs[-1].type
    return FloatTensorType if isinstance(rows, FloatTensorType) else DoubleTensorType


# --- shapes


def _set_types(operator):
    model, rows = operator.raw_operator, operator.inputs[-1]
    n_columns = rows.type.shape[1] if len(rows.type.shape) == 2 else None
    if n_columns not in (None, model.n_features_in_):
        raise ValueError(
            f"X has {n_columns} columns, but {type(model).__name__} was fitted on "
            f"{model.n_features_in_}: expected initial types, or example rows, of "
            f"{model.n_features_in_} columns."
        )
    n_rows, kind = rows.get_first_dimension(), _float_kind(operator)
    for variable in operator.outputs:
        if isinstance(variable.type, Int64TensorType):
            variable.type = Int64TensorType([n_rows])
        elif variable.raw_name == "probabilities":
            variable.type = kind([n_rows, model.n_clusters_])
        else:
            variable.type = kind([n_rows, model._n_features_out])


def _set_type_of_unit_rows(operator):
    (rows,) = operator.inputs
    operator.outputs[0].type = type(rows.type)(rows.type.shape)


# --- converters


def _dtype(operator):
    return np.float32 if _float_kind(operator) is FloatTensorType else np.float64


def _convert_unit_rows(scope, operator, container):
    nodes = Nodes(scope, container)
    made = unit_rows(nodes, nodes.cast(operator.inputs[0].full_name, np.float64))
    nodes.put(nodes.cast(made, _dtype(operator)), operator.outputs[0])


def _convert_row_map(scope, operator, container):
    nodes, dtype = Nodes(scope, container), _dtype(operator)
    rows, network = operator.inputs[0].full_name, operator.raw_operator.network_
    made = mapped(nodes, rows, network, dtype)
    nodes.put(nodes.cast(made, dtype), operator.outputs[0])


def _embedded(nodes, operator):
    """The embedding of the rows, in float64."""
    model, dtype = operator.raw_operator, _dtype(operator)
    made = mapped(nodes, operator.inputs[0].full_name, model.network_, dtype)
    return nodes.add("Mul", made, model.component_weights_)


def _convert_embedding(scope, operator, container):
    nodes = Nodes(scope, container)
    made = nodes.cast(_embedded(nodes, operator), _dtype(operator))
    nodes.put(made, operator.outputs[0])


def _convert_clustering(scope, operator, container):
    nodes, model = Nodes(scope, container), operator.raw_operator
    outputs = {variable.raw_name: variable for variable in operator.outputs}
    dtype, Z = _dtype(operator), _embedded(nodes, operator)
    nodes.put(nodes.cast(Z, dtype), outputs["embedding"])
    if "label" not in outputs:
        return
    _check_is_last(model, outputs["label"])
    found = clusters(nodes, model._assignment, Z, dtype)
    if "probabilities" in outputs:
        shares = probabilities(nodes, model, Z, found, dtype)
        nodes.put(shares, outputs["probabilities"])
    labels = nodes.add("Gather", model.classes_.astype(np.int64), found)
    if hasattr(model, "offset_"):
        is_outside = outside(nodes, operator.inputs[1].full_name, model)
        labels = nodes.add("Where", is_outside, np.array([-1]), labels)
    nodes.put(labels, outputs["label"])


def _check_is_last(model, label):
    """Refuse steps after a clusterer: they would be given its labels as well."""
    name = type(model).__name__
    if any(after.type not in _ENDS for after in label.operators_inputs_):
        raise ValueError(
            f"{name} is not the last step: what follows takes its embedding, but a "
            "clusterer is converted with its labels. Pass "
            f"options={{{name}: {{'embedding_only': True}}}} to to_onnx."
        )


register()
