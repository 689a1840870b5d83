"""
==================
How many clusters?
==================

The number of clusters is seldom known. The eigenvalues of the graph of the rows often
tell it: as many of them are near 0 as there are clusters, and then comes a gap. Here is
a case with one answer, one with two, and one with none.
"""

# %%
# Three sets of rows
# ------------------
# Five clusters of different widths; nine clusters in three groups; and rows that are
# spread evenly, without any clusters.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering
from skspectralnet.inspection import EigenvaluesDisplay

corners = [[0, 0], [4, 0], [8, 1], [1, 5], [6, 6]]
widths = [0.3, 0.5, 0.6, 0.4, 0.7]
five, _ = make_blobs(1500, centers=corners, cluster_std=widths, random_state=0)

triangle = np.array([[0.0, 1.0], [-0.9, -0.5], [0.9, -0.5]])
corners = (5 * triangle[:, None] + 1.5 * triangle).reshape(-1, 2)
nested, y = make_blobs(1500, centers=corners, cluster_std=0.5, random_state=0)

even = np.random.RandomState(0).uniform(size=(1500, 2))
sets = {"five": five, "three times three": nested, "even": even}

# %%
# The largest gap
# ---------------
# ``n_clusters="auto"`` learns 31 eigenvectors and takes the number, 2 to 30, after
# which the eigenvalues rise most. ``eigengaps_`` has the gaps of all candidates.
models = {}
for name, X in sets.items():
    model = SpectralNetClustering(n_clusters="auto", random_state=0).fit(X)
    models[name] = model
    numbers, gaps = model.eigengaps_
    order = gaps.argsort()[::-1][:3]
    best = ", ".join(f"{numbers[i]} (gap {gaps[i]:.2f})" for i in order)
    print(f"{name:17}  {model.n_clusters_} clusters; largest gaps after {best}")

# %%
# A second answer
# ---------------
# Of the rows in groups, two gaps stand out. The largest was taken; what does the second
# mean? Here the clusters that the rows were made from are known.
numbers, gaps = models["three times three"].eigengaps_
second = int(numbers[gaps.argsort()[-2]])
finer = SpectralNetClustering(n_clusters=second, random_state=0).fit(nested)
coarse = models["three times three"].labels_
print(f"first, against the groups: {adjusted_rand_score(y // 3, coarse):.3f}")
print(f"second, against the clusters: {adjusted_rand_score(y, finer.labels_):.3f}")

# %%
# What to look for
# ----------------
# The height of a step between two eigenvalues is their gap, and the band marks the
# largest. One high step is an answer, two are two answers. Where all steps after the
# first one are small, as on the right, there are no clusters: some step is always the
# largest, so look before you believe it.
figure, axes = plt.subplots(2, 3, figsize=(12, 6.5), layout="constrained")
for (above, below), (name, model) in zip(axes.T, models.items(), strict=True):
    above.scatter(*sets[name].T, s=4, c=model.labels_, cmap="viridis", linewidths=0)
    above.set(title=name, xticks=[], yticks=[])
    EigenvaluesDisplay.from_estimator(model, ax=below, markersize=4)
plt.show()
