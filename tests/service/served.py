"""A server over a run of invented results, three of whose proposals wait for a person; no search and no fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from report_runs import BEST, invented_run
from starlette.testclient import TestClient

from archsearch.candidate.candidate import Candidate, content_id
from archsearch.candidate.describe import claim_of
from archsearch.candidate.genes import to_parameters
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render
from archsearch.service.app import make_app
from archsearch.service.guard import LOOPBACK
from archsearch.service.here import Service
from archsearch.service.keys import Keys
from archsearch.service.launching import Launcher
from archsearch.service.open_runs import OpenRuns
from archsearch.service.pictures import Pictures
from archsearch.study.store import Study

RUN = "20261122T101500Z-hare_lynx-k3f9"
ADDRESS = "http://127.0.0.1:8765"
WAITING = (6, 7, 8)
HOSTILE = "<img src=x onerror=alert(1)> \"'&"


def served_run(folder: Path) -> Study:
    """Six evaluated candidates, and three proposals that wait."""
    study = invented_run(folder)
    problem = study.problem()
    space = problem.space
    genomes = [
        replace(BEST, slots={"profit": NetGene("replace", ("hare",), (8,))}),
        replace(BEST, slots={"profit": NetGene("scale", ("hare", "lynx"), (4,))}),
        Genome(added=tuple(term.name for term in space.library if not term.replaces)[:2]),
    ]
    with study.writing(problem) as writer:
        for number, genome in zip(WAITING, genomes, strict=True):
            claim = claim_of(genome, space)
            source = render(genome, space, claim)
            parents = (writer.proposals[3].candidate.id,) if number == 6 else ()
            writer.propose(number, Candidate(source, "grammar", claim, parents, to_parameters(genome, space)), 1.0)
    return study


@dataclass
class NoSearch(Launcher):
    """Notes what would be started, and starts nothing."""

    runs_dir: Path
    asked: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.runs_dir)

    def _launch(self, run: str, arguments: list[str]) -> None:
        self.asked.append(arguments)


@dataclass
class Served:
    """A server under test, and browsers and programs that ask it."""

    runs_dir: Path
    launcher: Launcher
    keys: Keys = field(default_factory=Keys)

    def __post_init__(self) -> None:
        service = Service(self.keys, OpenRuns(self.runs_dir), self.launcher, Pictures())
        self.app = make_app(service, LOOPBACK)

    def stranger(self) -> TestClient:
        """Somebody who knows no token."""
        return TestClient(self.app, base_url=ADDRESS, follow_redirects=False)

    def program(self) -> TestClient:
        """A program that sends the token."""
        headers = {"Authorization": f"Bearer {self.keys.token}"}
        return TestClient(self.app, base_url=ADDRESS, headers=headers, follow_redirects=False)

    def browser(self) -> TestClient:
        """A browser that opened the address with the token."""
        client = TestClient(self.app, base_url=ADDRESS, follow_redirects=True)
        assert client.get(f"/?token={self.keys.token}").status_code == 200
        return client

    def form(self, **fields: object) -> dict[str, str]:
        """The fields of a form of this server."""
        return {"form": self.keys.form} | {name: str(value) for name, value in fields.items()}


def edited_source(source: str) -> str:
    """The same model with another start of a parameter."""
    changed = source.replace("mortality = Param(0.8", "mortality = Param(0.7")
    assert content_id(changed) != content_id(source)
    return changed
