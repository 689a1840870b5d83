"""Distances of pairs of rows in a learned space, and the losses of them."""

import torch
from torch.autograd.function import once_differentiable


class _PairDistances(torch.autograd.Function):
    """Two kinds of *squared* distances, one operation each way."""

    @staticmethod
    def forward(ctx, outputs, n_pairs, against):
        first, second = outputs[:n_pairs], outputs[n_pairs : 2 * n_pairs]
        others, between = outputs[against], first - second
        squares = first.square().sum(dim=1)[:, None] + others.square().sum(dim=1)
        negative = torch.addmm(squares, first, others.T, alpha=-2.0).clamp_(min=0.0)
        ctx.save_for_backward(outputs, others, between, against)
        return between.square().sum(dim=1), negative

    @staticmethod
    @once_differentiable
    def backward(ctx, of_positive, of_negative):
        outputs, others, between, against = ctx.saved_tensors
        n_pairs, grad = len(between), torch.zeros_like(outputs)
        first, towards = outputs[:n_pairs], of_positive[:, None] * between
        grad[n_pairs : 2 * n_pairs] = -towards
        towards += of_negative.sum(dim=1)[:, None] * first - of_negative @ others
        grad[:n_pairs] = towards
        away = of_negative.sum(dim=0)[:, None] * others - of_negative.T @ first
        return grad.index_add_(0, against, away).mul_(2.0), None, None


class _HeavyTailed(torch.autograd.Function):
    """The loss, and with it its slopes: they need the same quotients."""

    @staticmethod
    def forward(ctx, positive, negative, repulsion):
        b, m = max(len(positive), 1), max(len(negative), 1)
        # log(1 - q) = -log(1 + 1 / d^2); the floor keeps its slope finite where rows
        # meet: -1 / (e (1 + e)) for e = d^2 + floor.
        inverse = (negative + 1e-3).reciprocal_()
        apart = torch.log1p(inverse).sum() * (repulsion / m)
        slope = inverse.square().div_(1.0 + inverse).mul_(-repulsion / m)
        ctx.save_for_backward((1.0 + positive).reciprocal_().div_(b), slope)
        return torch.log1p(positive).sum() / b + apart

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        of_positive, of_negative = ctx.saved_tensors
        return grad * of_positive, grad * of_negative, None


def pair_distances(outputs, n_pairs, against):
    r"""Distances of the pairs of a batch, and of their first rows to some others.

    .. math:: \lVert y_i - y_{b+i} \rVert^2, \qquad \lVert y_i - y_{a_j} \rVert^2

    Parameters
    ----------
    outputs : tensor of shape (m, p)
        The first rows of all pairs, then the second ones, then any others.
    n_pairs : int
        b.
    against : tensor of shape (c,), int64
        The numbers :math:`a_j` of outputs.

    Returns
    -------
    positive : tensor of shape (b,)
        *Squared* distances.
    negative : tensor of shape (b, c)
        *Squared* distances, at least 0.
    """
    return _PairDistances.apply(outputs, n_pairs, against)


def heavy_tailed_loss(positive, negative, repulsion):
    r"""Contrastive loss of a neighbour embedding with heavy-tailed similarity.

    .. math::
        -\frac{1}{b} \sum_{p} \log q(d_p)
        - \frac{r}{m} \sum_{n} \log (1 - q(d_n)),
        \qquad q(d) = \frac{1}{1 + d^2}

    over b positive and m negative pairs: the cross entropy of UMAP (McInnes, Healy,
    Melville, 2018, Eq. (2)) with the Student similarity of t-SNE (van der Maaten and
    Hinton, 2008), as a mean over sampled pairs.

    Parameters
    ----------
    positive : tensor of shape (b,)
        *Squared* distances of pairs that belong together.
    negative : tensor of shape (m,)
        *Squared* distances of pairs that do not.
    repulsion : float
        r.

    Returns
    -------
    scalar tensor
    """
    return _HeavyTailed.apply(positive, negative, repulsion)


def margin_loss(positive, negative, margin):
    r"""The contrastive loss with a margin.

    .. math::
        \frac{1}{2 b} \sum_{p} d_p^2
        + \frac{1}{2 m} \sum_{n} \max(c - d_n, 0)^2

    of Hadsell, Chopra, LeCun (2006), Eq. (4), which Shaham et al. (2018), Section
    3.2, train their siamese network with.

    Parameters
    ----------
    positive : tensor of shape (b,)
        *Squared* distances of pairs that belong together.
    negative : tensor of shape (m,)
        *Squared* distances of pairs that do not.
    margin : float
        c, a distance.

    Returns
    -------
    scalar tensor
    """
    distance = (negative + 1e-9).sqrt()  # finite slope where two rows meet
    apart = (margin - distance).clamp(min=0.0).square().sum() / max(len(negative), 1)
    return 0.5 * (positive.sum() / max(len(positive), 1) + apart)
