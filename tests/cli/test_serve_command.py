from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from command_line import ask

from archsearch.cli import serve as serve_module
from archsearch.service import serving


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == "fastapi" else ModuleSpec(name, None)

    monkeypatch.setattr(serve_module, "find_spec", find)
    told = ask("serve", "--runs-dir", tmp_path)
    assert told.code == 3
    assert "fastapi" in told.err
    assert "uvicorn" not in told.err
    assert "pip install 'archsearch[service]'" in told.err


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = ask("serve", "--runs-dir", tmp_path, "--port", str(taken.getsockname()[1]))
    assert told.code == 3
    assert "Address already in use" in told.err
    assert "--port" in told.err


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_an_address_that_others_can_reach_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, warned: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(serving, "serve", lambda runs, host, port, tell: asked.append(host))
    told = ask("serve", "--runs-dir", tmp_path, "--host", host)
    assert told.code == 0
    assert asked == [host]
    assert ("can be reached by other machines" in told.err) is warned


def test_it_answers_on_loopback_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "archsearch", "serve", "--runs-dir", str(tmp_path / "runs"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ})
    alarm = threading.Timer(120, process.kill)
    alarm.start()
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        address = lines[1].strip()
        assert address.startswith("http://127.0.0.1:")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address.split("?")[0], timeout=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        rest = process.stdout.read()
        assert "Traceback" not in rest
        assert "token" not in rest  # no log of requests: the first one holds the token
    finally:
        alarm.cancel()
        process.kill()
        process.communicate()
