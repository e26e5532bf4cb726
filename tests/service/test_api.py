from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from live_server import listening
from served import RUN, NoSearch, Served, edited_source

from archsearch.study.control import write_control
from archsearch.study.reader import RunReader
from archsearch.study.record import Hint
from archsearch.study.steering import Steering
from archsearch.study.store import Study

API = f"/api/runs/{RUN}"


def test_the_api_does_what_the_page_does(served: Served) -> None:
    program = served.program()
    assert program.get("/api/spaces").json()["spaces"]
    (line,) = program.get("/api/runs").json()["runs"]
    assert (line["run"], line["evaluated"], line["failed"]) == (RUN, 6, 1)
    view = program.get(API, params={"top": 2}).json()
    assert view["best"] == 3
    assert view["leaderboard"][0]["number"] == 3
    assert [item["number"] for item in program.get(f"{API}/queue").json()["waiting"]] == [6, 7, 8]
    card = program.get(f"{API}/proposals/6/card").json()
    assert card["parents"][0]["number"] == 3
    assert {piece["change"] for equation in card["equations"] for piece in equation["pieces"]} >= {"kept", "added"}
    decided = program.post(f"{API}/proposals/7/decision", json={"approved": False, "reason": "no"})
    assert decided.json() == {"done": "rejected", "number": 7}
    edit = {"source": edited_source(card["source"]), "reason": "slower"}
    assert program.post(f"{API}/proposals/6/edit", json=edit).json() == {"done": "edited", "number": 9}
    assert program.post(f"{API}/wishes", json={"kind": "pin", "name": "predation"}).status_code == 200
    assert program.post(f"{API}/resume", json={"trials": 60}).json()["done"] == "resumed"
    assert program.put(f"{API}/control", json={"control": "pause"}).status_code == 409
    started = program.post("/api/runs", json={"space": "hare_lynx", "approve": ["cheap:60s"]})
    assert started.status_code == 201
    assert isinstance(served.launcher, NoSearch)
    assert len(served.launcher.asked) == 2
    view = program.get(API).json()
    assert view["wishes"][0]["wish"] == {"kind": "pin", "name": "predation"}
    assert [item["number"] for item in view["decided"]] == [9, 7, 6]


def test_what_is_no_number_is_null_and_what_is_missing_is_a_document(reading: Served) -> None:
    program = reading.program()
    failed = program.get(f"{API}/candidates/5")
    assert json.loads(failed.text, parse_constant=lambda text: pytest.fail(text))["evaluation"]["status"] == "failed"
    missing = program.get(f"{API}/candidates/99")
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json()["status"] == missing.status_code == 404
    assert missing.json()["remedy"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (f"{API}/proposals/6/decision", {"approved": "perhaps"}, 422, "approved"),
        (f"{API}/proposals/6/decision", {"approved": True, "more": 1}, 422, "more"),
        (f"{API}/proposals/66/decision", {"approved": True}, 404, "66"),
        (f"{API}/proposals/6/edit", {"source": "import os"}, 422, "class Candidate"),
        (f"{API}/wishes", {"kind": "ban", "name": "nothing"}, 400, "nothing"),
        ("/api/runs", {"space": "nowhere"}, 400, "nowhere"),
        ("/api/runs", {"space": "hare_lynx", "minutes": float("nan")}, 422, "minutes"),
    ],
)
def test_bad_input_is_told_with_everything_that_is_wrong(
    served: Served, path: str, body: dict[str, object], status: int, said: str
) -> None:
    answer = served.program().post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert set(answer.json()) == {"title", "status", "detail", "remedy", "findings"}


def test_a_browser_needs_the_key_of_the_forms_for_the_api_too(served: Served) -> None:
    browser = served.browser()
    wish = {"kind": "hint", "text": "more"}
    assert browser.post(f"{API}/wishes", json=wish).status_code == 403
    assert browser.post(f"{API}/wishes", json=wish, headers={"X-Form-Key": served.keys.form}).status_code == 200


def test_a_decision_of_another_process_is_seen_at_the_next_look(served: Served) -> None:
    program = served.program()
    assert len(program.get(f"{API}/queue").json()["waiting"]) == 3
    study = Study.open(served.runs_dir / RUN)
    Steering(study).wish(Hint(text="from the terminal"), "Grace")
    view = program.get(API).json()
    assert view["wishes"][0]["by"] == "Grace"
    program.post(f"{API}/proposals/6/decision", json={"approved": True})
    assert RunReader(study).proposals[6].decision is not None


def test_news_are_sent_while_nobody_asks(served: Served) -> None:
    folder = served.runs_dir / RUN
    with listening(served) as address:
        headers = {"Authorization": f"Bearer {served.keys.token}"}
        request = urllib.request.Request(f"{address}{API}/events", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.readline() == b"retry: 2000\n"
            threading.Timer(0.2, write_control, (folder, "pause")).start()
            began = time.monotonic()
            lines = [stream.readline() for _ in range(3)]
            assert b"event: changed\n" in lines
            assert time.monotonic() - began < 5


def test_what_came_between_a_page_and_its_listening_is_told_at_once(served: Served) -> None:
    folder, browser = served.runs_dir / RUN, served.browser()
    (address,) = re.findall(r'hx-sse:connect="([^"]+)"', browser.get(f"/runs/{RUN}").text)
    with listening(served) as place:
        headers = {"Authorization": f"Bearer {served.keys.token}"}
        for change in (False, True):
            if change:
                write_control(folder, "pause")
            request = urllib.request.Request(f"{place}{address}", headers=headers)
            with urllib.request.urlopen(request, timeout=10) as stream:
                first = stream.readline() + stream.readline()
                assert first == b"retry: 2000\n\n"
                if change:
                    assert stream.readline() == b"event: changed\n"


def test_every_operation_is_described_and_errors_are_problem_documents(reading: Served) -> None:
    document = reading.program().get("/api/openapi.json").json()
    paths = set(document["paths"])
    assert all(path.startswith("/api/") for path in paths)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            assert "application/problem+json" in operation["responses"]["404"]["content"]
    assert len(json.dumps(document)) < 80_000


def test_no_operation_of_the_page_is_missing_from_the_api(reading: Served, tmp_path: Path) -> None:
    document = reading.program().get("/api/openapi.json").json()
    found = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    for operation in (
        "POST /api/runs",
        "POST /api/runs/{run}/resume",
        "PUT /api/runs/{run}/control",
        "POST /api/runs/{run}/proposals/{number}/decision",
        "POST /api/runs/{run}/proposals/{number}/edit",
        "POST /api/runs/{run}/wishes",
        "GET /api/runs/{run}/report",
        "GET /api/runs/{run}/candidates/{number}/export/{form}",
        "GET /api/runs/{run}/candidates/{number}/figures/{name}.svg",
    ):
        assert operation in found
