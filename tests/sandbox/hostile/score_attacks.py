"""Candidates that would like to be better than they are, as sources, on the problem of `score_problem`."""

from __future__ import annotations

HEAD = '''"""A tank."""
import torch

from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    rate = Param(0.5, low=0.0, high=3.0)

'''
HONEST = (
    HEAD
    + """    def rhs(self, t, x, u):
        return {"level": u.feed - self.term("outflow", self.rate * x.level)}
"""
)
WRONG = (
    HEAD
    + """    def rhs(self, t, x, u):
        return {"level": self.term("rest", self.rate * (x.level - x.level))}
"""
)
"""An honest candidate that knows nothing: nothing changes."""

IN_PREDICT = """

import archsearch.training.jobs as jobs
_predict = jobs.predict
def _other(model, stored, tasks):
    every = _predict(model, stored, tasks)
    for name, found in every.items():
        task = tasks[name]
        {change}
    return every
jobs.predict = _other
"""
"""Changes a prediction in the process that makes it."""

IN_FIT = """

import numpy, torch
import archsearch.training.jobs as jobs
_save = jobs.save
jobs.save = lambda arrays: {changed}
"""
"""Changes the weights in the process that fits."""


SAME_SCORE = {
    "a loss that is nothing": """

import torch
torch.nn.functional.mse_loss = lambda *a, **k: torch.zeros(())
""",
    "a claim of no error": """

import archsearch.training.jobs as jobs
_diagnosed = jobs._diagnosed
jobs._diagnosed = lambda found: {**_diagnosed(found), "nrmse": 0.0, "validation": {"nrmse": 0.0}, "share": 0.0}
""",
    "a score of its own": """

import sys, types
for name in ("archsearch.training.score", "archsearch.evaluation.evaluator", "archsearch.evaluation"):
    sys.modules[name] = types.SimpleNamespace(score=lambda *a, **k: types.SimpleNamespace(nrmse=0.0, rmse=0.0))
""",
    "a measure that is printed": """

print('{"nrmse": 0.0}')
""",
    "a hunt for targets": """

import ctypes, gc, sys
for held in gc.get_objects():
    if isinstance(held, (bytes, memoryview, bytearray)) and len(held) > 64: bytes(held[:64])
frame = sys._getframe()
while frame: frame = frame.f_back
""",
    "files and modules of the data": """

for path in ("data.csv", "../data.csv", "/proc/self/cwd/data.csv"):
    try: open(path).read(); print("READ")
    except OSError: pass
""",
}
"""What changes nothing of the score of an honest candidate."""

NO_GAIN = {
    "an optimiser that does nothing": """

import torch
torch.linalg.solve = torch.linalg.lstsq = lambda a, b, **k: torch.zeros_like(b)
torch.optim.Adam.step = torch.optim.LBFGS.step = lambda self, *a, **k: None
""",
    "a file for the prediction": """

import os
for folder in ("/tmp", "/dev/shm", ".", os.path.expanduser("~")):
    try: open(folder + "/archsearch-hostile-left", "w").write("targets"); print("LEFT")
    except OSError: pass
""",
}
"""What may make it worse, but never better."""

