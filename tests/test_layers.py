"""The table of layers of CONTRIBUTING.md, enforced on the text of the package."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import skspectralnet

PACKAGE = Path(skspectralnet.__file__).parent

# module: (layer, what it may import from outside, and that only inside a function)
TABLE = {
    "_tensors": (0, {"numpy", "scipy", "torch"}, set()),
    "_calls": (1, {"numpy", "threadpoolctl", "torch"}, set()),
    "_rows": (0, {"numpy", "scipy"}, set()),
    "_explained": (0, {"numpy", "scipy"}, set()),
    "_habits": (0, {"numpy"}, set()),
    "_input": (1, {"numpy", "scipy", "sklearn"}, set()),
    "_partitions": (0, {"numpy", "sklearn"}, {"dask"}),
    "_distinct": (0, {"numpy", "scipy"}, set()),
    "_validation": (0, {"sklearn"}, set()),
    "_affinity": (0, {"numpy", "scipy", "torch"}, set()),
    "_losses": (0, {"torch"}, set()),
    "_pair_losses": (0, {"torch"}, set()),
    "_network": (0, {"numpy", "torch"}, set()),
    "_fields": (0, {"numpy"}, set()),
    "_graph": (0, {"numpy", "scipy", "sklearn", "threadpoolctl"}, {"pynndescent"}),
    "_eigen": (0, {"numpy", "scipy"}, set()),
    "_assignment": (1, {"numpy", "scipy", "sklearn"}, set()),
    "_constraints": (0, {"numpy", "scipy", "sklearn"}, set()),
    "_defaults": (0, {"numpy"}, set()),
    "_hierarchy": (0, {"numpy", "sklearn"}, set()),
    "_tasks": (0, set(), set()),
    "_training": (0, {"torch"}, {"tqdm"}),
    "_alignment": (1, {"numpy"}, set()),
    "_batch_norm": (1, {"torch"}, set()),
    "_divisions": (1, {"numpy", "scipy"}, set()),
    "_drift": (1, {"numpy", "scipy", "sklearn"}, set()),
    "_typicality": (2, {"numpy"}, set()),
    "_pairs": (2, {"numpy", "scipy"}, set()),
    "_states": (1, set(), set()),
    "_ranks": (1, {"torch"}, set()),
    "_spectral": (1, {"numpy", "torch"}, set()),
    "_trainer": (1, {"sklearn"}, set()),
    "_estimator": (2, {"numpy", "sklearn"}, set()),
    "_batch_graph": (2, {"numpy", "torch"}, set()),
    "_neighbor_graph": (2, {"numpy", "scipy", "torch"}, set()),
    "_whole_graph": (3, {"numpy", "scipy", "sklearn", "torch"}, set()),
    "_autoencoder": (3, {"numpy", "sklearn", "torch"}, set()),
    "_siamese": (3, {"numpy", "scipy", "sklearn", "torch"}, set()),
    "_plan": (3, set(), set()),
    "_selection": (3, {"numpy", "sklearn"}, set()),
    "_guards": (4, {"numpy", "scipy", "sklearn"}, set()),
    "_probability": (4, {"numpy", "scipy"}, set()),
    "_stages": (4, {"numpy", "scipy", "sklearn"}, set()),
    "_summary": (4, {"numpy", "scipy", "sklearn"}, {"pandas"}),
    "_candidates": (5, {"numpy", "sklearn"}, set()),
    "_n_clusters": (5, {"numpy"}, set()),
    "_findings": (5, {"numpy"}, set()),
    "_base": (6, {"numpy", "sklearn"}, set()),
    "_stored": (6, {"numpy", "sklearn"}, set()),
    "_embedding": (7, {"sklearn"}, set()),
    "_clustering": (7, {"numpy", "sklearn"}, set()),
    "metrics": (8, {"numpy", "scipy", "sklearn"}, set()),
    "_onnx_nodes": (8, {"numpy", "onnx", "scipy"}, set()),
    "onnx": (9, {"numpy", "skl2onnx", "sklearn"}, set()),
    "inspection._axes": (8, {"numpy"}, {"matplotlib"}),
    "inspection._fitted": (8, {"numpy", "sklearn"}, set()),
    "inspection._affinity": (9, {"numpy", "torch"}, {"matplotlib"}),
    "inspection._dendrogram": (9, {"numpy", "scipy"}, {"matplotlib"}),
    "inspection._doubt": (9, {"numpy"}, {"matplotlib"}),
    "inspection._eigenvalues": (9, {"numpy"}, {"matplotlib"}),
    "inspection._embedding": (9, {"numpy", "sklearn"}, {"matplotlib"}),
    "inspection._loss_curves": (9, {"numpy"}, {"matplotlib"}),
    "inspection._neighbor_purity": (9, {"numpy", "sklearn"}, {"matplotlib"}),
    "inspection._selection": (9, {"numpy"}, {"matplotlib"}),
    "inspection._overview": (10, {"numpy", "scipy"}, {"matplotlib"}),
    "inspection": (11, set(), set()),
    "dask._cluster": (8, {"dask", "distributed", "numpy"}, set()),
    "dask._sample": (9, {"dask", "numpy", "scipy"}, set()),
    "dask._refine": (10, {"dask", "numpy"}, set()),
    "dask._shards": (10, {"dask", "numpy", "scipy"}, set()),
    "dask._cells": (11, {"dask", "numpy", "scipy", "sklearn"}, set()),
    "dask._neighbors": (12, {"dask", "numpy", "scipy", "sklearn"}, set()),
    "dask._edges": (13, {"dask", "numpy", "scipy"}, set()),
    "dask._rank": (11, {"distributed", "numpy", "torch"}, set()),
    "dask._attempts": (12, {"distributed"}, set()),
    "dask._fits": (14, {"numpy", "sklearn"}, set()),
    "dask._estimators": (15, {"numpy", "sklearn"}, set()),
    "dask": (16, {"distributed"}, set()),
}
FOLDERS = {"dask", "inspection"}


def _module(path):
    """The dotted name of a file below the package; a folder's is that of its root."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = sorted({_module(path) for path in PACKAGE.rglob("*.py")} - {"__init__"})
