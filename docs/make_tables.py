"""Tables and pictures of the documentation, from the files in benchmarks/results.

    python docs/make_tables.py

conf.py calls :func:`make_all` at each build. A result that does not exist yet becomes
one line that names the command which makes it.
"""

import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import eigengap
import eigensolvers
import fidelity
import mnist
import neighbors
import scale
import siamese
import supervised
from data import DEVELOPMENT, HELD_OUT
from matplotlib import pyplot as plt
from quality_summary import count, sources, summarise, verdict

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
GENERATED = DOCS / "_generated"

_MODES = {"joint": "tab:blue", "alternating": "tab:orange"}
_STYLES = ("-", "--", ":")  # of the learning rates, from the largest


def make_all():
    """Write every file of docs/_generated; leave unchanged ones as they are."""
    GENERATED.mkdir(exist_ok=True)
    for name, tables in {
        "quality": {
            "quality_development": lambda record: quality_table(record, DEVELOPMENT),
            "quality_held_out": lambda record: quality_table(record, HELD_OUT),
            "quality_figure": quality_figure,
        },
        "mnist_peer": {"mnist_peer": mnist_peer_text},
        "shapes": {"shapes": shapes_table, "peer": peer_table},
        "mnist": {"mnist": mnist_table},
        "neighbors": {"neighbors": neighbors_table},
        "supervised": {"supervised": supervised_table},
        "siamese": {"siamese": siamese_table},
        "fidelity": {"fidelity": fidelity_table},
        "eigengap": {"eigengap": eigengap_table},
        "eigensolvers": {"eigensolvers": eigensolvers_table},
        "footprint": {"footprint": footprint_text},
        "neighbors_large": {"neighbors_large": neighbors_large_table},
        "peers": {"peers": peers_table, "peers_figure": peers_figure},
        "roofline": {"roofline": roofline_table},
        "scale": {
            "scale": scale_table,
            "scale_curve": scale_curve,
            "scale_figure": scale_figure,
        },
        "orthonorm": {"orthonorm": orthonorm_table, "orthonorm_figure": figure_text},
        "assignment": {"assignment": assignment_table},
        "score": {"score": score_table},
    }.items():
        path = RESULTS / f"{name}.json"
        record = json.loads(path.read_text()) if path.exists() else None
        for target, table in tables.items():
            text = missing(name) if record is None else table(record)
            _write(f"{target}.inc", text)
        of_file = quality_provenance if name == "quality" else provenance
        text = "" if record is None else of_file(record)
        _write(f"{name}_provenance.inc", text)
    _write("changes.inc", restructured(DOCS.parent / "CHANGES.md"))


# --- one table each


def quality_table(record, names):
    """Scores and seconds of each method on the data sets of a list, and who wins."""
    found = {n: m for n, m in summarise(record["runs"]).items() if n in names}
    header = ["data", "method", "seeds", "NMI", "NMI, worst", "ACC", "ARI", "CPU"]
    rows = [
        [
            name,
            method,
            len(row["nmi"]["values"]),
            _with_deviation(row["nmi"]),
            _number(row["nmi"]["min"]),
            _with_deviation(row["acc"]),
            _with_deviation(row["ari"]),
            _number(row["cpu"]["median"], 1),
        ]
        for name, methods in found.items()
        for method, row in methods.items()
    ]
    text = table(header, rows) + "\n"
    verdicts = [verdict(methods, "skspectralnet") for methods in found.values()]
    return text + f"The default against the best peer by mean NMI: {count(verdicts)}.\n"


def quality_figure(record):
    """Draw NMI by data set and method and return the directive that shows it."""
    _draw_quality(summarise(record["runs"]))
    return (
        ".. figure:: /_generated/quality.svg\n"
        "   :alt: NMI of each method on each data set\n"
        "   :width: 100%\n"
        "   :target: _images/quality.svg\n\n"
        "   NMI, mean over the seeds; a line reaches from the worst to the best seed.\n"
    )


