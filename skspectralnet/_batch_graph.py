"""The spectral stage on random batches: their graphs, training, the alignment."""

import contextlib
import itertools
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from skspectralnet._affinity import (
    batch_affinity,
    constrained_affinity,
    neighbors_in_part,
    repeated_affinity,
)
from skspectralnet._eigen import RitzPairs, rayleigh_ritz
from skspectralnet._losses import (
    LOSSES,
    laplacian_form,
    lost_form,
    orthonormal_form,
    row_gram,
    row_weights,
    useless_value,
)
from skspectralnet._network import orthonormalizer, placed_mlp
from skspectralnet._ranks import (
    added_up,
    joined_form,
    least_of_all,
    same_weights,
    summed_gradients,
)
from skspectralnet._rows import row_blocks
from skspectralnet._spectral import (
    GUARD_OUTPUTS,
    STEPS,
    SpectralFit,
    check_edges,
    in_units,
    standardised_gamma,
    train_map,
)
from skspectralnet._tensors import read_batch, to_numpy, to_tensor, torch_generator
from skspectralnet._training import count_held_out, train

# An epoch is at least this many steps, so that its loss is worth looking at on small
# data, and at most that many, so that its cost does not follow n: with three times as
# many a fit of a million rows takes longer and finds the same (benchmarks/scale.py).
_MIN_EPOCH_STEPS, _MAX_EPOCH_STEPS = 10, 32
# The loss of a single batch of all rows is free of sampling noise: fewer steps show
# whether it falls (a quarter of the time, eigenvalues within 1 %).
_ONE_BATCH_STEPS = 6
# A graph costs more than the step that uses it: batches are drawn in groups, and
# each group is gone through this many times before new rows are drawn. Batches of wide
# rows are fewer, so that there are not more entries at once than that.
_GROUP_BATCHES, _GROUP_PASSES, _GROUP_ENTRIES = 16, 4, 2**24
# Below this many held-out rows their loss is noise; the training loss decides then.
_MIN_VALIDATION_ROWS = 200


class BatchTask(NamedTuple):
    """What the stage is to do, every default resolved."""

    n_components: int
    affinity: object  # a name or a callable
    gamma: float | None  # in the units of the points; None: by the median distance
    n_neighbors: int  # in a full batch
    batch_size: int
    laplacian: str
    orthonorm: str
    loss: str
    hidden_layer_sizes: tuple
    activation: str
    tol: float
    n_iter_no_change: int
    validation_fraction: float  # 0.0: no early stopping on held-out rows
    device: torch.device
    group: object = None  # ProcessGroup of the ranks that hold parts of the rows


