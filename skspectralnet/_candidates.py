"""The ways from codes to a map that a fit may take: each fitted, one taken.

What is compared, and how, is in `_selection`; this is the fit of a candidate.
"""

import contextlib
import copy
import functools
import sys
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skspectralnet import _batch_graph, _defaults, _neighbor_graph, _whole_graph
from skspectralnet._alignment import Diffusion, diffusion, largest_positive
from skspectralnet._estimator import precision_of
from skspectralnet._input import of_weights
from skspectralnet._network import SpectralMap
from skspectralnet._plan import Components, Size, batch_size_of, batch_task, graph_task
from skspectralnet._rows import dense_rows, in_memory, rows_at_once, standard_points
from skspectralnet._selection import (
    ALL_EQUAL,
    LEAST_KNIT,
    SOLVED_ROWS,
    Contest,
    OpenNeighbors,
    Ways,
    candidates_of,
    choose,
    criterion_graph,
    criterion_rows,
    solved_clusters,
    some_rows,
    without_contest,
)
from skspectralnet._spectral import SpectralFit
from skspectralnet._stages import Encoded, StageParameters, Told, told_rows
from skspectralnet._tasks import FitTask
from skspectralnet._tensors import Blocks, forward_in_blocks, resolve_device
from skspectralnet._training import gradients

# The stages that callbacks are told of, those that have nothing to do included.
_BATCH_STAGES = ("encoder", "metric learner", "spectral map", "alignment", "embedding")
_GRAPH_STAGES = (
    *("encoder", "metric learner", "neighbor graph", "eigenvectors"),
    *("spectral map", "alignment", "embedding"),
)


def is_whole(params, graph):
    """Whether parameters ask for a graph of all rows."""
    return graph is not None or params.neighbors_in == "data"


def _learns_whole(candidate, given):
    """Whether a candidate is a fit on a graph of all rows."""
    return candidate.whole or is_whole(given.params, given.graph)


def open_neighbors(params, graph):
    """What of the neighbours the parameters leave to the candidates."""
    one_width = is_whole(params, graph) or params.n_neighbors is not None
    return OpenNeighbors(one_width, graph is None and params.neighbors_in == "auto")


def stage_names(whole):
    """Names of the stages of a fit, without those of candidates that are not taken."""
    return _GRAPH_STAGES if whole else _BATCH_STAGES


class LearnedMap(NamedTuple):
    """The map of rows to aligned eigenvectors."""

    network: SpectralMap
    eigenvalues: np.ndarray  # (n_components,), ascending
    diffusion: Diffusion


class Given(NamedTuple):
    """What all candidates of a fit have in common."""

    params: object  # an estimator
    encoded: Encoded
    wanted: StageParameters
    known: object  # Constraints or None
    graph: object  # as given, checked, or None
    components: Components
    device: object


class Trial(NamedTuple):
    """A candidate that has been fitted."""

    told: Told
    fit: SpectralFit
    map: LearnedMap
    task: object  # BatchTask or GraphTask, which learns on a graph of all rows
    whole: bool


class Attempt(NamedTuple):
    """A fitted candidate, and what the fit goes on with if it is taken."""

    trial: Trial
    rng: object  # the RandomState after it
    fit_task: FitTask  # holds its warnings


def selected(given, rng, fit_task):
    """The candidate that is taken, fitted, and the Selection.

    Each one draws the numbers that it would draw alone: what is taken is what a
    fit that asks for it would be.
    """
    candidates, reason = candidates_of(
        given.params.metric_learner,
        len(given.encoded.distinct.first),
        given.known is not None,
        open_neighbors(given.params, given.graph),
    )
    sample = _contest(given, SOLVED_ROWS) if len(candidates) > 1 else None
    if sample is None:
        trial = _trial(candidates[0], given, rng, fit_task)
        return trial, without_contest(candidates[0].name, reason or ALL_EQUAL)
    fit = functools.partial(_attempt, given=given, rng=rng, fit_task=fit_task)
    more = functools.cache(functools.partial(_more_rows, sample, given))
    ways = Ways(
        fit=functools.cache(fit),
        clusters=functools.partial(_clusters_of, given),
        contest=lambda: more().again(),
        larger=functools.partial(_larger, more, given),
    )
    whole = [candidate for candidate in candidates if candidate.whole]
    thin = bool(whole) and _is_crowded(given)
    plain = candidates[:-1]
    solved = ways.larger(whole) if thin else _solved(sample, given, plain)
    best, selection = choose(candidates, solved, ways, thin=thin)
    rng.set_state(best.rng.get_state())
    best.fit_task.release()
    if given.params.verbose:
        print(selection, file=sys.stderr)
    return best.trial, selection


