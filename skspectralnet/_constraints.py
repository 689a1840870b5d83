"""What is known about pairs of rows: labels of some of them, links, their closure."""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_array, column_or_1d

_UNKNOWN = -1


class Constraints:
    """Groups of rows that belong together, and which groups do not.

    Rows with the same label or a must-link are one group, and so are their groups: the
    transitive closure. Two groups are apart where their labels differ or a cannot-link
    joins them. The labels are not written out as pairs: memory grows with what was
    given, not with the square of the number of labels.

    Parameters
    ----------
    groups : ndarray of int of shape (n_samples,)
        -1 for rows of which nothing is known.
    names : ndarray of int of shape (n_groups,)
        Label of each group, another one for each, -1 where it has none.
    links : CSR array of bool of shape (n_groups, n_groups)
        Symmetric: cannot-links between groups that do not both have a label.
    given : dict
        The arguments of :func:`known_pairs` that these are made of, checked.
    """

    def __init__(self, groups, names, links, given):
        self.given = given
        self.labels = given["partial_labels"]
        self.groups = groups
        known = np.flatnonzero(groups >= 0)
        order = known[np.argsort(groups[known], kind="stable")]
        self._members = order  # rows, group by group
        self._sizes = np.bincount(groups[known], minlength=len(names))
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._shared = order[self._sizes[groups[order]] > 1]
        self._has_label = names != _UNKNOWN
        self._labelled = np.flatnonzero(self._has_label)
        self._links = links
        self._linked = np.stack(links.nonzero())  # (2, n_links), row by row
        self._link_places = self._places_of_links()
        self.n_labels = len(self._labelled)  # each label is of one group
        self._n_apart = self.n_labels * (self.n_labels - 1) + len(self._link_places)

    def _places_of_links(self):
        """Where the links stand in the list of all ordered pairs apart, row by row."""
        first, second = self._linked
        before = np.searchsorted(self._labelled, first) * (len(self._labelled) - 1)
        in_row = np.searchsorted(self._labelled, second) - (first < second)
        return before + self._has_label[first] * in_row + np.arange(len(first))

    def _pairs_apart(self, places):
        """The groups at some places of that list, (2, m)."""
        links_before = np.searchsorted(self._link_places, places)
        linked = np.isin(places, self._link_places)
        pairs = np.empty((2, len(places)), dtype=np.int64)
        pairs[:, linked] = self._linked[:, links_before[linked]]
        others = len(self._labelled) - 1
        first, second = np.divmod((places - links_before)[~linked], others)
        second += second >= first  # no group is apart from itself
        pairs[:, ~linked] = self._labelled[np.stack([first, second])]
        return pairs

    def _are_apart(self, first, second):
        """Whether pairs of groups are apart; arrays of one shape (m,)."""
        differ = self._has_label[first] & self._has_label[second] & (first != second)
        n_groups = len(self._has_label)
        codes = self._linked[0] * n_groups + self._linked[1]
        return differ | np.isin(first * n_groups + second, codes)

    def relations(self, rows):
        """Which of some rows are known to belong together and which are not.

        Parameters
        ----------
        rows : ndarray of int of shape (b,)

        Returns
        -------
        known : ndarray of int of shape (m,)
            Places in `rows` of which something is known.
        together, apart : ndarray of bool of shape (m, m)
            Between those; `together` has a false diagonal.
        """
        groups = self.groups[rows]
        known = np.flatnonzero(groups >= 0)
        groups = groups[known]
        together = groups[:, None] == groups[None, :]
        labelled = self._has_label[groups]
        apart = labelled[:, None] & labelled[None, :] & ~together
        apart |= self._links[groups][:, groups].toarray()
        np.fill_diagonal(together, False)
        return known, together, apart

    def rows_apart(self, first, second):
        """Whether pairs of rows are known to be apart; arrays of one shape (m,)."""
        mine, theirs = self.groups[first], self.groups[second]
        wrong = (mine >= 0) & (theirs >= 0)
        wrong[wrong] = self._are_apart(mine[wrong], theirs[wrong])
        return wrong

    def sample_together(self, size, rng):
        """Random pairs of rows of one group, (m, 2): none where no group has two."""
        if not len(self._shared):
            return np.empty((0, 2), dtype=np.int64)
        first = rng.choice(self._shared, size)
        return np.stack([first, self._random_member(self.groups[first], rng)], axis=1)

    def sample_apart(self, size, rng):
        """Random pairs of rows known to be apart, (m, 2): none where none are."""
        if not self._n_apart:
            return np.empty((0, 2), dtype=np.int64)
        sides = self._pairs_apart(rng.randint(self._n_apart, size=size))
        return np.stack([self._random_member(side, rng) for side in sides], axis=1)

    def _random_member(self, groups, rng):
        place = (rng.uniform(size=len(groups)) * self._sizes[groups]).astype(np.int64)
        return self._members[self._starts[groups] + place]

    def allowed_neighbors(self, neighbors):
        """Neighbours with those that are known to be apart replaced.

        Parameters
        ----------
        neighbors : ndarray of int of shape (n_samples, k)

        Returns
        -------
        ndarray of the same shape
            In place of a forbidden neighbour stands an allowed one of the same row,
            or the row itself where it has none.
        """
        rows = np.broadcast_to(np.arange(len(neighbors))[:, None], neighbors.shape)
        wrong = self.rows_apart(rows, neighbors)
        replaced = neighbors.copy()
        for i in np.flatnonzero(wrong.any(axis=1)):
            allowed = neighbors[i, ~wrong[i]]
            replaced[i, wrong[i]] = allowed[0] if len(allowed) else i
        return replaced


