"""What the files around the package say about it agrees; nothing here is built."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import skspectralnet

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
RECIPE = ROOT / "conda" / "recipe.yaml"
PRE_COMMIT = ROOT / ".pre-commit-config.yaml"
SITE = ROOT / ".readthedocs.yaml"


def parsed(path):
    return yaml.safe_load(path.read_text("utf-8"))


def lower_bounds(requirements):
    """{name: lowest version} of requirements with no other bound."""
    bounds = {}
    for requirement in map(Requirement, requirements):
        (bound,) = requirement.specifier
        assert bound.operator == ">="
        bounds[canonicalize_name(requirement.name)] = bound.version
    return bounds


def pins(name):
    """{name: version} of a file of constraints."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and line[0] != "#"]
    return {canonicalize_name(name): pinned for name, pinned in pairs}


def matrix_of_tests():
    (path,) = (path for path in WORKFLOWS if path.name == "tests.yml")
    return parsed(path)["jobs"]["tests"]["strategy"]["matrix"]


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, *FORMS, RECIPE, PRE_COMMIT, SITE], ids=lambda path: path.name
)
def test_yaml_is_a_mapping(path):
    assert isinstance(parsed(path), dict)


def test_version_is_that_of_a_tag_and_stands_in_no_file():
    assert PROJECT["dynamic"] == ["version"]
    for path in (ROOT / "skspectralnet").glob("*.py"):
        assert not re.search(r"version__ *= *[\"']", path.read_text("utf-8")), path.name
    # What setuptools writes where nothing tells it the version.
    assert Version(skspectralnet.__version__).release != (0, 0, 0)


def test_pythons_of_workflows_metadata_and_linter_agree():
    start = "Programming Language :: Python :: 3."
    named = [x for x in PROJECT["classifiers"] if x.startswith(start)]
    classified = [int(x.removeprefix(start)) for x in named]
    # All of them from the oldest to the newest that is tested.
    runs = {run["versions"]: run["python"] for run in matrix_of_tests()["include"]}
    oldest, newest = (int(runs[x].split(".")[1]) for x in ("oldest", "newest"))
    assert classified == list(range(oldest, newest + 1))
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert min(minor for minor in range(99) if f"3.{minor}" in allowed) == oldest
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py3{oldest}"
    assert parsed(RECIPE)["context"]["python_min"] == runs["oldest"]
    named = {f'"{python}"' for python in runs.values()} | {"${{ matrix.python }}"}
    for path in WORKFLOWS:
        asked = set(re.findall(r"python-version: (.+)", path.read_text("utf-8")))
        assert asked, path.name
        assert asked <= named, path.name


def test_oldest_versions_are_the_lower_bounds():
    (oldest,) = (x for x in matrix_of_tests()["include"] if x["versions"] == "oldest")
    extras = PROJECT["optional-dependencies"]
    allowed = PROJECT["dependencies"]
    for extra in ("ann", "dask", "files", "onnx", "plot"):
        allowed = allowed + extras[extra]
    assert pins(oldest["constraint"]) == lower_bounds(allowed)


def test_site_is_built_as_the_workflow_builds_it():
    site, steps = parsed(SITE), parsed(ROOT / ".github" / "workflows" / "docs.yml")
    steps = steps["jobs"]["docs"]["steps"]
    (python,) = (x["with"] for x in steps if "python-version" in x.get("with", ()))
    assert site["build"]["tools"]["python"] == python["python-version"]
    jobs = site["build"]["jobs"]
    commands = [x["run"] for x in steps if "run" in x]
    assert [*jobs["install"], jobs["build"]["html"][0]] == commands