def quality_provenance(record):
    """Return the processor, versions and state of the seconds of quality.json."""
    runs = record["runs"]
    versions = {
        f"{package} {number}"
        for packages in record["versions"].values()
        for package, number in packages.items()
    }
    text = (
        "Made by ``python benchmarks/quality.py --peer-python PYTHON`` and the same "
        f"with ``--held-out`` on {record['processor']} "
        f"({', '.join(sorted({str(run['threads']) for run in runs}))} threads) with "
        f"{', '.join(sorted(versions))}.\n"
    )
    if len(sources(runs)) > 1:
        text += "The runs of this package are of several of its versions.\n"
    if any(run.get("busy") for run in runs):
        text += "Some seconds were taken on a busy machine: they are upper bounds.\n"
    return text


def mnist_peer_text(record):
    """One sentence: CPU seconds of the two packages and their ratio."""
    ours, theirs = record["skspectralnet"], record["spectralnet 1.1.0"]
    return (
        f"{record['rows']:,} rows on {record['processor']}, one thread: "
        f"{ours['cpu']:.0f} CPU seconds against {theirs['cpu']:,.0f}, "
        f"a ratio of {record['cpu_ratio']:.3f}.\n"
    )


def shapes_table(record):
    """ARI and seconds on the generated shapes."""
    header = [
        "data",
        "seeds",
        "ARI, worst",
        "ARI, mean",
        "seconds, wall",
        "seconds, CPU",
    ]
    rows = [
        [
            name,
            len(result["ari"]["values"]),
            _number(result["ari"]["min"]),
            _number(result["ari"]["mean"]),
            _number(result["wall"]["median"], 2),
            _number(result["cpu"]["median"], 2),
        ]
        for name, result in record["results"].items()
        if "ari" in result
    ]
    return table(header, rows) + "\nSeconds are medians over the seeds.\n"


def peer_table(record):
    """The same moons by this package and by the paper's authors' package, in turn."""
    found = {
        name: result
        for name, result in record["results"].items()
        if "cpu_ratio" in result
    }
    if not found:
        return (
            "*The comparison with another package was not part of the last run of the "
            "benchmark.*\n"
        )
    text = ""
    for result in found.values():
        header = ["package", "seeds", "ARI, worst", "ARI, mean", "wall", "CPU"]
        rows = [
            [
                package,
                len(summary["ari"]["values"]),
                _number(summary["ari"]["min"]),
                _number(summary["ari"]["mean"]),
                _number(summary["wall"]["median"], 2),
                _number(summary["cpu"]["median"], 2),
            ]
            for package, summary in result.items()
            if package != "cpu_ratio"
        ]
        ratio = result["cpu_ratio"]
        text += table(header, rows) + (
            "\nMedian seconds of fit and predict. CPU seconds of the first over those "
            f"of the second, seed by seed: median {_number(ratio['median'])}, from "
            f"{_number(ratio['min'])} to {_number(ratio['max'])}.\n"
        )
    return text


def mnist_table(record):
    """Accuracy, NMI, ARI and seconds of each setting on MNIST."""
    header = ["setting", "fits", "ACC", "worst", "NMI", "worst", "ARI", "wall", "CPU"]
    rows = [
        [
            name,
            len(row["nmi"]["values"]),
            _with_deviation(row["acc"]),
            _number(row["acc"]["min"]),
            _with_deviation(row["nmi"]),
            _number(row["nmi"]["min"]),
            _number(row["ari"]["mean"]),
            _number(row["wall"]["median"], 1),
            _number(row["cpu"]["median"], 1),
        ]
        for name, row in mnist.summarise(record["runs"]).items()
    ]
    return table(header, rows) + (
        "\nMeans over the fits, with their standard deviation after ±; seconds are "
        "medians.\n"
    )


