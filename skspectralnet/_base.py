"""What the two spectral estimators share: parameters, order of the stages, storing."""

from functools import partial
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skspectralnet._calls import guarded
from skspectralnet._candidates import (
    Given,
    LearnedMap,
    Trial,
    embedded,
    is_whole,
    open_neighbors,
    selected,
    signed,
    stage_names,
)
from skspectralnet._constraints import draw_rows, of_rows
from skspectralnet._estimator import RowTransformer
from skspectralnet._explained import explaining
from skspectralnet._graph import checked_graph, graph_of_rows
from skspectralnet._input import by_value, of_weights, validate_rows, warn_of_square
from skspectralnet._n_clusters import found_number
from skspectralnet._network import ACTIVATIONS
from skspectralnet._partitions import by_blocks
from skspectralnet._plan import AsFitted, Components
from skspectralnet._rows import in_memory, rows_that_differ_from_zero
from skspectralnet._selection import Selection
from skspectralnet._spectral import SpectralFit
from skspectralnet._stages import (
    Encoded,
    StageParameters,
    Stages,
    encoded_rows,
    metric_for,
)
from skspectralnet._tensors import resolve_device
from skspectralnet._validation import StrOptions, above, at_least, instance_with, share

_UNCOUNTED = " Rows of zeros, which have no cosine, are not counted."


def uncounted(metric):
    """What an error about too few rows says of those that have no part in the fit."""
    return _UNCOUNTED if metric == "cosine" else ""


class Taken(NamedTuple):
    """The map that a fit has taken, before the rows are seen through it."""

    given: Given
    rows: object  # ndarray of numbers of the rows learned from; None: all
    weighing: object  # a slice or numbers of the rows that have a weight
    trial: Trial
    selection: Selection
    rng_state: object  # of the RandomState after it


class Spectral(NamedTuple):
    """All that a fit has found but clusters."""

    Z: np.ndarray  # (n_samples, n_components), in the precision of the rows
    learned: object  # a slice or an ndarray of row numbers
    stages: Stages
    fit: SpectralFit
    map: LearnedMap
    components: Components
    batch_size: int
    as_fitted: AsFitted
    selection: Selection
    encoded: Encoded  # the rows learned from
    weights: object  # as how many rows each of `learned` counts; None: as one
    graph: object  # as given, checked; or None


