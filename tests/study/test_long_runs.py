"""What a proposer looks up in a long run costs no more than what is new in it.

`pytest --junit-xml FILE tests/study/test_long_runs.py` writes the processor time of a call into FILE.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from search_fakes import fitted, write_space

from archsearch.candidate.candidate import Candidate
from archsearch.errors import RunError
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.proposers.canonical import canonical
from archsearch.proposers.memory import Past
from archsearch.settings import RunSettings
from archsearch.study import candidate_files, proposals
from archsearch.study.candidate_files import EVALUATION, folder_name, outcome_files
from archsearch.study.memory import EVER, StudyMemory, refusing
from archsearch.study.proposals import Proposal
from archsearch.study.reader import RunReader
from archsearch.study.record import DecidedLine, Decision, EvaluatedLine, ProposedLine
from archsearch.study.store import Study
from archsearch.study.writer import CANDIDATES, PROPOSALS

SHORT, LONG = 1000, 4000
GROWTH = 8.0
"""How much more a call may cost in the longer run: the answer itself is four times as long."""
REFUSED = Decision(approved=False, by="ann", reason="no")


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return load_problem(str(write_space(tmp_path_factory.mktemp("spaces") / "two_species")))


def begun(problem: Problem, folder: Path, count: int = 0) -> Study:
    study = Study.create(folder, problem, RunSettings(), "two_species")
    (folder / CANDIDATES).mkdir()
    grow(study, range(count))
    return study


def candidate(number: int) -> Candidate:
    return Candidate(f"x = {number}\n", "grammar", f"claim {number}")


def proposed(number: int) -> str:
    return ProposedLine.of(candidate(number), number, "", float(number)).model_dump_json() + "\n"


def evaluated(study: Study, number: int) -> str:
    """The line of an evaluation, whose folder is made."""
    made = candidate(number)
    folder = study.folder / CANDIDATES / folder_name(number, made.id)
    folder.mkdir()
    for name, content in outcome_files(made, fitted(made, number, 1.0 + number)).items():
        (folder / name).write_bytes(content)
    told = EvaluatedLine(number=number, at="", seconds=float(number), candidate=made.id, status="ok", nrmse=1.0)
    return told.model_dump_json() + "\n"


def grow(study: Study, numbers: range) -> None:
    append(study, "".join(proposed(number) + evaluated(study, number) for number in numbers))


def append(study: Study, text: str) -> None:
    with (study.folder / PROPOSALS).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text)


def anew(study: Study, number: int = EVER) -> tuple[Past, ...]:
    """The answer of who has read nothing before."""
    return StudyMemory(study).before(number)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The bytes that are read of logs and evaluations."""
    found: list[int] = []

    def counting(read: Callable[..., bytes]) -> Callable[..., bytes]:
        def wrapped(*arguments: object) -> bytes:
            data = read(*arguments)
            found.append(len(data))
            return data

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(proposals.LogTail, "_more", counting(proposals.LogTail._more))
        read = candidate_files.read_evaluation
        sized = counting(lambda folder: (folder / EVALUATION).read_bytes())
        patch.setattr(candidate_files, "read_evaluation", lambda folder: (sized(folder), read(folder))[1])
        yield found


