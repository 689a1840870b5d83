"""The parameters, the order of the stages, and SpectralNetEmbedding."""

import warnings
from functools import partial
from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skspectralnet._autoencoder import Autoencoder
from skspectralnet._constraints import draw_rows, known_of_rows, known_pairs
from skspectralnet._estimator import (
    RowTransformer,
    layer_sizes,
    precision_of,
)
from skspectralnet._graph import checked_graph
from skspectralnet._network import ACTIVATIONS, SpectralMap
from skspectralnet._rows import (
    Rows,
    center_and_scale,
    dense_rows,
    distinct_rows,
    in_memory,
    rows_at_once,
    standardised,
    validate_rows,
)
from skspectralnet._siamese import SiameseEmbedding
from skspectralnet._spectral import (
    BatchReader,
    SpectralTask,
    align,
    fit_map,
    new_map,
)
from skspectralnet._tasks import Epochs
from skspectralnet._tensors import forward_in_blocks, resolve_device, torch_generator
from skspectralnet._training import Interrupts, gradients
from skspectralnet._validation import (
    HasMethods,
    StrOptions,
    above,
    at_least,
    share,
)
from skspectralnet._whole_graph import (
    POLISH_EPOCHS,
    GraphReader,
    align_to_graph,
    epoch_steps,
    exact_pairs,
    fit_edges,
    n_outputs,
    neighbor_affinity,
    new_network,
    overruled,
    polished,
    regress,
    regression_targets,
)

# Rows wider than this are reduced to it by encoder="auto".
_AUTO_WIDTH = 50
# diffusion_time="auto": the K-th eigenvector keeps exp(-1/2) of its length. Those
# after a gap vanish, those before it stay.
_AUTO_DECAY = 0.5
_SMALL_SAMPLE = 1000
# n_neighbors=None. In a batch of a learned space few neighbours split large clusters
# and many join small ones (benchmarks/siamese.py): this many times the rows that the
# smallest of k clusters of random sizes has, a share of 1 / k^2 (as the shortest piece
# of a stick that is broken at random places).
_NEIGHBORS, _MOST_NEIGHBORS, _SMALLEST_SHARE = 10, 40, 3.5
# batch_size="auto": the part of the rows that a batch is, where that decides.
_PLAIN_BATCHES, _LEARNED_BATCHES = 16, 10
# Plain rows may lie on sheets close to each other: a fine graph tells these apart.
_MIN_PLAIN, _MIN_LEARNED, _MAX_BATCH = 1024, 512, 2048
# tol=None: of a loss that every step sees whole, and of one over random batches, which
# can look settled long before a thin cluster is found (tests/test_quality.py).
_WHOLE_TOL, _SAMPLED_TOL = 1e-2, 2e-3
# n_iter_no_change=None: with less patience a training on plain rows ends now and then
# before it tells nested C's apart (benchmarks/shapes.py). In a learned space clusters
# are compact.
_PATIENCE, _PLAIN_PATIENCE = 4, 6
# metric_learner="auto" learns a space from so many rows of more columns than that.
_LEARNED_ROWS, _PLAIN_COLUMNS = 500, 3
# neighbors_in="data": a callable affinity gets all rows at once, at most so many.
_MOST_CALLABLE_ROWS = 20_000
# Up to so many rows the whole graph is solved for its eigenvectors; beyond, the
# neighbour graph of so many random rows.
_SOLVED_ROWS = 200_000
# The stages that callbacks are told of, those that have nothing to do included.
_BATCH_STAGES = ("encoder", "metric learner", "spectral map", "alignment", "embedding")
_GRAPH_STAGES = (
    *("encoder", "metric learner", "neighbor graph", "eigenvectors"),
    *("spectral map", "alignment", "embedding"),
)
# A squared Grassmann distance that deserves a warning, as a share of the largest.
_FAR = 0.1
_TOO_FEW_DISTINCT = (
    "The network's outputs are the same for all rows: X needs more distinct rows for "
    "an embedding."
)
_NO_EDGES = (
    "The affinity has no edges: all weights are zero. With affinity='rbf' choose a "
    "smaller gamma; with a callable return positive weights."
)


class Spectral(NamedTuple):
    """The embedding of all rows, and which of them were learned from."""

    Z: np.ndarray  # (n_samples, n_components), in the precision of the rows
    learned: object  # a slice or an ndarray of row numbers


