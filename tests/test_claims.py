"""What the pages claim in words is what the results of the benchmarks say.

Tables are made from the results; a sentence beside them is not. Each one that ranks or
measures something stands here with what makes it true, so that neither a new result nor
new words can make it false. The page of the orthonorm layer is not among them.
"""

import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
TIE = 0.01


class Claim(NamedTuple):
    """Words of a page, and whether they are true; or a function that makes them."""

    page: str
    words: str | None
    check: Callable

    def made_words(self):
        """The words, spaces and lines made equal."""
        return spaced(self.check() if self.words is None else self.words)


CLAIMS = []


def claim(page, words=None):
    """Add a claim: the function below says whether the words are true.

    Where no words are given it returns them, made from the results.
    """

    def add(check):
        CLAIMS.append(Claim(page, words, check))
        return check

    return add


def spaced(text):
    return re.sub(r"\s+", " ", text)


# --- the results


@functools.cache
def record(name):
    return json.loads((BENCHMARKS / "results" / f"{name}.json").read_text("utf-8"))


def runs(name, **where):
    """Those runs of a benchmark whose fields have these values."""
    kept = [
        run
        for run in record(name)["runs"]
        if all(run.get(key) == value for key, value in where.items())
    ]
    assert kept, (name, where)
    return kept


def values(name, key, **where):
    return [run[key] for run in runs(name, **where)]


def names(name, key, **where):
    """The different values of a field, in the order of the runs."""
    return list(dict.fromkeys(values(name, key, **where)))


def has(name, **where):
    """Whether there is a run with a result."""
    fields = where.items()
    return any(all(r.get(k) == v for k, v in fields) for r in record(name)["runs"])


# --- the front page

README = "README.md"


@claim(README)
def mnist_of_the_default():
    acc, nmi = (values("mnist", key, setting="default") for key in ("acc", "nmi"))
    assert len(acc) == 5
    seconds = median(values("mnist", "wall", setting="default"))
    return (
        f"five seeds (`python benchmarks/mnist.py`): accuracy {mean(acc):.3f}, NMI "
        f"{mean(nmi):.3f}, the worst seed {min(acc):.3f} and {min(nmi):.3f}, "
        f"{seconds:.0f} seconds each."
    )


@claim(README)
def mnist_of_unseen_rows():
    acc = mean(values("mnist", "acc", setting="unseen rows"))
    return (
        f"Fitted on 60,000 of them, it labels the other 10,000 with accuracy {acc:.3f}."
    )


@claim(README)
def seconds_of_the_peer_on_mnist():
    ratio = 1 / record("mnist_peer")["cpu_ratio"]
    return f"takes {ratio:.0f} times the CPU seconds"


@claim(README)
def shapes():
    rows = {"cut roll": "cut swiss roll"}
    lines = [
        f"| {rows.get(name, name)} | {result['ari']['min']:.3f} | "
        f"{result['wall']['median']:.2f} |"
        for name, result in record("shapes")["results"].items()
        if "cpu_ratio" not in result
    ]
    return "\n".join(
        ["| generated rows | worst ARI | median seconds |", "|---|---|---|", *lines]
    )


@claim(README)
def seconds_of_the_peer_on_moons():
    results = record("shapes")["results"].values()
    (ratio,) = (
        result["cpu_ratio"]["median"] for result in results if "cpu_ratio" in result
    )
    return f"The moons take {ratio:.2f} times the CPU seconds"


@claim(README)
def many_rows():
    million, ten = (runs("scale", rows=n, subsample=200_000)[0] for n in (10**6, 10**7))
    return (
        f"A million rows in twenty curved clusters take {million['wall']:.0f} seconds, "
        f"ten million {ten['wall']:.0f} seconds and "
        f"{ten['anonymous_mib'] / 1024:.1f} GiB "
        f"(one seed each, ARI {million['ari']:.2f} and {ten['ari']:.2f};"
    )


