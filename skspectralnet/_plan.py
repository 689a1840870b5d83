"""From the parameters of an estimator to a task of a spectral stage, all resolved.

`params` is an estimator: its parameters are read by their names, nothing is set.
"""

from typing import NamedTuple

from skspectralnet import _batch_graph, _defaults, _neighbor_graph
from skspectralnet._estimator import layer_sizes


class Components(NamedTuple):
    """How many eigenvectors a fit learns, and for how many clusters."""

    n_learned: int  # the trivial one included
    n_expected: int  # clusters that the graph should tell apart
    n_trivial: int  # 1 leaves out the trivial one
    support: object = None  # the ClusterSupport that decided, if any
    until_near: bool = False  # whether exact ones need only be met nearly


class Size(NamedTuple):
    """What the defaults of a spectral stage depend on."""

    shape: tuple  # rows, and columns that the network sees
    components: Components
    learned: bool  # whether there is a metric learner
    share: float | None  # of a batch, that a neighbourhood is; None: few rows
    device: object


class AsFitted(NamedTuple):
    """Parameters as they were at the fit, for what looks at the model later."""

    affinity: object
    gamma: float | None
    whole_graph: bool  # of all rows, or given
    graph_is_given: bool  # and not to be made again
    n_trivial: int  # 1 where the trivial eigenvector was left out


def batch_task(params, size, fit_task):
    """The BatchTask of a fit, every default resolved."""
    common = _common_fields(params, size)
    batch_size, hidden = common["batch_size"], params.hidden_layer_sizes
    if hidden is None:
        hidden = _defaults.batch_layers(*size.shape)
    default = _defaults.patience(batch_size >= size.shape[0], size.learned)
    return _batch_graph.BatchTask(
        **common,
        **_patience(params, *default),
        n_neighbors=_neighbors_in_batch(params, batch_size, size, fit_task),
        hidden_layer_sizes=tuple(layer_sizes(hidden)),
        validation_fraction=params.validation_fraction * params.early_stopping,
    )


def graph_task(params, size, graph, init):
    """The GraphTask of a fit."""
    hidden, n_neighbors = params.hidden_layer_sizes, params.n_neighbors
    if hidden is not None:
        hidden = tuple(layer_sizes(hidden))
    return _neighbor_graph.GraphTask(
        **_common_fields(params, size, regression=init == "spectral"),
        **_patience(params, _defaults.SAMPLED_TOL, _defaults.PATIENCE),
        n_neighbors=_defaults.NEIGHBORS if n_neighbors is None else n_neighbors,
        n_neighbors_asked=n_neighbors is not None,
        hidden_layer_sizes=hidden,
        init=init,
        until_near=size.components.until_near,
        graph=graph,
    )


def _common_fields(params, size, *, regression=False):
    """What both tasks have."""
    activation = params.activation
    if activation == "auto":
        activation = _defaults.activation(size.learned, regression)
    return {
        "n_components": size.components.n_learned,
        "affinity": params.affinity,
        "gamma": params.gamma,
        "batch_size": batch_size_of(params, size),
        "laplacian": params.laplacian,
        "orthonorm": params.orthonorm,
        "loss": params.loss,
        "activation": activation,
        "device": size.device,
    }


def _patience(params, tol, n_epochs):
    """`tol` and `n_iter_no_change`, given what None means for them."""
    if params.tol is not None:
        tol = params.tol
    return {"tol": tol, "n_iter_no_change": params.n_iter_no_change or n_epochs}


def batch_size_of(params, size):
    n_components = size.components.n_learned
    if params.batch_size == "auto":
        return _defaults.map_batch_size(size.shape, n_components, size.learned)
    batch_size = min(params.batch_size, size.shape[0])
    if batch_size < n_components:
        raise ValueError(
            f"batch_size={params.batch_size} is smaller than the number of "
            f"components, {n_components}: a batch of {batch_size} rows cannot have "
            "that many orthonormal outputs. Raise batch_size or lower "
            "n_components."
        )
    return batch_size


def _neighbors_in_batch(params, batch_size, size, fit_task):
    if params.n_neighbors is None:
        return _defaults.batch_neighbors(batch_size, size.share)
    if params.n_neighbors >= batch_size:
        clipped = batch_size - 1
        fit_task.warn(
            f"n_neighbors={params.n_neighbors} is not below the {batch_size} rows of "
            f"a batch; {clipped} are used.",
            UserWarning,
        )
        return clipped
    return params.n_neighbors
