"""Every example of the gallery runs, draws, and leaves all else as it was."""

import ast
import json
import random
import runpy
import shutil
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))
# Less than five seconds on one core; all others are slow, new ones too.
QUICK = {"plot_moons", "plot_new_rows"}

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
each_example_once = pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem in QUICK else pytest.mark.slow)
        for path in EXAMPLES
    ],
    ids=lambda path: path.stem,
)


@pytest.fixture
def pyplot(monkeypatch):
    """pyplot with its defaults, drawing into memory; all as it was afterwards."""
    before, backend = plt.get_fignums(), mpl.get_backend()
    # Where there is a display, Agg warns that it has no window to show.
    monkeypatch.setattr(plt, "show", lambda: None)
    with mpl.rc_context():
        mpl.rcdefaults()
        plt.switch_backend("Agg")
        yield plt
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)
        plt.switch_backend(backend)


def state():
    return {
        "rcParams": mpl.rcParams.copy(),
        "backend": mpl.get_backend(),
        "numpy": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
        "python": random.getstate(),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "threads": torch.get_num_threads(),
        "sys.path": list(sys.path),
        "folder": Path.cwd(),
    }


@each_example_once
def test_example_runs_and_nothing_else_changes(path, tmp_path, monkeypatch, pyplot):
    monkeypatch.chdir(tmp_path)
    figures = pyplot.get_fignums()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = state()
        runpy.run_path(str(path), run_name="__main__")
        after = state()
        assert len(pyplot.get_fignums()) > len(figures)
        pyplot.gcf().canvas.draw()
    assert [name for name in before if before[name] != after[name]] == []
    assert not list(tmp_path.iterdir())


@each_example
def test_example_states_its_question_and_takes_public_names(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    over, title, under, blank, text, *_ = ast.get_docstring(tree).splitlines()
    assert set(over) == set(under) == {"="}
    assert len(title) <= len(over) == len(under)
    assert (blank, bool(text)) == ("", True)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if node.module.startswith("skspectralnet")]
    assert own
    for node in own:
        names = [*node.module.split("."), *(alias.name for alias in node.names)]
        assert not [name for name in names if name.startswith("_")]


def test_the_gallery_has_a_place_for_each_example():
    order = runpy.run_path(str(ROOT / "docs" / "gallery_order.py"))
    assert sorted(order["ORDER"]) == [path.name for path in EXAMPLES]
    assert [order["place"](name) for name in order["ORDER"][:2]] == [0, 1]
    with pytest.raises(ValueError, match=r"no place for plot_new\.py"):
        order["place"]("plot_new.py")


@each_example
def test_notebook_has_all_of_the_example(path, tmp_path):
    notebook = pytest.importorskip(
        "sphinx_gallery.notebook",
        reason="sphinx-gallery makes the notebooks; the extra docs brings it",
    )
    script = shutil.copy(path, tmp_path)
    notebook.python_to_jupyter_cli([script])
    written = json.loads((tmp_path / f"{path.stem}.ipynb").read_text(encoding="utf-8"))
    assert written["nbformat"] == 4
    cells = {"code": [], "markdown": []}
    for cell in written["cells"]:
        cells[cell["cell_type"]].append("".join(cell["source"]))
    # The same program without its docstring, cut where a statement ends.
    code = ast.parse("\n".join(cells["code"]))
    for cell in cells["code"]:
        ast.parse(cell)
    assert cells["markdown"][0].lstrip().startswith("# ")
    original = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.dump(code) == ast.dump(ast.Module(original.body[1:], []))
