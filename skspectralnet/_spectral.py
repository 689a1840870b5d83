"""What the two spectral stages share: their contract, their steps, their units."""

from typing import NamedTuple

import numpy as np
import torch

from skspectralnet._eigen import RitzPairs
from skspectralnet._losses import LOSSES
from skspectralnet._network import MLP, put_back
from skspectralnet._tensors import to_tensor
from skspectralnet._training import History

# Outputs trained beside the components that are kept, as the guard vectors of
# subspace iteration: without them the map can settle on a subspace that lacks one
# of the lowest eigenvectors (benchmarks/shapes.py measures it).
GUARD_OUTPUTS = 6

_NO_EDGES = (
    "The affinity has no edges: all weights are zero. With affinity='rbf' choose a "
    "smaller gamma; with a callable return positive weights."
)
_NONE_LEFT = (
    "The affinity has no edges left: by partial_labels and cannot_link all neighbours "
    "are apart. Give fewer of them, or raise n_neighbors."
)
_NONE_LEFT_OF_GIVEN = (
    "The graph has no edges left: by partial_labels and cannot_link all rows that it "
    "joins are apart. Give fewer of them."
)


class SpectralFit(NamedTuple):
    """What a spectral stage has learned.

    Both stages are functions ``fit(inputs, points, task, constraints, trainer, rng)``:
    the Rows that the network sees, the Rows between which distances are taken, a task
    with every default resolved, Constraints or None, a Trainer and a RandomState.
    """

    mlp: MLP
    pairs: RitzPairs  # of its outputs, ascending
    largest_degree: float
    history: History
    n_neighbors: int
    error: object = None  # the ApproximationError of a graph of all rows


class EdgelessError(ValueError):
    """The weights of a graph add up to nothing."""


def check_edges(total, before, *, given=False):
    """Raise an EdgelessError where the weights of a graph add up to nothing.

    Parameters
    ----------
    total : float
        What they add up to.
    before : callable
        The same without what is known about pairs of rows.
    given : bool, default=False
        Whether the graph is the user's.
    """
    if total > 0.0:
        return
    if not before() > 0.0:
        raise EdgelessError(_NO_EDGES)
    raise EdgelessError(_NONE_LEFT_OF_GIVEN if given else _NONE_LEFT)


def joint_loss(mlp, batches, task):
    """The loss of the next batch, orthonormalised by its own factor.

    The gradient passes through the factor: the loss is a function of the span of the
    outputs alone, and no step can lower it by shrinking or aligning them.
    """
    batch = next(batches)
    return LOSSES[task.loss](batch.own_form(mlp(batch.inputs)))


def alternating_loss(mlp, batches, task):
    """The loss of the next batch, orthonormalised by the factor of the one before.

    The two batches of Shaham et al. (2018), Section 3.1, wired as in the programs of
    their authors: the gradient reaches the network through the outputs for both.
    """
    other, batch = next(batches), next(batches)
    matrix, lost = other.factor(mlp(other.inputs))
    return LOSSES[task.loss](batch.form(mlp(batch.inputs), matrix) + lost)


STEPS = {"joint": joint_loss, "alternating": alternating_loss}


def train_map(trainer, training, loss, **schedule):
    """The stage of a fit in which the network of the map is trained; its History."""
    with trainer.stage("spectral map", trainer.schedule.max_iter) as stage:
        return stage.run(training, "spectral map", loss, **schedule)


def standardised_gamma(gamma, scale):
    r"""`gamma` for points divided by a scale: :math:`\gamma s^2`; None stays None.

    Parameters
    ----------
    gamma : float or None
        In units of one over a *squared* distance of the points.
    scale : float
    """
    if gamma is None:
        return None
    standardised = gamma * scale * scale
    if not 0.0 < standardised < np.inf:
        raise ValueError(
            f"gamma={gamma!r}, one over a squared distance, does not fit "
            f"points whose distances are about {scale:.3g}."
        )
    return standardised


def in_units(points, rows):
    """Standardised points as the float64 rows that a user knows.

    Parameters
    ----------
    points : tensor of shape (b, d)
    rows : Rows
        Of which they are some, standardised.
    """
    center = to_tensor(rows.center, device=points.device, dtype=torch.float64)
    points = put_back(points.to(torch.float64), rows.reach)
    return points * rows.scale + center
