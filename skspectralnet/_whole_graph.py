"""The spectral stage on one graph of all rows: edges, regression, alignment."""

import contextlib
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning

from skspectralnet._defaults import graph_layers
from skspectralnet._eigen import (
    RitzPairs,
    cut_at_gap,
    graph_eigenpairs,
    grassmann_distance,
    inner_product,
    laplacian_product,
    nearest_basis,
    rayleigh_ritz,
    subspace_bound,
)
from skspectralnet._losses import SMOOTHNESS, regression_loss, useless_value
from skspectralnet._neighbor_graph import build_graphs
from skspectralnet._network import MLP, placed_mlp
from skspectralnet._ranks import summed_gradients
from skspectralnet._spectral import (
    GUARD_OUTPUTS,
    STEPS,
    SpectralFit,
    joint_loss,
    train_map,
)
from skspectralnet._tensors import torch_generator
from skspectralnet._trainer import warn_of_interrupt
from skspectralnet._training import NonFiniteLossError, train

# Eigenvectors learned beside those asked for, and eigenvalues known beyond them to
# find a gap.
_GUARDS, _BEYOND = 2, 8
# A squared Grassmann distance that deserves a warning, as a share of the largest.
_FAR = 0.1
# Rows of a step of regression; each is one end of an edge.
_REGRESSION_ROWS = 512
# Of the closed form of the last layer, relative to each feature.
_RIDGE = 1e-6
# Where near is enough: a third of the epochs first, at twice the rate. On rows not seen
# the vectors are then as near as after all epochs (benchmarks/fidelity.py).
_FIRST_SHARE, _FIRST_RATE = 3, 2.0
# Steps of an epoch: a power of the rows over a number, within bounds.
_STEPS_POWER, _STEPS_SHARE, _LEAST_STEPS, _MOST_STEPS = 0.75, 30.0, 1, 80
# Steps of an epoch of the spectral loss; the edges by which training ends, and the
# entries of these at most.
_EPOCH_STEPS, _MONITORED_EDGES, _MONITORED_ENTRIES = 25, 4096, 2**22
# Polishing: epochs, and the learning rate as a share of the one given. A network this
# near to exact eigenvectors, by the squared distance as a share of the largest, is not
# brought nearer by it (benchmarks/fidelity.py).
_POLISH_EPOCHS, _POLISH_RATE, _NEAR = 10, 0.02, 0.01


class ApproximationError(NamedTuple):
    """How far learned eigenvectors are from those of the graph, over its rows.

    Fields
    ------
    distance : float or None
        Squared Grassmann distance between the spans of the first `n_vectors` learned
        and exact eigenvectors, in the inner product of the Laplacian, the trivial one
        included: 0 for the same span, at most `n_vectors`. None where the exact
        ones were not solved for.
    bound : float
        An upper bound of it from the residuals and the gap (Davis and Kahan, 1970):
        safe but mostly far too large.
    n_vectors : int
        The number asked for, or the nearest one after which the spectrum has a gap.
    residuals : ndarray of shape (n_vectors_learned,)
        Of each learned eigenpair on the whole graph, the trivial one included.
    exact_eigenvalues : ndarray or None
        Of the graph, the trivial one included, and a few more than were asked for.
    distance_before_polish : float or None
        The distance after regression alone.
    n_connected : int or None
        Connected components of the graph.
    """

    distance: float | None
    bound: float
    n_vectors: int
    residuals: np.ndarray
    exact_eigenvalues: np.ndarray | None
    distance_before_polish: float | None
    n_connected: int | None


class GraphFit(NamedTuple):
    """A network with its aligned outputs."""

    mlp: MLP  # with the constant before its outputs
    pairs: RitzPairs  # the trivial one, then ascending
    largest_degree: float
    error: ApproximationError


class Polished(NamedTuple):
    """The better one of a network and the same after polishing."""

    mlp: MLP
    fit: GraphFit  # of it; `error` has the distance of the network given
    interrupted: bool


def fit(inputs, points, task, constraints, trainer, rng):
    """Learn the eigenvectors of one graph of all rows.

    Parameters
    ----------
    inputs, points : Rows
    task : GraphTask
    constraints : Constraints or None
    trainer : Trainer
    rng : RandomState

    Returns
    -------
    SpectralFit
    """
    generator = torch_generator(rng)
    with trainer.stage("neighbor graph"):
        graphs = build_graphs(inputs, points, task, constraints, rng)
    with trainer.stage("eigenvectors"):
        pairs = exact_pairs(graphs.solved, rng)
    learn = _learn_pairs if task.init == "spectral" else _learn_edges
    found, history = learn(graphs, pairs, generator, trainer)
    _warn_of(found, pairs, task, trainer.fit_task)
    return SpectralFit(*found[:3], history, graphs.n_neighbors, found.error)