@claim(README)
def two_per_cent_of_the_labels():
    before, after = (
        values("supervised", "ari", data="nested C's", labels=how)
        for how in ("without", "with")
    )
    assert len(before) == len(after) == 5
    return (
        "Two per cent of the labels raise the ARI of three noisy nested arcs from "
        f"{mean(before):.2f} to {mean(after):.2f} "
        "(`python benchmarks/supervised.py`, five seeds)"
    )


# --- docs/benchmarks.rst

BENCHMARK_PAGE = "docs/benchmarks.rst"
DEFAULT, PEERS = "skspectralnet", ("k-means", "scikit-learn spectral", "UMAP + mixture")


def nmi(data, method):
    return mean(values("quality", "nmi", data=data, method=method))


def losses():
    """{data: the best peer} where that is ahead of the default by more than a tie."""
    found = {}
    for data in names("quality", "data", method=DEFAULT):
        peers = [p for p in PEERS if has("quality", data=data, method=p)]
        best = max(peers, key=lambda peer: nmi(data, peer))
        if nmi(data, best) - nmi(data, DEFAULT) > TIE:
            found[data] = best
    return found


@claim(BENCHMARK_PAGE, "Twenty-eight data sets in three lists")
def twenty_eight_data_sets():
    return len(names("quality", "data")) == 28


@claim("docs/guide/coming_from.rst", "results of UMAP and a mixture on 28 data sets")
def umap_on_so_many_of_them():
    return len(names("quality", "data", method="UMAP + mixture")) == 28


@claim(BENCHMARK_PAGE, "of more than .01 in mean NMI")
def a_tie():
    return "TIE = 0.01 " in (BENCHMARKS / "quality_summary.py").read_text("utf-8")


@claim(BENCHMARK_PAGE, "the default on MNIST is in the section `MNIST`_")
def default_on_mnist():
    missing = [
        x
        for x in names("quality", "data")
        if not has("quality", data=x, method=DEFAULT)
    ]
    return missing == ["mnist"] and has("mnist", setting="default")


@claim(BENCHMARK_PAGE, "of ten and of thirty neighbours, of at most 30,000 rows;")
def rows_of_exact_spectral_clustering():
    text = (BENCHMARKS / "quality_summary.py").read_text("utf-8")
    names = "scikit-learn spectral", "scikit-learn spectral, 30"
    return all(f'"{name}": 30_000' in text for name in names)


@claim(BENCHMARK_PAGE, "Ward's criterion, of at most 15,000 rows")
def rows_of_ward():
    return '"Ward": 15_000' in (BENCHMARKS / "quality_summary.py").read_text("utf-8")


@claim(BENCHMARK_PAGE, "Where the default loses")
def every_loss_has_a_line():
    text = (ROOT / BENCHMARK_PAGE).read_text("utf-8")
    section = text.split("Where the default loses")[1].split("CPU seconds on MNIST")[0]
    told = re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE)
    return sorted(", ".join(told).split(", ")) == sorted(losses())


@claim(BENCHMARK_PAGE, "of which three overlap, UMAP with a mixture is level")
def on_segment():
    peers = [p for p in PEERS if has("quality", data="segment", method=p)]
    assert max(peers, key=lambda peer: nmi("segment", peer)) == "UMAP + mixture"
    return abs(nmi("segment", "UMAP + mixture") - nmi("segment", DEFAULT)) <= TIE


@claim(BENCHMARK_PAGE, "UMAP with a mixture is ahead with each seed.")
def on_touching_clusters():
    return all(
        losses()[data] == "UMAP + mixture"
        and min(values("quality", "nmi", data=data, method="UMAP + mixture"))
        > max(values("quality", "nmi", data=data, method=DEFAULT))
        for data in ("satimage", "curved 60")
    )


@claim(BENCHMARK_PAGE, "k-means is ahead, and neither variant of the default")
def on_few_compact_rows():
    variants = [m for m in names("quality", "method") if m.startswith(f"{DEFAULT}, ")]
    return len(variants) == 2 and all(
        losses()[data] == "k-means" and nmi(data, "k-means") > nmi(data, variant)
        for data in ("vowel", "wine")
        for variant in variants
    )


