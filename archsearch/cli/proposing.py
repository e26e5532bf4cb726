"""Who proposes in a search: chosen from flags and settings, put together, and told."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from archsearch.errors import RequestError

if TYPE_CHECKING:
    from archsearch.candidate.candidate import Candidate
    from archsearch.candidate.outcome import Evaluation
    from archsearch.evaluation import Evaluator
    from archsearch.llm.client import Llm
    from archsearch.problem.problem import Problem
    from archsearch.proposers.base import Proposer
    from archsearch.proposers.both import Arm
    from archsearch.proposers.consulting import QuickFit
    from archsearch.proposers.language import LanguageProposer
    from archsearch.proposers.memory import Memory
    from archsearch.proposers.questions import Questions
    from archsearch.sandbox.tiers import Tier
    from archsearch.settings import RunSettings
    from archsearch.study.proposals import Gate
    from archsearch.study.store import Study

QUICK = {"collocation_steps": 20, "least_squares_steps": 5, "matching_steps": 50, "rollout_steps": 10}
QUICK_SECONDS = 30.0
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Proposing:
    """A proposer with the gate that its proposals pass first."""

    proposer: Proposer
    gate: Gate
    cost: Callable[[], str] = str
    """What the LLM has cost so far, in words; empty if none is asked."""


def chosen(settings: RunSettings, model: str | None, base_url: str | None) -> RunSettings:
    """The settings with what `auto` takes, and with the LLM that flags and environment name.

    Raises:
        RequestError: an LLM is asked for, and none is named; or a prompt of the user cannot be used.
    """
    from archsearch.llm.endpoint import MODEL, endpoint_of
    from archsearch.llm.own_settings import own_settings
    from archsearch.proposers.prompts import refuse_unfit

    if settings.proposer == "grammar":
        return settings
    endpoint = endpoint_of(own_settings(), os.environ, model=model, base_url=base_url)
    if endpoint is not None:
        refuse_unfit()
        taken = "both" if settings.proposer == "auto" else settings.proposer
        return settings.model_copy(update={"proposer": taken, "llm": endpoint.settings})
    if settings.proposer != "auto":
        remedy = f"Name one with --llm-model or {MODEL}, or search with --proposer grammar."
        raise RequestError(f"--proposer {settings.proposer}: expected the name of an LLM, found none.", remedy)
    return settings.model_copy(update={"proposer": "grammar"})


def uses_llm(settings: RunSettings) -> bool:
    """Whether a run asks an LLM."""
    return settings.proposer in ("llm", "both")


def first_prompt(problem: Problem, settings: RunSettings) -> str:
    """Everything that the first question to an LLM says; nothing is sent."""
    from archsearch.llm.question import Form, form_in_words, tools_in_words
    from archsearch.proposers.baselines import baseline_candidates
    from archsearch.proposers.memory import Given, Past
    from archsearch.proposers.questions import TOOL_CALLS
    from archsearch.proposers.replies import Reply

    baselines = [Past(number, item) for number, item in enumerate(baseline_candidates(problem.space).values())]
    questions = _questions(problem, settings, Given(baselines), _nothing_is_fitted)
    conversation, tools = questions.conversation((), questions.first), questions.tools((), questions.first)
    parts = [f"==== {message.role}\n\n{message.text.strip()}" for message in conversation]
    parts.append(f"==== the form of the reply, as the endpoint wants it told\n\n{form_in_words(Form.of(Reply))}")
    parts.append(f"==== the tools, at most {TOOL_CALLS} calls, told likewise\n\n{tools_in_words(tools)}")
    return "\n\n".join(parts)


@contextmanager
def proposing(
    study: Study, problem: Problem, settings: RunSettings, tier: Tier, recorded: bool, tell: Tell
) -> Iterator[Proposing]:
    """The proposer of a run, with what it holds open until the search ends.

    Args:
        study: the run.
        problem: what is asked.
        settings: of the run.
        tier: the walls that candidates run behind.
        recorded: they come from a run folder, so a key goes only where this person says, see `endpoint_of`.
        tell: told which proposer it is, what the LLM may cost and has cost, and when it is out.
    """
    from archsearch.proposers.grammar import GrammarProposer
    from archsearch.proposers.recorded import RecordedProposer
    from archsearch.review.policy import policy_gate, recorded_gate, was_reviewed
    from archsearch.study.memory import StudyMemory
    from archsearch.study.store import Study

    if settings.replay is not None and was_reviewed(Study.open(Path(settings.replay))):
        again = Study.open(Path(settings.replay))
        tell(f"proposals and decisions: those of {again.id}; nobody is asked")
        candidates = {number: item.candidate for number, item in again.proposals().items()}
        yield Proposing(RecordedProposer(candidates), recorded_gate(again))
        return
    if not uses_llm(settings):
        tell("proposer: grammar; no LLM is asked")
        grammar = GrammarProposer(problem.space, settings.seed, StudyMemory(study))
        yield Proposing(grammar, policy_gate(study, problem.space, settings))
        return
    with ExitStack() as stack:
        llm = stack.enter_context(_llm(study, settings, recorded))
        questions = _questions(problem, settings, StudyMemory(study), _quick_fit(problem, settings, tier, stack))
        yield _with_llm(study, problem, settings, llm, questions, tell, stack)


def _with_llm(
    study: Study, problem: Problem, settings: RunSettings, llm: Llm, questions: Questions, tell: Tell, stack: ExitStack
) -> Proposing:
    """The language proposer, by itself or beside the grammar."""
    from archsearch.proposers.grammar import GrammarProposer
    from archsearch.proposers.language import LanguageProposer
    from archsearch.review.policy import policy_gate
    from archsearch.study.memory import StudyMemory, refusing

    memory = StudyMemory(study)
    grammar = GrammarProposer(problem.space, settings.seed, memory)
    tell(f"proposer: {_named(settings)}")
    tell(f"LLM: {_estimate(questions, settings)}")
    stack.callback(lambda: tell(f"LLM: {llm.ledger.told()}"))
    language = LanguageProposer(questions, llm, grammar, lambda text: tell(f"note: {text}"))
    proposer = _both(language, grammar, study, settings) if settings.proposer == "both" else language
    return Proposing(
        proposer, refusing(memory, problem.space, policy_gate(study, problem.space, settings)), llm.ledger.told
    )


def _questions(problem: Problem, settings: RunSettings, memory: Memory, quick_fit: QuickFit) -> Questions:
    """The questions to the LLM, under the names of the problem or under others."""
    from archsearch.proposers.anonymous import AnonymousQuestions
    from archsearch.proposers.questions import Questions

    kind = AnonymousQuestions if settings.anonymise else Questions
    return kind(problem, memory, settings.generation, quick_fit)


def _named(settings: RunSettings) -> str:
    """Who proposes, in words."""
    model = f"the LLM {settings.llm.model}"
    replay = f", its replies those of {settings.replay}" if settings.replay else ""
    model += ", told other names" if settings.anonymise else ""
    return f"{'grammar and ' if settings.proposer == 'both' else ''}{model}{replay}"


def _estimate(questions: Questions, settings: RunSettings) -> str:
    """What the LLM may cost, before the start."""
    from archsearch.llm.budget import estimate
    from archsearch.proposers.questions import ROUND

    rounds = math.ceil(max(0, settings.budget.trials - questions.first) / ROUND)
    said = "\n".join(message.text for message in questions.conversation((), questions.first))
    return f"{estimate(settings.llm, rounds, said)}; more if replies need repairs or tools"


def _llm(study: Study, settings: RunSettings, recorded: bool) -> Llm:
    from archsearch.llm.client import Llm
    from archsearch.llm.endpoint import endpoint_of
    from archsearch.study.files import LLM

    endpoint = endpoint_of(settings.llm, os.environ, recorded=recorded)
    if endpoint is None:
        raise RequestError(f"{study.id}: expected an LLM in its settings, found none.", "Start a new run.")
    replay = Path(settings.replay) / LLM if settings.replay else None
    return Llm(endpoint, study.folder / LLM, replay)


def _both(language: LanguageProposer, grammar: Proposer, study: Study, settings: RunSettings) -> Proposer:
    from archsearch.llm.record import Record
    from archsearch.proposers.both import BothProposer
    from archsearch.proposers.questions import round_of
    from archsearch.study.files import LLM

    record = Record(study.folder / LLM)

    def asking_seconds(number: int) -> float:
        asked = ((round_of(exchange.occasion), exchange.seconds) for exchange in record.exchanges())
        return sum(seconds for begin, seconds in asked if begin is not None and begin < number)

    repeated = _authors(Path(settings.replay)) if settings.replay else lambda begin: None
    return BothProposer(language, grammar, settings.seed, asking_seconds, repeated)


def _authors(folder: Path) -> Callable[[int], Arm | None]:
    """Whose each round of another run was."""
    from archsearch.proposers.questions import ROUND
    from archsearch.proposers.replies import AUTHOR
    from archsearch.study.store import Study

    authors = {number: item.candidate.author for number, item in Study.open(folder).proposals().items()}

    def author(begin: int) -> Arm | None:
        found = [authors[number] for number in range(begin, begin + ROUND) if number in authors]
        return None if not found else "llm" if AUTHOR in found else "grammar"

    return author


def _nothing_is_fitted(candidate: Candidate) -> Evaluation:
    """In the place of a quick fit where a question is only looked at."""
    raise RuntimeError(f"expected that nothing is fitted while a prompt is shown, found candidate {candidate.id}")


def _quick_fit(problem: Problem, settings: RunSettings, tier: Tier, stack: ExitStack) -> QuickFit:
    """A fit of little effort, in a sandbox that is only opened if an LLM asks for one."""
    fit = settings.fit.model_copy(update={"restarts": 1, **QUICK})
    limits = settings.limits.model_copy(update={"wall_seconds": min(QUICK_SECONDS, settings.limits.wall_seconds)})
    cheap = settings.model_copy(update={"fit": fit, "limits": limits})

    @cache
    def evaluator() -> Evaluator:
        from archsearch.evaluation import Evaluator, sandbox_of

        found = Evaluator(problem, cheap, sandbox_of(limits, tier))
        stack.callback(found.close)
        return found

    def fitted(candidate: Candidate) -> Evaluation:
        return evaluator().evaluate(candidate, 0).evaluation

    return fitted
