"""What a person sees and presses in a terminal while a search works: a pseudo-terminal with an emulator behind it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("termios")

from live_program import write_space
from terminal import Terminal

from archsearch.cli.sparkline import BLOCKS
from archsearch.service import acting
from archsearch.service.here import Service
from archsearch.service.keys import Keys
from archsearch.service.launching import Launcher
from archsearch.service.open_runs import OpenRuns
from archsearch.service.pictures import Pictures
from archsearch.study.control import read_control
from archsearch.study.store import Study

pytestmark = pytest.mark.slow  # each starts the command line anew

PROGRAM = Path(__file__).with_name("live_program.py")
KEYS = "p pause or go on"
COLOUR = re.compile(rb"\x1b\[[0-9;]*\b(3[0-7]|38|4[0-7]|48|9[0-7])(;[0-9]+)*m")
Open = Callable[..., Terminal]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_space(tmp_path_factory.mktemp("spaces") / "two_species")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "watched-run"


def command(*arguments: object, takes: float = 0.4, unfit: int = -1) -> list[str]:
    return [sys.executable, str(PROGRAM), str(takes), str(unfit), *map(str, arguments)]


def search(space: Path, folder: Path, *more: object, takes: float = 0.4, unfit: int = -1) -> list[str]:
    return command("run", space, "--run-dir", folder, "--proposer", "grammar", *more, takes=takes, unfit=unfit)


def test_a_search_is_watched_paused_explained_resized_suspended_and_stopped(space: Path, folder: Path) -> None:
    with Terminal(search(space, folder, "--trials", 1000, "--workers", 2)) as terminal:
        terminal.sees("2 running", "rank", KEYS, "states and unknowns", "of 1000 evaluated")
        terminal.until(lambda: any(sum(c in BLOCKS for c in line) >= 4 for line in terminal.shown))
        assert terminal.shown[0].startswith("watched-run")
        assert not terminal.is_cooked()
        terminal.sees(" 1 ", "nrmse", "left")

        terminal.press("?")
        terminal.sees("decide on the proposals that wait")
        terminal.press("?")
        terminal.until(lambda: "decide on the proposals" not in terminal.text)

        terminal.press("p")
        terminal.sees("paused: p goes on")
        terminal.until(lambda: "states and unknowns" not in terminal.text)
        assert read_control(folder) == "pause"
        done = len(Study.open(folder).evaluations())
        for _ in range(10):
            terminal.read(0.1)
        assert len(Study.open(folder).evaluations()) == done, "nothing starts while it is paused"
        terminal.press("p")
        terminal.sees("2 running")

        for columns, lines in ((50, 9), (120, 40), (80, 24)):
            terminal.resize(columns, lines)
            terminal.sees(KEYS, "watched-run", "of 1000 evaluated")
            assert terminal.shown[0].startswith("watched-run"), "nothing was pushed off the top"
            assert sum(KEYS in line for line in terminal.shown) == 1

        terminal.press("\x1a")
        assert os.WIFSTOPPED(os.waitpid(terminal.pid, os.WUNTRACED)[1])
        terminal.until(lambda: KEYS not in terminal.text, within=5)
        assert terminal.is_cooked()
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.sees("2 running", KEYS)
        assert not terminal.is_cooked()

        terminal.press("q")
        terminal.sees("stopping")
        assert terminal.ended() == 130
        assert terminal.is_cooked()
        assert b"stopped by a person" in terminal.raw
        assert f"archsearch resume {folder}".encode() in terminal.raw
    assert read_control(folder) == "stop"
    done = len(Study.open(folder).evaluations())
    with Terminal(command("resume", folder, "--trials", done + 2, takes=0.1)) as terminal:
        assert terminal.ended() == 0
    assert len(Study.open(folder).evaluations()) == done + 2


@pytest.mark.parametrize("how", ["q twice", "Ctrl-C", "SIGTERM"])
def test_a_search_is_given_up_at_once_and_can_be_resumed(space: Path, folder: Path, how: str) -> None:
    with Terminal(search(space, folder, takes=60)) as terminal:
        terminal.sees("running", KEYS, "states and unknowns")
        if how == "SIGTERM":
            os.kill(terminal.pid, signal.SIGTERM)
        elif how == "Ctrl-C":
            terminal.press("\x03")
        else:
            terminal.press("q")
            terminal.sees("q gives")
            terminal.press("q")
        assert terminal.ended(within=20) == 130
        assert terminal.is_cooked()
        assert not terminal.screen.cursor.hidden
        assert f"archsearch resume {folder}".encode() in terminal.raw


def asked_on_the_page(folder: Path, wanted: Literal["run", "pause", "stop"]) -> None:
    """What a page or a program asks of a search, as the server does it."""
    runs = folder.parent
    acting.control(Service(Keys(), OpenRuns(runs), Launcher(runs), Pictures()), folder.name, wanted)


def test_what_is_asked_on_the_page_is_told_while_the_fits_go_on(
    space: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHSEARCH_PERSON", "Ada")
    with Terminal(search(space, folder, "--trials", 1000, "--workers", 2, takes=8), columns=120) as terminal:
        terminal.sees("2 running", KEYS, "states and unknowns")
        asked_on_the_page(folder, "pause")
        terminal.sees("paused: p goes on", "paused, as asked for on the page by Ada", within=3)
        asked_on_the_page(folder, "run")
        terminal.sees("2 running", within=3)
        asked_on_the_page(folder, "stop")
        terminal.sees("watched-run  stopping: asked for on the page by Ada, running fits end first", within=3)
        assert Study.open(folder).evaluations() == []
        assert "states and unknowns" in terminal.text
        assert terminal.ended() == 130
        assert b"stopping, as asked for on the page by Ada" in terminal.raw
    assert len(Study.open(folder).evaluations()) == 2


def test_a_search_is_stopped_before_it_has_begun(space: Path, folder: Path) -> None:
    with Terminal(search(space, folder, takes=3)) as terminal:
        terminal.until(lambda: b"\x1b[?1049h" in terminal.raw)
        terminal.press("q")
        assert terminal.ended() == 130
        assert b"stopped by a person" in terminal.raw
    assert len(Study.open(folder).evaluations()) <= 2


def test_a_person_decides_while_fits_go_on(space: Path, folder: Path) -> None:
    with Terminal(search(space, folder, "--trials", 8, "--review", "each", takes=0.3)) as terminal:
        terminal.sees("wait for a person: r opens review", "waits ·")
        before = {item.number for item in Study.open(folder).evaluations()}
        terminal.press("r")
        terminal.sees("explains >")
        assert terminal.is_cooked()
        terminal.press("a it looks right\n")
        terminal.until(lambda: b"is approved" in terminal.raw)
        terminal.until(lambda: bool({item.number for item in Study.open(folder).evaluations()} - before))
        terminal.press("\x03")
        terminal.sees(KEYS, "1 of" if not before else "of 8 evaluated")
        terminal.press("r")
        terminal.sees("explains >")
        terminal.hang_up_input()
        terminal.sees(KEYS, "r opens review")
        terminal.press("q")
        assert terminal.ended() == 130
        assert terminal.is_cooked()
    decided = [item.decision for item in Study.open(folder).proposals().values() if item.decision is not None]
    assert any(decision.approved and decision.reason == "it looks right" for decision in decided)


def test_an_error_gives_the_terminal_back_and_is_seen(space: Path, folder: Path) -> None:
    with Terminal(search(space, folder, takes=0.3, unfit=1)) as terminal:
        assert terminal.ended() == 3
        assert terminal.is_cooked()
        assert "this machine is unfit" in terminal.text


def test_without_colours_nothing_is_coloured_and_without_keys_none_are_offered(space: Path, folder: Path) -> None:
    inner = shlex.join(search(space, folder, "--trials", 4, takes=0.3))
    with Terminal(["sh", "-c", f"{inner} < /dev/null"], environment={"NO_COLOR": "1"}) as terminal:
        terminal.sees("running", "Ctrl-C stops")
        assert KEYS not in terminal.text
        assert terminal.ended() == 0
        assert not COLOUR.search(terminal.raw)


@pytest.mark.parametrize("terminal_type", ["dumb", "xterm"])
def test_a_terminal_that_cannot_be_drawn_on_gets_plain_lines(space: Path, folder: Path, terminal_type: str) -> None:
    """It can show no more, or it is somebody else's: `timeout` runs a command in the background of its terminal."""
    line = search(space, folder, "--trials", 4, "--review", "each", "--no-wait", takes=0.1)
    if terminal_type == "xterm":
        line = ["sh", "-c", f"timeout 100 {shlex.join(line)}; exit $?"]
    with Terminal(line, 200, 60, {"TERM": terminal_type}) as terminal:
        assert terminal.ended() == 0
        assert b"\x1b[?1049h" not in terminal.raw
        assert b"\x1b[H" not in terminal.raw
        assert "#0" in terminal.text
        assert "waits for a person (archsearch review watched-run)" in terminal.text


def test_real_fits_show_their_stages_and_how_their_errors_fall(folder: Path) -> None:
    archsearch = Path(sys.executable).with_name("archsearch")
    line = [str(archsearch), "run", "bioreactor", "--trials", "3", "--workers", "1", "--run-dir", str(folder)]
    with Terminal(line, environment={"OMP_NUM_THREADS": "1"}) as terminal:
        terminal.until(lambda: any("states and unknowns" in line and falls(line) for line in terminal.shown), 120)
        assert terminal.ended(120) == 0
        assert "3 evaluated, 0 failed" in terminal.raw.decode()


def falls(line: str) -> bool:
    """Whether the curve in a line ends lower than it is at its highest."""
    curve = [BLOCKS.index(c) for c in line if c in BLOCKS]
    return len(curve) > 1 and curve[-1] < max(curve)