def neighbors_table(record):
    """Recall and seconds of each search by the number of rows."""
    columns = {run["rows"]: run["columns"] for run in record["runs"]}
    header = ["rows", "columns", "search", "recall", "recall, worst", "wall", "CPU"]
    rows = [
        [
            f"{n_rows:,}",
            columns[n_rows],
            f"``{algorithm}``",
            _number(row["recall"]["mean"]),
            _number(row["recall"]["min"]),
            _number(row["wall"]["median"], 1),
            _number(row["cpu"]["median"], 1),
        ]
        for (n_rows, algorithm), row in neighbors.summarise(record["runs"]).items()
    ]
    return table(header, rows) + (
        "\nTen neighbours: of random rows of MNIST in 100 principal components up to "
        "70,000 rows, of generated curved clusters beyond. Seconds are medians and "
        "include the measurement of the recall.\n"
    )


def supervised_table(record):
    """Scores with and without a few labels, and the difference seed by seed."""
    header = [
        "data",
        "scored",
        "score",
        "seeds",
        "without",
        "with labels",
        "difference, mean",
        "worst",
    ]
    rows = [
        [
            name,
            rows_scored,
            score.upper(),
            len(values["with"]["values"]),
            _with_deviation(values["without"]),
            _with_deviation(values["with"]),
            f"{values['difference']['mean']:+.3f}",
            f"{values['difference']['min']:+.3f}",
        ]
        for name, found in supervised.summarise(record["runs"]).items()
        for part, rows_scored in supervised.PARTS.items()
        for score in supervised.SCORES
        for values in [found[part + score]]
    ]
    return table(header, rows) + (
        "\nWith the labels of 2 % of the rows, drawn at random by the seed, and "
        "without any; the difference is taken seed by seed.\n"
    )


def fidelity_table(record):
    """Distances, cosines, eigenvalues and seconds of each method on each data set."""
    header = ["data", "method", "seeds", "vectors", "distance", "worst"]
    header += ["cosine, least", "eigenvalues, error", "wall"]
    rows = []
    for (name, method), row in fidelity.summarise(record["runs"]).items():
        wall = _number(row["wall"]["median"], 1)
        cells = [
            _number(row[key][which], 4) if key in row else "–"  # noqa: RUF001
            for key, which in [
                ("distance", "mean"),
                ("distance", "max"),
                ("cosine", "min"),
                ("eigenvalues", "max"),
            ]
        ]
        vectors = ", ".join(map(str, row["n_vectors"])) or "–"  # noqa: RUF001
        seeds = len(row["wall"]["values"])
        wall = f"over {wall}" if row["stopped"] else wall
        rows.append([name, method, seeds, vectors, *cells, wall])
    return table(header, rows) + (
        "\nThe squared Grassmann distance of the eigenvectors, the trivial one "
        "included; the least cosine of those apart from their neighbours by 5 % of the "
        "last eigenvalue; the largest error of an eigenvalue as a share of the last. "
        "``unseen``: fitted on 6/7 of the rows, the distance over the others. "
        "``peer`` is grease-embeddings 0.1.5, ``spectralnet`` version 1.1.0.\n"
    )


def eigengap_table(record):
    """The numbers of clusters found: generated rows together, real ones one by one."""
    runs = record["runs"]
    share = eigengap.share_right(runs)
    rows = [
        [name, row["classes"], ", ".join(map(str, row["found"])), _mean(row["nmi"])]
        for name, row in eigengap.summarise(runs).items()
        if name not in eigengap.BLOBS
    ]
    wrong = [
        f"{run['found']} of {run['classes']}"
        for run in runs
        if run["data"] in eigengap.BLOBS and run["found"] != run["classes"]
    ]
    n_blobs = sum(run["data"] in eigengap.BLOBS for run in runs)
    others = f" (the others {', '.join(wrong)})" if wrong else ""
    return table(["data", "classes", "found, by seed", "NMI"], rows) + (
        f"\nOf {n_blobs} fits of 2 to 20 blobs {n_blobs - len(wrong)} found the number"
        f"{others}; of all fits of generated rows, moons among them, {share:.0%}.\n"
    )


