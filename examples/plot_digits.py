"""
====================================
Ten digits that nobody has labelled
====================================

Images of handwritten digits, and nobody has said which is which. Can they be sorted
into the ten digits without a single label? Five lines try it, and k-means tries the
same.
"""

# %%
# Five lines
# ----------
# The 1,797 images of scikit-learn, each a row of 8 x 8 pixels. Rows of so many columns
# are reduced, a space is learned in which neighbours are close, and the eigenvectors of
# their graph are clustered; all of that is the default.
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import normalized_mutual_info_score

from skspectralnet import SpectralNetClustering
from skspectralnet.inspection import OverviewDisplay
from skspectralnet.metrics import clustering_accuracy

X, y = load_digits(return_X_y=True)
model = SpectralNetClustering(n_clusters=10, random_state=0)
labels = model.fit_predict(X)
print("images in each cluster:", np.bincount(labels))

# %%
# Against k-means
# ---------------
# Only here are the true digits looked at. The accuracy is the share of images that are
# right when each cluster gets the digit that suits it best.
clusterings = {
    "KMeans": KMeans(n_clusters=10, n_init=10, random_state=0).fit_predict(X),
    "SpectralNetClustering": labels,
}
for name, found in clusterings.items():
    accuracy = clustering_accuracy(y, found)
    information = normalized_mutual_info_score(y, found)
    print(f"{name:21}  ACC {accuracy:.3f}  NMI {information:.3f}")

# %%
# What is in the clusters
# -----------------------
# Each line holds images of one cluster, drawn at random. A red frame is an image of
# another digit than most of its cluster.
n_shown = 14


def draw(axis, found, title):
    """Images of each cluster in a line, those that do not belong there framed."""
    rng = np.random.RandomState(0)
    shown = np.array(
        [rng.permutation(np.flatnonzero(found == c))[:n_shown] for c in range(10)]
    )
    images = X[shown].reshape(10, n_shown, 8, 8)
    tiles = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    axis.imshow(tiles.swapaxes(1, 2).reshape(100, -1), cmap="gray_r")
    digits = [np.bincount(y[found == c]).argmax() for c in range(10)]
    for i, j in np.argwhere(y[shown] != np.array(digits)[:, None]):
        corner = (10 * j, 10 * i)
        axis.add_patch(Rectangle(corner, 9, 9, fill=False, edgecolor="red", lw=1.5))
    axis.set_yticks(10 * np.arange(10) + 4.5, digits)
    axis.set(title=title, ylabel="most are", xticks=[])


figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
for axis, (name, found) in zip(axes, clusterings.items(), strict=True):
    draw(axis, found, name)
plt.show()

# %%
# How sure is it?
# ---------------
# Each disc is a cluster, and its dots are the images. Black ones lie between two
# clusters, on the side of the other one.
overview = OverviewDisplay.from_estimator(model, X)
most = np.bincount(overview.discs[overview.doubtful]).argmax()
print(f"most of the doubtful images are in cluster {most}:")
print("of each digit it has", np.bincount(y[labels == most], minlength=10))
plt.show()
