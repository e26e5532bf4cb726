"""`archsearch doctor`: what this machine offers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsearch.cli.options import RUNS, LlmBaseUrl, LlmModel, RunsDir

if TYPE_CHECKING:
    from archsearch.llm.endpoint import Endpoint
    from archsearch.llm.probe import Probed

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


AskLlm = Annotated[bool, typer.Option("--llm", help="Ask the LLM as well; that sends it a question of a few words.")]


def doctor(
    runs_dir: RunsDir = RUNS,
    gpu: Gpu = False,
    llm: AskLlm = False,
    llm_model: LlmModel = None,
    llm_base_url: LlmBaseUrl = None,
) -> None:
    """Say what this machine offers: torch, GPU, cores, memory, the sandbox, file locks, an LLM."""
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
        lambda: _llm(llm, llm_model, llm_base_url),
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


def _llm(ask: bool, model: str | None, base_url: str | None) -> Finding:
    """Whether an LLM is configured and, if asked for, what it answers. None is needed, so none is no fault."""
    from archsearch.errors import ArchsearchError
    from archsearch.llm.endpoint import MODEL, endpoint_of
    from archsearch.llm.own_settings import own_settings

    try:
        endpoint = endpoint_of(own_settings(), os.environ, model=model, base_url=base_url)
        if endpoint is None:
            named = f"Name one with --llm-model or {MODEL}." if ask else ""
            return Finding("llm", "none is named; the grammar proposer needs none", named)
        return _probed(endpoint) if ask else Finding("llm", f"{endpoint} ({endpoint.reach}), not asked (--llm asks it)")
    except ArchsearchError as error:
        return Finding("llm", error.message, error.remedy or "Correct it.")


def _probed(endpoint: Endpoint) -> Finding:
    from archsearch.llm.probe import probe

    found = probe(endpoint)
    tried = ", ".join(f"{rung} {verdict}" for rung, verdict in found.verdicts)
    if found.rung is None:
        return Finding("llm", f"{endpoint}: {tried}", "This model gives no typed replies; name another.")
    return Finding("llm", f"{endpoint} ({endpoint.reach}): {tried}; {_about(found)}")


def _about(found: Probed) -> str:
    tokens = "tokens counted" if found.counts_tokens else "tokens not counted, so estimated"
    answer = "answered well" if found.right else "a simple sum came out wrong"
    return f"{found.model} {answer} in {found.seconds:.1f} s, {tokens}"
