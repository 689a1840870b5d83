"""Encoder and metric learner: from rows to codes to the points of distances."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import ArpackError
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import check_array
from sklearn.utils.validation import has_fit_parameter

from skspectralnet._autoencoder import Autoencoder
from skspectralnet._constraints import groups_of, of_distinct, of_rows
from skspectralnet._defaults import AUTO_WIDTH
from skspectralnet._distinct import Distinct, distinct_rows
from skspectralnet._input import of_weights
from skspectralnet._rows import (
    Rows,
    center_and_scale,
    in_memory,
    row_blocks,
    rows_that_differ_from_zero,
)
from skspectralnet._siamese import SiameseEmbedding
from skspectralnet._tensors import without_tensors

# What a transformer raises of which an attribute is not what it must be: one of a file
# that is damaged, or that `fit` has not set.
_BROKEN = (AttributeError, IndexError, KeyError)
# metric="auto": lengths that differ by a smaller share are one length. Half precision
# rounds an entry by half as much.
_SAME_LENGTH = 1e-3
# Rows that say how far from the origin all of them are.
_SAMPLE_ROWS = 1000


class StageParameters(NamedTuple):
    """The parameters of an estimator that its stages are made of."""

    encoder: object
    metric_learner: object
    metric: str
    network_input: str
    verbose: int
    device: str


class Stages(NamedTuple):
    """Fitted stages: what becomes of rows before the network sees them."""

    encoder: object  # a fitted transformer or None
    metric_learner: object  # a fitted transformer or None
    metric: str
    network_input: str

    def given(self, X):
        """Rows as distances between them are taken where no stage is fitted."""
        return _unit_rows(X) if self.metric == "cosine" else X

    def codes(self, X):
        """What the metric learner sees of validated rows."""
        if self.encoder is not None:
            X = _transformed(self.encoder, _floats(X), "encoder")
        return self.given(X)

    def directed(self, codes):
        """Numbers of the codes between which the metric is defined, ascending.

        All but those of zeros by the cosine; None: all.
        """
        if self.metric != "cosine":
            return None
        rows = rows_that_differ_from_zero(codes)
        return rows if len(rows) < codes.shape[0] else None

    def points_of(self, codes):
        """Where distances between codes are taken."""
        if self.metric_learner is None:
            return codes
        return _transformed(self.metric_learner, codes, "metric_learner")

    def points(self, X):
        """Where distances between validated rows are taken."""
        return self.points_of(self.codes(X))

    def inputs(self, X):
        """What the network of the spectral map sees of validated rows."""
        return self.codes(X) if self.network_input == "code" else self.points(X)

    def directed_rows(self, X):
        """Numbers of the validated rows whose codes have a direction; None: all."""
        if self.metric != "cosine":
            return None
        found = []
        for block in row_blocks(X.shape):
            codes = self.codes(in_memory(X, block))
            found.append(block.start + rows_that_differ_from_zero(codes))
        return np.concatenate(found)


class Encoded(NamedTuple):
    """Rows behind the encoder: what every metric learner would see of them."""

    X: object  # {ndarray, CSR matrix} of shape (n_samples, n_features)
    stages: Stages  # without a metric learner
    codes: object  # {ndarray, CSR} of shape (n_samples, n_codes)
    directed: object  # ndarray of row numbers, of at least 2; None: all
    distinct: Distinct  # which of the rows are equal
    weights: object  # as how many rows each counts, (n_samples,); None: as one

    @property
    def rows(self):
        """Numbers of the rows that have a part: those with a direction, or all."""
        if self.directed is None:
            return np.arange(self.codes.shape[0])
        return self.directed


class FittedStages(NamedTuple):
    """Stages, and what they make of the rows that they were fitted on."""

    stages: Stages
    inputs: object  # {ndarray, CSR} of shape (n_samples, n_inputs)
    points: object  # {ndarray, CSR} of shape (n_samples, n_points), often `inputs`
    directed: object  # ndarray of row numbers, of at least 2; None: all

    def only_directed(self):
        """The same of the rows that have a direction."""
        rows, inputs, points = self.directed, self.inputs, self.points
        points = points[rows]
        inputs = points if self.inputs is self.points else inputs[rows]
        return FittedStages(self.stages, inputs, points, None)


class Told(NamedTuple):
    """What the spectral stage is told, each different row once."""

    rows: object  # numbers of the rows that have a part, or a slice
    stages: Stages
    inputs: Rows
    points: Rows  # often `inputs`
    known: object  # Constraints or None


def metric_for(X, metric, encoder):
    r"""The metric between codes of rows: one that is asked for, or by their lengths.

    Where all rows have length 1, :math:`|x - y|^2 = 2 - 2 \cos(x, y)`: the distance and
    the angle have the same neighbours, until singular vectors shorten some rows more
    than others. So the codes that ``encoder="auto"`` makes of such sparse rows are
    compared by angle. Those of dense ones are centred, and have lost it.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    metric : {"auto", "euclidean", "cosine"}
    encoder : object
        The parameter.

    Returns
    -------
    {"euclidean", "cosine"}
    """
    if metric != "auto":
        return metric
    if encoder != "auto" or not sparse.issparse(X) or X.shape[1] <= AUTO_WIDTH:
        return "euclidean"
    lengths = _lengths(X)
    lengths = lengths[lengths > 0.0]
    longest = lengths.max(initial=0.0)
    same = 0.0 < longest < np.inf and longest - lengths.min() <= _SAME_LENGTH * longest
    return "cosine" if same else "euclidean"


def encoded_rows(X, weights, wanted, constraints, rng, fit_task):
    """Fit the encoder; the rows behind it.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
        Above 0. Given to an encoder whose `fit` has a parameter for them.
    wanted : StageParameters
    constraints : Constraints or None
    rng : RandomState
    fit_task : FitTask

    Returns
    -------
    Encoded
    """
    distinct = distinct_rows(X, groups_of(constraints))
    encoder = _new_encoder(X, wanted, rng)
    stages = Stages(encoder, None, wanted.metric, wanted.network_input)
    with fit_task.stage("encoder", fits=encoder):
        if encoder is not None:
            floats = _floats(X)
            if wanted.encoder == "auto":
                _check_magnitude(floats)
            _fit_stage(encoder, floats, "encoder", sample_weight=weights)
        codes = stages.codes(X)
    directed = stages.directed(codes)
    if directed is not None and len(directed) < 2:
        directed = None
    return Encoded(X, stages, codes, directed, distinct, weights)


def told_rows(encoded, wanted, constraints, rng, fit_task, *, every):
    """Fit the metric learner; what the stages make of the rows, each once.

    Parameters
    ----------
    encoded : Encoded
    wanted : StageParameters
    constraints : Constraints or None
    rng : RandomState
    fit_task : FitTask
    every : bool
        Whether all rows stay, those without a direction and equal ones included: a
        graph between them is given.

    Returns
    -------
    Told
    """
    distinct, rows = encoded.distinct, slice(None)
    fitted = fit_learner(encoded, wanted, constraints, rng, fit_task)
    if fitted.directed is not None and not every:
        rows, constraints = fitted.directed, of_rows(constraints, fitted.directed)
        fitted = fitted.only_directed()
        distinct = distinct_rows(encoded.X[rows], groups_of(constraints))
    weights = of_weights(encoded.weights, None if every else encoded.directed)
    inputs, points = _standard(fitted, weights)
    if 1 < len(distinct.first) < len(inputs) and not every:
        inputs, points = only_distinct(distinct, inputs, points)
        constraints = of_distinct(constraints, *distinct)
    return Told(rows, fitted.stages, inputs, points, constraints)


def fit_learner(encoded, wanted, constraints, rng, fit_task):
    """Fit the metric learner.

    Parameters
    ----------
    encoded : Encoded
    wanted : StageParameters
    constraints : Constraints or None
        Given to a metric learner whose `fit` has parameters for them, as weights are.
    rng : RandomState
    fit_task : FitTask

    Returns
    -------
    FittedStages
    """
    codes, directed = encoded.codes, encoded.directed
    told = codes
    if directed is not None:
        told, constraints = codes[directed], of_rows(constraints, directed)
    learner = _new_learner(wanted, rng)
    stages = encoded.stages._replace(metric_learner=learner)
    with fit_task.stage("metric learner", fits=learner):
        if learner is not None:
            weights = of_weights(encoded.weights, directed)
            given = {} if constraints is None else constraints.given
            _fit_stage(learner, told, "metric_learner", sample_weight=weights, **given)
        points = stages.points_of(codes)
    inputs = codes if wanted.network_input == "code" else points
    return FittedStages(stages, inputs, points, directed)


def _standard(fitted, weights):
    """Inputs and points as Rows with centre and scale, one object for one array."""
    inputs, points = fitted.inputs, fitted.points
    input_rows = Rows(inputs, *center_and_scale(inputs, weights), weights)
    if points is inputs:
        return input_rows, input_rows
    return input_rows, Rows(points, *center_and_scale(points, weights), weights)


def only_distinct(distinct, inputs, points):
    """Inputs and points of distinct rows: copies would fill each other's lists."""
    only = points.only(distinct)
    return only if inputs is points else inputs.only(distinct), only