def _contest(given, most):
    """A Contest on at most `most` rows; None where all of them are equal."""
    if given.graph is not None:
        return Contest(given.graph, slice(None))
    codes, rows = given.encoded.codes, given.encoded.rows
    rows = rows[some_rows(len(rows), most)]
    weights = of_weights(given.encoded.weights, rows)
    graph, first, many = criterion_graph(codes[rows], weights)
    return None if graph is None else Contest(graph, rows[first], many)


def _more_rows(sample, given):
    """A Contest on more rows than the sample; the sample where there are no more."""
    if not _has_more(given):
        return sample
    components = given.components
    return _contest(given, criterion_rows(components.n_expected, components.n_learned))


def _has_more(given):
    """Whether there are more rows than those whose graph is solved first."""
    return given.graph is None and len(given.encoded.rows) > SOLVED_ROWS


def _is_crowded(given):
    """Whether a few rows cannot have enough of each cluster, whatever these are."""
    return _has_more(given) and given.components.n_expected * LEAST_KNIT > SOLVED_ROWS


def _larger(more, given, plain):
    """A Contest on more rows with plain candidates, by exact eigenvectors; or None."""
    return _solved(more().again(), given, plain) if _has_more(given) else None


def _solved(contest, given, plain):
    """The Contest with plain candidates, by exact eigenvectors.

    None of a given graph, a `gamma` or a callable: few rows have no graph like it.
    """
    params = given.params
    if given.graph is not None or params.gamma is not None or callable(params.affinity):
        return None
    points = standard_points(given.encoded.codes[contest.rows], _defaults.AUTO_WIDTH)
    how = params.affinity, params.laplacian, given.components, contest.multiplicities
    solve = functools.cache(lambda near: solved_clusters(points, near, *how))
    for candidate in plain:
        if contest.equal:
            break
        labels, gap = solve(_solved_neighbors(points.shape[0], given, candidate))
        # Where others are sure and the graph of all rows is not, it has no say.
        doubted = candidate.whole and contest.settled
        if not doubted or contest.sure_alone(candidate, labels, gap):
            contest.add(candidate, labels, gap=gap)
    return contest


def _solved_neighbors(n_rows, given, candidate):
    """How many neighbours among `n_rows` rows reach as far as a candidate's."""
    asked = given.params.n_neighbors
    if _learns_whole(candidate, given):
        return int(np.clip(asked or _defaults.NEIGHBORS, 1, n_rows - 1))
    shape = len(given.encoded.rows), given.encoded.codes.shape[1]
    size = Size(shape, given.components, False, None, given.device)
    batch_size = batch_size_of(given.params, size)
    share = _shares(given, candidate)[0]
    near = asked or _defaults.batch_neighbors(batch_size, share)
    return _as_near(near, batch_size, n_rows)


def _as_near(n_neighbors, n_before, n_rows):
    """How many neighbours among `n_rows` rows reach as far as among `n_before`."""
    return int(np.clip(round(n_neighbors * n_rows / n_before), 1, n_rows - 1))


def _shares(given, candidate):
    """Shares of a batch that a candidate's neighbourhood may have, the usual first."""
    if not candidate.coarse:
        return (None,)
    return _defaults.neighbor_shares(given.components.n_expected)


def _share(given, candidate, stages, batch_size):
    """The share of a batch that is a candidate's neighbourhood.

    Where a learned space leaves two open, some of its rows are clustered by the exact
    eigenvectors of the graph of each. Another than the usual one is taken where its
    clusters cost more to divide than to leave, and clearly so compared with the usual
    one's, in the graph of the rows that candidates are compared on.
    """
    params, (usual, *others) = given.params, _shares(given, candidate)
    near = [_defaults.batch_neighbors(batch_size, share) for share in (usual, *others)]
    asked = params.n_neighbors is not None or params.gamma is not None
    if len(set(near)) == 1 or asked or callable(params.affinity):
        return usual
    contest = _contest(given, SOLVED_ROWS)
    if contest is None:
        return usual
    codes = given.encoded.codes[contest.rows]
    points = standard_points(stages.points_of(codes), _defaults.AUTO_WIDTH)
    how = params.affinity, params.laplacian, given.components, contest.multiplicities
    found = (
        solved_clusters(points, _as_near(n, batch_size, len(codes)), *how)[0]
        for n in near
    )
    return (usual, *others)[contest.supported(*found)]


