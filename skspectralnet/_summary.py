"""What a clustering has found, in numbers and rows to look at."""

from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.pairwise import euclidean_distances

from skspectralnet._assignment import Mixture, Rotation
from skspectralnet._defaults import MOST_CLUSTERS
from skspectralnet._eigen import eigengaps
from skspectralnet._graph import cluster_weights
from skspectralnet._hierarchy import fine_parts
from skspectralnet._rows import dense_rows, in_memory, row_blocks
from skspectralnet._selection import criterion_graph, some_rows

# Rows of a cluster among which exemplars are spread out: the half nearest to its
# centre, at most this many.
_MOST_CORE = 500
# Numbers of clusters, and sizes, that are named.
_MOST_NUMBERS, MOST_SIZES = 3, 10
# A column whose deviation is rounding of its largest magnitude is constant.
_ROUNDING = 16 * np.finfo(np.float64).eps
# Deviations between means that are equal but for rounding.
_NO_DIFFERENCE = 1e-9
# Columns of the text, and those of the table.
_HEADER = ("cluster", "rows", "share", "purity", "next", "exemplars", "columns")


class Column(NamedTuple):
    """How a cluster differs from the other rows in a column."""

    name: str
    difference: float  # of the means, in standard deviations of the column


class NumberOfClusters(NamedTuple):
    """How clearly the rows ask for a number of clusters."""

    n_clusters: int
    value: float  # higher is clearer
    measure: str  # "support", as in `n_clusters_support_`, or "gap", of eigenvalues


class Agreement(NamedTuple):
    """Adjusted Rand index between a model's labels and those of other fits."""

    scores: np.ndarray  # (restarts,)
    mean: float
    worst: float


