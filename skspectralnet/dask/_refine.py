"""What one pass over all rows adds to a model: exact centres, counts, the drift."""

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from dask import delayed

from skspectralnet._assignment import Centers
from skspectralnet._findings import in_blocks, scores_of
from skspectralnet._rows import row_blocks
from skspectralnet.dask._cluster import SMALL, joined, parts_of, result_of
from skspectralnet.dask._sample import checked_part

# As of scikit-learn's k-means: the squared shift of all centres, as a share of the mean
# variance of a component, below which they rest; and steps, each of them a pass.
_RESTING, _MOST_STEPS = 1e-4, 10


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


def refined(client, X, model, *, of_all):
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
    of_all : bool
        Whether the model was learned from all rows: its centres rest already.

    Returns
    -------
    SpectralNetClustering
        Another one: a copy.
    """
    parts = parts_of(X)
    task = delayed(model, traverse=False)

    def measured(assignment, strange):
        return result_of(client, _task(parts, task, assignment, strange))

    assignment = model._assignment
    first = found = measured(assignment, True)
    if isinstance(assignment, Centers) and not of_all:
        for _ in range(_MOST_STEPS):
            moved, rests = _moved(assignment.centers, found)
            if rests:
                break
            assignment = replace(assignment, centers=moved)
            found = measured(assignment, False)
        assignment = replace(assignment, inertia=found.inertia)
    return _with_all(model, assignment, found, first)


def _task(parts, model, assignment, strange):
    sums = [
        delayed(sums_of)(part, i, model, assignment, strange)
        for i, part in enumerate(parts)
    ]
    return joined(sums, SMALL, _added)


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


def sums_of(block, part, model, assignment, strange):
    """The Sums of one part.

    Parameters
    ----------
    block : {ndarray, sparse matrix, DataFrame} of shape (n_rows, n_features)
    part : int
        Its number, for errors.
    model : SpectralNetClustering
    assignment : Centers, Rotation or Mixture
    strange : bool
        Whether the rows that are not like those of the fit are counted.
    """
    rows = checked_part(block, part)
    n_clusters, n_components = assignment.centers.shape
    told, n_strange = rows, (0, 0)
    if rows.shape[0]:
        directed = model._stages.directed_rows(rows)
        told = rows if directed is None else rows[directed]
        n_strange = _strange(model, rows, told) if strange else n_strange
    sums, squares, inertia = np.zeros((n_clusters, n_components)), 0.0, 0.0
    counts = np.zeros(n_clusters, dtype=np.int64)
    if told.shape[0]:
        Z = model._embed(told)
        labels = assignment.labels(Z)
        counts += np.bincount(labels, minlength=n_clusters)
        for some in row_blocks(Z.shape):
            near, at = Z[some].astype(np.float64), labels[some]
            np.add.at(sums, at, near)
            squares += float(np.sum(near**2))
            inertia += float(np.sum((near - assignment.centers[at]) ** 2))
    sizes = (rows.shape[0], told.shape[0])
    return Sums(counts, sums, squares, inertia, *sizes, *n_strange)


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
