"""The runs of quality.json, summarised: what its table and the documentation show."""

from data import DEVELOPMENT, HELD_OUT
from report import spread

MEASURES = ("acc", "nmi", "ari", "wall", "cpu", "peak_mib")
PEERS = ("k-means", "scikit-learn spectral", "UMAP + mixture")
TIE = 0.01  # of NMI
MAX_ROWS = {"scikit-learn spectral": 30_000}


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
        for name in (*DEVELOPMENT, *HELD_OUT)
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
