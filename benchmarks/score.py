"""Does `score` rank settings as the labels do? Spearman correlation with ARI.

    python benchmarks/score.py

32 settings drawn at random from what one would grid-search, fitted on 4,000 rows of
each of three data sets; on 2,000 other rows the ARI of the predicted labels is ranked
against label-free candidates, all on the rows as they are.
"""

import warnings

import numpy as np
import rst
from data import load
from report import write
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score

from skspectralnet import SpectralNetClustering
from skspectralnet._graph import neighbor_graph

N_SETTINGS = 32
N_TRAIN, N_TEST = 4000, 2000


def settings(rng):
    """One random setting of the estimator."""
    return {
        "n_clusters": int(rng.choice([4, 6, 8, 10, 10, 12, 15, 20])),
        "n_neighbors": int(rng.choice([4, 10, 20, 40, 120])),
        "affinity": ["self_tuning", "self_tuning", "nearest_neighbors", "rbf"][
            rng.randint(4)
        ],
        "encoder": [None, "auto", PCA(3), PCA(8)][rng.randint(4)],
        "max_iter": int(rng.choice([2, 10, 50])),
        "batch_size": int(rng.choice([512, 1024])),
        "laplacian": ["random_walk", "random_walk", "symmetric", "unnormalized"][
            rng.randint(4)
        ],
        "diffusion_time": [0.0, "auto", "auto"][rng.randint(3)],
        "n_components": [None, None, 3][rng.randint(3)],
        "metric_learner": None,  # settings of the spectral stage: cheap enough to rank
    }


def graph_scores(graph, labels):
    """Candidates that need only the graph and the labels."""
    n_clusters = labels.max() + 1
    onehot = sparse.csr_array(
        (np.ones(len(labels)), (np.arange(len(labels)), labels)),
        shape=(len(labels), n_clusters),
    )
    joint = (onehot.T @ graph @ onehot).toarray() / graph.sum()  # of an edge's two ends
    share = joint.sum(axis=1)
    inside = np.diag(joint)[share > 0] / share[share > 0]
    expected = np.outer(share, share)
    seen = joint > 0
    return {
        "modularity": np.trace(joint) - (share**2).sum(),
        "minus mean normalised cut": inside.mean() - 1.0,
        "mutual information of an edge's ends": (
            joint[seen] * np.log(joint[seen] / expected[seen])
        ).sum(),
    }


def silhouette(X, labels):
    """The mean silhouette; its lowest value for one cluster, which has none."""
    return silhouette_score(X, labels) if len(np.unique(labels)) > 1 else -1.0


def tables(record):
    """Rank correlation of each label-free candidate with ARI."""
    results = record["results"]
    header = ["candidate", *(r["data"] for r in results), "least"]
    names = {name: None for result in results for name in result["spearman"]}
    rows = []
    for name in names:
        values = [result["spearman"].get(name) for result in results]
        known = [value for value in values if value is not None]
        rows.append((min(known), [rst.literal(name), *map(rst.number, values)]))
    rows.sort(key=lambda row: -row[0])
    # score(X) is one of the candidates: it stands first.
    rows.sort(key=lambda row: row[1][0] != "``score(X)``")
    counts = sorted({result["n_settings"] for result in results})
    rows = [[*row, rst.number(least)] for least, row in rows]
    text = (
        "\nSpearman rank correlation with ARI over "
        f"{' or '.join(map(str, counts))} settings on each data set.\n"
    )
    return {"score": rst.list_table(header, rows) + text}


def main():
    rng = np.random.RandomState(0)
    drawn = [settings(rng) for _ in range(N_SETTINGS)]
    results = []
    for name in ("usps", "pendigits", "mnist"):
        X, y = load(name)
        rows = np.random.RandomState(0).permutation(len(X))[: N_TRAIN + N_TEST]
        train, test = rows[:N_TRAIN], rows[N_TRAIN:]
        held_out = X[test].astype(np.float32)
        graphs = {k: neighbor_graph(held_out, k) for k in (5, 10, 20)}
        ari, candidates = [], {}
        for setting in drawn:
            model = SpectralNetClustering(random_state=0, **setting)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # max_iter is one of the settings
                model.fit(X[train])
            labels = model.predict(X[test])
            ari.append(adjusted_rand_score(y[test], labels))
            scores = {
                f"{kind}, {k} neighbours": value
                for k, graph in graphs.items()
                for kind, value in graph_scores(graph, labels).items()
            }
            scores["score(X)"] = model.score(X[test])
            scores["silhouette of the rows"] = silhouette(held_out, labels)
            for kind, value in scores.items():
                candidates.setdefault(kind, []).append(value)
        spearman = {
            kind: round(float(spearmanr(values, ari)[0]), 3)
            for kind, values in candidates.items()
        }
        results.append({"data": name, "n_settings": len(ari), "spearman": spearman})
        print(name, f"ARI {min(ari):.2f} to {max(ari):.2f}", spearman, flush=True)
    write("score", "python benchmarks/score.py", results)


if __name__ == "__main__":
    main()
