"""What candidates compute with still computes behind the walls, and to the last digit as outside."""

from __future__ import annotations

import pytest
from walled import KERNEL_TIERS, USERS, walled

from archsearch.sandbox.tiers import Tier, probe

pytestmark = pytest.mark.skipif(probe() is not Tier.LANDLOCK_SECCOMP, reason="this kernel cannot build all walls")

BEFORE = """
import warnings
warnings.simplefilter('ignore')
import torch
from torch.func import functional_call, hessian, jacrev, jvp, vmap
def survey():
    torch.manual_seed(0)
    x, found = torch.randn(8, 6, 3, dtype=torch.float64), []
    layers = torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3)
    net = torch.nn.Sequential(*layers).double()
    gru = torch.nn.GRU(3, 3, batch_first=True).double()
    for kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, torch.optim.LBFGS):
        optimizer = kind([*net.parameters(), *gru.parameters()], lr=1e-2)
        def closure():
            optimizer.zero_grad()
            loss = net(gru(x)[0]).pow(2).mean()
            loss.backward()
            return loss
        found.append(float(optimizer.step(closure)))
    parameters = dict(net.named_parameters())
    call = lambda p, z: functional_call(net, p, (z,)).sum()
    found.append(float(vmap(jacrev(call, argnums=1), (None, 0))(parameters, x[0]).sum()))
    found.append(float(hessian(lambda z: call(parameters, z))(x[0, 0]).sum()))
    found.append(float(jvp(lambda z: call(parameters, z), (x[0],), (x[1],))[1]))
    matrix = x[0].T @ x[0] + torch.eye(3, dtype=torch.float64)
    algebra = torch.linalg
    for kind in (algebra.inv, algebra.cholesky, algebra.matrix_exp, algebra.eigvalsh, algebra.svdvals):
        found.append(float(kind(matrix).sum()))
    found.append(float(torch.fft.rfft(x[..., 0]).abs().sum() + torch.cdist(x[0], x[1]).sum()))
    return found
survey()  # imports what the first call of each would import
"""


@pytest.mark.parametrize("tier", KERNEL_TIERS)
@pytest.mark.parametrize("user", USERS)
def test_it_computes_what_it_computes_outside(tier: Tier, user: int) -> None:
    ran = walled(
        "print(survey() == expected, torch.isfinite(torch.tensor(expected)).all().item())",
        tier,
        user,
        f"{BEFORE}\nexpected = survey()",
    )
    assert ran.out == "True True\n", ran.err


@pytest.mark.parametrize("tier", KERNEL_TIERS)
def test_threads_of_openmp_start_behind_the_walls(tier: Tier) -> None:
    source = """
torch.set_num_threads(2)
a = torch.ones(600, 600)
print(float((a @ a).sum()) == 600.0**3, flush=True)
os.write(told, b'x')
os.read(asked_for, 1)
"""
    before = """
import torch
torch.set_num_threads(1)
watched, told = os.pipe()
asked_for, answer = os.pipe()
keep = (told, asked_for)
fork = os.fork
def fork_and_count():
    pid = fork()
    if pid:
        os.read(watched, 1)
        print(len(os.listdir(f'/proc/{pid}/task')), flush=True)
        os.write(answer, b'x')
    return pid
os.fork = fork_and_count
"""
    assert walled(source, tier, before=before).out.split() == ["True", "2"]
