"""The wheel and the sdist: what is in them, and that the wheel can be installed.

``SKSPECTRALNET_DIST`` names the folder where they lie (``make dist`` sets it). Without
it they are built, for which pip must reach a package index.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# What may lie in the sdist, by the end of its name; no data, no weights.
TEXT = {
    "",
    ".bib",
    ".cff",
    ".cfg",
    ".css",
    ".in",
    ".md",
    ".py",
    ".rst",
    ".toml",
    ".txt",
}
KINDS = TEXT | {".json", ".png", ".skops", ".woff2", ".yaml", ".yml"}


def build(folder):
    """Build the sdist, and the wheel from it, as a release does, into a folder."""
    # From a copy: a build writes the metadata by which an installed version is found.
    made = ".venv .bench-venv .*_cache .hypothesis __pycache__ *.egg-info "
    made += "build dist _build _generated"
    ignore = shutil.ignore_patterns(*made.split())
    source = shutil.copytree(ROOT, folder / "source", ignore=ignore)
    call = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    subprocess.run(call, check=True, cwd=ROOT)  # noqa: S603
    return folder


def wheel_holds_the_package_alone(path):
    files = ROOT.glob("skspectralnet/**/*.py")
    sources = {path.relative_to(ROOT).as_posix() for path in files}
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
        metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
        assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    about = {"METADATA", "RECORD", "WHEEL", "top_level.txt", "licenses/LICENSE"}
    expected = sources | {f"{info}/{x}" for x in about}
    assert names == expected
    version = metadata["Version"]
    assert path.name == f"skspectralnet-{version}-py3-none-any.whl"
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == PROJECT["license"]
    needed = {x for x in map(Requirement, metadata.get_all("Requires-Dist"))}
    plain = {str(x) for x in needed if x.marker is None}
    assert plain == {str(Requirement(x)) for x in PROJECT["dependencies"]}
    return version


def sdist_holds_what_git_tracks(path, version):
    with tarfile.open(path) as sdist:
        top = f"skspectralnet-{version}"
        files = {
            PurePosixPath(x.name).relative_to(top): x.size for x in sdist if x.isfile()
        }
    own = {x for x in files if "skspectralnet.egg-info" not in x.parts}
    assert {x.suffix for x in own if x.name[0] != "."} <= KINDS
    assert max(files.values()) < 200_000
    for name in ("tests/conftest.py", "benchmarks/data.py", "docs/conf.py", "Makefile"):
        assert PurePosixPath(name) in own
    if shutil.which("git") and (ROOT / ".git").exists():
        tree = ["git", "ls-tree", "-r", "-z", "--name-only", "HEAD"]
        listed = subprocess.check_output(tree, cwd=ROOT, text=True).split("\0")[:-1]  # noqa: S603
        tracked = {PurePosixPath(x) for x in listed if not x.startswith(".ci/")}
        tracked = {x for x in tracked if x.name != ".gitignore"}
        # A new module may not be tracked yet; the wheel has shown that all are there.
        own -= {PurePosixPath("PKG-INFO")}
        assert {x for x in own ^ tracked if x.parts[0] != "skspectralnet"} == set()


def wheel_can_be_installed(path, version, folder):
    venv.create(folder)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = str(folder / scripts / Path(sys.executable).name)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-index"]
    # Elsewhere and without PYTHONPATH: pip must not find the sources installed. From
    # there it does not find the constraints either.
    outside = ("PYTHONPATH", "PIP_CONSTRAINT")
    bare = {name: os.environ[name] for name in os.environ if name not in outside}
    call = [*pip, "--no-deps", str(path.resolve())]
    subprocess.run(call, check=True, cwd=folder, env=bare)  # noqa: S603
    # What the package needs is lent; packages of the new environment come first.
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.check_output([python, "-I", "-c", where], text=True).strip()  # noqa: S603
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(own, "lent.pth").write_text("\n".join(sorted(lent)), encoding="utf-8")
    code = (
        "import skspectralnet as s; s.SpectralNetClustering(2); "
        "print(s.__version__, s.__file__, sep='\\n')"
    )
    call = [python, "-I", "-c", code]
    said = subprocess.check_output(call, cwd=folder, text=True).splitlines()  # noqa: S603
    assert said[0] == version
    assert Path(own) in Path(said[1]).parents


# One test: processes that run side by side would build in the same folder.
@pytest.mark.slow
def test_the_wheel_and_the_sdist(tmp_path):
    ready = os.environ.get("SKSPECTRALNET_DIST")
    folder = ROOT / ready if ready else build(tmp_path / "dist")
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    version = wheel_holds_the_package_alone(wheel)
    sdist_holds_what_git_tracks(sdist, version)
    wheel_can_be_installed(wheel, version, tmp_path / "empty")