def beginning(fit, inputs, task, generator):
    """The network that ranks begin with, by what a sample of the rows has shown.

    Parameters
    ----------
    fit : SpectralFit
        Of the sample.
    inputs : Rows
        Of the sample.
    task : GraphTask
    generator : torch.Generator

    Returns
    -------
    MLP
        With ``init="spectral"`` that of the sample, whose eigenvectors it has learned;
        else one with random weights, placed at rows of the sample.
    """
    if task.init == "random":
        every = np.arange(len(inputs))
        return _placed(inputs, every, task, _n_trained(task), generator)
    state = fit.mlp.to_arrays()
    for name in ("weights", "biases"):  # without the constant
        state[name][-1] = state[name][-1][1:]
    return MLP.from_arrays(state)


def fit_part(reader, mlp, trainer, rng):
    """The same stage on one of several ranks, each of which has a part of the graph.

    Parameters
    ----------
    reader : PartReader
    mlp : MLP
        The `beginning`.
    trainer : Trainer
    rng : RandomState
        Of the edges that this rank draws.

    Returns
    -------
    SpectralFit
        The same on all ranks. With ``init="spectral"`` it has no history: what was
        learned there has that of the regression, on the sample.
    """
    generator, history = torch_generator(rng), None
    mlp = MLP.from_arrays(mlp.to_arrays())  # others may have the one given
    if reader.task.init == "spectral":
        found = _polish(reader, mlp, None, generator, trainer).fit
    else:
        history = _train_edges(reader, mlp.float(), generator, trainer)
        with trainer.stage("alignment"):
            found = align_to_graph(reader, mlp, None)
    return SpectralFit(*found[:3], history, reader.task.n_neighbors, found.error)


def _learn_pairs(graphs, pairs, generator, trainer):
    """Regression on exact eigenvectors, then polishing; a GraphFit and the History."""
    task = graphs.solved.task
    targets = regression_targets(pairs, task)
    mlp = new_network(graphs.solved, len(targets.eigenvalues), generator)
    history = train_map(
        trainer,
        partial(regress, graphs.solved, targets, mlp, generator=generator),
        "regression loss",
        policy="one_cycle",
        n_steps=epoch_steps(len(graphs.solved.nodes)),
        tol=0.0,
        n_iter_no_change=trainer.schedule.max_iter,
    )
    best = _polish(graphs.whole, mlp, pairs, generator, trainer)
    if best.interrupted:
        warn_of_interrupt("spectral map", len(history.loss_curve))
    return best.fit, history


def _learn_edges(graphs, pairs, generator, trainer):
    """The spectral loss from random weights; a GraphFit and the History."""
    whole = graphs.whole
    mlp = new_network(whole, _n_trained(whole.task), generator)
    history = _train_edges(whole, mlp, generator, trainer)
    with trainer.stage("alignment"):
        exact = pairs if graphs.solved is whole else None
        return align_to_graph(whole, mlp, exact), history


def _n_trained(task):
    """Outputs trained from random weights: the constant is the first component."""
    return task.n_components + GUARD_OUTPUTS - 1


def _train_edges(reader, mlp, generator, trainer):
    """Train a network on the spectral loss; the History."""
    task, training = reader.task, partial(fit_edges, reader, mlp, generator=generator)
    patience = {"tol": task.tol, "n_iter_no_change": task.n_iter_no_change}
    return train_map(trainer, training, "spectral loss", **patience)


def _polish(reader, mlp, pairs, generator, trainer):
    """Polish a network as a stage of the fit; the Polished."""
    with trainer.stage("alignment", _POLISH_EPOCHS) as stage:
        hooks = {"generator": generator, **stage.hooks()}
        return polished(reader, mlp, pairs, trainer.schedule, **hooks)


def _warn_of(found, pairs, task, fit_task):
    """Warn where components of the graph or eigenvectors were not learned."""
    error, n_components = found.error, task.n_components
    if pairs.n_connected > n_components:
        fit_task.warn(
            f"The graph has {pairs.n_connected} connected components, each with an "
            f"eigenvector of eigenvalue 0; only {n_components} of these are learned, "
            "for the largest components. Raise n_components or n_neighbors to have "
            "them all.",
            UserWarning,
        )
    elif len(found.pairs.eigenvalues) < n_components or error.distance is None:
        return
    elif error.distance > _FAR * error.n_vectors:
        fit_task.warn(
            "The learned eigenvectors are not those of the graph: their squared "
            f"Grassmann distance is {error.distance:.2g}, of at most "
            f"{error.n_vectors} (approximation_error_). Raise max_iter or "
            "hidden_layer_sizes, or ask for fewer components.",
            ConvergenceWarning,
        )


