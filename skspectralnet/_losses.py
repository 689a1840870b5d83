"""Losses over batches: formula, equation number, shapes."""

import torch


class _LaplacianForm(torch.autograd.Function):
    """Y^T (D - W) Y, (q, q), with the gradient of a symmetric W."""

    @staticmethod
    def forward(ctx, Y, affinity):
        LY = affinity.degrees.to(Y.dtype)[:, None] * Y - affinity.apply(Y)  # (b, q)
        ctx.save_for_backward(LY)
        return Y.T @ LY

    @staticmethod
    def backward(ctx, grad):
        (LY,) = ctx.saved_tensors
        return LY @ (grad + grad.T), None


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
    if laplacian == "symmetric":
        # A row without edges has no D^{-1/2}; with this floor it stays finite.
        degrees = affinity.degrees
        floor = 1e-12 * degrees.mean() + torch.finfo(torch.float32).tiny
        Y = Y * degrees.clamp(min=floor).rsqrt().to(Y.dtype)[:, None]
    return _LaplacianForm.apply(Y, affinity)


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


def lost_directions(Y, affinity, laplacian):
    r"""What the orthonorm layer could not make orthonormal, as a form of size 1.

    :math:`s (I - \tfrac{1}{b} Y^T D Y)` for the Y of a batch's own factor: 0 where the
    outputs have full rank, the identity where they have collapsed. Added to the
    Laplacian form it gives a lost direction the Ritz value s of a useless one, 1 (the
    mean degree for ``"unnormalized"``), instead of the 0 of a perfect one.

    Parameters
    ----------
    Y : tensor of shape (b, q)
    affinity : SparseAffinity or DenseAffinity of b rows
    laplacian : {"random_walk", "symmetric", "unnormalized"}

    Returns
    -------
    tensor of shape (q, q)
    """
    b, q = Y.shape
    weights = row_weights(affinity.degrees, laplacian)
    eye = torch.eye(q, dtype=Y.dtype, device=Y.device)
    lost = eye - Y.T @ (weights[:, None] * Y) / b
    if laplacian == "unnormalized":
        lost = affinity.degrees.mean() * lost
    return lost


def spectral_loss(Y, affinity, laplacian, lost=0.0):
    r"""The spectral loss of a batch of orthonormal outputs.

    .. math::
        \frac{1}{2 b q} \sum_{ij} W_{ij} \lVert y_i - y_j \rVert^2
        = \frac{1}{b q} \operatorname{tr}(Y^T (D - W) Y)

    which is Equation (3) of Shaham et al. (2018) times :math:`b / 2q`: with outputs
    that are orthonormal in the inner product of the Laplacian it is the *mean of
    their q Ritz values*, whatever the size of the batch.

    Parameters
    ----------
    Y : tensor of shape (b, q)
        Outputs of the orthonorm layer.
    affinity : SparseAffinity or DenseAffinity of b rows
    laplacian : {"random_walk", "symmetric", "unnormalized"}
    lost : tensor of shape (q, q), default=0.0
        :func:`lost_directions`, added to the form.

    Returns
    -------
    tensor, a scalar
    """
    b, q = Y.shape
    return (laplacian_form(Y, affinity, laplacian) / b + lost).trace() / q


def log_spectral_loss(Y, affinity, laplacian, lost=0.0):
    r"""Mean logarithm of the Ritz values of the leading outputs.

    .. math::
        \frac{1}{q} \sum_{j=1}^{q} \frac{1}{q}
        \log\det (F_{1:j, 1:j} + \delta I), \qquad F = \tfrac{1}{b} Y^T (D - W) Y

    The trace loss hardly notices an eigenvalue that is .001 instead of 0 while others
    are near 1; the logarithm asks for the same *relative* accuracy of all. Each j
    rewards the first j outputs for spanning the lowest eigenvectors, so the outputs
    come out ordered (the nesting of Gram-Schmidt: the Cholesky orthonorm layer keeps
    the span of each leading block). Both losses have their minimum at the same
    eigenvectors. :math:`\delta` is 1 % of the mean Ritz value.

    Parameters
    ----------
    Y : tensor of shape (b, q)
        Outputs of the orthonorm layer.
    affinity : SparseAffinity or DenseAffinity of b rows
    laplacian : {"random_walk", "symmetric", "unnormalized"}
    lost : tensor of shape (q, q), default=0.0
        :func:`lost_directions`, added to F.

    Returns
    -------
    tensor, a scalar
    """
    b, q = Y.shape
    form = laplacian_form(Y, affinity, laplacian) / b + lost
    size = form.detach().abs().max()
    delta = 0.01 * form.detach().trace().clamp(min=0.0) / q
    eye = torch.eye(q, dtype=form.dtype, device=form.device)
    # log det of every leading block at once: the log pivots of one factorisation,
    # the i-th of which is in q - i + 1 blocks. Where the form of degenerate outputs is
    # rounding and not positive, the last shift makes it so.
    for shift in (delta, 1e-6 * size, 1e-2 * size, 2.0 * q * size):
        shifted = form + (shift + torch.finfo(torch.float32).tiny) * eye
        factor, info = torch.linalg.cholesky_ex(shifted)
        if int(info) == 0:
            break
    pivots = factor.diagonal()
    shares = torch.arange(q, 0, -1, dtype=form.dtype, device=form.device) / q
    return 2.0 * (shares * pivots.log()).mean()


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
    return (outputs - inputs).square().mean()
