"""
==============================
What are these texts about?
==============================

Three thousand short texts, no labels. Which belong together, and what are they about?
Words become sparse rows, rows are compared by their angle, and the words of each
cluster name it.
"""

# %%
# The texts
# ---------
# They are made by a topic model, so that nothing has to be downloaded. Seven words of
# ten are of no subject, with the frequencies of a language; two are of the subject of
# the text, one is of another. Some words belong to several subjects: a star, a season,
# a pitch.
import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline

from skspectralnet import SpectralNetClustering

subjects = {
    "music": "melody chord rhythm guitar piano violin orchestra concert choir song "
    "singer album stage star pitch score tune drum opera encore",
    "football": "goal striker keeper referee match league stadium penalty coach star "
    "defender cup fans pitch score season transfer field whistle captain",
    "sky": "planet telescope galaxy orbit comet moon star nebula eclipse satellite "
    "asteroid gravity rocket light field crater meteor sun dust observatory",
    "garden": "tomato seed compost soil pruning blossom hedge weed spade orchard "
    "greenhouse rose lawn season field rain sun pepper shade worm",
    "kitchen": "recipe oven butter flour garlic simmer spice dough sauce skillet "
    "pepper salad knife tomato roast plate stock light whisk supper",
    "weather": "rain cloud storm thunder forecast wind frost humidity hail drought "
    "sunshine fog snow season light sun dust front breeze pressure",
}
names = list(subjects)
own_words = [subjects[name].split() for name in names]

rng = np.random.RandomState(0)
syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
common = np.array(["".join(rng.choice(syllables, 3)) for _ in range(1500)])
frequency = 1 / np.arange(1, len(common) + 1)  # Zipf's law
frequency /= frequency.sum()


def write(subject):
    """A text of about 40 words."""
    n_words = 10 + rng.poisson(30)
    other = rng.choice([i for i in range(len(names)) if i != subject])
    n_common, n_own, n_other = rng.multinomial(n_words, [0.7, 0.2, 0.1])
    words = [
        *rng.choice(common, n_common, p=frequency),
        *rng.choice(own_words[subject], n_own),
        *rng.choice(own_words[other], n_other),
    ]
    return " ".join(rng.permutation(words))


y = rng.choice(len(names), 3000, p=[0.3, 0.2, 0.15, 0.15, 0.1, 0.1])
texts = [write(subject) for subject in y]
print(texts[0])

# %%
# Sparse rows, compared by angle
# ------------------------------
# A long text and a short one about the same are near each other by angle, not by
# distance. The vectorizer gives all rows the length 1, and sparse rows of one length
# are compared by angle without being asked; counts of words need ``metric="cosine"``.
# The rows stay sparse; the first stage reduces them to 50 columns by ``TruncatedSVD``.
#
# By default the second stage learns a space from the nearest neighbours of rows, and
# believes in them. Where many neighbours share nothing but words of no subject,
# ``metric_learner=None`` leaves that stage out. Which of the two to take? ``score``
# judges both on the neighbours of the rows as they are, and needs no subjects. A fit
# also warns where k-means does as well by these neighbours.
vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=5)
rows = vectorizer.fit_transform(texts)
share = rows.nnz / np.prod(rows.shape)
print(f"{rows.shape[0]} rows of {rows.shape[1]} columns, {share:.1%} of them not 0")

given = {"n_clusters": len(names), "random_state": 0}
models = {
    "with a learned space": SpectralNetClustering(**given),
    "without": SpectralNetClustering(metric_learner=None, **given),
}
for name, model in models.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows)
    print(f"{name:20}  score {model.score(rows):.3f}")
    for warning in caught:
        print(f"The fit warns: {warning.message}")

# %%
# The better one is taken below. Did the score choose well? Here the subjects are known.
nearest = NearestNeighbors(n_neighbors=10, metric="cosine").fit(rows)
same = y[nearest.kneighbors(return_distance=False)] == y[:, None]
print(f"of the ten nearest texts {same.mean():.0%} have the same subject")

kmeans = KMeans(len(names), n_init=10, random_state=0).fit(rows)
for name, fitted in {"KMeans": kmeans, **models}.items():
    agreement = adjusted_rand_score(y, fitted.labels_)
    print(f"{name:20}  adjusted Rand score {agreement:.3f}")
model = max(models.values(), key=lambda model: model.score(rows))

# %%
# What a cluster is about
# -----------------------
# The words whose mean weight in the cluster exceeds that in all texts most.
labels = model.labels_
vocabulary = vectorizer.get_feature_names_out()
everywhere = np.asarray(rows.mean(axis=0)).ravel()
excess = np.array(
    [
        np.asarray(rows[labels == cluster].mean(axis=0)).ravel() - everywhere
        for cluster in range(model.n_clusters_)
    ]
)
leading = excess.argsort(axis=1)[:, ::-1][:, :6]
for cluster, words in enumerate(vocabulary[leading]):
    print(f"cluster {cluster}, {np.sum(labels == cluster)} texts: {', '.join(words)}")

# %%
# New texts
# ---------
# The vectorizer and the model in line are a pipeline for texts. Words that it has not
# seen are left out.
pipeline = make_pipeline(vectorizer, model)
for text in [
    "Thunder and hail in the evening, then fog and a cold wind from the west.",
    "Fry the garlic in butter, add the tomato and let the sauce simmer.",
    "The keeper held the penalty and the fans sang until the stadium was dark.",
]:
    (cluster,) = pipeline.predict([text])
    print(f"{', '.join(vocabulary[leading[cluster]][:3])}:  {text}")

# %%
# The words of the clusters
# -------------------------
figure, axes = plt.subplots(2, 3, figsize=(10, 5), layout="constrained", sharex=True)
for cluster, axis in zip(range(model.n_clusters_), axes.flat, strict=False):
    words = leading[cluster][::-1]
    axis.barh(vocabulary[words], excess[cluster, words], color=f"C{cluster}")
    axis.set_title(f"cluster {cluster}: {np.sum(labels == cluster)} texts")
figure.supxlabel("mean weight above that in all texts")
plt.show()
