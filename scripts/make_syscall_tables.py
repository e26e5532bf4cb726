"""Make the tables of system call numbers that the sandbox's filter is built from, out of the kernel's own headers.

    python scripts/make_syscall_tables.py            # writes archsearch/sandbox/syscalls/{x86_64,aarch64}.json

Needs a C preprocessor and the kernel's user-space headers (Debian: `apt install cpp linux-libc-dev`). The same headers
give the same bytes; each table records the version of the headers that it came from. A call that is newer than the
headers is above the table, and what is above the table is answered as if the kernel did not know it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

TABLES = Path(__file__).resolve().parents[1] / "archsearch" / "sandbox" / "syscalls"

X86_64_FOLDERS = ("x86_64-linux-gnu", ".")
"""Where `asm/unistd_64.h` lies below the headers: on Debian, elsewhere."""

AARCH64_WANTS = (
    "__ARCH_WANT_RENAMEAT",
    "__ARCH_WANT_NEW_STAT",
    "__ARCH_WANT_SET_GET_RLIMIT",
    "__ARCH_WANT_TIME32_SYSCALLS",
    "__ARCH_WANT_SYS_CLONE3",
    "__ARCH_WANT_MEMFD_SECRET",
)
"""What arch/arm64/include/uapi/asm/unistd.h defines before it includes the generic table."""

NO_CALLS = {"syscalls", "arch_specific_syscall"}
"""Names of the generic header that mark ends, not calls."""


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--headers", type=Path, default=Path("/usr/include"))
    parser.add_argument("--to", type=Path, default=TABLES)
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    for machine, text in tables(asked.headers).items():
        (asked.to / f"{machine}.json").write_text(text, encoding="utf-8")


def tables(headers: Path) -> dict[str, str]:
    """The text of each table, by machine."""
    return {
        "x86_64": _table(headers, "AUDIT_ARCH_X86_64", _x86_64(headers)),
        "aarch64": _table(headers, "AUDIT_ARCH_AARCH64", _aarch64(headers)),
    }


def version(headers: Path) -> str:
    """The version of the headers, e.g. `6.1.187`."""
    code = int(_written(headers / "linux" / "version.h")["LINUX_VERSION_CODE"])
    return f"{code >> 16}.{code >> 8 & 255}.{code & 255}"


def _table(headers: Path, audit: str, defined: dict[str, str]) -> str:
    numbers = {name.removeprefix("__NR_"): _number(name, defined) for name in defined if name.startswith("__NR_")}
    calls = {name: number for number, name in sorted((numbers[name], name) for name in numbers.keys() - NO_CALLS)}
    table = {"headers": version(headers), "audit": _audit(headers, audit), "calls": calls}
    return json.dumps(table, indent=1) + "\n"


def _x86_64(headers: Path) -> dict[str, str]:
    files = [headers / folder / "asm" / "unistd_64.h" for folder in X86_64_FOLDERS]
    return _defined(next(file for file in files if file.is_file()), headers)


def _aarch64(headers: Path) -> dict[str, str]:
    """The generic table as arm64 asks for it; the word size comes from here, not from the machine that runs this."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "asm").mkdir()
        (Path(place) / "asm" / "bitsperlong.h").write_text("#define __BITS_PER_LONG 64\n")
        return _defined(headers / "asm-generic" / "unistd.h", Path(place), AARCH64_WANTS)


def _audit(headers: Path, name: str) -> int:
    """The number by which seccomp knows an architecture: several flags, joined by `|`."""
    defined = _written(headers / "linux" / "audit.h") | _written(headers / "linux" / "elf-em.h")
    value = 0
    for part in defined[name].strip("()").split("|"):
        value |= int(defined.get(part, part), 0)
    return value


def _number(name: str, defined: dict[str, str]) -> int:
    """The number of a call, which may be given as the name of another."""
    value = defined[name]
    return int(value) if value.isdecimal() else _number(value, defined)


def _defined(header: Path, folder: Path, wanted: tuple[str, ...] = ()) -> dict[str, str]:
    """What a header defines, conditions worked out, by name."""
    command = ["cpp", "-dM", "-undef", "-nostdinc", f"-I{folder}", *(f"-D{name}" for name in wanted), str(header)]
    return _parsed(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _written(header: Path) -> dict[str, str]:
    """What a header without conditions defines, by name."""
    return _parsed(header.read_text(encoding="utf-8"))


def _parsed(text: str) -> dict[str, str]:
    return dict(re.findall(r"^#define[ \t]+(\w+)[ \t]+([^\s/]+)", text, re.MULTILINE))


if __name__ == "__main__":
    main()
