"""Which of several maps is taken: a criterion without labels, and its error."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.metrics import adjusted_rand_score

from skspectralnet._alignment import diffusion
from skspectralnet._assignment import quick_clusters
from skspectralnet._defaults import AUTO_WIDTH, LEARNED_ROWS, MANY_CLUSTERS
from skspectralnet._distinct import distinct_rows
from skspectralnet._divisions import Support, well_knit
from skspectralnet._eigen import graph_eigenpairs
from skspectralnet._graph import (
    cut_share,
    modularity_parts,
    neighbor_graph,
    pieces,
    repeated_graph,
)
from skspectralnet._neighbor_graph import neighbor_affinity
from skspectralnet._rows import standard_points
from skspectralnet._spectral import EdgelessError

# The graph of the criterion, and of `score`: neighbours of a row, and the rows at most
# (benchmarks/score.py).
CRITERION_NEIGHBORS, CRITERION_ROWS = 10, 10_000
# But of so many clusters that these are fewer than so many for each: such a graph may
# fall into as many pieces, and one of fewer rows does not (benchmarks/speed.py). Its
# eigenvectors have so many entries at most.
CRITERION_ROWS_PER_CLUSTER, _MOST_ENTRIES = 100, 2**24
# Rows of a graph whose eigenvectors are solved for, to compare without a training.
SOLVED_ROWS = 4096
# A difference of this many standard errors is not by chance.
CLEAR = 2.0
# Standard error of the difference between two clusterings that are the same.
_ROUNDING = 1e-12
# One edge in a thousand, and an eigenvalue three times as large as the one before it.
HARDLY, _GAP = 1e-3, 3.0
# Where so little modularity is missing to the highest that as many clusters can have,
# others could only gain it by being of equal size.
_ROOM = 0.01
# Adjusted Rand index of clusters that are the same, but for a row in a hundred.
_SAME = 0.98
# Two neighbourhoods: that a cluster of fewer rows is hard to divide says nothing.
LEAST_KNIT = 2 * CRITERION_NEIGHBORS

ALL_EQUAL = "the encoder makes all rows equal"
FINE, COARSE, LEARNED = "plain, fine", "plain, coarse", "learned"
ALL_ROWS = "plain, all rows"


class Candidate(NamedTuple):
    """A way from codes to a map that a fit may take."""

    name: str
    metric_learner: object  # as the parameter, but not "auto"
    coarse: bool  # whether the graph has the wide neighbourhoods of a learned space
    # Whether the eigenvectors of the graph of all rows are solved for and learned.
    whole: bool = False


class OpenNeighbors(NamedTuple):
    """What the parameters leave open of a graph."""

    one_width: bool  # whether all candidates have the same number of neighbours
    free: bool  # whether neighbours may be searched in batches or among all rows


def candidates_of(metric_learner, n_distinct, known, neighbors):
    """The candidates of a fit, the simplest first, and why there is but one.

    Parameters
    ----------
    metric_learner : object
        The parameter.
    n_distinct : int
        Rows that differ.
    known : bool
        Whether labels or links are given.
    neighbors : OpenNeighbors

    Returns
    -------
    candidates : list of Candidate
    reason : str
        Empty where there are several.
    """
    plain = Candidate(FINE, None, False)
    learned = Candidate(LEARNED, "siamese", True)
    if metric_learner is None:
        return [plain], "asked for"
    if metric_learner != "auto":
        return [learned._replace(metric_learner=metric_learner)], "asked for"
    if known:
        return [learned], "only a learned space takes labels and links in"
    if n_distinct < LEARNED_ROWS:
        return [plain], f"fewer than {LEARNED_ROWS} different rows"
    found = [plain]
    if not neighbors.one_width:
        found.append(Candidate(COARSE, None, True))
    if neighbors.free:
        found.append(Candidate(ALL_ROWS, None, False, whole=True))
    return [*found, learned], ""


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """What a fit has compared, and what it took.

    Parameters
    ----------
    candidates : tuple of str
        Those that were compared, in this order: ``"plain, fine"`` and ``"plain,
        coarse"``, without a metric learner and with few and many neighbours,
        ``"plain, all rows"``, with ``neighbors_in="data"``, and ``"learned"``. A
        single one where nothing was compared.
    scores : ndarray of shape (n_candidates,)
        The modularity of each one's clusters; NaN where nothing was compared, or the
        candidate could not be fitted.
    errors : ndarray of shape (n_candidates,)
        Standard error of the difference between a score and that of the candidate
        that was ahead before it, for the first one of the score itself.
    taken : str
        The candidate that the model is.
    reason : str
        Why.
    n_rows : int
        Nodes of the graph: rows that differ, at most 10,000, or 100 for each of more
        than a hundred clusters; 0 where nothing was compared.
    """

    candidates: tuple
    scores: np.ndarray
    errors: np.ndarray
    taken: str
    reason: str
    n_rows: int

    def __repr__(self):
        lines = [f"{self.taken}: {self.reason}"]
        if self.n_rows:
            lines.append(f"  modularity on {self.n_rows} different rows")
            for name, score, error in zip(
                self.candidates, self.scores, self.errors, strict=True
            ):
                mark = "*" if name == self.taken else " "
                lines.append(f"{mark} {name:<15} {score:.4f} +- {error:.4f}")
        return "\n".join(lines)


class Contest:
    """Compares clusterings of the same rows, one after the other.

    The criterion is the modularity on one fixed graph. Clusters of plain codes take the
    place of the best so far where their score is higher by two standard errors of the
    difference, those of a learned space unless theirs is lower by as much: where
    nothing but chance tells them apart, labels are nearer to the latter
    (benchmarks/quality.py). But clusters that are `well_knit` are better than others in
    any case: modularity is higher for those of equal size, whether they are there or
    not.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    rows : slice or ndarray of int of shape (n_nodes,)
        The rows that are its nodes.
    multiplicities : ndarray of shape (n_nodes,), default=None
        How often each occurs, as in the graph; None: all as often.
    """

    def __init__(self, graph, rows, multiplicities=None):
        self._graph, self.rows, self.multiplicities = graph, rows, multiplicities
        self._scores = {}  # of each name: score and error
        self._best = None  # the parts of the one that is taken so far
        self.taken = None  # its Candidate
        self.labels = None
        self._gap, self._certain, self._found = False, None, []
        self._by_support = False  # whether the last comparison was

    def again(self):
        """A Contest without entries on the same graph."""
        return Contest(self._graph, self.rows, self.multiplicities)

    def sure_alone(self, candidate, labels, gap):
        """Whether clusters leave nothing to find, whatever others have found."""
        contest = self.again()
        contest.add(candidate, labels, gap=gap)
        return contest.equal or contest.certain

    def supported(self, usual, *others):
        """Which clusterings are taken, by number, where modularity has no say.

        Another one than the first where it is `_supported` more.
        """
        best, labels = 0, usual
        for number, found in enumerate(others, 1):
            if self._supported(labels, found):
                best, labels = number, found
        return best

    def _supported(self, before, labels):
        """Whether clusters have clearly more `Support` than those before; or None.

        More of it counts where it is worth more than nothing, None is no clear answer.
        """
        first, parts = map(self._support.parts, (before, labels))
        gain = parts - first
        clear = CLEAR * _standard_error(gain) + _ROUNDING
        if parts.sum() > 0.0 and np.mean(gain) > clear:
            return True
        return False if first.sum() > 0.0 and np.mean(-gain) > clear else None

    @functools.cached_property
    def _support(self):
        return Support(self._graph)

    def add(self, candidate, labels, *, gap=False):
        """Compare one more clustering; return whether it is now the one taken.

        `gap` says that in the spectrum of its own graph a gap follows its clusters.
        """
        parts, gain, error = self._score(candidate, labels)
        self._found.append(labels)
        bar = CLEAR if candidate.metric_learner is None else -CLEAR
        certain = None if self._best is None else self._is_certain(labels, gap)
        self._by_support = False
        if certain is None or certain != self.certain:
            better = certain is not False
        else:
            better = bool(np.mean(gain) > bar * (error + _ROUNDING))
            if len(np.unique(self.labels)) >= MANY_CLUSTERS:
                # The more clusters, the more modularity gains by equal sizes.
                supported = self._supported(self.labels, labels)
                self._by_support = supported is not None
                better = better if supported is None else supported
        if better:
            self._best, self.taken, self.labels = parts, candidate, labels
            self._gap, self._certain = gap, certain
        return better

    def _score(self, candidate, labels):
        """Note a score; the parts, their lead over the best so far, and its error."""
        parts = modularity_parts(self._graph, labels)
        gain = parts if self._best is None else parts - self._best
        error = _standard_error(gain)
        self._scores[candidate.name] = float(np.mean(parts)), error
        return parts, gain, error

    def stand_in(self, candidate, labels):
        """Take a candidate whose clusters are those of the one taken so far."""
        self._score(candidate, labels)
        self.taken = candidate

    def fail(self, candidate):
        """Note a candidate that could not be fitted."""
        self._scores[candidate.name] = np.nan, np.nan

    @property
    def equal(self):
        """Whether the modularity is 1 - 1 / k but for chance, or nearly and uncut.

        That is the one of k equal clusters without an edge between them; no k clusters
        have more.
        """
        if self.taken is None:
            return False
        n_clusters = len(np.unique(self.labels))
        room = 1.0 - 1.0 / n_clusters - float(np.mean(self._best))
        chance = CLEAR * _standard_error(self._best)
        nearly = room <= _ROOM and self._cuts_hardly()
        return n_clusters > 1 and (nearly or room <= chance)

    def _cuts_hardly(self, labels=None):
        labels = self.labels if labels is None else labels
        return cut_share(self._graph, labels) <= HARDLY

    def _is_certain(self, labels, gap):
        """Whether clusters are well knit: for certain, or as far as can be found.

        The latter counts where hardly an edge is between them and a gap follows them.
        """
        if well_knit(self._graph, labels, LEAST_KNIT):
            return True
        uncut = gap and self._cuts_hardly(labels)
        return uncut and well_knit(self._graph, labels, LEAST_KNIT, proven=False)

    @property
    def settled(self):
        """Whether nothing is left to find: three ways to be sure.

        The clusters are `equal`; or each costs more to divide than to leave; or hardly
        an edge is cut, a gap in the spectrum says that there are as many clusters, and
        all candidates so far have found the same.
        """
        if self.taken is None or self.equal:
            return self.taken is not None
        same = all(_agree(self.labels, found) for found in self._found)
        return (self._gap and self._cuts_hardly() and same) or self.certain

    @property
    def thin(self):
        """Whether a cluster taken has too few nodes to tell anything of it."""
        return np.unique(self.labels, return_counts=True)[1].min() < LEAST_KNIT

    @property
    def certain(self):
        """Whether the clusters taken are well knit."""
        if self._certain is None:
            self._certain = self._is_certain(self.labels, self._gap)
        return self._certain

    def selection(self):
        """The Selection so far."""
        names = tuple(self._scores)
        scores, errors = np.array(list(self._scores.values())).T
        if self.settled:
            reason = "each of its clusters costs more to divide than to leave"
            if self._cuts_hardly():
                reason = "hardly an edge of the neighbour graph is between its clusters"
            if self.taken.whole:
                reason += ", and batches are too coarse for them"
        elif self._by_support:
            reason = "its clusters cost clearly more to divide, less what leaving costs"
        elif self.taken.metric_learner is None:
            reason = "its clusters cut the neighbour graph clearly better"
        else:
            reason = "none of the others cuts the neighbour graph clearly better"
        n_rows = self._graph.shape[0]
        return Selection(names, scores, errors, self.taken.name, reason, n_rows)


class Ways(NamedTuple):
    """How the candidates are reached.

    Fields
    ------
    fit : callable
        Candidate -> what `clusters` takes, the same when called again; may raise an
        EdgelessError.
    clusters : callable
        That and numbers of rows -> the labels of these.
    contest : callable
        Nothing -> a Contest without entries.
    larger : callable
        Plain candidates -> a Contest on more rows with their exact clusters; None where
        there are no more.
    """

    fit: object
    clusters: object
    contest: object
    larger: object


def choose(candidates, solved, ways, *, thin=False):
    """Fit candidates, no more than needed, until one is taken.

    Parameters
    ----------
    candidates : list of Candidate
        The last one has a metric learner.
    solved : Contest or None
        Where the plain ones have been compared by the exact eigenvectors of their
        graphs: the best of them alone is fitted, and only where it is clearly better
        than the last one, on more rows as well; these come first where one of its
        clusters has few of the others. Where it is settled, and batches do not
        find its clusters, that of all rows is fitted.
    ways : Ways
    thin : bool, default=False
        Whether `solved` is on more rows as it is, because few cannot have enough of
        each cluster.

    Returns
    -------
    fitted : object
        What `fit` made of the candidate that is taken.
    selection : Selection
    """
    last, whole = candidates[-1], [c for c in candidates if c.whole]
    if not thin and solved is not None and not solved.settled and solved.thin:
        # A batch has fewer rows of that cluster still.
        thin = True
        solved = ways.larger(dict.fromkeys([*whole, solved.taken])) or solved
    if solved is None:
        return _best_fitted([c for c in candidates if not c.whole], ways)
    if solved.settled:
        plain = [*dict.fromkeys([solved.taken, *whole])]
        for candidate in plain:
            fitted = ways.fit(candidate)
            found = ways.clusters(fitted, solved.rows)
            if _agree(solved.labels, found):
                if candidate is not solved.taken:
                    solved.stand_in(candidate, found)
                return fitted, solved.selection()
        return _best_fitted([*plain, last], ways)
    learned = ways.fit(last)
    better = solved.add(last, ways.clusters(learned, solved.rows))
    if not (better or thin):
        # The neighbours of few rows are far: those of more are nearer to what a map
        # of all rows can find, and are solved for sooner than it is learned.
        larger = ways.larger(dict.fromkeys([solved.taken, *whole]))
        if larger is not None:
            solved = larger
            better = solved.add(last, ways.clusters(learned, solved.rows))
    if better:
        return learned, solved.selection()
    return _best_fitted([solved.taken, last], ways)


def _best_fitted(candidates, ways):
    """Fit candidates, one after the other, until the clusters of one are settled."""
    best, failed, contest = None, None, ways.contest()
    for candidate in candidates:
        try:
            fitted = ways.fit(candidate)
        except EdgelessError as error:  # distances of another are on another scale
            failed = error
            contest.fail(candidate)
            continue
        if contest.add(candidate, ways.clusters(fitted, contest.rows)):
            best = fitted
        if contest.settled:
            break
    if best is None:
        raise failed
    return best, contest.selection()


def _agree(first, second):
    """Whether two clusterings are the same, but for a row in a hundred."""
    return adjusted_rand_score(first, second) >= _SAME


def solved_clusters(
    points, n_neighbors, affinity, laplacian, components, multiplicities
):
    """The clusters of the exact eigenvectors of a graph of some rows.

    Parameters
    ----------
    points : ndarray or CSR array of shape (n_rows, n_points), standardised
    n_neighbors : int
        Below n_rows.
    affinity : {"self_tuning", "nearest_neighbors", "rbf"}
    laplacian : {"random_walk", "symmetric", "unnormalized"}
    components : object
        With `n_learned`, `n_expected` and `n_trivial`.
    multiplicities : ndarray of shape (n_rows,) or None
        How many rows each one stands for.

    Returns
    -------
    labels : ndarray of shape (n_rows,), int64
        Those of rows without an edge, so far are they from all others, are 0.
    gap : bool
        Whether the spectrum has a gap after them: the last of as many eigenvalues is
        at most a third of the next one, which is not 0: of more pieces than clusters
        the spectrum does not say which belong together.
    """
    same = np.random.RandomState(0)
    graph = neighbor_affinity(
        points, affinity, n_neighbors, gamma=None, random_state=same
    )
    graph = repeated_graph(graph, multiplicities)
    labels = np.zeros(graph.shape[0], dtype=np.int64)
    linked = np.flatnonzero(graph.sum(axis=1) > 0)
    if len(linked) < 2:
        return labels, False
    if len(linked) < len(labels):
        graph = graph[linked][:, linked]
    n_pieces, members = pieces(graph)
    if components.n_trivial == 0 and n_pieces == components.n_expected > 1:
        # These are the clusters, by the first eigenvectors: eigenvalue 0.
        labels[linked] = members
        return labels, True
    n_vectors = min(components.n_learned, graph.shape[0] - 1)
    pairs = graph_eigenpairs(graph, n_vectors, laplacian, same)
    values = decays = pairs.eigenvalues
    if laplacian == "unnormalized":
        decays = decays / float(graph.sum(axis=1).max())
    n_clusters = components.n_expected
    labels[linked] = clusters_of_vectors(pairs.vectors, decays, n_clusters)
    last = n_clusters - 1  # as many eigenvalues as clusters
    gap = 0 < last < len(values) - 1 and _GAP * values[last] <= values[last + 1]
    return labels, bool(gap and n_pieces <= n_clusters)


def clusters_of_vectors(vectors, decays, n_clusters):
    """Clusters of exact eigenvectors, weighted as those of a map are.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, n_vectors)
    decays : ndarray of shape (n_components,), ascending
        Eigenvalues of the first of them, of a normalized Laplacian.
    n_clusters : int

    Returns
    -------
    labels : ndarray of shape (n_rows,), int64
    """
    weights = diffusion(decays, "auto", n_clusters).weights
    Z = np.ascontiguousarray(vectors[:, : len(weights)] * weights)
    return quick_clusters(Z, n_clusters)


def lead(graph, labels, others):
    """How much higher the modularity of clusters is than that of others.

    Parameters
    ----------
    graph : CSR array of shape (n_nodes, n_nodes), symmetric
    labels, others : ndarray of int of shape (n_nodes,)

    Returns
    -------
    lead, error : float
        With its standard error.
    """
    gain = modularity_parts(graph, labels) - modularity_parts(graph, others)
    return float(np.mean(gain)), _standard_error(gain)


def _standard_error(parts):
    return float(np.std(parts) / np.sqrt(len(parts)))


def without_contest(name, reason):
    """The Selection of a fit that had one candidate."""
    nothing = np.full(1, np.nan)
    return Selection((name,), nothing, nothing, name, reason, 0)


def some_rows(n_rows, most=None):
    """Numbers of the rows that a criterion takes, ascending; a slice for all."""
    most = CRITERION_ROWS if most is None else most
    if n_rows <= most:
        return slice(None)
    return np.sort(np.random.RandomState(0).permutation(n_rows)[:most])


def criterion_rows(n_clusters, n_vectors):
    """At most how many rows candidates for a number of clusters are compared on."""
    wanted = CRITERION_ROWS_PER_CLUSTER * n_clusters
    return max(CRITERION_ROWS, min(wanted, _MOST_ENTRIES // n_vectors))


def criterion_graph(X, weights=None, n_neighbors=CRITERION_NEIGHBORS):
    """The graph on which clusterings of rows are compared.

    Each row is linked to its 10 nearest by Euclidean distance; equal rows are one,
    whose edges count as often as it occurs.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,), default=None
        As how many rows each counts; None: as one.
    n_neighbors : int, default=10

    Returns
    -------
    graph : CSR array of shape (n_distinct, n_distinct), or None
        None where all rows are equal.
    rows : ndarray of int of shape (n_distinct,)
        The first row of each kind.
    multiplicities : ndarray of shape (n_distinct,), or None
        How often each occurs, of mean 1; None: all as often.
    """
    points = standard_points(X, AUTO_WIDTH)
    distinct = distinct_rows(points)
    n_distinct = len(distinct.first)
    many = distinct.multiplicities(weights)
    if n_distinct == 1:
        return None, distinct.first, many
    if n_distinct < len(distinct.inverse):
        points = points[distinct.first]
    graph = neighbor_graph(points, min(n_neighbors, n_distinct - 1))
    return repeated_graph(graph, many), distinct.first, many
