"""
==================
How many clusters?
==================

The number of clusters is seldom known. A cluster is a part that is cheaper to leave
than to divide, and ``n_clusters="auto"`` takes the number for which that holds best.
Here is a case with one answer, one with two, and one without clusters.
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
# The support of each number
# --------------------------
# ``n_clusters_support_`` has the numbers that were compared, the best first: what
# cutting each cluster in two would cost, less what it costs to cut it from all others.
models = {}
for name, X in sets.items():
    model = SpectralNetClustering(n_clusters="auto", random_state=0).fit(X)
    models[name] = model
    print(f"{name}: {model.n_clusters_support_}")

# %%
# A second answer
# ---------------
# Of the rows in groups, two numbers stand out: three and nine. Here the clusters that
# the rows were made from are known.
for n_clusters, classes in ((3, y // 3), (9, y)):
    asked = SpectralNetClustering(n_clusters=n_clusters, random_state=0).fit(nested)
    score = adjusted_rand_score(classes, asked.labels_)
    print(f"{n_clusters} clusters, against those of that number: {score:.3f}")

# %%
# What to look for
# ----------------
# The height of a step between two eigenvalues is their gap, and the band marks the
# largest. One high step is an answer, two are two answers. On the right all steps after
# the first one are small, and some step is always the largest: the support says that
# this is one cluster. The line is at the number taken, the legend names the next ones.
figure, axes = plt.subplots(2, 3, figsize=(12, 6.5), layout="constrained")
for (above, below), (name, model) in zip(axes.T, models.items(), strict=True):
    above.scatter(*sets[name].T, s=4, c=model.labels_, cmap="viridis", linewidths=0)
    above.set(title=name, xticks=[], yticks=[])
    EigenvaluesDisplay.from_estimator(model, ax=below, markersize=4)
plt.show()
