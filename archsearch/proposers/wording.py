"""A description without its nouns: the plain words of a sentence stay, all others become signs that mean nothing.

Which words say what a problem is about cannot be listed, so the words that do not are: function words, and words of
measuring and of curves. Whatever is not among them is replaced, and so cannot be told by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from archsearch.problem.space import SearchSpace

WORD = re.compile(r"[^\W\d_][^\W_]*(?:[_'-][^\W_]+)*|\d[\d.,]*[^\W_]*")
"""A word with its hyphens, or a number with what hangs on it."""
NUMBER = "#"
TABLES = ("states", "inputs", "parameters", "terms", "library", "slots", "constraints")
PLAIN = frozenset(Path(__file__).with_name("plain_words.txt").read_text(encoding="utf-8").split())
"""Words that say nothing of what a problem is about."""


def signs_of(space: SearchSpace, names: Mapping[str, str]) -> dict[str, str]:
    """What every telling word of a space's title and descriptions is replaced by, in lower case.

    A word that alone describes something named becomes the alias of that; every other one gets a number.

    Args:
        space: with its descriptions.
        names: what states, inputs, parameters and terms are called instead.
    """
    found: dict[str, str] = {}
    described = [(item.name, item.description) for item in space.states]
    for name, description in described + [(item.name, item.description) for item in space.inputs]:
        own = set(_telling([description])) - {name}
        if len(own) == 1:
            found.setdefault(own.pop(), names[name])
    for name in names:
        if len(name) > 1 and name.lower() not in PLAIN:
            found.setdefault(name.lower(), names[name])
    taken = {*names, *names.values()}
    fresh = (f"w{number}" for number in range(1, 100_000) if f"w{number}" not in taken)
    for word in _telling(_texts(space)):
        if word not in found:
            found[word] = _of_one(word, found) or next(fresh)
    return found


def renamed(text: str, signs: Mapping[str, str], known: Iterable[str]) -> str:
    """A description with its plain words, and signs for all others.

    Args:
        text: in which names are replaced already.
        signs: of the words of the space.
        known: the aliases, which stay.
    """
    kept = frozenset(known)

    def told(found: re.Match[str]) -> str:
        word = found[0]
        if word in kept or word.lower() in PLAIN:
            return word
        return NUMBER if word[0].isdigit() else signs.get(word.lower(), "something")

    return WORD.sub(told, text)


def without(text: str, signs: Mapping[str, str]) -> str:
    """A text of somebody's own in which only the telling words of the space are replaced."""
    return WORD.sub(lambda found: signs.get(found[0].lower(), found[0]), text)


def _texts(space: SearchSpace) -> list[str]:
    """Title and descriptions."""
    described = [item.description for table in TABLES for item in getattr(space, table)]
    return [space.problem.title, space.problem.description, *described]


def _telling(texts: Iterable[str]) -> list[str]:
    """The words that are not plain, in lower case, each once, in their order."""
    words = (found.lower() for text in texts for found in WORD.findall(text) if not found[0].isdigit())
    return list(dict.fromkeys(word for word in words if word not in PLAIN))


def _of_one(word: str, found: Mapping[str, str]) -> str | None:
    """The sign of the same word in the singular or in the plural."""
    return found.get(word.removesuffix("s")) or found.get(f"{word}s")
