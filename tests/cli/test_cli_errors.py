"""Every wrong request ends in one clear message on standard error and the right exit code, never in a traceback."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from archsearch.cli.main import app

# what is typed, exit code, what the message must say
LINES: list[tuple[str, int, tuple[str, ...]]] = [
    ("rprot last", 2, ("rprot", "Did you mean 'report'", "archsearch --help")),
    ("--trials 3", 2, ("--trials", "archsearch --help")),
    ("run", 2, ("SPACE", "archsearch run --help")),
    ("run hare_lynxx", 2, ("hare_lynxx", "did you mean 'hare_lynx'")),
    ("run no/such/folder", 2, ("no/such/folder", "archsearch new")),
    ("run empty", 2, ("space.toml", "empty")),
    ("run hare_lynx --trials 0", 2, ("--trials", "greater than or equal to 1", "'0'")),
    ("run hare_lynx --trials many", 2, ("--trials", "whole number", "'many'")),
    ("run hare_lynx --trials 2.5", 2, ("--trials", "'2.5'")),
    ("run hare_lynx --trials", 2, ("--trials", "argument")),
    ("run hare_lynx --trails 3", 2, ("--trails", "Did you mean --trials")),
    ("run hare_lynx --minutes -1", 2, ("--minutes", "greater")),
    ("run hare_lynx --minutes nan", 2, ("--minutes", "'nan'")),
    ("run hare_lynx --minutes inf", 2, ("--minutes", "'inf'")),
    ("run hare_lynx --workers 0", 2, ("--workers", "'0'")),
    ("run hare_lynx --workers 1000", 2, ("--workers", "256")),
    ("run hare_lynx --seed -1", 2, ("--seed", "'-1'")),
    ("run hare_lynx --device tpu", 2, ("--device", "'auto', 'cpu', 'cuda'", "'tpu'")),
    ("run hare_lynx --proposer oracle", 2, ("--proposer", "'grammar'", "'oracle'")),
    ("run hare_lynx --executor ray", 2, ("--executor",)),
    ("run hare_lynx bioreactor", 2, ("bioreactor", "unexpected")),
    ("run hare_lynx --run-dir runs/first-run", 2, ("holds a run already", "archsearch resume")),
    ("run hare_lynx --run-dir full", 2, ("full", "empty folder", "keep.txt")),
    ("run hare_lynx --run-dir file.txt", 2, ("file.txt",)),
    ("run hare_lynx --run-dir file.txt/run", 2, ("file.txt",)),
    ("check", 2, ("SPACE",)),
    ("check missing", 2, ("missing", "archsearch new")),
    ("check file.txt", 2, ("file.txt",)),
    ("check hare_lynx -o picture.txt", 2, ("picture.txt", ".png", "picture.png")),
    ("check hare_lynx -o full", 2, ("full", "no ending")),
    ("check hare_lynx -o file.txt/a.png", 2, ("file.txt",)),
    ("new", 2, ("DIR",)),
    ("new mine --from bioreacter", 2, ("bioreacter", "bioreactor")),
    ("new mine --data missing.csv", 2, ("found no 'missing.csv'", "Check its path")),
    ("new mine --data full/kept.txt", 2, ("did you mean 'keep.txt'?",)),
    ("new mine --data file.txt", 2, ("file.txt",)),
    ("new mine --data full", 2, ("found the folder 'full'", "for example full/keep.txt")),
    ("new mine --data empty", 2, ("found the folder 'empty'", "Name the file itself.")),
    ("new there --from hare_lynx", 2, ("there",)),
    ("resume", 2, ("RUN",)),
    ("resume nothing", 2, ("nothing", "archsearch list")),
    ("resume empty", 2, ("not a run folder",)),
    ("resume ''", 2, ("archsearch list",)),
    ("show", 2, ("RUN",)),
    ("show last 999", 2, ("999", "archsearch show")),
    ("show last zzz", 2, ("zzz",)),
    ("show last -1", 2, ("-1",)),
    ("show lasst", 2, ("lasst", "Did you mean last?", "archsearch list")),
    ("show lasst --runs-dir empty", 2, ("lasst", "archsearch list")),
    ("show last --runs-dir empty", 2, ("no run yet", "archsearch run")),
    ("show last --yaml", 2, ("--yaml",)),
    ("report last -o full", 2, ("full", "is a folder")),
    ("report last -o file.txt/report.html", 2, ("file.txt",)),
    ("report last --figures file.txt", 2, ("file.txt", "expected a folder")),
    ("export last --format onnx", 2, ("--format", "'python', 'latex'", "'onnx'")),
    ("export last 77", 2, ("77",)),
    ("export last -o full", 2, ("full", "is a folder")),
    ("score last 0 --on future", 2, ("--on", "'future'")),
    ("score last 88", 2, ("88",)),
]


@pytest.fixture
def place(runs: Path, tmp_path: Path) -> Path:
    """A working folder with a finished run and some things that are not what they are taken for."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "keep.txt").write_text("mine")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "space.toml").write_text("# mine")
    (tmp_path / "file.txt").write_text("neither a table nor a space")
    return tmp_path


