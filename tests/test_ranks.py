"""A batch on several ranks: the same steps as one process with all of its rows."""

import datetime
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from skspectralnet import _ranks
from skspectralnet._affinity import batch_affinity
from skspectralnet._batch_graph import (
    Batch,
    BatchReader,
    BatchTask,
    align,
    fit_map,
    new_map,
)
from skspectralnet._losses import LOSSES, edge_form, laplacian_form, row_gram
from skspectralnet._neighbor_graph import (
    EdgeBatch,
    GraphPart,
    GraphReader,
    GraphTask,
    PartReader,
    neighbor_affinity,
)
from skspectralnet._network import MLP, orthonormalizer, orthonormalizer_of
from skspectralnet._ranks import joined_form, same_weights, summed, summed_gradients
from skspectralnet._rows import Rows
from skspectralnet._tasks import Epochs, FitTask, Interrupts
from skspectralnet._training import Schedule
from skspectralnet._validation import NoContext

N_RANKS, N_STEPS, N_COLUMNS, N_OUTPUTS = 2, 8, 3, 4
pytestmark = pytest.mark.skipif(
    not distributed.is_available(), reason="torch without torch.distributed"
)


def rows_of(seed, step, rank):
    """The part of a batch that a rank has: of another length on each."""
    draws = np.random.RandomState([seed, step, rank])
    return torch.from_numpy(draws.normal(size=(40 + 13 * rank, N_COLUMNS)))


def affinity_of(points, laplacian):
    return batch_affinity(points, "self_tuning", n_neighbors=5, gamma=None)


def whole_affinity(parts):
    """The affinity of the rows of all parts, with the edges inside the parts."""
    found = [affinity_of(points, None) for points in parts]
    starts = np.cumsum([0, *map(len, parts)])
    edges = np.cumsum([0, *(len(a.weights) for a in found)])
    first = [a.neighbors + int(s) for a, s in zip(found, starts, strict=False)]
    offsets = [a.offsets[:-1] + int(e) for a, e in zip(found, edges, strict=False)]
    end = torch.tensor([int(edges[-1])], dtype=found[0].offsets.dtype)
    return type(found[0])(
        torch.cat(first),
        torch.cat([a.weights for a in found]),
        torch.cat([*offsets, end]),
        torch.cat([a.degrees for a in found]),
    )


def network(seed):
    generator = torch.Generator().manual_seed(seed)
    return MLP((N_COLUMNS, 16, N_OUTPUTS), "tanh", generator).double()


def right(mlp, points, laplacian, loss, group):
    affinity = affinity_of(points, laplacian)
    return LOSSES[loss](joined_form(mlp(points), affinity, laplacian, group))


def with_gram_of_the_rank(mlp, points, laplacian, loss, group):
    """Nothing is added up but gradients: each rank is orthonormal for itself."""
    batch = Batch(points, affinity_of(points, laplacian), laplacian)
    return LOSSES[loss](batch.own_form(mlp(points))) / N_RANKS


def with_gram_in_place(mlp, points, laplacian, loss, group):
    """The Gram matrix is that of all, but no gradient of others' losses comes back."""
    batch = Batch(points, affinity_of(points, laplacian), laplacian)
    outputs, weights = mlp(points), batch.row_weights
    own = outputs.T @ (weights[:, None] * outputs)
    gram = summed(own, group)
    n_rows = sum(40 + 13 * rank for rank in range(N_RANKS))
    matrix = orthonormalizer_of(gram, n_rows)
    form = laplacian_form(outputs @ matrix, batch.affinity, laplacian) / len(points)
    return LOSSES[loss](form) / N_RANKS


STEPS = {
    "right": right,
    "own gram": with_gram_of_the_rank,
    "gram in place": with_gram_in_place,
}


def trained(mlp, losses):
    optimizer = torch.optim.AdamW(mlp.parameters(), lr=1e-2, weight_decay=1e-4)
    values = []
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    weights = {name: value.tolist() for name, value in mlp.state_dict().items()}
    return values, weights


