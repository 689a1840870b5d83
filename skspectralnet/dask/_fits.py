"""The fits of a worker: of a sample alone, and of one with a map of all rows."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from skspectralnet._calls import guarded
from skspectralnet._candidates import with_fit
from skspectralnet._constraints import known_pairs
from skspectralnet._input import validate_rows
from skspectralnet._partitions import is_frame
from skspectralnet._tasks import FitTask
from skspectralnet._tensors import torch_generator
from skspectralnet._validation import NoContext
from skspectralnet._whole_graph import beginning
from skspectralnet.dask._attempts import trained_by_ranks
from skspectralnet.dask._cluster import given_up_on_error, run
from skspectralnet.dask._edges import divided_graph
from skspectralnet.dask._neighbors import neighborhoods
from skspectralnet.dask._sample import type_of
from skspectralnet.dask._shards import Recipe, divided


class Given(NamedTuple):
    """What a fit has of its rows."""

    X: object  # dask array or data frame of shape (n_samples, n_features)
    labels: object  # dask array or array-like of shape (n_samples,), or None
    sample: object  # Future of a Kept
    n_samples: int
    # When the fit began: the loss of one does not change the number of ranks, and so
    # the result.
    n_workers: int

    @property
    def frame(self):
        """A data frame without rows, where X is one: its kind and its names."""
        return columns_of(self.X)


def columns_of(X):
    """A data frame without rows, where X is one: its kind and its names."""
    return X._meta if is_frame(X) else None


def rows_of_sample(sample, frame):
    """The rows of a Kept, as X has them."""
    if frame is None:
        return sample.rows
    return type(frame)(sample.rows, columns=frame.columns)


def learned(plain, sample, frame):
    """The fitted model, without what it has for each row of the sample."""
    known = {}
    if sample.labels is not None:
        known["partial_labels"] = sample.labels
    model = plain.fit(rows_of_sample(sample, frame), **known)
    for name in ("labels_", "embedding_"):
        vars(model).pop(name, None)
    return model


def scored(model, sample, frame):
    """The score of a model, by a sample."""
    return model.score(rows_of_sample(sample, frame))


def check_by_ranks(plain, labels):
    """Whether all workers can train a map with these parameters and labels.

    Parameters
    ----------
    plain : estimator
    labels : dask array or array-like of shape (n_samples,), or None

    Raises
    ------
    ValueError
        The message says what to do.
    """
    whole, wrong = plain.neighbors_in == "data", []
    if plain.init == "spectral" and not whole:
        wrong.append(("init", "spectral", "random"))
    if plain.orthonorm == "alternating":
        wrong.append(("orthonorm", "alternating", "joint"))
    if callable(plain.affinity) and whole:
        wrong.append(("affinity", plain.affinity, "self_tuning"))
    if wrong:
        given = ", ".join(f"{name}={value!r}" for name, value, _ in wrong)
        others = ", ".join(f"{name}={other!r}" for name, _, other in wrong)
        raise ValueError(
            "With subsample=None all workers train, each on a part of the rows, which "
            f"{given} does not allow. Set {others}, or give subsample a number."
        )
    if whole and labels is not None:
        raise ValueError(
            "With subsample=None and neighbors_in='data' the graph of all rows lies in "
            "parts on the workers, and partial_labels are edges between any of them. "
            "Set neighbors_in='batch', or give subsample a number."
        )


class OfAll(NamedTuple):
    """What all workers have learned."""

    model: object  # estimator
    recall: float | None  # of the neighbours in the graph of all rows; None: no graph


def learned_by_all(client, given, plain, seeds, max_restarts):
    """The model whose map all workers have learned, from all rows.

    The sample settles all else: the stages before the map are fitted on it, the
    candidates are compared on it, and by the map of all rows it is clustered.

    Parameters
    ----------
    client : Client
    given : Given
    plain : estimator
    seeds : (int, int)
        Of the fit of the sample, and of the ranks.
    max_restarts : int

    Returns
    -------
    OfAll
    """
    whole = plain.neighbors_in == "data"
    changed = {
        "neighbors_in": "data" if whole else "batch",
        "subsample": None,
        "random_state": seeds[0],  # to go on where the fit was begun
    }
    asked = {name: getattr(plain, name) for name in changed}
    plain.set_params(**changed)
    of_sample = given.sample, given.frame
    begun = client.submit(begun_on, plain, *of_sample, pure=False)
    with given_up_on_error(client, begun):
        recipe = run(client, recipe_of, begun, type_of(given.X), seeds[1])
        divide = _divided_graph if whole else _divided_rows
        shards, recall = divide(client, given, begun, recipe)
        with given_up_on_error(client, *shards):
            fit = trained_by_ranks(client, shards, recipe, max_restarts)
        model = run(client, ended_on, plain, *of_sample, begun, fit)
    return OfAll(model.set_params(**asked), recall)


def _divided_rows(client, given, begun, recipe):
    """The rows of each rank, as futures; no recall."""
    most = given.n_samples // recipe.task.batch_size
    most = int(np.clip(most, 1, given.n_workers))
    return divided(client, given.X, given.labels, recipe, most), None


def _divided_graph(client, given, begun, recipe):
    """The part of each rank of the graph of all rows, as futures; and its recall."""
    found = neighborhoods(client, given.X, given.n_samples, begun, recipe)
    return divided_graph(client, found, recipe, given.n_workers), found.recall


@guarded
def begun_on(plain, sample, frame):
    """What a fit of the sample takes, before the rows are seen through it.

    Returns
    -------
    Taken
    """
    rows, rng = rows_of_sample(sample, frame), check_random_state(plain.random_state)
    # By a copy: with the columns that it has seen it would be half fitted.
    X = validate_rows(clone(plain), rows, reset=True)
    known = known_pairs(X.shape[0], partial_labels=sample.labels)
    return plain._taken(X, None, None, known, rng, _untold(plain))


def recipe_of(taken, dtype, seed):
    """The Recipe of a fit that was begun."""
    trial, params = taken.trial, taken.given.params
    told, task, mlp = trial.told, trial.task, None
    if trial.whole:
        task = task._replace(n_neighbors=trial.fit.n_neighbors)
        generator = torch_generator(np.random.RandomState(seed))
        mlp = beginning(trial.fit, told.inputs, task, generator)
    return Recipe(
        params=params,
        stages=told.stages,
        inputs=told.inputs.units,
        points=told.points.units,
        task=task,
        dtype=dtype,
        seed=seed,
        mlp=mlp,
    )


def ended_on(plain, sample, frame, taken, fit):
    """The model of a fit that was begun, with the map of another SpectralFit."""
    if fit.history is None:  # of the regression, which the sample has seen
        fit = fit._replace(history=taken.trial.fit.history)
    trial = with_fit(taken.trial, fit, taken.given, _untold(plain))
    plain._handed_taken = taken._replace(trial=trial)
    return learned(plain, sample, frame)


def _untold(plain):
    """A task of a fit that nobody is told of, but for warnings."""
    return FitTask(NoContext(), plain, None, None)
