"""A candidate: one hybrid model as Python source, with where it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property


def content_id(source: str) -> str:
    """The id of a source: the first 12 hex digits of the SHA-256 of its text, blank space at line ends left out.

    Halves of surrogate pairs, which no file can hold, have an id too: it is the static check that refuses them.
    """
    text = "\n".join(line.rstrip() for line in source.strip().splitlines())
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]


PROGRAMS = frozenset({"grammar", "llm"})
"""Authors that are no persons."""


@dataclass(frozen=True)
class Candidate:
    """One hybrid model in the model language.

    Attributes:
        source: the Python file.
        author: `grammar`, `llm`, or the name of a person.
        claim: one line that says what this candidate assumes.
        parents: ids of the candidates that it was made from.
        genome: the genome as Optuna parameters, where there is one.
        rationale: why it should be tried and what it is expected to do, where its author said so.
    """

    source: str
    author: str
    claim: str = ""
    parents: tuple[str, ...] = ()
    genome: dict[str, str | float | int | bool] | None = field(default=None, hash=False)
    rationale: str = ""

    @property
    def is_by_person(self) -> bool:
        """Whether a person wrote it."""
        return self.author not in PROGRAMS

    @cached_property
    def id(self) -> str:
        """The content hash of the source."""
        return content_id(self.source)
