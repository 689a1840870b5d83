"""What all rows add to a model: exact centres, counts, the drift."""

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from dask import delayed

from skspectralnet._assignment import Centers
from skspectralnet._findings import in_blocks, scores_of
from skspectralnet._rows import row_blocks
from skspectralnet.dask._cluster import (
    SMALL,
    given_up_on_error,
    joined,
    memory_of,
    parts_of,
    result_of,
)
from skspectralnet.dask._sample import checked_part

# As of scikit-learn's k-means: the squared shift of all centres, as a share of the mean
# variance of a component, below which they rest; and steps.
_RESTING, _MOST_STEPS = 1e-4, 10
# Embeddings are kept while the centres move, up to this share of the workers' memory.
_KEPT_SHARE = 0.25


class Embedded(NamedTuple):
    """Of the rows of a part."""

    Z: np.ndarray  # (n_told, n_components), of those with a direction
    n_rows: int
    n_outside: int  # of those with a direction, where 1 % of the rows of the fit lay
    n_outliers: int  # of all rows


class Sums(NamedTuple):
    """Of the rows of some parts; nothing in it grows with them."""

    counts: np.ndarray  # (n_clusters,), int64
    sums: np.ndarray  # (n_clusters, n_components), of the embeddings
    squares: float  # sum of squared lengths of the embeddings
    inertia: float  # sum of squared distances to the centres
    n_rows: int
    n_told: int  # of them with a direction
    n_outside: int  # of these where 1 % of the rows of the fit lay
    n_outliers: int  # of all rows


def refined(client, X, model, n_samples, *, of_all):
    """A model of a sample, with what all rows say of its clusters.

    Centres of k-means are moved to the means of the rows nearest to them until they
    rest (S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on
    Information Theory 28 (1982)): each step is exact, over all rows, and sends as many
    numbers for each part as the centres have.

    Parameters
    ----------
    client : Client
    X : dask array or data frame of shape (n_samples, n_features)
    model : SpectralNetClustering
    n_samples : int
    of_all : bool
        Whether the model was learned from all rows: its centres rest already.

    Returns
    -------
    SpectralNetClustering
        Another one: a copy.
    """
    parts, task = parts_of(X), delayed(model, traverse=False)

    def rows(strange):
        return [
            delayed(embedded)(part, i, task, strange) for i, part in enumerate(parts)
        ]

    assignment, told = model._assignment, rows(True)
    moves = isinstance(assignment, Centers) and not of_all
    keeps = moves and _fits(client, n_samples, model.cluster_centers_)
    if keeps:
        told = client.persist(told)
    with given_up_on_error(client, *(told if keeps else ())):
        first = found = _measured(client, told, assignment)
        for _ in range(_MOST_STEPS if moves else 0):
            moved, rests = _moved(assignment.centers, found)
            if rests:
                break
            assignment = replace(assignment, centers=moved)
            found = _measured(client, told if keeps else rows(False), assignment)
    if moves:
        assignment = replace(assignment, inertia=found.inertia)
    return _with_all(model, assignment, found, first)


def _measured(client, parts, assignment):
    """The Sums of all parts, each an Embedded."""
    sums = [delayed(sums_of)(part, assignment) for part in parts]
    return result_of(client, joined(sums, SMALL, _added))


def _fits(client, n_samples, centers):
    """Whether the workers have the memory to keep the embeddings of all rows."""
    needed = n_samples * centers.shape[1] * centers.itemsize
    return needed <= _KEPT_SHARE * memory_of(client)


def _moved(centers, found):
    """The means of the rows of each cluster, and whether that is no move."""
    filled = found.counts[:, None]
    moved = np.where(filled > 0, found.sums / np.maximum(filled, 1), centers)
    mean = found.sums.sum(axis=0) / found.n_told
    variance = (found.squares / found.n_told - mean @ mean) / len(mean)
    return moved, np.sum((moved - centers) ** 2) <= _RESTING * variance


def _with_all(model, assignment, found, first):
    """A copy of the model with these clusters, counted over all rows."""
    landmarks = model._typicality.landmarks
    n_told = max(first.n_told, 1)
    changed = {
        "_assignment": assignment,
        "cluster_centers_": assignment.centers.astype(model.cluster_centers_.dtype),
        "_counts": found.counts,
        "_n_fitted": first.n_rows,
        "n_samples_seen_": first.n_rows,
        "drift_": first.n_outside / n_told,
        "drift_limit_": landmarks.limit(n_told),
    }
    if isinstance(assignment, Centers):
        changed["inertia_"] = assignment.inertia
    if hasattr(model, "offset_"):
        changed["outlier_share_"] = first.n_outliers / first.n_rows
    made = copy.copy(model)
    vars(made).update(changed)
    return made


def embedded(block, part, model, strange):
    """The Embedded of one part.

    Parameters
    ----------
    block : {ndarray, sparse matrix, DataFrame} of shape (n_rows, n_features)
    part : int
        Its number, for errors.
    model : SpectralNetClustering
    strange : bool
        Whether the rows that are not like those of the fit are counted.
    """
    rows = checked_part(block, part)
    told, n_strange = rows, (0, 0)
    if rows.shape[0]:
        directed = model._stages.directed_rows(rows)
        told = rows if directed is None else rows[directed]
        n_strange = _strange(model, rows, told) if strange else n_strange
    Z = np.zeros((0, model.cluster_centers_.shape[1]))
    if told.shape[0]:
        Z = model._embed(told)
    return Embedded(Z, rows.shape[0], *n_strange)


def sums_of(part, assignment):
    """The Sums of one part.

    Parameters
    ----------
    part : Embedded
    assignment : Centers, Rotation or Mixture
    """
    Z, n_clusters = part.Z, len(assignment.centers)
    sums, squares, inertia = np.zeros(assignment.centers.shape), 0.0, 0.0
    counts = np.zeros(n_clusters, dtype=np.int64)
    if len(Z):
        labels = assignment.labels(Z)
        counts += np.bincount(labels, minlength=n_clusters)
        for some in row_blocks(Z.shape):
            near, at = Z[some].astype(np.float64), labels[some]
            np.add.at(sums, at, near)
            squares += float(np.sum(near**2))
            inertia += float(np.sum((near - assignment.centers[at]) ** 2))
    strange = (part.n_outside, part.n_outliers)
    return Sums(counts, sums, squares, inertia, part.n_rows, len(Z), *strange)


def _strange(model, rows, told):
    """How many rows lie outside, and how many are outliers."""
    landmarks, n_outliers = model._typicality.landmarks, 0
    n_outside = sum(in_blocks(landmarks.count_outside, told, model._stages))
    if hasattr(model, "offset_"):
        scores = scores_of(model._typicality, rows, model._stages)
        n_outliers = int(np.sum(scores < model.offset_))
    return n_outside, n_outliers


def _added(parts):
    return Sums(*(sum(values[1:], values[0]) for values in zip(*parts, strict=True)))
