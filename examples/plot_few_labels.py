"""
=======================
A few labels are enough
=======================

Three nested C's with so much noise that they touch. From the rows alone it is hard to
say where one ends and the next begins. Labels of 60 of the 3,000 rows settle it.
"""

# %%
# The rows
# --------
# The noise is .175 of the distance between the C's. The labels of 2 % of the rows,
# drawn at random, are known; -1 says that a label is not.
import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

rng = np.random.RandomState(0)
y = np.repeat([0, 1, 2], 1000)
angle = rng.uniform(-0.75 * np.pi, 0.75 * np.pi, len(y))
X = (y + 1)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
X += 0.175 * rng.standard_normal(X.shape)

partial_labels = np.full(len(y), -1)
known = rng.permutation(len(y))[: len(y) // 50]
partial_labels[known] = y[known]
unknown = partial_labels == -1

# %%
# Without and with the labels
# ---------------------------
# Only rows without a label are scored. Rows with equal labels are drawn together in the
# learned space and linked in the graph, rows with different ones are not. The clusters
# get the numbers of the labels, so that they can be compared without matching. A fit
# warns where the neighbours do not speak for its clusters; labels are one way out.
models = {}
for name, given in {
    "without labels": {},
    "with 60 labels": {"partial_labels": partial_labels},
}.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = SpectralNetClustering(n_clusters=3, random_state=0).fit(X, **given)
    models[name] = model
    for warning in caught:
        print(f"The fit {name} warns: {warning.message}")
for name, model in models.items():
    ari = adjusted_rand_score(y[unknown], model.labels_[unknown])
    print(f"{name}: adjusted Rand score {ari:.3f}")
right = np.mean(models["with 60 labels"].labels_[unknown] == y[unknown])
print(f"with 60 labels, numbered as they are: {right:.3f} of the other rows")

# %%
# Must-links and cannot-links
# ---------------------------
# The same can be said in pairs of row numbers, without naming classes: here 40 rows of
# each C, each linked to the next, and the first of each C apart from the other two.
chains = np.array(
    [rng.choice(np.flatnonzero(y == c), 40, replace=False) for c in range(3)]
)
must_link = np.column_stack([chains[:, :-1].ravel(), chains[:, 1:].ravel()])
first = chains[:, 0]
cannot_link = [[first[0], first[1]], [first[0], first[2]], [first[1], first[2]]]
linked = SpectralNetClustering(n_clusters=3, random_state=0)
linked.fit(X, must_link=must_link, cannot_link=cannot_link)
print(f"with links: adjusted Rand score {adjusted_rand_score(y, linked.labels_):.3f}")

# %%
# The clusters
# ------------
# Ringed rows are those with a label. New rows follow the learned map: no labels are
# needed to ``predict``.
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for axis, (name, model) in zip(axes, models.items(), strict=True):
    axis.scatter(*X.T, s=5, c=model.labels_, cmap="viridis", linewidths=0)
    axis.set(title=name, xticks=[], yticks=[], aspect="equal")
axes[1].scatter(*X[known].T, s=30, facecolors="none", edgecolors="red", linewidths=0.8)
plt.show()
