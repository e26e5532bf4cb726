"""What a process leaves of itself when it crashes: nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from walled import KERNEL_TIERS, USERS, walled

from archsearch.sandbox.tiers import Tier, probe

pytestmark = pytest.mark.skipif(probe() is not Tier.LANDLOCK_SECCOMP, reason="this kernel cannot build all walls")


@pytest.mark.parametrize("tier", KERNEL_TIERS)
@pytest.mark.parametrize("user", USERS)
def test_a_crash_leaves_no_core_even_where_no_limit_on_its_size_counts(tier: Tier, user: int, tmp_path: Path) -> None:
    """As where core_pattern is a program: here the limits are left out, and the process crashes in a folder it owns."""
    tmp_path.chmod(0o777)
    ran = walled(
        "os.abort()",
        tier=tier,
        user=user,
        before=f"""
os.chdir({str(tmp_path)!r})
leaving = confinement._leaving
confinement._leaving = lambda parent: [step for step in leaving(parent) if step.function != 'chdir']
most = resource.getrlimit(resource.RLIMIT_CORE)[1:]
resource.setrlimit(resource.RLIMIT_CORE, most * 2)
limits.limiting = lambda *_, **__: ()
wait = os.waitpid
def waitpid(*given):
    pid, status = wait(*given)
    print(os.WCOREDUMP(status), flush=True)
    return pid, status
os.waitpid = waitpid
""",
    )
    assert ran.exit == -signal.SIGABRT & 0xFF, ran.err
    assert ran.out == "False\n"
    assert list(tmp_path.iterdir()) == []
