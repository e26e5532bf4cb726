"""Whether a candidate does what a person wants, and whether what a person wants can be done at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from archsearch.candidate.plan import droppable, replacements
from archsearch.candidate.used import Used, used_in
from archsearch.errors import RequestError, did_you_mean
from archsearch.problem.space import SearchSpace, Slot
from archsearch.proposers.memory import Wishes
from archsearch.proposers.moves import GeneSpace


def known_names(space: SearchSpace) -> tuple[str, ...]:
    """What may be banned or pinned: the terms, the library and the slots of a space."""
    return tuple(item.name for table in (space.terms, space.library, space.slots) for item in table)


def violations(source: str, space: SearchSpace, wishes: Wishes) -> tuple[str, ...]:
    """Which bans and pins a candidate breaks, in sentences without a subject; empty if none.

    A term is used if the source names it with `self.term`; a slot is filled if a net of its name is declared, or one
    of another name stands where the slot is. The baselines are exempt, which is the caller's affair.

    Args:
        source: of the candidate, whoever wrote it.
        space: what it is for.
        wishes: of a person.
    """
    if not wishes.bans and not wishes.pins:
        return ()
    used = used_in(source)
    broken = [text for name in wishes.bans for text in _banned(name, used, space)]
    return tuple(broken + [text for name in wishes.pins for text in _missed(name, used, space, wishes.pins)])


def misses(name: str, source: str, space: SearchSpace, pins: Sequence[str]) -> tuple[str, ...]:
    """How a candidate breaks one of the pins, as `violations` says it; whoever pins a term and its slot wants both."""
    return tuple(_missed(name, used_in(source), space, pins))


def uses(name: str, source: str, space: SearchSpace) -> bool:
    """Whether a candidate uses a term, or fills a slot."""
    return any(True for _ in _banned(name, used_in(source), space))


def refuse_impossible(space: SearchSpace, wishes: Wishes, banned: str = "", pinned: str = "") -> None:
    """Refuse a ban or a pin that no proposal could honour.

    Args:
        space: what is searched.
        wishes: what holds already.
        banned: a name that is to be banned from now on.
        pinned: a name that every proposal shall use from now on.

    Raises:
        RequestError: there is no such name, the physics cannot do without it, or nothing would be left to propose.
    """
    name = banned or pinned
    if name not in known_names(space):
        found = f"There is no term and no slot called '{name}'{did_you_mean(name, known_names(space))}"
        raise RequestError(
            found if found.endswith("?") else f"{found}.", f"Choose one of: {listed(known_names(space))}."
        )
    if banned:
        _refuse_fixture(banned, space)
    wanted = with_name(wishes, banned=banned, pinned=pinned)
    if GeneSpace(space, wanted).is_empty:
        verb = "banned" if banned else "pinned"
        others = listed([other for other in (*wishes.bans, *wishes.pins) if other != name])
        beside = f" beside what is banned and pinned already ({others})" if others else ""
        raise RequestError(f"With '{name}' {verb}{beside}, nothing is left to propose.", _way_out(name, space, wanted))


def with_name(wishes: Wishes, banned: str = "", pinned: str = "") -> Wishes:
    """The wishes with one more ban or pin, which takes back the opposite."""
    bans = tuple(name for name in wishes.bans if name not in (banned, pinned))
    pins = tuple(name for name in wishes.pins if name not in (banned, pinned))
    return replace(wishes, bans=(*bans, *([banned] if banned else ())), pins=(*pins, *([pinned] if pinned else ())))


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names one after the other."""
    return ", ".join(names)


def _banned(name: str, used: Used, space: SearchSpace) -> Iterator[str]:
    if name in used.terms:
        yield f"uses the term '{name}', which is banned"
    for slot in _slots(name, space):
        for net in _standing_in(slot, used):
            under = "" if net == name else f" with the net '{net}'"
            yield f"fills the slot '{name}'{under}, which is banned"


def _missed(name: str, used: Used, space: SearchSpace, pins: Sequence[str]) -> Iterator[str]:
    slots = _slots(name, space)
    if not slots and name not in used.terms:
        yield f"does not use the term '{name}', which is pinned"
    if not slots and not any(name in _place(slot, used) for slot in space.slots if slot.name in pins):
        for net in used.in_place_of(name):
            yield f"puts the net '{net}' in the place of the term '{name}', which is pinned"
    for slot in slots:
        if not _standing_in(slot, used):
            yield f"does not fill the slot '{name}', which is pinned"


def _slots(name: str, space: SearchSpace) -> list[Slot]:
    return [slot for slot in space.slots if slot.name == name]


def _standing_in(slot: Slot, used: Used) -> list[str]:
    """The nets that stand in a slot, under its name or under another."""
    places = _place(slot, used)
    return [net for net in used.nets if net == slot.name or places & used.places.get(net, frozenset())]


def _place(slot: Slot, used: Used) -> set[str]:
    """What a slot stands on, by the name in the space and by that of what is there instead."""
    place = str(slot.term or slot.parameter or slot.equation)
    return {place, used.replaced.get(place, place)}


def _refuse_fixture(name: str, space: SearchSpace) -> None:
    """Refuse a ban on a given term that the search may not leave out."""
    term = next((term for term in space.terms if term.name == name), None)
    if term is None or (term.trust == "suspect" and (droppable(term, space) or replacements(term, space))):
        return
    if term.trust == "trusted":
        why, remedy = "is trusted, so every proposal keeps it", 'Say trust = "suspect" in its table of the space file'
    else:
        why, remedy = "is what other terms are made from", "Name a term in the library that replaces it"
    raise RequestError(f"The term '{name}' {why}.", f"{remedy}, and start a new run; or ban another one.")


def _way_out(name: str, space: SearchSpace, wanted: Wishes) -> str:
    """What to release: one that makes room by itself, if there is one."""
    for other in (*wanted.pins, *wanted.bans):
        without = Wishes(
            bans=tuple(item for item in wanted.bans if item != other),
            pins=tuple(item for item in wanted.pins if item != other),
        )
        if other != name and not GeneSpace(space, without).is_empty:
            return f"Release '{other}' first: `archsearch release RUN {other}`."
    return "Release what stands against it first: `archsearch release RUN NAME`."
