"""What metric_learner="auto" compares, and what it takes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from skspectralnet import (
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
    _candidates,
)
from skspectralnet._defaults import batch_neighbors, neighbor_shares
from skspectralnet._divisions import well_knit
from skspectralnet._graph import modularity, modularity_parts
from skspectralnet._plan import Components
from skspectralnet._selection import (
    ALL_ROWS,
    COARSE,
    FINE,
    LEARNED,
    Contest,
    OpenNeighbors,
    Ways,
    candidates_of,
    choose,
    criterion_graph,
    criterion_rows,
    solved_clusters,
)

OPEN = OpenNeighbors(one_width=False, free=True)


def ring(n_rows):
    """A cycle: each node has two neighbours."""
    ends = np.arange(n_rows), (np.arange(n_rows) + 1) % n_rows
    half = sparse.csr_array((np.ones(n_rows), ends), shape=(n_rows, n_rows))
    return sparse.csr_array(half + half.T)


def spirals(n_rows, rng, turns=1.5):
    """Two spirals in two columns, and their labels."""
    place = 0.05 + 0.95 * (np.arange(n_rows) + rng.uniform(size=n_rows)) / n_rows
    turn = np.sqrt(place) * 2 * turns * np.pi
    y = np.arange(n_rows) % 2
    sign = np.where(y, 1.0, -1.0)
    X = np.column_stack([np.cos(turn), np.sin(turn)]) * (turn * sign)[:, None]
    return X + rng.normal(scale=0.25, size=X.shape), y


def candidate(name):
    return next(c for c in candidates_of("auto", 500, False, OPEN)[0] if c.name == name)


def test_modularity_of_halves_of_a_ring():
    labels = np.arange(20) // 10  # 18 of 20 edges inside, halves of the degrees
    assert modularity(ring(20), labels) == pytest.approx(0.9 - 0.5)
    parts = modularity_parts(ring(20), labels)
    assert parts.mean() == pytest.approx(0.4)
    # The four ends of cut edges have one neighbour of two inside, all others both.
    assert_allclose(parts[[0, 9, 10, 19]], 0.4 + 0.5 - 0.9, atol=1e-12)
    assert_allclose(parts[1:9], 0.4 + 1.0 - 0.9)


def test_parts_are_what_a_row_that_counts_more_changes(rng):
    near = rng.uniform(size=(30, 30)) * (rng.uniform(size=(30, 30)) < 0.3)
    graph, labels = sparse.csr_array(near + near.T), rng.randint(3, size=30)

    def weighted(row, more):
        """The modularity where what leaves a row counts more."""
        leaving = (
            graph.toarray() * np.where(np.arange(30) == row, 1 + more, 1.0)[:, None]
        )
        same = labels[:, None] == labels
        shares = np.bincount(labels, leaving.sum(axis=1)) / leaving.sum()
        return leaving[same].sum() / leaving.sum() - np.sum(shares**2)

    slopes = [(weighted(i, 1e-5) - weighted(i, -1e-5)) / 2e-5 for i in range(30)]
    parts = modularity_parts(graph, labels)
    assert parts.mean() == pytest.approx(modularity(graph, labels))
    assert_allclose(parts - parts.mean(), 30 * np.array(slopes), atol=1e-7)


def test_the_error_is_that_of_other_samples(rng):
    found, errors = [], []
    for _ in range(60):
        X, _ = make_blobs(300, 2, centers=[[0, 0], [3, 0]], random_state=rng)
        graph, rows, _ = criterion_graph(X)
        labels = (X[rows, 0] > 1.5).astype(int)
        parts = modularity_parts(graph, labels)
        found.append(parts.mean())
        errors.append(parts.std() / np.sqrt(len(parts)))
    assert 0.5 < np.std(found) / np.mean(errors) < 2.0


@pytest.mark.parametrize(
    ("metric_learner", "n_distinct", "known", "neighbors", "names"),
    [
        ("auto", 500, False, OPEN, [FINE, COARSE, ALL_ROWS, LEARNED]),
        ("auto", 500, False, OpenNeighbors(True, True), [FINE, ALL_ROWS, LEARNED]),
        ("auto", 500, False, OpenNeighbors(False, False), [FINE, COARSE, LEARNED]),
        ("auto", 500, False, OpenNeighbors(True, False), [FINE, LEARNED]),
        ("auto", 499, False, OPEN, [FINE]),
        ("auto", 20, True, OPEN, [LEARNED]),
        (None, 5000, False, OPEN, [FINE]),
        ("siamese", 20, False, OPEN, [LEARNED]),
        (SiameseEmbedding(), 20, False, OPEN, [LEARNED]),
    ],
)
def test_candidates(metric_learner, n_distinct, known, neighbors, names):
    found, reason = candidates_of(metric_learner, n_distinct, known, neighbors)
    assert [c.name for c in found] == names
    assert bool(reason) == (len(names) == 1)
    if metric_learner != "auto":
        assert found[0].metric_learner is metric_learner


def test_a_difference_by_chance_decides_nothing():
    halves, quarters = np.arange(200) // 100, np.arange(200) // 50
    contest = Contest(ring(200), slice(None))
    assert contest.add(candidate(FINE), halves)
    assert not contest.add(candidate(COARSE), 1 - halves)
    assert contest.add(candidate(LEARNED), halves)  # as good, and the default
    selection = contest.selection()
    assert selection.taken == LEARNED
    assert selection.candidates == (FINE, COARSE, LEARNED)
    assert_allclose(selection.scores, 0.49)
    assert_allclose(selection.errors[1:], 0.0, atol=1e-12)
    assert "learned" in repr(selection)
    assert "200 different rows" in repr(selection)
    contest = Contest(ring(200), slice(None))
    contest.add(candidate(FINE), quarters)
    assert contest.add(candidate(COARSE), np.arange(200) // 25)
    assert not contest.add(candidate(LEARNED), quarters)
    assert contest.selection().taken == COARSE


def test_clusters_without_an_edge_between_them_are_settled():
    two = sparse.block_diag([ring(50), ring(50)], format="csr")
    contest = Contest(sparse.csr_array(two), slice(None))
    contest.add(candidate(FINE), np.arange(100) // 50)
    assert contest.settled
    single = Contest(sparse.csr_array(two), slice(None))
    single.add(candidate(FINE), np.zeros(100, dtype=int))
    assert not single.settled  # nothing was found


@pytest.mark.parametrize("cls", [SpectralNetClustering, SpectralNetEmbedding])
def test_auto_is_bitwise_what_it_takes(cls, rng):
    X, _ = make_blobs(600, 6, centers=3, cluster_std=1.0, random_state=rng)
    n = 3 if cls is SpectralNetClustering else 2  # vectors beside the trivial one
    auto = cls(n, metric_learner="auto", max_iter=5, random_state=0).fit(X)
    assert auto.selection_.taken == FINE
    asked = cls(n, metric_learner=None, max_iter=5, random_state=0).fit(X)
    assert_array_equal(auto.transform(X), asked.transform(X))
    assert asked.selection_.candidates == (FINE,)
    assert np.isnan(asked.selection_.scores).all()


def test_auto_is_bitwise_the_learned_space_that_it_takes():
    X = load_digits().data[:900]
    auto = SpectralNetClustering(10, random_state=0).fit(X)
    assert auto.selection_.taken == LEARNED
    asked = SpectralNetClustering(10, metric_learner="siamese", random_state=0).fit(X)
    assert_array_equal(auto.labels_, asked.labels_)
    assert_array_equal(auto.transform(X), asked.transform(X))
    assert_array_equal(auto.predict(X), auto.labels_)


def test_a_generator_goes_on_where_the_candidate_taken_left_it(rng):
    X, _ = make_blobs(600, 6, centers=3, random_state=rng)
    after = []
    for metric_learner in ("auto", None):
        own = np.random.RandomState(0)
        SpectralNetClustering(
            3, metric_learner=metric_learner, max_iter=3, random_state=own
        ).fit(X)
        after.append(own.randint(2**31))
    assert after[0] == after[1]


@pytest.mark.parametrize("n_columns", [2, 4, 10])
@pytest.mark.parametrize(
    "change", ["turned", pytest.param("zeros", marks=pytest.mark.slow)]
)
def test_shapes_are_found_in_any_number_of_columns(n_columns, change, rng):
    X, y = spirals(1500, rng)
    wide = np.zeros((len(X), n_columns))
    wide[:, :2] = X
    if change == "turned":
        wide = wide @ np.linalg.qr(rng.normal(size=(n_columns, n_columns)))[0]
    model = SpectralNetClustering(2, random_state=0).fit(wide)
    assert model.selection_.taken == FINE
    assert adjusted_rand_score(y, model.labels_) >= 0.99


class Fitted:
    """Candidates that are "fitted": each has labels that are known before."""

    def __init__(self, larger=None, **labels):
        self.labels, self.fitted, self.larger = labels, [], larger

    def ways(self, contest):
        def fit(candidate):
            if candidate.name not in self.fitted:
                self.fitted.append(candidate.name)
            return candidate.name

        return Ways(
            fit,
            lambda name, _: self.labels[name],
            contest.again,
            lambda plain: self.larger,
        )


def contest_of(graph, **labels):
    """A Contest with entries: candidates by name, and their labels."""
    contest = Contest(sparse.csr_array(graph), slice(None))
    for name, found in labels.items():
        contest.add(candidate(name), found)
    return contest


def two_rings(n_nodes):
    return sparse.block_diag([ring(n_nodes), ring(n_nodes)])


@pytest.mark.parametrize(
    ("found", "taken", "fitted"),
    [
        ({FINE}, FINE, [FINE]),
        ({ALL_ROWS, LEARNED}, ALL_ROWS, [FINE, ALL_ROWS]),
        ({LEARNED}, LEARNED, [FINE, ALL_ROWS, LEARNED]),
    ],
)
def test_clusters_that_are_settled_are_fitted_until_a_map_has_them(
    found, taken, fitted
):
    right, wrong = np.arange(100) // 50, np.arange(100) % 2
    solved = contest_of(two_rings(50), **{FINE: right})
    names = (FINE, ALL_ROWS, LEARNED)
    fits = Fitted(**{name: right if name in found else wrong for name in names})
    candidates = [candidate(name) for name in names]
    best, selection = choose(candidates, solved, fits.ways(solved))
    assert best == selection.taken == taken
    assert fits.fitted == fitted
    assert ("batches" in selection.reason) == (taken == ALL_ROWS)


def test_rows_that_were_not_solved_first_decide_before_a_plain_map_is_learned():
    halves, mixed = np.arange(100) // 50, np.arange(100) % 2
    names = (FINE, LEARNED)
    for in_larger, fitted in ((mixed, [LEARNED]), (halves, [LEARNED, FINE])):
        solved = contest_of(ring(100), **{FINE: halves})
        larger = contest_of(ring(100), **{FINE: in_larger})
        fits = Fitted(larger, **{FINE: halves, LEARNED: mixed})
        candidates = [candidate(name) for name in names]
        best, selection = choose(candidates, solved, fits.ways(solved))
        assert fits.fitted == fitted
        assert best == selection.taken == fitted[-1]


def test_the_plain_map_that_more_rows_prefer_is_fitted():
    halves, mixed = np.arange(100) // 50, np.arange(100) % 2
    solved = contest_of(ring(100), **{FINE: halves})
    larger = contest_of(two_rings(50), **{FINE: mixed, ALL_ROWS: halves})
    fits = Fitted(larger, **{ALL_ROWS: halves, LEARNED: mixed})
    candidates = [candidate(name) for name in (FINE, ALL_ROWS, LEARNED)]
    best, selection = choose(candidates, solved, fits.ways(solved))
    assert fits.fitted == [LEARNED, ALL_ROWS]
    assert best == selection.taken == ALL_ROWS


@pytest.mark.parametrize(("n_rows", "fitted"), [(100, 1), (30, 2)])
def test_more_rows_decide_where_clusters_have_few(n_rows, fitted):
    """Halves of 30 rows are thinner than two neighbourhoods of ten."""
    y, mixed = np.arange(n_rows) * 2 // n_rows, np.arange(n_rows) % 2
    solved = contest_of(ring(n_rows), **{FINE: mixed})
    larger = contest_of(ring(n_rows), **{ALL_ROWS: y})
    fits = Fitted(larger, **{ALL_ROWS: y, LEARNED: np.where(y, y, mixed)})
    candidates = [candidate(name) for name in (FINE, ALL_ROWS, LEARNED)]
    best, _ = choose(candidates, solved, fits.ways(solved))
    assert len(fits.fitted) == fitted
    assert best == (LEARNED if fitted == 1 else ALL_ROWS)


def test_thin_clusters_that_more_rows_settle_need_no_learned_space():
    y, mixed = np.arange(30) // 15, np.arange(30) % 2
    solved = contest_of(ring(30), **{FINE: mixed})
    larger = contest_of(two_rings(15), **{ALL_ROWS: y})
    fits = Fitted(larger, **{ALL_ROWS: y})
    candidates = [candidate(name) for name in (FINE, ALL_ROWS, LEARNED)]
    assert choose(candidates, solved, fits.ways(solved))[0] == ALL_ROWS
    assert fits.fitted == [ALL_ROWS]


def test_clusters_of_more_rows_are_not_looked_for_on_still_more():
    y, mixed = np.arange(30) // 15, np.arange(30) % 2
    solved = contest_of(two_rings(15), **{ALL_ROWS: mixed})
    fits = Fitted(contest_of(two_rings(15)), **{ALL_ROWS: mixed, LEARNED: y})
    candidates = [candidate(name) for name in (FINE, ALL_ROWS, LEARNED)]
    assert choose(candidates, solved, fits.ways(solved), thin=True)[0] == LEARNED
    assert fits.fitted == [LEARNED]


@pytest.mark.parametrize("n_clusters", [204, 205])
def test_few_rows_are_not_looked_at_where_clusters_have_too_few(
    n_clusters, monkeypatch
):
    """4,096 rows have fewer than 20 of one of 205 clusters, whatever they are."""
    X, _ = make_blobs(4200, 2, centers=3, random_state=0)

    def look(contest, *_):
        raise RuntimeError(f"{len(contest.rows)} rows")

    monkeypatch.setattr(_candidates, "_solved", look)
    model = SpectralNetClustering(n_clusters, random_state=0)
    n_rows = 4096 if n_clusters == 204 else 4200
    with pytest.raises(RuntimeError, match=f"^{n_rows} rows$"):
        model.fit(X)


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [((10, 13), 10_000), ((300, 390), 30_000), ((1000, 1300), 2**24 // 1300)],
)
def test_many_clusters_are_compared_on_more_rows(sizes, rows):
    assert criterion_rows(*sizes) == rows


def test_as_many_pieces_as_clusters_are_the_clusters(rng):
    X, y = make_blobs(300, centers=4, cluster_std=0.1, random_state=rng)
    found = []
    for n_trivial in (0, 1):  # 1: by eigenvectors
        components = Components(6, 4, n_trivial)
        found.append(
            solved_clusters(X, 10, "self_tuning", "random_walk", components, None)
        )
    for labels, gap in found:
        assert adjusted_rand_score(y, labels) == 1.0
        assert gap


@pytest.mark.parametrize("laplacian", ["random_walk", "symmetric", "unnormalized"])
def test_more_pieces_than_clusters_are_no_gap(laplacian, rng):
    X, _ = make_blobs(300, centers=5, cluster_std=0.1, random_state=rng)
    for n_clusters in (2, 3, 4):
        components = Components(n_clusters + 3, n_clusters, 0)
        found = solved_clusters(X, 10, "self_tuning", laplacian, components, None)
        assert not found[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("turns", [2.5, 3])
@pytest.mark.parametrize("cls", [SpectralNetClustering, SpectralNetEmbedding])
def test_where_batches_fail_the_graph_of_all_rows_is_learned(cls, turns, seed):
    X, y = spirals(3000, np.random.RandomState(seed), turns)
    n = 2 if cls is SpectralNetClustering else 1  # vectors beside the trivial one
    auto = cls(n, metric_learner="auto", neighbors_in="auto", init="random")
    auto.set_params(random_state=seed).fit(X)
    assert auto.selection_.taken == ALL_ROWS
    assert auto.approximation_error_.distance < 0.05
    asked = clone(auto).set_params(
        metric_learner=None, neighbors_in="data", init="spectral"
    )
    assert_array_equal(auto.transform(X), asked.fit(X).transform(X))
    Z = auto.transform(X)
    labels = Z[:, 0] > 0 if cls is SpectralNetEmbedding else auto.labels_
    assert adjusted_rand_score(y, labels) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_where_the_graph_of_all_rows_cuts_better_it_is_taken(seed):
    # Six lines beside each other, of which some touch: no clusters are sure.
    rng = np.random.RandomState(seed)
    lines = [np.c_[rng.uniform(0, 20, 300), np.full(300, 0.8 * i)] for i in range(6)]
    X = np.vstack(lines) + 0.06 * rng.normal(size=(1800, 2))
    model = SpectralNetClustering(6, random_state=seed).fit(X)
    assert model.selection_.taken == "plain, all rows"
    assert adjusted_rand_score(np.repeat(np.arange(6), 300), model.labels_) > 0.7


def test_neighbors_in_batches_alone_are_a_choice(rng):
    X, _ = spirals(600, rng)
    model = SpectralNetClustering(2, neighbors_in="batch", max_iter=3, random_state=0)
    assert ALL_ROWS not in model.fit(X).selection_.candidates
    with pytest.raises(ValueError, match="neighbors_in='data', or init='random' with"):
        model.set_params(neighbors_in="auto", init="spectral").fit(X)


def test_a_graph_of_all_rows_is_compared_too(rng):
    X, y = make_moons(600, noise=0.05, random_state=rng)
    X = np.column_stack([X, np.zeros((600, 3))])
    model = SpectralNetClustering(2, neighbors_in="data", random_state=0).fit(X)
    assert model.selection_.taken == FINE
    assert adjusted_rand_score(y, model.labels_) >= 0.99


def test_distances_that_one_candidate_cannot_use_are_left_to_another(rng):
    """exp(-gamma d^2) is 0 between rows, but not in the space learned from them."""
    X = load_digits().data[:600]
    model = SpectralNetClustering(
        10, affinity="rbf", gamma=10.0, max_iter=3, random_state=0
    )
    model.fit(X * 1e3)
    assert model.selection_.candidates == (FINE, COARSE, LEARNED)
    assert_array_equal(np.isnan(model.selection_.scores), [True, True, False])


def test_nothing_is_compared_where_labels_are_given(rng):
    X = rng.normal(size=(200, 5))
    known = np.where(np.arange(200) < 20, np.arange(200) % 2, -1)
    model = SpectralNetClustering(2, max_iter=2, random_state=0)
    model.fit(X, partial_labels=known)
    assert model.selection_.candidates == (LEARNED,)
    assert model.selection_.n_rows == 0


def _linked(*sizes, density=0.5, seed=0):
    """Random graphs of so many nodes, none linked to another."""
    rng = np.random.RandomState(seed)
    blocks = []
    for size in sizes:
        upper = np.triu(rng.uniform(size=(size, size)) < density, 1)
        blocks.append(sparse.csr_array((upper + upper.T).astype(float)))
    return sparse.csr_array(sparse.block_diag(blocks))


def test_uncut_clusters_are_well_knit_unless_in_pieces_or_small():
    labels = np.repeat([0, 1], [60, 30])
    assert well_knit(_linked(60, 30), labels, 20)
    # The first of them has two pieces: another division is as good.
    assert not well_knit(_linked(30, 30, 30), labels, 20)
    # 19 nodes, fewer than two neighbourhoods of 10.
    assert not well_knit(_linked(60, 19), np.repeat([0, 1], [60, 19]), 20)


@pytest.mark.parametrize(("n_bridges", "expected"), [(4, True), (5, False)])
def test_a_ring_is_well_knit_up_to_half_its_eigenvalue(n_bridges, expected):
    # With edges over one node a ring of 24 has 96 edge ends, and the second eigenvalue
    # 1 - (cos 15 + cos 30) / 2 = 0.0840. To leave it costs 4 / 100 or 5 / 101.
    steps = [np.roll(np.eye(24), step, axis=1) for step in (-2, -1, 1, 2)]
    blocks = sparse.block_diag([sum(steps), 1 - np.eye(30)])
    graph = sparse.lil_array(blocks)
    for i in range(n_bridges):
        graph[i, 24 + i] = graph[24 + i, i] = 1.0
    assert well_knit(graph.tocsr(), np.repeat([0, 1], [24, 30]), 20) is expected


def _two_paths(n_first, n_second):
    """Two paths, the ends of which are linked by an edge of a tenth of the weight."""
    n_nodes = n_first + n_second
    weights = np.ones(n_nodes - 1)
    weights[n_first - 1] = 0.1
    return sparse.csr_array(sparse.diags_array([weights, weights], offsets=[-1, 1]))


def test_of_a_long_cluster_the_cheapest_division_is_found():
    # The path of 100 nodes has 198 edge ends: halved, it costs 1 / 99, which is
    # more than the .1 / 198.1 of leaving it. Its eigenvalue is 1 - cos(pi / 99).
    graph, labels = _two_paths(100, 50), np.repeat([0, 1], [100, 50])
    assert (1.0 - np.cos(np.pi / 99)) / 2.0 < 0.1 / 198.1
    assert not well_knit(graph, labels, 20)
    assert well_knit(graph, labels, 20, proven=False)
    # Cut elsewhere, a cluster holds the light edge, and is cheap to divide there.
    moved = np.repeat([0, 1], [75, 75])
    assert not well_knit(graph, moved, 20, proven=False)


@pytest.mark.parametrize("gap", [True, False])
def test_long_clusters_before_a_gap_are_taken_whatever_the_modularity(gap):
    labels, halves = np.repeat([0, 1], [300, 30]), np.repeat([0, 1], [165, 165])
    graph = _two_paths(300, 30)
    assert modularity(graph, halves) > modularity(graph, labels)
    long, other = candidate(ALL_ROWS), candidate(FINE)
    contest = Contest(graph, slice(None))
    contest.add(other, halves)
    contest.add(long, labels, gap=gap)
    assert contest.taken is (long if gap else other)
    assert contest.certain is gap


def test_many_clusters_are_taken_where_they_cost_more_to_divide_than_to_leave():
    # Five rings of 40 without an edge between them cost nothing to leave.
    rings = sparse.block_diag([ring(40)] * 5).tocsr()
    contest = Contest(sparse.csr_array(rings), slice(None))
    right = np.repeat(range(5), 40)
    joined = np.repeat([0, 0, 1, 2, 3, 4], [40, 40, 40, 40, 20, 20])
    assert contest.supported(joined, right) == 1
    assert contest.supported(right, joined) == 0
    assert contest.supported(right, right) == 0
    # Of a single ring no arcs are worth anything, however many there are.
    alone = Contest(ring(200), slice(None))
    assert alone.supported(np.arange(200) // 20, np.arange(200) // 40) == 0


@pytest.mark.parametrize("k", [15, 8])
def test_many_unequal_clusters_are_taken_whatever_the_modularity(k):
    """Equal parts of rings score higher; from 15 clusters on they are no match."""
    sizes = np.r_[np.full(k - 1, 24), 24 * k]
    rings = sparse.csr_array(sparse.block_diag([ring(int(size)) for size in sizes]))
    right, halves = np.repeat(range(k), sizes), np.repeat(range(k), sizes)
    halves[halves == 1] = 0  # two rings are joined, and the long one is halved
    halves[-12 * k :] = 1
    assert modularity(rings, halves) > modularity(rings, right)
    for first, second in [(right, halves), (halves, right)]:
        contest = Contest(rings, slice(None))
        contest._certain = False  # whatever its shape
        contest._is_certain = lambda labels, gap: False
        contest.add(candidate(COARSE), first)
        contest.add(candidate(FINE), second)
        assert (contest.labels is right) == (k >= 15)
        assert ("leaving" in contest.selection().reason) == (k >= 15)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_neighborhoods_of_many_clusters_are_compared(global_random_seed):
    """In wide neighbourhoods the small ones of 20 blobs join others."""
    rng = np.random.RandomState(global_random_seed)
    sizes = np.r_[np.full(10, 25), np.full(10, 175)]
    places = np.stack(np.meshgrid(range(5), range(4)), axis=-1).reshape(20, 2)
    apart = np.repeat(places, sizes, axis=0) + 0.08 * rng.normal(size=(2000, 2))
    cases = {1: apart, 0: rng.normal(size=(2000, 2))}
    for number, X in cases.items():
        model = SpectralNetClustering(
            20, metric_learner=StandardScaler(), max_iter=1, random_state=0
        ).fit(X)
        share = neighbor_shares(20)[number]
        assert model.n_neighbors_ == batch_neighbors(model.batch_size_, share)
    asked = clone(model).set_params(n_neighbors=12).fit(apart)
    assert asked.n_neighbors_ == 12


def test_well_knit_clusters_are_taken_whatever_the_modularity():
    X, y = make_blobs([900, 60], centers=[[0, 0], [9, 0]], random_state=0)
    graph, rows, _ = criterion_graph(X)
    halves = np.where(y == 1, 1, (X[:, 0] > 0).astype(int))
    assert modularity(graph, halves) > modularity(graph, y)
    wide, fine = candidate(COARSE), candidate(FINE)
    for first, second in [((wide, halves), (fine, y)), ((fine, y), (wide, halves))]:
        contest = Contest(graph, rows)
        contest.add(*first)
        contest.add(*second)
        assert contest.taken is fine
        assert contest.settled
