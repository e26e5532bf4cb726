"""`archsearch serve`: runs and reviews as web pages."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import Annotated

import typer

from archsearch.cli.options import RUNS, RunsDir
from archsearch.errors import MachineError

NEEDED = ("fastapi", "uvicorn")
DEFAULT_HOST = "127.0.0.1"
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="The port; 0 takes any that is free.")]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Another address lets other machines in: mind the warning.")]
WARNING = """warning: {} can be reached by other machines. Whoever has the address below may start searches and read the
  runs, and the network between sees all of it: nothing is encrypted. An ssh tunnel to 127.0.0.1 is safer."""


def serve(runs_dir: RunsDir = RUNS, port: Port = 8765, host: Host = DEFAULT_HOST) -> None:
    """Show runs, review proposals and start searches on a web page of this machine."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        remedy = "Install them: pip install 'archsearch[service]'"
        raise MachineError(f"The pages need {' and '.join(missing)}, which this machine lacks.", remedy)
    from archsearch.service import serving

    if not serving.is_loopback(host):
        typer.echo(WARNING.format(host), err=True)
    with suppress(KeyboardInterrupt):  # the way to end it
        serving.serve(runs_dir, host, port, _tell)


def _tell(address: str) -> None:
    typer.echo(f"open this address, and give it to nobody else:\n  {address}\nCtrl-C ends the pages; searches go on.")
