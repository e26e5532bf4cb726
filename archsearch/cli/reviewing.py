"""The session in which a person decides on waiting proposals, one card after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from archsearch.cli.card import card_lines, code_lines
from archsearch.cli.editor import Draft
from archsearch.cli.output import visible
from archsearch.errors import MachineError, RequestError
from archsearch.review.fit import fields_of, fit_of
from archsearch.review.wording import four, listed
from archsearch.study.record import Ban, Hint, Pin, Preference, Wish
from archsearch.study.steering import AlreadyDecidedError

if TYPE_CHECKING:
    from rich.console import Console

    from archsearch.review.card import Card
    from archsearch.review.desk import Desk

Ask = Callable[[str], str | None]
"""Asks a question and returns the line that was typed; None at the end of input."""
Next = Literal["again", "next", "leave"]
"""What follows a key: the same proposal again, the next one, or the end of the session."""

HELP = """\
  a [why]      approve it: it will be trained
  r [why]      reject it, with a reason that proposers are told
  e            edit it in $VISUAL or $EDITOR: your version is trained in its place
  s            skip it: it waits on
  l            approve it and all like it, now and from now on
  b [name]     ban a term or a slot from all further proposals
  p [name]     pin a term or a slot: all further proposals use it
  h [text]     give proposers a hint
  f [x y why]  prefer evaluated candidate x to y
  d            show the code diff
  q            quit: whatever is undecided waits on
  ?            this help"""
KEYS = "a r e s l b p h f d q, ? explains"
SHOWN = 8


class Review:
    """Shows cards and does what the person says; an end of input leaves everything undecided as it is.

    Args:
        desk: of the run.
        console: where cards are printed.
        ask: how the person is asked.
        by: the name of the person.
    """

    def __init__(self, desk: Desk, console: Console, ask: Ask, by: str) -> None:
        self._desk = desk
        self._console = console
        self._ask = ask
        self._by = by
        self._keys: dict[str, Callable[[Card, str], Next]] = {
            "a": self._approve,
            "r": self._reject,
            "e": self._edit,
            "s": lambda card, text: "next",
            "l": self._approve_like,
            "b": lambda card, text: self._name(card, text, "ban"),
            "p": lambda card, text: self._name(card, text, "pin"),
            "h": self._hint,
            "f": self._prefer,
            "d": self._code,
            "q": lambda card, text: "leave",
            "?": self._help,
        }

    def run(self) -> None:
        """Go through what waits, until nothing does or the person leaves."""
        seen: set[int] = set()
        while True:
            waiting = self._desk.waiting()
            left = [number for number in waiting if number not in seen]
            if not left:
                break
            seen.add(left[0])
            if self._one(left[0], len(left)) == "leave":
                waiting = self._desk.waiting()
                break
        count = len(waiting)
        told = "Nothing waits for a decision." if not count else f"{count} still {'waits' if count == 1 else 'wait'}."
        self._say(told)

    def show(self, number: int) -> None:
        """Show the card of a proposal, and ask nothing."""
        self._show(self._desk.card(number))

    def _one(self, number: int, count: int) -> Next:
        """Show a card, and do what is said until that is a decision."""
        card = self._desk.card(number)
        self._show(card)
        result: Next = "again"
        while result == "again":
            typed = self._ask(f"\nproposal {number}, {count} left: {KEYS} > ")
            if typed is None:
                return "leave"
            result = self._do(card, typed.strip())
        return result

    def _do(self, card: Card, typed: str) -> Next:
        key, text = typed[:1].lower(), typed[1:].strip()
        if not key:
            return "again"
        if key not in self._keys or (typed[1:2].strip() and key not in "?"):
            self._say(f"'{typed}' means nothing here; ? explains the keys.")
            return "again"
        try:
            return self._keys[key](card, text)
        except AlreadyDecidedError as error:
            self._say(f"Meanwhile: {error.message}")
            return "next"
        except (RequestError, MachineError) as error:
            self._say(str(error))
            return "again"

    # ---- decisions --------------------------------------------------------------------------------------------------

    def _approve(self, card: Card, text: str) -> Next:
        self._desk.decide(card.number, approved=True, by=self._by, reason=text)
        self._say(f"Number {card.number} is approved.")
        return "next"

    def _reject(self, card: Card, text: str) -> Next:
        reason = text or self._ask("Why? (Enter alone: back) > ")
        if not reason:
            return "leave" if reason is None else "again"
        self._desk.decide(card.number, approved=False, by=self._by, reason=reason)
        self._say(f"Number {card.number} is rejected: {reason}")
        return "next"

    def _approve_like(self, card: Card, text: str) -> Next:
        done = self._desk.approve_like(card.number, self._by, text)
        numbers = listed([str(number) for number in done])
        verb = "is" if len(done) == 1 else "are"
        self._say(f"Number {numbers} {verb} approved, and so will be all of this kind: {card.kind}.")
        return "next"

    def _edit(self, card: Card, text: str) -> Next:
        """Edit until nothing is wrong with it, or the person gives up."""
        draft = Draft(card.source, card.number)
        while True:
            source = draft.edit()
            found = self._desk.checked(card.number, source, self._by)
            if found.candidate is not None:
                break
            self._say(f"{len(found.findings)} to mend:")
            for finding in found.findings:
                self._say(f"  - {finding}")
            answer = self._ask("e edits it again, anything else gives up > ")
            if answer is None or answer.strip().lower() != "e":
                self._say(f"Nothing is decided. What you wrote is kept in {draft.path}.")
                return "leave" if answer is None else "again"
        reason = text or self._ask("Why? (Enter alone: no reason) > ")
        if reason is None:
            self._say(f"Nothing is decided. What you wrote is kept in {draft.path}.")
            return "leave"
        _, child = self._desk.edit(card.number, source, self._by, reason)
        draft.drop()
        self._say(f"Number {card.number} is replaced by yours, number {child}, which is approved.")
        return "next"

    # ---- wishes -----------------------------------------------------------------------------------------------------

    def _name(self, card: Card, text: str, kind: Literal["ban", "pin"]) -> Next:
        name = text or self._choose(card, kind)
        if not name:
            return "leave" if name is None else "again"
        wish: Wish = Ban(name=name) if kind == "ban" else Pin(name=name)
        self._desk.wish(wish, self._by)
        use = "may use" if kind == "ban" else "must use"
        who = "no proposal" if kind == "ban" else "every proposal"
        self._say(f"From now on {who} {use} '{name}'. `archsearch release` takes that back.")
        if (kind == "ban") == (name in card.names):
            self._say(
                f"This one {'uses' if kind == 'ban' else 'does not use'} it: the search will refuse it, or r does."
            )
        return "again"

    def _choose(self, card: Card, kind: str) -> str | None:
        """A name from those that there are, those on the card first, by its place in the list or as it is."""
        names = [*card.names, *(name for name in self._desk.names if name not in card.names)]
        wishes = self._desk.wishes()
        for place, name in enumerate(names, 1):
            marks = ["in this proposal"] if name in card.names else []
            marks += ["banned"] if name in wishes.bans else ["pinned"] if name in wishes.pins else []
            self._say(f"  {place:>3}  {name}" + (f" ({', '.join(marks)})" if marks else ""))
        typed = self._ask(f"Which one to {kind}? (number or name; Enter alone: back) > ")
        chosen = typed.strip() if typed is not None else None
        if chosen and chosen.isdecimal() and 1 <= int(chosen) <= len(names):
            return names[int(chosen) - 1]
        return chosen

    def _hint(self, card: Card, text: str) -> Next:
        typed = text or self._ask("Hint for the proposers? (Enter alone: back) > ")
        if typed is None:
            return "leave"
        if typed.strip():
            self._desk.wish(Hint(text=typed.strip()), self._by)
            self._say("Noted: the next proposals are made with it.")
        return "again"

    def _prefer(self, card: Card, text: str) -> Next:
        if not text:
            for item in [found for found in self._desk.reader.ranked() if found.validation is not None][:SHOWN]:
                self._say(f"  {item.number:>4}  nrmse {four(item.error)}  {item.claim}")
            typed = self._ask("Prefer which to which, and why? (e.g. 7 3 simpler; Enter alone: back) > ")
            if not typed or not typed.strip():
                return "leave" if typed is None else "again"
            text = typed.strip()
        better, worse, *why = [*text.split(maxsplit=2), "", ""][:3]
        if not (better.isdecimal() and worse.isdecimal()):
            self._say(f"Expected two numbers of evaluated candidates, found '{text}'. Write: f 7 3 it is simpler")
            return "again"
        self._desk.wish(Preference(better=int(better), worse=int(worse), reason=" ".join(why)), self._by)
        self._say(f"Noted: number {better} rather than number {worse}.")
        return "again"

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def _show(self, card: Card) -> None:
        parent, study, problem = self._desk.parent_of(card.number), self._desk.study, self._desk.problem
        number = parent.number if parent is not None else None
        drawn = self._console.encoding.lower().startswith("utf")
        fits = fit_of(study, problem, number) if number is not None and drawn else ()
        fields = fields_of(study, problem, number) if number is not None else ()
        for line in card_lines(card, fits, number, self._console.width, fields):
            self._console.print(line)

    def _code(self, card: Card, text: str) -> Next:
        for line in code_lines(card):
            self._console.print(line)
        return "again"

    def _help(self, card: Card, text: str) -> Next:
        self._say(HELP)
        return "again"

    def _say(self, text: str) -> None:
        self._console.print(visible(text))
