"""Files that a command writes where the user asked for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsearch.errors import RequestError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")


def writable(target: Path) -> Path:
    """The target with its folder made; what cannot be a file is refused before any work is done."""
    if target.is_dir():
        raise RequestError(f"{target} is a folder, expected the name of a file.", f"Write -o {target / 'NAME'}.")
    folder(target.parent)
    return target


def folder(place: Path) -> Path:
    """The folder, made if there is none."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RequestError(f"{place}: expected a folder, found a file.", "Choose another place.") from None
    except OSError as error:
        raise RequestError(f"{place}: cannot be made ({error.strerror}).", "Choose another place.") from None
    return place


def picture(target: Path) -> Path:
    """A writable target whose ending says which kind of picture it is."""
    if target.suffix.lower() not in PICTURES:
        raise RequestError(
            f"{target}: expected a picture ending in {', '.join(PICTURES)}, found {target.suffix or 'no ending'}",
            f"Write for example -o {target.with_suffix('.png')}.",
        )
    return writable(target)


def save(figure: Figure, target: Path) -> None:
    """Writes a figure, the same bytes for the same figure on the same machine."""
    metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    figure.savefig(target, dpi=150, metadata=metadata[target.suffix.lower()])
