"""The model language: what a candidate may import, and how a candidate is loaded."""

from archsearch.hybrid.candidate_error import CandidateError
from archsearch.hybrid.loading import load_candidate
from archsearch.hybrid.model import HybridModel
from archsearch.hybrid.nets import Net, NetModule
from archsearch.hybrid.params import Param

__all__ = ["CandidateError", "HybridModel", "Net", "NetModule", "Param", "load_candidate"]
