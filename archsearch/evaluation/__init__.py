"""Evaluate a candidate in three places: fit and predict behind walls, score here, where nobody can lie."""

from archsearch.evaluation.evaluator import PREDICTING, Evaluator, candidate_sandbox, no_change, sandbox_of
from archsearch.evaluation.failures import FailedError
from archsearch.evaluation.result import Outcome
from archsearch.sandbox.progress import Tell, Told, nobody

__all__ = [
    "PREDICTING",
    "Evaluator",
    "FailedError",
    "Outcome",
    "Tell",
    "Told",
    "candidate_sandbox",
    "no_change",
    "nobody",
    "sandbox_of",
]
