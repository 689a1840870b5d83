"""What the two spectral estimators share: parameters, order of the stages, storing."""

import warnings
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skspectralnet import _batch_graph, _defaults, _neighbor_graph, _whole_graph
from skspectralnet._alignment import Diffusion, Kept, diffusion, largest_positive
from skspectralnet._calls import guarded
from skspectralnet._constraints import draw_rows, of_rows
from skspectralnet._estimator import RowTransformer, layer_sizes, precision_of
from skspectralnet._graph import checked_graph
from skspectralnet._network import ACTIVATIONS, SpectralMap
from skspectralnet._rows import (
    in_memory,
    rows_at_once,
    rows_that_differ_from_zero,
    validate_rows,
)
from skspectralnet._spectral import SpectralFit
from skspectralnet._stages import StageParameters, Stages, told_rows
from skspectralnet._tensors import Blocks, forward_in_blocks, resolve_device
from skspectralnet._training import gradients
from skspectralnet._validation import (
    HasMethods,
    StrOptions,
    above,
    at_least,
    share,
)

_UNCOUNTED = " Rows of zeros, which have no cosine, are not counted."
# The stages that callbacks are told of, those that have nothing to do included.
_BATCH_STAGES = ("encoder", "metric learner", "spectral map", "alignment", "embedding")
_GRAPH_STAGES = (
    *("encoder", "metric learner", "neighbor graph", "eigenvectors"),
    *("spectral map", "alignment", "embedding"),
)


class AsFitted(NamedTuple):
    """Parameters as they were at the fit, for what looks at the model later."""

    affinity: object
    gamma: float | None
    neighbors_in: str
    whole_graph: bool  # neighbors_in="data", or a graph
    n_trivial: int  # 1 where the trivial eigenvector was left out


class Components(NamedTuple):
    """How many eigenvectors a fit learns, and which it keeps."""

    n_learned: int  # the trivial one included
    n_expected: int  # clusters that the graph should tell apart
    n_trivial: int  # 1 leaves out the trivial one
    kept: object  # callable: the eigenvalues found -> Kept


class Size(NamedTuple):
    """What the defaults of a spectral stage depend on."""

    shape: tuple  # rows, and columns that the network sees
    components: Components
    learned: bool  # whether there is a metric learner
    device: object


def uncounted(metric):
    """What an error about too few rows says of those that have no part in the fit."""
    return _UNCOUNTED if metric == "cosine" else ""


class LearnedMap(NamedTuple):
    """The map of rows to aligned eigenvectors."""

    network: SpectralMap
    eigenvalues: np.ndarray  # (n_components,), ascending
    diffusion: Diffusion


class Spectral(NamedTuple):
    """All that a fit has found but clusters."""

    Z: np.ndarray  # (n_samples, n_components), in the precision of the rows
    learned: object  # a slice or an ndarray of row numbers
    stages: Stages
    fit: SpectralFit
    map: LearnedMap
    kept: Kept
    batch_size: int
    as_fitted: AsFitted


