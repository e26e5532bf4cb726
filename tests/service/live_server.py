"""A server on a real port, in a thread of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from served import Served


@contextmanager
def listening(served: Served) -> Iterator[str]:
    """The address of the server while it answers."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        config = uvicorn.Config(served.app, log_level="error", timeout_graceful_shutdown=1, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([place],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)
