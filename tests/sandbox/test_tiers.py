"""The tier is what was seen to hold: on this machine, and on machines whose kernel or container refuses a wall."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from archsearch.errors import MachineError
from archsearch.sandbox import landlock, seatbelt, tiers
from archsearch.sandbox.tiers import Tier, describe, probe, required

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="walls of the Linux kernel")

CONTAINER = """
import sys
from archsearch.sandbox import kernel, seccomp, trial
from archsearch.sandbox.seccomp import ALLOW, ERRNO, IF_EQUAL, LOAD, NUMBER, RETURN, Instruction, assemble
from archsearch.sandbox.steps import Steps
calls, answer = sys.argv[2:], int(sys.argv[1])
lines = [Instruction(LOAD, NUMBER)]
for call in calls:
    lines += [Instruction(IF_EQUAL, kernel.own_table().numbers[call], 0, 1), Instruction(RETURN, ERRNO | answer)]
kernel.prctl(38, 1)
Steps([seccomp.installing(assemble([*lines, Instruction(RETURN, ALLOW)]))]).take()
trial.main()
"""
LANDLOCK_CALLS = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")


def inside_container(error: int, *refused: str) -> str:
    """What the trial says in a container, imitated by an outer filter that refuses some calls."""
    command = [sys.executable, "-I", "-c", CONTAINER, str(error), *refused]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@LINUX
def test_this_machine_has_the_tier_that_its_kernel_allows() -> None:
    assert probe() is (Tier.LANDLOCK_SECCOMP if landlock.abi() else Tier.SECCOMP)


@LINUX
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_landlock_the_filter_alone_is_chosen(error: int) -> None:
    assert inside_container(error, *LANDLOCK_CALLS, "unshare", "mount", "setns") == "seccomp"


@LINUX
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS, errno.EINVAL])
def test_without_filters_there_is_no_tier(error: int) -> None:
    assert inside_container(error, "seccomp") == "none"


@LINUX
def test_an_outer_filter_does_not_hinder() -> None:
    assert inside_container(errno.EPERM, "unshare", "mount", "setns", "keyctl", "bpf") == probe()


def test_without_walls_it_refuses_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "probe", lambda: Tier.NONE)
    with pytest.raises(MachineError) as refused:
        required(accept_unsandboxed=False)
    assert refused.value.exit_code == 3
    assert "--i-accept-unsandboxed" in refused.value.remedy
    assert required(accept_unsandboxed=True) is Tier.NONE


def test_accepting_no_walls_does_not_take_them_away() -> None:
    assert required(accept_unsandboxed=True) is probe()


@pytest.mark.parametrize("answer", ["", "seatbelt of steel", "none\n\nlandlock+seccomp"])
def test_a_trial_that_says_nothing_sensible_counts_as_no_wall(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(tiers, "TRIAL", f"print({answer!r})")
    assert probe() is Tier.NONE


def test_a_trial_that_hangs_or_crashes_counts_as_no_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(tiers, "PATIENCE_SECONDS", 0.2)
    for trial in ("import time; time.sleep(60)", "import os; os.abort()", "raise SystemExit(1)"):
        monkeypatch.setattr(tiers, "TRIAL", trial)
        assert probe() is Tier.NONE


def test_the_trial_is_quick_since_it_loads_nothing_heavy() -> None:
    source = """
import sys
from archsearch.sandbox import tiers, trial
print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_every_tier_is_described_in_one_sentence_that_promises_no_more_than_holds() -> None:
    for tier in Tier:
        assert describe(tier)
        assert "\n" not in describe(tier)
    assert "can still be seen" in describe(Tier.LANDLOCK_SECCOMP)
    assert "untested" in describe(Tier.SEATBELT)
    assert "not attackers" in describe(Tier.NONE)


def test_a_system_that_is_neither_linux_nor_macos_has_no_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert probe() is Tier.NONE


def test_on_macos_it_asks_seatbelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for holds, expected in ((True, Tier.SEATBELT), (False, Tier.NONE)):
        monkeypatch.setattr(seatbelt, "holds", lambda holds=holds: holds)
        assert probe() is expected


def test_the_modules_load_where_there_is_no_linux() -> None:
    """As on macOS: no prctl in the C library, no memfd_create, pidfd_open or O_PATH in `os`."""
    source = """
import ctypes, os, signal, sys, sysconfig
sysconfig.get_paths()  # found once, while the system is still what it is
sys.platform = 'darwin'
for name in ('memfd_create', 'pidfd_open', 'O_PATH', 'sched_getaffinity'):
    if hasattr(os, name): delattr(os, name)
del signal.pidfd_send_signal
ctypes.CDLL = None
from archsearch.sandbox import (canaries, capabilities, confinement, descriptors, gpu, kernel, landlock, libraries,
                                limits, rules, seatbelt, seccomp, steps, tiers, trial)
assert '(deny default)' in seatbelt.profile()
"""
    ran = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_seatbelt_profile_closes_what_it_must() -> None:
    lines = seatbelt.profile().splitlines()
    assert lines[:2] == ["(version 1)", "(deny default)"]
    assert any(line.startswith("(deny network*)") for line in lines)
    assert any(line.startswith("(deny process-fork)") for line in lines)
    assert not any(
        line.startswith(("(allow default", "(allow network", "(allow process-fork", "(import")) for line in lines
    )
    assert lines.index(next(line for line in lines if "_bundled" in line)) > max(
        place for place, line in enumerate(lines) if line.startswith("(allow file-read*")
    )
    writing = [line for line in lines if line.startswith("(allow file-write")]
    assert writing == ['(allow file-write-data (literal "/dev/null"))']
    text = "\n".join(line.partition(";")[0] for line in lines)
    assert text.count("(") == text.count(")")
    assert os.path.expanduser("~") not in [part.strip('"') for part in text.replace(")", " ").split()]


def test_a_path_cannot_break_out_of_the_seatbelt_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seatbelt, "SYSTEM", ('/odd") (allow default) ("\\',))
    assert '(subpath "/odd\\") (allow default) (\\"\\\\")' in seatbelt.profile()
