"""The orthonorm step in the same batch or in another one: joint against alternating.

    python benchmarks/orthonorm.py

Three data sets, five seeds, the same budget for both: the trace loss of Shaham et al.
(2018), a fixed number of epochs at a constant learning rate, for three learning rates,
in the learned space of one default fit for each seed. Recorded: the held-out loss after
each epoch (the mean Ritz value of the outputs on a held-out batch, its own orthonorm
factor in both modes), ARI and NMI.
"""

import warnings

import numpy as np
import rst
from data import load, shape
from report import spread, write
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from skspectralnet import SpectralNetClustering

SEEDS = range(5)
EPOCHS = 30
RATES = (5e-3, 1e-3, 2e-4)
MODES = {"joint": "tab:blue", "alternating": "tab:orange"}
_STYLES = ("-", "--", ":")  # of the learning rates, from the largest


def data_sets():
    """Name, clusters and rows of each data set; labels only for the score."""
    yield "moons", 2, *shape("moons", 0)
    for name in ("usps", "pendigits"):
        yield name, 10, *load(name)


def learned_space(X, n_clusters, seed):
    """Encoder and metric learner of a default fit, as parameters of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SpectralNetClustering(n_clusters, max_iter=1, random_state=seed).fit(X)
    stages = {"encoder": model.encoder_, "metric_learner": model.metric_learner_}
    return {
        name: None if stage is None else FrozenEstimator(stage)
        for name, stage in stages.items()
    }


def measure(X, y, n_clusters, orthonorm, rate, seed, space):
    """Held-out loss curve, ARI and NMI of one fit."""
    model = SpectralNetClustering(
        n_clusters=n_clusters,
        orthonorm=orthonorm,
        loss="trace",
        learning_rate_init=rate,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        random_state=seed,
        **space,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the budget is fixed
        model.fit(X)
    return (
        model.validation_loss_curve_,
        adjusted_rand_score(y, model.labels_),
        normalized_mutual_info_score(y, model.labels_),
    )


def tables(record):
    """The two modes beside each other: held-out loss and ARI, and the picture."""
    header = ["data", "learning rate"]
    header += [f"{mode}: loss, best / last" for mode in MODES]
    header += [f"{mode}: ARI, mean / worst" for mode in MODES]
    header += [f"{mode}: NMI" for mode in MODES]
    pairs = _pairs(record["results"])
    rows = [
        [
            *(name, f"{rate:g}", *map(_losses, pair.values())),
            *(rst.mean_and_worst(result["ari"]) for result in pair.values()),
            *(f"{result['nmi']['mean']:.3f}" for result in pair.values()),
        ]
        for (name, rate), pair in pairs.items()
    ]
    picture = rst.figure(
        "orthonorm",
        "Held-out loss against the epoch, joint and alternating",
        "Held-out loss after each epoch, the mean of the seeds; the loss is the "
        "mean Ritz value of the outputs, lower is better.",
        target="../_images/orthonorm.svg",
    )
    text = rst.list_table(header, rows) + "\n" + _counted(pairs)
    return {"orthonorm": text, "orthonorm_figure": picture}


def _pairs(results):
    """{(data, rate): {"joint": result, "alternating": result}}, in the file's order."""
    pairs = {}
    for result in results:
        key = result["data"], result["learning_rate"]
        pairs.setdefault(key, {})[result["orthonorm"]] = result
    return {key: {mode: pair[mode] for mode in MODES} for key, pair in pairs.items()}


def _losses(result):
    best, last = result["best_loss"]["mean"], result["last_loss"]["mean"]
    return f"{best:.4f} / {last:.4f}"


def _counted(pairs):
    """What the table says, counted."""
    ahead, lower, rose = 0, 0, dict.fromkeys(MODES, 0)
    for pair in pairs.values():
        joint, alternating = (pair[mode] for mode in MODES)
        lower += joint["best_loss"]["mean"] < alternating["best_loss"]["mean"]
        ahead += joint["ari"]["mean"] >= alternating["ari"]["mean"]
        for mode, result in pair.items():
            best, last = result["best_loss"]["mean"], result["last_loss"]["mean"]
            rose[mode] += last > 1.1 * best
    return (
        f"In {lower} of the {len(pairs)} rows the best held-out loss is lower in joint "
        f"mode; in {ahead} its mean ARI is at least as high. The last loss is more "
        f"than a tenth above the best in {rose['joint']} rows in joint and in "
        f"{rose['alternating']} in alternating mode.\n"
    )


def draw(record, figure):
    """Draw a panel for each data set, a line for each mode and rate."""
    results = record["results"]
    names = list(dict.fromkeys(result["data"] for result in results))
    rates = sorted({result["learning_rate"] for result in results}, reverse=True)
    figure.set_size_inches(4 * len(names), 4.2)
    axes = figure.subplots(1, len(names))
    for axis, name in zip(axes, names, strict=True):
        for result in (result for result in results if result["data"] == name):
            axis.plot(
                range(1, len(result["curve"]) + 1),
                result["curve"],
                color=MODES[result["orthonorm"]],
                linestyle=_STYLES[rates.index(result["learning_rate"])],
                label=f"{result['orthonorm']}, {result['learning_rate']:g}",
            )
        axis.set(title=name, xlabel="epoch", yscale="log")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("held-out loss")
    lines = axes[0].get_legend_handles_labels()
    figure.legend(*lines, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.0))
    figure.tight_layout()


def main():
    results = []
    for name, n_clusters, X, y in data_sets():
        spaces = [learned_space(X, n_clusters, seed) for seed in SEEDS]
        for orthonorm in MODES:
            for rate in RATES:
                runs = [
                    measure(X, y, n_clusters, orthonorm, rate, seed, space)
                    for seed, space in zip(SEEDS, spaces, strict=True)
                ]
                curves, ari, nmi = zip(*runs, strict=True)
                curves = np.array(curves)
                result = {
                    "data": name,
                    "orthonorm": orthonorm,
                    "learning_rate": rate,
                    "curve": [round(float(v), 5) for v in curves.mean(axis=0)],
                    "best_loss": spread(curves.min(axis=1)),
                    "last_loss": spread(curves[:, -1]),
                    "ari": spread(ari),
                    "nmi": spread(nmi),
                }
                results.append(result)
                print(
                    f"{name:10} {orthonorm:12} rate {rate:.0e}: held-out loss best "
                    f"{result['best_loss']['mean']:.4f} last "
                    f"{result['last_loss']['mean']:.4f}, ARI mean "
                    f"{result['ari']['mean']:.3f} worst {result['ari']['min']:.3f}, "
                    f"NMI {result['nmi']['mean']:.3f}",
                    flush=True,
                )
    write("orthonorm", "python benchmarks/orthonorm.py", results)


if __name__ == "__main__":
    main()
