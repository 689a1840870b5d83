"""The pages of the reference: each public name has one, each public method is on it."""

import importlib
import inspect
import re
import zlib
from pathlib import Path

import jinja2
import pytest

import skspectralnet
from skspectralnet import inspection, metrics

try:
    from skspectralnet import dask
except ImportError:  # an extra, with a page all the same
    dask = None

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEMPLATE = DOCS / "_templates" / "autosummary" / "class.rst"
CLASSES = [
    found
    for module in filter(None, (skspectralnet, inspection, dask))
    for found in vars(module).values()
    if inspect.isclass(found)
]
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
VERSION = re.compile(r"versionadded|versionchanged|deprecated::|[Aa]dded in version")


def public_methods(cls):
    """Those of the class and of all that it inherits from."""
    return sorted(n for n in dir(cls) if n[0] != "_" and callable(getattr(cls, n)))


@pytest.fixture
def inherited(monkeypatch):
    """The script that changes docstrings of scikit-learn."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("inherited")


@pytest.mark.skipif(dask is None, reason="dask is not installed")
def test_every_public_name_has_a_page():
    listed = re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(), re.MULTILINE)
    public = [name for name in skspectralnet.__all__ if name[0] != "_"]
    public += [f"metrics.{name}" for name in metrics.__all__]
    public += [f"inspection.{name}" for name in inspection.__all__]
    public += ["onnx.register"]  # of a module that is not imported by default
    public += [f"dask.{name}" for name in dask.__all__]
    modules = {"metrics", "inspection"}
    assert sorted(set(listed)) == sorted(set(public) - modules)
    assert len(CLASSES) == 16


@each_class
def test_every_public_method_is_on_the_page(cls):
    environment = jinja2.Environment(autoescape=False)  # noqa: S701  (no HTML)
    environment.filters["underline"] = lambda text: text
    template = environment.from_string(TEMPLATE.read_text())
    # As autosummary hands them over.
    methods = ["__init__", "_private", *public_methods(cls)]
    page = template.render(objname=cls.__name__, module="m", methods=methods)
    shown = re.findall(r"^   \.\. automethod:: (\w+)$", page, re.MULTILINE)
    assert shown == public_methods(cls)


def test_methods_that_only_some_models_have_are_public():
    methods = public_methods(skspectralnet.SpectralNetClustering)
    assert {"partial_fit", "predict_proba", "fit_predict", "set_fit_request"} <= {
        *methods
    }
    assert "inverse_transform" in public_methods(skspectralnet.Autoencoder)


@each_class
def test_no_docstring_speaks_of_a_version_of_another_package(cls, inherited):
    for name in public_methods(cls):
        method = getattr(cls, name)
        text = inspect.getdoc(method)
        assert text, name
        if inherited.is_inherited(method):
            lines = inherited.without_versions_and_references(text.splitlines())
            text = "\n".join(lines)
            assert not re.search(":(ref|term):", text), name
            assert text.count("Parameters") <= 1, name
        assert not VERSION.search(text), name


@each_class
def test_what_a_user_calls_is_described_in_words_of_this_package(cls):
    """Their docstrings in scikit-learn tell of versions or of other arguments."""
    own = {"fit", "fit_predict", "fit_transform", "set_output", "set_params", "plot"}
    own |= {"inverse_transform", "partial_fit", "predict", "predict_proba", "score"}
    own |= {"merge", "summary"}
    for name in own & {*public_methods(cls)}:
        assert getattr(cls, name).__module__.startswith("skspectralnet."), name


@each_class
def test_only_what_is_known_of_rows_is_metadata(cls):
    """The codes of inverse_transform are rows; set_..._request had a place for them."""
    known = {"partial_labels", "must_link", "cannot_link", "graph", "sample_weight"}
    for name in public_methods(cls):
        if re.fullmatch("set_.+_request", name):
            asked = set(inspect.signature(getattr(cls, name)).parameters) - {"self"}
            assert asked <= known, name


def test_an_inherited_docstring_by_hand(inherited):
    lines = """Fit a :term:`meta-estimator`, see :ref:`User Guide <routing>`.

    x : int
        A number.

        .. versionadded:: 1.4
            Or two.

        Not more.

    .. versionchanged:: 1.5

    y : int
        Another, see :ref:`sphx_glr_x`.""".splitlines()
    assert inherited.without_versions_and_references(lines) == [
        "Fit a meta-estimator, see User Guide of scikit-learn.",
        "",
        "    x : int",
        "        A number.",
        "",
        "        Not more.",
        "",
        "    y : int",
        "        Another, see sphx_glr_x of scikit-learn.",
    ]


def test_links_to_other_packages_have_an_address(monkeypatch, tmp_path):
    pytest.importorskip(
        "sklearn.callback", reason="the docs are built with a later one"
    )
    monkeypatch.syspath_prepend(DOCS)
    elsewhere = importlib.import_module("elsewhere")
    mapping = elsewhere.write(tmp_path)
    site, path = mapping["sklearn"]
    header, content = Path(path).read_bytes().split(b"zlib.\n", 1)
    assert header.startswith(b"# Sphinx inventory version 2\n")
    lines = [line.split() for line in zlib.decompress(content).decode().splitlines()]
    found = {name: (role, site + page) for name, role, _, page, _ in lines}
    pages = "https://scikit-learn.org/stable/modules/generated/"
    name = "sklearn.cluster.KMeans"
    assert found[name] == ("py:class", f"{pages}{name}.html#{name}")
    name = "sklearn.metrics.roc_auc_score"
    assert found[name] == ("py:function", f"{pages}{name}.html#{name}")
    assert found["sklearn.semi_supervised"][0] == "py:module"
    assert len(found) == len(elsewhere.PACKAGES["sklearn"][-1])
    with pytest.raises(AttributeError, match="KMaens"):
        elsewhere.entry("sklearn.cluster.KMaens", "", "")