class Batch(NamedTuple):
    """Rows as the network sees them and the graph between them."""

    inputs: object  # tensor of shape (b, n_inputs), or None
    affinity: object  # SparseAffinity or DenseAffinity
    laplacian: str

    @property
    def row_weights(self):
        """Of the rows in the inner product of the Laplacian, (b,)."""
        return row_weights(self.affinity.degrees, self.laplacian)

    def factor(self, outputs):
        """What makes outputs for these rows orthonormal, and the form of what is lost.

        Two matrices of shape (q, q); gradients pass through both.
        """
        outputs, weights = outputs.to(torch.float64), self.row_weights
        matrix = orthonormalizer(outputs, weights)
        lost = lost_form(row_gram(outputs, weights), matrix)
        return matrix, useless_value(self.affinity.degrees, self.laplacian) * lost

    def own_form(self, outputs, group=None):
        """The Laplacian form of outputs orthonormalised by their own factor.

        Of the outputs of all ranks of a group together.
        """
        if group is not None:
            return joined_form(outputs, self.affinity, self.laplacian, group)
        outputs = outputs.to(torch.float64)
        matrix = orthonormalizer(outputs.detach(), self.row_weights)
        return orthonormal_form(outputs, matrix, self.affinity, self.laplacian)

    def form(self, outputs, matrix):
        """The Laplacian form of outputs times a given matrix."""
        Y = outputs.to(torch.float64) @ matrix
        return laplacian_form(Y, self.affinity, self.laplacian) / len(Y)


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
    task : BatchTask
    constraints : Constraints or None
        What is known about pairs of rows: it overrules the distances.
    """

    def __init__(self, inputs, points, task, constraints=None):
        self.inputs = inputs
        self.points = points
        self.task = task
        self.constraints = constraints

    def read(self, rows):
        """Return the Batch of some rows.

        Parameters
        ----------
        rows : ndarray of int of shape (b,)
        """
        inputs = points = read_batch(self.points, rows, device=self.task.device)
        if self.inputs is not self.points:
            inputs = read_batch(self.inputs, rows, device=self.task.device)
        return Batch(inputs, self._graph(points, rows), self.task.laplacian)

    def read_graph(self, rows):
        """The Batch of some rows without their inputs."""
        points = read_batch(self.points, rows, device=self.task.device)
        return Batch(None, self._graph(points, rows), self.task.laplacian)

    def outputs(self, mlp, rows):
        """What a network makes of some rows, (b, n_outputs), in its own precision.

        Wide rows are read in parts: a batch of them in float64 would be the most that
        a fit holds.
        """
        device, dtype = self.task.device, mlp.biases[0].dtype
        parts = row_blocks((len(rows), self.inputs.shape[1]))
        read = (
            read_batch(self.inputs, rows[part], device=device, dtype=dtype)
            for part in parts
        )
        return torch.cat([mlp(inputs) for inputs in read])

    def _graph(self, points, rows):
        """The affinity of some rows, which are `points`."""
        task = self.task
        gamma = standardised_gamma(task.gamma, self.points.scale)
        if callable(task.affinity):
            points = in_units(points, self.points)
        n_neighbors = neighbors_in_part(task.n_neighbors, len(rows), task.batch_size)
        affinity = batch_affinity(
            points, task.affinity, n_neighbors=n_neighbors, gamma=gamma
        )
        if self.constraints is not None:
            relations = self.constraints.relations(rows)
            affinity = constrained_affinity(affinity, *map(self._on_device, relations))
        if self.points.multiplicities is not None:
            many = self.points.multiplicities[rows]
            affinity = repeated_affinity(affinity, many)
        return affinity

    def _on_device(self, array):
        dtype = torch.bool if array.dtype == bool else torch.int64
        return to_tensor(array, device=self.task.device, dtype=dtype)


def fit(inputs, points, task, constraints, trainer, rng):
    """Train a map on the spectral loss of random batches and align its outputs.

    Where the task has a group, each of its ranks calls this with rows of its own, in
    the same units, and a `rng` of its own; all make the same steps, those of batches
    that are made of one batch of each, and return the same.

    Parameters
    ----------
    inputs, points : Rows
    task : BatchTask
        With a group its `orthonorm` must be ``"joint"``.
    constraints : Constraints or None
    trainer : Trainer
    rng : RandomState

    Returns
    -------
    SpectralFit
    """
    generator = torch_generator(rng)
    reader = BatchReader(inputs, points, task, constraints)
    mlp = new_map(reader, generator)
    if task.group is not None:
        same_weights(mlp, task.group)
    training = partial(fit_map, reader, mlp, generator=generator)
    patience = {"tol": task.tol, "n_iter_no_change": task.n_iter_no_change}
    history = train_map(trainer, training, "spectral loss", **patience)
    mlp.zero_grad(set_to_none=True)  # before they are converted too
    mlp = mlp.double()
    with trainer.stage("alignment"):
        pairs, largest_degree = align(reader, mlp, generator=generator)
    return SpectralFit(mlp, pairs, largest_degree, history, task.n_neighbors)


def new_map(reader, generator):
    """A perceptron with random weights for the inputs of a reader.

    Returns
    -------
    MLP
        With a few outputs more than the components of the task.
    """
    task, n_rows = reader.task, len(reader.inputs)
    n_outputs = min(task.n_components + GUARD_OUTPUTS, task.batch_size)
    layers = (*task.hidden_layer_sizes, n_outputs)
    read = reader.inputs.batch
    mlp = placed_mlp(read, n_rows, layers, task.activation, generator)
    return mlp.to(task.device)


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
    n_batches = _count_batches(len(order) - n_held_out, task.batch_size)
    loss_of, summing = STEPS[task.orthonorm], contextlib.nullcontext()
    if task.group is not None:
        # The same steps on all: a rank that made more would wait for ever.
        n_held_out = least_of_all(n_held_out, task.group)
        n_batches = -least_of_all(-n_batches, task.group)
        loss_of, summing = _joined_loss, summed_gradients(mlp, task.group)
    batches = _Batches(reader, order[n_held_out:], generator, epochs.kept)
    n_steps = _epoch_steps(n_batches)

    def epoch_losses():
        drawn = batches.of_epoch()
        return (loss_of(mlp, drawn, task) for _ in range(n_steps))

    validate = _validation(reader, mlp, order[:n_held_out]) if n_held_out else None
    hooks = {"interrupts": interrupts, "epochs": epochs}
    # A Ctrl-C while the endless generator is finalised would be lost.
    with contextlib.closing(batches), summing:
        return train(mlp, epoch_losses, schedule, validate=validate, **hooks)


class _Batches:
    """The batches of a training, epoch by epoch.

    They go on from one epoch to the next, since graphs are used several times; but of
    a training that may be broken off and go on elsewhere each epoch has draws of its
    own, which are the same ones there.
    """

    def __init__(self, reader, rows, generator, kept):
        self._reader, self._rows, self._kept = reader, rows, kept
        self._drawn = _random_batches(reader, rows, generator)
        one = _count_batches(len(rows), reader.task.batch_size) == 1
        self._goes_on = kept is None or one  # a single batch is not drawn

    def of_epoch(self):
        """An endless generator of batches."""
        if not self._goes_on:
            self.close()
            generator = torch.Generator("cpu").manual_seed(self._kept.next_seed())
            self._drawn = _random_batches(self._reader, self._rows, generator)
        return self._drawn

    def close(self):
        self._drawn.close()


def _validation(reader, mlp, rows):
    """A function that gives the mean loss of held-out rows, whose graphs are kept."""
    task = reader.task
    parts = _split(rows, task.batch_size)
    held_out = [(part, reader.read_graph(part)) for part in parts]

    def validate():
        with torch.no_grad():
            forms = [
                batch.own_form(reader.outputs(mlp, part), task.group)
                for part, batch in held_out
            ]
            losses = [LOSSES[task.loss](form) for form in forms]
        return float(torch.stack(losses).mean())

    return validate


def _joined_loss(mlp, batches, task):
    """The loss of the next batches of all ranks together, by their own factor."""
    batch = next(batches)
    return LOSSES[task.loss](batch.own_form(mlp(batch.inputs), task.group))


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
    gram = form = total = degrees = largest = 0.0
    with torch.no_grad():
        for rows in _split(order, task.batch_size):
            batch = reader.read_graph(rows)
            outputs = reader.outputs(mlp, rows)
            weights = batch.row_weights
            gram = gram + outputs.T @ (weights[:, None] * outputs)
            form = form + laplacian_form(outputs, batch.affinity, task.laplacian)
            total = total + float(weights.sum())
            degrees = degrees + float(batch.affinity.degrees.sum())
            largest = max(largest, float(batch.affinity.degrees.max()))
        if task.group is not None:
            parts = (gram, form, total, degrees)
            gram, form, total, degrees = (added_up(x, task.group) for x in parts)
            largest = -least_of_all(-largest, task.group)
    check_edges(degrees, lambda: _total_degree(reader, order))
    pairs = rayleigh_ritz(to_numpy(gram) / total, to_numpy(form) / total)
    return Alignment(pairs, largest)


def _total_degree(reader, order):
    """The weights of all batches, whatever is known about pairs of rows."""
    task = reader.task
    free = BatchReader(reader.inputs, reader.points, task)
    parts = _split(order, task.batch_size)
    return sum(float(free.read_graph(rows).affinity.degrees.sum()) for rows in parts)


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
    most = _GROUP_ENTRIES // (batch_size * reader.inputs.shape[1])
    n_held = min(max(most, 1), _GROUP_BATCHES)
    while True:
        order = torch.randperm(len(rows), generator=generator, device="cpu").numpy()
        parts = _split(rows[order], batch_size)
        for start in range(0, len(parts), n_held):
            group = [reader.read(p) for p in parts[start : start + n_held]]
            for _ in range(min(n_held, _GROUP_PASSES)):
                for i in torch.randperm(
                    len(group), generator=generator, device="cpu"
                ).tolist():
                    yield group[i]
            del group  # before the next one is read