def _new_encoder(X, wanted, rng):
    """The encoder to fit, or None."""
    if wanted.encoder is None:
        return None
    if wanted.encoder == "autoencoder":
        return _own_stage(Autoencoder, wanted, rng)
    if wanted.encoder != "auto":
        return _seeded(clone(wanted.encoder), rng)
    if X.shape[1] <= AUTO_WIDTH:
        return None
    width, seed = min(AUTO_WIDTH, X.shape[0] - 1), _draw_seed(rng)
    # PCA subtracts the mean, which sparse rows and angles do not survive.
    if sparse.issparse(X) or wanted.metric == "cosine":
        return TruncatedSVD(width, random_state=seed)
    pca = PCA(width, random_state=seed)
    return make_pipeline(StandardScaler(with_std=False), pca) if _is_far(X) else pca


def _is_far(X):
    """Whether squares of the entries lose the digits that tell rows apart.

    PCA takes the covariance from them.
    """
    some = center_and_scale(X[:: -(-X.shape[0] // _SAMPLE_ROWS)])
    precision = np.finfo(X.dtype if X.dtype.kind == "f" else np.float32).eps
    return bool(np.max(np.abs(some.center)) > precision**-0.25 * some.scale)


def _new_learner(wanted, rng):
    """The metric learner to fit, or None."""
    learner = wanted.metric_learner
    if learner is None:
        return None
    if learner == "siamese":
        return _own_stage(SiameseEmbedding, wanted, rng)
    return _seeded(clone(learner), rng)


def _own_stage(stage, wanted, rng):
    """A stage of this package with its defaults."""
    seed = _draw_seed(rng)
    return stage(verbose=wanted.verbose, device=wanted.device, random_state=seed)


def _floats(X):
    """Small integers as float32, floats as they are."""
    return X if X.dtype.kind == "f" else X.astype(np.float32)


def _lengths(X):
    """Lengths of sparse rows, (n_rows,); infinite where a square is beyond floats."""
    with np.errstate(over="ignore"):
        squares = np.square(X.data, dtype=np.float64)
        parts = squares, X.indices, X.indptr
        return np.sqrt(sparse.csr_array(parts, shape=X.shape).sum(axis=1))


def _unit_rows(X):
    """Rows divided by their lengths, whose squares may be beyond floats."""
    X = _floats(X)
    largest = abs(X).max(axis=1)
    if sparse.issparse(X):
        largest = largest.toarray().ravel()
    exponents = -np.frexp(largest)[1]  # a power of two is exact: no digit changes
    if sparse.issparse(X):
        scaled = X.copy()
        scaled.data = np.ldexp(X.data, np.repeat(exponents, np.diff(X.indptr)))
    else:
        scaled = np.ldexp(X, exponents[:, None])
    return normalize(scaled)


def _seeded(estimator, rng):
    """Give every unset random_state of an estimator a seed of its own."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    unset = sorted(
        name
        for name, value in params.items()
        if name.split("__")[-1] == "random_state" and value is None
    )
    if unset:
        estimator.set_params(**{name: _draw_seed(rng) for name in unset})
    return estimator


def _draw_seed(rng):
    return int(rng.randint(np.iinfo(np.int32).max))


def _check_magnitude(X):
    """Refuse rows whose squares are no numbers: PCA would be silently wrong."""
    values = X.data if sparse.issparse(X) else X
    largest = float(np.max(np.abs(values), initial=0.0))
    limits = np.finfo(X.dtype)
    low, high = 1e3 * float(limits.tiny) ** 0.5, 1e-3 * float(limits.max) ** 0.5
    if largest != 0.0 and not low < largest < high:
        raise ValueError(
            f"The largest magnitude in X is {largest:.3g}: its square is not a "
            f"{X.dtype} number, as encoder='auto' needs. Rescale X."
        )


def _fit_stage(transformer, X, parameter, **known):
    """Fit a stage, with what its `fit` takes of the weights, labels and links.

    Where it fails in linear algebra, the error names it.
    """
    known = {
        name: value
        for name, value in known.items()
        if value is not None and has_fit_parameter(transformer, name)
    }
    try:
        transformer.fit(X, None, **known)  # as a Pipeline calls it, y and all
    except (np.linalg.LinAlgError, ArpackError) as error:
        raise ValueError(
            f"{parameter}={transformer!r} could not be fitted: {error}"
        ) from error


def _transformed(transformer, X, parameter):
    """What a stage makes of its rows, checked."""
    try:
        made = without_tensors(transformer.transform(X))
    except _BROKEN as error:
        if isinstance(error, ValueError):  # NotFittedError is both
            raise
        name, kind = type(transformer).__name__, type(error).__name__
        raise ValueError(
            f"{parameter}, a {name}, could not transform the rows: {kind}: {error}"
        ) from error
    if len(getattr(made, "shape", ())) != 2:
        shape = f" of shape {made.shape}" if hasattr(made, "shape") else ""
        raise ValueError(
            f"{parameter}={transformer!r} made a {type(made).__name__}{shape}: "
            "expected an array of two dimensions, a row for each row."
        )
    codes = check_array(
        made,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_min_features=0,
        input_name=f"made by {parameter}",
    )
    if codes.shape[0] != X.shape[0] or codes.shape[1] == 0:
        raise ValueError(
            f"{parameter}={transformer!r} made an array of shape {codes.shape} of "
            f"{X.shape[0]} rows: expected one row for each, and a column."
        )
    return codes
