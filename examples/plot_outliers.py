"""
===================================
Outliers: rows that belong nowhere
===================================

Two moons, and noise strewn over a much larger square. Every row gets a label. Which
labels should not be trusted: those with a low probability, or those of outliers?
"""

# %%
# The rows
# --------
# 1,000 rows of two moons and 40 that belong to neither.
import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score

from skspectralnet import SpectralNetClustering
from skspectralnet.inspection import DoubtDisplay

moons, _ = make_moons(1000, noise=0.05, random_state=0)
noise = np.random.RandomState(0).uniform([-4, -4], [5, 4.5], size=(40, 2))
X, planted = np.r_[moons, noise], np.repeat([False, True], [1000, 40])

# %%
# Two doubts
# ----------
# ``predict_proba`` tells which rows lie between the clusters, ``score_samples`` which
# lie far from all rows of the fit. They are not the same rows. ``contamination`` gives
# the least typical of them the label -1, and new rows as well. Noise makes neighbours
# less telling: where they do not speak for the clusters, the fit warns.
model = SpectralNetClustering(2, contamination=0.04, random_state=0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(X)
for warning in caught:
    print(f"The fit warns: {warning.message}")
confidence = model.predict_proba(X).max(axis=1)
typicality = model.score_samples(X)
print(f"area under the ROC curve {roc_auc_score(~planted, typicality):.3f}")
print(f"{model.outlier_share_:.3f} of the rows are outliers,")
print(f"{np.mean(planted[model.labels_ == -1]):.2f} of these were planted")
print("a new row at (100, 100) is labelled", model.predict([[100, 100]])[0])

# %%
# Where they are
# --------------
# On the left the labels, outliers black; in the middle how sure each cluster is,
# darker where it is less; on the right both doubts of each row, beside the line below
# which rows are outliers.
figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
kept = model.labels_ != -1
axes[0].scatter(*X[kept].T, s=8, c=model.labels_[kept], cmap="viridis", linewidths=0)
axes[0].scatter(*X[~kept].T, s=14, color="black", marker="x", linewidths=1)
axes[1].scatter(*X.T, s=8, c=confidence, cmap="cividis", linewidths=0)
for axis, title in zip(axes, ("labels", "largest probability"), strict=False):
    axis.set(title=title, xticks=[], yticks=[], aspect="equal")
DoubtDisplay.from_estimator(model, X, ax=axes[2])
plt.show()