def refused(arguments: list[str], code: int, words: tuple[str, ...]) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    return result.stderr


@pytest.mark.parametrize(("typed", "code", "words"), LINES, ids=[line[0] for line in LINES])
def test_wrong_request(place: Path, typed: str, code: int, words: tuple[str, ...]) -> None:
    before = sorted(place.rglob("*"))
    refused([item.replace("''", "") for item in typed.split(" ")], code, words)
    assert sorted(place.rglob("*")) == before, "a refused request leaves nothing behind"


def pickled() -> bytes:
    """An archive as numpy writes it, with an object in it that only a pickle can hold."""
    buffer = io.BytesIO()
    np.savez(buffer, states=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


DAMAGED_COPY = ("the run's copy of space and data is damaged", "start a new run")

# the file of a run (first match), what becomes of it, what is asked then, what the message must say
DAMAGED: list[tuple[str, bytes | None, str, tuple[str, ...]]] = [
    ("run.json", None, "show last", ("no run",)),
    ("run.json", b"", "show last", ("run.json",)),
    ("run.json", b"{", "resume last", ("run.json",)),
    ("run.json", b"[]", "report last", ("run.json", "object")),
    ("run.json", b'{"version": 99}', "show last", ("version", "99")),
    ("run.json", b'{"version": 1}', "list --json", ()),
    ("candidates/*/evaluation.json", b"{}", "show last", ("evaluation.json",)),
    ("candidates/*/evaluation.json", b"\xff\xfe", "report last", ("evaluation.json",)),
    ("candidates/*/candidate.py", b"print('mine')", "show last 0", ("candidate.py", "another")),
    ("candidates/*/candidate.py", None, "show last 0", ("candidate.py",)),
    ("candidates/0000-*/weights.safetensors", None, "export last 0", ("weights.safetensors",)),
    ("candidates/0000-*/weights.safetensors", b"PK", "export last 0", ("weights",)),
    ("candidates/0000-*/predictions.npz", b"PK", "report last", ("predictions.npz",)),
    ("candidates/0000-*/predictions.npz", pickled(), "report last", ("predictions.npz", "never loaded")),
    ("space/space.toml", None, "report last", ("space.toml", *DAMAGED_COPY)),
    ("space/space.toml", b"[problem", "resume last", ("space.toml", *DAMAGED_COPY)),
    ("space/*.csv", b"a,b\n1,2\n", "report last", DAMAGED_COPY),
    ("space/*.csv", None, "score last", DAMAGED_COPY),
]


@pytest.mark.parametrize(
    ("pattern", "content", "typed", "words"),
    DAMAGED,
    ids=[f"{d[0]}={(d[1] or b'none')[:9]!r}: {d[2]}" for d in DAMAGED],
)
def test_damaged_run(
    spoil: Callable[[str, bytes | None], Path],
    pattern: str,
    content: bytes | None,
    typed: str,
    words: tuple[str, ...],
) -> None:
    spoil(pattern, content)
    if typed.startswith("list"):
        result = CliRunner().invoke(app, typed.split())
        assert result.exit_code == 0
        assert "damaged" in json.loads(result.stdout)["runs"][0]
    else:
        told = refused(typed.split(), 2, words)
        assert "allow_pickle" not in told, "numpy's advice is not ours"
        assert "archsearch new" not in told, "a run is not mended by a new space"


def test_a_gpu_that_is_not_there_is_a_lack_of_the_machine(runs: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    refused(["run", "hare_lynx", "--device", "cuda"], 3, ("GPU", "--device cpu"))


def break_it() -> None:
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize("arguments", [["spaces", "--debug"], ["--debug", "spaces"]])
def test_debug_adds_the_traceback_wherever_it_stands(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr("archsearch.bundled.spaces", break_it)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "break_it" in result.stderr


def test_a_fault_of_the_program_is_one_message_with_a_way_to_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archsearch.bundled.spaces", break_it)
    refused(["spaces"], 70, ("ZeroDivisionError: division by zero", "--debug"))
