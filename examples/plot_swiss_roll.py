"""
===================================
A swiss roll, and rows not seen yet
===================================

The eigenvectors of the neighbour graph of a swiss roll unroll it. scikit-learn's
SpectralEmbedding gives them for the rows of the fit; SpectralNetEmbedding learns them
as functions of the row, says how far off it is, and gives them for new rows.
"""

# %%
# Two thousand rows to learn from, and a thousand new ones of the same roll.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_swiss_roll

from skspectralnet import SpectralNetEmbedding

X, place = make_swiss_roll(3000, random_state=0)
seen, new = slice(0, 2000), slice(2000, None)

embedding = SpectralNetEmbedding(n_components=5, random_state=0).fit(X[seen])
Z = embedding.transform(X[new])

# %%
# The squared Grassmann distance to the exact eigenvectors of the graph is between 0,
# the same span, and the number of vectors, the trivial one included.

error = embedding.approximation_error_
print(f"distance {error.distance:.4f} of at most {error.n_vectors}")
print("learned eigenvalues", embedding.eigenvalues_.round(4))
print("exact eigenvalues  ", error.exact_eigenvalues[1:6].round(4))
along = np.corrcoef(Z[:, 0], place[new])[0, 1]
print(f"correlation with the place along the roll, new rows: {abs(along):.3f}")

# %%
# Colour is the first eigenvector: for the rows of the fit, for the new rows, and over
# the place along the roll, where it is half a wave.

figure = plt.figure(figsize=(12, 4))
for i, (rows, values, title) in enumerate(
    [(seen, embedding.embedding_, "rows of the fit"), (new, Z, "new rows")]
):
    axis = figure.add_subplot(1, 3, 1 + i, projection="3d")
    axis.scatter(*X[rows].T, c=values[:, 0], s=4)
    axis.set_title(title)
axis = figure.add_subplot(1, 3, 3)
axis.scatter(place[seen], embedding.embedding_[:, 0], s=3, label="rows of the fit")
axis.scatter(place[new], Z[:, 0], s=3, label="new rows")
axis.set(xlabel="place along the roll", title="first eigenvector")
axis.legend()
figure.tight_layout()
plt.show()