FORBIDDEN_CALLS = {
    "torch.manual_seed": "the global generator of torch",
    "torch.random.manual_seed": "the global generator of torch",
    "torch.random.fork_rng": "the global generator of torch, in other threads",
    "torch.set_num_threads": "the threads of the process",
    "torch.set_num_interop_threads": "the threads of the process",
    "torch.set_default_dtype": "the default dtype",
    "torch.set_default_device": "the default device",
    "torch.set_grad_enabled": "the grad mode",
    "torch.use_deterministic_algorithms": "the deterministic flag",
    "torch.load": "a pickle of a stranger",
    "np.random.seed": "the global generator of numpy",
    "np.seterr": "numpy's error state",
    "random.seed": "the global generator of python",
    "warnings.filterwarnings": "the warning filters",
    "warnings.simplefilter": "the warning filters",
    "logging.basicConfig": "the root logger",
    "os.chdir": "the working directory",
    "os.fork": "a child that hangs after a parallel operation of torch",
    "pickle.load": "a pickle of a stranger",
    "pickle.loads": "a pickle of a stranger",
    "eval": "a string as code",
    "exec": "a string as code",
}
# In a forked process alone, whose threads are gone.
ALLOWED_CALLS = {"_calls": {"torch.set_num_threads"}}


def _path(module):
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _tree(module):
    path = _path(module)
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imported_names(node):
    """The dotted names of one import statement."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _imports(module):
    """(dotted name, line, hidden in a function) of every import of a module."""
    tree = _tree(module)
    hidden = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in ast.walk(scope)
    }
    return [
        (name, node.lineno, id(node) in hidden)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in _imported_names(node)
    ]


def _own_imports(module):
    """Those of the imports that name a module of the package."""
    return [found for found in _imports(module) if found[0].startswith("skspectralnet")]


def _own_module(name):
    """The module of the package that a dotted name means."""
    parts = name.split(".")[1:]
    inside = ".".join(parts[:2])
    return inside if inside in TABLE else parts[0]


def _dotted(node):
    """``a.b.c`` of an expression made of names and attributes, else None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None


def test_every_module_is_in_the_table():
    assert sorted(TABLE) == MODULES


