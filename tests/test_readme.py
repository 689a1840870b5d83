"""Every block of python in the README and the docs runs."""

import os
import re
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).resolve().parent.parent
FENCED = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
DIRECTIVE = re.compile(
    r"^\.\. code-block:: python\n(?:[ ]+:.*\n)*\n((?:[ ]+.*\n|\n)+)", re.MULTILINE
)


def _dedent(block):
    lines = block.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[indent:] for line in lines)


def blocks(path):
    """(first line, code) of each block of python in a page, in order."""
    text = path.read_text(encoding="utf-8")
    pattern = FENCED if path.suffix == ".md" else DIRECTIVE
    return [
        (text[: match.start(1)].count("\n") + 1, _dedent(match.group(1)))
        for match in pattern.finditer(text)
    ]


def pages():
    docs = [ROOT / "README.md"]
    for suffix in ("*.md", "*.rst"):
        docs += sorted((ROOT / "docs").rglob(suffix))
    built = [p for p in docs if {"_build", "generated"} & set(p.parts)]
    return [p for p in docs if p not in built and (p.name == "README.md" or blocks(p))]


# More than eight seconds each.
LONG = {"score.rst", "quickstart.rst", "learned_space.rst", "limits.rst"}
LONG |= {"how_sure.rst", "inspection.rst", "own_table.rst"}
# What is not there for every Python.
NEEDED = {"onnx.rst": ("onnxruntime", "skl2onnx")}


def test_readme_has_an_example():
    assert blocks(ROOT / "README.md")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=pytest.mark.slow if p.name in LONG else [])
        for p in pages()
    ],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_blocks_run(page, tmp_path, monkeypatch):
    for name in NEEDED.get(page.name, ()):
        pytest.importorskip(name)
    # The blocks of one page are one program, in the order of the page.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mpl, "rcParams", mpl.rcParams.copy())
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    names = {"__name__": "__readme__"}
    for line, code in blocks(page):
        # Blank lines keep the numbers of a traceback those of the page.
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)  # noqa: S102
