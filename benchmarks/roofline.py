"""Seconds of each stage beside those that its arithmetic and its memory need.

    python benchmarks/roofline.py

The rate of matrix products and the bandwidth of copies are measured first, that of
copies of many sizes: what fits into a cache moves faster. Each stage then runs on
MNIST's pixels, a few epochs: three times as it is, with a watch, of which the median
counts, and once with every tensor operation counted. The roofline of an operation is
the larger of its floating-point operations over the rate and its bytes over the best
bandwidth of copies of at least as many bytes; that of a stage is their sum, the reading
of rows by numpy included. `share` is the part of the rate of matrix products, in the
precision used, that a stage reaches.
"""

import sys
from statistics import median
from unittest import mock

import numpy as np
import rst
import torch
from data import load
from report import Stopwatch, say, write
from sklearn.decomposition import PCA
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    _autoencoder,
    _batch_graph,
)
from skspectralnet._rows import Rows
from skspectralnet._tensors import fast_bfloat16

DTYPES = {torch.float32: 4, torch.float64: 8, torch.bfloat16: 2}
SIZE, REPEATS = 2048, 7
FITS = 3
COPIED = tuple(2**k for k in range(15, 29))  # bytes read and written by a copy
# Inference mode does not take these apart into what torch counts.
WHOLE_PRODUCTS = (torch.ops.aten.linear, torch.ops.aten.matmul)