def on_a_rank(rank, group, seed, laplacian, loss, how):
    """Losses and weights after some steps; the seed of the network is its own."""
    mlp = network(seed + 1000 * rank)
    same_weights(mlp, group)
    with summed_gradients(mlp, group):
        parts = (rows_of(seed, step, rank) for step in range(N_STEPS))
        step = STEPS[how]
        return trained(mlp, (step(mlp, p, laplacian, loss, group) for p in parts))


def in_one_process(seed, laplacian, loss):
    mlp = network(seed)

    def losses():
        for step in range(N_STEPS):
            parts = [rows_of(seed, step, rank) for rank in range(N_RANKS)]
            batch = Batch(torch.cat(parts), whole_affinity(parts), laplacian)
            yield LOSSES[loss](batch.own_form(mlp(batch.inputs)))

    return trained(mlp, losses())


CASES = [
    ("random_walk", "log", "right"),
    ("symmetric", "log", "right"),
    ("unnormalized", "trace", "right"),
    ("random_walk", "trace", "own gram"),
    ("random_walk", "trace", "gram in place"),
]


def all_cases(seed):
    """What this rank of a group that exists has found, for each case."""
    group, rank = distributed.group.WORLD, distributed.get_rank()
    return [on_a_rank(rank, group, seed, *case) for case in CASES]


def _rank(rank, folder, seed, results):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=N_RANKS,
        timeout=datetime.timedelta(seconds=60),
    )
    try:
        results.put((rank, all_cases(seed)))
    finally:
        distributed.destroy_process_group()


class Threads:
    """Stands for torch.distributed where a rank is a thread of one process."""

    def __init__(self):
        self._barrier = threading.Barrier(N_RANKS, timeout=60)
        self._parts = [None] * N_RANKS

    def _all(self, part, rank):
        self._parts[rank] = part.clone()
        self._barrier.wait()
        parts = list(self._parts)
        self._barrier.wait()  # before the next ones are put there
        return parts

    ReduceOp = distributed.ReduceOp

    def all_reduce(self, tensor, group, op=distributed.ReduceOp.SUM):
        parts = torch.stack(self._all(tensor, group))
        least = op == distributed.ReduceOp.MIN
        tensor.copy_(parts.amin(dim=0) if least else parts.sum(dim=0))


class Rank(int):
    """The number of a rank, which is also its group."""

    def rank(self):
        return int(self)


def on_threads(monkeypatch, function):
    """What a function of a rank, which is also its group, returns on each."""
    monkeypatch.setattr(_ranks, "distributed", Threads())
    with ThreadPoolExecutor(N_RANKS) as pool:
        return list(pool.map(function, map(Rank, range(N_RANKS))))


def check(case, ranks, seed):
    """The right way gives the steps of one process, the wrong ones others."""
    laplacian, loss, how = CASES[case]
    first, second = (rank[case] for rank in ranks)
    losses, weights = in_one_process(seed, laplacian, loss)
    assert first[1] == second[1]  # bit for bit, right or wrong
    if how == "right":
        assert first[0] == second[0]
        np.testing.assert_allclose(first[0], losses, atol=1e-7)
        assert distance(first[1], weights) < 1e-7
    else:
        assert distance(first[1], weights) > 1e-2


def test_two_ranks_are_one_process(monkeypatch, global_random_seed):
    def all_cases(rank):
        return [on_a_rank(rank, rank, global_random_seed, *case) for case in CASES]

    found = on_threads(monkeypatch, all_cases)
    for case in range(len(CASES)):
        check(case, found, global_random_seed)


# --- parts of a graph


def graph_task(laplacian, group=None):
    return GraphTask(
        **{"n_components": 3, "affinity": "self_tuning", "gamma": None},
        **{"n_neighbors": 5, "n_neighbors_asked": False, "batch_size": 64},
        **{"laplacian": laplacian, "orthonorm": "joint", "loss": "log"},
        **{"init": "random", "hidden_layer_sizes": (16,), "activation": "tanh"},
        **{"tol": 0.0, "n_iter_no_change": 5, "device": torch.device("cpu")},
        group=group,
    )


