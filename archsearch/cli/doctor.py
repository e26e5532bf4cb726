"""`archsearch doctor`: what this machine offers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from archsearch.cli.options import RUNS, RunsDir

NOTHING = "archsearch.sandbox.nothing:nothing"
Gpu = Annotated[bool, typer.Option("--gpu", help="Also try whether candidates can use the first GPU behind the walls.")]
ELSEWHERE = "Search with --run-dir on a local disk."


@dataclass(frozen=True)
class Finding:
    """What was found of one thing, and what to do if that is not enough."""

    name: str
    told: str
    remedy: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing has to be done."""
        return not self.remedy


def doctor(runs_dir: RunsDir = RUNS, gpu: Gpu = False) -> None:
    """Say what this machine offers: torch, GPU, cores, memory, the sandbox, file locks."""
    from archsearch.cli.output import console, plain_table

    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _torch,
        _gpu,
        _cores,
        _memory,
        _sandbox,
        *((_gpu_walls,) if gpu else ()),
        lambda: _locks(runs_dir),
    )
    findings = [check() for check in checks]
    table = plain_table("what", "", "found")
    for finding in findings:
        table.add_row(finding.name, "ok" if finding.well else "NOT OK", finding.told)
        if finding.remedy:
            table.add_row("", "", finding.remedy)
    console().print(table)
    if not all(finding.well for finding in findings):
        raise typer.Exit(3)


def _python() -> Finding:
    import platform

    return Finding("python", f"{platform.python_version()} on {platform.platform()}")


def _torch() -> Finding:
    import torch

    return Finding("torch", f"{torch.__version__}, {torch.get_num_threads()} threads (a worker uses one)")


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("gpu", "none; nothing needs one")
    return Finding("gpu", ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())))


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("cores", f"{cores}, so --workers {cores} is the most that helps")


def _memory() -> Finding:
    """Memory, and how many workers have room in it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Finding("memory", f"{total:.1f} GiB")


def _sandbox() -> Finding:
    """Runs an empty job the way candidates are run."""
    from archsearch.errors import ArchsearchError
    from archsearch.evaluation import candidate_sandbox
    from archsearch.sandbox.tiers import describe
    from archsearch.settings import Limits

    try:
        with candidate_sandbox(Limits()) as sandbox:
            report = sandbox.run(NOTHING, {})
            found = f"{sandbox.tier.value}: {describe(sandbox.tier)}"
    except (ArchsearchError, OSError) as error:
        told, _, remedy = str(error).partition("\n")
        return Finding("sandbox", told, remedy.strip() or "Candidates cannot be evaluated here.")
    if report.header is None:
        why = report.killed or report.bad or report.exit
        return Finding("sandbox", f"an empty job ended badly ({why}): {report.log}", "Candidates cannot run here.")
    return Finding("sandbox", found)


def _gpu_walls() -> Finding:
    """Uses the first GPU from behind the walls, or says that nothing is known of them."""
    from archsearch.errors import MachineError
    from archsearch.sandbox.gpu_trial import verify

    try:
        return Finding("gpu walls", verify(0))
    except MachineError as error:
        return Finding("gpu walls", f"UNVERIFIED: {error.message}", error.remedy)


def _locks(runs_dir: Path) -> Finding:
    """Takes a lock twice where runs are written: some network file systems let both through, or neither."""
    import tempfile

    place = runs_dir if runs_dir.is_dir() else Path()
    try:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            excluded = _second_is_refused(Path(folder) / "lock")
    except OSError as error:
        return Finding("file locks", f"do not work in {place.resolve()}: {error.strerror}", ELSEWHERE)
    if not excluded:
        return Finding("file locks", f"exclude nobody in {place.resolve()}", ELSEWHERE)
    return Finding("file locks", f"work in {place.resolve()}")


def _second_is_refused(path: Path) -> bool:
    from archsearch.errors import RunError
    from archsearch.study.lock import run_lock

    with run_lock(path):
        try:
            with run_lock(path):
                return False
        except RunError:
            return True