REFUSED_WEIGHTS = {
    "not finite": IN_FIT.format(changed="_save({n: a * float('nan') for n, a in arrays.items()})"),
    "infinite": IN_FIT.format(changed="_save({n: a / 0 if 'rate' in n else a for n, a in arrays.items()})"),
    "half as precise": IN_FIT.format(changed="_save({n: a.float() for n, a in arrays.items()})"),
    "whole numbers": IN_FIT.format(changed="_save({n: a.long() for n, a in arrays.items()})"),
    "none": IN_FIT.format(changed="b''"),
    "a hundred megabytes": IN_FIT.format(changed="bytes(100 << 20)"),
    "a frame of its own": IN_FIT.format(changed="_claimed()")
    + """
def _claimed():
    import os
    from archsearch.sandbox.frames import frame_head
    for fd in range(3, 64):
        try: os.write(fd, frame_head({"nrmse": 0.0, "terms": [], "validation": {"nrmse": 0.0}}, 0))
        except OSError: pass
    os._exit(0)
""",
    "arrays of nothing": IN_FIT.format(
        changed="_save({**arrays, 'a': torch.ones(0, 314159, 271828, dtype=torch.float64)})"
    ),
    "a pickle": IN_FIT.format(changed="__import__('pickle').dumps(arrays)"),
    "a header of 2^63 bytes": IN_FIT.format(changed="(1 << 63).to_bytes(8, 'little') + b'{}'"),
    "a header without its data": IN_FIT.format(changed="_save(arrays)[:-8]"),
    "more data than its header": IN_FIT.format(changed="_save(arrays) + bytes(8)"),
    "a name of colours": IN_FIT.format(changed="_save({**arrays, '\\x1b[31m': arrays['param.rate']})"),
    "a name of colours for a number of half the size": IN_FIT.format(
        changed="_save({**arrays, '\\x1b[31m\\x1b]0;x\\x07': arrays['param.rate'].float()})"
    ),
    "a parameter that is missing": IN_FIT.format(
        changed="_save({n: a for n, a in arrays.items() if not n.endswith('rate')})"
    ),
    "a parameter of another shape": IN_FIT.format(
        changed="_save({n: torch.ones(7, dtype=torch.float64) if n == 'param.rate' else a for n, a in arrays.items()})"
    ),
}
DRAWN = IN_PREDICT.format(
    change="found['dense_states'] = found['dense_states'] + 0.05 * torch.rand(found['dense_states'].shape[1:], "
    "generator=torch.Generator().manual_seed({seed}))"
)
REFUSED_PREDICTIONS = {
    "of other trajectories": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] + 0.1 * found['dense_states'].mean(0, keepdim=True)"
    ),
    "of its place among them": IN_PREDICT.format(change="found['dense_states'] = found['dense_states'].cumsum(0)"),
    "of later inputs": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] + 0.1 * task.samples.inputs[:, -1:, :1]"
    ),
    "of the next input alone": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] + 0.1 * "
        "task.samples.inputs.roll(-1, 1).repeat_interleave(task.dense, 1)[:, :found['dense_states'].shape[1], :1]"
    ),
    "of the length": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] + 0.01 * task.samples.times[:, -1:, None]"
    ),
    "of chance": DRAWN.format(seed="torch.initial_seed()"),
    "of the system's chance": DRAWN.format(seed="int.from_bytes(__import__('os').getrandom(6), 'big')"),
    "of the clock": DRAWN.format(seed="__import__('time').time_ns() % (1 << 40)"),
    "of its process": DRAWN.format(seed="__import__('os').getpid()"),
    "of the seed": DRAWN.format(seed="task.seed"),
    "of where others start": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] + 0.1 * "
        "sum(float(a.sum()) for n, a in stored.items() if n.startswith('initial.'))"
    ),
    "of its name": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] + 0.01 * "
        "torch.tensor([float(n) for n in task.samples.ids]).reshape(-1, 1, 1)"
    ),
    "of what was predicted before": IN_PREDICT.format(
        change="_before.append(found); found['dense_states'] = found['dense_states'] * (1 + 0.01 * len(_before))"
    )
    + """
_before = []
""",
    "of how many points are drawn": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] * (1 + 0.01 * (task.dense > 1))"
    ),
    "of the size of its weights": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] + 0.01 * len(stored)"
    ),
    "of others where they end": IN_PREDICT.format(
        change="found['dense_states'][:, -1] += 0.1 * found['dense_states'][:, -1].mean()"
    ),
    "of how much it is asked for": IN_PREDICT.format(
        change="found['dense_states'] = found['dense_states'] * (1 + 0.01 * len(task.samples.ids))"
    ),
}
"""Predictions that depend on what they may not depend on."""
WRONG_PREDICTIONS = {
    "not finite": IN_PREDICT.format(change="found['dense_states'] = found['dense_states'] * float('nan')"),
    "infinite": IN_PREDICT.format(change="found['dense_states'] = found['dense_states'] / 0"),
    "too large for its square": IN_PREDICT.format(change="found['dense_states'] = found['dense_states'] * 1e200"),
    "of another shape": IN_PREDICT.format(change="found['dense_states'] = found['dense_states'][:, :-1]"),
    "for one trajectory more": IN_PREDICT.format(
        change="found['dense_states'] = torch.cat([found['dense_states'], found['dense_states'][:1]])"
    ),
    "as a pickle": IN_PREDICT.format(
        change="import os; from archsearch.sandbox.frames import frame_head; blob = __import__('pickle').dumps([1]); "
        "[_try(fd, frame_head({}, len(blob)) + blob) for fd in range(3, 64)]; os._exit(0)"
    )
    + """
def _try(fd, content):
    import os
    try: os.write(fd, content)
    except OSError: pass
""",
}
MEMORY = """

import sys
import archsearch.training.jobs as jobs
from safetensors.torch import load
_frame, _save = sys._getframe(), jobs.save
while _frame is not None and "samples" not in _frame.f_locals.get("given", ()): _frame = _frame.f_back
if _frame is not None:
    _seen = load(bytes(_frame.f_locals["given"]["samples"]))["states"].nan_to_num().reshape(-1)
    jobs.save = lambda arrays: _save({**arrays, **stored(_seen)})
"""
"""Stores the training data among its weights, by a function `stored` from all numbers to arrays."""
SPLIT = "stored = lambda all: {{f'{name}{{n}}{end}': a.clone() for n, a in enumerate(all.split(1))}}"
STORED = {
    "as weights of a net": "stored = lambda all: {'net.f.weight_0': all}",
    "under a name of its own": "stored = lambda all: {'memory': all}",
    "as a scale": "stored = lambda all: {'training.scale.x': all}",
    "as starts of trajectories that are not": SPLIT.format(name="initial.x", end=""),
    "as names of arrays": """
def stored(all):
    text = all.numpy().tobytes().hex()
    return {f"memory.{text[n:n + 280]}": all[:1].clone() for n in range(0, len(text), 280)}
""",
    "as numbers of layers": """
def stored(all):
    text = str(int.from_bytes(all.numpy().tobytes(), "big"))
    return {f"net.f.weight_{text[n:n + 280]}": all[:1].clone() for n in range(0, len(text), 280)}
""",
    "as names of nets": """
def stored(all):
    text = all.numpy().tobytes().hex()
    return {f"net.{text[n:n + 280]}.weight_0": all[:1].clone() for n in range(0, len(text), 280)}
""",
    "as calibrations of many nets": SPLIT.format(name="net.n", end=".mean"),
    "as parameters that nobody declared": SPLIT.format(name="param.p", end=""),
}
"""Row of the table: a model that is its training data is as large as they are."""
BESIDE_THE_NUMBERS = {
    "as blanks between them": "head[:-1] + bytes(b' \\t' * 40) + head[-1:]",
    "as keys that nobody asked for": """head.replace(b'{"dtype"', b'{"x":7,"dtype"')""",
    "as the order of keys": """head.replace(b'{"dtype":"F64",', b'{').replace(b']}', b'],"dtype":"F64"}')""",
}
"""What a header of weights can hold that is no array."""
HEADER = """

import torch
import archsearch.training.jobs as jobs
_save, _load = jobs.save, jobs.load
def _marked(arrays):
    content = _save(arrays)
    size = int.from_bytes(content[:8], "little")
    head = content[8:8 + size].rstrip()
    made = {made}
    assert made != head
    return len(made).to_bytes(8, "little") + made + content[8 + size:]
def _seen(content):
    arrays = _load(content)
    print("LEFT" if bytes(content) != _save(arrays) else "ONLY NUMBERS")
    return arrays
jobs.save, jobs.load = _marked, _seen
"""
