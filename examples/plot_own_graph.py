"""
===================================
A graph that the rows do not show
===================================

A town lies on both sides of a river, and there are two bridges. Where are its
quarters, as one walks? The places alone do not tell, since houses stand on both banks
alike. The roads do, and once the map is learned from them, a new place needs no roads.
"""

# %%
# Places and roads
# ----------------
# 1,500 places, each with roads to near ones, but not across the river, except close to
# a bridge.
import numpy as np
from matplotlib import pyplot as plt
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

from skspectralnet import SpectralNetClustering
from skspectralnet.inspection import AffinityDisplay
from skspectralnet.metrics import normalized_cut


def river(east):
    """How far north the river is."""
    return 0.5 + 0.22 * np.sin(2 * np.pi * east)


def bank(places):
    """1 north of the river, 0 south of it."""
    return (places[:, 1] > river(places[:, 0])).astype(int)


rng = np.random.RandomState(0)
places = rng.uniform(size=(1500, 2))
bridges = np.array([0.2, 0.8])

near = sparse.coo_array(kneighbors_graph(places, 10))
across = bank(places)[near.row] != bank(places)[near.col]
middle = (places[near.row, 0] + places[near.col, 0]) / 2
at_bridge = (abs(middle[:, None] - bridges) < 0.02).any(axis=1)
kept = ~across | at_bridge
roads = sparse.coo_array(
    (near.data[kept], (near.row[kept], near.col[kept])), shape=near.shape
).tocsr()
roads = roads.maximum(roads.T)
print(f"{roads.nnz // 2} roads, {np.sum(across & kept)} of them over a bridge")

# %%
# With and without the roads
# --------------------------
# ``graph`` takes the place of the neighbour graph; the network still sees the places
# alone. With ``init="spectral"`` the eigenvectors of the graph are solved for first and
# the network learns those. New places are asked without any roads.
new = rng.uniform(size=(5000, 2))
models = {
    "places alone": SpectralNetClustering(2, random_state=0).fit(places),
    "with the roads": SpectralNetClustering(2, init="spectral", random_state=0).fit(
        places, graph=roads
    ),
}
for name, model in models.items():
    right = np.mean(model.predict(new) == bank(new))
    cut = normalized_cut(roads, model.labels_)
    print(
        f"{name:14}  new places on the right bank: {max(right, 1 - right):.3f}, "
        f"normalised cut of the roads: {cut:.4f}"
    )

# %%
# How far the learned eigenvectors are from those of the roads is in
# ``approximation_error_``: a squared Grassmann distance between 0 and the number of
# vectors.
error = models["with the roads"].approximation_error_
print(f"distance {error.distance:.4f} of at most {error.n_vectors}")

# %%
# The quarters
# ------------
# The background is what ``predict`` says anywhere, the line the river, with its
# bridges. On the right the roads, sorted by cluster.
line = np.linspace(0, 1, 200)
plane = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 3, figsize=(12.5, 4), layout="constrained")
for axis, (name, model) in zip(axes, models.items(), strict=False):
    look = {"cmap": "coolwarm", "vmin": -0.3, "vmax": 1.3}
    regions = model.predict(plane).reshape(len(line), len(line))
    axis.imshow(regions, extent=(0, 1, 0, 1), origin="lower", alpha=0.3, **look)
    axis.scatter(*places.T, s=3, c=model.labels_, linewidths=0, **look)
    axis.plot(line, river(line), color="black")
    axis.plot(bridges, river(bridges), "s", color="white", mec="black", ms=8)
    axis.set(title=name, xticks=[], yticks=[])
AffinityDisplay.from_estimator(model, places, graph=roads, n_rows=600, ax=axes[2])
plt.show()