def part_of(X, graph, rank):
    """The Rows and the GraphPart of a rank: a third of the nodes, or two thirds."""
    third = len(X) // 3
    own = np.arange(third) if rank == 0 else np.arange(third, len(X))
    reached = np.unique(graph[own].tocoo().coords[1])
    nodes = np.append(own, np.setdiff1d(reached, own))
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    part = GraphPart(X[nodes], graph[own][:, nodes], degrees[nodes])
    return nodes, Rows(part.inputs, np.zeros(N_COLUMNS), 1.0), part


def whole_graph(seed):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(90, N_COLUMNS))
    return X, neighbor_affinity(X, "self_tuning", 5, gamma=None, random_state=rng)


@pytest.mark.parametrize("laplacian", ["random_walk", "symmetric", "unnormalized"])
def test_parts_of_a_graph_are_the_graph(monkeypatch, laplacian, global_random_seed):
    X, graph = whole_graph(global_random_seed)
    Y = np.random.RandomState(global_random_seed).normal(size=(90, 3))
    task = graph_task(laplacian)
    reader = GraphReader(Rows(X, np.zeros(3), 1.0), np.arange(90), graph, task)
    values = np.arange(3.0)

    def on_rank(rank):
        nodes, inputs, part = part_of(X, graph, rank)
        mine = PartReader(inputs, part, graph_task(laplacian, rank))
        form = gram = 0.0
        # Exhaustively: each edge by itself, times its probability.
        for edge, share in enumerate(np.diff(mine.cumulative, prepend=0.0)):
            batch = mine.read(np.array([edge]))
            ends = nodes[mine.ends[:, edge]]
            U = batch.functions(torch.from_numpy(Y[ends]))
            form = form + share * batch.share * edge_form(U)
            gram = gram + share * batch.share * row_gram(U, batch.row_weights)
        measured = mine.forms(Y[nodes]), mine.residuals(Y[nodes], values)
        return *measured, mine.largest_degree, mine.n_nodes, gram, form

    found = on_threads(monkeypatch, on_rank)
    for forms, missed, largest, n_nodes, _, _ in found:
        np.testing.assert_allclose(forms, reader.forms(Y), atol=1e-12)
        np.testing.assert_allclose(missed, reader.residuals(Y, values), rtol=1e-10)
        assert (largest, n_nodes) == (pytest.approx(reader.largest_degree), 90)
    gram, form = (sum(rank[i] for rank in found) for i in (4, 5))
    expected = reader.forms(np.column_stack([np.ones(90), Y]))
    if laplacian == "unnormalized":  # of edges: over the mean degree
        expected = expected[0], expected[1] / reader.degrees.mean()
    np.testing.assert_allclose(gram, expected[0], atol=1e-12)
    np.testing.assert_allclose(form, expected[1], atol=1e-12)


def edges_of(seed, step, rank):
    """An EdgeBatch of the same number of edges on each rank."""
    draws = np.random.RandomState([seed, step, rank])
    inputs = torch.from_numpy(draws.normal(size=(80, N_COLUMNS)))
    weights = torch.from_numpy(draws.uniform(0.5, 2.0, size=80))
    return EdgeBatch(inputs, None, torch.ones(80, 1), weights, 0.5, rank)


def test_two_ranks_that_draw_edges_are_one_process(monkeypatch, global_random_seed):
    seed = global_random_seed

    def on_rank(rank):
        mlp = network(seed)
        batches = (edges_of(seed, step, rank) for step in range(N_STEPS))
        with summed_gradients(mlp, rank):
            losses = (LOSSES["log"](b.own_form(mlp(b.inputs))) for b in batches)
            return trained(mlp, losses)

    def joined(step):
        parts = [edges_of(seed, step, rank) for rank in range(N_RANKS)]

        def ends(name):  # all first ones before all second ones
            halves = [getattr(part, name).chunk(2) for part in parts]
            return torch.cat([half[i] for i in (0, 1) for half in halves])

        return EdgeBatch(ends("inputs"), None, ends("scales"), ends("row_weights"))

    first, second = on_threads(monkeypatch, on_rank)
    mlp = network(seed)
    batches = map(joined, range(N_STEPS))
    one = trained(mlp, (LOSSES["log"](b.own_form(mlp(b.inputs))) for b in batches))
    assert first == second
    np.testing.assert_allclose(first[0], one[0], atol=1e-7)
    assert distance(first[1], one[1]) < 1e-7


