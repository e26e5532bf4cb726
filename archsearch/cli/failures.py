"""The one place where an error becomes a message on standard error and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import typer

from archsearch.errors import ArchsearchError

USAGE = 2
UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h: a fault of the program, not of the request
INTERRUPTED = 130
SHORTER = {  # pydantic's words, in ours
    "Invalid value for": "Wrong value for",
    "Input should be a valid integer, unable to parse string as an integer": "expected a whole number",
    "Input should be a valid number, unable to parse string as a number": "expected a number",
    "Input should be greater": "expected a number greater",
    "Input should be less": "expected a number less",
    "Input should be": "expected",
    "Value error, ": "",
}


def exit_code_of(call: Callable[[], Any], debug: bool) -> int:
    """Runs a command and tells of whatever went wrong.

    Args:
        call: the command, returning its exit code or nothing.
        debug: whether to print the traceback of an error as well.

    Returns:
        The exit code of the process.
    """
    try:
        result = call()
    except typer.Abort:
        return _tell("interrupted", INTERRUPTED)
    except typer.TyperException as error:
        return _tell(_usage_message(error), USAGE, debug)
    except ArchsearchError as error:
        return _tell(str(error), error.exit_code, debug)
    except Exception as error:  # noqa: BLE001 - the last resort: a person gets a sentence, and a way to the traceback
        return _tell(_unexpected_message(error), UNEXPECTED, debug)
    return result if isinstance(result, int) else 0


def _tell(message: str, code: int, debug: bool = False) -> int:
    if debug:
        traceback.print_exc()
    typer.echo(f"error: {message}", err=True)
    return code


def _unexpected_message(error: Exception) -> str:
    return (
        f"this should not have happened: {type(error).__name__}: {error}\n"
        "  Run the same command again with --debug to see where, and report it with that text."
    )


def _usage_message(error: typer.TyperException) -> str:
    """What is wrong with the command line, what was found there, and where the help is."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "archsearch"
    return f"{_what_is_wrong(error)}\n  See `{command} --help`."


def _what_is_wrong(error: typer.TyperException) -> str:
    if getattr(error, "possibilities", None):
        likely = " or ".join(error.possibilities)  # type: ignore[attr-defined]  # an unknown option
        return f"{error.message}. Did you mean {likely}?"
    told = error.format_message().rstrip(".")
    for spoken, meant in SHORTER.items():
        told = told.replace(spoken, meant)
    found = _value_found(error)
    told = told if found in told else f"{told}, found {found}"
    return told if told.endswith("?") else f"{told}."


def _value_found(error: typer.TyperException) -> str:
    """The value that validation refused, if that is what happened."""
    findings = getattr(error.__cause__, "errors", None)
    return "" if findings is None else repr(findings()[0]["input"])
