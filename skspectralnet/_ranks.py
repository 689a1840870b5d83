"""The joint loss of one batch whose rows are on several ranks, and its gradient.

A rank is a process of a group of torch.distributed that holds a part of the rows. All
that the loss of a batch needs of its rows are two matrices of sums, so ranks exchange
these and the gradient of the weights, and each makes the step that one process with all
of the rows would make.
"""

import contextlib

import torch
from torch import distributed

from skspectralnet._losses import (
    edge_form,
    laplacian_form,
    lost_form,
    row_gram,
    row_weights,
)
from skspectralnet._network import orthonormalizer_of


class _Summed(torch.autograd.Function):
    r"""The sum of a tensor over all ranks.

    Where all ranks go on with the same function f of the sum, and so have the same
    loss :math:`f(\sum_r a_r)`, its gradient by the part of one rank is
    :math:`f'(\sum_r a_r)`, which that rank has: nothing is sent on the way back. What
    is left is to add up the gradients of the weights: see :func:`summed_gradients`.
    """

    @staticmethod
    def forward(ctx, part, group):
        total = part.detach().clone()
        distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def summed(part, group):
    """A tensor added up over the ranks of a group, gradients as of a common loss.

    Parameters
    ----------
    part : tensor
        That of this rank; of one shape on all.
    group : ProcessGroup
    """
    return _Summed.apply(part, group)


def joined_form(outputs, affinity, laplacian, group):
    r"""The form of outputs orthonormalised over a batch that ranks hold parts of.

    .. math:: F = \tfrac{1}{b} M^T (\sum_r O_r^T L_r O_r) M
        + s (I - \tfrac{1}{b} M^T (\sum_r O_r^T D_r O_r) M), \qquad
        b = \sum_r b_r

    M the orthonormalizer of all outputs: the :func:`orthonormal_form` of all rows,
    between which there are edges in the parts alone.

    Parameters
    ----------
    outputs : tensor of shape (b_r, q)
        :math:`O_r`, of the rows of this rank; there may be none.
    affinity : SparseAffinity or DenseAffinity of b_r rows
    laplacian : {"random_walk", "symmetric", "unnormalized"}
    group : ProcessGroup

    Returns
    -------
    tensor of shape (q, q), float64
        The same on all ranks. Gradients pass through M, and are those of this rank's
        part of the loss of all: the whole gradient is their sum over the ranks.
    """
    outputs = outputs.to(torch.float64)
    n_rows, q = outputs.shape
    weights = row_weights(affinity.degrees, laplacian)
    parts = [
        outputs.T @ (weights[:, None] * outputs),
        laplacian_form(outputs, affinity, laplacian),
        torch.tensor([n_rows, float(affinity.degrees.sum())], dtype=torch.float64),
    ]
    total = summed(torch.cat([p.to(outputs.device).reshape(-1) for p in parts]), group)
    gram, form = total[: 2 * q * q].reshape(2, q, q)
    n_rows, degree = total[2 * q * q :].tolist()
    matrix = orthonormalizer_of(gram, n_rows)
    size = degree / n_rows if laplacian == "unnormalized" else 1.0
    of_edges = matrix.T @ form @ matrix / n_rows
    return of_edges + size * lost_form(gram / n_rows, matrix)


def joined_edge_form(U, row_weights, share, group):
    r"""The form of functions orthonormalised over edges that all ranks have drawn.

    .. math:: F = M^T (\sum_r p_r E_r - \sum_r p_r G_r) M + I, \qquad
        M^T (\sum_r p_r G_r) M = I

    with E the :func:`~skspectralnet._losses.edge_form` and G the
    :func:`~skspectralnet._losses.row_gram` of the edges of a rank, which it has drawn
    from its own ones, and p the share of these of the weight of all: the means are
    those of edges that are drawn from all.

    Parameters
    ----------
    U : tensor of shape (2 e, q), float64
        The first ends of the edges of this rank, then the second ones.
    row_weights : tensor of shape (2 e,)
    share : float
        :math:`p_r`.
    group : ProcessGroup

    Returns
    -------
    tensor of shape (q, q), float64
        The same on all ranks. Its gradients are as those of :func:`joined_form`.
    """
    parts = torch.stack([row_gram(U, row_weights), edge_form(U)])
    gram, form = summed(share * parts, group)
    matrix = orthonormalizer_of(gram, 1)
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return matrix.T @ (form - gram) @ matrix + eye


@contextlib.contextmanager
def summed_gradients(module, group):
    """In the block each gradient of a weight becomes its sum over all ranks.

    It does so as soon as it is there: a step that follows ``backward()`` is the same
    one on all ranks. All of them must go backward as often.
    """

    def add_up(weight):
        distributed.all_reduce(weight.grad, group=group)

    hooks = [
        weight.register_post_accumulate_grad_hook(add_up)
        for weight in module.parameters()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def same_weights(module, group):
    """Give a module the weights that the first rank has."""
    # A sum with zeros: torch 2.6 broadcasts in groups that it has registered alone.
    with torch.no_grad():
        for value in module.state_dict().values():
            if group.rank() != 0:
                value.zero_()
            distributed.all_reduce(value, group=group)


def added_up(part, group):
    """A float or a tensor added up over all ranks, without gradients."""
    total = torch.as_tensor(part, dtype=torch.float64).clone()
    distributed.all_reduce(total, group=group)
    return total if isinstance(part, torch.Tensor) else float(total)


def least_of_all(value, group):
    """The least of the numbers of all ranks, in the type of that of this rank."""
    least = torch.tensor(float(value), dtype=torch.float64)
    distributed.all_reduce(least, op=distributed.ReduceOp.MIN, group=group)
    return type(value)(least)