class BaseSpectralNet(RowTransformer):
    """What SpectralNetEmbedding and SpectralNetClustering share: all but labels.

    A subclass has ``_components(n_samples, metric, number)``, which returns Components
    and may call `number` for a ClusterSupport,
    and ``_clusters_to_compare(Z, n_clusters)``, by which candidates are judged.
    """

    _parameter_constraints: dict = {
        "n_components": [at_least(1), None],
        "diffusion_time": [at_least(0, Real), StrOptions({"auto"})],
        "encoder": [
            StrOptions({"auto", "autoencoder"}),
            instance_with("fit", "transform"),
            None,
        ],
        "metric_learner": [
            StrOptions({"auto", "siamese"}),
            instance_with("fit", "transform"),
            None,
        ],
        "network_input": [StrOptions({"metric", "code"})],
        "metric": [StrOptions({"auto", "euclidean", "cosine"})],
        "affinity": [StrOptions({"self_tuning", "rbf", "nearest_neighbors"}), callable],
        "gamma": [above(0), None],
        "n_neighbors": [at_least(1), None],
        "neighbors_in": [StrOptions({"auto", "batch", "data"})],
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

    # A Taken of the same rows by the same parameters, for the next fit to go on from:
    # the map of skspectralnet.dask is learned elsewhere in between.
    _handed_taken = None

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
        sample_weight=None,
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
        sample_weight : array-like of float of shape (n_samples,), default=None
            Weights of the rows, at least 0, of which only the ratios count: a row of
            weight w counts as w copies of it. With :math:`m_i = w_i / \\bar w`, the
            mean over the weights above 0, an edge between neighbours weighs
            :math:`\\tfrac{1}{2} (m_i + m_j) a_{ij}`, one of all pairs or of a `graph`
            :math:`m_i m_j a_{ij}`, so that heavy rows have large degrees, and the
            squared distances of k-means count :math:`m_i` times. A row of weight 0 has
            no part in the fit, and is mapped like a new one. Transformers are given
            the weights where their `fit` has a parameter of that name; others, such as
            the PCA of ``encoder="auto"`` and :class:`Autoencoder`, are fitted to each
            row above 0 once. None: all rows weigh the same.

        Returns
        -------
        self : object
            Unchanged where fitting fails.

        Raises
        ------
        ValueError, TypeError
            If a parameter, X, a label, a link, the graph or a weight cannot be used,
            or labels and links contradict each other; the message says which and why.
        """
        return self._replace_fit(
            X,
            y,
            partial_labels=partial_labels,
            must_link=must_link,
            cannot_link=cannot_link,
            graph=graph,
            sample_weight=sample_weight,
        )

    # --- the stages of the fit

    def _n_tasks(self, graph=None, **known):
        n_plain = 0  # maps that the learned one may be compared with
        if self.metric_learner == "auto":
            neighbors = open_neighbors(self, graph)
            n_plain = 1 + (not neighbors.one_width) + neighbors.free
        return n_plain + len(stage_names(is_whole(self, graph)))

    def _spectral(self, X, weights, graph, constraints, rng, fit_task):
        """The stages from validated rows to their embedding."""
        taken = vars(self).pop("_handed_taken", None)
        if taken is None:
            taken = self._taken(X, weights, graph, constraints, rng, fit_task)
        else:
            rng.set_state(taken.rng_state)
        return self._seen(X, taken, fit_task)

    def _taken(self, X, weights, graph, constraints, rng, fit_task):
        """The stages from validated rows to a map that is taken."""
        if graph is not None:
            with explaining("graph", graph):
                graph = checked_graph(graph, X.shape[0])
        else:
            warn_of_square(X)
        self._check_combinations(is_whole(self, graph))
        rows = self._rows_to_learn_from(X, weights, constraints, graph, rng)
        if graph is None:
            rows, learned = by_value(X, rows, weights, directions=self._sees_zeros())
        else:
            learned = in_memory(X, rows)
            graph = graph_of_rows(graph, rows, of_weights(weights, rows))
        wanted = StageParameters(*(getattr(self, n) for n in StageParameters._fields))
        metric = metric_for(learned, self.metric, self.encoder)
        wanted = wanted._replace(metric=metric)
        known = constraints if rows is None else of_rows(constraints, rows)
        weighing = slice(None) if weights is None else np.flatnonzero(weights)
        weights = of_weights(weights, rows)
        encoded = encoded_rows(learned, weights, wanted, known, rng, fit_task)
        n_samples = len(encoded.rows) if graph is None else learned.shape[0]
        components = self._components(
            n_samples,
            metric,
            partial(found_number, encoded, wanted, known, graph, rng, fit_task),
        )
        if components.n_learned > n_samples:
            raise ValueError(
                f"n_components={self.n_components} eigenvectors cannot be found for "
                f"n_samples={n_samples} rows: lower it.{uncounted(metric)}"
            )
        device = resolve_device(self.device)
        given = Given(self, encoded, wanted, known, graph, components, device)
        trial, selection = selected(given, rng, fit_task)
        return Taken(given, rows, weighing, trial, selection, rng.get_state())

    def _seen(self, X, taken, fit_task):
        """The embedding by the map that was taken, and all that led to it."""
        given, found = taken.given, taken.trial
        stages, told_rows = found.told.stages, found.told.rows
        with fit_task.stage("embedding"):
            Z = signed(X, stages, found.map, self.device, taken.weighing)
        return Spectral(
            Z=Z,
            learned=told_rows if taken.rows is None else taken.rows[told_rows],
            stages=stages,
            fit=found.fit,
            map=found.map,
            components=given.components,
            batch_size=found.task.batch_size,
            as_fitted=AsFitted(
                affinity=self.affinity,
                gamma=self.gamma,
                whole_graph=found.whole,
                graph_is_given=given.graph is not None,
                n_trivial=given.components.n_trivial,
            ),
            selection=taken.selection,
            encoded=given.encoded,
            weights=of_weights(given.encoded.weights, told_rows),
            graph=given.graph,
        )

    def _store(self, found):
        """Set the fitted attributes of a Spectral."""
        self._stages, self._fitted_with = found.stages, found.as_fitted
        self.selection_ = found.selection
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

    def _rows_to_learn_from(self, X, weights, constraints, graph, rng):
        """Numbers of those with a weight, or of `subsample` of them; None: all."""
        size, n_samples = self.subsample, X.shape[0]
        rows = np.arange(n_samples) if weights is None else np.flatnonzero(weights)
        if graph is not None or size is None or size >= len(rows):
            return rows if len(rows) < n_samples else None
        if self._sees_zeros():
            directed = rows_that_differ_from_zero(X)  # the others will have no part
            directed = np.intersect1d(directed, rows, assume_unique=True)
            rows = directed if len(directed) >= 2 else rows
        return rows[draw_rows(of_rows(constraints, rows), size, len(rows), rng)]

    def _sees_zeros(self):
        """Whether rows of zeros, which have no direction, reach the metric as such."""
        return self.metric == "cosine" and self.encoder in (None, "auto")

    def _check_combinations(self, whole):
        if self.init == "spectral" and not whole:
            raise ValueError(
                "init='spectral' needs the graph of all rows: set "
                "neighbors_in='data', or init='random' with "
                f"neighbors_in={self.neighbors_in!r}."
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

    # --- new rows

    @by_blocks
    @guarded
    def transform(self, X):
        """Map rows to their spectral embedding.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            An array or a data frame of dask is mapped a block at a time, when the
            array of dask that is returned is computed.

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
        return embedded(X, self._stages, self.network_, weights, self.device)
