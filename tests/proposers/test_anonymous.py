"""Under other names a problem is the same problem, and says nothing of what it is."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from itertools import islice

import pytest
from language_fakes import FakeLlm, FakeMemory, evaluation

from archsearch.bundled import spaces, template
from archsearch.candidate import describe
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.check import check
from archsearch.candidate.genes import from_parameters
from archsearch.candidate.genome import Genome
from archsearch.candidate.outcome import Evaluation, Failure
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.proposers.aliases import Aliases
from archsearch.proposers.anonymous import AnonymousQuestions, Translator
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.canonical import canonical
from archsearch.proposers.consulting import DataArguments, ResidualArguments
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.language import LanguageProposer
from archsearch.proposers.memory import Past, Wishes
from archsearch.proposers.moves import GeneSpace
from archsearch.proposers.obeying import violations
from archsearch.proposers.wording import PLAIN

BUNDLED = ("bioreactor", "bioreactor_variant", "hare_lynx", "boarding_school_flu", "pendulum", "pendulum_variant")


def candidates(problem: Problem, count: int) -> list[Candidate]:
    """Some of all that the grammar may propose."""
    space = problem.space
    every = list(GeneSpace(space).all())
    some = islice(every, 0, None, -(-len(every) // count))
    return [candidate_of(from_parameters(genes, space), space) for genes in some]


def told_in_a_search(problem: Problem) -> str:
    """The question of a round in the midst of a search, and what the tools tell."""
    state, term, slot = (table[-1].name for table in (problem.space.states, problem.space.terms, problem.space.slots))
    memory = FakeMemory(
        wanted=Wishes((f"See {state}.",), (problem.space.terms[0].name,), (slot,), ((1, 0),), (f"of {term}",))
    )
    history = []
    for number, candidate in enumerate(candidates(problem, 8)):
        memory.past.append(Past(number, candidate, "It uses " + problem.space.state_names[0] if number == 7 else ""))
        name = problem.space.parameters[0].name
        if number < 3:
            history.append(evaluation(candidate, number, 0.5, **{name: 1.0}))
    failure = Failure(kind="check", message=f"Net sees {problem.space.state_names[-1]}.", remedy="Mend it.")
    history.append(Evaluation.of(memory.past[3].candidate, 3, failure))
    questions = AnonymousQuestions(problem, memory, 4)
    told = [questions.conversation(history, 12)[1].text]
    data, _, residual = questions.tools(history, 12)
    told.append(data.function(DataArguments(trajectory="", states=(), rows=5)))
    told.append(residual.function(ResidualArguments(state="s1", expression="s1", against="s1")))
    return "\n".join(told)


def test_wishes_are_told_and_checked_under_other_names() -> None:
    problem = load_problem("bioreactor")
    wanted = Wishes(("S runs out.",), ("monod", "kinetics"), ("growth_rate",), ((1, 0),), ("of uptake",))
    told = AnonymousQuestions(problem, FakeMemory(wanted=wanted), 4).wishes(3)
    aliases = Aliases.of(problem.space).names
    assert told.hints == (f"{aliases['S']} runs out.",)
    assert told.bans == (aliases["monod"], aliases["kinetics"])
    assert told.pins == (aliases["growth_rate"],)
    assert (told.preferences, told.reasons) == (((1, 0),), (f"of {aliases['uptake']}",))
    hidden = AnonymousQuestions(problem, FakeMemory(), 4).space
    law = candidate_of(Genome(terms={"growth_rate": "monod"}), problem.space)
    found = violations(Translator(problem).candidate(law).source, hidden, told)
    assert found[0] == f"uses the term '{aliases['monod']}', which is banned"


@pytest.mark.parametrize("name", BUNDLED)
def test_no_name_and_no_word_of_the_description_is_told(name: str) -> None:
    problem = load_problem(name)
    space = problem.space
    told = told_in_a_search(problem)
    words = set(re.findall(r"[A-Za-z_]\w*", told))
    tables = (space.states, space.inputs, space.parameters, space.terms, space.library, space.slots, space.constraints)
    names = {item.name for table in tables for item in table}
    assert names & words == set()
    assert all(unit not in told for unit in space.problem.counting_units)
    described = [space.problem.title, space.problem.description]
    described += [getattr(item, "description", "") for table in tables for item in table]
    spoken = set(re.findall(r"[a-z]{5,}", " ".join(described).lower()))
    assert spoken & set(re.findall(r"[a-z]{5,}", told.lower())) - _our_words() - PLAIN == set()
    titles = {word for other in spaces() for word in spoken_words(load_problem(other).space.problem.title)}
    assert titles & spoken_words(told) - PLAIN - _our_words() == set()


def spoken_words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}", text.lower()))


@pytest.mark.parametrize("name", sorted(spaces()))
def test_a_description_keeps_plain_words_and_signs_alone(name: str) -> None:
    space = load_problem(name).space
    aliases = Aliases.of(space)
    hidden = aliases.space(space)
    tables = (hidden.states, hidden.inputs, hidden.parameters, hidden.terms, hidden.library, hidden.slots)
    told = [hidden.problem.description.partition("\n")[2], *(item.description for table in tables for item in table)]
    signs = {*aliases.names.values(), *aliases.signs.values()}
    words = {word for text in told for word in re.findall(r"[^\W_][\w'-]*", text)}
    assert {word for word in words if word.lower() not in PLAIN} <= signs
    assert not any(character.isdigit() for word in words - signs for character in word)
    assert len(" ".join(told)) > 100


def test_no_plain_word_names_anything_in_any_bundled_space() -> None:
    named = set()
    for name in spaces():
        space = load_problem(name).space
        tables = (space.states, space.inputs, space.parameters, space.terms, space.library, space.slots)
        named |= {item.name for table in tables for item in table}
        named |= {word for word in spoken_words(space.problem.title) if word not in ("and", "with")}
        named |= {word for state in space.states for word in spoken_words(state.description)} - {"who", "have", "not"}
    assert {word for word in named & PLAIN if len(word) > 1} - NO_NOUNS == set()


NO_NOUNS = frozenset(["been", "others", "again", "yet", "from", "rest", "the", "and", "up"])
"""What else stands in descriptions of states: `boys up again and not yet back in class`, `angle from rest`."""


def test_a_noun_of_a_state_is_its_alias_and_returns_as_its_name() -> None:
    aliases = Aliases.of(load_problem("bioreactor").space)
    assert aliases.described("Biomass grows on a substrate, 763 boys with it.").startswith("s1 ")
    assert aliases.text("the substrate limits biomass") == "the s3 limits s1"
    told = aliases.described("Mass balances hold.")
    assert "alance" not in told
    assert "balances" in aliases.back().text(told)
    assert aliases.described("Zymurgy with 40 vats") == "something with # something"


def _our_words() -> set[str]:
    """What our own prompts and sentences say whatever the problem is."""
    parts = ("problem", "data", "progress", "candidate")
    said = " ".join(template(f"prompts/{part}.md.j2") for part in parts) + inspect.getsource(describe)
    said += " trusted suspect class which their leaves "
    return set(re.findall(r"[a-z]{5,}", said.lower()))


@pytest.mark.parametrize("name", BUNDLED)
def test_a_candidate_is_valid_under_other_names_and_the_same_when_it_returns(name: str) -> None:
    problem = load_problem(name)
    translator = Translator(problem)
    hidden_space = Aliases.of(problem.space).space(problem.space)
    for candidate in candidates(problem, 12):
        hidden = translator.candidate(candidate)
        assert [str(finding) for finding in check(hidden.source, hidden_space)] == []
        returned = translator.back(hidden)
        assert returned.genome == candidate.genome
        assert returned.source == candidate.source
        written = translator.back(Candidate(hidden.source, "llm", hidden.claim))
        assert check(written.source, problem.space) == []
        assert canonical(written.source) == canonical(candidate.source) is not None


def test_names_that_a_source_brings_up_say_nothing_and_stay_apart() -> None:
    problem = load_problem("bioreactor")
    source = next(iter(candidates(problem, 1))).source
    own = source.replace("mu =", "yeast_speed =").replace("self.mu", "self.yeast_speed")
    own = own.replace("return", "foam = 1.0\n        return")
    hidden = Translator(problem).candidate(Candidate(own, "somebody")).source
    assert "yeast" not in hidden
    assert "foam" not in hidden
    assert len(set(re.findall(r"\bv\d\b", hidden))) == 2


def test_a_reply_under_other_names_becomes_a_candidate_under_those_of_the_problem() -> None:
    problem = load_problem("bioreactor")
    memory, grammar = FakeMemory(), GrammarProposer(problem.space, 0)
    edit = {"claim": "l1 for q1: s3 limits", "parent": "0", "edits": [{"gene": "term.q1", "value": "l1"}]}
    questions = AnonymousQuestions(problem, memory, 4)
    code = Translator(problem).candidate(next(iter(candidates(problem, 1)))).source
    grown = "mu = 1.0\n        q3 = self.term('q3', mu * q1 * x.s1 ** 2)"
    code = code.replace("q3 = self.term('q3', q1 * x.s1)", grown)
    llm = FakeLlm([{"proposals": [edit, {"claim": "s1 crowds", "source": code}]}])
    asking = LanguageProposer(questions, llm, grammar)
    for number in range(5):
        taken = frozenset(item.candidate.id for item in memory.past)
        found = asking.propose((), taken, number)
        assert found is not None
        memory.past.append(Past(number, found))
    monod, crowded = memory.past[3].candidate, memory.past[4].candidate
    assert monod.claim == "monod for growth_rate: S limits"
    assert monod.genome is not None
    assert monod.genome["term.growth_rate"] == "monod"
    assert monod.parents == (memory.past[0].candidate.id,)
    assert crowded.claim == "X crowds"
    assert "x.X ** 2" in crowded.source
    assert "mu_new * " in crowded.source
    assert check(monod.source, problem.space) == check(crowded.source, problem.space) == []


def test_the_question_is_the_same_in_another_session() -> None:
    problem = load_problem("bioreactor")
    assert told_in_a_search(problem) == told_in_a_search(problem)


def test_what_was_told_before_is_not_renamed_again_unless_something_was_decided() -> None:
    problem = load_problem("hare_lynx")
    parent, child = candidates(problem, 2)[:2]
    memory = FakeMemory([Past(0, parent), Past(1, replace(child, parents=(parent.id,)), waits=True)])
    questions = AnonymousQuestions(problem, memory, 4)
    first, again = questions.past(5), questions.past(5)
    assert first[1].candidate.parents == (first[0].candidate.id,) != (parent.id,)
    assert [one is other for one, other in zip(first, again, strict=True)] == [True, True]
    memory.past[1] = replace(memory.past[1], waits=False, refusal="the scientist refused it: too many lynx")
    decided = questions.past(5)[1]
    assert decided.candidate == first[1].candidate
    assert "the scientist refused it" in decided.refusal
    assert "lynx" not in decided.refusal
