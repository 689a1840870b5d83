"""Every block of python in the README and the docs runs."""

import os
import re
import subprocess
from pathlib import Path

import matplotlib as mpl
import pytest

from skspectralnet import SpectralNetClustering

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


def test_what_a_block_prints_and_draws_is_kept(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    monkeypatch.setattr("outputs.KEPT", tmp_path)
    from outputs import outputs

    page = [
        "from matplotlib import pyplot as plt\nn = 3",
        "figure = plt.figure()\nprint(n)\nprint('rows')",
        "assert not plt.get_fignums()\nprint(__name__, end='\\n\\n')",
    ]
    folder, shown = outputs(page)
    assert [said["text"] for said in shown] == ["", "3\nrows", "__page__"]
    assert [len(said["figures"]) for said in shown] == [0, 1, 0]
    (picture,) = shown[1]["figures"]
    written = (folder / picture).stat().st_mtime_ns
    assert outputs(page) == (folder, shown)
    assert (folder / picture).stat().st_mtime_ns == written
    with pytest.raises(subprocess.CalledProcessError) as caught:
        outputs(["1 / 0"])
    assert "ZeroDivisionError" in caught.value.stderr


def test_the_table_of_parameters_has_each_of_them():
    page = (ROOT / "docs" / "guide" / "score.rst").read_text("utf-8")
    table = page.split(".. list-table::")[1].split("\n\nCompare")[0]
    named = re.findall(r"``(\w+)``", table)
    parameters = SpectralNetClustering().get_params(deep=False)
    assert set(parameters) <= set(named)


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
