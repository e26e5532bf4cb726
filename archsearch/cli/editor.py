"""The editor of the person: $VISUAL, $EDITOR, or what this machine has."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from archsearch.errors import MachineError

COMMON = ("nano", "vim", "vi")


class Draft:
    """A source that a person edits, as a file of its own.

    Args:
        source: what there is to begin with.
        number: of the proposal, for the name of the file.
    """

    def __init__(self, source: str, number: int) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="archsearch-")) / f"candidate_{number}.py"
        self.path.write_text(source, encoding="utf-8")

    def edit(self) -> str:
        """Open the editor, wait until it is closed, and read what was saved.

        Raises:
            MachineError: there is no editor, or it failed.
        """
        command = [*shlex.split(_editor()), str(self.path)]
        try:
            code = subprocess.run(command, check=False).returncode
        except OSError as error:
            raise MachineError(f"{command[0]}: cannot be started ({error.strerror}).", _REMEDY) from None
        if code != 0:
            raise MachineError(f"{command[0]}: ended with code {code}; nothing was read from it.", _REMEDY)
        return self.path.read_text(encoding="utf-8", errors="replace")

    def drop(self) -> None:
        """Remove the file."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


_REMEDY = "Name an editor that waits until it is closed: export EDITOR=nano"


def _editor() -> str:
    named = os.environ.get("VISUAL", "").strip() or os.environ.get("EDITOR", "").strip()
    found = named or next((name for name in COMMON if shutil.which(name)), "")
    if not found:
        raise MachineError("There is no editor: neither VISUAL nor EDITOR is set.", _REMEDY)
    return found
