"""Spectral clustering with a network that learns the embedding, for scikit-learn."""

from importlib.metadata import version

from skspectralnet import inspection, metrics
from skspectralnet._autoencoder import Autoencoder
from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._embedding import SpectralNetEmbedding
from skspectralnet._siamese import SiameseEmbedding

__version__ = version("skspectralnet")

#: The types of this package in files of skops.
#:
#: ``skops.io.load(file, trusted=TRUSTED_TYPES)`` makes objects of these, which check
#: what the file says, and of those that skops trusts itself: :doc:`/guide/storing`.
TRUSTED_TYPES = tuple(
    f"{cls.__module__}.{cls.__name__}"
    for cls in (
        Autoencoder,
        SiameseEmbedding,
        SpectralNetClustering,
        SpectralNetEmbedding,
    )
)

__all__ = [
    "TRUSTED_TYPES",
    "Autoencoder",
    "SiameseEmbedding",
    "SpectralNetClustering",
    "SpectralNetEmbedding",
    "__version__",
    "inspection",
    "metrics",
]
