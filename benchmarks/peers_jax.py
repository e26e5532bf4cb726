"""The same training in JAX: diffrax (Tsit5, adaptive) with Adam, the whole iteration compiled.

`python benchmarks/peers_jax.py TASK.npz FOUND.npz` needs the extra `peers`. It is a process of its own that has one
core, so that neither threads nor memory are shared with anything. `TASK.npz` holds the problem's letter, seed, budget,
times, states, inputs, jumps and scales; `FOUND.npz` then holds CPU seconds and the vector at each. The time to compile
is not charged; it is told separately.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from peer_models import CLIP, PEER_MODELS, Ops, Scales, due, learning_rate

MISSING = 3
"""Exit code where JAX, diffrax or optax cannot be imported."""
RELATIVE, ABSOLUTE = 1e-5, 1e-6
MOST_STEPS = 2000


def keep_to_one_core() -> None:
    """Before JAX is imported: it sizes its pool of threads by the cores that it may use."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def loss_of(task: Any) -> Callable[[Any], Any]:
    """Vector -> mean square misfit of the rollouts, in spreads."""
    import diffrax
    import jax
    import jax.numpy as jnp

    model = PEER_MODELS[str(task["letter"])]
    ops = Ops(jnp, jax.nn.softplus, lambda z, weight, bias: z @ weight.T + bias)
    scales = Scales(jnp.array(task["mean"]), jnp.array(task["std"]))
    times, states, inputs = (jnp.array(task[name]) for name in ("times", "states", "inputs"))
    h, last, jumps = float(task["times"][1] - task["times"][0]), len(times) - 2, task["jumps"]

    def held(u: Any, t: Any) -> Any:
        return u[jnp.clip(jnp.searchsorted(times, t, side="right") - 1, 0, last)] if u.shape[-1] else u[0]

    def rollout(p: Any, x0: Any, u: Any) -> Any:
        unpacked = model.unpacked(p, ops)
        term = diffrax.ODETerm(lambda t, x, _: model.rhs(unpacked, x, held(u, t), scales, ops))
        control: Any = diffrax.PIDController(rtol=RELATIVE, atol=ABSOLUTE)
        if len(jumps):
            control = diffrax.ClipStepSizeController(control, jump_ts=jnp.array(jumps))
        found = diffrax.diffeqsolve(
            term,
            diffrax.Tsit5(),
            times[0],
            times[-1],
            h / 4,
            x0,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=control,
            max_steps=MOST_STEPS,
            throw=False,
        )
        return found.ys

    def loss(p: Any) -> Any:
        rolled = jax.vmap(rollout, (None, 0, 0))(p, states[:, 0], inputs)
        return (((rolled - states) / scales.std) ** 2).mean()

    return loss


def compiled_step(task: Any, p: Any) -> tuple[Callable[..., Any], Any]:
    """(vector, state of Adam, learning rate) -> the next of both, compiled; and the first state."""
    import jax
    import optax

    loss = loss_of(task)
    optimiser = optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam())
    state = optimiser.init(p)

    def step(p: Any, state: Any, rate: Any) -> Any:
        direction, state = optimiser.update(jax.grad(loss)(p), state)
        return p - rate * direction, state

    return jax.jit(step).lower(p, state, learning_rate(0.0)).compile(), state


def train(task: Any) -> dict[str, Any]:
    """Compile, then train for the budget; arrays to be stored."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    began = time.process_time()
    p = jnp.array(PEER_MODELS[str(task["letter"])].first(int(task["seed"])))
    step, state = compiled_step(task, p)
    jax.block_until_ready(step(p, state, 0.0))
    compiling = time.process_time() - began
    budget, spent, seconds, vectors, iterations = float(task["budget"]), 0.0, [0.0], [np.asarray(p)], 0
    while spent < budget:
        began = time.process_time()
        p, state = jax.block_until_ready(step(p, state, learning_rate(spent / budget)))
        spent += time.process_time() - began
        iterations += 1
        if due(spent, seconds[-1]) or spent >= budget:
            seconds.append(spent)
            vectors.append(np.asarray(p))
    return {"seconds": seconds, "vectors": np.stack(vectors), "compiling": compiling, "iterations": iterations}


def main() -> None:
    """Read the task, train, write what was found."""
    keep_to_one_core()
    try:
        import diffrax  # noqa: F401  # asked for now, so that what is missing is said in one sentence
        import jax  # noqa: F401
        import optax  # noqa: F401
    except ImportError as missing:
        print(f'The JAX peer is left out: {missing}. Install it with: pip install -e ".[peers]"', file=sys.stderr)
        sys.exit(MISSING)
    with np.load(sys.argv[1]) as task:
        found = train(task)
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
