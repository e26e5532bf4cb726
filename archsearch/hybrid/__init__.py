"""The model language: what a candidate may import, and how a candidate is loaded."""

from archsearch.hybrid.candidate_error import CandidateError
from archsearch.hybrid.loading import load_candidate
from archsearch.hybrid.model import HybridModel
from archsearch.hybrid.net import Net
from archsearch.hybrid.nets import NetModule
from archsearch.hybrid.operators import advection, divergence, gradient, laplacian
from archsearch.hybrid.params import Param

__all__ = [
    "CandidateError",
    "HybridModel",
    "Net",
    "NetModule",
    "Param",
    "advection",
    "divergence",
    "gradient",
    "laplacian",
    "load_candidate",
]
