"""
============================
Diffusion maps for new rows
============================

A diffusion map places two rows near each other if random walks from both end in the
same places. Short walks see details, long ones only the whole; ``diffusion_time`` is
their length. Does the learned embedding have the right distances, for each length?
"""

# %%
# A path that branches
# --------------------
# As cells that grow into two kinds do: a stem and two branches in ten columns, with
# noise.
import numpy as np
from matplotlib import pyplot as plt
from scipy import sparse
from scipy.spatial.distance import pdist
from sklearn.neighbors import kneighbors_graph

from skspectralnet import SpectralNetEmbedding
from skspectralnet.inspection import EmbeddingDisplay

rng = np.random.RandomState(0)
along = rng.uniform(0, 2, 1000)
branch = rng.choice([-1, 1], len(along))
beyond = np.maximum(0, along - 1)
path = np.column_stack([along - 0.4 * beyond, branch * 0.8 * beyond])
basis = np.linalg.qr(rng.standard_normal((10, 2)))[0]
X = path @ basis.T + 0.03 * rng.standard_normal((len(path), 10))

# %%
# One fit for all lengths
# -----------------------
# Component i is multiplied by :math:`(1 - \lambda_i)^t`, and this is all that t does:
# the network is fitted once, without weights (t = 0), and weighted afterwards.
graph = sparse.csr_array(kneighbors_graph(X, 10))
graph = graph.maximum(graph.T)
embedding = SpectralNetEmbedding(n_components=10, random_state=0).fit(X, graph=graph)
print("eigenvalues", embedding.eigenvalues_.round(4))


def weighted(t):
    """The embedding after a walk of t steps."""
    return embedding.embedding_ * (1 - embedding.eigenvalues_) ** t


times = [1, 10, 100, 1000]
for t in times:
    weights = (1 - embedding.eigenvalues_) ** t
    print(f"t = {t:4}: weights {weights.round(3)}")

# %%
# Against walks that are made
# ---------------------------
# The t-th power of the transition matrix says where walks of t steps end. The diffusion
# distance of two rows is that between their lines of it, each column divided by the
# root of its share of all visits (Coifman and Lafon 2006, Eq. (9)). No eigenvectors are
# needed for that, but all rows by all rows are.
degrees = np.asarray(graph.sum(axis=1)).ravel()
transitions = graph.toarray() / degrees[:, None]
some = rng.permutation(len(X))[:400]
for t in times:
    ends = np.linalg.matrix_power(transitions, t)[some]
    walked = pdist(ends / np.sqrt(degrees / degrees.sum()))
    learned = pdist(weighted(t)[some])
    r = np.corrcoef(walked, learned)[0, 1]
    print(f"t = {t:4}: correlation of learned and walked distances {r:.4f}")

# %%
# Ten components cannot hold the details that a short walk sees; those of a long walk
# they can. Rows never seen get the same distances: ``transform`` applies the weights of
# the ``diffusion_time`` of the model to them.
long = SpectralNetEmbedding(n_components=10, diffusion_time=100, random_state=0)
long.fit(X, graph=graph)
print("the parameter does the same:", np.allclose(long.embedding_, weighted(100)))

# %%
# What is left after a while
# --------------------------
# Above the two components that differ least along a walk, below a later one against the
# first, all on one scale: details vanish first, then the branches, and at last all rows
# are one. Colour is the place along the path.
figure, axes = plt.subplots(2, 4, figsize=(13, 6), layout="constrained")
for t, column in zip(times, axes.T, strict=True):
    for components, axis in zip([(0, 1), (0, 3)], column, strict=True):
        display = EmbeddingDisplay(embedding=weighted(t), components=components)
        display.plot(ax=axis, c=along, s=4)
        axis.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
    column[0].set_title(f"t = {t}")
plt.show()
