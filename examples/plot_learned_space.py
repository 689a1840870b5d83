"""
===============================================
The learned space, the paper's and the default
===============================================

SpectralNet (Shaham et al., ICLR 2018) does not cluster images by the distances of
their pixels. An autoencoder makes short codes of them, and a siamese network learns
from pairs of neighbours a space in which neighbours are close. Here are the stages as
the paper joins them beside the default of this package, on the 1,797 digits of
scikit-learn.
"""

# %%
# The rows
# --------
# Images of 8 x 8 pixels. Their labels are used only to score and to colour.
from time import perf_counter

from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score

from skspectralnet import Autoencoder, SiameseEmbedding, SpectralNetClustering
from skspectralnet.metrics import clustering_accuracy

X, y = load_digits(return_X_y=True)

# %%
# Three ways
# ----------
# The paper's has codes, a metric with a margin, a network that sees the codes while
# the graph is made of the learned points, the trace loss, and the orthonorm matrix of
# another batch. The default learns its metric with a heavy-tailed loss, and its network
# sees the learned points. The last has no learned space at all.
models = {
    "as in the paper": SpectralNetClustering(
        n_clusters=10,
        encoder=Autoencoder(noise=0.0),
        metric_learner=SiameseEmbedding(loss="contrastive", noise=0.0),
        network_input="code",
        loss="trace",
        orthonorm="alternating",
        random_state=0,
    ),
    "default": SpectralNetClustering(n_clusters=10, random_state=0),
    "no learned space": SpectralNetClustering(
        n_clusters=10, encoder=None, metric_learner=None, random_state=0
    ),
}
for name, model in models.items():
    started = perf_counter()
    model.fit(X)
    seconds = perf_counter() - started
    accuracy = clustering_accuracy(y, model.labels_)
    nmi = normalized_mutual_info_score(y, model.labels_)
    print(f"{name:16}  ACC {accuracy:.3f}  NMI {nmi:.3f}  {seconds:.0f} s")

# %%
# The paper chose its stages for the 70,000 images of MNIST. These are forty times
# fewer, and one fit is one seed: ``benchmarks/mnist.py`` compares the same settings on
# all of MNIST, with several seeds.
#
# What distances are taken between
# --------------------------------
# The points of each model, drawn by their first two principal components. Each colour
# is a digit. What overlaps in two components may be apart in all of them.


def points(model, X):
    """The rows after the stages that the model has."""
    for stage in (model.encoder_, model.metric_learner_):
        X = X if stage is None else stage.transform(X)
    return X


figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for axis, (name, model) in zip(axes, models.items(), strict=True):
    plane = PCA(2).fit_transform(points(model, X))
    drawn = axis.scatter(*plane.T, s=5, c=y, cmap="tab10", linewidths=0)
    axis.set(title=name, xticks=[], yticks=[])
figure.legend(*drawn.legend_elements(), loc="outside right center", title="digit")
plt.show()
