"""
=============================
From thirty clusters to eight
=============================

How many clusters are in these rows? One can ask for many, look at what they are, and
merge them step by step, without a new fit.
"""

# %%
# Many clusters
# -------------
# Thirty clusters of images of handwritten digits: more than there are digits, so that
# ways to write one are told apart.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits

from skspectralnet import SpectralNetClustering
from skspectralnet.inspection import DendrogramDisplay

X, y = load_digits(return_X_y=True)
fine = SpectralNetClustering(n_clusters=30, random_state=0).fit(X)
print(fine.summary(X, n_columns=0))

# %%
# Their tree
# ----------
# Clusters that are joined near the bottom have many edges of the neighbour graph
# between them. Below the dotted line is what stays together in ten clusters.
figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
DendrogramDisplay.from_estimator(fine, n_groups=10, ax=ax)
ax.tick_params(axis="x", labelsize=8)
plt.show()

# %%
# Ten clusters, and eight
# -----------------------
# Each merged cluster is a union of clusters of the fit. The images are three exemplars
# of each: rows near the centre of the cluster and far from each other.
for n_clusters in (10, 8):
    merged = fine.merge(n_clusters)
    summary = merged.summary(X)
    figure, axes = plt.subplots(
        3, n_clusters, figsize=(n_clusters, 3.6), layout="constrained"
    )
    for column, label, rows in zip(
        axes.T, summary.labels, summary.exemplars, strict=True
    ):
        counts = np.bincount(y[merged.labels_ == label], minlength=10)
        digits = np.flatnonzero(counts > 0.1 * counts.sum())
        column[0].set_title(f"{label}: {', '.join(map(str, digits))}", fontsize=9)
        for ax, row in zip(column, rows, strict=True):
            ax.imshow(X[row].reshape(8, 8), cmap="gray_r")
            ax.set_axis_off()
    figure.suptitle(f"{n_clusters} clusters, and the digits that make up a tenth")
    print(n_clusters, "clusters: purity", summary.purity.round(3))
plt.show()

# %%
# With eight, digits that are written alike share a cluster. New rows follow the same
# merges: ``merged.predict`` labels them.
print(merged.predict(X[:10]), "for the digits", y[:10])
