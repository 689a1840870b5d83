"""
========================================
Two moons: k-means cuts them, we do not
========================================

k-means looks for round clusters and cuts both moons. Spectral clustering follows the
rows from neighbour to neighbour and finds each moon whole. Because the map to the
eigenvectors was learned, points that were not there during the fit get a label too:
here every point of the plane.
"""

# %%
# The rows
# --------
# The labels that come with the moons are used only to score.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.cluster import KMeans
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

X, y = make_moons(2000, noise=0.06, random_state=0)
X_new, y_new = make_moons(500, noise=0.06, random_state=1)

# %%
# Two clusterings
# ---------------
# The adjusted Rand score is 1 where labels agree with the moons and near 0 for labels
# at random.
models = [
    KMeans(n_clusters=2, random_state=0),
    SpectralNetClustering(n_clusters=2, random_state=0),
]
for model in models:
    model.fit(X)
    name = type(model).__name__
    print(f"{name}, rows of fit: {adjusted_rand_score(y, model.labels_):.3f}")
    print(
        f"{name}, new rows:    {adjusted_rand_score(y_new, model.predict(X_new)):.3f}"
    )

# %%
# What they would say anywhere
# ----------------------------
# The background has the colour that ``predict`` gives to each of its points.
left, bottom = X.min(axis=0) - 0.4
right, top = X.max(axis=0) + 0.4
grid = np.meshgrid(np.linspace(left, right, 400), np.linspace(bottom, top, 250))
plane = np.column_stack([axis.ravel() for axis in grid])

figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for axis, model in zip(axes, models, strict=True):
    regions = model.predict(plane).reshape(grid[0].shape)
    look = {"cmap": "coolwarm", "vmin": -0.3, "vmax": 1.3}
    axis.imshow(
        regions, extent=(left, right, bottom, top), origin="lower", alpha=0.3, **look
    )
    axis.scatter(*X.T, s=4, c=model.labels_, linewidths=0, **look)
    axis.set(title=type(model).__name__, xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
plt.show()
