"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Heed Ctrl-C, as everything that tests start then does; who is started in the background is told to ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
