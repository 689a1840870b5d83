"""Sphinx configuration: no network, the tables made from the committed results."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # make_tables, mathml, ...

import elsewhere
from make_tables import make_all

from skspectralnet._estimator import RowTransformer

make_all()
# The HTML of an estimator in the gallery links to its page in the same folder of pages.
RowTransformer._doc_link_template = "../api/{estimator_module}.{estimator_name}.html"

project = "skspectralnet"
copyright = "the skspectralnet developers"
version = installed_version("skspectralnet")
release = version

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_copybutton",
    "sphinxcontrib.bibtex",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "inherited",
    "outputs",
    "signatures",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"
maximum_signature_line_length = 80  # a longer one has a line for each parameter
intersphinx_mapping = elsewhere.write()
nitpicky = True  # a name of which nobody knows the page is a warning
numpydoc_show_class_members = False  # _templates/autosummary/class.rst lists them
highlight_language = "python"
smartquotes = False
toc_object_entries_show_parents = "hide"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"demo\.py",  # minutes, and MNIST where it is found
    "within_subsection_order": "gallery_order.place",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": "skspectralnet",
    "min_reported_time": 1,
    "show_signature": False,
}
bibtex_bibfiles = ["references.bib"]
bibtex_cite_id = "paper-{key}"
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"
# Neither prompts nor what an example has printed.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_selector = "div:not(.sphx-glr-script-out) > div.highlight > pre"

# All but: a name before the type of what is returned (RT02), as scikit-learn writes it,
# the place of the quotes (GL01, GL02), a See Also, examples and more than a summary for
# everything (SA01, EX01, ES01), and what is inherited and has no docstring of its own.
numpydoc_validation_checks = {
    *("all", "RT02", "GL01", "GL02", "SA01", "EX01", "ES01"),
}
# Those of the estimators without Dask in their names say what is not said again.
numpydoc_validation_exclude = {r"\.__version__$", r"\.DaskSpectralNet\w+"}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"skspectralnet {version.split('+')[0]}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_context = {"default_mode": "auto"}  # light or dark as the reader has it
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "skspectralnet"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {
    page: [] for page in ("index", "quickstart", "benchmarks", "changes", "references")
}
