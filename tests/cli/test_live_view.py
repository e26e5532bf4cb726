"""What the live view says, at every size of a terminal, without one."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Score
from archsearch.cli import live
from archsearch.cli.live import LiveView, bar, room
from archsearch.cli.plain import PlainView
from archsearch.cli.sparkline import BLOCKS, sparkline
from archsearch.cli.tally import Tally
from archsearch.report.leaderboard import leaderboard
from archsearch.search import Finished, Paused, Progress, Refused, Resumed, Started, Stopped, Stopping, Waits
from archsearch.settings import Budget
from archsearch.study.record import Decision

CLAIM = "A net in the place of the gain of the lynx, which sees both hares and lynx and is never negative."


def candidate(number: int) -> Candidate:
    return Candidate(f"x = {number}\n", "grammar", claim=f"{number}: {CLAIM}")


def evaluation(number: int) -> Evaluation:
    error = 1.0 / (1 + number)
    score = Score(nrmse=error, rmse={"x": error}, per_trajectory={"1": error}, trajectories=1, diverged=0)
    return Evaluation(
        number=number,
        candidate=f"c{number}",
        author="grammar",
        claim=CLAIM,
        status="ok",
        validation=score,
        seconds=1.5,
    )


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[Evaluation]:
    """What the study holds."""
    found: list[Evaluation] = []
    ranked = lambda: sorted(found, key=lambda item: item.error)  # noqa: E731
    monkeypatch.setattr(live, "rows_of", lambda study, top: leaderboard(ranked(), {}, top))
    return found


def view(clock: list[float] | None = None) -> LiveView:
    now = clock or [0.0]
    study: Any = SimpleNamespace(id="20261121T101500Z-hare_lynx-k3f9")
    return LiveView(Tally(Budget(trials=40), [], started=0.0), study, True, lambda: now[0])


def lines(shown: LiveView, width: int = 80, height: int = 24) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, height=height, highlight=False, markup=False).print(
        shown.render(width, height), end=""
    )
    return out.getvalue().rstrip("\n").split("\n")


def test_a_fit_that_runs_has_its_stage_time_error_curve_and_claim(evaluations: list[Evaluation]) -> None:
    clock = [0.0]
    shown = view(clock)
    shown(Started(12, candidate(12)))
    for step in range(1, 9):
        shown(Progress(12, "states and unknowns", step, 0.5**step))
    clock[0] = 7.0
    (told,) = [line for line in lines(shown, 120) if line.startswith("#12")]
    assert told.split()[:7] == ["#12", "states", "and", "unknowns", "8", "0:07", "0.003906"]
    assert "█▇▆▅▄▃▂▁" in told
    assert "12: A net" in told


def test_a_curve_is_of_one_stage(evaluations: list[Evaluation]) -> None:
    shown = view()
    shown(Started(1, candidate(1)))
    shown(Progress(1, "segments of 1", 1, 1e-3))
    for step in (1, 2):
        shown(Progress(1, "states and unknowns", step, 1.0 / step))
    shown(Progress(1, "predictions", 0, None))
    (told,) = [line for line in lines(shown, 120) if line.startswith("#1 ")]
    assert "predictions" in told
    assert sum(c in BLOCKS for c in told) == 2


def test_what_is_finished_is_on_the_leaderboard_and_among_what_happened(evaluations: list[Evaluation]) -> None:
    shown = view([100.0])
    shown(Started(3, candidate(3)))
    evaluations.append(evaluation(3))
    shown(Finished(evaluations[0]))
    told = "\n".join(lines(shown, 120))
    assert "1 of 40 evaluated" in told
    assert "about 1 h 05 left" in told
    assert "★ 1     3      0.25" in told
    assert "#3 nrmse 0.25, 1.5 s" in told
    assert "proposing" in told, "nothing runs"


def test_it_says_what_it_waits_for_and_which_key_helps(evaluations: list[Evaluation]) -> None:
    shown = view()
    shown(Started(0, candidate(0)))
    assert "1 running" in lines(shown)[0]
    shown(Waits(1, candidate(1)))
    assert "1 proposal waits for a person: r opens review" in lines(shown)[0]
    shown(Waits(2, candidate(2)))
    shown(Finished(evaluation(0)))
    assert "waits · 2 proposals wait for a person: r opens review" in lines(shown, 100)[0]
    shown(Refused(1, candidate(1), Decision(approved=False, by="Ada", reason="it cannot be")))
    assert "waits · 1 proposal waits" in lines(shown, 100)[0]
    assert any("refused by Ada: it cannot be" in line for line in lines(shown, 100))
    shown(Paused())
    assert "paused: p goes on · 1 proposal waits" in lines(shown, 100)[0]
    shown(Resumed())
    shown(Started(2, candidate(2)))
    shown.stopping = True
    assert "stopping: 1 still runs, q gives it up" in lines(shown, 100)[0]
    shown.stopping = False
    shown(Paused())
    shown(Stopping("on the page by Ada\x1b[2J"))
    told = lines(shown, 120)
    assert "stopping: asked for on the page by Ada" in told[0]
    assert told[0].endswith(", running fits end first")
    assert any("stopping, as asked for on the page by Ada" in line for line in told[1:])
    assert "\x1b" not in "".join(told)
    shown(Finished(evaluation(2)))
    assert "fits end first" not in lines(shown, 120)[0]
    shown(Resumed("on the page by Ada"))
    assert "proposing" in lines(shown, 120)[0]
    shown(Stopped("trials"))
    assert "done" in lines(shown, 100)[0]


def test_a_claim_cannot_draw_on_the_terminal(evaluations: list[Evaluation]) -> None:
    shown = view()
    shown(Started(1, Candidate("x = 1\n", "llm", claim="\x1b[2J\x1b[HGone.\nTwo lines.")))
    told = lines(shown, 120)
    assert not any("\x1b" in line for line in told)
    assert sum("Gone. Two lines." in line for line in told) == 1


def test_what_an_llm_costs_is_told(evaluations: list[Evaluation]) -> None:
    shown = view()
    assert "LLM" not in "\n".join(lines(shown))
    shown.cost = lambda: "12 calls, 34000 tokens, 0.1200 USD"
    assert "LLM 12 calls, 34000 tokens, 0.1200 USD" in "\n".join(lines(shown, 120))


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 60),
    fits=st.integers(0, 12),
    done=st.integers(0, 20),
    helps=st.booleans(),
)
@example(width=80, height=4, fits=2, done=3, helps=False)
@settings(deadline=None, max_examples=60)
def test_it_is_never_larger_than_the_terminal(width: int, height: int, fits: int, done: int, helps: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = [evaluation(number) for number in range(done)]
        patch.setattr(
            live, "rows_of", lambda study, top: leaderboard(found[::-1], {"physics": found[0]} if found else {}, top)
        )
        shown = view()
        shown.help = helps
        for number in range(fits):
            shown(Started(100 + number, candidate(number)))
            shown(Progress(100 + number, "whole trajectories, from windows", 1000, 0.25))
        for item in found:
            shown(Finished(item))
        told = lines(shown, width, height)
    assert len(told) <= max(height, 3)
    assert all(cell_len(line) <= width for line in told)
    if height > 3 and width > 60:
        assert "? help" in told[-1]


def test_room_is_for_fits_first_and_never_more_than_there_is() -> None:
    for height in range(1, 80):
        for fits in range(20):
            for notes in (0, 3, 50):
                share = room(height, fits, notes)
                rows = share.rows and share.rows + 2
                used = 3 + share.fits + rows + share.notes + bool(share.notes) + 2
                assert used <= max(height, 5)
    assert room(24, 2, 4).rows >= 8


def test_a_bar_is_full_at_the_end_and_not_before() -> None:
    assert bar(0, 40, 8) == "────────"
    assert bar(20, 40, 8) == "━━━━────"
    assert bar(39, 40, 8) == "━━━━━━━─"
    assert bar(40, 40, 8) == bar(50, 40, 8) == "━━━━━━━━"


def test_a_sparkline_falls_with_the_logarithm_of_what_it_shows() -> None:
    assert sparkline([10.0**-k for k in range(8)], 8) == BLOCKS[::-1]
    assert sparkline([1.0, 1.0], 8) == "▁▁"
    assert sparkline([1.0, 0.0, 10.0], 8) == "▁▁█"
    assert sparkline([], 8) == sparkline([1.0], 0) == ""
    falling = [1.0 / (1 + k) for k in range(1000)]
    assert len(sparkline(falling, 16)) == 16
    assert list(sparkline(falling, 16)) == sorted(sparkline(falling, 16), reverse=True)
    assert sparkline([*falling, 100.0], 16)[-1] == "█", "the end of the curve is shown"


def test_plain_lines_say_what_waits_and_that_it_is_paused(capsys: pytest.CaptureFixture[str]) -> None:
    plain = PlainView(Tally(Budget(trials=4), [], started=0.0), "the-run", stderr=False)
    for event in (
        Started(1, candidate(1)),
        Progress(1, "descent", 1, 0.5),
        Waits(2, candidate(2)),
        Paused(),
        Resumed("on the page by Bo"),
        Stopping(),
    ):
        plain(event)
    waits, paused, resumed, stopping = capsys.readouterr().out.splitlines()
    assert waits.split()[:9] == ["#2", "grammar", "waits", "for", "a", "person", "(archsearch", "review", "the-run):"]
    assert "paused" in paused
    assert resumed.strip() == "goes on, as asked for on the page by Bo"
    assert stopping.strip() == "stopping: what runs is finished, nothing new starts"
