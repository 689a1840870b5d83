"""The tables of the documentation: each result is read once, each table is shown."""

import importlib
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the tables come with pictures")
ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
INCLUDE = re.compile(r"^\.\. include:: /_generated/(\w+)\.inc$", re.MULTILINE)
PICTURE = re.compile(r"^\.\. figure:: /_generated/(\w+\.svg)$", re.MULTILINE)


@pytest.fixture
def make_tables(monkeypatch):
    """The script of docs/ with the files of benchmarks/, all forgotten afterwards."""
    files = ["make_tables", *(path.stem for path in BENCHMARKS.glob("*.py"))]
    monkeypatch.syspath_prepend(ROOT / "docs")
    before = {name: sys.modules.pop(name, None) for name in files}
    yield importlib.import_module("make_tables")
    for name in files:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


def test_every_result_is_read_by_the_benchmark_of_its_name(make_tables):
    results = {path.stem for path in (BENCHMARKS / "results").glob("*.json")}
    assert len(make_tables.NAMES) == len(set(make_tables.NAMES))
    assert set(make_tables.NAMES) == results


def test_tables_are_made_and_shown(make_tables, tmp_path):
    parts = {name: make_tables.parts(name, tmp_path) for name in make_tables.NAMES}
    made = [part for of_name in parts.values() for part in of_name]
    assert len(made) == len(set(made))  # no two benchmarks write the same file
    pages = [path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.rst")]
    shown = {part for page in pages for part in INCLUDE.findall(page)}
    assert set(made) | {"changes"} == shown
    texts = [text for of_name in parts.values() for text in of_name.values()]
    assert all(text.endswith("\n") for text in texts)
    pictures = {path.name for path in tmp_path.glob("*.svg")}
    assert {name for text in texts for name in PICTURE.findall(text)} == pictures


def test_tables_are_the_same_each_time(make_tables, tmp_path):
    make_tables.make_all(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.inc")}
    make_tables.make_all(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    # Sphinx reads again what is newer than a page: an unchanged part stays.
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_list_table_by_hand(make_tables):
    text = make_tables.rst.list_table(["data", "ARI"], [["moons", "0.999"]])
    assert text == (
        ".. list-table::\n   :header-rows: 1\n   :class: measured\n\n"
        "   * - data\n     - ARI\n   * - moons\n     - 0.999\n"
    )


def test_numbers_by_hand(make_tables):
    rst = make_tables.rst
    one = {"mean": 0.5, "std": 0.0, "min": 0.5, "values": [0.5]}
    two = {"mean": 0.5, "std": 0.25, "min": 0.25, "values": [0.25, 0.75]}
    assert rst.with_deviation(one) == "0.500"
    assert rst.with_deviation(two) == "0.500 ± 0.250"
    assert rst.mean_and_worst(two) == "0.500 / 0.250"
    assert rst.number(None) == rst.NONE
    assert [rst.literal(x) for x in ("score(X)", "a name")] == [
        "``score(X)``",
        "a name",
    ]


def test_a_changelog_becomes_restructured_text(make_tables, tmp_path):
    path = tmp_path / "CHANGES.md"
    path.write_text("# Changes\n\n## [1.0]\n\n- `fit`, see [here](https://x.example)\n")
    assert make_tables.restructured(path) == (
        "1.0\n---\n\n\n- ``fit``, see `here <https://x.example>`__\n"
    )