def eigensolvers_table(record):
    """Seconds and residuals of each solver on each graph."""
    rows = [
        [
            *(run["data"], run["solver"], f"{run['wall']:.1f}"),
            *(run["residual"], f"{run['missed']:.0e}"),
        ]
        for run in eigensolvers.compared(record["runs"])
    ]
    return table(["graph", "solver", "wall, s", "residual", "missed"], rows)


def roofline_table(record):
    """Seconds of each stage beside those that its arithmetic and memory need."""
    results = record["results"]
    rows = [
        [
            *(stage, _number(row["wall"], 2), _number(row["roofline"], 2)),
            *(_number(row["ratio"], 2), f"{row['share']:.0%}"),
        ]
        for stage, row in results["stages"].items()
    ]
    rates = ", ".join(f"{rate:.0f} {name}" for name, rate in results["gflops"].items())
    speeds = list(results["gb_per_second"].values())
    return table(["stage", "wall, s", "roofline, s", "ratio", "share"], rows) + (
        f"\nMeasured in the same run: {rates} GFLOP/s, {speeds[-1]:.0f} GB/s of large "
        f"copies and {speeds[0]:.0f} of those in a cache.\n"
    )


def footprint_text(record):
    """Import, memory of many fits and a small fit, in a few sentences."""
    found = record["results"]
    ratio, growth = found["import"]["ratio"], found["memory"]["growth"]
    return (
        f"Importing the package takes {ratio:.2f} times the seconds of importing torch "
        "and scikit-learn's clusterers. 200 fits with ``predict`` leave "
        f"{growth:.1f} MiB behind. A default fit of 1,000 rows of 20 columns takes "
        f"{found['fit']['median']:.2f} seconds in the median.\n"
    )


def neighbors_large_table(record):
    """Recall, seconds and memory by the number of rows."""
    rows = [
        [
            *(f"{run['rows']:,}", _number(run["recall"]), _number(run["wall"], 0)),
            _number(run["anonymous_mib"], 0),
        ]
        for run in record["runs"]
    ]
    return table(["rows", "recall", "wall, s", "MiB"], rows)


def scale_table(record):
    """Seconds, memory and predictions of the default by the number of rows."""
    kinds = ("array", "file", "CSR")
    header = ["rows", "ARI", "wall", "CPU", "MiB", *(f"{k}, rows/s" for k in kinds)]
    rows = [
        [
            f"{run['rows']:,}",
            _number(run["ari"]),
            _number(run["wall"], 1),
            _number(run["cpu"], 1),
            _number(run["anonymous_mib"], 0),
            *(f"{run['rows_per_second'][kind]:,}" for kind in kinds),
        ]
        for run in record["runs"]
        if run["subsample"] == scale.DEFAULT
    ]
    power = scale.exponent(record["runs"])
    text = (
        "\nOne fit each, with the labels of all rows; MiB are anonymous memory above "
        "that before the fit, the file of rows not counted.\n"
    )
    if power is not None:
        text += (
            f"From 100,000 rows on the seconds grow as the rows to the {power:.2f}.\n"
        )
    return table(header, rows) + text


def peers_table(record):
    """Seconds and ARI of each method by the number of rows."""
    sizes = sorted({run["rows"] for run in record["runs"]})
    methods = list(dict.fromkeys(run["method"] for run in record["runs"]))
    cells = {(run["method"], run["rows"]): _peer_cell(run) for run in record["runs"]}
    rows = [[m, *(cells.get((m, n), "–") for n in sizes)] for m in methods]  # noqa: RUF001
    return table(["method", *(f"{n:,} rows" for n in sizes)], rows) + (
        "\nWall seconds, and the ARI reached. A method that was stopped or failed is "
        "not tried on more rows.\n"
    )


def _peer_cell(run):
    if "ended" in run:
        return _inline(run["ended"])
    return f"{_number(run['wall'], 1)} s, {_number(run['ari'], 2)}"


def scale_curve(record):
    """ARI and seconds by the number of rows learned from."""
    rows = [
        [f"{run['subsample']:,}", _number(run["ari"]), _number(run["wall"], 1)]
        for run in record["runs"]
        if run["rows"] == scale.CURVE_ROWS
    ]
    return table(["rows learned from", "ARI", "wall"], rows)


