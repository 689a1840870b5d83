"""The page of promises: every test that it names exists, slow ones said to be slow."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "guide" / "rely_on.rst"
NAMED = re.compile(r"(slow\s+)?``(tests/test_\w+\.py)::(test_\w+)``")


def is_slow(function):
    marks = [ast.unparse(mark) for mark in function.decorator_list]
    return "pytest.mark.slow" in marks


def test_the_tests_of_all_promises_are_there():
    named = NAMED.findall(PAGE.read_text("utf-8"))
    assert len(named) > 20
    assert len({name for _, _, name in named}) == len(named)
    for said_slow, file, name in named:
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        (found,) = (node for node in tree.body if getattr(node, "name", "") == name)
        assert is_slow(found) == bool(said_slow), name


def test_every_promise_has_a_test():
    rows = PAGE.read_text("utf-8").split("   * - ")[1:]
    promises = [row for row in rows if not row.startswith("promise\n")]
    assert len(promises) > 10
    for row in promises:
        assert NAMED.search(row), row
