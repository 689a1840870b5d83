"""
===================================
One cluster of a hundred is small
===================================

Four clusters, the largest a hundred times the smallest. Neighbours are looked for
inside random batches, and in a batch the smallest has only a few rows. Is it found, and
what do ``n_neighbors`` and ``batch_size`` do for it?
"""

# %%
# The rows
# --------
# 6,000, 1,500, 300 and 60 rows around the corners of a square.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_blobs

from skspectralnet import SpectralNetClustering
from skspectralnet.inspection import EigenvaluesDisplay

sizes = [6000, 1500, 300, 60]
corners = [[0, 0], [8, 0], [0, 8], [8, 8]]
X, y = make_blobs(sizes, centers=corners, random_state=0)

# %%
# Three fits
# ----------
# A cluster with the share p of the rows has about p times ``batch_size`` rows in a
# batch. Where these are fewer than ``n_neighbors``, each of them is linked to other
# clusters. Two remedies suggest themselves: fewer neighbours, or larger batches.
#
# For each true cluster the overlap with the predicted one most like it is printed: rows
# in both over rows in either, 1 where it was found exactly.
models = {
    "default": SpectralNetClustering(4, random_state=0),
    "fewer neighbours": SpectralNetClustering(4, n_neighbors=5, random_state=0),
    "larger batches": SpectralNetClustering(4, batch_size=2048, random_state=0),
}


def overlaps(labels):
    """Of each true cluster, the Jaccard index with the predicted one most like it."""
    true, found = np.eye(len(sizes))[y], np.eye(labels.max() + 1)[labels]
    both = true.T @ found
    either = true.sum(axis=0)[:, None] + found.sum(axis=0) - both
    return (both / either).max(axis=1)


for name, model in models.items():
    model.fit(X)
    expected = model.batch_size_ * sizes[-1] / len(X)
    print(
        f"{name:16}  {expected:4.1f} rows of the smallest in a batch of "
        f"{model.batch_size_:4}, {model.n_neighbors_:2} neighbours: overlaps "
        f"{overlaps(model.labels_).round(2)}"
    )

# %%
# Where a small cluster is not seen, the number of clusters asked for is reached
# otherwise: by cutting a large one in two.
#
# Noticed without labels
# ----------------------
# Four clusters have four eigenvalues near 0 and a gap after them. Where the largest gap
# comes earlier, the last cluster is linked to others, and may have been missed.
figure, axes = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
for (above, below), (name, model) in zip(axes.T, models.items(), strict=True):
    above.scatter(*X.T, s=5, c=model.labels_, cmap="viridis", linewidths=0)
    above.set(title=name, xticks=[], yticks=[], aspect="equal")
    display = EigenvaluesDisplay.from_estimator(model, ax=below)
    print(f"{name:16}  largest gap after {display.largest_gap} eigenvalues")
plt.show()