def scale_figure(record):
    """Draw the seconds of each stage and of labels by the rows; the directive."""
    _draw_scale([run for run in record["runs"] if run["subsample"] == scale.DEFAULT])
    return (
        ".. figure:: /_generated/scale.svg\n"
        "   :alt: Seconds of a fit, of its stages and of predictions against the rows\n"
        "   :width: 100%\n\n"
        "   Seconds of a default fit and of its stages, and of the labels of as many "
        "new rows at the rates of the table; all axes are logarithmic.\n"
    )


def peers_figure(record):
    """Draw the seconds of each method by the rows; return the directive."""
    settings = {"svg.hashsalt": "skspectralnet", "font.size": 12, "axes.grid": True}
    with plt.rc_context(settings):
        figure, axis = plt.subplots(figsize=(7, 4.2))
        for method in dict.fromkeys(run["method"] for run in record["runs"]):
            runs = [
                run
                for run in record["runs"]
                if run["method"] == method and "wall" in run
            ]
            sizes, seconds = ([run[key] for run in runs] for key in ("rows", "wall"))
            axis.loglog(sizes, seconds, "-o", label=method)
        axis.set(xlabel="rows", ylabel="seconds")
        axis.legend(fontsize=9)
        _save(figure, "peers.svg")
    return (
        ".. figure:: /_generated/peers.svg\n"
        "   :alt: Seconds of each method against the number of rows\n"
        "   :width: 70%\n\n"
        "   Seconds of each method; both axes are logarithmic.\n"
    )


def siamese_table(record):
    """Mean and worst NMI of each variant on each data set."""
    header = ["variant", *siamese.DATA, "all", "CPU"]
    rows = []
    for variant, of_data in siamese.summarise(record["runs"]).items():
        cells = [
            _mean_and_worst(of_data[name]["nmi"]) if name in of_data else "–"  # noqa: RUF001
            for name in siamese.DATA
        ]
        all_data = siamese.overall(of_data)
        complete = all_data.count == len(siamese.DATA)
        mean = _number(all_data.mean) + ("" if complete else f" (of {all_data.count})")
        name = f"``{variant}``" if "=" in variant else variant
        rows.append([name, *cells, mean, _number(all_data.cpu, 0)])
    return table(header, rows)


def assignment_table(record):
    """Each way to labels on the same embeddings."""
    header = ["data", "``assign_labels``", "ACC", "NMI", "ARI", "ARI, worst", "CPU"]
    rows = [
        [
            result["data"],
            f"``{result['assign_labels']}``",
            *(_with_deviation(result[key]) for key in ("acc", "nmi", "ari")),
            _number(result["ari"]["min"]),
            f"{100 * result['cpu']['median'] / result['fit']['median']:.0f} %",
        ]
        for result in record["results"]
    ]
    counts = sorted({len(r["ari"]["values"]) for r in record["results"]})
    return table(header, rows) + (
        f"\nMeans over {' or '.join(map(str, counts))} fits, with their standard "
        "deviation after ±; CPU is the median seconds of the assignment as a share of "
        "those of a whole fit with k-means.\n"
    )


def orthonorm_table(record):
    """The two modes beside each other: held-out loss and ARI."""
    header = [
        "data",
        "learning rate",
        "joint: loss, best / last",
        "alternating: loss, best / last",
        "joint: ARI, mean / worst",
        "alternating: ARI, mean / worst",
    ]
    pairs = _orthonorm_pairs(record)
    rows = [
        [name, f"{rate:g}", *map(_losses, pair.values()), *map(_aris, pair.values())]
        for (name, rate), pair in pairs.items()
    ]
    return table(header, rows) + "\n" + orthonorm_summary(pairs)


def orthonorm_summary(pairs):
    """What the table says, counted."""
    ahead, lower, rose = 0, 0, dict.fromkeys(_MODES, 0)
    for pair in pairs.values():
        joint, alternating = (pair[mode] for mode in _MODES)
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


