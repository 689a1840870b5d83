"""Wide sparse rows: what is dense at once is bounded by entries, not by rows."""

import tracemalloc
import warnings
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
    _affinity,
    _defaults,
    _network,
    _rows,
)
from skspectralnet._batch_graph import BatchReader
from skspectralnet._pairs import find_pairs, neighbor_differences
from skspectralnet._rows import Rows, center_and_scale, row_blocks

N_ROWS, N_COLUMNS = 1000, 40_000
COPY = 4 * N_ROWS * N_COLUMNS  # bytes of a dense float32 copy of all rows


def topics(seed, n_rows=N_ROWS, n_columns=N_COLUMNS):
    """Counts of words, sparse; each of four topics has most of its words to itself."""
    rng = np.random.RandomState(seed)
    words = rng.randint(n_columns // 20, size=(n_rows, 20)) * 4
    words += np.arange(n_rows)[:, None] % 4
    common = rng.uniform(size=words.shape) < 0.2
    words[common] = rng.randint(n_columns, size=np.count_nonzero(common))
    places = np.repeat(np.arange(n_rows), 20), words.ravel()
    counts = np.ones(words.size, dtype=np.float32)
    return sparse.coo_array((counts, places), shape=(n_rows, n_columns)).tocsr()


class LargestTensor(TorchDispatchMode):
    """The most bytes of a tensor that an operation has made while it was active."""

    def __init__(self):
        super().__init__()
        self.n_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, torch.Tensor):
                self.n_bytes = max(self.n_bytes, tensor.untyped_storage().nbytes())
        return found


class Footprint:
    """Largest sum of the arrays of numpy at once, and largest tensor, in a block."""

    def __enter__(self):
        self._mode = LargestTensor()
        self._mode.__enter__()
        torch.ones(1)  # torch imports at the first
        tracemalloc.start()
        return self

    def __exit__(self, *error):
        self.arrays = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self._mode.__exit__(*error)
        self.tensor = self._mode.n_bytes


def test_the_measure_sees_both():
    with Footprint() as footprint:
        np.ones(300_000)
        torch.ones(500_000, dtype=torch.float32) * 2
    assert 2.4e6 <= footprint.arrays <= 2.5e6
    assert footprint.tensor == 2e6


SMALL = {"max_iter": 1, "random_state": 0}
RAW = {"encoder": None, "metric_learner": None, "batch_size": 100, **SMALL}
MODELS = {
    "siamese": SiameseEmbedding(batch_size=100, **SMALL),
    "siamese, cells": SiameseEmbedding(
        batch_size=100, neighbors_algorithm="cells", **SMALL
    ),
    "autoencoder": Autoencoder(**SMALL),
    "cosine": SpectralNetClustering(4, metric="cosine", metric_learner=None, **SMALL),
    "autoencoder before": SpectralNetClustering(
        4, encoder=Autoencoder(**SMALL), metric_learner=None, **SMALL
    ),
    "siamese alone": SpectralNetClustering(
        4,
        encoder=None,
        metric_learner=SiameseEmbedding(batch_size=64, **SMALL),
        **SMALL,
    ),
    "raw": SpectralNetClustering(4, **RAW),
    "raw, data": SpectralNetClustering(4, neighbors_in="data", **RAW),
    "embedding": SpectralNetEmbedding(**SMALL),
}


