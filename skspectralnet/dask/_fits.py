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
from skspectralnet._validation import NoContext
from skspectralnet.dask._attempts import trained_by_ranks
from skspectralnet.dask._cluster import given_up_on_error, run
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


def check_by_ranks(plain):
    """Whether the map of these parameters can be trained by all workers.

    Raises
    ------
    ValueError
        The message says what to do.
    """
    one_memory = {"neighbors_in": ("data", "batch"), "init": ("spectral", "random")}
    wrong = [
        (name, value, other)
        for name, (value, other) in one_memory.items()
        if getattr(plain, name) == value
    ]
    if plain.orthonorm == "alternating":
        wrong.append(("orthonorm", "alternating", "joint"))
    if wrong:
        given = ", ".join(f"{name}={value!r}" for name, value, _ in wrong)
        others = ", ".join(f"{name}={other!r}" for name, _, other in wrong)
        raise ValueError(
            "With subsample=None all workers train on batches of their own rows, which "
            f"{given} does not allow. Set {others}, or give subsample a number."
        )


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
    estimator
    """
    changed = {
        "neighbors_in": "batch",
        "subsample": None,
        "random_state": seeds[0],  # to go on where the fit was begun
    }
    asked = {name: getattr(plain, name) for name in changed}
    plain.set_params(**changed)
    of_sample = given.sample, given.frame
    begun = client.submit(begun_on, plain, *of_sample, pure=False)
    with given_up_on_error(client, begun):
        recipe = run(client, recipe_of, begun, type_of(given.X), seeds[1])
        most = given.n_samples // recipe.task.batch_size
        most = int(np.clip(most, 1, given.n_workers))
        shards = divided(client, given.X, given.labels, recipe, most)
        with given_up_on_error(client, *shards):
            fit = trained_by_ranks(client, shards, recipe, max_restarts)
        model = run(client, ended_on, plain, *of_sample, begun, fit)
    return model.set_params(**asked)


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
    told, params = taken.trial.told, taken.given.params
    return Recipe(
        params=params,
        stages=told.stages,
        inputs=told.inputs.units,
        points=told.points.units,
        task=taken.trial.task,
        dtype=dtype,
        seed=seed,
    )


def ended_on(plain, sample, frame, taken, fit):
    """The model of a fit that was begun, with the map of another SpectralFit."""
    trial = with_fit(taken.trial, fit, taken.given, _untold(plain))
    plain._handed_taken = taken._replace(trial=trial)
    return learned(plain, sample, frame)


def _untold(plain):
    """A task of a fit that nobody is told of, but for warnings."""
    return FitTask(NoContext(), plain, None, None)