class Machine:
    """What this machine does in a second, at best."""

    def __init__(self):
        self.rates = {dtype: self._rate(dtype) for dtype in self._dtypes()}
        found = [self._bandwidth(size) for size in COPIED]
        # of copies of that size or larger ones
        self.bandwidths = np.maximum.accumulate(found[::-1])[::-1]

    @staticmethod
    def _dtypes():
        fast = fast_bfloat16(torch.device("cpu"))
        return [dtype for dtype in DTYPES if fast or dtype != torch.bfloat16]

    @staticmethod
    def _rate(dtype):
        a, b = (torch.rand(SIZE, SIZE).to(dtype) for _ in range(2))
        return 2 * SIZE**3 / _least(lambda: a @ b)

    @staticmethod
    def _bandwidth(size):
        """Bytes read and written in a second by copies of that many, repeated."""
        a, b = torch.zeros(size // 8), torch.zeros(size // 8)
        times = max(1, 2**24 // size)

        def copies():
            for _ in range(times):
                b.copy_(a)

        return size * times / _least(copies)

    def moving(self, n_bytes):
        """Seconds that it takes to move so many bytes at best."""
        place = min(np.searchsorted(COPIED, n_bytes), len(COPIED) - 1)
        return n_bytes / self.bandwidths[place]


def _least(call):
    call()
    seconds = []
    for _ in range(REPEATS):
        with Stopwatch() as watch:
            call()
        seconds.append(watch.wall)
    return min(seconds)


class Counted(TorchDispatchMode):
    """Adds up the roofline of every tensor operation while it is active."""

    def __init__(self, machine):
        super().__init__()
        self.machine = machine
        self.seconds = self.operations = self.n_kernels = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        outputs = [t for t in tree_leaves(found) if isinstance(t, torch.Tensor)]
        inputs = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        places = {t.data_ptr() for t in inputs if t.numel()}
        in_place = func._schema.is_mutable
        views = all(t.data_ptr() in places for t in outputs)
        if not in_place and views and outputs:
            return found  # moves nothing
        flops = 0
        if func._overloadpacket in flop_registry:
            count = flop_registry[func._overloadpacket]
            flops = count(*args, **kwargs, out_val=found)
        elif func._overloadpacket in WHOLE_PRODUCTS:
            flops = 2 * found.numel() * args[0].shape[-1]
        moved = inputs if in_place else [*inputs, *outputs]
        self._add(flops, sum(_touched(t) for t in moved), outputs or inputs)
        return found

    def _add(self, flops, moved, tensors):
        rate = self.machine.rates.get(tensors[0].dtype, np.inf) if tensors else np.inf
        self.seconds += max(flops / rate, self.machine.moving(moved))
        self.operations += flops
        self.n_kernels += 1

    def rows(self, batch):
        """A reader of rows that counts one read and one write of float32."""

        def read(rows, which, dtype=np.float64):
            found = batch(rows, which, dtype)
            moved = 4 * found.size + rows.X.dtype.itemsize * found.size
            self.seconds += self.machine.moving(moved)
            return found

        return mock.patch.object(Rows, "batch", read)


def _touched(tensor):
    """Bytes of a tensor, those of an expanded one once."""
    return min(
        tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
    )


def stages():
    """(name, estimator, function to watch and its home, dtype, rows) of each stage."""
    pixels = load("mnist")[0].astype(np.float32)
    codes = PCA(50, random_state=0).fit_transform(pixels)
    bf16 = fast_bfloat16(torch.device("cpu"))
    wide = torch.bfloat16 if bf16 else torch.float32
    points = SiameseEmbedding(random_state=0, max_iter=2).fit_transform(codes)
    # Without the eigenvectors of its start, which are no tensor operations.
    steps = SiameseEmbedding(init="random", max_iter=3, random_state=0)
    spectral = SpectralNetClustering(
        10, encoder=None, metric_learner=None, activation="relu", max_iter=3
    )
    return [
        (
            "autoencoder",
            Autoencoder(max_iter=2, random_state=0),
            (_autoencoder, "_train"),
            wide,
            pixels,
        ),
        ("siamese", steps, (SiameseEmbedding, "_train"), wide, codes),
        ("spectral map", spectral, (_batch_graph, "fit_map"), torch.float32, points),
        ("alignment", spectral, (_batch_graph, "align"), torch.float64, points),
    ]


def measure(machine, estimator, place, dtype, X):
    """Seconds of a function in a fit, as it is and by the roofline."""
    estimator.fit(X[:2000])  # what is made at the first call only
    plain, counted = Watched(), Counted(machine)
    with plain.around(*place):
        for _ in range(FITS):
            estimator.fit(X)
    with Watched(counted).around(*place):
        estimator.fit(X)
    return row(median(plain.seconds), counted, machine.rates[dtype])


class Watched:
    """Times a function, or counts in it."""

    def __init__(self, counted=None):
        self.counted = counted
        self.seconds = []

    def around(self, home, name):
        """Patch a class or a module while the ``with`` block runs."""
        original = getattr(home, name)

        def call(*arguments, **named):
            if self.counted is not None:
                with self.counted, self.counted.rows(Rows.batch):
                    return original(*arguments, **named)
            with Stopwatch() as watch:
                found = original(*arguments, **named)
            self.seconds.append(watch.wall)
            return found

        return mock.patch.object(home, name, call)


def row(seconds, counted, rate):
    """One line of the table."""
    return {
        "wall": round(seconds, 3),
        "roofline": round(float(counted.seconds), 3),
        "ratio": round(float(seconds / counted.seconds), 2),
        "share": round(counted.operations / seconds / rate, 3),
        "kernels": int(counted.n_kernels),
    }


def prediction(machine):
    """`predict` of 70,000 rows of 784 pixels by a default model."""
    X = load("mnist")[0].astype(np.float32)
    model = SpectralNetClustering(10, random_state=0, max_iter=2)
    model.set_params(metric_learner=SiameseEmbedding(max_iter=2)).fit(X[:10_000])
    model.predict(X[:1000])
    seconds = []
    for _ in range(FITS):
        with Stopwatch() as watch:
            model.predict(X)
        seconds.append(watch.wall)
    with Counted(machine) as counted:
        model.predict(X)
    return row(median(seconds), counted, machine.rates[torch.float64])


def tables(record):
    """Seconds of each stage beside those that its arithmetic and memory need."""
    results = record["results"]
    rows = [
        [
            *(stage, rst.number(row["wall"], 2), rst.number(row["roofline"], 2)),
            *(rst.number(row["ratio"], 2), f"{row['share']:.0%}"),
        ]
        for stage, row in results["stages"].items()
    ]
    rates = ", ".join(f"{rate:.0f} {name}" for name, rate in results["gflops"].items())
    speeds = list(results["gb_per_second"].values())
    header = ["stage", "wall, s", "roofline, s", "ratio", "share"]
    text = (
        f"\nMeasured in the same run: {rates} GFLOP/s, {speeds[-1]:.0f} GB/s of large "
        f"copies and {speeds[0]:.0f} of those in a cache.\n"
    )
    return {"roofline": rst.list_table(header, rows) + text}


def main():
    machine = Machine()
    rates = {str(d).split(".")[1]: round(r / 1e9, 1) for d, r in machine.rates.items()}
    speeds = {
        f"{size // 1024} KiB": round(float(speed) / 1e9, 1)
        for size, speed in zip(COPIED, machine.bandwidths, strict=True)
    }
    say(f"GFLOP/s {rates}, GB/s {speeds}")
    found = {}
    for name, *stage in stages():
        found[name] = measure(machine, *stage)
        say(f"{name:14} {found[name]}")
    found["predict"] = prediction(machine)
    say(f"{'predict':14} {found['predict']}")
    record = {"gflops": rates, "gb_per_second": speeds}
    write("roofline", "python benchmarks/roofline.py", record | {"stages": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