@claim(BENCHMARK_PAGE, "a second thread does not pay on so few rows")
def threads_of_few_rows():
    one, two = (record("small")["results"][f"threads: {n}"] for n in (1, 2))
    # The same to a tenth, or slower.
    return all(
        two[data][cls]["wall"]["median"] > 0.9 * one[data][cls]["wall"]["median"]
        for data in one
        for cls in ("SpectralNetClustering", "SpectralNetEmbedding")
    )


@claim(
    BENCHMARK_PAGE,
    "Where CPU seconds are fewer than 1.8 times those of the wall, the fits had a "
    "single thread or a busy machine (*no metric learner*, *paper* and *unseen rows, "
    "autoencoder*)",
)
def busy_machine_on_mnist():
    busy = {
        setting
        for setting in names("mnist", "setting")
        if median(values("mnist", "cpu", setting=setting))
        < 1.8 * median(values("mnist", "wall", setting=setting))
    }
    return busy == {"no metric learner", "paper", "unseen rows, autoencoder"}


# --- docs/guide/summary.rst

SUMMARY = "docs/guide/summary.rst"


@claim(SUMMARY, "It takes milliseconds.")
def merges_are_quick():
    return max(values("merge", "cpu_merge")) < 0.1


@claim(
    SUMMARY, "On each of the four the mean cut after ``merge(8)`` is at most 1.05 times"
)
def merges_cut_as_well_as_fits():
    sets = names("merge", "data")
    cuts = {
        data: [
            mean(values("merge", f"cut_{way}", data=data)) for way in ("merge", "fresh")
        ]
        for data in sets
    }
    enough = all(len(values("merge", "seed", data=data)) == 5 for data in sets)
    return len(sets) == 4 and enough and all(a <= 1.05 * b for a, b in cuts.values())


# --- docs/guide/method.rst

METHOD = "docs/guide/method.rst"


def assignment(how, measure, statistic="mean"):
    """{data: a statistic of a measure} of a way from the embedding to labels."""
    results = [r for r in record("assignment")["results"] if r["assign_labels"] == how]
    return {result["data"]: result[measure][statistic] for result in results}


def share_of_the_fit(how):
    """Per cent, of each data set."""
    cpu, fit = (assignment(how, key, "median") for key in ("cpu", "fit"))
    return [100 * cpu[data] / fit[data] for data in cpu]


@claim(METHOD, "all three then agree, as on USPS and pendigits,")
def assignments_that_agree():
    ways = ("kmeans", "cluster_qr", "mixture")
    return all(
        np.ptp([assignment(how, measure)[data] for how in ways]) < 0.005
        for data in ("usps", "pendigits")
        for measure in ("acc", "nmi", "ari")
    )


@claim(
    METHOD,
    "It is no better on average: its mean and its worst ARI are above those of k-means "
    "on digits and below them on reuters8.",
)
def mixture_and_k_means():
    ahead = {
        key: {
            data: ari - assignment("kmeans", "ari", key)[data]
            for data, ari in assignment("mixture", "ari", key).items()
        }
        for key in ("mean", "min")
    }
    return mean(ahead["mean"].values()) <= 0 and all(
        of["digits"] > TIE and of["reuters8"] < -TIE for of in ahead.values()
    )


@claim(METHOD)
def seconds_of_a_mixture():
    shares = share_of_the_fit("mixture")
    others = share_of_the_fit("kmeans") + share_of_the_fit("cluster_qr")
    assert max(others) < 1
    return (
        f"It takes {min(shares):.0f} to {max(shares):.0f} % of the seconds of a fit, "
        "the others less than 1 %;"
    )


@claim(METHOD, "its mean ARI is within .01 of that of k-means on each data set")
def cluster_qr_and_k_means():
    kmeans = assignment("kmeans", "ari")
    return all(
        abs(ari - kmeans[data]) < TIE
        for data, ari in assignment("cluster_qr", "ari").items()
    )


