"""What the sealed test data say of the best model and of the baselines, once they were looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsearch.candidate.outcome import Evaluation
from archsearch.report.leaderboard import BASELINES, baselines_of, four

if TYPE_CHECKING:
    from archsearch.study.store import Study

RIVALS = ("physics", "net")
"""The baselines that a joint model has to beat."""


@dataclass(frozen=True)
class Sealed:
    """Errors on the test data.

    Attributes:
        error: nrmse of the best.
        beside: nrmse of the baselines that were scored there, by their keys.
    """

    error: float
    beside: dict[str, float]

    @property
    def overtaken_by(self) -> tuple[str, ...]:
        """The names of the rivals that are better there than the best, though they were worse where it was chosen."""
        better = [key for key in RIVALS if key in self.beside and self.beside[key] < self.error]
        return tuple(f"the {BASELINES[key]}" for key in better)


def sealed_scores(study: Study, best: Evaluation) -> Sealed | None:
    """The errors on the test data; None if the best was not scored there."""
    scores = study.test_scores()
    if best.candidate not in scores:
        return None
    others = {key: item for key, item in baselines_of(study).items() if item.number != best.number}
    beside = {key: scores[item.candidate].nrmse for key, item in others.items() if item.candidate in scores}
    return Sealed(scores[best.candidate].nrmse, beside)


def about_test(found: Sealed | None, has_test: bool) -> list[str]:
    """What the test data say: a sentence, or none if no data are sealed."""
    if found is None:
        return ["The sealed test data have not been looked at yet."] if has_test else []
    beside = ", ".join(f"{four(error)} for the {BASELINES[key]}" for key, error in found.beside.items())
    told = f"On the test data, which ranked nothing, its error is {four(found.error)}"
    return [f"{told}, beside {beside}." if beside else f"{told}."]