# Of several seconds each; the others share their mechanisms.
LONG = ("siamese, cells", "siamese alone", "autoencoder before", "raw", "raw, data")
short_and_long = [
    pytest.param(name, marks=pytest.mark.slow if name in LONG else ())
    for name in MODELS
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", short_and_long)
def test_no_method_makes_a_dense_copy(name):
    X, model = topics(0), clone(MODELS[name])
    methods = ["fit", "transform", "predict", "score", "partial_fit"]
    for method in filter(lambda method: hasattr(model, method), methods):
        with Footprint() as footprint:
            getattr(model, method)(X)
        assert footprint.arrays < COPY, method
        assert footprint.tensor < COPY / 2, method


# --- blocks change the memory, not the result


@pytest.mark.parametrize("shape", [(5, 3), (20_000, 3), (7, 2**21), (3000, 1000)])
def test_blocks_of_rows(shape):
    blocks = row_blocks(shape)
    assert_array_equal(
        np.concatenate([np.arange(shape[0])[b] for b in blocks]), np.arange(shape[0])
    )
    for block in blocks:
        n_rows = block.stop - block.start
        assert n_rows == 1 or (n_rows <= 8192 and n_rows * shape[1] <= 2**20)


@pytest.fixture
def small_blocks(monkeypatch):
    """Everything that is read in blocks is read in blocks of a few rows."""

    def shrink():
        monkeypatch.setattr(_rows, "_BLOCK_ENTRIES", 100)
        monkeypatch.setattr(_rows, "_STAGES_ENTRIES", 300)
        monkeypatch.setattr(_rows, "_SPARSE_ENTRIES", 300)

    return shrink


def test_rows_are_the_same_in_small_blocks(small_blocks, global_random_seed):
    X = topics(global_random_seed, 200, 40)
    rows = Rows(X, *center_and_scale(X))
    which = np.random.RandomState(0).randint(200, size=70)
    expected = rows.batch(which)
    pairs = find_pairs(X, None, 5, "auto", None, np.random.RandomState(0))
    differences = neighbor_differences(pairs)
    small_blocks()
    assert len(row_blocks(X.shape)) == 100
    assert_array_equal(rows.batch(which), expected)
    assert_array_equal(neighbor_differences(pairs), differences)
    for found, true in zip(center_and_scale(X), rows.units, strict=True):
        if true is not None:
            assert_allclose(found, true, rtol=1e-12, atol=1e-14)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("encoder", ["auto", None])
def test_new_rows_are_the_same_in_small_blocks(
    encoder, small_blocks, global_random_seed
):
    X = topics(global_random_seed, 200, 40)
    model = SpectralNetClustering(
        4, encoder=encoder, max_iter=3, random_state=global_random_seed
    ).fit(X)
    expected = model.transform(X)
    small_blocks()
    assert_allclose(model.transform(X), expected, rtol=1e-6, atol=1e-7)


# --- networks and batches of very wide rows


def test_a_wide_layer_is_the_same_in_parts(global_random_seed, monkeypatch):
    generator = torch.Generator().manual_seed(global_random_seed)

    def new(*shape):
        made = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return made.requires_grad_()

    x, weight, bias = new(30, 70), new(5, 70), new(5)
    found = []
    for entries in (30 * 70, 30 * 16, 1):  # in one part, in 5, in 70
        monkeypatch.setattr(_network, "_WHOLE_ENTRIES", entries)
        outputs = _network.linear(x, weight, bias)
        gradients = torch.autograd.grad(outputs.square().sum(), (x, weight, bias))
        found.append([part.detach() for part in (outputs, *gradients)])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert_allclose(other, one, rtol=1e-10, atol=1e-10)


def test_neighbors_in_a_wide_batch_are_the_same_in_parts(
    global_random_seed, monkeypatch
):
    generator = torch.Generator().manual_seed(global_random_seed)
    points = torch.randn(100, 50, generator=generator)
    neighbors, squared = _affinity.nearest_in_batch(points, 7)
    monkeypatch.setattr(_affinity, "_PART_ENTRIES", 600)  # of 12 rows
    assert_array_equal(_affinity.nearest_in_batch(points, 7)[1], squared)
    monkeypatch.setattr(_affinity, "_PART_COLUMNS", 16)
    others, apart = _affinity.nearest_in_batch(points, 7)
    assert_array_equal(np.sort(others), np.sort(neighbors))
    assert_allclose(np.sort(apart), np.sort(squared), rtol=1e-6)


@pytest.mark.slow
def test_no_batch_is_read_beside_the_one_before(monkeypatch):
    X, held = topics(0, 600, 30_000), []
    read = BatchReader.read

    def spied(reader, rows):
        held[:] = [one for one in held if one() is not None]
        assert held == []
        batch = read(reader, rows)
        held.append(weakref.ref(batch.inputs))
        return batch

    monkeypatch.setattr(BatchReader, "read", spied)
    model = SpectralNetClustering(4, **{**RAW, "batch_size": 300, "tol": 10.0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
    assert len(held) == 1


@pytest.mark.parametrize(
    "layers",
    [
        _defaults.batch_layers,
        partial(_defaults.graph_layers, n_outputs=16),
        _defaults.siamese_layers,
        _defaults.coder_layers,
    ],
)
def test_the_first_layer_has_a_bounded_number_of_weights(layers):
    for n_samples in (100, 10_000):
        for n_columns in (1, 4096):
            assert layers(n_samples, n_columns)[0] >= 64
        for n_columns in (20_000, 100_000):
            units = layers(n_samples, n_columns)
            assert 16 <= units[0] <= 2**21 // n_columns
        assert layers(n_samples, 10**7)[0] == 16


def test_indices_of_64_bits(global_random_seed):
    X = topics(global_random_seed, 300, 50)
    wide = sparse.csr_array(
        (X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape
    )
    model = SiameseEmbedding(neighbors_algorithm="cells", max_iter=2, random_state=0)
    Z = model.fit_transform(X)
    assert_array_equal(clone(model).fit(wide).transform(wide), Z)
