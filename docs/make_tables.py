"""Tables and pictures of the documentation, from the files in benchmarks/results.

    python docs/make_tables.py

conf.py calls :func:`make_all` at each build. Each benchmark says itself what its file
becomes: `tables` gives the text of each part, by name, `draw` the picture.
"""

import importlib
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import matplotlib as mpl
import rst
from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent
BENCHMARKS = DOCS.parent / "benchmarks"
GENERATED = DOCS / "_generated"
NAMES = (
    *("alternating", "assignment", "converted", "dask_scale", "eigengap"),
    *("eigensolvers", "fidelity"),
    *("files", "footprint", "how_sure", "merge", "mnist", "mnist_peer", "more_shapes"),
    *("mutation", "neighbors", "neighbors_large", "orthonorm", "peers", "peers_data"),
    *("promises", "quality", "regret", "roofline"),
    *("scale", "score", "shapes", "siamese", "small", "speed", "supervised"),
)
# The second file of a script: the script, and its function for the tables.
SECOND = {"peers_data": ("peers", "data_tables")}
STYLE = {"svg.hashsalt": "skspectralnet", "font.size": 12, "axes.grid": True}


def make_all(folder=GENERATED):
    """Write every file of a folder; leave unchanged ones as they are."""
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        for part, text in parts(name, folder).items():
            _write(folder / f"{part}.inc", text)
    _write(folder / "changes.inc", restructured(DOCS.parent / "CHANGES.md"))


def parts(name, folder):
    """{part: text} of a benchmark; its picture goes into the folder."""
    record = json.loads((BENCHMARKS / "results" / f"{name}.json").read_text("utf-8"))
    script, tables = SECOND.get(name, (name, "tables"))
    benchmark = importlib.import_module(script)
    if hasattr(benchmark, "draw") and name == script:
        with mpl.rc_context(STYLE):
            figure = Figure()
            benchmark.draw(record, figure)
            path = folder / f"{name}.svg"
            figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    provenance = getattr(benchmark, "provenance", rst.provenance)
    found = getattr(benchmark, tables)(record)
    return found | {f"{name}_provenance": provenance(record)}


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


def _write(path, text):
    """Write a file if its text is new: an unchanged one makes no page stale."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    make_all()
