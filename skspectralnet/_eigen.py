"""Eigenpairs of a graph and of forms; how far approximate ones are from them."""

from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu

# Directions of the outputs with less than this share of the largest one's energy
# are rounding, not functions that the network has learned.
_RANK_TOLERANCE = 1e-10
# Up to this many rows LAPACK is as fast as Lanczos, and never fails; up to more rows
# where this share of their eigenvectors is wanted.
_DENSE_ROWS, _MOST_DENSE_ROWS, _DENSE_SHARE = 600, 8192, 1 / 16
# Lanczos: relative accuracy of the eigenvalues of I - L, and restarts before the
# factorisation of a shifted Laplacian takes over (long paths and rings need it).
_TOLERANCE, _RESTARTS = 1e-8, 200
_CHECK_TOLERANCE = 1e-2
_SHIFT, _ITERATIONS = 1e-9, 100
# Eigenvalues below are those of separate clusters, in the eigengap.
EQUAL_EIGENVALUES = 1e-4
# An eigenvalue is apart from the next where the difference is this share of the
# eigenvalue at the number of vectors asked for.
_GAP_SHARE = 0.05


class RitzPairs(NamedTuple):
    """Ritz values, ascending, and the coefficients of their vectors."""

    eigenvalues: np.ndarray  # (r,)
    coefficients: np.ndarray  # (q, r)


def rayleigh_ritz(gram, form):
    r"""Best eigenpairs inside the span of q functions.

    Solves :math:`S a = \lambda G a` for the q x q matrices :math:`G = \tilde Y^T M
    \tilde Y` and :math:`S = \tilde Y^T L \tilde Y`, with :math:`a^T G a = 1`
    (the Rayleigh-Ritz procedure; Saad, Numerical Methods for Large Eigenvalue
    Problems, Section 4.3).

    Parameters
    ----------
    gram : ndarray of shape (q, q)
        Positive semidefinite; where its rank r is below q, the null directions
        are left out.
    form : ndarray of shape (q, q)

    Returns
    -------
    RitzPairs
        r <= q of them.
    """
    gram = 0.5 * (gram + gram.T)
    size = np.sqrt(np.diag(gram))
    size[size == 0.0] = 1.0
    energies, directions = linalg.eigh(gram / np.outer(size, size))
    kept = energies > _RANK_TOLERANCE * max(energies[-1], np.finfo(float).tiny)
    whitening = directions[:, kept] / np.sqrt(energies[kept]) / size[:, None]
    reduced = whitening.T @ (0.5 * (form + form.T)) @ whitening
    eigenvalues, rotation = linalg.eigh(0.5 * (reduced + reduced.T))
    return RitzPairs(np.maximum(eigenvalues, 0.0), whitening @ rotation)


class Eigenpairs(NamedTuple):
    """The lowest eigenpairs of a graph Laplacian."""

    eigenvalues: np.ndarray  # (q,), ascending
    vectors: np.ndarray  # (n_samples, q), mean square 1 in the inner product
    n_connected: int  # connected components of the graph


def inner_product(degrees, laplacian):
    """The diagonal of M in L v = lambda M v.

    Parameters
    ----------
    degrees : ndarray of shape (n_samples,)
    laplacian : {"random_walk", "symmetric", "unnormalized"}

    Returns
    -------
    ndarray of shape (n_samples,)
        The degrees for ``"random_walk"``, else ones.
    """
    return degrees if laplacian == "random_walk" else np.ones_like(degrees)


def laplacian_product(graph, degrees, Y, laplacian):
    """L Y, (n_rows, q): L = D - W, or D^{-1/2} (D - W) D^{-1/2} if symmetric.

    Parameters
    ----------
    graph : CSR array of shape (n_rows, n_samples)
        The first rows of W, or all.
    degrees : ndarray of shape (n_samples,)
        Above 0.
    Y : ndarray of shape (n_samples, q)
    laplacian : {"random_walk", "symmetric", "unnormalized"}
    """
    n_rows, degrees = graph.shape[0], degrees[:, None]
    if laplacian != "symmetric":
        return degrees[:n_rows] * Y[:n_rows] - graph @ Y
    roots = np.sqrt(degrees)
    return Y[:n_rows] - (graph @ (Y / roots)) / roots[:n_rows]


