"""Cluster handwritten digits, and label digits never seen: what ``make demo`` runs.

The digits are the 70,000 of MNIST where the file ``mnist.npz`` (keys ``X``, ``y``) is
in the folder ``$SKSPECTRALNET_DATA`` or in ``../shared/data`` beside the repository;
elsewhere the 1,797 small ones that come with scikit-learn. The labels are used only
to score and to colour.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import normalized_mutual_info_score, pairwise_distances
from sklearn.metrics.cluster import contingency_matrix
from sklearn.pipeline import make_pipeline

from skspectralnet import SpectralNetClustering
from skspectralnet.metrics import clustering_accuracy

REPOSITORY = Path(__file__).resolve().parents[1]
PICTURE = REPOSITORY / "examples" / "output" / "embedding.png"
# scikit-learn's SpectralClustering sees all its rows at once: it gets this many, with
# this many columns.
SUBSET_ROWS, SUBSET_COLUMNS = 10_000, 100
PICTURE_ROWS = 2_500


class Digits(NamedTuple):
    """Images as rows, the first `n_training` of them to learn from."""

    X: np.ndarray  # (n_rows, n_pixels)
    y: np.ndarray  # (n_rows,)
    n_training: int


def main():
    """Fit, compare, predict held-out rows, draw."""
    digits = load()
    n_rows, n_pixels = digits.X.shape
    print(f"{n_rows:,} images of {n_pixels} pixels, {len(set(digits.y))} digits\n")
    model = compare(digits)
    predict_held_out(digits)
    draw(model, digits)
    print(f"\nPicture of the embedding: {PICTURE.relative_to(REPOSITORY)}")


def load():
    """MNIST where the file is found, scikit-learn's digits elsewhere."""
    default = REPOSITORY.parent / "shared" / "data"
    path = Path(os.environ.get("SKSPECTRALNET_DATA", default)) / "mnist.npz"
    if path.exists():
        print("Data: MNIST")
        with np.load(path) as file:
            return Digits(file["X"], file["y"], n_training=60_000)
    print(
        "Data: scikit-learn's digits, since mnist.npz was not found "
        "(SKSPECTRALNET_DATA names its folder)"
    )
    X, y = load_digits(return_X_y=True)
    return Digits(X, y, n_training=1_300)


def compare(digits):
    """Print the scores of three clusterings of all rows; return the first's model."""
    X, y = digits.X, digits.y
    model = SpectralNetClustering(n_clusters=10, random_state=0, verbose=1)
    rows, reference, name = exact_spectral_clustering(len(X), X.shape[1])
    print("Fitting SpectralNetClustering, KMeans and SpectralClustering ...")
    table = [
        ("SpectralNetClustering", y, *timed(model.fit_predict, X)),
        ("KMeans", y, *timed(KMeans(10, random_state=0).fit_predict, X)),
        (name, y[rows], *timed(reference.fit_predict, X[rows])),
    ]
    print_scores(table)
    return model


def exact_spectral_clustering(n_rows, n_columns):
    """scikit-learn's SpectralClustering, the rows that it can take, and its name."""
    reference = SpectralClustering(10, affinity="nearest_neighbors", random_state=0)
    if n_rows <= SUBSET_ROWS:
        return np.arange(n_rows), reference, "SpectralClustering"
    rows = np.random.RandomState(0).permutation(n_rows)[:SUBSET_ROWS]
    columns = min(SUBSET_COLUMNS, n_columns)
    reference = make_pipeline(PCA(columns, random_state=0), reference)
    return rows, reference, f"SpectralClustering (a random subset, PCA({columns}))"


def predict_held_out(digits):
    """Fit on the training rows alone and print the scores of the others."""
    n = digits.n_training
    model = SpectralNetClustering(n_clusters=10, random_state=0, verbose=1)
    print(f"\nFitting SpectralNetClustering on the first {n:,} rows ...")
    labels, fit_seconds = timed(model.fit_predict, digits.X[:n])
    predicted, predict_seconds = timed(model.predict, digits.X[n:])
    print_scores(
        [
            ("fit on these rows", digits.y[:n], labels, fit_seconds),
            ("predict of rows not seen", digits.y[n:], predicted, predict_seconds),
        ]
    )


def timed(function, *args):
    """The result of a call and its seconds."""
    start = time.perf_counter()
    return function(*args), time.perf_counter() - start


def print_scores(table):
    """Print name, number of rows, ACC, NMI and seconds, a line for each clustering."""
    width = max(len(name) for name, *_ in table)
    print(f"\n{'':{width}}    rows    ACC    NMI  seconds")
    for name, y, labels, seconds in table:
        accuracy = clustering_accuracy(y, labels)
        information = normalized_mutual_info_score(y, labels)
        print(
            f"{name:{width}}  {len(y):6,}  {accuracy:.3f}  {information:.3f}"
            f"  {seconds:7.1f}"
        )


def draw(model, digits):
    """Save two views of the embedding of a sample and what the clusters hold."""
    rows = np.random.RandomState(0).permutation(len(digits.X))[:PICTURE_ROWS]
    embedding = model.transform(digits.X[rows])
    points = TSNE(max_iter=500, random_state=0).fit_transform(embedding)
    named = name_clusters(digits.y, model.labels_)[model.labels_]
    plt.style.use({"font.size": 11, "axes.titlesize": 14, "axes.titlelocation": "left"})
    figure, axes = plt.subplots(1, 3, figsize=(16, 6), layout="constrained")
    scatter(axes[0], points, named[rows], "Predicted clusters")
    scatter(axes[1], points, digits.y[rows], "True digits")
    heatmap(axes[2], digits.y, named, "Where each digit's images go, in percent")
    axes[0].set_xlabel(
        f"{embedding.shape[1]} eigenvectors of {len(rows):,} images, flattened by t-SNE"
    )
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


def name_clusters(y, labels):
    """The digit that each cluster holds, by the best one-to-one naming."""
    digits, clusters = linear_sum_assignment(contingency_matrix(y, labels), True)
    return digits[np.argsort(clusters)]


def scatter(axis, points, groups, title):
    """Draw points coloured by group, each group named where it is densest."""
    colors = np.asarray(mpl.colormaps["tab10"].colors)
    axis.scatter(*points.T, s=5, c=colors[groups], alpha=0.7, linewidths=0)
    for group in np.unique(groups):
        box = {"boxstyle": "circle", "fc": "white", "ec": colors[group], "lw": 1.5}
        place = center(points[groups == group])
        axis.text(*place, str(group), ha="center", va="center", weight="bold", bbox=box)
    axis.set(title=title, xticks=[], yticks=[], aspect="equal")
    axis.spines[:].set_visible(False)


def center(points):
    """The point with the smallest sum of distances to the others."""
    return points[pairwise_distances(points).sum(axis=0).argmin()]


def heatmap(axis, y, named, title):
    """Draw the share of each digit's rows in each cluster."""
    counts = np.zeros((10, 10))
    np.add.at(counts, (y, named), 1)
    shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.argwhere(shares >= 0.5):
        color = "white" if shares[i, j] > 50 else "black"
        axis.text(j, i, f"{shares[i, j]:.0f}", ha="center", va="center", color=color)
    axis.set(title=title, xticks=range(10), yticks=range(10))
    axis.set(xlabel="predicted cluster, by the digit it holds", ylabel="true digit")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


if __name__ == "__main__":
    main()