def test_all_systems_run_both_ends():
    matrix = matrix_of_tests()
    systems = {name.split("-")[0] for name in matrix["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    assert set(matrix["versions"]) == {x["versions"] for x in matrix["include"]}


def test_pinned_versions_are_allowed():
    pinned = pins("constraints.txt")
    asked = PYPROJECT["build-system"]["requires"] + PROJECT["dependencies"]
    for extra in PROJECT["optional-dependencies"].values():
        asked = asked + extra
    for requirement in map(Requirement, asked):
        found = pinned[canonicalize_name(requirement.name)]
        assert found in requirement.specifier, requirement


def test_recipe_needs_what_the_package_needs():
    recipe = parsed(RECIPE)
    python = "python >=${{ python_min }}"
    needed = dict(x.split(" >=") for x in recipe["requirements"]["run"] if x != python)
    expected = lower_bounds(PROJECT["dependencies"])
    expected["pytorch"] = expected.pop("torch")
    assert needed == expected
    assert recipe["about"]["summary"] == PROJECT["description"]


def test_hooks_are_the_pinned_linters():
    pinned = pins("constraints.txt")
    revisions = {Path(x["repo"]).name: x["rev"] for x in parsed(PRE_COMMIT)["repos"]}
    assert revisions["ruff-pre-commit"] == f"v{pinned['ruff']}"
    assert revisions["codespell"] == f"v{pinned['codespell']}"


def test_workflows_may_read_and_only_publishing_gets_a_token():
    for path in WORKFLOWS:
        workflow = parsed(path)
        assert workflow["permissions"] == {}, path.name
        assert workflow["jobs"], path.name
        for name, job in workflow["jobs"].items():
            publishes = (path.name, name) == ("release.yml", "publish")
            right = {"id-token": "write"} if publishes else {"contents": "read"}
            assert job["permissions"] == right, (path.name, name)


def test_actions_are_pinned_to_one_commit():
    commits = {}
    for path in WORKFLOWS:
        for used in re.findall(r"uses: (.+)", path.read_text("utf-8")):
            if used.startswith("./"):
                assert (ROOT / used).exists()
                continue
            match = re.fullmatch(r"(\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", used)
            assert match, f"{path.name}: {used}"
            commits.setdefault(match[1], set()).add(match.groups()[1:])
    assert commits
    assert all(len(found) == 1 for found in commits.values()), commits


def test_the_command_of_the_bug_form_prints_versions():
    (form,) = (path for path in FORMS if path.name == "bug_report.yml")
    fields = {field.get("id"): field["attributes"] for field in parsed(form)["body"]}
    (command,) = re.findall("`(.+)`", fields["versions"]["description"])
    python, *rest = shlex.split(command)
    assert python == "python"
    said = subprocess.check_output([sys.executable, *rest], text=True, cwd=ROOT)  # noqa: S603
    for name in ("sklearn: ", "numpy: ", "scipy: "):
        assert name in said
    assert re.search(r"skspectralnet: \d\S+ torch: \d", said)


PAPER = re.compile(r"https://(?:doi\.org|arxiv\.org/abs)/(\d[\w./-]*\w)")


def test_papers_of_docstrings_and_citation_are_in_the_bibliography():
    bibliography = (ROOT / "docs" / "references.bib").read_text("utf-8")
    listed = re.findall(r"(?:doi|eprint) = {(.+)}", bibliography)
    assert len(listed) == len(set(listed)) > 10
    named = PAPER.findall((ROOT / "CITATION.cff").read_text("utf-8"))
    for path in (ROOT / "skspectralnet").rglob("*.py"):
        named += PAPER.findall(path.read_text("utf-8"))
    assert len(named) > 5
    assert set(named) <= set(listed)


def test_cited_keys_are_in_the_bibliography():
    bibliography = (ROOT / "docs" / "references.bib").read_text("utf-8")
    keys = set(re.findall(r"^@\w+{(\w+),$", bibliography, re.MULTILINE))
    cited = set()
    for path in (ROOT / "docs").glob("**/*.rst"):
        cited |= set(re.findall(r":cite:\w+:`(\w+)", path.read_text("utf-8")))
    assert {"shaham2018", "vonluxburg2007"} <= cited <= keys


def test_links_inside_the_pages_are_checked(tmp_path):
    page = '<a id="here"></a><a href="{}">x</a><img src="{}">'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.html").write_text(page.format("../a.html#here", "../c d.svg"))
    (tmp_path / "c d.svg").touch()
    good = page.format("in/b.html?1#here", "c%20d.svg")
    good += (
        '<a href="https://x.example/y"></a><a href="#here"></a><a href="#:~:text=x">'
    )
    (tmp_path / "a.html").write_text(good)
    script = [sys.executable, str(ROOT / "docs" / "check_links.py"), str(tmp_path)]
    assert subprocess.run(script, check=False).returncode == 0  # noqa: S603
    bad = page.format("in/b.html#there", "../c d.svg") + '<a href="#nowhere"></a>'
    (tmp_path / "a.html").write_text(bad)
    done = subprocess.run(script, check=False, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 1
    said = done.stderr.splitlines()[1:]
    assert said == ["a.html: in/b.html#there", "a.html: ../c d.svg", "a.html: #nowhere"]
