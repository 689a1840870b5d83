"""The spectral stage: random batches and their graphs, training, the alignment."""

import itertools
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse

from skspectralnet._affinity import batch_affinity, neighbors_in_part, overrule
from skspectralnet._eigen import RitzPairs, rayleigh_ritz
from skspectralnet._losses import (
    LOSSES,
    laplacian_form,
    orthonormal_form,
    row_weights,
)
from skspectralnet._network import orthonormalizer, placed_mlp
from skspectralnet._tensors import to_numpy, to_tensor
from skspectralnet._training import count_held_out, train

# Outputs trained beside the components that are kept, as the guard vectors of
# subspace iteration: without them the map can settle on a subspace that lacks one
# of the lowest eigenvectors (benchmarks/shapes.py measures it).
_GUARD_OUTPUTS = 6
# An epoch is at least this many steps, so that its loss is worth looking at on small
# data, and at most that many, so that its cost does not follow n.
_MIN_EPOCH_STEPS, _MAX_EPOCH_STEPS = 10, 100
# The loss of a single batch of all rows is free of sampling noise: fewer steps show
# whether it falls (a quarter of the time, eigenvalues within 1 %).
_ONE_BATCH_STEPS = 6
# A graph costs more than the step that uses it: batches are drawn in groups, and
# each group is gone through this many times before new rows are drawn.
_GROUP_BATCHES, _GROUP_PASSES = 16, 4
# Below this many held-out rows their loss is noise; the training loss decides then.
_MIN_VALIDATION_ROWS = 200


class SpectralTask(NamedTuple):
    """What the spectral stage is to do, every default resolved."""

    n_components: int
    affinity: object  # a name or a callable
    gamma: float | None
    n_neighbors: int
    batch_size: int
    laplacian: str
    orthonorm: str
    loss: str
    validation_fraction: float  # 0.0: no early stopping on held-out rows
    device: torch.device


class Batch(NamedTuple):
    """Rows as the network sees them and the graph between them."""

    inputs: torch.Tensor  # (b, n_inputs)
    affinity: object  # SparseAffinity or DenseAffinity


class Alignment(NamedTuple):
    """What one pass over all rows says about the trained outputs."""

    pairs: RitzPairs  # coefficients: (n_outputs, rank)
    largest_degree: float


class BatchReader:
    """Reads rows and builds the graph between them.

    Parameters
    ----------
    inputs : Rows
        What the network sees.
    points : Rows
        Where distances are taken; often `inputs` itself.
    task : SpectralTask
    constraints : Constraints or None
        What is known about pairs of rows: it overrules the distances.
    """

    def __init__(self, inputs, points, task, constraints=None):
        self.inputs = inputs
        self.points = points
        self.task = task
        self.constraints = constraints

    def read(self, rows, dtype=torch.float32):
        """Return the Batch of some rows.

        Parameters
        ----------
        rows : ndarray of int of shape (b,)
        dtype : torch.dtype, default=torch.float32
            Of the inputs.
        """
        task = self.task
        points = self._tensor(self.points, rows, torch.float32)
        same = self.inputs is self.points and dtype == points.dtype
        inputs = points if same else self._tensor(self.inputs, rows, dtype)
        gamma = None if task.gamma is None else self.standardised_gamma()
        if callable(task.affinity):
            points = self._in_units(points)
        affinity = batch_affinity(
            points, task.affinity, n_neighbors=self._n_neighbors(len(rows)), gamma=gamma
        )
        if self.constraints is not None:
            relations = self.constraints.relations(rows)
            affinity = overrule(affinity, *map(self._on_device, relations))
        return Batch(inputs, affinity)

    def read_all(self, nodes, most):
        """The weights of a callable affinity between some rows, as a CSR array."""
        if len(nodes) > most:
            raise ValueError(
                f"A callable affinity gets all {len(nodes)} rows at once with "
                f"neighbors_in='data', and {most} are too many for that already. Use "
                "neighbors_in='batch' or pass the graph to fit."
            )
        points = self._in_units(self._tensor(self.points, nodes, torch.float32))
        affinity = batch_affinity(
            points, self.task.affinity, n_neighbors=len(nodes) - 1
        )
        return sparse.csr_array(to_numpy(affinity.matrix).astype(np.float64))

    def _on_device(self, array):
        dtype = torch.bool if array.dtype == bool else torch.int64
        return to_tensor(array, device=self.task.device, dtype=dtype)

    def _tensor(self, source, rows, dtype):
        return to_tensor(source.batch(rows), device=self.task.device, dtype=dtype)

    def standardised_gamma(self):
        """The gamma given in the units of the points, for standardised ones."""
        gamma = self.task.gamma * self.points.scale * self.points.scale
        if not 0.0 < gamma < np.inf:
            raise ValueError(
                f"gamma={self.task.gamma!r}, one over a squared distance, does not fit "
                f"points whose distances are about {self.points.scale:.3g}."
            )
        return gamma

    def _in_units(self, points):
        """Standardised points as the float64 rows that a user knows."""
        center = to_tensor(
            self.points.center, device=self.task.device, dtype=torch.float64
        )
        return points.to(torch.float64) * self.points.scale + center

    def _n_neighbors(self, n_rows):
        task = self.task
        return neighbors_in_part(task.n_neighbors, n_rows, task.batch_size)


def new_map(reader, hidden_layer_sizes, activation, generator):
    """A perceptron with random weights for the inputs of a reader.

    Returns
    -------
    MLP
        With a few outputs more than the components of the task.
    """
    task, n_rows = reader.task, len(reader.inputs)
    n_outputs = min(task.n_components + _GUARD_OUTPUTS, task.batch_size)
    layers = (*hidden_layer_sizes, n_outputs)
    read = reader.inputs.batch
    return placed_mlp(read, n_rows, layers, activation, generator).to(task.device)


