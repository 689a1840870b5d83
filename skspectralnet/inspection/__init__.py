"""Displays of fitted models, as in scikit-learn. They need matplotlib."""

from skspectralnet.inspection._affinity import AffinityDisplay
from skspectralnet.inspection._dendrogram import DendrogramDisplay
from skspectralnet.inspection._doubt import DoubtDisplay
from skspectralnet.inspection._eigenvalues import EigenvaluesDisplay
from skspectralnet.inspection._embedding import EmbeddingDisplay
from skspectralnet.inspection._loss_curves import LossCurvesDisplay
from skspectralnet.inspection._neighbor_purity import NeighborPurityDisplay
from skspectralnet.inspection._overview import OverviewDisplay
from skspectralnet.inspection._selection import SelectionDisplay

__all__ = [
    "AffinityDisplay",
    "DendrogramDisplay",
    "DoubtDisplay",
    "EigenvaluesDisplay",
    "EmbeddingDisplay",
    "LossCurvesDisplay",
    "NeighborPurityDisplay",
    "OverviewDisplay",
    "SelectionDisplay",
]
