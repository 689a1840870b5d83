"""Losses over batches: formula, equation number, shapes."""

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Of the change of an error along edges against the error itself: larger ones fit the
# smooth part late, smaller ones leave the eigenvalues too large
# (benchmarks/fidelity.py measures what comes out).
SMOOTHNESS = 10.0


class _LaplacianForm(torch.autograd.Function):
    """Y^T L Y, (q, q), with the gradient of a symmetric L."""

    @staticmethod
    def forward(ctx, Y, affinity, laplacian):
        LY = _laplacian_product(Y, affinity, laplacian)  # (b, q)
        ctx.save_for_backward(LY)
        return Y.T @ LY

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (LY,) = ctx.saved_tensors
        return LY @ (grad + grad.T), None, None


class _OrthonormalForm(torch.autograd.Function):
    r"""The form of outputs times their own orthonorm matrix, gradient through it.

    With A = O^T D O + eps I = R R^T, N = R^{-1} and Y = sqrt(b) O N^T the value is
    F = s I + N K N^T, K = O^T (L - s D) O. A small change dA of A changes N by
    -Phi(N dA N^T) N, where Phi keeps the lower triangle and half of the diagonal
    (Murray, 2016, "Differentiation of the Cholesky decomposition", Eq. (8)). For a
    symmetric gradient H of F and C = N K N^T,

        dF . H = dK . N^T H N - dA . N^T (Phi(H C) + Phi(H C)^T) N.
    """

    @staticmethod
    def forward(ctx, outputs, matrix, affinity, laplacian):
        b, q = outputs.shape
        Y = outputs @ matrix  # (b, q)
        DY = row_weights(affinity.degrees, laplacian)[:, None] * Y
        size = useless_value(affinity.degrees, laplacian)
        KY = _laplacian_product(Y, affinity, laplacian) - size * DY
        C = Y.T @ KY / b
        ctx.save_for_backward(DY, KY, C, matrix)
        return C + size * torch.eye(q, dtype=C.dtype, device=C.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        DY, KY, C, matrix = ctx.saved_tensors
        H = 0.5 * (grad + grad.T)
        Phi = (H @ C).tril()
        Phi.diagonal().mul_(0.5)
        through = KY @ H - DY @ (Phi + Phi.T)
        return (2.0 / len(DY)) * (through @ matrix.T), None, None, None


class _LogDeterminants(torch.autograd.Function):
    """Sum of c_i times twice the log of the i-th Cholesky pivot of a matrix.

    With B = R R^T, the gradient is R^{-T} diag(c) R^{-1}: the inverses of the leading
    blocks of B are made of the leading rows of R^{-1}.
    """

    @staticmethod
    def forward(ctx, form, factor, shares):
        ctx.save_for_backward(factor, shares)
        return 2.0 * (shares * factor.diagonal().log()).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        factor, shares = ctx.saved_tensors
        eye = torch.eye(len(shares), dtype=factor.dtype, device=factor.device)
        inverse = torch.linalg.solve_triangular(factor, eye, upper=False)
        return inverse.T @ ((grad * shares)[:, None] * inverse), None, None


def _laplacian_product(Y, affinity, laplacian):
    """L Y, (b, q)."""
    degrees = affinity.degrees.to(Y.dtype)[:, None]
    if laplacian != "symmetric":
        return degrees * Y - affinity.apply(Y)
    # A row without edges has no D^{-1/2}; with this floor it stays finite.
    floor = 1e-12 * degrees.mean() + torch.finfo(torch.float32).tiny
    roots = degrees.clamp(min=floor).rsqrt()
    Y = roots * Y
    return roots * (degrees * Y - affinity.apply(Y))


def laplacian_form(Y, affinity, laplacian):
    r"""The Laplacian form of a batch of outputs.

    :math:`Y^T (D - W) Y`, whose trace is :math:`\frac{1}{2} \sum_{ij} W_{ij}
    \lVert y_i - y_j \rVert^2`; for the symmetric
    Laplacian :math:`Y^T (I - D^{-1/2} W D^{-1/2}) Y`.

    Parameters
    ----------
    Y : tensor of shape (b, q)
    affinity : SparseAffinity or DenseAffinity of b rows
    laplacian : {"random_walk", "symmetric", "unnormalized"}

    Returns
    -------
    tensor of shape (q, q)
    """
    return _LaplacianForm.apply(Y, affinity, laplacian)


def orthonormal_form(outputs, matrix, affinity, laplacian):
    r"""The Laplacian form of a batch orthonormalised by its own factor.

    .. math:: F = \tfrac{1}{b} Y^T L Y + s (I - \tfrac{1}{b} Y^T D Y), \qquad
        Y = \tilde Y M

    The second term is what the orthonorm layer could not make orthonormal: 0 where the
    outputs have full rank, s I where they have collapsed. It gives a lost direction
    the Ritz value s of a useless one, 1 (the mean degree for ``"unnormalized"``),
    instead of the 0 of a perfect one.

    Parameters
    ----------
    outputs : tensor of shape (b, q)
        :math:`\tilde Y`.
    matrix : tensor of shape (q, q)
        :math:`M`, the orthonormalizer of these outputs. Taken as the function of the
        outputs that it is: their gradient passes through it, its jitter held.
    affinity : SparseAffinity or DenseAffinity of b rows
    laplacian : {"random_walk", "symmetric", "unnormalized"}

    Returns
    -------
    tensor of shape (q, q)
        The gradient that comes back must be of a function of symmetric matrices.
    """
    return _OrthonormalForm.apply(outputs, matrix, affinity, laplacian)


def useless_value(degrees, laplacian):
    """The Ritz value of a function that follows no edge: 1, or the mean degree."""
    return degrees.mean() if laplacian == "unnormalized" else 1.0


def lost_form(gram, matrix):
    r"""What orthonormalised outputs lack of being orthonormal.

    .. math:: I - M^T G M

    0 where the outputs have full rank, I where they have collapsed. Added to a form it
    gives a lost direction the Ritz value of a useless one instead of the 0 of a
    perfect one.

    Parameters
    ----------
    gram : tensor of shape (q, q)
        :math:`G`, of the outputs: see :func:`row_gram`.
    matrix : tensor of shape (q, q)
        :math:`M`, their orthonormalizer.

    Returns
    -------
    tensor of shape (q, q)
    """
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return eye - matrix.T @ gram @ matrix


def edge_form(U):
    r"""The difference form of functions over some edges.

    .. math:: \frac{1}{2 e} \sum_{k=1}^{e} (u_{i_k} - u_{j_k}) (u_{i_k} - u_{j_k})^T

    Over edges drawn by their weights its mean is :math:`U^T (D - W) U / \sum_i d_i`.

    Parameters
    ----------
    U : tensor of shape (2 e, q)
        The first ends of the edges, then the second ones.

    Returns
    -------
    tensor of shape (q, q)
    """
    first, second = U.chunk(2)
    difference = first - second
    return difference.T @ difference / len(U)


def row_gram(U, row_weights):
    r"""The Gram matrix of functions over some rows, :math:`\frac{1}{b} \sum m u u^T`.

    Over the ends of edges drawn by their weights its mean is
    :math:`U^T D M U / \sum_i d_i`.

    Parameters
    ----------
    U : tensor of shape (b, q)
    row_weights : tensor of shape (b,)

    Returns
    -------
    tensor of shape (q, q)
    """
    return U.T @ (row_weights[:, None] * U) / len(U)


def regression_loss(missed, row_weights):
    r"""Mean square of what a network misses, and of its change along edges.

    .. math:: \frac{1}{b q} \sum_i m_i \lVert r_i \rVert^2
        + \frac{10}{e q} \sum_{k=1}^{e} \lVert r_{i_k} - r_{j_k} \rVert^2

    The second term is ten times the Laplacian form of the error: a rough error raises
    the eigenvalues and mixes the eigenvectors, a smooth one hardly does.

    Parameters
    ----------
    missed : tensor of shape (2 e, q)
        The first ends of the edges, then the second ones.
    row_weights : tensor of shape (2 e,)

    Returns
    -------
    scalar tensor
    """
    first, second = missed.chunk(2)
    square = (row_weights[:, None] * missed.square()).mean()
    return square + SMOOTHNESS * (first - second).square().mean()


def row_weights(degrees, laplacian):
    """The weight of each row in the inner product of a Laplacian.

    The degree for ``"random_walk"`` (its eigenvectors satisfy L v = lambda D v), one
    for the other two.

    Parameters
    ----------
    degrees : tensor of shape (b,)
    laplacian : {"random_walk", "symmetric", "unnormalized"}

    Returns
    -------
    tensor of shape (b,), float64
    """
    if laplacian == "random_walk":
        return degrees.to(torch.float64)
    return torch.ones_like(degrees, dtype=torch.float64)


def spectral_loss(form):
    r"""The spectral loss of a batch of orthonormal outputs.

    .. math::
        \frac{1}{q} \operatorname{tr} F
        = \frac{1}{2 b q} \sum_{ij} W_{ij} \lVert y_i - y_j \rVert^2

    which is Equation (3) of Shaham et al. (2018) times :math:`b / 2q`: with outputs
    that are orthonormal in the inner product of the Laplacian it is the *mean of
    their q Ritz values*, whatever the size of the batch.

    Parameters
    ----------
    form : tensor of shape (q, q)
        :math:`F = \tfrac{1}{b} Y^T (D - W) Y`.

    Returns
    -------
    tensor, a scalar
    """
    return form.trace() / len(form)


def log_spectral_loss(form):
    r"""Mean logarithm of the Ritz values of the leading outputs.

    .. math::
        \frac{1}{q} \sum_{j=1}^{q} \frac{1}{q}
        \log\det (F_{1:j, 1:j} + \delta I)

    The trace loss hardly notices an eigenvalue that is .001 instead of 0 while others
    are near 1; the logarithm asks for the same *relative* accuracy of all. Each j
    rewards the first j outputs for spanning the lowest eigenvectors, so the outputs
    come out ordered (the nesting of Gram-Schmidt: the Cholesky orthonorm layer keeps
    the span of each leading block). Both losses have their minimum at the same
    eigenvectors. :math:`\delta` is 1 % of the mean Ritz value; no gradient passes
    through it.

    Parameters
    ----------
    form : tensor of shape (q, q)
        :math:`F = \tfrac{1}{b} Y^T (D - W) Y`.

    Returns
    -------
    tensor, a scalar
    """
    values, q = form.detach(), len(form)
    size = values.abs().max()
    delta = 0.01 * values.trace().clamp(min=0.0) / q
    # log det of every leading block at once: the log pivots of one factorisation,
    # the i-th of which is in q - i + 1 blocks. Where the form of degenerate outputs is
    # rounding and not positive, the last shift makes it so.
    for shift in (0.0, 1e-6, 1e-2, 2.0 * q):
        shifted = values.clone()
        shifted.diagonal().add_(
            (shift * size if shift else delta) + torch.finfo(torch.float32).tiny
        )
        factor, info = torch.linalg.cholesky_ex(shifted)
        if int(info) == 0:
            break
    shares = torch.arange(q, 0, -1, dtype=form.dtype, device=form.device) / q**2
    return _LogDeterminants.apply(form, factor, shares)


LOSSES = {"log": log_spectral_loss, "trace": spectral_loss}


def reconstruction_loss(outputs, inputs):
    r"""Mean square of what an autoencoder misses.

    .. math:: \frac{1}{b d} \sum_{ij} (\hat x_{ij} - x_{ij})^2

    of standardised rows, hence as a share of their variance: 1 is the loss of the mean
    of all rows.

    Parameters
    ----------
    outputs, inputs : tensor of shape (b, d)

    Returns
    -------
    scalar tensor
    """
    return F.mse_loss(outputs, inputs)