def graph_eigenpairs(graph, n_vectors, laplacian, random_state):
    r"""The lowest eigenpairs of the Laplacian of a graph.

    Solved for the symmetric form :math:`M^{-1/2} L M^{-1/2}`, one connected component
    at a time, by LAPACK for a few hundred rows and by Lanczos beyond. The eigenvalue 0
    has a vector for each component. That space is known without a solver, and its basis
    here is: the trivial vector first, then one component after the other against those
    before it, the largest first. Where there are more components than vectors asked
    for, the largest have them.

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples)
        Symmetric; every row has an edge.
    n_vectors : int
        At most n_samples.
    laplacian : {"random_walk", "symmetric", "unnormalized"}
    random_state : RandomState

    Returns
    -------
    Eigenpairs
    """
    n_samples = graph.shape[0]
    degrees = graph.sum(axis=1)
    row_weights = inner_product(degrees, laplacian)
    # No eigenvalue is larger.
    bound = 2.0 * float(degrees.max()) if laplacian == "unnormalized" else 2.0
    n_connected, members = connected_components(graph, directed=False)
    # v is constant on a component, or the root of the degrees for "symmetric".
    trivial = np.sqrt(degrees) if laplacian != "unnormalized" else np.ones(n_samples)
    null = _component_vectors(trivial, members, min(n_connected, n_vectors))
    n_left = n_vectors - null.shape[1]
    eigenvalues, vectors = np.zeros(null.shape[1]), null
    if n_left > 0:
        shifted = _shifted_laplacian(graph, degrees, laplacian, bound)
        whole = _component_vectors(trivial, members, n_connected, orthogonal=True)
        nearness, others = _pairs_apart(shifted, whole, members, n_left, random_state)
        eigenvalues = np.append(eigenvalues, np.maximum(bound * (1.0 - nearness), 0.0))
        vectors = np.column_stack([vectors, others])
    size = np.sqrt(row_weights.sum())
    return Eigenpairs(
        eigenvalues, vectors * (size / np.sqrt(row_weights))[:, None], n_connected
    )


def _component_vectors(trivial, members, n_vectors, *, orthogonal=False):
    """Orthonormal vectors of eigenvalue 0, (n_samples, n_vectors).

    One for each component, as a CSR array, where `orthogonal`; else dense, the
    trivial vector first.
    """
    n_samples, n_connected = len(members), members.max() + 1
    each = sparse.csr_array(
        (trivial, members, np.arange(n_samples + 1)), shape=(n_samples, n_connected)
    )
    lengths = np.sqrt(np.bincount(members, weights=trivial**2))
    each = sparse.csr_array(each @ sparse.diags_array(1.0 / lengths))
    if orthogonal:
        return each
    largest = np.argsort(-np.bincount(members), kind="stable")
    # In the basis of the components: the trivial vector, then all but the last.
    basis = np.eye(n_connected)[:, largest[: n_vectors - 1]]
    basis = np.column_stack([lengths, basis])
    basis, signs = np.linalg.qr(basis)
    return each @ (basis * np.sign(np.diag(signs)))


def _shifted_laplacian(graph, degrees, laplacian, bound):
    """I - M^{-1/2} L M^{-1/2} / bound: its largest eigenvalues are sought."""
    n_samples = len(degrees)
    if laplacian == "unnormalized":
        off_diagonal = graph / bound
        diagonal = 1.0 - degrees / bound
    else:
        roots = sparse.diags_array(1.0 / np.sqrt(degrees))
        off_diagonal = (roots @ graph @ roots) / bound
        diagonal = np.full(n_samples, 1.0 - 1.0 / bound)
    return sparse.csr_array(off_diagonal + sparse.diags_array(diagonal))


