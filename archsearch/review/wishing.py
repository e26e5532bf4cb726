"""What a person wants of a search: checked, remembered, and answered with what will change."""

from __future__ import annotations

from archsearch.candidate.used import used_in
from archsearch.errors import RequestError, did_you_mean
from archsearch.problem.space import SearchSpace
from archsearch.proposers.memory import Wishes
from archsearch.proposers.obeying import listed, refuse_impossible, uses
from archsearch.study.memory import EVER
from archsearch.study.record import Allow, Ban, Hint, Pin, Preference, Release, Wish, WishedLine
from archsearch.study.steering import Steering
from archsearch.study.store import Study
from archsearch.study.wishes import wishes_at


def wish_for(study: Study, space: SearchSpace, wish: Wish, by: str) -> WishedLine:
    """Remember what a person wants; a search that runs hears of it at once.

    Args:
        study: the run.
        space: what it searches.
        wish: of the person.
        by: the person.

    Raises:
        RequestError: it names what there is not, or no proposal could honour it.
    """
    steering = Steering(study)
    refuse_unfit(wish, space, wishes_at(steering.wishes(), EVER))
    return steering.wish(wish, by)


def refuse_unfit(wish: Wish, space: SearchSpace, wanted: Wishes) -> None:
    """Refuse a wish that could not be honoured beside what is wanted already.

    Raises:
        RequestError: it is a ban or a pin of that kind, or the release of what is neither banned nor pinned.
    """
    match wish:
        case Ban():
            refuse_impossible(space, wanted, banned=wish.name)
        case Pin():
            refuse_impossible(space, wanted, pinned=wish.name)
        case Release():
            known = (*wanted.bans, *wanted.pins)
            if wish.name not in known:
                hint = did_you_mean(wish.name, known) or "."
                now = f"Banned and pinned now: {listed(known)}." if known else "Nothing is banned or pinned now."
                raise RequestError(f"'{wish.name}' is neither banned nor pinned{hint}", now)
        case Hint() | Preference() | Allow():
            pass


def consequence(study: Study, space: SearchSpace, line: WishedLine) -> str:
    """What will change, from which proposal on, and what will not."""
    start = f"From proposal {line.number} on"
    match line.wish:
        case Hint():
            if study.settings.proposer == "grammar":
                return "This search asks no LLM, and the grammar cannot read: the hint is kept in the record."
            return f"{start} the LLM is told so whenever it is asked."
        case Ban(name=name):
            now = f"{start} nothing that uses {name} is proposed, and what waits and uses it is refused."
            return now + _marked(study, space, name)
        case Pin(name=name):
            return f"{start} everything that is proposed uses {name}, and what waits and does not is refused."
        case Release(name=name):
            return f"{start} {name} is free: the search may use it or leave it."
        case Preference(better=better, worse=worse):
            return f"{start} {_direction(study, better, worse)} Scores and ranking stay as they are."
        case Allow(like=like):
            return f"{start} proposals of this kind need no person: {like}."


def _marked(study: Study, space: SearchSpace, name: str) -> str:
    """A sentence on the evaluated candidates that use what is banned."""
    found = [str(item.number) for item in study.ranked() if uses(name, study.source(item.number), space)]
    if not found:
        return ""
    these = f"Number {found[0]} uses" if len(found) == 1 else f"Numbers {listed(found)} use"
    stay = "stays on the leaderboard" if len(found) == 1 else "stay on the leaderboard"
    return f" {these} it and {stay}."


def _direction(study: Study, better: int, worse: int) -> str:
    """Where a preference leads, in names."""
    one, other = (_names(study.source(number)) for number in (better, worse))
    gained, lost = sorted(one - other), sorted(other - one)
    parts = [f"towards {listed(gained)}"] if gained else []
    parts += [f"away from {listed(lost)}"] if lost else []
    if not parts:
        return f"the search starts rather from number {better} than from {worse}; they use the same terms and nets."
    return f"the search leans {' and '.join(parts)}, and starts rather from number {better} than from number {worse}."


def _names(source: str) -> set[str]:
    used = used_in(source)
    nets = (f"{name} ({net.role}, sees {' and '.join(net.inputs)})" for name, net in used.nets.items())
    return {*used.terms, *nets}
