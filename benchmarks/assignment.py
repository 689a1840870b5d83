"""Three ways from the same embedding to labels: ACC, NMI, ARI and CPU seconds.

    python benchmarks/assignment.py

One fit for each data set and seed 0 to 4 with default parameters (reuters8, text, with
``metric="cosine"``); its embedding is clustered by each value of `assign_labels`.
"""

import numpy as np
import rst
from data import load
from report import Stopwatch, spread, write
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from skspectralnet import SpectralNetClustering
from skspectralnet._assignment import fit_assignment
from skspectralnet.metrics import clustering_accuracy

SEEDS = range(5)
WAYS = ("kmeans", "cluster_qr", "mixture")
DATA = {
    "digits": {},
    "usps": {},
    "pendigits": {},
    "reuters8": {"metric": "cosine"},
}
SCORES = {
    "acc": clustering_accuracy,
    "nmi": normalized_mutual_info_score,
    "ari": adjusted_rand_score,
}


def rows_of(name):
    """Rows and labels of a data set."""
    return load_digits(return_X_y=True) if name == "digits" else load(name)


def measure(Z, y, n_clusters, how, seed):
    """Scores and CPU seconds of one assignment."""
    with Stopwatch() as watch:
        assignment = fit_assignment(
            Z, n_clusters, how, n_init=10, random_state=np.random.RandomState(seed)
        )
        labels = assignment.labels(Z)
    scores = {name: score(y, labels) for name, score in SCORES.items()}
    return {**scores, "cpu": watch.cpu}


def tables(record):
    """Each way to labels on the same embeddings."""
    header = ["data", "``assign_labels``", "ACC", "NMI", "ARI", "ARI, worst", "CPU"]
    rows = [
        [
            result["data"],
            f"``{result['assign_labels']}``",
            *(rst.with_deviation(result[key]) for key in ("acc", "nmi", "ari")),
            rst.number(result["ari"]["min"]),
            f"{100 * result['cpu']['median'] / result['fit']['median']:.0f} %",
        ]
        for result in record["results"]
    ]
    counts = sorted({len(r["ari"]["values"]) for r in record["results"]})
    text = (
        f"\nMeans over {' or '.join(map(str, counts))} fits, with their standard "
        "deviation after ±; CPU is the median seconds of the assignment as a share of "
        "those of a whole fit with k-means.\n"
    )
    return {"assignment": rst.list_table(header, rows) + text}


def main():
    results = []
    for name, params in DATA.items():
        X, y = rows_of(name)
        n_clusters = len(np.unique(y))
        found, fit_cpu = {how: [] for how in WAYS}, []
        for seed in SEEDS:
            with Stopwatch() as watch:
                model = SpectralNetClustering(n_clusters, random_state=seed, **params)
                Z = model.fit(X).transform(X)
            fit_cpu.append(watch.cpu)
            for how in WAYS:
                found[how].append(measure(Z, y, n_clusters, how, seed))
        for how, rows in found.items():
            summary = {key: spread([row[key] for row in rows]) for key in rows[0]}
            results.append(
                {"data": name, "assign_labels": how, **summary, "fit": spread(fit_cpu)}
            )
            means = {key: summary[key]["mean"] for key in SCORES}
            print(name, how, means, "least ARI", summary["ari"]["min"], flush=True)
    write("assignment", "python benchmarks/assignment.py", results)


if __name__ == "__main__":
    main()
