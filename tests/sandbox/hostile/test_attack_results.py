"""What a job sends back, written by itself in place of the frame of ours; and what it leaves for the next job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attacks import FIND_RESULT, SOME, Place
from sandboxes import LIMITS, run

CAP = LIMITS.result_mb << 20
HEAD = """
import io, json, os, pickle, struct, zipfile
from archsearch.sandbox.frames import LENGTHS, MAGIC, frame_head
class Bomb:
    def __reduce__(self): return os.mkdir, (W["folder"] + "/unpickled",)
W = json.loads(bytes(given["world"]))
def frame(header, blob=b"", claimed=None):
    lengths = claimed or (len(header), len(blob))
    return LENGTHS.pack(MAGIC, *lengths) + header + blob
def send(content):
    rest = memoryview(content)
    while rest: rest = rest[os.write(RESULT, rest):]
def zipped():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file: file.writestr("x.npy", bytes(50_000_000))
    return held.getvalue()
"""

REFUSED_FRAMES = {
    "50 a pickle": "pickle.dumps(Bomb())",
    "51 a pickle in the header": "frame(pickle.dumps(Bomb()))",
    "52 a measure in the header's place": "b'{\"nrmse\": 0.0}'",
    "54 a header longer than it is": "frame(b'{}', b'', (99, 0))",
    "54 a blob longer than it is": "frame(b'{}', b'1234', (2, 8))",
    "54 a blob shorter than it is": "frame(b'{}', b'1234', (2, 2))",
    "54 the longest header": "frame(b'{}', b'', (2**32 - 1, 0))",
    "54 the longest blob": "frame(b'{}', b'', (2, 2**64 - 1))",
    "54 one byte too long": f"frame(b'{{}}', b'', (2, {CAP + 1}))",
    "55 not a number": "frame(b'{\"x\": NaN}')",
    "55 infinity": "frame(b'{\"x\": -Infinity}')",
    "55 infinity by an exponent": "frame(b'{\"x\": 1e999}')",
    "56 sixty thousand brackets": "frame(b'{\"x\":' + b'[' * 60_000 + b']' * 60_000 + b'}')",
    "56 brackets without end": "frame(b'[' * 200_000)",
    "57 an integer of sixty thousand digits": "frame(b'{\"x\": ' + b'9' * 60_000 + b'}')",
    "59 nothing": "b''",
    "own a key twice": 'frame(b\'{"x": 1, "x": 2}\')',
    "own no object": "frame(b'[1]')",
    "own two objects": "frame(b'{}{}')",
    "own other letters": "frame('{\"x\": \"\\u2028\"}'.encode('utf-16'))",
    "own half of a pair": 'frame(b\'{"x": "\\\\ud800"}\')',
    "own a byte before": "b' ' + frame(b'{}')",
    "own two frames": "frame(b'{}') * 2",
    "own a frame in other order": "struct.pack('>4sIQ', MAGIC, 2, 0) + b'{}'",
    "own zeros": "bytes(4096)",
    "own all but the last byte": "frame(b'{\"x\": 1}', b'1234')[:-1]",
}


@SOME
@pytest.mark.parametrize("name", REFUSED_FRAMES)
def test_what_is_no_frame_is_refused(where: Place, name: str) -> None:
    report = where.suffer_source(f"{FIND_RESULT}{HEAD}\nsend({REFUSED_FRAMES[name]})\nos._exit(0)")
    assert report.header is report.blob is None
    assert report.bad


TAKEN_FRAMES = {
    "50 a pickle as a blob": "pickle.dumps(Bomb())",
    "58 a zip bomb": "zipped()",
    "own a program": "b'\\x7fELF' + bytes(100)",
    "own as long as it may be": f"bytes({CAP})",
}


@SOME
@pytest.mark.parametrize("name", TAKEN_FRAMES)
def test_a_blob_is_bytes_and_nothing_is_done_with_them(where: Place, name: str) -> None:
    report = where.suffer_source(f"{HEAD}\nblob = {TAKEN_FRAMES[name]}")
    assert report.blob is not None
    assert len(report.blob) <= CAP
    if "pickle" in name:
        assert b"unpickled" in report.blob, "it is the bomb, and it has not gone off: the folder is not there"


def test_a_measure_that_is_printed_is_print(where: Place) -> None:
    """Row 53: whatever it says, and whatever it would do to a terminal."""
    lines = [
        '{"nrmse": 0.0, "status": "ok"}',
        "\x1b]0;title\x07\x1b[2J\x1b[1;1H\x1b[31mscore 0.0\x1b[0m",
        "\r\rover what was there\b\b\b\x7f",
        "\x9b2J \u202edesrever\u2066 \u200bhidden \ufeff",
        "\x00\x01\x02\x1a",
    ]
    report = where.suffer_source(f"for line in {lines!r}: print(line)")
    assert report.header == {}
    assert set(report.log) & {chr(n) for n in [*range(32), 127, *range(128, 160)]} <= {"\n", "\t"}
    assert not set(report.log) & set("\u202e\u2066\u200b\ufeff")
    assert '{"nrmse": 0.0, "status": "ok"}' in report.log


@SOME
def test_a_flood_of_colours_is_cut_to_its_end(where: Place) -> None:
    report = where.suffer_source("for n in range(9000): print(f'\\x1b[{n % 8 + 30}m{n}', flush=True)")
    assert report.exit == 0
    assert len(report.log.encode()) <= 3 * (LIMITS.log_kb << 10)
    assert "8999" in report.log
    assert "\x1b" not in report.log


@SOME
def test_a_result_after_its_descriptor_was_closed_is_none(where: Place) -> None:
    """Row 60."""
    report = where.suffer_source(f"{FIND_RESULT}\nos.close(RESULT)")
    assert (report.header, report.blob) == (None, None)
    assert report.exit not in (None, 0)


PATCHES = """
import builtins, ctypes, gc, json, os, random, signal, struct, sys
import torch, torch.optim
from archsearch.sandbox import child, frames, sealed
torch.nn.functional.mse_loss = torch.Tensor.backward = lambda *a, **k: torch.zeros(())
torch.optim.Adam.step = torch.no_grad = torch.ones = None
json.dumps = json.loads = struct.pack = lambda *a, **k: b"{}"
frames.frame_head = child.frame_head = lambda header, size: b"patched"
real = os.write
os.write = lambda fd, content: real(fd, b"patched"[:len(content)])
builtins.open = builtins.print = builtins.__import__ = None
torch.manual_seed(0); random.seed(0)
torch.set_default_dtype(torch.float16); torch.set_num_threads(7)
gc.disable(); sys.setrecursionlimit(60)
for name in list(sys.modules):
    if name.startswith("numpy") or name == "archsearch.training": del sys.modules[name]