# --- docs/guide/learned_space.rst

LEARNED = "docs/guide/learned_space.rst"


def variant(name):
    """{data: mean NMI} of a variant of the learned space."""
    of_data = {}
    for run in runs("siamese", variant=name):
        of_data.setdefault(run["data"], []).append(run["nmi"])
    return {data: mean(found) for data, found in of_data.items()}


@claim(LEARNED)
def seconds_of_an_autoencoder():
    default, coded = (
        {key: values("mnist", key, setting=setting) for key in ("acc", "cpu")}
        for setting in ("default", "autoencoder")
    )
    assert abs(mean(default["acc"]) - mean(coded["acc"])) < 0.002
    word = {3: "three", 4: "four", 5: "five"}
    times = word[round(median(coded["cpu"]) / median(default["cpu"]))]
    return f"a fit with it takes {times} times the CPU seconds for the same accuracy"


@claim(
    LEARNED,
    "On MNIST the rows that were not fitted are labelled as well as those that were",
)
def unseen_rows_of_mnist():
    unseen, seen = (
        mean(values("mnist", "acc", setting=setting))
        for setting in ("unseen rows", "default")
    )
    return abs(unseen - seen) < 0.002


@claim(
    LEARNED,
    "on digits and segment, the data sets of `What was tried`_ with fewer rows, "
    + "``noise=1.0`` is worse.",
)
def noise_of_few_rows():
    default, noisy = variant("default"), variant("noise=1.0")
    return all(noisy[data] < default[data] - TIE / 2 for data in ("digits", "segment"))


@claim(
    LEARNED,
    'on long clusters ("curved 20") it is worse, elsewhere within .01 of the default.',
)
def random_start():
    default, random = variant("default"), variant('init="random"')
    behind = {data: default[data] - random[data] for data in random}
    curved = behind.pop("curved 20")
    return curved > TIE > max(map(abs, behind.values())) and len(behind) > 2


@claim(
    LEARNED,
    "its accuracy and NMI come within .01 of the default's, and it takes longer.",
)
def the_stages_of_the_paper():
    paper, default = (
        {k: values("mnist", k, setting=setting) for k in ("acc", "nmi", "cpu")}
        for setting in ("paper", "default")
    )
    return median(paper["cpu"]) > 2 * median(default["cpu"]) and all(
        0 < mean(default[key]) - mean(paper[key]) < TIE for key in ("acc", "nmi")
    )


@claim(LEARNED, "the CPU seconds of `What was tried`_ show what the metric costs")
def seconds_of_the_metric():
    with_it, without = (
        mean(values("siamese", "cpu", variant=name))
        for name in ("default", "metric_learner=None")
    )
    return with_it > 2 * without


@claim(LEARNED, "as many cells as hold 99.5 % of the true neighbours")
def recall_of_cells():
    found = values("neighbors", "recall", algorithm="cells")
    return all(abs(recall - 0.995) < 0.002 for recall in found)


# --- docs/guide/limits.rst


@claim(
    "docs/guide/limits.rst",
    "The metric makes that difference, not the spectral stage",
)
def what_the_metric_does():
    learned, plain = (
        mean(values("mnist", "nmi", setting=setting))
        for setting in ("default", "no metric learner")
    )
    return learned > plain + 0.2


# --- docs/guide/eigenvectors.rst

EIGENVECTORS = "docs/guide/eigenvectors.rst"


@claim(EIGENVECTORS, "made no difference on any data set of the table below")
def polishing():
    polished = [run for run in runs("fidelity", method="spectral")]
    return len(polished) > 10 and all(
        abs(run["before_polish"] - run["distance"]) < 1e-4 for run in polished
    )


@claim(EIGENVECTORS, "for new rows it is larger, on each data set of the table")
def distance_of_new_rows():
    measured = names("fidelity", "data", method="unseen")
    return len(measured) > 5 and all(
        mean(values("fidelity", "distance", data=data, method="unseen"))
        > mean(values("fidelity", "distance", data=data, method="spectral"))
        for data in measured
    )