def _pairs_apart(matrix, known, members, n_vectors, random_state):
    """The largest eigenpairs but for the known one of each connected component.

    Those of all are the union of each component's. It is first asked for its share of
    them, then for twice as many as long as the next could be among the largest.
    """
    n_samples, n_connected = known.shape
    if n_connected == 1 or n_samples <= _DENSE_ROWS:
        return _largest_pairs(matrix, known, n_vectors, random_state)
    order, sizes = np.argsort(members, kind="stable"), np.bincount(members)
    matrix, known = matrix[order][:, order], known[order]
    ends = np.cumsum(sizes)
    blocks = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    most = np.minimum(sizes - 1, n_vectors)
    asked = np.minimum(np.ceil(n_vectors * sizes / n_samples).astype(int) + 1, most)
    solved, left = [None] * n_connected, np.arange(n_connected)
    while len(left):
        for i in left:
            block, own = matrix[blocks[i], blocks[i]], known[blocks[i], [i]]
            solved[i] = _largest_pairs(block, own, asked[i], random_state)
        values = np.concatenate([pairs[0] for pairs in solved])
        bar = -np.inf if len(values) < n_vectors else np.sort(values)[-n_vectors]
        smallest = np.array([pairs[0][-1] for pairs in solved])
        left = np.flatnonzero((asked < most) & (smallest > bar))
        asked[left] = np.minimum(2 * asked[left], most[left])
    taken = np.argsort(-values, kind="stable")[:n_vectors]
    places = [(i, j) for i in range(n_connected) for j in range(asked[i])]
    vectors = np.zeros((n_samples, n_vectors))
    for column, place in enumerate(taken):
        i, j = places[place]
        vectors[order[blocks[i]], column] = solved[i][1][:, j]
    return values[taken], vectors


def _largest_pairs(matrix, known, n_vectors, random_state):
    """The largest eigenpairs of a matrix, apart from known ones of eigenvalue 1."""
    n_samples = matrix.shape[0]
    many = n_samples <= _MOST_DENSE_ROWS and n_vectors >= _DENSE_SHARE * n_samples
    if n_samples <= _DENSE_ROWS or many or n_vectors >= n_samples // 2:
        dense = matrix.toarray() - 2.0 * (known @ known.T).toarray()
        last = [n_samples - n_vectors, n_samples - 1]
        values, vectors = linalg.eigh(dense, subset_by_index=last)
        return values[::-1], vectors[:, ::-1]
    starts = random_state.normal(size=(2, n_samples))
    try:
        values, vectors = _lanczos(matrix, known, n_vectors, starts[0], _TOLERANCE)
        # One start vector can miss the second of two equal eigenvalues (rings, grids).
        while True:
            found = sparse.hstack([known, sparse.csc_array(vectors)], format="csr")
            margin = max(_CHECK_TOLERANCE * (1.0 - values.min()), _TOLERANCE)
            value, vector = _lanczos(matrix, found, 1, starts[1], margin)
            if value[0] <= values.min() + margin:
                break
            vector = _lanczos(matrix, found, 1, vector[:, 0], _TOLERANCE)[1]
            values, vectors = _ritz(matrix, np.hstack([vectors, vector]), n_vectors)
    except ArpackNoConvergence:
        values, vectors = _inverse_iteration(matrix, known, n_vectors, random_state)
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]


def _lanczos(matrix, known, n_vectors, start, tolerance):
    """The largest eigenpairs apart from known vectors, of which there may be many."""
    adjoint = known.T  # once: turning a sparse matrix is a third of a product's time
    deflated = LinearOperator(
        matrix.shape,
        matvec=lambda x: matrix @ x - 2.0 * (known @ (adjoint @ x)),
        dtype=np.float64,
    )
    return eigsh(
        deflated,
        k=n_vectors,
        which="LA",
        v0=start - known @ (adjoint @ start),
        tol=tolerance,
        maxiter=_RESTARTS,
        ncv=min(matrix.shape[0], max(2 * n_vectors + 1, 40)),
    )


def _ritz(matrix, vectors, n_vectors):
    """The largest Ritz pairs in the span of some vectors."""
    basis = linalg.qr(vectors, mode="economic")[0]
    values, rotation = linalg.eigh(basis.T @ (matrix @ basis))
    return values[-n_vectors:], (basis @ rotation)[:, -n_vectors:]


