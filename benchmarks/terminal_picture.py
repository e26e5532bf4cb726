"""A picture of what a command prints in a terminal.

python benchmarks/terminal_picture.py docs/figures/card.svg review lynx 12
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

WIDTH = 100
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What would be fetched from elsewhere; without it the reader's own monospace font is taken."""


def printed(arguments: list[str]) -> str:
    """What the command prints, with its colours."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "archsearch", *arguments]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def picture_of(target: str, arguments: list[str]) -> None:
    """Write the picture, with the command above what it printed."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ archsearch {' '.join(arguments)}", style="bold"))
    console.print(Text.from_ansi(printed(arguments)))
    picture = console.export_svg(title="archsearch", theme=DIMMED_MONOKAI, unique_id="archsearch")
    Path(target).write_text(FONTS.sub("", picture))


if __name__ == "__main__":
    picture_of(sys.argv[1], sys.argv[2:])
