"""The committed tables of system calls are what the kernel's headers say."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from archsearch.sandbox import kernel

ROOT = Path(__file__).resolve().parents[2]
HEADERS = Path("/usr/include")
COMPLETE = [
    HEADERS / "linux" / "version.h",
    HEADERS / "linux" / "audit.h",
    HEADERS / "asm-generic" / "unistd.h",
    HEADERS / "x86_64-linux-gnu" / "asm" / "unistd_64.h",
]
needs_headers = pytest.mark.skipif(
    not all(path.exists() for path in COMPLETE) or shutil.which("cpp") is None,
    reason="needs cpp and the kernel's headers of Debian",
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    place = ROOT / "scripts" / "make_syscall_tables.py"
    found = importlib.util.spec_from_file_location("make_syscall_tables", place)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@needs_headers
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_table_made_anew_agrees(script: ModuleType, machine: str) -> None:
    made, committed = (
        json.loads(script.tables(HEADERS)[machine]),
        json.loads((kernel.TABLES / f"{machine}.json").read_text()),
    )
    assert made["audit"] == committed["audit"]
    if made["headers"] == committed["headers"]:
        assert script.tables(HEADERS)[machine] == (kernel.TABLES / f"{machine}.json").read_text()
    both = made["calls"].keys() & committed["calls"].keys()
    assert len(both) > 300
    assert {name: made["calls"][name] for name in both} == {name: committed["calls"][name] for name in both}


@needs_headers
def test_the_same_headers_give_the_same_bytes(script: ModuleType) -> None:
    assert script.tables(HEADERS) == script.tables(HEADERS)


def test_numbers_that_everybody_knows() -> None:
    x86, arm = kernel.table("x86_64"), kernel.table("aarch64")
    assert x86 is not None
    assert arm is not None
    assert (x86.audit, arm.audit) == (0xC000003E, 0xC00000B7)
    assert [x86.numbers[call] for call in ("read", "mmap", "clone", "execve", "seccomp")] == [0, 9, 56, 59, 317]
    assert [arm.numbers[call] for call in ("read", "mmap", "clone", "execve", "seccomp")] == [63, 222, 220, 221, 277]
    assert "fork" not in arm.numbers
    assert "open" not in arm.numbers


def test_no_number_means_two_calls() -> None:
    for machine in ("x86_64", "aarch64"):
        found = kernel.table(machine)
        assert found is not None
        assert len(set(found.numbers.values())) == len(found.numbers)


def test_an_architecture_without_a_table_has_no_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel.table("riscv64") is None
    monkeypatch.setattr(sys, "maxsize", (1 << 31) - 1)  # a 32-bit Python on a 64-bit kernel makes other calls
    with pytest.raises(OSError, match="no table"):
        kernel.own_table.__wrapped__()
