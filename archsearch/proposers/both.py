"""Two proposers together: who gained more in the time that it took gets more of the search."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.proposers.base import Proposer
from archsearch.proposers.language import LanguageProposer
from archsearch.proposers.questions import ROUND
from archsearch.proposers.replies import AUTHOR

Arm = Literal["llm", "grammar"]
LEAST = 0.2
"""Share of the rounds that either gets, however the other does: what was of no use early may be later."""
MEMORY = 0.9
"""What a gain counts for after one more evaluation: the easy gains of the beginning say little about the end."""
ENOUGH = 2 * ROUND
"""While so many of its proposals wait for a person, the LLM is not asked for more."""
PRIOR_GAIN = 0.02
"""A gain that either is credited with before it has any, in logarithms of the error."""
PRIOR_SECONDS = 5.0


@dataclass(frozen=True)
class Earnings:
    """What an arm has gained, and what it took.

    Attributes:
        gain: decrease of the logarithm of the least error, with gains of the past fading.
        seconds: of evaluations and of asking, fading likewise.
        evaluations: how many it had.
    """

    gain: float = 0.0
    seconds: float = 0.0
    evaluations: int = 0

    @property
    def rate(self) -> float:
        """Gain per second."""
        return (self.gain + PRIOR_GAIN) / (self.seconds + PRIOR_SECONDS)

    def faded(self, gain: float = 0.0, seconds: float = 0.0, mine: bool = False) -> Earnings:
        """After one more evaluation, of this arm or of the other."""
        return Earnings(MEMORY * self.gain + gain, MEMORY * self.seconds + seconds, self.evaluations + mine)


class BothProposer(Proposer):
    """Shares the rounds of a search between an LLM and the grammar.

    The first round is the LLM's, the second the grammar's, and so on until the evaluations of both tell what they
    gained; from then on a round is drawn with chances that go with gain per second, the time of asking included, and
    none below `LEAST`. The baselines are nobody's. While enough of the LLM's proposals wait for a person, rounds are
    the grammar's.

    Args:
        language: the LLM's; its rounds are the rounds.
        grammar: the other.
        seed: draws.
        asking_seconds: how long the LLM took in the rounds that began before a number.
        repeated: the author of a round in a search that is repeated, if this is one.

    Reference:
        Chances that follow fading credit are the probability matching of Goldberg (1990) and Thierens (2005, GECCO),
        Adaptive operator allocation; here credit is per second, since an LLM may take longer than a fit.
    """

    def __init__(
        self,
        language: LanguageProposer,
        grammar: Proposer,
        seed: int,
        asking_seconds: Callable[[int], float] = lambda number: 0.0,
        repeated: Callable[[int], Arm | None] = lambda begin: None,
    ) -> None:
        self._language = language
        self._grammar = grammar
        self._seed = seed
        self._asking_seconds = asking_seconds
        self._repeated = repeated

    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        """The next candidate; see `Proposer`."""
        if index < self._language.questions.first or self.arm(history, index) == "llm":
            return self._language.propose(history, taken, index)
        found = self._grammar.propose(history, taken, index)
        return found or self._language.propose(history, taken, index)

    def arm(self, history: Sequence[Evaluation], index: int) -> Arm:
        """Whose the round of this proposal is."""
        begin = self._language.questions.begin_of(index)
        repeated = self._repeated(begin)
        if repeated is not None:
            return repeated
        if self._waiting(begin) >= ENOUGH:
            return "grammar"
        earned = self.earned(self._language.questions.known(history, begin), begin)
        if min(item.evaluations for item in earned.values()) < ROUND:
            return "llm" if (begin - self._language.questions.first) // ROUND % 2 == 0 else "grammar"
        share = earned["llm"].rate / (earned["llm"].rate + earned["grammar"].rate)
        draw = float(np.random.default_rng([self._seed, begin]).random())
        return "llm" if draw < min(max(share, LEAST), 1 - LEAST) else "grammar"

    def _waiting(self, begin: int) -> int:
        """How many proposals of the LLM wait for a person: more of them would cost money and teach it nothing."""
        past = self._language.questions.past(begin)
        return sum(item.waits and item.candidate.author == AUTHOR for item in past)

    def earned(self, known: Sequence[Evaluation], begin: int) -> dict[Arm, Earnings]:
        """What either has gained up to a round, by the evaluations that may be used."""
        first = self._language.questions.first
        least = min((item.error for item in known if item.number < first), default=math.inf)
        asked = sum(item.author == AUTHOR for item in known)
        per_question = self._asking_seconds(begin) / asked if asked else 0.0
        earned: dict[Arm, Earnings] = {"llm": Earnings(), "grammar": Earnings()}
        for item in known:
            if item.number < first:
                continue
            arm: Arm = "llm" if item.author == AUTHOR else "grammar"
            seconds = item.seconds + (per_question if arm == "llm" else 0.0)
            gain = _gain(least, item.error)
            earned = {
                name: credit.faded(gain, seconds, mine=True) if name == arm else credit.faded()
                for name, credit in earned.items()
            }
            least = min(least, item.error)
        return earned


def _gain(before: float, after: float) -> float:
    """How much the logarithm of the least error falls; the first that fits is no gain over anything."""
    if not (math.isfinite(before) and after < before):
        return 0.0
    return math.log(before) - math.log(max(after, 1e-12))
