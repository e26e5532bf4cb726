"""Find what ships with the software, templates and search spaces, and the spaces of the user."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsearch.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    import jinja2

SPACE_FILE = "space.toml"


def spaces() -> dict[str, Path]:
    """The search spaces known by name, each with its folder: those that ship first, then the user's own."""
    found: dict[str, Path] = {}
    for root in (_root() / "search_spaces", user_folder("search_spaces")):
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if (folder / SPACE_FILE).is_file():
                found.setdefault(folder.name, folder)
    return found


def space_file(request: str) -> Path:
    """The space file that a person means by a name, a folder or a file.

    Raises:
        RequestError: nothing of that name exists, or a name means two things.
    """
    named, path = spaces().get(request), Path(request).expanduser()
    if named is None:
        return _space_file_at(path, request)
    if (path / SPACE_FILE).is_file() and not path.samefile(named):
        raise RequestError(
            f"'{request}' is both a known search space ({named}) and a folder here.",
            f"Write ./{request} for the folder, or {named} for the other.",
        )
    return named / SPACE_FILE


def template(name: str) -> str:
    """The text of a template, e.g. `models/hybrid.py.j2`.

    A prompt (`prompts/...`) that the user keeps under the same name in `user_folder("prompts")` is taken instead.

    Raises:
        RequestError: there is no such template.
    """
    root = _root() / "templates"
    path = own_prompt(name) or root / name
    if not path.is_file():
        known = [str(file.relative_to(root)) for file in root.rglob("*.j2")]
        raise RequestError(f"Expected a template in {root}, found no '{name}'{did_you_mean(name, known)}")
    return path.read_text(encoding="utf-8")


def own_prompt(name: str) -> Path | None:
    """The file that the user has put in the place of a prompt, None if there is none or it is no prompt."""
    folder, _, rest = name.partition("/")
    path = user_folder("prompts") / rest
    return path if folder == "prompts" and path.is_file() else None


def compiled(name: str, filters: Mapping[str, Callable[..., Any]] | None = None, **options: Any) -> jinja2.Template:
    """A template that is ready to be filled in; a placeholder without a value is an error.

    Args:
        name: as for `template`.
        filters: what the template may call by name.
        options: of the Jinja environment, beyond those that all templates share.
    """
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, **options
    )
    environment.filters |= filters or {}
    return environment.from_string(template(name))


def _space_file_at(path: Path, request: str) -> Path:
    """The space file at a path that is a folder or the file itself."""
    if path.is_file():
        return path
    if path.is_dir():
        if (path / SPACE_FILE).is_file():
            return path / SPACE_FILE
        raise RequestError(
            f"Expected a {SPACE_FILE} in the folder '{request}', found none.",
            f"Make one with: archsearch new {request}, from data with --data FILE.csv.",
        )
    known = spaces()
    raise RequestError(
        f"Expected a search space by name, folder or file, found no '{request}'{did_you_mean(request, known)}",
        f"Known by name: {', '.join(sorted(known)) or 'none'}. Make your own with: archsearch new DIR --data FILE.csv.",
    )


def _root() -> Path:
    """Where templates and search spaces lie: inside the wheel, or at the top of the checkout."""
    package = Path(__file__).resolve().parent
    return package / "_bundled" if (package / "_bundled").is_dir() else package.parent


def user_folder(kind: str) -> Path:
    """Where a person may keep search spaces or prompts of their own, to be found by name."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "archsearch" / kind
