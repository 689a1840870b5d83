"""What a fit finds beside labels: how sure, how typical, what belongs together."""

from typing import NamedTuple

import numpy as np

from skspectralnet._assignment import Mixture
from skspectralnet._defaults import AUTO_WIDTH
from skspectralnet._drift import Landmarks, Masses, draw_reference
from skspectralnet._graph import cluster_weights
from skspectralnet._guards import lone_column_notice, pieces_notice, simpler_notice
from skspectralnet._hierarchy import Gaps, Labelled, fine_parts, hierarchy
from skspectralnet._input import of_weights
from skspectralnet._probability import (
    LEAST_ROWS,
    Sharpness,
    calibration_rows,
    shares_of_neighbors,
    shares_of_others,
)
from skspectralnet._rows import in_memory, row_blocks, standard_points
from skspectralnet._selection import CRITERION_ROWS, criterion_graph, some_rows
from skspectralnet._summary import MOST_SIZES, last_line, numbers_of, told_numbers
from skspectralnet._typicality import Typicality

# Rows whose neighbours are looked at for the warnings, and for the merges: for these
# more where there are many clusters.
_GUARD_ROWS, _ROWS_PER_CLUSTER = 2048, 50


def typicality_of(X, found):
    """Where the rows learned from lie, as they were given, before any stage.

    The stages have seen these rows: a space learned from them places them closer to
    each other than new rows of the same kind, which would look like a change.
    """
    rng = np.random.RandomState(0)  # no part of the fit: it takes no number of its own
    drawn = draw_reference(X, found.learned, rng, _masses(found))
    drawn, places = np.unique(drawn, return_inverse=True)
    rows = found.stages.given(in_memory(X, drawn))[places]
    return Typicality.fit(Landmarks.fit(rows, rng), rows)


def _masses(found):
    """The Masses of the rows learned from; None where distinct ones count alike."""
    kinds = found.encoded.distinct.inverse
    if found.graph is None:
        kinds = kinds[found.encoded.rows]
    counts = np.bincount(kinds, found.weights)
    counts = counts[counts > 0]
    if np.all(counts == counts[0]):
        return None
    weights = np.ones(len(kinds)) if found.weights is None else found.weights
    return Masses(weights, len(counts))


def in_blocks(measure, X, stages):
    """What is measured of validated rows as they were given, for each block."""
    blocks = row_blocks(X.shape)
    return [measure(stages.given(in_memory(X, block))) for block in blocks]


def scores_of(typicality, X, stages):
    """The typicality of validated rows."""
    return np.concatenate(in_blocks(typicality.scores, X, stages))


def sharpness_of(X, found, assignment):
    """How sure labels are: as other graphs of some of the rows learned from agree.

    None where there are too few rows to tell.
    """
    learned = np.arange(X.shape[0])[found.learned]
    n_clusters = len(assignment.centers)
    few = len(learned) < LEAST_ROWS * n_clusters
    if few and not isinstance(assignment, Mixture):  # which has its posterior
        return None
    if found.graph is None:
        # In memory already, in the order of `learned`.
        some = calibration_rows(len(learned))
        rows = found.encoded.X[found.encoded.rows[some]]
        points, Z = found.stages.points(rows), found.Z[learned[some]]
        clusters, weights = assignment.labels(Z), of_weights(found.weights, some)
        first, *others = shares_of_others(points, clusters, n_clusters, weights)
        return Sharpness.fit(assignment, Z[first], *others)
    Z = found.Z[found.learned]
    rows, shares = shares_of_neighbors(found.graph, assignment.labels(Z), n_clusters)
    return Sharpness.fit(assignment, Z[rows], shares, of_weights(found.weights, rows))


class Clusters(NamedTuple):
    """The clusters of a fit."""

    of: object  # callable: validated rows -> their clusters
    counts: np.ndarray  # (n_clusters,), rows of each
    names: np.ndarray  # (n_clusters,), the label of each
    constraints: object  # Constraints or None


