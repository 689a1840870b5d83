"""
==================================
A million rows, learned from few
==================================

A file holds more rows than need to be learned from. How many are enough, and do the
others have to fit into memory?
"""

# %%
# A file of rows
# --------------
# So that this page is made in a minute: set ``n_rows`` to 1,000,000 or more. Rows are
# drawn and written a block at a time, and mapped into memory afterwards: what is not
# read is not loaded. They are twenty C's in planes of their own.
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

n_rows = 200_000
n_clusters, n_columns, n_block = 20, 8, 50_000

rng = np.random.RandomState(0)
planes = np.linalg.qr(rng.standard_normal((n_clusters, n_columns, 2)))[0]
centers = 0.6 * rng.standard_normal((n_clusters, n_columns))
y = rng.choice(n_clusters, n_rows)

folder = TemporaryDirectory()
path = Path(folder.name) / "rows.npy"
file = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, n_columns))
for start in range(0, n_rows, n_block):
    block = y[start : start + n_block]
    angle = rng.uniform(-0.75 * np.pi, 0.75 * np.pi, len(block))
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows = centers[block] + np.einsum("ijk,ik->ij", planes[block], circle)
    file[start : start + n_block] = rows + 0.15 * rng.standard_normal(rows.shape)
del file  # all is written

X = np.load(path, mmap_mode="r")
print(f"{len(X):,} rows, {path.stat().st_size / 2**20:.0f} MiB on disk, {type(X)}")

# %%
# Learning from a part
# --------------------
# ``subsample`` rows are drawn at random, all stages learn from them, and all rows of
# the file get labels, as new rows do. 200,000 is the default. One fit each:
parts = [500, 1_000, 2_000, 4_000]
scores = []
for part in parts:
    started = perf_counter()
    model = SpectralNetClustering(n_clusters, subsample=part, random_state=0).fit(X)
    seconds = perf_counter() - started
    scores.append(adjusted_rand_score(y, model.labels_))
    print(
        f"learned from {part:6,}: adjusted Rand score {scores[-1]:.3f} of all "
        f"{len(model.labels_):,} rows, {seconds:.0f} s"
    )

# %%
# What it costs to label
# ----------------------
# Beyond the part that is learned from, rows cost what it takes to read and label them,
# a block of the file at a time.
started = perf_counter()
labels = model.predict(X)
seconds = perf_counter() - started
print(f"{len(X) / seconds:,.0f} rows a second")
print("the same labels as in the fit:", np.array_equal(labels, model.labels_))

# %%
# Enough is enough
# ----------------
figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
axis.semilogx(parts, scores, "o-")
axis.minorticks_off()
axis.set_xticks(parts, [f"{part:,}" for part in parts])
axis.set(xlabel=f"rows learned from, of {n_rows:,}", ylabel="adjusted Rand score")
axis.set_ylim(top=1.01)
plt.show()

del X
folder.cleanup()