word = ctypes.c_char.from_address(id(None))
"""


def test_what_one_job_patches_the_next_does_not_see(where: Place) -> None:
    """Rows 61 and 62: libraries, our own modules, generators, settings of torch and of the interpreter."""
    look = """
import gc, os, sys, torch, torch.optim
net = torch.nn.Linear(2, 1)
loss = torch.nn.functional.mse_loss(net(torch.ones(3, 2)), torch.zeros(3, 1))
loss.backward()
header = {"loss": loss.item(), "gc": gc.isenabled(), "type": str(torch.ones(1).dtype), "deep": sys.getrecursionlimit(),
          "threads": torch.get_num_threads(), "write": os.write.__module__, "modules": len(sys.modules),
          "step": torch.optim.Adam.step.__name__,
          "drawn": torch.rand(1).item()}
"""
    before = run(where.sandbox, look)
    patched = where.suffer_source(PATCHES)
    after = run(where.sandbox, look)
    assert patched.header is None
    assert before.header is not None
    assert before.header["type"] == "torch.float32"
    assert after.header == before.header


@pytest.fixture
def patience(where: Place) -> Iterator[Place]:
    with where.within(20.0):
        yield where


@SOME
def test_a_fork_of_the_interpreter_after_the_walls_makes_no_second_answer(patience: Place) -> None:
    """Own: going back into the code of ours that forked it, to be a process that forks."""
    source = """
import os, sys
os._exit = lambda code: None
frame = sys._getframe()
while frame:
    server = frame.f_locals.get("self")
    if server is not None and hasattr(server, "_children"):
        server._children.clear()
        server.serve()
    frame = frame.f_back
raise SystemExit
"""
    report = patience.suffer_source(source)
    assert report.header is report.blob is None
