"""What the defaults of the learned space were chosen from: variants on small data.

    python benchmarks/siamese.py [--variants NAME ...] [--data NAME ...] [--seeds N]

NMI of each variant of :data:`VARIANTS`, one parameter away from the default, on the
smaller of the development data sets; seeds 0 to 2. Each run is in
``results/siamese.json`` when it ends: the same command goes on after an interruption,
and leaves out what the present text of the package has run. A data set that is missing
is named and left out.
"""

import argparse
import functools
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rst
from data import CurvedMixture, named
from report import RESULTS, Book, Stopwatch, go_through, scores, spread
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from skspectralnet import SiameseEmbedding, SpectralNetClustering

CURVED = "curved 20"  # 10,000 rows of the clusters of scale.py
DATA = (
    *("digits", "pendigits", "usps", "texture", "segment", "breast cancer"),
    *("reuters8", CURVED),
)
ON_POINTS = "k-means of the points"  # the learned space of the default, no spectral map
VARIANTS = {
    "default": {},
    ON_POINTS: {},
    "metric_learner=None": {"metric_learner": None},
    **{
        f"pairs of {k} neighbours": {"metric_learner": SiameseEmbedding(n_neighbors=k)}
        for k in (5, 10, 15)
    },
    **{
        f"noise={x}": {"metric_learner": SiameseEmbedding(noise=x)}
        for x in (0.0, 0.3, 0.5, 1.0)
    },
    **{
        f"batch_size={b} in pairs": {"metric_learner": SiameseEmbedding(batch_size=b)}
        for b in (128, 256, 1024)
    },
    **{
        f"{units} in each layer": {
            "metric_learner": SiameseEmbedding(hidden_layer_sizes=3 * (units,))
        }
        for units in (128, 256, 512)
    },
    'init="random"': {"metric_learner": SiameseEmbedding(init="random")},
    **{
        f"{n} epochs": {"metric_learner": SiameseEmbedding(max_iter=n)}
        for n in (15, 20, 30, 60)
    },
    "60 epochs at 4e-3, batch_size=256": {
        "metric_learner": SiameseEmbedding(
            max_iter=60, learning_rate_init=4e-3, batch_size=256
        )
    },
    **{
        f"learning_rate_init={rate} of pairs": {
            "metric_learner": SiameseEmbedding(learning_rate_init=rate)
        }
        for rate in (4e-3, 1.2e-2)
    },
    **{
        f"learning_rate_init={rate} of the map": {"learning_rate_init": rate}
        for rate in (1e-2, 1.5e-2)
    },
    "contrastive loss": {"metric_learner": SiameseEmbedding(loss="contrastive")},
    **{f"n_neighbors={k}": {"n_neighbors": k} for k in (5, 10, 20, 40)},
    **{f"diffusion_time={t}": {"diffusion_time": t} for t in (0, 8, 16)},
    **{f'assign_labels="{a}"': {"assign_labels": a} for a in ("mixture", "cluster_qr")},
    'encoder="autoencoder"': {"encoder": "autoencoder"},
}
MEASURES = ("nmi", "acc", "ari", "cpu")


@functools.lru_cache(maxsize=1)
def rows_of(name):
    """Rows and classes of a data set; kept for the next run."""
    if name == CURVED:
        return CurvedMixture(0).sample(10_000, np.random.RandomState(0))
    return named(name)


def measure(variant, name, seed):
    """Scores and CPU seconds of one fit."""
    X, y = rows_of(name)
    n_clusters = len(np.unique(y))
    model = SpectralNetClustering(n_clusters, random_state=seed, **VARIANTS[variant])
    with Stopwatch() as watch, warnings.catch_warnings():
        # A variant may stop at max_iter or lose a cluster: its scores say so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit(X).labels_
    if variant == ON_POINTS:
        points = X
        for stage in (model.encoder_, model.metric_learner_):
            points = points if stage is None else stage.transform(points)
        kmeans = KMeans(n_clusters, n_init=10, random_state=seed)
        labels = kmeans.fit_predict(points)
    return scores(y, labels) | {"cpu": watch.cpu}


def summarise(runs):
    """{variant: {data: {measure: spread}}}, in the order of the variants."""
    found = {variant: {name: [] for name in DATA} for variant in VARIANTS}
    for run in runs:
        if run["variant"] in found:
            found[run["variant"]][run["data"]].append(run)
    return {
        variant: {
            name: {key: spread([run[key] for run in rows]) for key in MEASURES}
            for name, rows in of_data.items()
            if rows
        }
        for variant, of_data in found.items()
        if any(of_data.values())
    }


class Overall(NamedTuple):
    """A variant over all its data sets."""

    mean: float  # of the mean NMI
    worst: float  # mean of the worst NMI
    cpu: float  # sum of the median seconds
    count: int  # of data sets


def overall(of_data):
    """One line for the data sets of a variant."""
    rows = of_data.values()
    return Overall(
        float(np.mean([row["nmi"]["mean"] for row in rows])),
        float(np.mean([row["nmi"]["min"] for row in rows])),
        sum(row["cpu"]["median"] for row in rows),
        len(rows),
    )


def tables(record):
    """Mean and worst NMI of each variant on each data set."""
    found = summarise(record["runs"])
    shown = [
        name for name in DATA if any(name in of_data for of_data in found.values())
    ]
    rows = []
    for variant, of_data in found.items():
        cells = [
            rst.mean_and_worst(of_data[name]["nmi"]) if name in of_data else rst.NONE
            for name in shown
        ]
        all_data = overall(of_data)
        complete = all_data.count == len(shown)
        mean = rst.number(all_data.mean)
        mean += "" if complete else f" (of {all_data.count})"
        name = f"``{variant}``" if "=" in variant else variant
        rows.append([name, *cells, mean, rst.number(all_data.cpu, 0)])
    return {"siamese": rst.list_table(["variant", *shown, "all", "CPU"], rows)}


def print_table(runs):
    """Mean / worst NMI of each variant and data set."""
    print(f"{'NMI, mean / worst':28}", *(f"{name:>13}" for name in DATA), "all, mean")
    for variant, of_data in summarise(runs).items():
        cells = [
            f"{row['nmi']['mean']:.3f} / {row['nmi']['min']:.3f}" if row else ""
            for row in map(of_data.get, DATA)
        ]
        all_data = overall(of_data)
        print(
            f"{variant:28}",
            *(f"{cell:>13}" for cell in cells),
            f"{all_data.mean:.3f} / {all_data.worst:.3f} of {all_data.count}"
            f"  CPU {all_data.cpu:.0f} s",
        )


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    add("--data", nargs="+", default=list(DATA), choices=list(DATA))
    add("--seeds", type=int, default=3, help="0 to N - 1; 3 unless given")
    add("--results", type=Path, default=RESULTS / "siamese.json")
    options = parser.parse_args(arguments)
    wanted = [
        (variant, name, seed)
        for name in options.data
        for variant in options.variants
        for seed in range(options.seeds)
    ]
    book = Book(options.results, ("variant", "data", "seed"))
    status = go_through(book, "python benchmarks/siamese.py", wanted, measure)
    print_table(book.record["runs"])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