# --- processes


@pytest.fixture(scope="module")
def on_ranks():
    """What each of two processes has found, by seed; made once for each."""
    found = {}

    def of(seed):
        if seed not in found:
            found[seed] = _spawned(seed)
        return found[seed]

    return of


def _spawned(seed):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        ranks = [
            context.Process(target=_rank, args=(rank, folder, seed, results))
            for rank in range(N_RANKS)
        ]
        for process in ranks:
            process.start()
        try:
            made = dict(results.get(timeout=120) for _ in ranks)
        finally:
            for process in ranks:
                process.join(20)
                process.kill()
    return [made[rank] for rank in range(N_RANKS)]


def distance(one, other):
    return max(np.max(np.abs(np.subtract(one[k], other[k]))) for k in one)


class DoubleReader(BatchReader):
    """Reads inputs in float64, in which sums differ by rounding alone."""

    def read(self, rows):
        batch = super().read(rows)
        return batch._replace(inputs=batch.inputs.double())


def reader_of(inputs, W, first, group=None, **changes):
    """Some of the rows of a graph, of which `first` is the first one."""
    weights = torch.from_numpy(W)

    def look_up(points):
        rows = points.round().long().ravel()
        return weights[rows][:, rows]

    settings = {
        **{"n_components": 3, "affinity": look_up, "gamma": None, "n_neighbors": 1},
        **{"batch_size": 1000, "laplacian": "random_walk", "orthonorm": "joint"},
        **{"loss": "log", "hidden_layer_sizes": (16,), "activation": "tanh"},
        **{"tol": 1e-3, "n_iter_no_change": 4, "validation_fraction": 0.0},
        **{"device": torch.device("cpu"), "group": group, **changes},
    }
    numbers = np.arange(first, first + len(inputs), dtype=float)[:, None]
    return DoubleReader(
        Rows(inputs, np.zeros(inputs.shape[1]), 1.0),
        Rows(numbers, np.zeros(1), 1.0),
        BatchTask(**settings),
    )


def trained_map(reader, seed, begun_by=None):
    """History, weights and aligned pairs of the training of a map."""
    generator = torch.Generator().manual_seed(seed)
    mlp = new_map(begun_by or reader, generator).double()
    if reader.task.group is not None:
        same_weights(mlp, reader.task.group)
    history = fit_map(
        reader,
        mlp,
        Schedule(8, 0.02, 1e-4, reader.task.tol, reader.task.n_iter_no_change),
        generator=generator,
        interrupts=Interrupts(),
        epochs=Epochs(FitTask(NoContext(), None, None, None)),
    )
    return history, mlp.to_arrays()["weights"], align(reader, mlp, generator=generator)


def test_a_map_trained_by_two_ranks_is_that_of_one_process(monkeypatch, rng):
    """One batch of each rank: the graph of all has the edges inside of both."""
    starts = (0, 50, 140)
    inputs = rng.normal(size=(140, 2))
    squares = np.sum((inputs[:, None] - inputs) ** 2, axis=2)
    W = np.where(squares < 0.5, np.exp(-squares), 0.0)
    W[:50, 50:] = W[50:, :50] = 0.0
    np.fill_diagonal(W, 0.0)

    def run(rank):
        rows = slice(starts[rank], starts[rank + 1])
        # Numbers of their own would give other weights: those of the first are taken.
        return trained_map(reader_of(inputs[rows], W, starts[rank], group=rank), rank)

    first, second = on_threads(monkeypatch, run)
    whole = reader_of(inputs, W, 0)
    begun_by = reader_of(inputs[:50], W, 0)  # as the first rank has begun
    history, weights, (pairs, largest) = trained_map(whole, 0, begun_by)
    assert first[0] == second[0]
    np.testing.assert_allclose(first[0].loss_curve, history.loss_curve, atol=1e-7)
    for one, two, weight in zip(first[1], second[1], weights, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, weight, atol=1e-7)
    for found in (first[2], second[2]):
        np.testing.assert_allclose(
            found.pairs.eigenvalues, pairs.eigenvalues, atol=1e-9
        )
        assert found.largest_degree == largest


