"""Which folders a candidate may read: those of the libraries that its process has imported already, and no other.

Whole folders such as site-packages or the environment are never opened: they hold what else is installed, tokens of
package indexes (pip.conf), and, in an installed archsearch, the data that candidates are judged by.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from types import ModuleType

import archsearch

PACKAGES_FOLDERS = {"site-packages", "dist-packages"}
"""Folders of installed packages, which may lie in the one of the standard library."""

OWN_PARTS = ("__init__.py", "errors.py", "settings.py", "hybrid", "training")
"""What of archsearch a candidate may read: the language that it is written in and the trainer, for its tracebacks.
Not the search spaces, nor the simulators that made their data."""


def readable() -> list[str]:
    """The files and folders to be read, links resolved, each once."""
    found = {os.path.realpath(path) for path in (*_standard(), *_imported(), *_own())}
    return sorted(path for path in found if not _too_wide(path))


def _standard() -> Iterator[str]:
    """The standard library, entry by entry, because the folder of installed packages may lie in it."""
    for name in ("stdlib", "platstdlib"):
        folder = sysconfig.get_path(name)
        for entry in os.listdir(folder) if os.access(folder, os.R_OK) else ():
            if entry not in PACKAGES_FOLDERS:
                yield os.path.join(folder, entry)


def _imported() -> Iterator[str]:
    """The folder, or file, of every top-level package that has been imported; shared libraries may lie beside it."""
    for name, module in list(sys.modules.items()):
        if "." not in name and name not in ("archsearch", "__main__"):
            for place in _places(module):
                yield place
                if os.path.isdir(f"{place}.libs"):
                    yield f"{place}.libs"


def _places(module: ModuleType) -> list[str]:
    """Where a module lies; nowhere if it is built in. A package may have several folders."""
    folders = [folder for folder in getattr(module, "__path__", ()) if isinstance(folder, str)]
    file = getattr(module, "__file__", None)
    return folders or ([file] if isinstance(file, str) else [])


def _own() -> Iterator[str]:
    for folder in archsearch.__path__:
        yield from (os.path.join(folder, part) for part in OWN_PARTS)


def _too_wide(path: str) -> bool:
    """Whether it holds more than a library: the root, a home, installed packages at large, archsearch with its data."""
    guarded = [os.path.expanduser("~"), *archsearch.__path__]
    guarded += [folder for folder in sys.path if os.path.basename(folder) in PACKAGES_FOLDERS]
    return any(_holds(path, os.path.realpath(place)) for place in guarded)


def _holds(folder: str, place: str) -> bool:
    return folder == place or place.startswith(folder.rstrip("/") + "/")