@claim(EIGENVECTORS, "a third of the epochs, at twice the rate, comes as near as all")
def distance_after_a_third_of_the_epochs():
    measured = names("fidelity", "data", method="third, unseen")
    return len(measured) > 5 and all(
        mean(values("fidelity", "distance", data=data, method="third, unseen"))
        < mean(values("fidelity", "distance", data=data, method="unseen"))
        for data in measured
    )


@claim(
    EIGENVECTORS,
    "which costs less than .01 in distance but a fifth of the last eigenvalue or more.",
)
def eigenvalues_in_few_columns():
    few, others = ("moons", "swiss roll", "s-curve"), ("usps", "digits", "pendigits")
    distance, error = (
        {
            x: mean(values("fidelity", k, data=x, method="spectral"))
            for x in few + others
        }
        for k in ("distance", "eigenvalues")
    )
    return all(
        distance[x] < 0.01 and error[x] >= 0.195 > 2 * error[y]
        for x in few
        for y in others
    )


# --- docs/guide/large_data.rst

LARGE = "docs/guide/large_data.rst"


def peer(method, key):
    """{rows: a measure} of a method."""
    return {
        run["rows"]: run[key]
        for run in runs("peers", method=method)
        if run.get(key) is not None
    }


@claim(
    LARGE,
    "from 10,000 rows on exact spectral clustering finds them, and so does the "
    + "default.",
)
def long_thin_clusters():
    exact, default = (peer(m, "ari") for m in ("scikit-learn spectral", DEFAULT))
    many = [ari for of in (exact, default) for n, ari in of.items() if n >= 10_000]
    return len(many) >= 4 and min(many) > 0.99


@claim(LARGE)
def the_graph_of_all_rows():
    default, whole = (
        {key: peer(method, key) for key in ("ari", "wall")}
        for method in (DEFAULT, f"{DEFAULT}, graph of all rows")
    )
    assert all(ari < default["ari"][n] for n, ari in whole["ari"].items())
    word = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
    times = [round(s / default["wall"][n]) for n, s in whole["wall"].items()]
    return (
        f"here it takes {word[min(times)]} to {word[max(times)]} times the seconds, "
        "and its ARI is below that of the default at each size."
    )


# --- all of them


@pytest.mark.parametrize("found", CLAIMS, ids=lambda found: found.check.__name__)
def test_a_claim_stands_on_its_page_and_holds(found):
    page = spaced((ROOT / found.page).read_text("utf-8"))
    assert found.made_words() in page
    assert found.check()


# Numbers in the prose that nothing has measured: settings, versions, definitions,
# sections of papers and what other people's papers report.
# --- docs/guide/how_sure.rst

HOW_SURE = "docs/guide/how_sure.rst"


def means_of_sets(key):
    """The mean of a number over the fits of each named set."""
    results = record("how_sure")["results"]
    return np.array([r[key]["mean"] for r in results if r["kind"] == "set"])


def sets_on_which_a_rule_is_worse(rule):
    return np.sum(means_of_sets(f"ece by {rule}") > means_of_sets("ece"))


@claim(HOW_SURE)
def sharpness_by_neighbours():
    worse = sets_on_which_a_rule_is_worse("neighbours")
    return (
        f"its error is larger than that of the rule above on {worse} of the "
        f"{len(means_of_sets('ece'))} sets."
    )


@claim(HOW_SURE)
def sharpness_by_codes():
    return f"its error is larger on {sets_on_which_a_rule_is_worse('codes')}."


@claim(HOW_SURE)
def accuracy_of_the_rows_kept():
    whole, most, some = (
        means_of_sets(f"kept {kept}") for kept in ("1.0", "0.9", "0.7")
    )
    return (
        "Without the tenth of the rows that is least sure the accuracy of the others "
        f"is higher on {np.sum(most > whole)} sets, without three tenths on "
        f"{np.sum(some > whole)}."
    )


@claim("docs/guide/onnx.rst", "All labels are those of ``predict``")
def converted_labels():
    return set(values("converted", "equal")) == {1.0}


