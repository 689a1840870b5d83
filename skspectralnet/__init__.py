"""Spectral clustering with a network that learns the embedding, for scikit-learn."""

from importlib.metadata import version

from skspectralnet import inspection, metrics
from skspectralnet._autoencoder import Autoencoder
from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._embedding import SpectralNetEmbedding
from skspectralnet._siamese import SiameseEmbedding

__version__ = version("skspectralnet")

__all__ = [
    "Autoencoder",
    "SiameseEmbedding",
    "SpectralNetClustering",
    "SpectralNetEmbedding",
    "__version__",
    "inspection",
    "metrics",
]