def epoch_steps(n_rows):
    """Steps of an epoch of regression."""
    wanted = round(n_rows**_STEPS_POWER / _STEPS_SHARE)
    return int(np.clip(wanted, _LEAST_STEPS, _MOST_STEPS))


def exact_pairs(reader, random_state):
    """The exact eigenpairs of a graph, a few more than asked for."""
    n_vectors = min(reader.task.n_components + _BEYOND, len(reader.nodes))
    return graph_eigenpairs(
        reader.graph, n_vectors, reader.task.laplacian, random_state
    )


def regression_targets(pairs, task):
    """The eigenpairs to learn: those asked for or up to a gap, and two.

    Constant vectors are left out: every map has a constant.
    """
    cut = cut_at_gap(pairs.eigenvalues, task.n_components)
    vectors = pairs.vectors[:, : max(cut, task.n_components) + _GUARDS]
    varying = np.ptp(vectors, axis=0) > 1e-6 * np.abs(vectors).max()
    varying[1] |= not varying.any()
    values = pairs.eigenvalues[: vectors.shape[1]][varying]
    return pairs._replace(eigenvalues=values, vectors=vectors[:, varying])


def new_network(reader, n_outputs, generator):
    """A perceptron with random weights, its first layer placed at rows of the graph.

    Returns
    -------
    MLP
    """
    return _placed(reader.inputs, reader.nodes, reader.task, n_outputs, generator)


def _placed(inputs, nodes, task, n_outputs, generator):
    """The same, placed at the rows of the inputs with the numbers `nodes`."""
    hidden = task.hidden_layer_sizes
    if hidden is None:
        hidden = graph_layers(*inputs.shape, n_outputs)
    mlp = placed_mlp(
        lambda chosen: inputs.batch(nodes[chosen]),
        len(nodes),
        (*hidden, n_outputs),
        task.activation,
        generator,
    )
    return mlp.to(task.device)


def regress(reader, targets, mlp, schedule, *, generator, **hooks):
    """Teach a network eigenvectors of a graph.

    By gradient steps, then the last layer once more in closed form. Where the task says
    ``until_near``, that is looked at after a first cycle of fewer steps.

    Parameters
    ----------
    reader : GraphReader
    targets : Eigenpairs
    mlp : MLP
        Trained in place: its outputs are then the vectors, in their own size.
    schedule : Schedule
        Of one cycle, or of both.
    generator : torch.Generator
    **hooks
        `interrupts` and `epochs` of the training.

    Returns
    -------
    History
    """
    vectors = targets.vectors
    center, spread = vectors.mean(axis=0), vectors.std(axis=0)
    spread[spread == 0.0] = 1.0
    # Each by its own spread: the loss would not see the small ones otherwise.
    scaled = reader.tensor((vectors - center) / spread, torch.float32)
    n_edges = min(_REGRESSION_ROWS, 2 * len(reader.nodes)) // 2

    def losses():
        for _ in range(schedule.n_steps):
            batch = reader.read(reader.draw(n_edges, generator))
            missed = mlp(batch.inputs) - scaled[batch.nodes]
            missed = missed * batch.scales.to(missed.dtype)
            yield regression_loss(missed, batch.row_weights.to(missed.dtype))

    curve, near = [], _NEAR * len(targets.eigenvalues)
    for cycle in _cycles(schedule, reader.task.until_near):
        history = train(mlp, losses, cycle, **hooks)
        curve += history.loss_curve
        *last_layer, distance = _last_layer(reader, mlp, targets)
        if distance <= near or history.interrupted or history.stopped:
            break
    mlp.set_last_layer(*last_layer)
    return history._replace(loss_curve=curve)