class Wanted(NamedTuple):
    """How many of each are listed, and how many fits are made."""

    n_exemplars: int
    n_columns: int
    n_doubtful: int
    restarts: int

    def check(self):
        """Raise a ValueError where one is no whole number of at least 0."""
        for name, value in zip(self._fields, self, strict=True):
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or value < 0:
                raise ValueError(
                    f"{name} must be a whole number of at least 0; got {value!r}."
                )


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """What a model says of some rows. Row numbers are those of the rows given.

    Parameters
    ----------
    n_samples : int
    labels : ndarray of shape (n_clusters,), int64
        Of the clusters, the `classes_` of the model.
    sizes : ndarray of int of shape (n_clusters,)
        Rows of each.
    shares : ndarray of shape (n_clusters,)
        The sizes over the number of rows.
    purity : ndarray of shape (n_clusters,)
        The share of the edges of the neighbour graph of `score`, at the rows of the
        cluster, that stay inside it. NaN for a cluster without a row in that graph.
    nearest : tuple of length n_clusters
        The label of the cluster to which most of the other edges lead; None where all
        stay inside.
    exemplars : tuple of ndarrays of int
        Rows of each cluster: first the one nearest to its centre in the embedding
        (after `merge`, to that of a part), then of the half nearest to it each time the
        one that is farthest, behind the encoder, from those before it. Fewer where no
        more rows differ.
    columns : tuple of tuples of Column
        Of each cluster the columns in which its mean is farthest from that of the
        other rows, over the standard deviation of the column.
    doubtful : ndarray of int
        The rows nearest to a border between clusters, the nearest first.
    margins : ndarray of float
        Of these: 1 - r, r how near the second nearest cluster is compared with the
        nearest: the ratio of the distances to their centres, of the probabilities of
        the mixture or of the coordinates along the axes of ``"cluster_qr"``.
    numbers : tuple of NumberOfClusters
        After ``n_clusters="auto"`` those with the largest support. Of a given
        `n_clusters` those with the largest gaps among the learned eigenvalues, of which
        there are only as many as it needs. The largest first.
    inside : float
        The share of all edges of that graph that stay inside a cluster.
    agreement : Agreement or None
        With the clusters of other fits, where some were asked for.
    """

    n_samples: int
    labels: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray
    purity: np.ndarray
    nearest: tuple
    exemplars: tuple
    columns: tuple
    doubtful: np.ndarray
    margins: np.ndarray
    numbers: tuple
    inside: float
    agreement: Agreement | None = None

    def __repr__(self):
        table = [_HEADER, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = []
        for cells in table:
            padded = [
                cell.rjust(width) if place < len(_HEADER) - 2 else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            lines.append("  ".join(padded).rstrip())
        return "\n".join([*lines, *self._lines()])

    def _repr_html_(self):
        head = "".join(f"<th>{name}</th>" for name in _HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
            for cells in self._cells()
        )
        lines = "".join(f"<p>{escape(line)}</p>" for line in self._lines())
        return (
            f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"{lines}</div>"
        )

    def to_dict(self):
        """Numbers, strings, lists and None only, as JSON has them.

        Returns
        -------
        dict
            With the fields of this object; those of each cluster are in the list
            ``"clusters"``.
        """
        of_clusters = {
            "label": self.labels.tolist(),
            "size": self.sizes.tolist(),
            "share": self.shares.tolist(),
            "purity": [None if p != p else p for p in self.purity.tolist()],
            "nearest": list(self.nearest),
            "exemplars": [rows.tolist() for rows in self.exemplars],
            "columns": [[c._asdict() for c in columns] for columns in self.columns],
        }
        clusters = [
            dict(zip(of_clusters, values, strict=True))
            for values in zip(*of_clusters.values(), strict=True)
        ]
        agreement = self.agreement
        if agreement is not None:
            agreement = {**agreement._asdict(), "scores": agreement.scores.tolist()}
        return {
            "n_samples": self.n_samples,
            "clusters": clusters,
            "doubtful": self.doubtful.tolist(),
            "margins": self.margins.tolist(),
            "numbers": [number._asdict() for number in self.numbers],
            "inside": self.inside,
            "agreement": agreement,
        }

    def to_frame(self, part="clusters"):
        """One part as a data frame of pandas.

        Parameters
        ----------
        part : {"clusters", "columns", "doubtful"}, default="clusters"
            A row for each cluster, with its label as the index; for each column that
            tells one apart; or for each doubtful row.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        ValueError
            If there is no such part.
        """
        if part not in ("clusters", "columns", "doubtful"):
            raise ValueError(
                f"part must be 'clusters', 'columns' or 'doubtful'; got {part!r}."
            )
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas: pip install pandas, or take to_dict()."
            ) from error
        told = self.to_dict()
        if part == "doubtful":
            return pd.DataFrame({"row": self.doubtful, "margin": self.margins})
        if part == "clusters":
            names = ["label", "size", "share", "purity", "nearest", "exemplars"]
            frame = pd.DataFrame(told["clusters"], columns=names)
            frame["nearest"] = frame["nearest"].astype("Int64")  # has missing ones
            return frame.set_index("label")
        entries = [
            {"label": cluster["label"], **column}
            for cluster in told["clusters"]
            for column in cluster["columns"]
        ]
        return pd.DataFrame(entries, columns=["label", *Column._fields])

    def _cells(self):
        """The text of the table, a row for each cluster."""
        for j, label in enumerate(self.labels):
            columns = [f"{name} {value:+.2f}" for name, value in self.columns[j]]
            yield (
                str(label),
                str(self.sizes[j]),
                f"{self.shares[j]:.3f}",
                f"{self.purity[j]:.3f}" if self.purity[j] == self.purity[j] else "-",
                "-" if self.nearest[j] is None else str(self.nearest[j]),
                ", ".join(map(str, self.exemplars[j])) or "-",
                ", ".join(columns) or "-",
            )

    def _lines(self):
        """What stands below the table."""
        lines = []
        if len(self.doubtful):
            rows = ", ".join(map(str, self.doubtful))
            lines.append(f"rows between clusters, the least sure first: {rows}")
        lines += told_numbers(self.numbers)
        if self.agreement is not None:
            scores, mean, worst = self.agreement
            lines.append(
                f"agreement with {len(scores)} other fits (adjusted Rand index): "
                f"{mean:.3f} in the mean, {worst:.3f} at least"
            )
        return [*lines, last_line(self.sizes, self.inside)]


def last_line(sizes, inside=None):
    """Clusters, their sizes and how many edges stay inside, in one line.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_clusters,)
    inside : float or None
        None where no edges were looked at.
    """
    if len(sizes) == 1:
        return f"1 cluster of {sizes[0]} rows"
    many = len(sizes) > MOST_SIZES
    told = f"{sizes.min()} to {sizes.max()}" if many else ", ".join(map(str, sizes))
    line = f"{len(sizes)} clusters of {told} rows"
    if inside is not None:
        share = f"{100 * inside:.1f} %"
        line += f"; {share} of the edges to nearest neighbours are inside them"
    return line


def closing_line(X, clusters, n_clusters):
    """The last line of the Summary of validated rows.

    Parameters
    ----------
    X : {ndarray, CSR matrix, StoredRows} of shape (n_samples, n_features)
    clusters : ndarray of int of shape (n_samples,)
        Of each row, from 0.
    n_clusters : int
    """
    sizes = np.bincount(clusters, minlength=n_clusters)
    return last_line(sizes, _edges_inside(_edges(X, clusters, n_clusters)))


def told_numbers(numbers):
    """The best numbers of clusters, as a list of at most one line."""
    best = ", ".join(f"{n.n_clusters} ({n.value:.2f})" for n in numbers)
    measures = {number.measure for number in numbers}  # one, or none at all
    return [f"numbers of clusters with the largest {m}: {best}" for m in measures]


def summary(model, X, Z, wanted):
    """The Summary of a fitted model.

    Parameters
    ----------
    model : SpectralNetClustering
        Fitted.
    X : {ndarray, CSR matrix, StoredRows} of shape (n_samples, n_features)
        Validated.
    Z : ndarray of shape (n_samples, n_components)
        Their embedding.
    wanted : Wanted
    """
    wanted.check()
    assignment, n_clusters = model._assignment, len(model.classes_)
    clusters = assignment.labels(Z)
    sizes = np.bincount(clusters, minlength=n_clusters)
    edges = _edges(X, clusters, n_clusters)
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = [f"x{j}" for j in range(X.shape[1])]
    doubtful, margins = _doubtful(assignment, Z, wanted.n_doubtful)
    return Summary(
        n_samples=len(clusters),
        labels=model.classes_,
        sizes=sizes,
        shares=sizes / len(clusters),
        purity=_purity(edges),
        nearest=_nearest(edges, model.classes_),
        exemplars=_exemplars(model, X, Z, clusters, wanted.n_exemplars),
        columns=_columns(X, clusters, sizes, names, wanted.n_columns),
        doubtful=doubtful,
        margins=margins,
        numbers=numbers_of(model),
        inside=_edges_inside(edges),
        agreement=_agreement(model, X, clusters, wanted.restarts),
    )


# --- edges


def _edges(X, clusters, n_clusters):
    """Weights inside and between clusters on the graph of `score`, as a CSR array."""
    rows = some_rows(len(clusters))
    graph, nodes, _ = criterion_graph(in_memory(X, rows))
    if graph is None:  # all rows are equal
        return sparse.csr_array((n_clusters, n_clusters))
    return cluster_weights(graph, clusters[rows][nodes], n_clusters)


def _edges_inside(edges):
    total = float(edges.sum())
    return float(edges.diagonal().sum()) / total if total else 1.0


def _purity(edges):
    degrees, inside = edges.sum(axis=1), edges.diagonal()
    purity = np.full(len(degrees), np.nan)
    np.divide(inside, degrees, out=purity, where=degrees > 0)
    return purity


def _nearest(edges, labels):
    """The label of the cluster that most edges from each one lead to, or None."""
    found = []
    for j in range(len(labels)):
        row = edges[[j]].toarray().ravel()
        row[j] = 0.0
        found.append(int(labels[row.argmax()]) if row.any() else None)
    return tuple(found)


# --- rows to look at


def _exemplars(model, X, Z, clusters, n_exemplars):
    fine, _ = fine_parts(model._assignment)
    lengths = np.linalg.norm(Z - fine.centers[fine.labels(Z)], axis=1)
    found = []
    for j in range(len(model.classes_)):
        rows = np.flatnonzero(clusters == j)
        n_core = min(-(-len(rows) // 2), _MOST_CORE)
        order = np.argsort(lengths[rows], kind="stable")
        core = rows[order[: max(n_core, n_exemplars)]]
        if n_exemplars and len(core):
            order = np.argsort(core)  # rows in a file are read in ascending order
            codes = model._stages.codes(in_memory(X, core[order]))
            core = core[_spread(codes[np.argsort(order)], n_exemplars)]
        found.append(core[:n_exemplars])
    return tuple(found)


def _spread(points, n_points):
    """Numbers of the first point and those farthest from all before them.

    Parameters
    ----------
    points : {ndarray, CSR} of shape (n, n_codes)
    n_points : int
        Fewer where the others are equal to these.

    Returns
    -------
    list of int
    """
    # In units in which squares are numbers; a power of two changes no digit.
    points = points * 2.0 ** -np.frexp(abs(points).max())[1]
    chosen = [0]
    nearest = euclidean_distances(points, points[[0]]).ravel()
    while len(chosen) < min(n_points, points.shape[0]) and nearest.max() > 0:
        chosen.append(int(nearest.argmax()))
        others = euclidean_distances(points, points[[chosen[-1]]]).ravel()
        nearest = np.minimum(nearest, others)
        nearest[chosen] = 0.0
    return chosen


def _doubtful(assignment, Z, n_doubtful):
    """The rows with the smallest margins, and these."""
    blocks = row_blocks(Z.shape)
    margins = np.concatenate([_margins(assignment, Z[block]) for block in blocks])
    n_doubtful *= len(assignment.centers) > 1
    rows = np.argsort(margins, kind="stable")[:n_doubtful]
    return rows, margins[rows]


def _margins(assignment, Z):
    """How much nearer the cluster of each row is than the second nearest, (n,)."""
    fine, groups = fine_parts(assignment)
    nearest, near = fine.labels(Z)[:, None], _nearness(fine, Z)
    own = np.take_along_axis(near, nearest, axis=1).ravel()
    second = np.where(groups == groups[nearest], 0.0, near).max(axis=1)
    ratio = np.divide(second, own, out=np.ones_like(own), where=own > 0)
    return 1.0 - np.minimum(ratio, 1.0)


def _nearness(assignment, Z):
    """Numbers of at least 0 by which clusters are compared, (n, n_clusters)."""
    Z = Z.astype(np.float64)
    if isinstance(assignment, Mixture):
        return assignment.probabilities(Z)
    if isinstance(assignment, Rotation):
        return np.abs(Z[:, : len(assignment.rotation)] @ assignment.rotation)
    lengths = euclidean_distances(Z, assignment.centers)
    least = lengths.min(axis=1, keepdims=True)
    return np.divide(least, lengths, out=np.ones_like(lengths), where=lengths > 0)


# --- columns


def _columns(X, clusters, sizes, names, n_columns):
    """The columns in which each cluster differs most from the other rows."""
    sums, deviations = _sums(X, clusters, len(sizes))
    total = sums.sum(axis=0)
    found = []
    for j, size in enumerate(sizes):
        n_others = len(clusters) - size
        if not 0 < size < len(clusters):
            found.append(())
            continue
        own = sums[[j]].toarray().ravel() if sparse.issparse(sums) else sums[j]
        means = own / size - (total - own) / n_others
        some = deviations > 0
        effects = np.divide(means, deviations, out=np.zeros_like(means), where=some)
        first = np.argsort(-np.abs(effects), kind="stable")[:n_columns]
        told = first[np.abs(effects[first]) > _NO_DIFFERENCE]
        found.append(tuple(Column(str(names[c]), float(effects[c])) for c in told))
    return tuple(found)


def _sums(X, clusters, n_clusters):
    """Sums over each cluster, and deviations of the columns, in units of the columns.

    Each column is divided by its largest magnitude, so that no square is too large,
    and dense ones are centred. Sparse rows stay sparse.

    Returns
    -------
    sums : {ndarray, CSR array} of shape (n_clusters, n_features)
    deviations : ndarray of shape (n_features,)
        0 of constant columns.
    """
    shape = (n_clusters, len(clusters))
    places = (clusters, np.arange(len(clusters)))
    member = sparse.csr_array((np.ones(len(clusters)), places), shape=shape)
    if sparse.issparse(X):
        scaled = sparse.csr_array(X, dtype=np.float64)
        units = abs(scaled).max(axis=0).toarray().ravel()
        units[units == 0.0] = 1.0
        parts = scaled.data / units[scaled.indices], scaled.indices, scaled.indptr
        scaled = sparse.csr_array(parts, shape=X.shape)
        means, squares = scaled.mean(axis=0), scaled.power(2).mean(axis=0)
        variances = squares - means**2  # of few stored entries: little cancels
        variances[variances <= _ROUNDING * squares] = 0.0
        return sparse.csr_array(member @ scaled), _deviations(variances)
    blocks = row_blocks(X.shape)
    units = np.max([np.abs(_floats(X, b)).max(axis=0) for b in blocks], axis=0)
    units[units == 0.0] = 1.0
    means = sum((_floats(X, b) / units).sum(axis=0) for b in blocks) / len(clusters)
    sums, variances = np.zeros((n_clusters, X.shape[1])), np.zeros(X.shape[1])
    for block in blocks:
        centred = _floats(X, block) / units - means
        sums += member[:, block] @ centred
        variances += np.square(centred).sum(axis=0)
    return sums, _deviations(variances / len(clusters))


def _floats(X, block):
    """Rows of a block as dense float64."""
    return dense_rows(X, block).astype(np.float64)


def _deviations(variances):
    deviations = np.sqrt(variances)
    return np.where(deviations > _ROUNDING, deviations, 0.0)


# --- other numbers of clusters, other fits


def numbers_of(model):
    """The best numbers of clusters, by their support or by the learned eigenvalues."""
    found = getattr(model, "n_clusters_support_", None)
    if found is None:
        numbers, values = eigengaps(model.eigenvalues_, MOST_CLUSTERS)
        first, measure = np.argsort(-values, kind="stable"), "gap"
    else:
        numbers, values = found.n_clusters, found.supports
        first, measure = np.arange(len(numbers)), "support"
    return tuple(
        NumberOfClusters(int(numbers[i]), float(values[i]), measure)
        for i in first[:_MOST_NUMBERS]
    )


def _agreement(model, X, clusters, restarts):
    """The Agreement with fits that draw other numbers; None where none is asked for."""
    if restarts == 0:
        return None
    seeds = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=restarts)
    scores = np.empty(restarts)
    for i, seed in enumerate(seeds):
        other = clone(model).set_params(random_state=int(seed), verbose=0)
        scores[i] = adjusted_rand_score(clusters, other.fit(X).labels_)
    return Agreement(scores, float(scores.mean()), float(scores.min()))
