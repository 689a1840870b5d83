"""The runs of quality.json, summarised: what its table and the documentation show."""

from data import DEVELOPMENT, HELD_OUT, SECOND
from report import spread

MEASURES = ("acc", "nmi", "ari", "wall", "cpu", "peak_mib")
PEERS = (
    *("k-means", "scikit-learn spectral", "scikit-learn spectral, 30"),
    *("Ward", "UMAP + mixture"),
)
BEHIND = 0.05  # of ARI
TIE = 0.01  # of NMI
MAX_ROWS = {
    "scikit-learn spectral": 30_000,
    "scikit-learn spectral, 30": 30_000,
    "Ward": 15_000,
}


def summarise(runs):
    """{data: {method: {measure: spread}}}, in the order of the lists of data."""
    found = {}
    for run in runs:
        found.setdefault(run["data"], {}).setdefault(run["method"], []).append(run)
    return {
        name: {
            method: {key: spread([run[key] for run in rows]) for key in MEASURES}
            for method, rows in found[name].items()
        }
        for name in (*DEVELOPMENT, *SECOND, *HELD_OUT)
        if name in found
    }


def verdict(methods, method):
    """`method` against the best peer by mean NMI: +1 wins, 0 ties, -1 loses.

    None where either was not run.
    """
    peers = [methods[peer]["nmi"]["mean"] for peer in PEERS if peer in methods]
    if method not in methods or not peers:
        return None
    ahead = methods[method]["nmi"]["mean"] - max(peers)
    return 0 if abs(ahead) <= TIE else 1 if ahead > 0 else -1


def means(methods_of, measure):
    """{method: number of data sets, its mean over them, and that of the default}.

    A data set counts where this package and k-means were run.
    """
    sets = [m for m in methods_of.values() if {"skspectralnet", "k-means"} <= m.keys()]
    found = {}
    for method in dict.fromkeys(name for m in sets for name in m):
        have = [m[method][measure]["mean"] for m in sets if method in m]
        ours = [m["skspectralnet"][measure]["mean"] for m in sets if method in m]
        found[method] = len(have), sum(have) / len(have), sum(ours) / len(ours)
    return found


def far_behind(methods_of):
    """Data sets where the best peer's mean ARI is higher by more than `BEHIND`."""
    found = []
    for name, methods in methods_of.items():
        peers = [methods[peer]["ari"]["mean"] for peer in PEERS if peer in methods]
        own = methods.get("skspectralnet")
        if own and peers and max(peers) - own["ari"]["mean"] > BEHIND:
            found.append(name)
    return found


def count(verdicts):
    """ "5 wins, 2 ties, 1 loss" of the verdicts that exist."""
    verdicts = list(verdicts)
    wins, ties, losses = (verdicts.count(value) for value in (1, 0, -1))
    return ", ".join(
        f"{number} {word if number == 1 else plural}"
        for number, word, plural in (
            (wins, "win", "wins"),
            (ties, "tie", "ties"),
            (losses, "loss", "losses"),
        )
    )