def test_what_was_before_is_read_once_however_long_the_run(
    problem: Problem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    cost: dict[int, float] = {}
    read: dict[int, int] = {}
    for count in (SHORT, LONG):
        study = begun(problem, tmp_path / str(count), count)
        memory, reader = StudyMemory(study), RunReader(study)
        assert len(memory.before(EVER)) == count
        with counted(monkeypatch) as sizes:
            for number in range(count, count + 10):
                grow(study, range(number, number + 1))
                began = time.process_time()
                assert len(memory.before(EVER)) == number + 1
                reader.refresh()
                cost[count] = cost.get(count, 0.0) + time.process_time() - began
        read[count] = sum(sizes)
        began = time.process_time()
        assert list(memory.before(EVER)) == list(anew(study))
        whole = time.process_time() - began
        told = f"{100 * cost[count]:.2f} ms, all of it anew {1000 * whole:.0f} ms"
        record_testsuite_property(f"{count} evaluated", told)
        assert cost[count] / 10 < whole / 20
    assert 0 < read[LONG] < 1.1 * read[SHORT]
    assert cost[LONG] < GROWTH * cost[SHORT]


def test_an_llm_in_a_long_run_is_compared_with_what_was_compared_before_at_no_cost(
    problem: Problem, tmp_path: Path
) -> None:
    study = begun(problem, tmp_path / "run", 1500)
    decide = refusing(StudyMemory(study), problem.space, lambda item: Decision(approved=True, by="policy"))
    suggested = [Candidate(f"x = 1\ny = {number}\n", "llm", genome={}) for number in (1, 2)]
    answers = [decide(Proposal(1500, suggested[0]))]
    before = canonical.cache_info().misses
    answers.append(decide(Proposal(1500, suggested[1])))
    assert canonical.cache_info().misses == before + 1  # the new one
    assert [answer.by for answer in answers if answer] == ["policy", "policy"]


def test_a_half_written_line_is_neither_lost_nor_told_twice(problem: Problem, tmp_path: Path) -> None:
    study = begun(problem, tmp_path / "run", 2)
    memory = StudyMemory(study)
    line = proposed(2)
    for part in (line[:1], line[1:40], line[40:-1]):
        append(study, part)
        assert [item.number for item in memory.before(EVER)] == [0, 1]
    append(study, line[-1])
    assert [item.number for item in memory.before(EVER)] == [0, 1, 2]
    append(study, proposed(3)[:30])  # and its writer is killed
    assert len(memory.before(EVER)) == 3
    with study.writing(problem) as writer:
        assert writer.propose(3, candidate(30), 1.0)
    assert [item.candidate.id for item in memory.before(EVER)] == [candidate(n).id for n in (0, 1, 2, 30)]
    assert memory.before(EVER) == anew(study)


def test_what_was_decided_since_is_told(problem: Problem, tmp_path: Path) -> None:
    study = begun(problem, tmp_path / "run", 2)
    memory = StudyMemory(study)
    append(study, proposed(2) + proposed(3))
    assert [item.waits for item in memory.before(EVER)][2:] == [True, True]
    append(study, DecidedLine(number=2, at="", seconds=1.0, decision=REFUSED).model_dump_json() + "\n")
    assert memory.wishes(EVER).hints == ()  # another question first, which reads the line
    told = memory.before(EVER)
    assert (told[2].refusal, told[2].waits, told[3].waits) == ("the scientist refused it: no", False, True)
    assert memory.before(3) == told[:3] == anew(study, 3)


def test_what_only_its_folder_tells_of_is_known_and_does_not_wait(problem: Problem, tmp_path: Path) -> None:
    study = begun(problem, tmp_path / "run", 3)
    log = study.folder / PROPOSALS
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[2:]))  # the first proposal and its result are lost
    memory, reader = StudyMemory(study), RunReader(study)
    assert [item.number for item in memory.before(EVER)] == [0, 1, 2]
    assert reader.proposals.keys() == reader.evaluations.keys() == {0, 1, 2}
    assert reader.waiting() == []
    append(study, evaluated(study, 3))  # whose proposal was lost, while others look on
    assert [item.number for item in memory.before(EVER)] == [0, 1, 2, 3]
    assert memory.before(EVER) == anew(study)
    assert reader.refresh()
    assert reader.source(3) == candidate(3).source


def test_a_folder_that_was_deleted_is_read_when_it_is_made_anew(problem: Problem, tmp_path: Path) -> None:
    study = begun(problem, tmp_path / "run", 3)
    shutil.rmtree(study.folder / CANDIDATES / folder_name(1, candidate(1).id))
    memory, reader = StudyMemory(study), RunReader(study)
    reader.refresh()
    assert reader.evaluations.keys() == {0, 2}
    assert [item.number for item in memory.before(EVER)] == [0, 1, 2]
    append(study, evaluated(study, 1))
    assert reader.refresh()
    assert reader.evaluations.keys() == {0, 1, 2}


def test_a_folder_of_another_candidate_is_not_taken_for_its_own(problem: Problem, tmp_path: Path) -> None:
    study = begun(problem, tmp_path / "run", 2)
    memory = StudyMemory(study)
    assert len(memory.before(EVER)) == 2
    append(study, proposed(2).replace('"number":2', '"number":3') + evaluated(study, 3))
    with pytest.raises(RunError, match=f"expected {candidate(3).id} as proposal 3"):
        memory.before(EVER)
    with pytest.raises(RunError, match="as proposal 3"):
        anew(study)
