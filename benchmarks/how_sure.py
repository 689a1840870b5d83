"""How sure the labels are: calibration, typicality, what leaving rows out gains, cost.

    python benchmarks/how_sure.py [--seeds 5] [--noise-seeds 20] [--rows 2000]

- Expected calibration error of the largest probability, in 15 bins of equally many
  rows, against classes after the best naming of the clusters (one to one), and the
  accuracy without the rows of the least probability, for both development lists, each
  set cut to `--rows` random rows; beside the error of other rules for the sharpness;
- area under the ROC curve of the typicality for uniform noise planted in moons, blobs
  and digits, beside two detectors of scikit-learn: the noise in the plane is drawn from
  a box that is larger than that of the rows by the length of its sides on each side;
- CPU seconds of `predict_proba` beside `predict`, and the bytes of a pickled model
  beside those of one without what both answers are made from.
"""

import argparse
import copy
import pickle
import time
import warnings

import numpy as np
import rst
from data import DEVELOPMENT, SECOND, MissingDataError, named
from report import spread, write
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import HDBSCAN
from sklearn.datasets import load_digits, make_blobs, make_moons
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skspectralnet import SpectralNetClustering
from skspectralnet._probability import (
    Sharpness,
    shares_of_neighbors,
    shares_of_others,
)
from skspectralnet._selection import criterion_graph

BINS, CURVE_BINS = 15, 8
LEFT_OUT = (0.0, 0.1, 0.3)
SHARES = (0.03, 0.1)
NOISY = {"moons": 2, "blobs": 4, "digits": 10}
SHOWN = ("digits", "usps", "pendigits", "moons, noise .2", "news20_minilm")
NAMES = (*SHOWN, *(name for name in (*DEVELOPMENT, *SECOND) if name not in SHOWN))


def rows_of(name, n_rows):
    """At most so many random rows of a set, and their classes."""
    if name == "moons, noise .2":
        return make_moons(n_rows, noise=0.2, random_state=0)
    X, y = named(name)
    rows = np.random.RandomState(0).permutation(X.shape[0])[:n_rows]
    return X[rows], np.unique(y[rows], return_inverse=True)[1]


def agree(y, labels):
    """Which rows have the class that their cluster is named after."""
    counts = np.zeros((labels.max() + 1, y.max() + 1))
    np.add.at(counts, (labels, y), 1)
    clusters, classes = linear_sum_assignment(counts, maximize=True)
    names = np.full(len(counts), -1)
    names[clusters] = classes
    return names[labels] == y


def reliability(confidence, right, n_bins):
    """Mean confidence and share of right labels in bins of equally many rows."""
    order = np.argsort(confidence, kind="stable")
    bins = np.array_split(order, n_bins)
    return [(float(confidence[b].mean()), float(right[b].mean()), len(b)) for b in bins]


def calibration_error(confidence, right):
    """The expected calibration error."""
    found = reliability(confidence, right, BINS)
    return sum(n * abs(sure - true) for sure, true, n in found) / len(right)


def other_rules(X, model):
    """Shares that the sharpness could be found from as well, by name; rows of each."""
    labels = np.searchsorted(model.classes_, model.labels_)
    codes, n_clusters = model._stages.codes(X), model.n_clusters_
    graph, first, _ = criterion_graph(codes)
    rows, shares = shares_of_neighbors(graph, labels[first], n_clusters)
    yield "neighbours", first[rows], shares
    rows, shares, _ = shares_of_others(codes, labels, n_clusters)
    yield "codes", rows, shares


def errors_of_rules(X, model, right):
    """The calibration error by each of the other rules."""
    Z, errors = model.transform(X), {}
    for name, rows, shares in other_rules(X, model):
        sharpness = Sharpness.fit(model._assignment, Z[rows], shares, None)
        confidence = sharpness.probabilities(model._assignment, Z).max(axis=1)
        errors[f"ece by {name}"] = calibration_error(confidence, right)
    return errors


def measure(X, y, model):
    """What is said about the labels of the rows of a fit, and what is true."""
    confidence = model.predict_proba(X).max(axis=1)
    right = agree(y, model.labels_)
    order = np.argsort(-confidence, kind="stable")
    kept = {
        f"kept {1 - share:.1f}": float(right[order[: int((1 - share) * len(y))]].mean())
        for share in LEFT_OUT
    }
    return {
        "ece": calibration_error(confidence, right),
        "confidence": float(confidence.mean()),
        **kept,
        **errors_of_rules(X, model, right),
    }, reliability(confidence, right, CURVE_BINS)


def seconds(calls, X):
    """CPU seconds of each call, the least of twenty, taken in turn."""
    least = np.full(len(calls), np.inf)
    for _ in range(20):
        for i, call in enumerate(calls):
            start = time.process_time()
            call(X)
            least[i] = min(least[i], time.process_time() - start)
    return least


def costs(X, model):
    """Ratios: seconds of predict_proba to predict, bytes of a pickle with and without.

    Without: what a model kept before, the landmarks of `drift_` included.
    """
    bare = copy.copy(model)
    bare._typicality, bare._sharpness = model._typicality.landmarks, None
    labels, shares = seconds([model.predict, model.predict_proba], X)
    return {
        "seconds": shares / labels,
        "bytes": len(pickle.dumps(model)) / len(pickle.dumps(bare)),
    }


