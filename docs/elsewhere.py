"""Names of other packages as links, without asking their sites which names they have.

The names that pages and examples use are listed here, and `write` makes inventories of
them as those sites have. With ``nitpicky`` a name that no inventory has is a warning.
"""

import inspect
import zlib
from pathlib import Path
from pkgutil import resolve_name

GENERATED = Path(__file__).resolve().parent / "_generated"
# Of each package the site, the pages of a module and of another name, and the names.
# scikit-learn's have been compared with doc/api_reference.py of its repository.
PACKAGES = {
    "sklearn": (
        "https://scikit-learn.org/stable/",
        "api/{name}.html#module-{name}",
        "modules/generated/{name}.html#{name}",
        (
            *("sklearn.callback.ProgressBar", "sklearn.callback.ScoringMonitor"),
            *("sklearn.cluster.HDBSCAN", "sklearn.cluster.KMeans"),
            *(
                "sklearn.cluster.SpectralClustering",
                "sklearn.compose.ColumnTransformer",
            ),
            *("sklearn.datasets.load_digits", "sklearn.datasets.make_blobs"),
            *("sklearn.datasets.make_moons", "sklearn.datasets.make_swiss_roll"),
            *("sklearn.decomposition.PCA", "sklearn.exceptions.ConvergenceWarning"),
            "sklearn.exceptions.InconsistentVersionWarning",
            "sklearn.feature_extraction.text.TfidfVectorizer",
            *("sklearn.impute.SimpleImputer", "sklearn.manifold.SpectralEmbedding"),
            "sklearn.metrics.adjusted_rand_score",
            "sklearn.metrics.normalized_mutual_info_score",
            *("sklearn.metrics.roc_auc_score", "sklearn.mixture.GaussianMixture"),
            *("sklearn.model_selection.GridSearchCV", "sklearn.model_selection.KFold"),
            "sklearn.neighbors.NearestNeighbors",
            *("sklearn.neighbors.kneighbors_graph", "sklearn.pipeline.Pipeline"),
            "sklearn.pipeline.make_pipeline",
            "sklearn.preprocessing.FunctionTransformer",
            "sklearn.preprocessing.LabelEncoder",
            "sklearn.preprocessing.OneHotEncoder",
            "sklearn.preprocessing.PowerTransformer",
            "sklearn.preprocessing.StandardScaler",
            *("sklearn.semi_supervised", "sklearn.set_config"),
            "sklearn.utils.metadata_routing.MetadataRequest",
        ),
    ),
    "scipy": (
        "https://docs.scipy.org/doc/scipy/reference/",
        "{below}.html#module-{name}",
        "generated/{name}.html#{name}",
        ("scipy.cluster.hierarchy", "scipy.spatial.distance.pdist"),
    ),
    "python": (
        "https://docs.python.org/3/",
        "library/{name}.html#module-{name}",
        "library/{module}.html#{name}",
        ("multiprocessing", "pickle", "pickle.dump"),
    ),
}


def entry(name, of_module, of_other):
    """The line of a name in an inventory; AttributeError or so if there is no such."""
    thing = resolve_name(name)
    role, page = "function", of_other
    if inspect.ismodule(thing):
        role, page = "module", of_module
    elif inspect.isclass(thing):
        role = "class"
    module, _, _ = name.rpartition(".")
    _, _, below = name.partition(".")
    return (
        f"{name} py:{role} 1 {page.format(name=name, module=module, below=below)} -\n"
    )


def write(folder=GENERATED):
    """Write the inventories, as Sphinx does, and return `intersphinx_mapping`."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for package, (site, of_module, of_other, names) in PACKAGES.items():
        lines = "".join(entry(name, of_module, of_other) for name in sorted(names))
        path = folder / f"{package}.inv"
        path.write_bytes(
            f"# Sphinx inventory version 2\n# Project: {package}\n# Version: \n"
            "# The remainder of this file is compressed using zlib.\n".encode()
            + zlib.compress(lines.encode())
        )
        mapping[package] = (site, str(path))
    return mapping
