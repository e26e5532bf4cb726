"""The rules as a program for the kernel's seccomp filter, in the machine language that it speaks (classic BPF).

The program looks at a record of one call, struct seccomp_data of linux/seccomp.h: the number at byte 0, the
architecture at 4, the arguments from 16 on, 8 bytes each, the lower half first. It walks down the list of rules until
one is about this call. A jump says how many instructions to leave out when what it asks holds, and when it does not.

Reference: linux/bpf_common.h, Documentation/userspace-api/seccomp_filter.rst of the kernel.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from archsearch.sandbox import kernel
from archsearch.sandbox.rules import OWN_PID, Answer, Check, NoneOf, Rule, WithBits, WithoutBits
from archsearch.sandbox.steps import Step, system_call

LOAD, IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Load a word of the record, compare it, end with a verdict."""

ALLOW = 0x7FFF0000
KILL = 0x80000000
ERRNO = 0x00050000
"""SECCOMP_RET_ALLOW, _KILL_PROCESS and _ERRNO; the last one with an error number in its lower half."""

REFUSE = ERRNO | errno.EPERM
UNKNOWN = ERRNO | errno.ENOSYS
VERDICTS = {
    Answer.RUN: ALLOW,
    Answer.REFUSED: REFUSE,
    Answer.UNKNOWN: UNKNOWN,
    Answer.CHANGED: ERRNO | errno.EAGAIN,
}

NUMBER, ARCHITECTURE = 0, 4
X32 = 0x40000000
"""From here on numbers belong to x32, a second set of calls of x86_64 that would pass by every rule."""

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1


class Instruction(NamedTuple):
    """One instruction: what to do, with what, and how many to leave out if it holds or does not."""

    code: int
    value: int | str
    if_so: int = 0
    if_not: int = 0


@dataclass(frozen=True)
class Filter:
    """A program that lacks nothing but the number of the process that it is for.

    Attributes:
        code: the program, 8 bytes per instruction.
        own_pid_at: the bytes where that number belongs.
    """

    code: bytes
    own_pid_at: tuple[int, ...]


class _Program(ctypes.Structure):
    """Struct sock_fprog of linux/filter.h: how many instructions, and where."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(ctypes.c_char)))


def installing(made: Filter) -> Step:
    """Put a filter between the process, with all its threads, and the kernel, for good.

    One that could not be put around another thread as well would be answered with the number of that thread.
    """
    code = kernel.in_memory(made.code)
    own_pid = tuple(ctypes.c_uint32.from_buffer(code, place) for place in made.own_pid_at)
    install = (SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, _Program(len(made.code) // 8, code))
    return replace(system_call("install the filter", "seccomp", *install), answer=0, own_pid=own_pid)


def assembled(rules: Sequence[Rule]) -> Filter:
    """The rules as a filter for this architecture.

    Raises:
        OSError: this architecture has no table of calls.
    """
    return assemble(program(rules, kernel.own_table()))


def program(rules: Sequence[Rule], table: kernel.Table) -> tuple[Instruction, ...]:
    """The whole program: guards, rules, and a refusal for what no rule is about."""
    return (
        *_guards(table),
        *(instruction for rule in rules for instruction in _rule(rule, table)),
        _end(REFUSE),
    )


def assemble(instructions: Sequence[Instruction]) -> Filter:
    """A program as the bytes of struct sock_filter of linux/filter.h: code, if_so, if_not, value."""
    code = b"".join(
        struct.pack("<HBBI", at.code, at.if_so, at.if_not, at.value & 0xFFFFFFFF if isinstance(at.value, int) else 0)
        for at in instructions
    )
    return Filter(code, tuple(8 * place + 4 for place, at in enumerate(instructions) if at.value == OWN_PID))


def _guards(table: kernel.Table) -> Iterator[Instruction]:
    """Numbers mean something in one architecture only; a call by those of another can only be an attack."""
    yield _load(ARCHITECTURE)
    yield Instruction(IF_EQUAL, table.audit, 1, 0)
    yield _end(KILL)
    yield _load(NUMBER)
    if table.machine == "x86_64":
        yield Instruction(IF_AT_LEAST, X32, 0, 1)
        yield _end(KILL)
    yield Instruction(IF_AT_LEAST, max(table.numbers.values()) + 1, 0, 1)
    yield _end(UNKNOWN)


def _rule(rule: Rule, table: kernel.Table) -> tuple[Instruction, ...]:
    """If the call is one of this rule's, decide; else go on below it. The number stays loaded until then."""
    numbers = [table.numbers[name] for name in rule.calls if name in table.numbers]
    verdict, otherwise = _end(VERDICTS[rule.answer]), _end(VERDICTS[rule.otherwise])
    decide = (*_check(rule.check), verdict, otherwise) if rule.check else (verdict,)
    return (*_any_of(numbers, len(decide)), *decide) if numbers else ()


def _check(check: Check) -> tuple[Instruction, ...]:
    """Instructions that go on to the next one after them if the check holds, and leave that one out if not."""
    lower = _lower(check.argument)
    if isinstance(check, NoneOf):
        return (_load(lower), *_none_of(check.values))
    if isinstance(check, WithoutBits):
        return (_load(lower), Instruction(IF_ANY_BIT, check.bits, 1, 0))
    if isinstance(check, WithBits):
        return (_load(lower), Instruction(IF_ANY_BIT, check.bits, 0, 1))
    tests = (_load(lower), *_any_of(check.values, 1))
    if check.words == 1:
        return tests
    # none of our values needs more than 32 bits, so the upper half must be empty
    return (_load(lower + 4), Instruction(IF_EQUAL, 0, 0, len(tests) + 1), *tests)


def _any_of(values: Sequence[int | str], leave_out: int) -> tuple[Instruction, ...]:
    """Go on if the loaded word is one of some values; else leave some instructions out."""
    after = len(values) - 1
    tests = (Instruction(IF_EQUAL, value, after - place, 0) for place, value in enumerate(values[:-1]))
    return (*tests, Instruction(IF_EQUAL, values[-1], 0, leave_out))


def _none_of(values: Sequence[int]) -> tuple[Instruction, ...]:
    """Go on if the loaded word is none of some values; else leave one instruction out."""
    return tuple(Instruction(IF_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values))


def _lower(argument: int) -> int:
    """Where the lower half of an argument lies in the record."""
    return 16 + 8 * argument


def _load(place: int) -> Instruction:
    return Instruction(LOAD, place)


def _end(verdict: int) -> Instruction:
    return Instruction(RETURN, verdict)