def planted(name, share, seed):
    """Rows with uniform noise, shuffled; and which of them are noise."""
    rng = np.random.RandomState(seed)
    if name == "digits":
        X = load_digits().data
    elif name == "moons":
        X = make_moons(1500, noise=0.05, random_state=seed)[0]
    else:
        X = make_blobs(1500, centers=NOISY[name], random_state=seed)[0]
    n_noise = round(share * len(X) / (1 - share))
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.0 if name == "digits" else high - low
    noise = rng.uniform(low - margin, high + margin, size=(n_noise, X.shape[1]))
    if name == "digits":
        noise = rng.uniform(0, 16, size=noise.shape)
    order = rng.permutation(len(X) + n_noise)
    return np.r_[X, noise][order], (order >= len(X))


def typicality(name, share, seed):
    """Areas under the ROC curve of three scores, for the rows of the fit."""
    X, noise = planted(name, share, seed)
    model = SpectralNetClustering(NOISY[name], random_state=seed).fit(X)
    forest = IsolationForest(random_state=seed).fit(X)
    scores = {
        "typicality": model.score_samples(X),
        "IsolationForest": forest.score_samples(X),
        "HDBSCAN": HDBSCAN(copy=True).fit(X).probabilities_,
    }
    return {name: float(roc_auc_score(~noise, score)) for name, score in scores.items()}


def summary(rows):
    """Each measured number as a spread over seeds."""
    return {key: spread([row[key] for row in rows]) for key in rows[0]}


def of_set(name, n_rows, n_seeds):
    """The result of a named set."""
    X, y = rows_of(name, n_rows)
    found, curves = [], []
    for seed in range(n_seeds):
        model = SpectralNetClustering(y.max() + 1, random_state=seed).fit(X)
        numbers, curve = measure(X, y, model)
        found.append({**numbers, **costs(X, model)})
        curves.append(curve)
    curve = np.round(np.mean(curves, axis=0), 4).tolist()
    return {
        **{"kind": "set", "data": name, "n_rows": len(y)},
        **summary(found),
        "curve": curve,
    }


def of_noise(name, share, n_seeds):
    """The result of planted noise."""
    found = summary([typicality(name, share, seed) for seed in range(n_seeds)])
    return {"kind": "noise", "data": name, "share": share, **found}


def tables(record):
    """Calibration and rows left out, planted noise, cost."""
    sets = [r for r in record["results"] if r["kind"] == "set"]
    noise = [r for r in record["results"] if r["kind"] == "noise"]
    count = len(sets[0]["ece"]["values"])
    kept = [f"kept {1 - share:.1f}" for share in LEFT_OUT]
    header = ["data", "rows", "calibration error", "by neighbours", "by codes"]
    header += ["mean probability", "accuracy", "without 10 %", "without 30 %"]
    keys = ("ece by neighbours", "ece by codes", "confidence", *kept)
    rows = [
        [r["data"], r["n_rows"], rst.with_deviation(r["ece"])]
        + [rst.number(r[key]["mean"]) for key in keys]
        for r in sets
    ]
    calibration = rst.list_table(header, rows) + f"\nMeans over {count} fits.\n"
    names = ("typicality", "IsolationForest", "HDBSCAN")
    header = ["data", "noise", "``score_samples``", *names[1:]]
    rows = [
        [r["data"], f"{100 * r['share']:.0f} %"]
        + [rst.with_deviation(r[name]) for name in names]
        for r in noise
    ]
    areas = rst.list_table(header, rows) + (
        f"\nArea under the ROC curve, means over {len(noise[0][names[0]]['values'])} "
        "fits.\n"
    )
    most = {key: max(r[key]["max"] for r in sets) for key in ("seconds", "bytes")}
    cost = (
        f"``predict_proba`` takes at most {most['seconds']:.2f} times the CPU seconds "
        "of ``predict``, and the pickle of a model at most "
        f"{most['bytes']:.2f} times the bytes of one with the landmarks alone.\n"
    )
    return {
        "how_sure": calibration,
        "how_sure_noise": areas,
        "how_sure_cost": cost,
        "how_sure_curves": rst.figure(
            "how_sure",
            "share of right labels against the probability, for five data sets",
            "Share of right labels, after the best naming, against the largest "
            "probability, in bins of equally many rows.",
            width="70%",
        ),
    }


def draw(record, figure):
    """Reliability curves."""
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":")
    for result in record["results"]:
        if result["data"] in SHOWN and result["kind"] == "set":
            sure, right, _ = np.transpose(result["curve"])
            axes.plot(sure, right, "o-", label=result["data"])
    axes.set(xlabel="largest probability", ylabel="share of right labels")
    axes.legend()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise-seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2000)
    asked = parser.parse_args()
    command = (
        f"python benchmarks/how_sure.py --seeds {asked.seeds} "
        f"--noise-seeds {asked.noise_seeds} --rows {asked.rows}"
    )
    tasks = [
        (of_noise, name, share, asked.noise_seeds) for name in NOISY for share in SHARES
    ]
    tasks += [(of_set, name, asked.rows, asked.seeds) for name in NAMES]
    results = []
    for run, name, setting, n_seeds in tasks:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns that a set is known for
            try:
                result = run(name, setting, n_seeds)
            except MissingDataError as error:
                print(error)
                continue
        results.append(result)
        spreads = {k: v["mean"] for k, v in result.items() if isinstance(v, dict)}
        print(name, setting, spreads, flush=True)
        write("how_sure", command, results)


if __name__ == "__main__":
    main()
