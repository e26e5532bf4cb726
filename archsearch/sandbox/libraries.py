"""Which folders a candidate may read: those of the libraries that its process has imported already, and no other.

Whole folders such as site-packages or the environment are never opened: they hold what else is installed, tokens of
package indexes (pip.conf), and, in an installed archsearch, the data that candidates are judged by.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import archsearch

PACKAGES_FOLDERS = {"site-packages", "dist-packages"}
"""Folders of installed packages, which may lie in the one of the standard library."""

OWN_PARTS = ("__init__.py", "errors.py", "settings.py", "hybrid", "training")
"""What of archsearch a candidate may read: the language that it is written in and the trainer, for its tracebacks.
Not the search spaces, nor the simulators that made their data."""


def readable() -> list[str]:
    """The files and folders to be read, links resolved, each once."""
    found = {*_standard(), *_imported(), *_own()}
    return sorted(str(path) for path in found if not _too_wide(path))


def _standard() -> Iterator[Path]:
    """The standard library, entry by entry, because the folder of installed packages may lie in it."""
    for name in ("stdlib", "platstdlib"):
        folder = Path(sysconfig.get_path(name))
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.name not in PACKAGES_FOLDERS:
                yield entry.resolve()


def _imported() -> Iterator[Path]:
    """The folder, or file, of every top-level package that has been imported; shared libraries may lie beside it."""
    for name, module in sorted(sys.modules.items()):
        if "." not in name and name not in ("archsearch", "__main__"):
            for place in _places(module):
                yield place.resolve()
                beside = place.with_name(f"{place.name}.libs")
                if beside.is_dir():
                    yield beside.resolve()


def _places(module: ModuleType) -> list[Path]:
    """Where a module lies; none if it is built in. A package may have several folders."""
    folders = [Path(folder) for folder in getattr(module, "__path__", ()) if isinstance(folder, str)]
    file = getattr(module, "__file__", None)
    return folders or ([Path(file)] if isinstance(file, str) else [])


def _own() -> Iterator[Path]:
    for folder in archsearch.__path__:
        for part in OWN_PARTS:
            yield (Path(folder) / part).resolve()


def _too_wide(path: Path) -> bool:
    """Whether it holds more than a library: the root, a home, installed packages at large, archsearch with its data."""
    guarded = [os.path.expanduser("~"), archsearch.__file__ or "/"]
    guarded += [folder for folder in sys.path if os.path.basename(folder) in PACKAGES_FOLDERS]
    return any(Path(place).resolve().is_relative_to(path) for place in guarded)
