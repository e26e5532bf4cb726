"""`python -m archsearch`: the same as the command `archsearch`."""

from __future__ import annotations

from archsearch.cli.main import run

if __name__ == "__main__":
    run()