@pytest.mark.parametrize("validation_fraction", [0.0, 0.4])
def test_ranks_with_few_and_many_rows_make_the_same_steps(
    monkeypatch, rng, validation_fraction
):
    """Of 60 and 700 rows, and so of other numbers of batches and of held-out rows."""

    def run(rank):
        n_rows = (60, 700)[rank]
        inputs = np.random.RandomState(rank).normal(size=(n_rows, 2))
        squares = np.sum((inputs[:, None] - inputs) ** 2, axis=2)
        changes = {"batch_size": 40, "validation_fraction": validation_fraction}
        W = np.exp(-squares)
        return trained_map(reader_of(inputs, W, 0, group=rank, **changes), rank)

    first, second = on_threads(monkeypatch, run)
    assert first[0] == second[0]
    assert len(first[0].loss_curve) >= 4
    for one, two in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(one, two)
    assert_same = np.testing.assert_array_equal
    assert_same(first[2].pairs.eigenvalues, second[2].pairs.eigenvalues)


@pytest.mark.slow
def test_two_processes_are_one(on_ranks, global_random_seed):
    """The same by gloo."""
    for case in range(len(CASES)):
        check(case, on_ranks(global_random_seed), global_random_seed)


@pytest.fixture
def alone():
    """A group of this process alone."""
    with tempfile.TemporaryDirectory() as folder:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/one", rank=0, world_size=1
        )
        yield distributed.group.WORLD
        distributed.destroy_process_group()


@pytest.mark.parametrize("laplacian", ["random_walk", "symmetric", "unnormalized"])
def test_a_single_rank_has_the_form_and_its_gradient(alone, laplacian, rng):
    points = torch.from_numpy(rng.normal(size=(60, N_COLUMNS)))
    affinity = affinity_of(points, laplacian)
    batch = Batch(points, affinity, laplacian)
    outputs = torch.from_numpy(rng.normal(size=(60, N_OUTPUTS))).requires_grad_()
    direction = torch.from_numpy(rng.normal(size=(N_OUTPUTS, N_OUTPUTS)))
    direction = direction + direction.T
    forms, slopes = [], []
    for form in (batch.own_form(outputs), joined_form(outputs, *batch[1:], alone)):
        forms.append(form.detach())
        slopes.append(torch.autograd.grad((form * direction).sum(), outputs)[0])
    torch.testing.assert_close(forms[1], forms[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(slopes[1], slopes[0], rtol=0, atol=1e-7)


def test_the_gram_matrix_is_all_that_the_orthonormalizer_needs(rng):
    outputs = torch.from_numpy(rng.normal(size=(30, 4)))
    weights = torch.from_numpy(rng.uniform(size=30))
    gram = outputs.T @ (weights[:, None] * outputs)
    one, other = orthonormalizer(outputs, weights), orthonormalizer_of(gram, 30)
    assert torch.equal(one, other)


@pytest.mark.slow
def test_under_torchrun(tmp_path, on_ranks, global_random_seed):
    """A group that torchrun has made gives what spawned processes give."""
    script = tmp_path / "script.py"
    script.write_text(
        "import json, sys, datetime\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import torch.distributed as distributed\n"
        "import test_ranks\n"
        "distributed.init_process_group('gloo', "
        "timeout=datetime.timedelta(seconds=60))\n"
        f"found = test_ranks.all_cases({global_random_seed})\n"
        f"path = {str(tmp_path)!r} + f'/{{distributed.get_rank()}}.json'\n"
        "json.dump(found, open(path, 'w'))\n"
        "distributed.destroy_process_group()\n",
        encoding="utf-8",
    )
    call = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    call += ["--nproc-per-node", str(N_RANKS), str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(call, check=True, timeout=300, env=environment)  # noqa: S603

    for rank, expected in enumerate(on_ranks(global_random_seed)):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for (_, one), (_, other) in zip(found, expected, strict=True):
            assert distance(one, other) < 1e-12
