"""The estimators for rows on many machines. They need dask and distributed.

The names of modules in this folder do not hide those of the package `dask`: all imports
are absolute.
"""

try:
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        "skspectralnet.dask needs dask and distributed: "
        'pip install "skspectralnet[dask]"'
    ) from error

from skspectralnet.dask._attempts import RanksLostError
from skspectralnet.dask._estimators import (
    DaskSpectralNetClustering,
    DaskSpectralNetEmbedding,
)

__all__ = [
    "DaskSpectralNetClustering",
    "DaskSpectralNetEmbedding",
    "RanksLostError",
]
