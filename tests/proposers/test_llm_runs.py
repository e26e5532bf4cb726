"""Whole searches with an LLM behind a real, scripted server: recorded, resumed, repeated, and never broken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Told, ask
from scripted_server import Asked, Exchange, Server, Step, call, refuses, replies, says, serving
from search_fakes import FakeEvaluator

from archsearch import evaluation
from archsearch.study.store import Study

KEY = "sk-a-secret-that-nobody-may-read"
TRIALS = 6

LAWS = [
    {"claim": f"{law} law", "hypothesis": "h", "expected": [], "parent": "0", "source": "",
     "edits": [{"gene": "term.growth_rate", "value": law}]}
    for law in ("monod", "haldane", "contois")
]  # fmt: skip
SECOND = [
    {"claim": f"net {size}", "hypothesis": "h", "expected": [], "parent": "0", "source": "",
     "edits": [{"gene": "slot.kinetics", "value": "replace"}, {"gene": "slot.kinetics.hidden", "value": size}]}
    for size in ("4", "8", "16")
]  # fmt: skip


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "Evaluator", lambda problem, settings, sandbox: FakeEvaluator(failing=0.0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("OPENAI_BASE_URL", "ARCHSEARCH_LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)


def by_round(*rounds: list[dict[str, Any]]) -> Step:
    """Answers a question by how many proposals there were before it."""

    def step(exchange: Exchange, asked: Asked) -> None:
        evaluated = re.search(r"(\d+) candidates were evaluated", asked.body["messages"][1]["content"])
        place = 0 if evaluated is None else min(int(evaluated[1]) // 3, len(rounds) - 1)
        says(json.dumps({"proposals": rounds[place]}))(exchange, asked)

    return step


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(by_round(LAWS, SECOND)) as running:
        yield running


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Told]:
    def start(server: Server, folder: str, *more: str, trials: int = TRIALS, proposer: str = "llm") -> Told:
        llm = ("--llm-model", "m", "--llm-base-url", server.base_url, "--proposer", proposer)
        return ask("run", "bioreactor", "--trials", str(trials), "--run-dir", tmp_path / folder, *llm, *more)

    return start


def outcomes(folder: Path) -> list[tuple[int, str, str, float | None]]:
    """What a search came to, the times that it took left out."""
    found = Study.open(folder).evaluations()
    return [(item.number, item.candidate, item.author, item.error) for item in found]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_search_with_an_llm_is_recorded_and_repeated_without_a_network(
    server: Server, run: Callable[..., Told], tmp_path: Path
) -> None:
    told = run(server, "first")
    assert told.code == 0, told.err
    assert "proposer: the LLM m" in told.out
    assert "LLM: about 1 calls" in told.out
    assert "LLM: 1 calls" in told.out
    first = outcomes(tmp_path / "first")
    assert [author for _, _, author, _ in first] == ["grammar"] * 3 + ["llm"] * 3
    assert len(server.asked) == 1
    assert KEY.encode() not in everything_in(tmp_path / "first")
    assert KEY not in told.out + told.err
    again = ask("run", "bioreactor", "--replay", tmp_path / "first", "--run-dir", tmp_path / "again")
    assert again.code == 0, again.err
    assert outcomes(tmp_path / "again") == first
    assert len(server.asked) == 1


def test_a_resumed_search_pays_for_nothing_twice(server: Server, run: Callable[..., Told], tmp_path: Path) -> None:
    assert run(server, "short", trials=5).code == 0
    assert len(server.asked) == 1
    resumed = ask("resume", tmp_path / "short", "--trials", "9")
    assert resumed.code == 0, resumed.err
    assert len(server.asked) == 2
    assert run(server, "whole", trials=9).code == 0
    assert outcomes(tmp_path / "short") == outcomes(tmp_path / "whole")
    claims = [item.claim for item in Study.open(tmp_path / "short").evaluations()]
    assert claims[3:] == ["monod law", "haldane law", "contois law", "net 4", "net 8", "net 16"]


def test_the_shown_prompt_is_the_one_that_is_sent(server: Server, run: Callable[..., Told]) -> None:
    shown = run(server, "shown", "--show-prompt")
    assert shown.code == 0, shown.err
    assert server.asked == []
    assert not Path("shown").exists()
    assert run(server, "sent", trials=4).code == 0
    for message in server.asked[0].body["messages"]:
        assert message["content"].strip() in shown.out


def test_without_a_key_the_grammar_searches_and_it_is_told(run: Callable[..., Told], tmp_path: Path) -> None:
    with serving(refuses(401, "Incorrect API key provided.", "invalid_api_key")) as server:
        told = run(server, "out", trials=5)
    assert told.code == 0, told.err
    assert "note: No reply from the LLM for the proposals from 3 on (key)" in told.out
    assert "It is not asked again." in told.out
    assert ask("run", "bioreactor", "--trials", "5", "--run-dir", tmp_path / "alone").code == 0
    assert outcomes(tmp_path / "out") == outcomes(tmp_path / "alone")


def test_what_cannot_be_trained_is_refused_with_its_findings_and_costs_no_trial(
    run: Callable[..., Told], tmp_path: Path
) -> None:
    broken = {"claim": "code", "source": "import os\nclass Candidate:\n    pass"}
    with serving(says(json.dumps({"proposals": [LAWS[0], broken]}))) as server:
        told = run(server, "broken", trials=5)
    assert told.code == 0, told.err
    assert "refused by check: Line 1: Importing 'os' is not allowed." in told.out.replace("line 1", "Line 1")
    study = Study.open(tmp_path / "broken")
    refused = [item for item in study.proposals().values() if item.decision and not item.decision.approved]
    assert [item.candidate.claim for item in refused] == ["code"]
    assert len(study.evaluations()) == 5
    assert len(server.asked) == 2  # the question, and its repair


def test_auto_takes_an_llm_if_one_is_named(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = ask("run", "bioreactor", "--trials", "1", "--run-dir", tmp_path / "without")
    assert "proposer: grammar; no LLM is asked" in told.out
    monkeypatch.setenv("ARCHSEARCH_LLM_MODEL", "m")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    told = ask("run", "bioreactor", "--trials", "4", "--run-dir", tmp_path / "with")
    assert told.code == 0, told.err
    assert "proposer: grammar and the LLM m" in told.out
    settings = Study.open(tmp_path / "with").settings
    assert (settings.proposer, settings.llm.model, settings.llm.base_url) == ("both", "m", server.base_url)
    assert len(server.asked) == 1


def test_both_together_are_repeated_the_same_way(server: Server, run: Callable[..., Told], tmp_path: Path) -> None:
    assert run(server, "both", trials=8, proposer="both").code == 0
    authors = [author for _, _, author, _ in outcomes(tmp_path / "both")]
    assert authors == ["grammar"] * 3 + ["llm"] * 3 + ["grammar"] * 2
    assert ask("run", "bioreactor", "--replay", tmp_path / "both", "--run-dir", tmp_path / "again").code == 0
    assert outcomes(tmp_path / "again") == outcomes(tmp_path / "both")


def test_an_anonymous_search_sends_no_name_and_is_repeated(run: Callable[..., Told], tmp_path: Path) -> None:
    edits = {law: [{"gene": "term.q1", "value": law}] for law in ("l1", "l2", "l3")}
    laws = [{"claim": f"{law} for q1", "parent": "0", "edits": edit} for law, edit in edits.items()]
    with serving(says(json.dumps({"proposals": laws}))) as server:
        told = run(server, "hidden", "--anonymise")
        assert told.code == 0, told.err
        sent = json.dumps(server.asked[0].body["messages"][1:])
    assert not {"growth_rate", "substrate", "biomass", "monod", "mu_max"} & set(re.findall(r"\w+", sent.lower()))
    evaluations = Study.open(tmp_path / "hidden").evaluations()
    claims = [f"{law} for growth_rate" for law in ("monod", "haldane", "contois")]
    assert [item.claim for item in evaluations[3:]] == claims
    assert ask("run", "bioreactor", "--replay", tmp_path / "hidden", "--run-dir", tmp_path / "again").code == 0
    assert outcomes(tmp_path / "again") == outcomes(tmp_path / "hidden")


def test_an_llm_may_fit_and_look_before_it_replies_and_that_is_repeated(
    run: Callable[..., Told], tmp_path: Path
) -> None:
    steps = (
        replies(call("quick_fit", {"number": 0})),
        replies(call("data", {"trajectory": "", "states": ["S"], "rows": 2})),
        says(json.dumps({"proposals": LAWS})),
    )
    with serving(*steps) as server:
        assert run(server, "looks").code == 0
        told = [message["content"] for message in server.asked[-1].body["messages"] if message["role"] == "tool"]
    assert told[0].startswith("quick_fit: Training error ")
    assert "t | S | dS/dt | S_f" in told[1]
    assert ask("run", "bioreactor", "--replay", tmp_path / "looks", "--run-dir", tmp_path / "again").code == 0
    assert outcomes(tmp_path / "again") == outcomes(tmp_path / "looks")
    assert [author for _, _, author, _ in outcomes(tmp_path / "again")][3:] == ["llm"] * 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--proposer", "llm"), "--proposer llm: expected the name of an LLM, found none"),
        (("--replay", "nowhere"), "There is no run in runs called 'nowhere'"),
        (("--llm-model", "m", "--llm-base-url", "ftp://x"), "The base URL of the LLM"),
    ],
)
def test_wrong_requests_are_told_before_anything_is_written(arguments: tuple[str, ...], told: str) -> None:
    answer = ask("run", "bioreactor", *arguments)
    assert answer.code == 2
    assert told in answer.err
    assert not Path("runs").exists()


def test_a_repeated_search_has_the_settings_of_its_run(
    server: Server, run: Callable[..., Told], tmp_path: Path
) -> None:
    assert run(server, "first", trials=1).code == 0
    first = tmp_path / "first"
    for arguments, told in (
        (("bioreactor", "--seed", "3"), "--seed: a repeated search has the settings of the run"),
        (("pendulum",), "that run is about another problem"),
    ):
        answer = ask("run", *arguments, "--replay", first)
        assert (answer.code, told in answer.err) == (2, True)
