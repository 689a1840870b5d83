"""What users of other packages write, and what it is called here."""

import difflib

import numpy as np

_GRAPH = (
    "Affinities that are there already are passed beside the rows: fit(X, graph=A). "
    "Where there are affinities alone: fit(A[:, ::20], graph=A), those to some rows, "
    "or sklearn.cluster.SpectralClustering."
)
_DISTANCES = (
    "Distances that are there already become affinities, such as exp(-gamma * d**2), "
    "and are passed beside the rows: fit(X, graph=A)."
)
_OTHER_METRIC = (
    "Transform X so that the distance is Euclidean, or pass a graph of it: "
    "fit(X, graph=A)."
)
_NO_PICTURE = "The space is made for clusters, not for a picture: leave it out."
_SOLVER = "Here it is init='spectral' or 'random', max_iter and tol."
_NO_NOISE = "Say n_clusters, or 'auto'; contamination=... labels a share of rows -1."
_KERNEL = "Pass a function: affinity=lambda points: ..., or gamma with affinity='rbf'."

# {parameter: {value: what to do}}
_VALUES = {
    "activation": {"sigmoid": "Here it is 'logistic'.", "swish": "Here it is 'silu'."},
    "affinity": {
        "precomputed": _GRAPH,
        "precomputed_nearest_neighbors": _GRAPH,
        "gaussian": "Here it is 'rbf'.",
        "knn": "Here it is 'nearest_neighbors'.",
        "cosine": "Here it is metric='cosine'.",
    },
    "assign_labels": {
        "discretize": "It has no labels for new rows: take 'cluster_qr'.",
        "gmm": "Here it is 'mixture'.",
    },
    "batch_size": {None: "Here it is 'auto'."},
    "contamination": {"auto": "Give the share, or None.", 0: "Here it is None."},
    "early_stopping": {"yes": "Here it is True."},
    "encoder": {"pca": "Pass an instance: encoder=PCA(20)."},
    "init": {
        "k-means++": "It is how the network begins; k-means begins n_init times so.",
        "pca": "It is how the network begins; encoder=PCA() reduces the rows.",
    },
    "laplacian": {
        "normalized": "Here it is 'symmetric'.",
        "normed": "Here it is 'symmetric'.",
    },
    "metric": {
        "precomputed": _DISTANCES,
        "l2": "Here it is 'euclidean'.",
        **dict.fromkeys(
            ["manhattan", "l1", "correlation", "jaccard", "hamming", "minkowski"],
            _OTHER_METRIC,
        ),
    },
    "metric_learner": {
        "umap": "Pass an instance with fit and transform: metric_learner=UMAP().",
        "none": "Here it is None, without quotes.",
    },
    "n_clusters": {None: "Here it is 'auto'."},
    "n_init": {"auto": "Give the number of starts; 10 is the default."},
    "n_neighbors": {"auto": "Here it is None."},
    "neighbors_in": {"all": "Here it is 'data'."},
}

# {parameter of another package: what to do}
_NAMES = {
    "eigen_solver": _SOLVER,
    "eigen_tol": _SOLVER,
    "kernel_params": _KERNEL,
    "degree": _KERNEL,
    "coef0": _KERNEL,
    "n_jobs": "Threads are those of torch: torch.set_num_threads.",
    "max_clusters": "n_clusters='auto' finds the number.",
    "min_cluster_size": _NO_NOISE,
    "min_samples": _NO_NOISE,
    "eps": _NO_NOISE,
    "min_dist": _NO_PICTURE,
    "spread": _NO_PICTURE,
    "perplexity": "Here it is n_neighbors.",
    "k": "Here it is n_clusters.",
    "n_cluster": "Here it is n_clusters.",
    "epochs": "Here it is max_iter.",
    "n_epochs": "Here it is max_iter.",
    "lr": "Here it is learning_rate_init.",
    "learning_rate": "Here it is learning_rate_init.",
    "hidden_dims": "Here it is hidden_layer_sizes.",
    "seed": "Here it is random_state.",
    "should_use_ae": "Here it is encoder=Autoencoder().",
    "should_use_siamese": "Here it is metric_learner=SiameseEmbedding().",
    "spectral_hiddens": "Here it is hidden_layer_sizes.",
    "sample_weight": "Weights are of the rows: fit(X, sample_weight=w).",
    "partial_labels": "Labels are of the rows: fit(X, partial_labels=y).",
    "graph": "A graph is of the rows: fit(X, graph=A).",
}


def hint_of_value(name, value, options, takes):
    """What to do about a value that a parameter does not take; "" where nobody knows.

    Parameters
    ----------
    name : str
    value : object
    options : list of str
        The strings that it takes.
    takes : callable
        Whether it takes another value.

    Returns
    -------
    str
    """
    known = _VALUES.get(name, {})
    if isinstance(value, str | int | None) and value in known:
        return known[value]
    if isinstance(value, type):
        return f"That is a class: pass an instance, {name}={value.__name__}()."
    if isinstance(value, np.random.Generator):
        return f"Draw a number from it: {name}=int(rng.integers(2**32))."
    if isinstance(value, float) and value.is_integer() and takes(int(value)):
        return f"Pass an int: {name}={int(value)}."
    if isinstance(value, str):
        if value.isdigit() and takes(int(value)):
            return f"Pass it without quotes: {name}={value}."
        near = difflib.get_close_matches(value.lower(), options, n=1)
        return f"Did you mean {near[0]!r}?" if near else ""
    return ""


def hint_of_name(name):
    """What a parameter of another package is here; None where it is not known."""
    return _NAMES.get(name)


def marks_unknown(y):
    """Whether labels look like those of some rows: numbers, and -1 or NaN elsewhere.

    Two labels from 0 at least: -1 and 1 are the classes of others.

    Parameters
    ----------
    y : object

    Returns
    -------
    bool
    """
    try:
        values = np.asarray(y)
    except (TypeError, ValueError):  # whatever it is: it is ignored
        return False
    if values.ndim != 1 or values.dtype.kind not in "if":
        return False
    unknown = np.isnan(values) | (values == -1)
    known = np.unique(values[~unknown])
    whole = len(known) >= 2 and known[0] >= 0 and np.all(known == np.round(known))
    return bool(unknown.any() and whole)