class BaseSpectralNet(RowTransformer):
    """What SpectralNetEmbedding and SpectralNetClustering share: all but labels.

    A subclass has ``_components(n_samples, constraints)``, which returns Components.
    """

    _parameter_constraints: dict = {
        "n_components": [at_least(1), None],
        "diffusion_time": [at_least(0, Real), StrOptions({"auto"})],
        "encoder": [
            StrOptions({"auto", "autoencoder"}),
            HasMethods(["fit", "transform"]),
            None,
        ],
        "metric_learner": [
            StrOptions({"auto", "siamese"}),
            HasMethods(["fit", "transform"]),
            None,
        ],
        "network_input": [StrOptions({"metric", "code"})],
        "metric": [StrOptions({"euclidean", "cosine"})],
        "affinity": [
            StrOptions({"self_tuning", "rbf", "nearest_neighbors"}),
            callable,
        ],
        "gamma": [above(0), None],
        "n_neighbors": [at_least(1), None],
        "neighbors_in": [StrOptions({"batch", "data"})],
        "laplacian": [StrOptions({"random_walk", "symmetric", "unnormalized"})],
        "orthonorm": [StrOptions({"joint", "alternating"})],
        "loss": [StrOptions({"log", "trace"})],
        "init": [StrOptions({"random", "spectral"})],
        "hidden_layer_sizes": ["array-like", at_least(1), None],
        "activation": [StrOptions({*ACTIVATIONS, "auto"})],
        "alpha": [at_least(0, Real)],
        "learning_rate_init": [above(0)],
        "batch_size": [at_least(2), StrOptions({"auto"})],
        "subsample": [at_least(2), None],
        "max_iter": [at_least(1)],
        "tol": [at_least(0, Real), None],
        "n_iter_no_change": [at_least(1), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [share()],
        "verbose": ["verbose"],
        "device": [str],
        "random_state": ["random_state"],
    }

    _own_stages: dict = {
        "encoder": "Autoencoder()",
        "metric_learner": "SiameseEmbedding()",
    }

    @property
    def _n_features_out(self):
        return len(self.component_weights_)

    def fit(
        self,
        X,
        y=None,
        *,
        partial_labels=None,
        must_link=None,
        cannot_link=None,
        graph=None,
    ):
        """Learn the map from the rows of X, and from what is known about pairs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Sparse rows are densified a batch at a time.
        y : Ignored
            Present for API consistency; callbacks are given it.
        partial_labels : array-like of int of shape (n_samples,), default=None
            Label of each row, any number from 0; -1, NaN or None where it is unknown.
            Whatever their distance and their neighbours say, rows with the same label
            attract each other in a learned space and get weight 1 in a graph, rows
            with different ones repel each other and get weight 0.
        must_link, cannot_link : array-like of int of shape (n_pairs, 2), default=None
            Pairs of row numbers that belong together, or do not. Row numbers are those
            of the X of this call: they cannot be sliced in cross-validation.
        graph : {array-like, sparse matrix} of shape (n_samples, n_samples), \
                default=None
            Affinities of the rows, symmetric (up to rounding in float32) and at least
            0, in the place of the neighbour graph: citations, places, times. What a
            row has to itself does not count. Implies
            ``neighbors_in="data"``. The map is learned from it, but takes rows of X
            alone: new ones need no edges. Rows without an edge say nothing about the
            eigenvectors and are mapped like new ones.

        Returns
        -------
        self : object
            Unchanged where fitting fails.

        Raises
        ------
        ValueError, TypeError
            If a parameter, X, a label, a link or the graph cannot be used, or labels
            and links contradict each other; the message says which and why.
        """
        return self._replace_fit(
            X,
            y,
            partial_labels=partial_labels,
            must_link=must_link,
            cannot_link=cannot_link,
            graph=graph,
        )

    # --- the stages of the fit

    def _n_tasks(self, graph=None, **known):
        return len(_GRAPH_STAGES if self._is_whole(graph) else _BATCH_STAGES)

    def _is_whole(self, graph):
        """Whether the fit is one on a graph of all rows."""
        return graph is not None or self.neighbors_in == "data"

    def _spectral(self, X, graph, constraints, rng, fit_task):
        """The stages from validated rows to their embedding."""
        whole = self._is_whole(graph)
        if graph is not None:
            graph = checked_graph(graph, X.shape[0])
        self._check_combinations(whole)
        device = resolve_device(self.device)
        rows = self._rows_to_learn_from(X, constraints, graph, rng)
        wanted = StageParameters(*(getattr(self, n) for n in StageParameters._fields))
        known = constraints if rows is None else of_rows(constraints, rows)
        learned, every = in_memory(X, rows), graph is not None
        told = told_rows(learned, wanted, known, rng, fit_task, every=every)
        rows = told.rows if rows is None else rows[told.rows]
        stages, inputs, points = told.stages, told.inputs, told.points
        components = self._components(told.n_samples, constraints)
        size = Size(inputs.shape, components, stages.metric_learner is not None, device)
        trainer = self._trainer(fit_task)
        with gradients(device):
            if whole:
                task = self._graph_task(size, graph)
                fit = _whole_graph.fit(inputs, points, task, told.known, trainer, rng)
            else:
                task = self._batch_task(size)
                fit = _batch_graph.fit(inputs, points, task, told.known, trainer, rng)
        kept = components.kept(fit.pairs.eigenvalues[: components.n_learned])
        learned_map = self._map(inputs, fit, components, kept)
        with fit_task.stage("embedding"):
            Z = _signed(X, stages, learned_map, self.device)
        return Spectral(
            Z=Z,
            learned=rows,
            stages=stages,
            fit=fit,
            map=learned_map,
            kept=kept,
            batch_size=task.batch_size,
            as_fitted=self._as_fitted(whole, components),
        )

    def _as_fitted(self, whole, components):
        """The parameters that displays of the fitted model need."""
        return AsFitted(
            affinity=self.affinity,
            gamma=self.gamma,
            neighbors_in=self.neighbors_in,
            whole_graph=whole,
            n_trivial=components.n_trivial,
        )

    def _store(self, found):
        """Set the fitted attributes of a Spectral."""
        self._stages, self._fitted_with = found.stages, found.as_fitted
        self.encoder_ = found.stages.encoder
        self.metric_learner_ = found.stages.metric_learner
        self.batch_size_ = found.batch_size
        self.n_neighbors_ = found.fit.n_neighbors
        self._store_curves(found.fit.history)
        if found.fit.error is not None:
            self.approximation_error_ = found.fit.error
        self.network_ = found.map.network
        self.eigenvalues_ = found.map.eigenvalues
        self.diffusion_time_ = found.map.diffusion.time
        self.component_weights_ = found.map.diffusion.weights

    def _rows_to_learn_from(self, X, constraints, graph, rng):
        """Random rows where `subsample` asks for them; None for all."""
        size, n_samples = self.subsample, X.shape[0]
        if graph is not None or size is None or size >= n_samples:
            return None
        rows = np.arange(n_samples)
        if self.metric == "cosine" and self.encoder in (None, "auto"):
            directed = rows_that_differ_from_zero(X)  # the others will have no part
            rows = directed if len(directed) >= 2 else rows
        known, size = of_rows(constraints, rows), min(size, len(rows))
        return rows[draw_rows(known, size, len(rows), rng)]

    def _check_combinations(self, whole):
        if self.init == "spectral" and not whole:
            raise ValueError(
                "init='spectral' needs the graph of all rows: set "
                "neighbors_in='data', or init='random' with neighbors_in='batch'."
            )
        if self.gamma is not None and self.affinity != "rbf":
            raise ValueError(
                f"gamma={self.gamma!r} is only used with affinity='rbf'; got "
                f"affinity={self.affinity!r}. Set gamma=None."
            )
        if self.network_input == "code" and self.metric_learner is None:
            raise ValueError(
                "network_input='code' only differs from 'metric' with a metric "
                "learner; got metric_learner=None."
            )

    # --- the tasks of the spectral stages

    def _batch_task(self, size):
        """The BatchTask of a fit, every default resolved."""
        common = self._common_fields(size)
        batch_size, hidden = common["batch_size"], self.hidden_layer_sizes
        if hidden is None:
            hidden = _defaults.batch_layers(*size.shape)
        default = _defaults.patience(batch_size >= size.shape[0], size.learned)
        return _batch_graph.BatchTask(
            **common,
            **self._patience(*default),
            n_neighbors=self._neighbors_in_batch(batch_size, size),
            hidden_layer_sizes=tuple(layer_sizes(hidden)),
            validation_fraction=self.validation_fraction * self.early_stopping,
        )

    def _graph_task(self, size, graph):
        """The GraphTask of a fit."""
        hidden, n_neighbors = self.hidden_layer_sizes, self.n_neighbors
        if hidden is not None:
            hidden = tuple(layer_sizes(hidden))
        return _neighbor_graph.GraphTask(
            **self._common_fields(size),
            **self._patience(_defaults.SAMPLED_TOL, _defaults.PATIENCE),
            n_neighbors=_defaults.NEIGHBORS if n_neighbors is None else n_neighbors,
            n_neighbors_asked=n_neighbors is not None,
            hidden_layer_sizes=hidden,
            init=self.init,
            graph=graph,
        )

    def _common_fields(self, size):
        """What both tasks have."""
        activation = self.activation
        if activation == "auto":
            activation = _defaults.activation(size.learned)
        return {
            "n_components": size.components.n_learned,
            "affinity": self.affinity,
            "gamma": self.gamma,
            "batch_size": self._batch_size(size),
            "laplacian": self.laplacian,
            "orthonorm": self.orthonorm,
            "loss": self.loss,
            "activation": activation,
            "device": size.device,
        }

    def _patience(self, tol, n_epochs):
        """`tol` and `n_iter_no_change`, given what None means for them."""
        if self.tol is not None:
            tol = self.tol
        return {"tol": tol, "n_iter_no_change": self.n_iter_no_change or n_epochs}

    def _batch_size(self, size):
        n_components = size.components.n_learned
        if self.batch_size == "auto":
            return _defaults.map_batch_size(size.shape[0], n_components, size.learned)
        batch_size = min(self.batch_size, size.shape[0])
        if batch_size < n_components:
            raise ValueError(
                f"batch_size={self.batch_size} is smaller than the number of "
                f"components, {n_components}: a batch of {batch_size} rows cannot have "
                "that many orthonormal outputs. Raise batch_size or lower "
                "n_components."
            )
        return batch_size

    def _neighbors_in_batch(self, batch_size, size):
        if self.n_neighbors is None:
            n_expected = size.components.n_expected
            return _defaults.batch_neighbors(batch_size, n_expected, size.learned)
        if self.n_neighbors >= batch_size:
            clipped = batch_size - 1
            warnings.warn(
                f"n_neighbors={self.n_neighbors} is not below the {batch_size} rows of "
                f"a batch; {clipped} are used.",
                UserWarning,
                stacklevel=2,
            )
            return clipped
        return self.n_neighbors

    # --- from eigenpairs to the map

    def _map(self, inputs, fit, components, kept):
        """The LearnedMap of the eigenpairs that are kept."""
        asked, first = kept.n_components, components.n_trivial
        eigenvalues = fit.pairs.eigenvalues[:asked]
        if len(eigenvalues) <= first:
            raise ValueError(_neighbor_graph.TOO_FEW_DISTINCT)
        if len(eigenvalues) < asked and self.n_components is not None:
            warnings.warn(
                f"The outputs of the network span {len(eigenvalues)} dimensions where "
                f"{asked} components were asked for: the rows may have too few "
                "distinct values.",
                ConvergenceWarning,
                stacklevel=2,
            )
        order = first + np.argsort(eigenvalues[first:], kind="stable")
        coefficients = fit.pairs.coefficients[:, :asked][:, order]
        eigenvalues = decays = eigenvalues[order]
        if self.laplacian == "unnormalized":
            decays = decays / fit.largest_degree
        return LearnedMap(
            SpectralMap(inputs.units, fit.mlp, coefficients),
            eigenvalues,
            diffusion(decays, self.diffusion_time, kept.n_leading),
        )

    # --- new rows

    @guarded
    def transform(self, X):
        """Map rows to their spectral embedding.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            The aligned eigenvectors times `component_weights_`; float32 for float32
            rows, float64 for others. Each row is mapped on its own.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        return self._embed(X)

    def _embed(self, X):
        """The embedding of validated rows."""
        weights = self.component_weights_
        return _embedded(X, self._stages, self.network_, weights, self.device)


def _signed(X, stages, learned_map, device):
    """The embedding of validated rows; its signs, and those of the map, are settled."""
    network, weights = learned_map.network, learned_map.diffusion.weights
    Z = _embedded(X, stages, network, weights, device)
    signs = largest_positive(Z)
    network.flip_signs(signs)
    Z *= signs
    return Z


def _embedded(X, stages, network, weights, device):
    """The embedding of validated rows, (n_samples, n_components)."""

    def read(rows):
        return stages.network_rows(X[rows])

    blocks = Blocks(read, X.shape[0], rows_at_once(X))
    return forward_in_blocks(
        network,
        blocks,
        device=resolve_device(device),
        weights=weights,
        dtype=precision_of(X),
    )