@claim(
    "docs/guide/onnx.rst",
    "no entry of an embedding of float64 rows differs by more than 1e-5, of float32 "
    "rows by more than 1e-4",
)
def converted_embeddings():
    limits = {"float64": 1e-5, "float32": 1e-4}
    return all(
        float(value) < limit
        for kind, limit in limits.items()
        for value in values("converted", "difference", type=kind)
    )


NO_MEASUREMENTS = """
scikit-learn 1.9 | Python 3.11 | shaham2018`, Section 3.2 | arxiv.org/abs/1801.01587
a noise of .175 of their distance | an NMI of .687 for | and .925 (accuracy .971)
a small one is .001 or 0 | gone through four times | the rate, three times at most
Section 8.5 | Section 8.3 | Section 4.3 | are used, 1.3 | where 99 % of the rows
each weight five times: with its gradient | below ``doubt_below=0.8``. They
 Rows ten times farther from
ten times its change | `spectralnet` 1.1.0 | ``spectralnet`` 1.1.0
Lemma 2.1 | more than 99.9 % of the variance
"""
NUMBER = re.compile(
    r"(?<![\w.])\d*\.\d+(?!\.?\d*\.)|\b\d[\d,]* (?:seconds|times|GiB|per cent|%)"
    r"|\b(?:two|three|four|five|six|ten) times"
)
WITHOUT_PROSE = "code-block|math|include|list-table|image|toctree|autosummary|warning"


def prose(path):
    """The sentences of a page: no code, no tables of settings, no formulas."""
    text = path.read_text("utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    directive = rf"^( *)\.\. (?:{WITHOUT_PROSE})::.*\n((?:\1 +.*\n|\s*\n)*)"
    text = re.sub(directive, "", text, flags=re.MULTILINE)
    return spaced(re.sub(r":math:`[^`]*`", "", text))


PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.rst")),
    *sorted((ROOT / "docs" / "guide").glob("*.rst")),
]
NOT_CHECKED = {"orthonorm.rst", "sg_execution_times.rst"}


@pytest.mark.parametrize(
    "path", [p for p in PAGES if p.name not in NOT_CHECKED], ids=lambda p: p.name
)
def test_every_number_in_the_prose_is_a_claim_or_no_measurement(path):
    text, page = prose(path), path.relative_to(ROOT).as_posix()
    for found in (found for found in CLAIMS if found.page == page):
        text = text.replace(found.made_words(), "")
    for words in re.split(r" \| |\n", NO_MEASUREMENTS.strip()):
        text = text.replace(words, "")
    left = [text[max(0, m.start() - 40) : m.end() + 20] for m in NUMBER.finditer(text)]
    assert not left


def test_prose_by_hand(tmp_path):
    path = tmp_path / "page.rst"
    path.write_text(
        "It takes 3 seconds.\n\n.. code-block:: python\n\n   x = 0.5\n\nAnd .25 of\n"
        "it :math:`0.1 x` two times.\n"
    )
    assert NUMBER.findall(prose(path)) == ["3 seconds", ".25", "two times"]


@pytest.mark.slow
def test_tanh_finds_spirals_and_relu_does_not(monkeypatch):
    """As docs/guide/method.rst says of the default where no space is learned."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "data", raising=False)
    from data import shape
    from sklearn.metrics import adjusted_rand_score

    from skspectralnet import SpectralNetClustering

    text = spaced((ROOT / METHOD).read_text("utf-8"))
    assert "find the spirals of :doc:`/benchmarks`" in text
    X, y = shape("spirals", 0)
    scores = {}
    for name in ("tanh", "relu"):
        model = SpectralNetClustering(2, neighbors_in="batch", activation=name)
        model.set_params(random_state=0).fit(X)
        scores[name] = adjusted_rand_score(y, model.labels_)
    assert scores["relu"] < 0.9 < 0.99 < scores["tanh"]
    monkeypatch.delitem(sys.modules, "data", raising=False)