def _clusters_of(given, attempt, rows):
    """The clusters of some rows, by a candidate that has been fitted."""
    trial, X = attempt.trial, in_memory(given.encoded.X, rows)
    network, weights = trial.map.network, trial.map.diffusion.weights
    Z = embedded(X, trial.told.stages, network, weights, given.device)
    return given.params._clusters_to_compare(Z, given.components.n_expected)


def _attempt(candidate, *, given, rng, fit_task):
    """A candidate, fitted with a copy of the generator; its warnings are held."""
    stage, rng = contextlib.nullcontext(fit_task), copy.deepcopy(rng)
    if candidate.metric_learner is None:
        names = stage_names(_learns_whole(candidate, given))
        n_stages = len(names) - 2  # all candidates share "encoder" and "embedding"
        stage = fit_task.stage(candidate.name, n_stages)
    with stage as task:
        task = task.holding()
        return Attempt(_trial(candidate, given, rng, task), rng, task)


def _trial(candidate, given, rng, fit_task):
    """Fit a candidate."""
    wanted = given.wanted._replace(metric_learner=candidate.metric_learner)
    known, graph = given.known, given.graph
    every, encoded = graph is not None, given.encoded
    told = told_rows(encoded, wanted, known, rng, fit_task, every=every)
    inputs, points, components = told.inputs, told.points, given.components
    learned = told.stages.metric_learner is not None
    size = Size(inputs.shape, components, learned, None, given.device)
    trainer = given.params._trainer(fit_task)
    whole = _learns_whole(candidate, given)
    if whole:
        init = "spectral" if candidate.whole else given.params.init
        stage, task = _whole_graph, graph_task(given.params, size, graph, init)
    else:
        batch_size = batch_size_of(given.params, size)
        share = _share(given, candidate, told.stages, batch_size)
        size = size._replace(share=share)
        stage, task = _batch_graph, batch_task(given.params, size, fit_task)
    with gradients(given.device):
        fit = stage.fit(inputs, points, task, told.known, trainer, rng)
    learned_map = _learned_map(given, inputs, fit, fit_task)
    return Trial(told, fit, learned_map, task, whole)


def with_fit(trial, fit, given, fit_task):
    """The same Trial with another SpectralFit of the same task."""
    learned_map = _learned_map(given, trial.told.inputs, fit, fit_task)
    return trial._replace(fit=fit, map=learned_map)


def _learned_map(given, inputs, fit, fit_task):
    """The LearnedMap of the eigenpairs that were asked for."""
    asked, first = given.components.n_learned, given.components.n_trivial
    eigenvalues = fit.pairs.eigenvalues[:asked]
    if len(eigenvalues) <= first:
        raise ValueError(_neighbor_graph.TOO_FEW_DISTINCT)
    if len(eigenvalues) < asked and given.params.n_components is not None:
        fit_task.warn(
            f"The outputs of the network span {len(eigenvalues)} dimensions where "
            f"{asked} components were asked for: the rows may have too few "
            "distinct values, or the last of the hidden_layer_sizes too few units.",
            ConvergenceWarning,
        )
    order = first + np.argsort(eigenvalues[first:], kind="stable")
    coefficients = fit.pairs.coefficients[:, :asked][:, order]
    eigenvalues = decays = eigenvalues[order]
    if given.params.laplacian == "unnormalized":
        decays = decays / fit.largest_degree
    return LearnedMap(
        SpectralMap(inputs.units, fit.mlp, coefficients),
        eigenvalues,
        diffusion(decays, given.params.diffusion_time, given.components.n_expected),
    )


def signed(X, stages, learned_map, device, rows):
    """The embedding of validated rows, after fixing its signs and those of the map.

    By some of the rows, numbers or a slice: those that have a weight.
    """
    network, weights = learned_map.network, learned_map.diffusion.weights
    Z = embedded(X, stages, network, weights, device)
    signs = largest_positive(Z[rows])
    network.flip_signs(signs)
    Z *= signs
    return Z


def embedded(X, stages, network, weights, device):
    """The embedding of validated rows, (n_samples, n_components)."""

    def read(rows):
        return dense_rows(stages.inputs(X[rows]), slice(None))

    blocks = Blocks(read, X.shape[0], rows_at_once(X))
    return forward_in_blocks(
        network,
        blocks,
        device=resolve_device(device),
        weights=weights,
        dtype=precision_of(X),
    )
