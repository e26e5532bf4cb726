"""Evaluate a candidate in three places: fit and predict behind walls, score here, where nobody can lie."""

from archsearch.evaluation.evaluator import Evaluator, candidate_sandbox, no_change, sandbox_of
from archsearch.evaluation.failures import FailedError
from archsearch.evaluation.result import Outcome

__all__ = ["Evaluator", "FailedError", "Outcome", "candidate_sandbox", "no_change", "sandbox_of"]