def figure_text(record):
    """Draw the loss curves and return the directive that shows them."""
    _draw_orthonorm(record)
    return (
        ".. figure:: /_generated/orthonorm.svg\n"
        "   :alt: Held-out loss against the epoch, joint and alternating\n"
        "   :width: 100%\n"
        "   :target: ../_images/orthonorm.svg\n\n"
        "   Held-out loss after each epoch, the mean of the seeds; the loss is the "
        "mean Ritz value of the outputs, lower is better.\n"
    )


def score_table(record):
    """Rank correlation of each label-free candidate with ARI."""
    results = record["results"]
    header = ["candidate", *(r["data"] for r in results), "least"]
    names = {name: None for result in results for name in result["spearman"]}
    rows = []
    for name in names:
        values = [result["spearman"].get(name) for result in results]
        known = [value for value in values if value is not None]
        rows.append((min(known), [_inline(name), *map(_number, values)]))
    rows.sort(key=lambda row: -row[0])
    # score(X) is one of the candidates: it stands first.
    rows.sort(key=lambda row: row[1][0] != "``score(X)``")
    counts = sorted({result["n_settings"] for result in results})
    return table(header, [[*row, _number(least)] for least, row in rows]) + (
        "\nSpearman rank correlation with ARI over "
        f"{' or '.join(map(str, counts))} settings on each data set.\n"
    )


# --- parts of several tables


def table(header, rows):
    """Return a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: measured", ""]
    for row in [header, *rows]:
        cells = [f"     - {cell}" for cell in row]
        cells[0] = f"   * - {row[0]}"
        lines += cells
    return "\n".join(lines) + "\n"


def provenance(record):
    """Return the command, the processor and the versions of a result."""
    if "versions" not in record:
        return f"Made by ``{record['command']}``.\n"
    versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
    text = (
        f"Made by ``{record['command']}`` on {record['processor']} "
        f"({record['threads']} threads) with {versions}.\n"
    )
    if len(sources(record.get("runs", []))) > 1:
        text += "The runs are of several versions of this package.\n"
    return text


def missing(name):
    """Return what stands in place of a table that was not measured yet."""
    return (
        f"*Not measured yet:* ``python benchmarks/{name}.py`` *writes "
        f"benchmarks/results/{name}.json, from which this is made.*\n"
    )


def restructured(path):
    """Return a Keep-a-Changelog file as reStructuredText, without its title."""
    if not path.exists():
        return "*No changes are recorded yet.*\n"
    lines = []
    for line in path.read_text().splitlines():
        heading = re.match(r"(#+) +(.*)", line)
        if heading is None:
            line = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", line)
            # A single backquote is code, except in the links just made.
            lines.append(re.sub(r"(?<!`)`([^`<>]+)`(?![`_])", r"``\1``", line))
        elif len(heading[1]) > 1:
            title = heading[2].replace("[", "").replace("]", "")
            lines += ["", title, "-~^"[len(heading[1]) - 2] * len(title), ""]
    return "\n".join(lines).strip() + "\n"


def _orthonorm_pairs(record):
    """{(data, rate): {"joint": result, "alternating": result}}, in the file's order."""
    pairs = {}
    for result in record["results"]:
        key = result["data"], result["learning_rate"]
        pairs.setdefault(key, {})[result["orthonorm"]] = result
    return {key: {mode: pair[mode] for mode in _MODES} for key, pair in pairs.items()}