class Nearby(NamedTuple):
    """Some of the rows learned from, and their neighbour graph."""

    told: object  # ndarray or CSR, the rows
    points: object  # ndarray or CSR, behind the encoder, standardised
    labels: np.ndarray  # (n_rows,), their clusters
    graph: object  # CSR array, or None where all rows are equal
    nodes: np.ndarray  # numbers of the rows that are its nodes

    @classmethod
    def of(cls, encoded, clusters, most=_GUARD_ROWS):
        """At most `most` of the rows."""
        rows = some_rows(encoded.codes.shape[0], most)
        told, codes = encoded.X[rows], encoded.codes[rows]
        graph, nodes, _ = criterion_graph(codes, of_weights(encoded.weights, rows))
        points = standard_points(codes, AUTO_WIDTH)
        return cls(told, points, clusters.of(told), graph, nodes)


def doubts_of(nearby, clusters, names):
    """Why the neighbours of the rows are not what clusters need; may be empty.

    Parameters
    ----------
    nearby : Nearby
    clusters : Clusters
    names : ndarray of shape (n_features,), or None
        Of the columns; None: their numbers.
    """
    if nearby.graph is None:
        return ""
    told, graph, nodes = nearby.told, nearby.graph, nearby.nodes
    names = np.arange(told.shape[1]) if names is None else names
    notices = [
        pieces_notice(graph, len(clusters.names), told[nodes], names),
        lone_column_notice(told, names),
    ]
    if clusters.constraints is None and not any(notices):
        labels, points = nearby.labels[nodes], nearby.points[nodes]
        notices.append(simpler_notice(graph, labels, points))
    return " ".join(notice for notice in notices if notice)


def merges_of(found, nearby, clusters, labels):
    """The Hierarchy of the clusters of a fit, by a given graph or by those nearby.

    Parameters
    ----------
    found : Spectral
    nearby : Nearby
    clusters : Clusters
    labels : ndarray of int of shape (n_samples,)
        Clusters of all rows; those learned from are the nodes of a given graph.
    """
    n_clusters, constraints = len(clusters.names), clusters.constraints
    most = min(_ROWS_PER_CLUSTER * n_clusters, CRITERION_ROWS)
    if most > _GUARD_ROWS:
        nearby = Nearby.of(found.encoded, clusters, most)
    graph, labels = found.graph, labels[found.learned]
    if graph is None:
        graph, labels = nearby.graph, nearby.labels[nearby.nodes]
    edges = np.zeros((n_clusters, n_clusters))
    if graph is not None:
        edges = cluster_weights(graph, labels, n_clusters).toarray()
    gaps = Gaps.of(nearby.points, nearby.labels, clusters.counts)
    numbers = np.empty(0, dtype=np.int64)
    if constraints is not None:
        numbers = np.unique(constraints.labels[constraints.labels >= 0])
    labelled = Labelled.of(clusters.names, clusters.counts, numbers)
    return hierarchy(edges, gaps, labelled)


def found_lines(model):
    """What a fitted clustering can say without any rows, for a notebook.

    Parameters
    ----------
    model : SpectralNetClustering

    Returns
    -------
    list of str
    """
    _, groups = fine_parts(model._assignment)
    lines = [last_line(np.bincount(groups, model._counts).astype(int))]
    if hasattr(model, "outlier_share_"):
        lines[0] += (
            f"; {100 * model.outlier_share_:.1f} % of the rows are outliers (-1)"
        )
    lines += told_numbers(numbers_of(model))
    return [*lines, "summary(X) says what is in them"]


def eigenvectors_line(model):
    """What a fitted embedding has found, in one line.

    Parameters
    ----------
    model : SpectralNetEmbedding
    """
    values = model.eigenvalues_
    told = ", ".join(f"{value:.4g}" for value in values[:MOST_SIZES])
    if len(values) > MOST_SIZES:
        told = f"{values[0]:.4g} to {values[-1]:.4g}"
    line = f"{len(values)} eigenvectors with eigenvalues {told}"
    error = getattr(model, "approximation_error_", None)
    if error is not None and error.distance is not None:
        line += f"; squared distance to the exact ones {error.distance:.2g}"
    return line