def fit_map(reader, mlp, schedule, *, generator, interrupts, epochs):
    """Train the perceptron of the spectral map.

    Parameters
    ----------
    reader : BatchReader
    mlp : MLP
        Trained in place.
    schedule : Schedule
    generator : torch.Generator
    interrupts : Interrupts
    epochs : Epochs

    Returns
    -------
    History
    """
    task = reader.task
    order = torch.randperm(
        len(reader.inputs), generator=generator, device="cpu"
    ).numpy()
    n_held_out = count_held_out(
        len(order),
        task.validation_fraction,
        least=_MIN_VALIDATION_ROWS,
        most=2 * task.batch_size,
    )
    batches = _random_batches(reader, order[n_held_out:], generator)
    n_steps = _epoch_steps(_count_batches(len(order) - n_held_out, task.batch_size))
    loss_of = joint_loss if task.orthonorm == "joint" else alternating_loss

    def epoch_losses():
        return (loss_of(mlp, batches, task) for _ in range(n_steps))

    validate = None
    if n_held_out:
        held_out = [
            reader.read(rows) for rows in _split(order[:n_held_out], task.batch_size)
        ]

        def validate():
            with torch.no_grad():
                losses = [joint_loss(mlp, iter([batch]), task) for batch in held_out]
            return float(torch.stack(losses).mean())

    return train(
        mlp,
        epoch_losses,
        schedule,
        validate=validate,
        interrupts=interrupts,
        epochs=epochs,
    )


def joint_loss(mlp, batches, task):
    """The loss of the next batch, orthonormalised by its own factor.

    The gradient passes through the factor: the loss is a function of the span of the
    outputs alone, and no step can lower it by shrinking or aligning them.
    """
    batch = next(batches)
    outputs = mlp(batch.inputs).to(torch.float64)
    matrix = orthonormalizer(outputs.detach(), _row_weights(batch, task))
    form = orthonormal_form(outputs, matrix, batch.affinity, task.laplacian)
    return LOSSES[task.loss](form)


def alternating_loss(mlp, batches, task):
    """The loss of the next batch, orthonormalised by the factor of the one before.

    The coordinate descent of Shaham et al. (2018), Section 3.1: no gradient passes
    through the factor.
    """
    with torch.no_grad():
        other = next(batches)
        matrix = orthonormalizer(mlp(other.inputs), _row_weights(other, task))
    batch = next(batches)
    outputs = mlp(batch.inputs).to(torch.float64)
    form = laplacian_form(outputs @ matrix, batch.affinity, task.laplacian)
    return LOSSES[task.loss](form / len(outputs))


def align(reader, mlp, *, generator):
    """Rayleigh-Ritz of the trained outputs over all rows, in one random partition.

    Sums the Gram matrix and the Laplacian form of every batch. The pairs are scaled
    so that the aligned outputs are orthonormal in the inner product of the Laplacian,
    divided by its total weight: their entries have size 1.

    Parameters
    ----------
    reader : BatchReader
    mlp : MLP
        In float64, as it will be applied.
    generator : torch.Generator

    Returns
    -------
    Alignment
    """
    task = reader.task
    order = torch.randperm(
        len(reader.inputs), generator=generator, device="cpu"
    ).numpy()
    gram = form = total = largest = 0.0
    with torch.no_grad():
        for rows in _split(order, task.batch_size):
            batch = reader.read(rows, torch.float64)
            outputs = mlp(batch.inputs)
            weights = _row_weights(batch, task)
            gram = gram + outputs.T @ (weights[:, None] * outputs)
            form = form + laplacian_form(outputs, batch.affinity, task.laplacian)
            total = total + float(weights.sum())
            largest = max(largest, float(batch.affinity.degrees.max()))
    if not total > 0.0:
        raise ValueError(
            "The affinity has no edges: all weights are zero. With affinity='rbf' "
            "choose a smaller gamma; with a callable return positive weights."
        )
    pairs = rayleigh_ritz(to_numpy(gram) / total, to_numpy(form) / total)
    return Alignment(pairs, largest)


def _row_weights(batch, task):
    return row_weights(batch.affinity.degrees, task.laplacian)


def _count_batches(n_rows, batch_size):
    """Batches of at most `batch_size` rows, or of 3 where one would be left alone."""
    return max(1, min(-(-n_rows // batch_size), n_rows // 2))


def _epoch_steps(n_batches):
    """Steps of an epoch over that many batches."""
    if n_batches == 1:
        return _ONE_BATCH_STEPS
    return min(max(n_batches, _MIN_EPOCH_STEPS), _MAX_EPOCH_STEPS)


def _split(rows, batch_size):
    """Nearly equal parts of at most `batch_size` rows."""
    return np.array_split(rows, _count_batches(len(rows), batch_size))


def _random_batches(reader, rows, generator):
    """Yield batches of `rows` for ever."""
    batch_size = reader.task.batch_size
    if _count_batches(len(rows), batch_size) == 1:
        yield from itertools.repeat(reader.read(rows))
    while True:
        order = torch.randperm(len(rows), generator=generator, device="cpu").numpy()
        parts = _split(rows[order], batch_size)
        for start in range(0, len(parts), _GROUP_BATCHES):
            group = [reader.read(p) for p in parts[start : start + _GROUP_BATCHES]]
            for _ in range(_GROUP_PASSES):
                for i in torch.randperm(
                    len(group), generator=generator, device="cpu"
                ).tolist():
                    yield group[i]
