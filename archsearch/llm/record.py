"""What was asked and answered, a file each, so that nothing is paid for twice and a search can be repeated."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from archsearch.errors import RunError
from archsearch.llm.messages import LADDER, Rung, Usage
from archsearch.llm.outage import Kind, Outage

VERSION = 1
RUNGS = "rungs.json"
NAME = re.compile(r"[0-9a-f]{64}\.json")
R = TypeVar("R", bound=BaseModel)


class Problem(BaseModel):
    """Why a request had no reply."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    message: str
    remedy: str

    @classmethod
    def of(cls, outage: Outage) -> Problem:
        """The record of an outage."""
        return cls(kind=outage.kind, message=outage.message, remedy=outage.remedy)

    def outage(self) -> Outage:
        """The outage as it was raised."""
        return Outage(self.kind, self.message, self.remedy)


class Tokens(BaseModel):
    """The tokens of one exchange."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: int
    output: int
    cached: int = 0
    estimated: int = 0

    @classmethod
    def of(cls, usage: Usage) -> Tokens:
        """The record of a usage."""
        return cls(input=usage.input, output=usage.output, cached=usage.cached, estimated=usage.estimated)

    def usage(self) -> Usage:
        """The usage as it was."""
        return Usage(self.input, self.output, self.cached, self.estimated)


class Exchange(BaseModel):
    """One request and what came of it: a reply, or a problem.

    Attributes:
        name: the hash of the question, and the name of the file.
        at: UTC time, ISO 8601, when it was sent.
        base_url: whom it was sent to.
        model: who was asked.
        rung: how a typed reply was asked for.
        occasion: what tells it from the same words asked at another time.
        request: the body that was sent; no header is ever recorded, so no key.
        reply: the body that came back.
        problem: why there is none.
        tokens: what it used; None if nothing was charged.
        cost: in `currency`; None if the price is not known.
        currency: of `cost`.
        seconds: from asking to the last byte.
        retries: how often the client had to try again.
        request_id: by which the server knows it, for questions to its provider.
        notes: what had to be left out of the request because the server refused it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: str
    at: str
    base_url: str
    model: str
    rung: Rung
    occasion: str
    request: dict[str, Any]
    reply: dict[str, Any] | None = None
    problem: Problem | None = None
    tokens: Tokens | None = None
    cost: Decimal | None = None
    currency: str
    seconds: float
    retries: int = 0
    request_id: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        """The tokens that count; none if nothing was charged."""
        return self.tokens.usage() if self.tokens is not None else Usage()


class Rungs(BaseModel):
    """`rungs.json`: endpoint and model to the way of asking that worked last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    rungs: dict[str, Rung] = {}


class Record:
    """The folder `llm/` of a run.

    Args:
        folder: made when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Exchange | None:
        """The exchange of this name, if there was one.

        Raises:
            RunError: it is damaged, or of a version that this software does not read.
        """
        path = self.folder / f"{name}.json"
        return _read(path, Exchange) if path.exists() else None

    def keep(self, exchange: Exchange) -> None:
        """Write an exchange; it is there as a whole or not at all."""
        _write(self.folder / f"{exchange.name}.json", exchange)

    def exchanges(self) -> Iterator[Exchange]:
        """All exchanges, by name."""
        if self.folder.is_dir():
            for path in sorted(self.folder.iterdir()):
                if NAME.fullmatch(path.name):
                    yield _read(path, Exchange)

    def rung(self, where: str) -> Rung:
        """The way of asking that worked last at this endpoint, or the first one."""
        path = self.folder / RUNGS
        return _read(path, Rungs).rungs.get(where, LADDER[0]) if path.exists() else LADDER[0]

    def keep_rung(self, where: str, rung: Rung) -> None:
        """Remember the way of asking that worked."""
        if self.rung(where) == rung:
            return
        path = self.folder / RUNGS
        known = _read(path, Rungs).rungs if path.exists() else {}
        _write(path, Rungs(rungs={**known, where: rung}))


def _read(path: Path, kind: type[R]) -> R:
    remedy = f"Delete {path.name}: what it held is asked again."
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}).", remedy) from None
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in finding["loc"]) or "the record"
        raise RunError(f"{path}: not a record of version {VERSION}: {place}: {finding['msg']}.", remedy) from None


def _write(path: Path, record: BaseModel) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        file.write(record.model_dump_json(indent=1).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
