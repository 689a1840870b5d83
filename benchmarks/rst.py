"""Parts of the pages that are made from a result: tables, figures, numbers.

A benchmark has a function `tables` from the record of its file in results/ to the text
of each part, by name, and, where one of them shows a picture, a function `draw` that
draws it; docs/make_tables.py writes what they give.
"""

import re

from report import sources

NONE = "–"  # noqa: RUF001


def list_table(header, rows):
    """Return a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: measured", ""]
    for row in [header, *rows]:
        cells = [f"     - {cell}" for cell in row]
        cells[0] = f"   * - {row[0]}"
        lines += cells
    return "\n".join(lines) + "\n"


def figure(name, alt, caption, *, width="100%", target=None):
    """Return the directive that shows the picture of a benchmark."""
    lines = [f".. figure:: /_generated/{name}.svg", f"   :alt: {alt}"]
    lines.append(f"   :width: {width}")
    if target is not None:
        lines.append(f"   :target: {target}")
    return "\n".join([*lines, "", f"   {caption}"]) + "\n"


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


def number(value, digits=3):
    """A number, or a dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def with_deviation(spread):
    """Mean ± standard deviation, the latter where there are several values."""
    if len(spread["values"]) == 1:
        return number(spread["mean"])
    return f"{number(spread['mean'])} ± {number(spread['std'])}"


def mean_and_worst(spread):
    """Mean / least."""
    return f"{number(spread['mean'])} / {number(spread['min'])}"


def literal(text):
    """Names that are code as literals, others as they are."""
    return f"``{text}``" if re.fullmatch(r"\w+\(.*\)", text) else text