def test_package_is_flat_but_for_the_folders_named_and_without_utils():
    assert not list(PACKAGE.rglob("*util*"))
    inits = {_module(path) for path in PACKAGE.rglob("__init__.py")} - {"__init__"}
    assert inits == FOLDERS


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_files_of_a_folder_are_private_and_seen_from_inside_only(folder):
    inside = {module for module in MODULES if module.startswith(f"{folder}.")}
    assert all(module.split(".")[1].startswith("_") for module in inside)
    for module in sorted({"__init__", *MODULES} - inside - {folder}):
        own = {_own_module(name) for name, _, _ in _own_imports(module)}
        assert not own & inside, module


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_lower_layers(module):
    layer = TABLE[module][0]
    for name, line, _ in _own_imports(module):
        below = TABLE[_own_module(name)][0]
        assert below < layer, f"{module}.py:{line} imports {name}, layer {below}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_from_outside_are_in_the_table(module):
    _, always, inside_functions = TABLE[module]
    for name, line, hidden in _imports(module):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top == "skspectralnet":
            continue
        allowed = always | (inside_functions if hidden else set())
        assert top in allowed, f"{module}.py:{line} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_no_hidden_imports_except_optional_ones(module):
    optional = TABLE[module][2]
    for name, line, hidden in _imports(module):
        assert not hidden or name.split(".")[0] in optional, f"{module}.py:{line}"


@pytest.mark.parametrize("module", MODULES)
def test_no_relative_imports(module):
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}.py:{node.lineno}"


@pytest.mark.parametrize("module", [m for m in MODULES if m != "_validation"])
def test_private_sklearn_only_in_validation(module):
    for name, line, _ in _imports(module):
        if name.split(".")[0] == "sklearn":
            private = [part for part in name.split(".") if part.startswith("_")]
            assert not private, f"{module}.py:{line} imports {name}"


def test_root_imports_public_rooms_only():
    own = {_own_module(name) for name, _, _ in _own_imports("__init__")}
    public = {"_autoencoder", "_clustering", "_embedding", "_siamese"}
    assert own <= public | {"inspection", "metrics"}


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_no_call_changes_global_state_or_runs_a_string(module):
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Call):
            name = _dotted(node.func)
            if name in ALLOWED_CALLS.get(module, ()):
                continue
            what = FORBIDDEN_CALLS.get(name)
            assert what is None, f"{module}.py:{node.lineno} touches {what}"


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_no_number_is_drawn_from_numpys_global_generator(module):
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Call):
            name = _dotted(node.func) or ""
            private = name in ("np.random.RandomState", "np.random.default_rng")
            drawn = name.startswith("np.random.") and not private
            assert not drawn, f"{module}.py:{node.lineno}"
            assert not (private and not node.args), f"{module}.py:{node.lineno}"


def test_each_rule_is_broken_by_a_module_that_breaks_it(tmp_path, monkeypatch):
    # Where a module imports or calls nothing, a rule that sees nothing would pass.
    code = """
import torch
from . import _rows
from sklearn.utils._tags import Tags
from skspectralnet import _spectral
def f():
    import numpy as np
    torch.manual_seed(0)
    return np.random.normal()
"""
    (tmp_path / "_tasks.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    for rule in (
        test_imports_only_from_lower_layers,
        test_imports_from_outside_are_in_the_table,
        test_no_hidden_imports_except_optional_ones,
        test_no_relative_imports,
        test_private_sklearn_only_in_validation,
        test_no_call_changes_global_state_or_runs_a_string,
        test_no_number_is_drawn_from_numpys_global_generator,
    ):
        with pytest.raises(AssertionError):
            rule("_tasks")


def test_all_names_exist_and_are_sorted():
    names = skspectralnet.__all__
    assert all(hasattr(skspectralnet, name) for name in names)
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    for room in (skspectralnet.inspection, skspectralnet.metrics):
        assert set(room.__all__) <= set(dir(room))


OPTIONAL = [
    *("IPython", "dask", "distributed", "h5py", "hypothesis", "ipywidgets"),
    *("matplotlib", "numba", "onnx", "pandas", "polars", "pyarrow", "pytest", "rich"),
    *("onnxruntime", "pynndescent", "skl2onnx", "tqdm"),
]


def _run(code, folder):
    """Run code in a fresh process with warnings as errors; return what it prints."""
    # torch 2.6 leaves a temporary folder to the garbage collector.
    folders = "ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-W", folders, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert not list(folder.iterdir())
    return done.stdout


def test_fit_does_not_import_the_compiler_of_torch(tmp_path):
    # It takes longer than a fit of a small table.
    code = """
import sys
from sklearn.datasets import load_iris
from skspectralnet import SpectralNetClustering
X = load_iris().data
SpectralNetClustering(3, random_state=0, encoder="autoencoder").fit(X).predict(X)
print("torch._dynamo" in sys.modules)
"""
    assert _run(code, tmp_path) == "False\n"