class _BaseSpectralNet(RowTransformer):
    """What SpectralNetEmbedding and SpectralNetClustering share: all but labels."""

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

    def __init__(
        self,
        *,
        n_components,
        diffusion_time,
        encoder,
        metric_learner,
        network_input,
        metric,
        affinity,
        gamma,
        n_neighbors,
        neighbors_in,
        laplacian,
        orthonorm,
        loss,
        init,
        hidden_layer_sizes,
        activation,
        alpha,
        learning_rate_init,
        batch_size,
        subsample,
        max_iter,
        tol,
        n_iter_no_change,
        early_stopping,
        validation_fraction,
        verbose,
        device,
        random_state,
    ):
        self.n_components = n_components
        self.diffusion_time = diffusion_time
        self.encoder = encoder
        self.metric_learner = metric_learner
        self.network_input = network_input
        self.metric = metric
        self.affinity = affinity
        self.gamma = gamma
        self.n_neighbors = n_neighbors
        self.neighbors_in = neighbors_in
        self.laplacian = laplacian
        self.orthonorm = orthonorm
        self.loss = loss
        self.init = init
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.subsample = subsample
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.verbose = verbose
        self.device = device
        self.random_state = random_state

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
            Label of each row from 0, -1 where it is unknown. Whatever their distance
            and their neighbours say, rows with the same label attract each other in
            a learned space and get weight 1 in a graph, rows with different ones
            repel each other and get weight 0.
        must_link, cannot_link : array-like of int of shape (n_pairs, 2), default=None
            Pairs of row numbers that belong together, or do not. Row numbers are those
            of the X of this call: they cannot be sliced in cross-validation.
        graph : {array-like, sparse matrix} of shape (n_samples, n_samples), \
                default=None
            Affinities of the rows, symmetric and at least 0, in the place of the
            neighbour graph: citations, places, times. Implies
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
        whole = graph is not None or self.neighbors_in == "data"
        return len(_GRAPH_STAGES if whole else _BATCH_STAGES)

    def _fit_spectral(self, X, constraints, rng, fit_task, *, graph=None, **known):
        """The stages from the rows to the aligned eigenvectors.

        `known` is what `constraints` were made of, for a stage that takes it too.
        """
        whole = graph is not None or self.neighbors_in == "data"
        if graph is not None:
            graph = checked_graph(graph, X.shape[0])
        self._check_combinations(whole)
        rows = self._rows_to_learn_from(X.shape[0], constraints, graph, rng)
        learned = in_memory(X, rows)
        if rows is not None:
            known = known_of_rows(rows, X.shape[0], **known)
            constraints = known_pairs(len(rows), **known)
        device = resolve_device(self.device)
        # As they are now: parameters set after fit wait for the next one.
        self._unit_codes = self.metric == "cosine"
        self._network_sees_codes = self.network_input == "code"
        codes = self._fit_encoder(learned, rng, fit_task)  # (n_learned, n_codes)
        points = self._fit_metric_learner(codes, constraints, known, rng, fit_task)
        inputs = codes if self._network_sees_codes else points
        reader = self._reader(inputs, points, constraints, device, whole)
        generator = torch_generator(rng)
        with gradients(device):
            if whole:
                with fit_task.stage("neighbor graph"):
                    readers = self._graph_readers(reader, graph, rng)
                self._fit_graph(*readers, rng, generator, fit_task)
            else:
                mlp = self._fit_network(reader, generator, fit_task)
                with fit_task.stage("alignment"):
                    self._align(reader, mlp, generator)
        with fit_task.stage("embedding"):
            Z = self._fix_signs(X)  # (n_samples, n_components)
        return Spectral(Z, slice(None) if rows is None else rows)

    def _rows_to_learn_from(self, n_samples, constraints, graph, rng):
        """Random rows where `subsample` asks for them; None for all."""
        if self.subsample is None or self.subsample >= n_samples or graph is not None:
            return None
        return draw_rows(constraints, self.subsample, n_samples, rng)

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

    def _fit_encoder(self, X, rng, fit_task):
        """Fit `encoder_` and return the codes, X itself without an encoder."""
        encoder = self.encoder
        if encoder == "auto":
            encoder = self._auto_encoder(X, rng)
        elif encoder == "autoencoder":
            encoder = self._own_stage(Autoencoder, rng)
        elif encoder is not None:
            encoder = _seeded(clone(encoder), rng)
        self.encoder_ = encoder
        with fit_task.stage("encoder", fits=encoder):
            if encoder is not None:
                X = _floats(X)
                if self.encoder == "auto":
                    _check_magnitude(X)
                _fit_stage(encoder, X, "encoder")
            return self._codes(X)

    def _codes(self, X):
        """What the metric learner sees."""
        if self.encoder_ is not None:
            X = _transformed(self.encoder_, _floats(X), "encoder")
        return _unit_rows(X) if self._unit_codes else X

    def _own_stage(self, stage, rng):
        """A stage of this package with its defaults."""
        return stage(
            verbose=self.verbose, device=self.device, random_state=_draw_seed(rng)
        )

    def _auto_encoder(self, X, rng):
        if X.shape[1] <= _AUTO_WIDTH:
            return None
        width = min(_AUTO_WIDTH, X.shape[0] - 1)
        seed = _draw_seed(rng)
        # PCA subtracts the mean, which sparse rows and angles do not survive.
        if sparse.issparse(X) or self.metric == "cosine":
            return TruncatedSVD(width, random_state=seed)
        return PCA(width, random_state=seed)

    def _fit_metric_learner(self, codes, constraints, known, rng, fit_task):
        """Fit `metric_learner_` and return the points: where distances are taken."""
        learner = self.metric_learner
        if learner == "auto":
            n_samples, n_codes = codes.shape
            plain = n_samples < _LEARNED_ROWS or n_codes <= _PLAIN_COLUMNS
            learner = None if plain and constraints is None else "siamese"
        if learner == "siamese":
            learner = self._own_stage(SiameseEmbedding, rng)
        elif learner is not None:
            learner = _seeded(clone(learner), rng)
        self.metric_learner_ = learner
        with fit_task.stage("metric learner", fits=learner):
            if learner is not None:
                own = isinstance(learner, SiameseEmbedding)
                _fit_stage(learner, codes, "metric_learner", **(known if own else {}))
            return self._points(codes)

    def _points(self, codes):
        if self.metric_learner_ is None:
            return codes
        return _transformed(self.metric_learner_, codes, "metric_learner")

    def _reader(self, inputs, points, constraints, device, whole):
        """Standardise the inputs and the points; resolve the sizes that n decides."""
        n_samples = inputs.shape[0]
        n_components = self._resolve_components(n_samples)
        input_rows = Rows(inputs, *center_and_scale(inputs))
        point_rows = input_rows
        if points is not inputs:
            point_rows = Rows(points, *center_and_scale(points))
        self.batch_size_ = self._resolve_batch_size(n_samples, n_components)
        if not whole:
            self.n_neighbors_ = self._resolve_neighbors(self.batch_size_, n_components)
        task = SpectralTask(
            n_components=n_components,
            affinity=self.affinity,
            gamma=self.gamma,
            n_neighbors=None if whole else self.n_neighbors_,
            batch_size=self.batch_size_,
            laplacian=self.laplacian,
            orthonorm=self.orthonorm,
            loss=self.loss,
            validation_fraction=self.validation_fraction * self.early_stopping,
            device=device,
        )
        return BatchReader(input_rows, point_rows, task, constraints)

    def _resolve_batch_size(self, n_samples, n_components):
        if self.batch_size == "auto":
            parts, least = _LEARNED_BATCHES, _MIN_LEARNED
            if self.metric_learner_ is None:
                parts, least = _PLAIN_BATCHES, _MIN_PLAIN
            size = max(n_samples // parts, 40 * n_components, least)
            return min(size, _MAX_BATCH, n_samples)
        size = min(self.batch_size, n_samples)
        if size < n_components:
            raise ValueError(
                f"batch_size={self.batch_size} is smaller than the number of "
                f"components, {n_components}: a batch of {size} rows cannot have that "
                "many orthonormal outputs. Raise batch_size or lower n_components."
            )
        return size

    def _resolve_neighbors(self, batch_size, n_components):
        if self.n_neighbors is None:
            fine = _NEIGHBORS
            if self.metric_learner_ is not None:
                share = _SMALLEST_SHARE / self._n_expected(n_components) ** 2
                wanted = round(share * batch_size)
                fine = int(np.clip(wanted, _NEIGHBORS, _MOST_NEIGHBORS))
            return min(fine, max(2, batch_size // 5))  # not all rows of a small batch
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

    def _n_expected(self, n_components):
        """How many clusters the graph should tell apart."""
        return n_components

    def _graph_readers(self, reader, graph, rng):
        """Readers of the graph of all rows, and of the one that is solved."""
        nodes = inverse = np.arange(len(reader.inputs))
        n_neighbors = _NEIGHBORS if self.n_neighbors is None else self.n_neighbors
        given = graph is not None
        if not given:
            points = standardised(reader.points, _AUTO_WIDTH)
            if not sparse.issparse(points):
                # Copies of a row would fill the lists of each other.
                nodes, inverse = distinct_rows(points)
            if len(nodes) < 2:
                raise ValueError(_TOO_FEW_DISTINCT)
            if n_neighbors >= len(nodes):
                self._warn_of_neighbors(len(nodes))
                n_neighbors = len(nodes) - 1
            graph = self._neighbor_graph(reader, points, nodes, n_neighbors, rng)
        self.n_neighbors_ = n_neighbors
        if reader.constraints is not None:
            graph = overruled(
                graph, nodes, inverse, reader.constraints, n_neighbors, rng
            )
        linked = np.flatnonzero(np.asarray(graph.sum(axis=1)).ravel() > 0)
        if len(linked) < 2:
            raise ValueError(_NO_EDGES)
        if len(linked) < len(nodes):
            nodes, graph = nodes[linked], sparse.csr_array(graph[linked][:, linked])
        whole = GraphReader(reader.inputs, nodes, graph, reader.task)
        if given or len(nodes) <= _SOLVED_ROWS:
            return whole, whole
        sampled = np.sort(nodes[rng.permutation(len(nodes))[:_SOLVED_ROWS]])
        graph = self._neighbor_graph(reader, points, sampled, n_neighbors, rng)
        return whole, GraphReader(reader.inputs, sampled, graph, reader.task)

    def _warn_of_neighbors(self, n_distinct):
        if self.n_neighbors is not None:
            warnings.warn(
                f"n_neighbors={self.n_neighbors} is not below the {n_distinct} "
                f"distinct rows; {n_distinct - 1} are used.",
                UserWarning,
                stacklevel=2,
            )

    def _neighbor_graph(self, reader, points, nodes, n_neighbors, rng):
        """The affinities between the rows of `nodes`."""
        if callable(self.affinity):
            return reader.read_all(nodes, _MOST_CALLABLE_ROWS)
        gamma = None if self.gamma is None else reader.standardised_gamma()
        if len(nodes) < points.shape[0]:
            points = points[nodes]
        return neighbor_affinity(
            points, self.affinity, n_neighbors, gamma=gamma, random_state=rng
        )

    def _fit_graph(self, reader, solved, rng, generator, fit_task):
        """Learn the eigenvectors of the graph of all rows; set what they tell."""
        task = reader.task
        with fit_task.stage("eigenvectors"):
            pairs = exact_pairs(solved, rng)
        if self.init == "spectral":
            mlp = self._regress(solved, pairs, generator, fit_task)
            fitted = self._polish(reader, mlp, pairs, generator, fit_task)
        else:
            mlp = self._fit_edges(reader, generator, fit_task)
            exact = pairs if solved is reader else None
            with fit_task.stage("alignment"):
                fitted = align_to_graph(reader, mlp, exact)
        self._keep_map(
            reader.inputs, fitted.mlp, fitted.pairs, task, fitted.largest_degree
        )
        self.approximation_error_ = fitted.error
        if pairs.n_connected > task.n_components:
            self._warn_of_components(pairs.n_connected, task.n_components)
        elif len(fitted.pairs.eigenvalues) >= task.n_components:
            self._warn_of_error(fitted.error)

    def _graph_network(self, reader, n_outputs, generator):
        hidden = self.hidden_layer_sizes
        if hidden is None:
            small = len(reader.nodes) < _SMALL_SAMPLE
            hidden = (64, 64) if small else (256, 256, 256)
        return new_network(
            reader, layer_sizes(hidden), n_outputs, self._activation(), generator
        )

    def _activation(self):
        """That of the hidden layers, ``"auto"`` resolved."""
        if self.activation == "auto":
            return "tanh" if self.metric_learner_ is None else "relu"
        return self.activation

    def _regress(self, reader, pairs, generator, fit_task):
        """A network that has learned exact eigenvectors."""
        targets = regression_targets(pairs, reader.task)
        mlp = self._graph_network(reader, len(targets.eigenvalues), generator)
        self._train_map(
            fit_task,
            partial(regress, reader, targets, mlp, generator=generator),
            "regression loss",
            policy="one_cycle",
            n_steps=epoch_steps(len(reader.nodes)),
            tol=0.0,
            n_iter_no_change=self.max_iter,
        )
        return mlp

    def _polish(self, reader, mlp, pairs, generator, fit_task):
        """The GraphFit of a network, after more training where that helps."""
        with fit_task.stage("alignment", POLISH_EPOCHS) as stage:
            best = polished(
                reader,
                mlp,
                pairs,
                self._schedule(),
                generator=generator,
                interrupts=Interrupts(),
                epochs=Epochs(stage),
            )
        if best.interrupted:
            self._warn_of_interrupt()
        return best.fit

    def _fit_edges(self, reader, generator, fit_task):
        """A network trained on the spectral loss from random weights."""
        mlp = self._graph_network(reader, n_outputs(reader.task), generator)
        self._train_map(
            fit_task,
            partial(fit_edges, reader, mlp, generator=generator),
            "spectral loss",
            **self._patience(_SAMPLED_TOL, _PATIENCE),
        )
        return mlp

    def _patience(self, tol, n_epochs):
        """`tol` and `n_iter_no_change`, given what None means for them."""
        if self.tol is not None:
            tol = self.tol
        return {"tol": tol, "n_iter_no_change": self.n_iter_no_change or n_epochs}

    def _fit_network(self, reader, generator, fit_task):
        """Train the perceptron of the map; set the curves."""
        hidden = self.hidden_layer_sizes
        if hidden is None:
            hidden = (128, 128) if len(reader.inputs) >= _SMALL_SAMPLE else (64, 64)
        mlp = new_map(reader, layer_sizes(hidden), self._activation(), generator)
        whole = reader.task.batch_size >= len(reader.inputs)
        plain = self.metric_learner_ is None and not whole
        self._train_map(
            fit_task,
            partial(fit_map, reader, mlp, generator=generator),
            "spectral loss",
            **self._patience(
                _WHOLE_TOL if whole else _SAMPLED_TOL,
                _PLAIN_PATIENCE if plain else _PATIENCE,
            ),
        )
        return mlp

    def _train_map(self, fit_task, run, loss, **schedule):
        """The stage in which the network of the map is trained."""
        with fit_task.stage("spectral map", self.max_iter) as stage:
            self._run_training(stage, run, "spectral map", loss, **schedule)

    def _align(self, reader, mlp, generator):
        """Replace the batches' orthonorm factors by one matrix; set the eigenvalues."""
        mlp = mlp.double()
        alignment = align(reader, mlp, generator=generator)
        self._keep_map(
            reader.inputs,
            mlp,
            alignment.pairs,
            reader.task,
            alignment.largest_degree,
        )

    def _keep_map(self, inputs, mlp, pairs, task, largest_degree):
        """Keep the network and its aligned eigenpairs as the map of rows."""
        asked = self._n_kept(pairs.eigenvalues[: task.n_components], task.n_components)
        eigenvalues = pairs.eigenvalues[:asked]
        coefficients = pairs.coefficients[:, :asked]
        first = self._first_component
        if len(eigenvalues) <= first:
            raise ValueError(_TOO_FEW_DISTINCT)
        if len(eigenvalues) < asked and self.n_components is not None:
            warnings.warn(
                f"The outputs of the network span {len(eigenvalues)} dimensions where "
                f"{asked} components were asked for: the rows may have too few "
                "distinct values.",
                ConvergenceWarning,
                stacklevel=2,
            )
        order = first + np.argsort(eigenvalues[first:], kind="stable")
        self.eigenvalues_ = eigenvalues[order]
        self.component_weights_ = self._diffusion_weights(largest_degree)
        self.network_ = SpectralMap(
            inputs.center, inputs.scale, mlp, coefficients[:, order]
        )

    def _warn_of_components(self, n_connected, n_components):
        warnings.warn(
            f"The graph has {n_connected} connected components, each with an "
            f"eigenvector of eigenvalue 0; only {n_components} of these are learned, "
            "for the largest components. Raise n_components or n_neighbors to have "
            "them all.",
            UserWarning,
            stacklevel=2,
        )

    def _warn_of_error(self, error):
        if error.distance is not None and error.distance > _FAR * error.n_vectors:
            warnings.warn(
                "The learned eigenvectors are not those of the graph: their squared "
                f"Grassmann distance is {error.distance:.2g}, of at most "
                f"{error.n_vectors} (approximation_error_). Raise max_iter or "
                "hidden_layer_sizes, or ask for fewer components.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _n_kept(self, eigenvalues, n_components):
        """How many of the `n_components` asked for to keep, given those found."""
        return n_components

    def _diffusion_weights(self, largest_degree):
        r"""(1 - lambda)^t of each component; sets `diffusion_time_`."""
        decays = self.eigenvalues_
        if self.laplacian == "unnormalized":
            decays = decays / largest_degree
        remains = np.clip(1.0 - decays, 0.0, 1.0)
        if self.diffusion_time != "auto":
            self.diffusion_time_ = float(self.diffusion_time)
        else:
            # Of three rows two eigenvalues are above 1: they are kept, too.
            remains = np.clip(remains, 1e-12, None)
            slowest = remains[self._last_leading_component()]
            rate = -np.log(min(slowest, 1.0 - 1e-12))
            self.diffusion_time_ = float(_AUTO_DECAY / rate)
        with np.errstate(under="ignore"):  # a component that has vanished is 0
            return remains**self.diffusion_time_

    def _fix_signs(self, X):
        """Make the largest entry of each eigenvector positive; return the embedding."""
        Z = self._embed(X)
        # Without a copy of Z, the largest array of a fit of many rows.
        columns = np.arange(Z.shape[1])
        high, low = Z.argmax(axis=0), Z.argmin(axis=0)
        most, least = Z[high, columns], -Z[low, columns]
        negative = (least > most) | ((least == most) & (low < high))
        signs = np.where(negative, -1.0, 1.0)
        self.network_.flip_signs(signs)
        Z *= signs
        return Z

    # --- new rows

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
        return forward_in_blocks(
            self.network_,
            lambda rows: self._network_rows(X, rows),
            X.shape[0],
            device=resolve_device(self.device),
            weights=self.component_weights_,
            dtype=precision_of(X),
            block_size=rows_at_once(X),
        )

    def _network_rows(self, X, rows):
        """Some rows of X as the network takes them."""
        codes = self._codes(X[rows])
        if not self._network_sees_codes:
            codes = self._points(codes)
        return dense_rows(codes, slice(None))


class SpectralNetEmbedding(_BaseSpectralNet):
    r"""Eigenvectors of the graph Laplacian as a function of the row (SpectralNet).

    A perceptron with an orthonorm layer learns the map from a row to the leading
    eigenvectors [1]_: scikit-learn's
    :class:`~sklearn.manifold.SpectralEmbedding` with a `transform` for new rows, and
    with a measured distance to the exact eigenvectors, `approximation_error_`. The
    graph is that of the nearest neighbours among all rows, or one given to `fit`.

    Parameters
    ----------
    n_components : int, default=2
        Number of eigenvectors, the trivial (constant) one left out, unless
        `drop_first` is False.
    drop_first : bool, default=True
        Whether to leave out the trivial eigenvector. A graph of several connected
        components has an eigenvector of eigenvalue 0 for each: the trivial one, then
        one component after the other against those before it, the largest first.
    diffusion_time : float or "auto", default=0.0
        Time t >= 0 of the diffusion: component i is multiplied by
        :math:`\max(0, 1 - \lambda_i)^t`, its `component_weights_`, with
        :math:`\lambda` of the random-walk or symmetric Laplacian (of
        ``"unnormalized"`` divided by the largest degree first). 0 leaves the
        eigenvectors as they are. ``"auto"`` chooses t so that the last
        component keeps :math:`e^{-1/2}` of its length.
    encoder : {"auto", "autoencoder"}, transformer or None, default="auto"
        First stage, from rows to codes. ``"auto"``: rows of more than 50 columns
        are reduced to 50 by PCA, or by TruncatedSVD where they are sparse or
        ``metric="cosine"``; others stay as they are. ``"autoencoder"``: an
        :class:`Autoencoder` with default parameters. A scikit-learn transformer is
        cloned and fitted; its unset ``random_state`` is drawn from `random_state`.
    metric_learner : {"auto", "siamese"}, transformer or None, default=None
        Second stage, from codes to the points between which distances are taken.
        ``"siamese"``: a :class:`SiameseEmbedding` with default parameters.
        ``"auto"``: the same for at least 500 rows with codes of more than 3 columns,
        and wherever labels or links are given; otherwise none. A transformer is
        cloned, seeded and fitted as an `encoder` is.
    network_input : {"metric", "code"}, default="metric"
        What the network sees: the points of the metric learner, or the codes, as in
        [1]_. ``"code"`` needs a `metric_learner`.
    metric : {"euclidean", "cosine"}, default="euclidean"
        ``"cosine"`` divides each code by its length, before the metric learner, and
        then takes Euclidean distances: for text and embeddings.
    affinity : str or callable, default="self_tuning"
        Weights of the graph; :math:`d_{ij}` is a distance, not squared.

        - ``"self_tuning"``: :math:`\exp(-d_{ij}^2 / (\sigma_i \sigma_j))` between a
          row and its `n_neighbors` nearest, :math:`\sigma_i` the distance to the last
          of them [2]_;
        - ``"nearest_neighbors"``: 1 between the same pairs;
        - ``"rbf"``: :math:`\exp(-\gamma d_{ij}^2)` between all pairs of a batch, or
          between neighbours in the graph of all rows;
        - a callable takes the points of a batch (with ``neighbors_in="data"`` of all
          rows, at most 20,000), a float64 tensor of shape (b, d) in the units of the
          data, and returns (b, b) weights of at least 0.

        All are made symmetric by the mean with their transpose.
    gamma : float, default=None
        Of ``affinity="rbf"``, in units of one over a squared distance. None:
        :math:`1 / \sigma^2`, :math:`\sigma` the median distance to the
        `n_neighbors`-th neighbour; where most rows have that many copies, the median
        over the other rows.
    n_neighbors : int, default=None
        Neighbours of a row. None: 10 among all rows and in a batch; in a batch of b
        rows of a learned space 3.5 b / k^2, k the components, at least 10 and at most
        40. Never more than a fifth of the batch.
    neighbors_in : {"batch", "data"}, default="data"
        - ``"data"``: one graph of all rows, as scikit-learn's. Rows that are equal
          count once. Training draws its edges as often as they weigh, so that the
          mean loss of a batch is that of the whole graph;
        - ``"batch"``: neighbours inside each random mini-batch, as in [1]_: a coarser
          graph whose cost grows with the batch alone.
    laplacian : {"random_walk", "symmetric", "unnormalized"}, default="random_walk"
        Whose eigenvectors are learned: :math:`I - D^{-1} W`,
        :math:`I - D^{-1/2} W D^{-1/2}` or :math:`D - W`.
    orthonorm : {"joint", "alternating"}, default="joint"
        ``"joint"`` orthonormalises a batch by its own Cholesky factor and sends the
        gradient through it; ``"alternating"`` uses the factor of another batch as a
        constant, as in [1]_.
    loss : {"log", "trace"}, default="log"
        ``"trace"`` is the spectral loss of [1]_, Eq. (3), scaled to the mean Ritz
        value; ``"log"`` the mean logarithm of the Ritz values of the leading outputs,
        which has its minimum at the same eigenvectors and finds small eigenvalues
        with the same relative accuracy as large ones.
    init : {"spectral", "random"}, default="spectral"
        - ``"spectral"``: the eigenvectors of the graph are solved for, the network
          learns them by regression and is polished with the spectral loss where that
          brings it nearer. Of more than 200,000 rows the neighbour graph of a random
          part is solved. Needs ``neighbors_in="data"``;
        - ``"random"``: the spectral loss alone, from random weights, as in [1]_.
    hidden_layer_sizes : int or array-like of int, default=None
        Units of each hidden layer. None: (64, 64) below 1,000 rows, else (128, 128),
        or (256, 256, 256) for the graph of all rows.
    activation : str, default="gelu"
        Of the hidden layers: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``,
        ``"silu"`` or ``"identity"``. ``"auto"``: relu with a metric learner, else tanh.
    alpha : float, default=1e-4
        Weight decay of the AdamW steps.
    learning_rate_init : float, default=5e-3
        First learning rate; divided by five when the loss stops improving. With
        ``init="spectral"`` the peak of a single cycle.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch and of its graph. ``"auto"``: a sixteenth of the rows,
        at least 1,024 (in a learned space a tenth, at least 512), or 40 per component,
        and at most 2,048. Larger batches make a finer graph and cost their square.
    subsample : int, default=None
        Most rows that all stages learn from: of more than that a random part is
        drawn, rows with labels or links first, and the others are mapped like new
        rows. The graph of all rows is then that of this part. None: all rows. Not
        used with a graph.
    max_iter : int, default=100
        Most epochs. An epoch is a pass over the rows, but at least 10 and at most
        100 batches; where one batch holds all rows, 6 steps on it; on the graph of
        all rows 1 to 80 steps. With ``init="spectral"`` all of them are made.
    tol : float, default=None
        An epoch improves when it lowers the loss by more than this share of it. None:
        0.01 where one batch holds all rows, 0.002 where batches are random.
    n_iter_no_change : int, default=None
        Epochs without improvement before the learning rate is lowered; training
        ends when it would be lowered a second time. None: 6 where batches are random
        and there is no metric learner, 4 elsewhere.
    early_stopping : bool, default=True
        Whether the loss of held-out rows decides about the learning rate, the end of
        training and the best weights. Where they would be fewer than 200, the
        training loss does. The alignment uses all rows.
    validation_fraction : float, default=0.1
        Share of the rows held out, at most two batches. Only used with
        `early_stopping`.
    verbose : int, default=0
        Above 0, a progress bar on the standard error.
    device : str, default="auto"
        ``"auto"`` (CUDA where torch sees it, else the CPU), ``"cpu"``, ``"cuda:1"``
        and so on. A model fitted on one device predicts on any other: the learned
        weights are kept on the CPU, and `device` is looked at again in each call.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result on every fit, bit for bit on one machine with
        one number of threads.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        `transform` of the rows of `fit`.
    eigenvalues_ : ndarray of shape (n_components,)
        Rayleigh quotients of the network's own outputs, ascending: on the graph of
        all rows, or averaged over the graphs of all batches.
    component_weights_ : ndarray of shape (n_components,)
        Factor of each eigenvector in `transform`.
    approximation_error_ : NamedTuple
        Only with ``neighbors_in="data"`` or a graph: how far the learned eigenvectors
        are from those of the graph, the trivial one included. `distance` is the
        squared Grassmann distance of the first `n_vectors`, the number asked for or
        the nearest one with a gap after it, at most `n_vectors` (None where the whole
        graph was not solved), `distance_before_polish` that after regression alone;
        `bound` an upper bound from residuals and gap, mostly far too large;
        `residuals` those of each eigenpair on the whole graph; `exact_eigenvalues`
        those of the graph; `n_connected` its connected components.
    diffusion_time_ : float
        The time used.
    n_neighbors_ : int
        The neighbours used: with ``neighbors_in="batch"`` those in a full batch.
    batch_size_ : int
        Rows of a full batch; others have fewer.
    network_ : torch.nn.Module
        The map from codes or points to eigenvectors, on the CPU, in float64.
    encoder_ : transformer or None
        The fitted encoder.
    metric_learner_ : transformer or None
        The fitted metric learner.
    loss_curve_ : list of float
        Mean training loss of each epoch.
    validation_loss_curve_ : list of float or None
        Loss of the held-out rows after each epoch.
    n_iter_ : int
        Epochs made.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X had them.

    See Also
    --------
    SpectralNetClustering : The same embedding, with clusters.
    sklearn.manifold.SpectralEmbedding : Exact eigenvectors, without new rows.

    Notes
    -----
    The columns are orthonormal over the rows of the graph, in the inner product of the
    Laplacian and scaled so that the mean square of an entry is 1: plain for
    ``"symmetric"`` and ``"unnormalized"``, weighted by the degrees for
    ``"random_walk"``. Their signs are fixed by making the largest entry positive.

    With scikit-learn 1.9 or later `set_callbacks` takes its callbacks: they are told of
    each stage and epoch, and get the fitted estimator at the end of the fit, since the
    alignment follows the training.

    References
    ----------
    .. [1] U. Shaham, K. Stanton, H. Li, B. Nadler, R. Basri, Y. Kluger,
       "SpectralNet: Spectral Clustering using Deep Neural Networks", ICLR 2018,
       https://arxiv.org/abs/1801.01587.
    .. [2] L. Zelnik-Manor, P. Perona, "Self-Tuning Spectral Clustering", NIPS 2004.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skspectralnet import SpectralNetEmbedding
    >>> X, y = make_moons(1000, noise=0.05, random_state=0)
    >>> embedding = SpectralNetEmbedding(n_components=1, random_state=0).fit(X)
    >>> embedding.transform(X[:5]).shape
    (5, 1)
    """

    def __init__(
        self,
        n_components=2,
        *,
        drop_first=True,
        diffusion_time=0.0,
        encoder="auto",
        metric_learner=None,
        network_input="metric",
        metric="euclidean",
        affinity="self_tuning",
        gamma=None,
        n_neighbors=None,
        neighbors_in="data",
        laplacian="random_walk",
        orthonorm="joint",
        loss="log",
        init="spectral",
        hidden_layer_sizes=None,
        activation="gelu",
        alpha=1e-4,
        learning_rate_init=5e-3,
        batch_size="auto",
        subsample=None,
        max_iter=100,
        tol=None,
        n_iter_no_change=None,
        early_stopping=True,
        validation_fraction=0.1,
        verbose=0,
        device="auto",
        random_state=None,
    ):
        super().__init__(
            n_components=n_components,
            diffusion_time=diffusion_time,
            encoder=encoder,
            metric_learner=metric_learner,
            network_input=network_input,
            metric=metric,
            affinity=affinity,
            gamma=gamma,
            n_neighbors=n_neighbors,
            neighbors_in=neighbors_in,
            laplacian=laplacian,
            orthonorm=orthonorm,
            loss=loss,
            init=init,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            alpha=alpha,
            learning_rate_init=learning_rate_init,
            batch_size=batch_size,
            subsample=subsample,
            max_iter=max_iter,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            verbose=verbose,
            device=device,
            random_state=random_state,
        )
        self.drop_first = drop_first

    _parameter_constraints: dict = {
        **_BaseSpectralNet._parameter_constraints,
        "n_components": [at_least(1)],
        "drop_first": ["boolean"],
    }

    @property
    def _first_component(self):
        return int(self.drop_first)

    def _last_leading_component(self):
        return -1

    def _resolve_components(self, n_samples):
        n_components = self.n_components + self._first_component
        if n_components > n_samples:
            raise ValueError(
                f"n_components={self.n_components} eigenvectors cannot be found for "
                f"n_samples={n_samples} rows."
            )
        return n_components

    def _fit(self, X, fit_task, graph=None, **known):
        X = validate_rows(self, X, reset=True)
        constraints = known_pairs(X.shape[0], **known)
        rng = check_random_state(self.random_state)
        found = self._fit_spectral(X, constraints, rng, fit_task, graph=graph, **known)
        self.embedding_ = found.Z


def _floats(X):
    """Small integers as float32, floats as they are."""
    return X if X.dtype.kind == "f" else X.astype(np.float32)


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
    """Fit a stage; name it where it fails in linear algebra."""
    try:
        transformer.fit(X, **known)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            f"{parameter}={transformer!r} could not be fitted: {error}"
        ) from error


def _transformed(transformer, X, parameter):
    """What a stage makes of its rows, checked."""
    codes = check_array(
        transformer.transform(X),
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        input_name=f"The output of {parameter} ",
    )
    if codes.shape[0] != X.shape[0]:
        raise ValueError(
            f"{parameter}={transformer!r} made {codes.shape[0]} rows of {X.shape[0]}: "
            "expected one row for each."
        )
    return codes