def known_pairs(n_samples, partial_labels=None, must_link=None, cannot_link=None):
    """Collect labels and links into Constraints.

    Parameters
    ----------
    n_samples : int
    partial_labels : array-like of shape (n_samples,) or None
        Whole numbers, as in :func:`checked_labels`.
    must_link, cannot_link : array-like of int of shape (n_pairs, 2) or None
        Row numbers.

    Returns
    -------
    Constraints or None
        None where nothing is known.

    Raises
    ------
    ValueError
        If a length, a row number or a label is wrong, or two of them contradict.
    """
    labels = checked_labels(partial_labels, n_samples)
    must = _checked_links(must_link, n_samples, "must_link")
    cannot = _checked_links(cannot_link, n_samples, "cannot_link")
    if not (np.any(labels != _UNKNOWN) or len(must) or len(cannot)):
        return None
    component = _linked(labels, must)
    groups, names = _groups(component, labels, must, cannot)
    _check_agreement(groups, names, labels, cannot)
    ends = groups[cannot]  # (n_pairs, 2)
    ends = ends[(names[ends] == _UNKNOWN).any(axis=1)]  # labels say the others
    first, second = np.concatenate([ends, ends[:, ::-1]]).T
    links = sparse.csr_array(
        (np.ones(len(first), dtype=bool), (first, second)),
        shape=(len(names), len(names)),
    )
    given = {"partial_labels": labels, "must_link": must, "cannot_link": cannot}
    return Constraints(groups, names, links, given)


def draw_rows(constraints, size, n_samples, rng):
    """Random rows to learn from; those of which something is known come first.

    Parameters
    ----------
    constraints : Constraints or None
    size : int
        All rows where there are fewer.
    n_samples : int
    rng : RandomState

    Returns
    -------
    ndarray of int of shape (min(size, n_samples),)
        Ascending.
    """
    order = rng.permutation(n_samples)
    if constraints is not None:
        unknown = constraints.groups[order] == _UNKNOWN
        order = order[np.argsort(unknown, kind="stable")]
    return np.sort(order[:size])


def of_rows(constraints, rows):
    """What is known of some rows, in their own numbers.

    Parameters
    ----------
    constraints : Constraints or None
    rows : ndarray of int of shape (m,)
        Each once, in any order.

    Returns
    -------
    Constraints or None
        Without the links whose rows are not both among `rows`.
    """
    if constraints is None:
        return None
    places = np.full(len(constraints.labels), -1)
    places[rows] = np.arange(len(rows))
    return _renumbered(constraints, constraints.labels[rows], places)


def groups_of(constraints):
    """The group of each row, -1 where nothing is known of it; None for None."""
    return None if constraints is None else constraints.groups


def of_distinct(constraints, first, inverse):
    """What is known of rows, each of which stands for all that equal it.

    Parameters
    ----------
    constraints : Constraints or None
    first : ndarray of int of shape (m,)
        Those rows.
    inverse : ndarray of int of shape (n_samples,)
        Row i equals row ``first[inverse[i]]``, and is of the same group.

    Returns
    -------
    Constraints or None
    """
    if constraints is None:
        return None
    labels = np.full(len(first), _UNKNOWN)
    np.maximum.at(labels, inverse, constraints.labels)  # of a group, one or unknown
    return _renumbered(constraints, labels, inverse)


def _renumbered(constraints, labels, places):
    """Constraints of labelled rows; links between the places of their ends."""
    kept = {"partial_labels": labels}
    for name in ("must_link", "cannot_link"):
        ends = places[constraints.given[name]]  # (n_pairs, 2)
        kept[name] = ends[(ends >= 0).all(axis=1) & (ends[:, 0] != ends[:, 1])]
    return known_pairs(len(labels), **kept)


def checked_labels(partial_labels, n_samples):
    """Partial labels as an array of int64, -1 where they are unknown.

    Parameters
    ----------
    partial_labels : array-like of shape (n_samples,) or None
        Whole numbers of at least 0, of any type. -1, NaN, None, pandas.NA and masked
        entries are unknown ones; None in the place of all says so of each.
    n_samples : int

    Returns
    -------
    ndarray of int64 of shape (n_samples,)

    Raises
    ------
    ValueError
        If there are not as many as rows, or one is no such number.
    """
    if partial_labels is None:
        return np.full(n_samples, _UNKNOWN)
    given, unknown = _given_and_unknown(partial_labels)
    if len(given) != n_samples:
        raise ValueError(
            f"partial_labels has {len(given)} entries for {n_samples} rows of X: "
            "expected one for each row, -1 where the label is unknown."
        )
    labels = np.full(n_samples, _UNKNOWN)
    labels[~unknown] = _whole_numbers(given[~unknown])
    return labels