def _inverse_iteration(matrix, known, n_vectors, random_state):
    """The same by subspace iteration with the inverse of 1 + shift - matrix.

    For graphs like a long path, whose eigenvalues crowd at 0 but whose factors are
    sparse. A block finds equal eigenvalues together.
    """
    n_samples = matrix.shape[0]
    factors = splu((sparse.eye_array(n_samples) * (1.0 + _SHIFT) - matrix).tocsc())
    n_guards = min(n_vectors + 8, n_samples - known.shape[1] - n_vectors)
    vectors = random_state.normal(size=(n_samples, n_vectors + n_guards))
    last = np.zeros(n_vectors)
    for _ in range(_ITERATIONS):
        vectors -= known @ (known.T @ vectors)
        values, vectors = _ritz(matrix, factors.solve(vectors), vectors.shape[1])
        leading = values[-n_vectors:]
        if np.all(np.abs(leading - last) <= 1e-12 * np.abs(1.0 - leading)):
            break
        last = leading
    return leading, vectors[:, -n_vectors:]


class Eigengaps(NamedTuple):
    """How clearly the spectrum asks for each number of clusters."""

    n_clusters: np.ndarray  # (m,), from 2
    gaps: np.ndarray  # (m,), of each; the largest one is taken


def eigengaps(eigenvalues, most):
    r"""The gap after each eigenvalue, as a logarithm.

    .. math:: g_k = \log \frac{\lambda_{k+1} + \delta}{\lambda_k + \delta}

    k clusters have k eigenvalues near 0 (von Luxburg, 2007, Section 8.3). Near is
    meant as a ratio: moons that touch have a second eigenvalue of .0001 and a third of
    .0004. Below :math:`\delta = 10^{-4}` eigenvalues count as equal.

    Parameters
    ----------
    eigenvalues : ndarray of shape (q,), ascending
        The trivial one included.
    most : int
        Largest number of clusters.

    Returns
    -------
    Eigengaps
        For 2 to ``min(most, q - 1)`` clusters.
    """
    logs = np.log(eigenvalues + EQUAL_EIGENVALUES)
    gaps = np.diff(logs)[1:most]
    return Eigengaps(np.arange(2, 2 + len(gaps)), gaps)


def cut_at_gap(eigenvalues, n_vectors):
    """The number of leading eigenvectors, near that asked for, that ends at a gap.

    The span of the first q eigenvectors is only defined by the graph where the next
    eigenvalue is apart: by 5 % of the `n_vectors`-th one here.

    Parameters
    ----------
    eigenvalues : ndarray of shape (q,), ascending
        A few more than `n_vectors`, where there are more.
    n_vectors : int

    Returns
    -------
    int
        `n_vectors` itself where no gap is found.
    """
    gaps = np.diff(eigenvalues)
    least = _GAP_SHARE * eigenvalues[min(n_vectors, len(eigenvalues)) - 1]
    cuts = np.flatnonzero(gaps > max(least, 1e-12)) + 1
    if not len(cuts):
        return n_vectors
    return int(min(cuts, key=lambda cut: (abs(cut - n_vectors), cut)))


def grassmann_distance(A, B, row_weights=None):
    r"""The squared distance of two subspaces, the sum of squared sines.

    .. math:: \sum_{i=1}^{q} \sin^2 \theta_i = q - \lVert Q_A^T M Q_B \rVert_F^2

    with :math:`\theta_i` the principal angles and :math:`Q` bases of the columns that
    are orthonormal in the inner product of M (Edelman, Arias, Smith, 1998, Section
    4.3, the squared projection F-norm up to a factor of two).

    Parameters
    ----------
    A, B : ndarray of shape (n_samples, q)
    row_weights : ndarray of shape (n_samples,), default=None
        The diagonal of M; None means ones.

    Returns
    -------
    float
        From 0 to q. Directions that are missing where a rank is below q count as 1.
    """
    roots = 1.0 if row_weights is None else np.sqrt(row_weights)[:, None]
    bases = []
    for Y in (A, B):
        Y = roots * Y
        # By powers of two, which are exact: squares of 1e300 are beyond floats.
        Y = np.ldexp(Y, -np.frexp(np.abs(Y).max(axis=0))[1])
        lengths = np.linalg.norm(Y, axis=0)
        lengths[lengths == 0.0] = 1.0
        bases.append(linalg.orth(Y / lengths))
    cosines = np.sum((bases[0].T @ bases[1]) ** 2)
    return float(max(A.shape[1] - cosines, 0.0))