def _cycles(schedule, until_near):
    """The cycles of a regression, each of which may be the last: a list of Schedule."""
    n_first = -(-schedule.max_iter // _FIRST_SHARE)
    if not until_near or n_first == schedule.max_iter:
        return [schedule]
    fast = _FIRST_RATE * schedule.learning_rate
    return [
        schedule._replace(max_iter=n_first, learning_rate=fast),
        schedule._replace(max_iter=schedule.max_iter - n_first),
    ]


def _last_layer(reader, mlp, targets):
    r"""The last layer that minimises the regression loss over the whole graph.

    With the features H of the layer before, a constant among them, :math:`L V = M V
    \Lambda` and c the weight of the change along edges it solves

    .. math:: (H^T M H + c H^T L H) A = H^T M V (I + c \Lambda)

    Units that are silent in float32, the type of the training, get no weight: it would
    be as large as they are small, and what they have is rounding.

    Returns
    -------
    weight, bias : ndarray
    distance : float
        The *squared* Grassmann distance of the outputs from the eigenvectors.
    """
    task = reader.task
    state = MLP.from_arrays(mlp.to_arrays())
    H = np.column_stack([reader.outputs(state, "features"), np.ones(len(reader.nodes))])
    row_weights = inner_product(reader.degrees, task.laplacian)
    change = 2.0 * SMOOTHNESS / useless_value(reader.degrees, task.laplacian)
    weighted = row_weights[:, None] * H
    form = H.T @ laplacian_product(reader.graph, reader.degrees, H, task.laplacian)
    gram, inner = weighted.T @ H, weighted.T @ targets.vectors
    matrix = gram + change * form
    cross = inner * (1.0 + change * targets.eigenvalues)
    lengths = np.sqrt(np.diag(matrix))
    silent = lengths <= np.finfo(np.float32).eps * lengths.max()
    matrix[silent], matrix[:, silent], cross[silent] = 0.0, 0.0, 0.0
    lengths[silent] = 1.0
    scaled = matrix / np.outer(lengths, lengths) + _RIDGE * np.eye(len(matrix))
    solution = linalg.solve(scaled, cross / lengths[:, None], assume_a="pos")
    solution /= lengths[:, None]
    squares = row_weights @ targets.vectors**2
    distance = _distance(solution.T @ gram @ solution, solution.T @ inner, squares)
    return solution[:-1].T, solution[-1], distance


def _distance(gram, cross, squares):
    """The *squared* Grassmann distance of functions from orthogonal ones.

    Parameters
    ----------
    gram : ndarray of shape (q, q)
        Of the functions.
    cross : ndarray of shape (q, q)
        Their inner products with the others.
    squares : ndarray of shape (q,)
        Squared lengths of the others.
    """
    within = np.einsum("ij,ij->j", cross, linalg.pinvh(gram) @ cross)
    return float(np.sum(1.0 - within / squares))


def fit_edges(reader, mlp, schedule, *, generator, n_steps=_EPOCH_STEPS, **hooks):
    """Train a network on the spectral loss over drawn edges.

    Parameters
    ----------
    reader : GraphReader
    mlp : MLP
        Trained in place.
    schedule : Schedule
        Its end and its best weights are decided by the loss over a fixed draw of
        edges.
    generator : torch.Generator
    n_steps : int
        Of an epoch.
    **hooks
        `interrupts` and `epochs` of the training.

    Returns
    -------
    History
    """
    task, n_edges = reader.task, max(reader.task.batch_size // 2, 1)
    mlp.to(task.device)
    loss_of, kept = STEPS[task.orthonorm], hooks["epochs"].kept
    summing = contextlib.nullcontext()
    if task.group is not None:
        summing = summed_gradients(mlp, task.group)

    # Not a generator: a Ctrl-C while one is finalised would be lost.
    batches = iter(lambda: reader.read(reader.draw(n_edges, generator)), None)

    def losses():
        if kept is not None:  # the epoch may be made again elsewhere
            generator.manual_seed(kept.next_seed())
        return (loss_of(mlp, batches, task) for _ in range(n_steps))

    most = max(_MONITORED_ENTRIES // (2 * reader.inputs.shape[1]), n_edges)
    n_fixed = min(_MONITORED_EDGES, most, 8 * reader.ends.shape[1])
    fixed = reader.read(reader.draw(n_fixed, generator))

    def validate():
        with torch.no_grad():
            return float(joint_loss(mlp, iter([fixed]), task))

    with summing:
        return train(mlp, losses, schedule, validate=validate, **hooks)


def polished(reader, mlp, pairs, schedule, *, generator, **hooks):
    """A network after a short training on the spectral loss, if that brings it nearer.

    Or the network itself, where it is known to be near.

    Parameters
    ----------
    reader : GraphReader
    mlp : MLP
    pairs : Eigenpairs or None
        The exact ones, of the graph of `reader` or of a sample of its rows.
    schedule : Schedule
    generator : torch.Generator
    **hooks
        `interrupts` and `epochs` of the training, of `_POLISH_EPOCHS` at most.

    Returns
    -------
    Polished
        The distances are None where the exact vectors are not those of `reader`.
    """
    is_exact = pairs is not None and len(pairs.vectors) == reader.n_nodes
    exact = pairs if is_exact else None
    fit = align_to_graph(reader, mlp, exact)
    error = fit.error._replace(distance_before_polish=fit.error.distance)
    unpolished = Polished(mlp, fit._replace(error=error), interrupted=False)
    if is_exact and error.distance <= _NEAR * error.n_vectors:
        return unpolished
    candidate = MLP.from_arrays(mlp.to_arrays()).float()
    try:
        interrupted = _polish_edges(reader, candidate, schedule, generator, hooks)
    except NonFiniteLossError:  # nor does that bring it nearer
        return unpolished
    after = align_to_graph(reader, candidate, exact)
    if _farness(fit) <= _farness(after):
        return unpolished._replace(interrupted=interrupted)
    error = after.error._replace(distance_before_polish=error.distance)
    return Polished(candidate, after._replace(error=error), interrupted)


def _polish_edges(reader, mlp, schedule, generator, hooks):
    """Train a network a little on the spectral loss; return whether interrupted."""
    n_steps = min(epoch_steps(reader.n_nodes), _EPOCH_STEPS)
    schedule = schedule._replace(
        max_iter=_POLISH_EPOCHS,
        learning_rate=_POLISH_RATE * schedule.learning_rate,
        tol=0.0,
        n_iter_no_change=_POLISH_EPOCHS,
        policy="one_cycle",
        n_steps=n_steps,
    )
    hooks = hooks | {"n_steps": n_steps, "generator": generator}
    return fit_edges(reader, mlp, schedule, **hooks).interrupted


def _farness(fit):
    """The distance of a GraphFit, or where it is not known the sum of its Ritz values:
    they are never below the eigenvalues."""
    distance = fit.error.distance
    return float(fit.pairs.eigenvalues.sum()) if distance is None else distance


def align_to_graph(reader, mlp, pairs):
    """The learned eigenpairs on the whole graph, and how far off they are.

    Where the exact eigenvectors are known, the outputs are combined to the orthonormal
    functions nearest to them: the Rayleigh-Ritz pairs would mix neighbouring ones,
    because the roughness of a network adds more to a form than close eigenvalues
    differ. Where they are not known, or the outputs cannot follow one of them, the
    Rayleigh-Ritz pairs are taken.

    Parameters
    ----------
    reader : GraphReader
    mlp : MLP
        On the CPU.
    pairs : Eigenpairs or None
        The exact ones.

    Returns
    -------
    GraphFit
        Its functions have mean square 1 in the inner product.
    """
    task = reader.task
    mlp = mlp.with_constant().frozen()
    Y = reader.outputs(mlp)  # (n_nodes, 1 + q)
    gram, form = reader.forms(Y)
    coefficients = None
    if pairs is not None:
        cut = cut_at_gap(pairs.eigenvalues, task.n_components)
        row_weights = inner_product(reader.degrees, task.laplacian)
        weighted = row_weights[:, None] * Y
        targets = pairs.vectors[:, : max(cut, task.n_components)]
        cross = weighted.T @ targets / row_weights.sum()
        coefficients = nearest_basis(gram, cross)
    if coefficients is None:
        eigenvalues, coefficients = rayleigh_ritz(gram, form)
    else:
        eigenvalues = np.einsum("ij,ij->j", coefficients, form @ coefficients)
        # The trivial vector stays the first one: it can be left out.
        order = np.append(0, 1 + np.argsort(eigenvalues[1:], kind="stable"))
        eigenvalues = np.maximum(eigenvalues[order], 0.0)
        coefficients = coefficients[:, order]
    error = _error(reader, Y @ coefficients, eigenvalues, pairs)
    found = RitzPairs(eigenvalues, coefficients)
    return GraphFit(mlp, found, reader.largest_degree, error)


def _error(reader, Y, eigenvalues, pairs):
    """The ApproximationError of aligned functions."""
    task = reader.task
    spectrum = eigenvalues if pairs is None else pairs.eigenvalues
    cut = min(cut_at_gap(spectrum, task.n_components), Y.shape[1])
    missed = reader.residuals(Y, eigenvalues)
    distance = None
    if pairs is not None:
        exact = pairs.vectors[:, :cut]
        row_weights = inner_product(reader.degrees, task.laplacian)
        distance = grassmann_distance(Y[:, :cut], exact, row_weights)
    following = spectrum[cut] if len(spectrum) > cut else np.inf
    return ApproximationError(
        distance=distance,
        bound=subspace_bound(missed[:cut], eigenvalues[:cut], following),
        n_vectors=cut,
        residuals=missed[: task.n_components],
        exact_eigenvalues=None if pairs is None else pairs.eigenvalues,
        distance_before_polish=None,
        n_connected=None if pairs is None else pairs.n_connected,
    )