def _given_and_unknown(partial_labels):
    """Labels as an array of their own type, and which of them are missing."""
    if np.ndim(partial_labels) == 0:
        raise ValueError(
            f"partial_labels is of the type {type(partial_labels).__name__}: expected "
            "an array with an entry for each row, -1 where the label is unknown."
        )
    given = column_or_1d(partial_labels)
    unknown = np.zeros(len(given), dtype=bool)
    if np.ma.isMaskedArray(partial_labels):
        unknown = np.ma.getmaskarray(partial_labels).ravel()
    if given.dtype.kind == "f":
        unknown = unknown | np.isnan(given)
    elif given.dtype.kind == "O":
        unknown = unknown | np.array([_is_missing(v) for v in given], dtype=bool)
    return given, unknown


def _is_missing(value):
    """Whether it is None, NaN or pandas.NA; pandas may not be installed."""
    if isinstance(value, Real):
        return bool(value != value)
    return value is None or type(value).__name__ == "NAType"


def _whole_numbers(values):
    """Labels of which none is missing as int64, checked."""
    if values.dtype.kind == "O" and all(isinstance(v, Real) for v in values):
        values = np.array(values.tolist())
    kind = values.dtype.kind
    if kind == "f":
        whole = bool(np.all(np.isfinite(values) & (values == np.round(values))))
    elif kind == "O":
        whole = all(isinstance(v, Integral) for v in values)  # too large for int64
    else:
        whole = kind in "iub"
    if not whole:
        hint = " sklearn.preprocessing.LabelEncoder numbers words."
        raise ValueError(
            "partial_labels must be integers, -1 where the label is unknown; got "
            f"values of type {values.dtype}.{hint if kind in 'OSTU' else ''}"
        )
    ends = (np.min(values, initial=0), np.max(values, initial=0))
    least, most = (np.asarray(end).item() for end in ends)  # of Python: no overflow
    if least < _UNKNOWN:
        raise ValueError(
            "partial_labels must be at least 0, or -1 where the label is unknown; got "
            f"{least}."
        )
    bits = 53 if kind == "f" else 63  # floats skip integers from there on
    if most >= 2**bits:
        raise ValueError(
            f"partial_labels must be below 2**{bits} where they are {values.dtype}; "
            f"got {most}."
        )
    return values.astype(np.int64)


def _checked_links(links, n_samples, name):
    links = np.asarray([] if links is None else links)
    if links.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if links.ndim != 2 or links.shape[1] != 2 or links.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be an array of row numbers of shape (n_pairs, 2); got shape "
            f"{links.shape} and type {links.dtype}."
        )
    links = check_array(links, dtype=np.int64, input_name=name)
    outside = links[(links < 0) | (links >= n_samples)]
    if len(outside):
        raise ValueError(
            f"{name} names row {outside[0]}, but X has the rows 0 to {n_samples - 1}. "
            "Links are row numbers of the X of this fit: they cannot be sliced in "
            "cross-validation."
        )
    return links


def _linked(labels, must):
    """The connected component of each row under equal labels and must-links."""
    n_samples = len(labels)
    known = np.flatnonzero(labels != _UNKNOWN)
    names, places = np.unique(labels[known], return_inverse=True)
    # Each label is a node of its own, after the rows.
    first = np.concatenate([must[:, 0], known])
    second = np.concatenate([must[:, 1], n_samples + places])
    size = n_samples + len(names)
    edges = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(size, size))
    return connected_components(edges, directed=False)[1][:n_samples]


def _groups(component, labels, must, cannot):
    """Number the components of rows of which something is known; their labels."""
    known = labels != _UNKNOWN
    mentioned = known.copy()
    mentioned[np.concatenate([must, cannot])] = True
    kept, groups_of_mentioned = np.unique(component[mentioned], return_inverse=True)
    groups = np.full(len(labels), _UNKNOWN)
    groups[mentioned] = groups_of_mentioned
    names = np.full(len(kept), _UNKNOWN)
    names[groups[known]] = labels[known]
    return groups, names


def _check_agreement(groups, names, labels, cannot):
    """Refuse labels and links that contradict each other."""
    known = np.flatnonzero(labels != _UNKNOWN)
    wrong = known[names[groups[known]] != labels[known]]
    if len(wrong):
        row = wrong[0]
        alike = known[groups[known] == groups[row]]
        other = alike[labels[alike] != labels[row]][0]
        raise ValueError(
            f"Contradiction: must_link joins row {other} of label {labels[other]} "
            f"and row {row} of label {labels[row]}, directly or through others."
        )
    joined = cannot[groups[cannot[:, 0]] == groups[cannot[:, 1]]]
    if len(joined):
        i, j = joined[0]
        raise ValueError(
            f"Contradiction: cannot_link separates the rows {i} and {j}, which their "
            "labels or must_link join, directly or through others."
        )
