"""The sentence that a page begins with after something was done."""

from __future__ import annotations

SENTENCES = {
    "approved": "Number {} is approved.",
    "allowed": "Number {} is approved, and so is all of its kind from now on.",
    "rejected": "Number {} is rejected.",
    "edited": "Your version is number {}; it is approved, and takes the place of the other.",
    "wished": "Noted. It holds from the next proposal on.",
    "resumed": "The search goes on.",
    "running": "The search goes on.",
    "paused": "The search pauses: what runs is finished, nothing new begins.",
    "stopping": "The search stops. It can be resumed.",
}


def notice(done: str, about: int | None) -> str:
    """The sentence for a code in an address; nothing else that stands there ever gets onto a page."""
    return SENTENCES.get(done, "").format("" if about is None else about)
