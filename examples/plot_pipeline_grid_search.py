"""
==========================================
In a pipeline, with parameters by a search
==========================================

``SpectralNetClustering`` is a scikit-learn estimator: it takes its place at the end of
a :class:`~sklearn.pipeline.Pipeline`, and a
:class:`~sklearn.model_selection.GridSearchCV` chooses its parameters. No labels are
needed: its own ``score`` says how well the predicted labels cut the neighbour graph of
rows that were held out.
"""

# %%
# Rows whose columns have different units
# ---------------------------------------
# Two moons and a blob, the first column in metres, the second in millimetres: a
# ``StandardScaler`` comes first.
import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import SpectralNetClustering

moons, y_moons = make_moons(1000, noise=0.07, random_state=0)
blob, _ = make_blobs(300, centers=[[0.5, 2.1]], cluster_std=0.15, random_state=0)
X = np.concatenate([moons, blob]) * [1.0, 1000.0]
y = np.concatenate([y_moons, np.full(len(blob), 2)])

# %%
# The search
# ----------
# Each candidate is fitted on two thirds of the rows, chosen at random, and scored on
# the third left out.
# The score is the modularity of the predicted labels on a graph that depends on no
# parameter. It leans towards clusters of similar size: where yours are very unequal,
# look at the candidates yourself.
#
# A fit warns where k-means cuts the neighbour graph as well. Some of these candidates
# are there to lose, so that says nothing here.
#
# The fitted search shows itself, as in a notebook: its parts open, with their
# parameters and what they have learned, and a question mark leads to the documentation.
pipeline = make_pipeline(
    StandardScaler(), SpectralNetClustering(n_clusters=3, random_state=0)
)
candidates = {
    "spectralnetclustering__n_neighbors": [5, 10, 30],
    "spectralnetclustering__n_components": [2, 4],
}
search = GridSearchCV(pipeline, candidates, cv=KFold(3, shuffle=True, random_state=0))
with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)
    search.fit(X)
search

# %%
# The scores
# ----------
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    values = {name.split("__")[-1]: value for name, value in parameters.items()}
    print(f"{score:.4f}  {values}")

# %%
# What it chose
# -------------
# The best pipeline was fitted again on all rows. The labels that came with the data
# confirm the choice; the search did not see them.
labels = search.predict(X)
print(f"chosen: {search.best_params_}")
print(f"adjusted Rand score of the chosen one: {adjusted_rand_score(y, labels):.3f}")

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
axis.scatter(*X.T, s=4, c=labels, cmap="viridis", linewidths=0)
axis.set(title="The chosen pipeline", xlabel="metres", ylabel="millimetres")
plt.show()