def test_import_adds_nothing_optional(tmp_path):
    # scikit-learn itself imports pandas where it is installed, torch imports tqdm:
    # what counts is what this package adds to them.
    code = f"""
import json, sys
import torch, sklearn.cluster, sklearn.decomposition, sklearn.metrics
import sklearn.neighbors, sklearn.preprocessing, scipy.linalg, scipy.optimize
before = set(sys.modules)
import skspectralnet
added = set(sys.modules) - before
print(json.dumps(sorted(added & set({OPTIONAL}))))
print(json.dumps("matplotlib" in sys.modules))
"""
    added, matplotlib = map(json.loads, _run(code, tmp_path).splitlines())
    assert added == []
    assert not matplotlib


def test_fit_works_where_nothing_optional_is_installed(tmp_path):
    code = f"""
import sys
from importlib.machinery import PathFinder
class WithoutOptional(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] not in {OPTIONAL}:
            return super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutOptional
try:
    import pandas
except ImportError:
    print("absent")
import numpy as np
from skspectralnet import SpectralNetClustering
X = np.r_[np.eye(2).repeat(20, 0), np.zeros((20, 2))] * 9
X += np.random.RandomState(0).normal(size=X.shape)
labels = SpectralNetClustering(3, random_state=0).fit_predict(X)
print(len(set(labels.tolist())))
"""
    assert _run(code, tmp_path).split() == ["absent", "3"]


# --- the size of the rooms


def _docstring_lines(node):
    if ast.get_docstring(node) is None:
        return 0
    return node.body[0].end_lineno - node.body[0].lineno + 1


def _functions(module):
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.FunctionDef):
            yield node


@pytest.mark.parametrize("module", MODULES)
def test_functions_are_short(module):
    # The constructors of the estimators have a line for each parameter, twice.
    for node in _functions(module):
        n_lines = node.end_lineno - node.lineno + 1 - _docstring_lines(node)
        assert n_lines <= 40 or node.name == "__init__", (node.name, n_lines)


@pytest.mark.parametrize("module", MODULES)
def test_functions_have_few_parameters(module):
    public = {"__init__", "fit", "from_estimator"}
    for node in _functions(module):
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        names = [*names, *(a.arg for a in node.args.kwonlyargs)]
        n_parameters = len([name for name in names if name not in ("self", "cls")])
        assert n_parameters <= 6 or node.name in public, (node.name, n_parameters)


@pytest.mark.parametrize("module", MODULES)
def test_modules_fit_on_a_few_pages(module):
    # Docstrings of public names apart: they are the reference.
    kinds = ast.FunctionDef | ast.ClassDef
    public = [
        node
        for node in ast.walk(_tree(module))
        if isinstance(node, kinds) and not node.name.startswith("_")
    ]
    n_lines = len(_path(module).read_text(encoding="utf-8").splitlines())
    assert n_lines - sum(map(_docstring_lines, public)) <= 450


def _sets(node):
    """Whether a function assigns an attribute of `self`."""
    for part in ast.walk(node):
        stored = isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
        if stored and _dotted(part.value) == "self":
            return True
    return False


def _returns(node):
    """Whether a function returns something that is not `self`."""
    returns = [part for part in ast.walk(node) if isinstance(part, ast.Return)]
    values = [part.value for part in returns if part.value is not None]
    return any(_dotted(value) != "self" for value in values)


ESTIMATORS = ("_estimator", "_base", "_embedding", "_clustering")


@pytest.mark.parametrize("module", [*ESTIMATORS, "_autoencoder", "_siamese"])
def test_no_method_of_an_estimator_both_stores_and_returns(module):
    classes = [n for n in ast.walk(_tree(module)) if isinstance(n, ast.ClassDef)]
    methods = [n for c in classes for n in c.body if isinstance(n, ast.FunctionDef)]
    assert methods
    assert not [node.name for node in methods if _sets(node) and _returns(node)]
    setters = {node.name for node in methods if _sets(node)}
    assert setters <= {
        *("__init__", "_fit", "_store", "_store_curves", "_replace_fit"),
        "partial_fit",
    }


@pytest.mark.parametrize("module", ESTIMATORS)
def test_no_class_has_many_methods(module):
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ClassDef):
            assert len([n for n in node.body if isinstance(n, ast.FunctionDef)]) <= 18