def _draw_quality(found):
    """Write quality.svg: a row for each data set, a dot for each method."""
    methods = list(dict.fromkeys(m for row in found.values() for m in row))
    settings = {"svg.hashsalt": "skspectralnet", "font.size": 12}
    with plt.rc_context(settings):
        figure, axis = plt.subplots(figsize=(6.5, 1 + 0.4 * len(found)))
        for j, method in enumerate(methods):
            rows = [i for i, row in enumerate(found.values()) if method in row]
            nmi = [row[method]["nmi"] for row in found.values() if method in row]
            # Beside each other: equal values would hide each other.
            heights = [i + 0.15 * (j - (len(methods) - 1) / 2) for i in rows]
            ends = [s["min"] for s in nmi], [s["max"] for s in nmi]
            lines = axis.hlines(heights, *ends, color=f"C{j}", alpha=0.5)
            lines.set_zorder(1)
            axis.scatter([s["mean"] for s in nmi], heights, color=f"C{j}", label=method)
        axis.set(yticks=range(len(found)), yticklabels=list(found), xlabel="NMI")
        axis.invert_yaxis()
        axis.grid(alpha=0.3)
        axis.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.12))
        _save(figure, "quality.svg")


def _draw_scale(runs):
    """Write scale.svg: fits, their stages that take time, and new rows by kind."""
    sizes = [run["rows"] for run in runs]
    settings = {"svg.hashsalt": "skspectralnet", "font.size": 12, "axes.grid": True}
    with plt.rc_context(settings):
        figure, (axis, labels) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
        axis.loglog(sizes, [run["wall"] for run in runs], "k-o", label="fit")
        for stage in scale.STAGES.values():
            seconds = [run["seconds"].get(stage, 0.0) for run in runs]
            if max(seconds) >= 0.1:
                axis.loglog(sizes, [max(s, 0.01) for s in seconds], "-o", label=stage)
        for kind in runs[0]["rows_per_second"] if runs else ():
            seconds = [run["rows"] / run["rows_per_second"][kind] for run in runs]
            labels.loglog(sizes, seconds, "-o", label=kind)
        axis.set(xlabel="rows", ylabel="seconds", title="fit")
        labels.set(xlabel="rows", title="predict")
        axis.legend(fontsize=9)
        labels.legend(fontsize=9)
        figure.tight_layout()
        _save(figure, "scale.svg")


def _draw_orthonorm(record):
    """Write orthonorm.svg: a panel for each data set, a line for each mode and rate."""
    results = record["results"]
    names = list(dict.fromkeys(result["data"] for result in results))
    rates = sorted({result["learning_rate"] for result in results}, reverse=True)
    settings = {"svg.hashsalt": "skspectralnet", "font.size": 12, "axes.grid": True}
    with plt.rc_context(settings):
        figure, axes = plt.subplots(1, len(names), figsize=(4 * len(names), 4.2))
        for axis, name in zip(axes, names, strict=True):
            for result in results:
                if result["data"] == name:
                    curve = result["curve"]
                    style = _STYLES[rates.index(result["learning_rate"])]
                    axis.plot(
                        range(1, len(curve) + 1),
                        curve,
                        color=_MODES[result["orthonorm"]],
                        linestyle=style,
                        label=f"{result['orthonorm']}, {result['learning_rate']:g}",
                    )
            axis.set(title=name, xlabel="epoch", yscale="log")
            axis.grid(alpha=0.3)
        axes[0].set_ylabel("held-out loss")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.0)
        )
        figure.tight_layout()
        _save(figure, "orthonorm.svg")


def _save(figure, name):
    figure.savefig(GENERATED / name, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def _losses(result):
    best, last = result["best_loss"]["mean"], result["last_loss"]["mean"]
    return f"{best:.4f} / {last:.4f}"


def _aris(result):
    return _mean_and_worst(result["ari"])


def _mean(values):
    return _number(sum(values) / len(values))


def _mean_and_worst(spread):
    return f"{_number(spread['mean'])} / {_number(spread['min'])}"


def _with_deviation(spread):
    if len(spread["values"]) == 1:
        return _number(spread["mean"])
    return f"{_number(spread['mean'])} ± {_number(spread['std'])}"


def _number(value, digits=3):
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001


def _inline(text):
    """Names that are code as literals, others as they are."""
    return f"``{text}``" if re.fullmatch(r"\w+\(.*\)", text) else text


def _write(name, text):
    """Write a file if its text is new: an unchanged one makes no page stale."""
    path = GENERATED / name
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


if __name__ == "__main__":
    make_all()
