"""A server that others wrote, with a model that talks nonsense: the search ends with what the grammar finds.

Off by default. It needs `transformers` with its server, best in an environment of its own:

    python -m venv serving && serving/bin/pip install torch "transformers[serving]"
    ARCHSEARCH_TEST_SERVER_PYTHON=serving/bin/python pytest -m real_server tests/proposers/test_real_server.py
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from command_line import ask
from search_fakes import FakeEvaluator

from archsearch import evaluation
from archsearch.study.store import Study

pytestmark = pytest.mark.real_server

PYTHON = os.environ.get("ARCHSEARCH_TEST_SERVER_PYTHON", sys.executable)
PATIENCE = 120.0
"""Seconds until the server must answer."""
QUIET = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with random weights."""
    if subprocess.run([PYTHON, "-c", "import transformers, fastapi, uvicorn"], capture_output=True).returncode:
        pytest.skip(f"{PYTHON} has no transformers with its server: pip install torch 'transformers[serving]'")
    folder = tmp_path_factory.mktemp("tiny") / "model"
    maker = Path(__file__).with_name("tiny_llm.py")
    subprocess.run([PYTHON, str(maker), str(folder)], check=True, env=os.environ | QUIET)
    return folder


@pytest.fixture(scope="module")
def base_url(model: Path) -> Iterator[str]:
    """The address of `transformers serve` on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = [str(Path(PYTHON).with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (model.parent / "serve.log").open("wb") as log:
        own = os.environ | QUIET | {"HF_HOME": str(model.parent)}
        server = subprocess.Popen([*serve, "--device", "cpu"], env=own, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(30)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.5)
    raise AssertionError(f"{url} did not answer within {PATIENCE:g} s")


def test_nonsense_drives_the_ladder_down_and_the_search_ends_with_what_the_grammar_finds(
    base_url: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "Evaluator", lambda problem, settings, sandbox: FakeEvaluator(failing=0.0))
    monkeypatch.setenv("OPENAI_API_KEY", "none-needed")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "archsearch" / "llm.toml"
    own.parent.mkdir()
    own.write_text("max_output_tokens = 200\n")  # nonsense has no end
    llm = ("--proposer", "llm", "--llm-model", str(model), "--llm-base-url", base_url)
    told = ask("run", "bioreactor", "--trials", "6", "--run-dir", tmp_path / "nonsense", *llm)
    assert told.code == 0, told.err
    assert ask("run", "bioreactor", "--trials", "6", "--run-dir", tmp_path / "alone").code == 0
    found, alone = (
        [(item.candidate, item.author) for item in Study.open(tmp_path / name).evaluations()]
        for name in ("nonsense", "alone")
    )
    assert found == alone
    assert "No reply from the LLM for the proposals from 3 on" in told.out
    records = (tmp_path / "nonsense" / "llm").glob("*.json")
    assert {json.loads(path.read_text())["rung"] for path in records} == {"json_schema", "tool", "json_object", "text"}