def nearest_basis(gram, cross):
    r"""Orthonormal combinations of functions, nearest to given orthonormal ones.

    The projections :math:`P = G^{-1} X` of the targets on the span of the functions,
    made orthonormal by :math:`P (P^T G P)^{-1/2}`, the nearest such basis.

    Parameters
    ----------
    gram : ndarray of shape (q, q)
        :math:`G = Y^T M Y` of the functions.
    cross : ndarray of shape (q, r)
        :math:`X = Y^T M V` with the targets.

    Returns
    -------
    ndarray of shape (q, r), or None
        None where some direction of the targets has not half of its square length in
        the span: no basis of it stands for the targets then.
    """
    size = np.sqrt(np.diag(gram))
    size[size == 0.0] = 1.0
    scaled = gram / np.outer(size, size)
    inverse = linalg.pinvh(scaled, rtol=_RANK_TOLERANCE)
    projections = inverse @ (cross / size[:, None]) / size[:, None]
    seen, directions = linalg.eigh(projections.T @ gram @ projections)
    if seen[0] < 0.5:
        return None
    return projections @ (directions / np.sqrt(seen)) @ directions.T


def subspace_bound(missed, eigenvalues, following):
    r"""A bound of the squared Grassmann distance by the residuals.

    .. math:: \sum_i \sin^2 \theta_i \le \frac{\sum_i r_i^2}{\delta^2}

    with :math:`\delta` the distance from the learned eigenvalues to the exact one that
    follows (Davis and Kahan, 1970, the :math:`\sin \theta` theorem).

    Parameters
    ----------
    missed : ndarray of shape (q,)
        Residuals r.
    eigenvalues : ndarray of shape (q,)
    following : float

    Returns
    -------
    float
        At most q, which every distance is.
    """
    gap = float(max(following - eigenvalues[-1], 0.0))
    square = float(np.sum(missed**2))
    return float(len(missed)) if square >= len(missed) * gap**2 else square / gap**2


def residuals(graph, Y, eigenvalues, laplacian):
    r"""How far approximate eigenpairs are from solving the eigenproblem.

    .. math:: \frac{\lVert L v - \lambda M v \rVert_{M^{-1}}}{\lVert v \rVert_M}

    An eigenvalue of the graph is at most that far from each :math:`\lambda` (Saad,
    Numerical Methods for Large Eigenvalue Problems, Corollary 3.4).

    Parameters
    ----------
    graph : CSR array of shape (n_samples, n_samples)
        Every row has an edge.
    Y : ndarray of shape (n_samples, q)
    eigenvalues : ndarray of shape (q,)
    laplacian : {"random_walk", "symmetric", "unnormalized"}

    Returns
    -------
    ndarray of shape (q,)
    """
    degrees = graph.sum(axis=1)
    roots = np.sqrt(inner_product(degrees, laplacian))[:, None]
    product = laplacian_product(graph, degrees, Y, laplacian)
    missed = product - eigenvalues * roots**2 * Y
    return np.linalg.norm(missed / roots, axis=0) / np.linalg.norm(roots * Y, axis=0)


def orthonormality_error(Y, row_weights=None):
    r"""Largest entry of :math:`|Y^T M Y / \sum_i m_i - I|`.

    Parameters
    ----------
    Y : ndarray of shape (n_samples, q)
    row_weights : ndarray of shape (n_samples,), default=None
        The diagonal of M; None means ones.

    Returns
    -------
    float
    """
    Y = np.asarray(Y, dtype=np.float64)
    weights = np.ones(len(Y)) if row_weights is None else np.asarray(row_weights)
    gram = Y.T @ (weights[:, None] * Y) / weights.sum()
    return float(np.abs(gram - np.eye(Y.shape[1])).max())
