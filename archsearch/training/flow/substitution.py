"""What is computed with a model, as a function of its unknowns too, so that it can be differentiated by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from archsearch.hybrid import HybridModel
from archsearch.training.flow.sensitivities import Flat


def of_unknowns(model: HybridModel, compute: Callable[..., Any]) -> Callable[..., Any]:
    """The function (p, *arguments) that computes with the model at raw parameters and weights p (P,).

    Args:
        model: the candidate.
        compute: calls the model, as often and in whatever way it likes, and its nulled twin: all of them see p.
    """
    flat, computation = Flat.of(model), _Computation(model, compute)

    def at(p: Tensor, *arguments: Tensor) -> Any:
        tensors = {f"model.{name}": tensor for name, tensor in flat.tensors(p).items()}
        return functional_call(computation, tensors, arguments)

    return at


class _Computation(torch.nn.Module):
    """A module that holds the model, since only of a module can the parameters be substituted."""

    def __init__(self, model: HybridModel, compute: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self._compute = compute

    def forward(self, *arguments: Tensor) -> Any:
        """Whatever is computed."""
        return self._compute(*arguments)
