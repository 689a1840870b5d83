"""Labels and links: their closure, what contradicts, and pairs drawn from them."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skspectralnet._constraints import (
    checked_labels,
    draw_rows,
    known_pairs,
    of_rows,
)

UNKNOWN = -1


def relations(constraints):
    """What is known about all pairs, as two full matrices."""
    n = len(constraints.groups)
    known, together, apart = constraints.relations(np.arange(n))
    full = np.zeros((2, n, n), dtype=bool)
    full[0][np.ix_(known, known)] = together
    full[1][np.ix_(known, known)] = apart
    return full


def random_knowledge(rng, n=60):
    """Labels and links that agree: all of them follow a hidden partition."""
    y = rng.randint(4, size=n)
    labels = np.where(rng.uniform(size=n) < 0.2, y, UNKNOWN)
    pairs = rng.randint(n, size=(60, 2))
    same = y[pairs[:, 0]] == y[pairs[:, 1]]
    return y, labels, pairs[same], pairs[~same]


# --- closure


def test_relations_by_hand():
    # Groups: {0, 1} of label 0, {2} of label 1, {3, 4} by a link, {5} by a link that
    # parts it from 0; of 6 nothing is known.
    known = known_pairs(7, [0, 0, 1, -1, -1, -1, -1], [[3, 4]], [[4, 2], [0, 5]])
    together, apart = relations(known)
    assert {tuple(p) for p in np.argwhere(together)} == {(0, 1), (1, 0), (3, 4), (4, 3)}
    one_way = {(0, 2), (1, 2), (2, 3), (2, 4), (0, 5), (1, 5)}
    assert {tuple(p) for p in np.argwhere(apart)} == one_way | {
        (j, i) for i, j in one_way
    }
    places, _, _ = known.relations(np.array([6, 3, 6, 0]))
    assert places.tolist() == [1, 3]


def test_relations_follow_the_order_of_the_rows(rng):
    _, labels, must, cannot = random_knowledge(rng)
    known = known_pairs(60, labels, must, cannot)
    together, apart = relations(known)
    rows = rng.permutation(60)[:25]
    places, some_together, some_apart = known.relations(rows)
    chosen = np.ix_(rows[places], rows[places])
    assert_array_equal(some_together, together[chosen])
    assert_array_equal(some_apart, apart[chosen])


def test_links_are_transitive():
    together, apart = relations(
        known_pairs(6, None, [[0, 1], [2, 1], [2, 3]], [[3, 5]])
    )
    assert together[:4, :4].sum() == 12  # all pairs of the chain, both ways
    assert_array_equal(np.flatnonzero(apart[5]), range(4))
    assert not together[4].any()
    assert not apart[4].any()


def test_a_link_passes_the_label_on():
    together, apart = relations(known_pairs(5, [0, -1, -1, 1, 0], [[0, 1], [1, 2]]))
    assert_array_equal(np.flatnonzero(together[2]), [0, 1, 4])
    assert_array_equal(np.flatnonzero(apart[3]), [0, 1, 2, 4])


def test_relations_are_those_of_the_hidden_partition(rng):
    y, labels, must, cannot = random_knowledge(rng)
    together, apart = relations(known_pairs(60, labels, must, cannot))
    same = y[:, None] == y
    assert together.any()
    assert apart.any()
    assert not (together & ~same).any()
    assert not (apart & same).any()
    assert not together.diagonal().any()
    assert_array_equal(together, together.T)
    assert_array_equal(apart, apart.T)
    # All that was told is there.
    assert (together | np.eye(60, dtype=bool))[must[:, 0], must[:, 1]].all()
    assert apart[cannot[:, 0], cannot[:, 1]].all()
    told = np.flatnonzero(labels >= 0)
    differ = labels[told][:, None] != labels[told]
    assert_array_equal(apart[np.ix_(told, told)], differ)


def test_order_of_links_makes_no_difference(rng):
    _, labels, must, cannot = random_knowledge(rng)
    one = relations(known_pairs(60, labels, must, cannot))
    other = known_pairs(
        60, labels, must[rng.permutation(len(must))][:, ::-1], cannot[::-1, ::-1]
    )
    assert_array_equal(relations(other), one)


@pytest.mark.parametrize("empty", [None, [], np.empty((0, 2), dtype=int)])
def test_nothing_known(empty):
    assert known_pairs(4) is None
    assert known_pairs(4, [-1] * 4, empty, empty) is None
    only_labels = known_pairs(4, [0, 0, 1, -1], empty, empty)
    assert relations(only_labels)[0].sum() == 2


def test_one_label_only():
    known = known_pairs(5, [3, 3, -1, 3, -1])
    together, apart = relations(known)
    assert together.sum() == 6
    assert not apart.any()
    rng = np.random.RandomState(0)
    assert known.sample_apart(5, rng).shape == (0, 2)
    neighbors = np.array([[1, 3]] * 5)
    assert_array_equal(known.allowed_neighbors(neighbors), neighbors)


def test_names_of_labels_may_be_any_numbers():
    # 10^12 is an id, not a size.
    labels = np.array([10**12, 10**12, 7, -1])
    assert_array_equal(
        relations(known_pairs(4, labels)), relations(known_pairs(4, [0, 0, 1, -1]))
    )


# --- what cannot be used


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (
            {"partial_labels": [0, -1, 1, -1], "must_link": [[0, 2]]},
            "must_link joins row [02] of label [01] and row [02] of label [01]",
        ),
        (
            {"partial_labels": [0, -1, -1, 1], "must_link": [[0, 1], [1, 2], [2, 3]]},
            "must_link joins row [03] .*through others",
        ),
        (
            {"partial_labels": [0, 0, -1, -1], "cannot_link": [[0, 1]]},
            "cannot_link separates the rows 0 and 1",
        ),
        (
            {"must_link": [[0, 1]], "cannot_link": [[1, 0]]},
            "cannot_link separates the rows 1 and 0",
        ),
        (
            {"must_link": [[0, 1], [1, 2]], "cannot_link": [[0, 2]]},
            "cannot_link separates the rows 0 and 2.*through others",
        ),
        (
            {
                "partial_labels": [0, -1, -1, 0],
                "must_link": [[0, 1], [2, 3]],
                "cannot_link": [[1, 2]],
            },
            "cannot_link separates the rows 1 and 2",
        ),
        ({"cannot_link": [[2, 2]]}, "cannot_link separates the rows 2 and 2"),
    ],
)
def test_contradictions(known, text):
    with pytest.raises(ValueError, match=f"Contradiction: {text}"):
        known_pairs(4, **known)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 1], "partial_labels has 2 entries for 4 rows"),
        ([0] * 5, "partial_labels has 5 entries for 4 rows"),
        ([], "partial_labels has 0 entries"),
        ([0, -2, 1, 1], "at least 0, or -1 .*got -2"),
        ([0.5, 0, 1, 1], "must be integers.*float64"),
        ([np.nan, 0.5, 1, 1], "must be integers.*float64"),
        ([np.inf, 0, 1, 1], "must be integers"),
        ([-np.inf, 0, 1, 1], "must be integers"),
        ([1e300, 0, 1, 1], r"below 2\*\*53 .*float64; got 1e\+300"),
        ([-1e300, 0, 1, 1], "at least 0"),
        ([2**53, 0, 1, np.nan], r"below 2\*\*53"),
        (np.array([2**63, 0, 1, 1], dtype=np.uint64), r"below 2\*\*63 .*uint64"),
        ([2**64, None, 1, 1], r"below 2\*\*63"),
        (np.array([-128, -1, 0, 1], dtype=np.int8), "at least 0, .*got -128"),
        (["a", "b", "a", "b"], "must be integers.*LabelEncoder"),
        (["a", None, "b", "b"], "must be integers.*object.*LabelEncoder"),
        ([None, 0.5, 1, 1], "must be integers.*float64"),
        (np.zeros(4, dtype="datetime64[D]"), "must be integers.*datetime64"),
        (np.zeros(4, dtype="timedelta64[D]"), "must be integers.*timedelta64"),
        ([[0, 1], [1, 0], [0, 0], [1, 1]], "1d array"),
    ],
)
def test_bad_labels(labels, text):
    with pytest.raises(ValueError, match=text):
        checked_labels(labels, 4)


@pytest.mark.parametrize(
    "labels",
    [
        [0.0, -1.0, 2.0],
        np.array([0, -1, 2], dtype=np.int8),
        [0.0, np.nan, 2.0],
        np.array([0.0, np.nan, 2.0], dtype=np.float16),
        [0, None, 2.0],
        np.array([np.int8(0), np.nan, 2], dtype=object),
        np.ma.array([0, 1, 2], mask=[False, True, False]),
        np.ma.array([0.0, np.nan, 2.0], mask=False),
        np.ma.array([[0], [1], [2]], mask=[[0], [1], [0]]),
        np.array([[0], [-1], [2]]),
        (0, -1, 2),
    ],
)
@pytest.mark.filterwarnings("ignore:A column-vector")
def test_labels_of_other_types(labels):
    found = checked_labels(labels, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [0, -1, 2]


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float64", "category", object])
def test_labels_of_a_table(dtype):
    pandas = pytest.importorskip("pandas")
    missing = pandas.NA if dtype is object else None
    labels = pandas.Series([0, missing, 2], dtype=dtype)
    assert checked_labels(labels, 3).tolist() == [0, -1, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int8, bool, object])
def test_labels_keep_their_numbers(dtype):
    most = 1 if dtype is bool else 2**62 if dtype is object else np.iinfo(dtype).max
    most = min(most, 2**63 - 1)
    found = checked_labels(np.array([0, most, 1], dtype=dtype), 3)
    assert found.dtype == np.int64
    assert found.tolist() == [0, most, 1]


@pytest.mark.parametrize("unknown", [None, np.nan, -1])
def test_labels_all_unknown(unknown):
    assert checked_labels([unknown] * 3, 3).tolist() == [-1, -1, -1]
    assert known_pairs(3, [unknown] * 3) is None


def test_no_labels():
    assert checked_labels(None, 3).tolist() == [-1, -1, -1]


@pytest.mark.parametrize("name", ["must_link", "cannot_link"])
@pytest.mark.parametrize(
    ("links", "text"),
    [
        ([[0, 4]], "names row 4, but X has the rows 0 to 3.*sliced"),
        ([[1, 2], [99, 0]], "names row 99"),
        ([[-1, 0]], "names row -1"),
        ([0, 1], r"shape \(n_pairs, 2\); got shape \(2,\)"),
        ([[0, 1, 2]], r"got shape \(1, 3\)"),
        ([[[0, 1]]], r"got shape \(1, 1, 2\)"),
        (3, r"got shape \(\)"),
        ([[0.0, 1.0]], "row numbers.*float64"),
        ([[True, False]], "row numbers.*bool"),
        ([["0", "1"]], "row numbers"),
    ],
)
def test_bad_links(name, links, text):
    with pytest.raises(ValueError, match=f"{name} .*{text}"):
        known_pairs(4, **{name: links})


# --- pairs drawn at random


def test_drawn_pairs_are_known_ones(rng):
    _, labels, must, cannot = random_knowledge(rng)
    known = known_pairs(60, labels, must, cannot)
    together, apart = relations(known)
    pairs = known.sample_together(2000, rng)
    assert pairs.shape == (2000, 2)
    same_row = pairs[:, 0] == pairs[:, 1]
    assert together[tuple(pairs.T)][~same_row].all()
    assert not same_row.all()
    pairs = known.sample_apart(2000, rng)
    assert pairs.shape == (2000, 2)
    assert apart[tuple(pairs.T)].all()


def test_every_known_pair_can_be_drawn(rng):
    known = known_pairs(7, [0, 0, 1, 1, -1, -1, -1], [[4, 5]], [[4, 0]])
    together, apart = relations(known)
    for drawn, expected in (
        (known.sample_together(2000, rng), together),
        (known.sample_apart(2000, rng), apart),
    ):
        found = np.zeros_like(expected)
        found[tuple(drawn.T)] = True
        np.fill_diagonal(found, False)
        assert_array_equal(found | found.T, expected)


def test_none_to_draw(rng):
    known = known_pairs(4, None, None, [[0, 1]])  # no group has two rows
    assert known.sample_together(5, rng).shape == (0, 2)
    assert {tuple(sorted(p)) for p in known.sample_apart(9, rng)} == {(0, 1)}
    known = known_pairs(4, None, [[0, 1]])
    assert known.sample_apart(5, rng).shape == (0, 2)


def test_a_seed_draws_the_same_pairs(global_random_seed, rng):
    _, labels, must, cannot = random_knowledge(rng)
    known = known_pairs(60, labels, must, cannot)
    for draw in (known.sample_together, known.sample_apart):
        one, two = (draw(50, np.random.RandomState(global_random_seed)) for _ in "ab")
        assert_array_equal(one, two)


class InOrder:
    """Draws every number below a bound once, and always the first member."""

    def randint(self, high, size):
        return np.arange(high)

    def uniform(self, size):
        return np.zeros(size)


def test_each_pair_of_groups_has_the_same_chance(rng):
    _, labels, must, cannot = random_knowledge(rng)
    for given in ((labels, must, cannot), (None, must, cannot), (labels, must, None)):
        known = known_pairs(60, *given)
        apart = relations(known)[1]
        _, first = np.unique(known.groups, return_index=True)
        first = first[known.groups[first] >= 0]  # a row of each group
        expected = first[np.argwhere(apart[np.ix_(first, first)])]
        assert_array_equal(known.sample_apart(1, InOrder()), expected)


def test_memory_is_linear_in_the_labels(rng):
    n = 5000
    must = np.c_[np.arange(n), n + np.arange(n)]
    tracemalloc.start()
    known = known_pairs(2 * n, np.r_[np.arange(n), np.full(n, -1)], must)
    known.allowed_neighbors(rng.randint(2 * n, size=(2 * n, 5)))
    known.sample_apart(100, rng)
    known.relations(np.arange(50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1000 * n  # a table of all pairs has n times n entries


# --- neighbours overruled


def test_overruled_neighbours_by_hand():
    # 0 and 1 have label 0, 2 and 3 label 1, of 4 nothing is known.
    known = known_pairs(5, [0, 0, 1, 1, -1])
    neighbors = np.array([[2, 1], [3, 2], [3, 4], [4, 2], [0, 2]])
    # 0: 2 is forbidden, 1 takes its place; 1: both are, the row itself remains.
    expected = [[1, 1], [1, 1], [3, 4], [4, 2], [0, 2]]
    before = neighbors.copy()
    assert_array_equal(known.allowed_neighbors(neighbors), expected)
    assert_array_equal(neighbors, before)


def test_no_forbidden_neighbour_is_left(rng):
    _, labels, must, cannot = random_knowledge(rng)
    known = known_pairs(60, labels, must, cannot)
    _, apart = relations(known)
    neighbors = np.array([rng.permutation(60)[:7] for _ in range(60)])
    replaced = known.allowed_neighbors(neighbors)
    rows = np.arange(60)[:, None]
    forbidden = apart[rows, neighbors]
    assert forbidden.any()
    assert not apart[rows, replaced].any()
    assert_array_equal(replaced[~forbidden], neighbors[~forbidden])
    for i in range(60):
        assert set(replaced[i]) <= set(neighbors[i]) | {i}


def test_known_rows_are_drawn_first(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    labels = np.full(100, -1)
    labels[[7, 70]] = [0, 1]
    constraints = known_pairs(100, labels, must_link=[[7, 50]], cannot_link=[[3, 4]])
    rows = draw_rows(constraints, 10, 100, rng)
    assert len(rows) == 10
    assert_array_equal(np.unique(rows), rows)
    assert {7, 70, 50, 3, 4} <= set(rows)
    assert set(draw_rows(constraints, 3, 100, rng)) <= {7, 70, 50, 3, 4}


def test_what_is_known_of_some_rows_has_their_numbers():
    labels = np.array([-1, 0, -1, 1, -1, 0])
    constraints = known_pairs(6, labels, must_link=[[4, 1], [0, 3]], cannot_link=None)
    known = of_rows(constraints, np.array([1, 3, 4])).given
    assert_array_equal(known["partial_labels"], [0, 1, -1])
    assert_array_equal(known["must_link"], [[2, 0]])
    assert known["cannot_link"].shape == (0, 2)
