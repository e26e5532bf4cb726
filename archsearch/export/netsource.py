"""A fitted net as a plain function: its weights as numbers, its structure as code."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping

import torch
from torch import Tensor

from archsearch.errors import RunError
from archsearch.export.literals import literal
from archsearch.hybrid import Net
from archsearch.hybrid.monotone import signed

MOST_READABLE = 24
"""Arrays of more numbers than this are written in base64: nobody reads them one by one."""


def net_source(function: str, name: str, net: Net, arrays: Mapping[str, Tensor]) -> str:
    """The source of one net: its arrays, then a function of its inputs.

    Args:
        function: the name of the function.
        name: the name of the net.
        net: what was declared of it.
        arrays: `net.<name>.<array>` as `HybridModel.state_arrays` gave them.
    """
    values = _Arrays(name, arrays)
    layers = [_layer(net, values, index) for index in range(len(net.hidden) + 1)]
    lines = [
        f"{function}_mean = {array_source(values['mean'])}",
        f"{function}_std = {array_source(values['std'])}",
        *(f"{function}_{key} = {array_source(values[key])}" for key in ("scale", "shift") if key in _needed(net)),
        f"{function}_layers = (",
        *(_pair(weight, bias) for weight, bias in layers),
        ")",
        "",
        "",
        *_body(function, name, net),
    ]
    return "\n".join(lines)


def array_source(array: Tensor, indent: str = "") -> str:
    """An array as an expression: readable numbers if it is small, base64 of its float64 bytes otherwise."""
    if array.numel() <= MOST_READABLE:
        return f"array({literal(array.tolist(), indent)})"
    text = base64.b64encode(array.contiguous().numpy().astype("<f8").tobytes()).decode()
    lines = [f'{indent}    "{line}"' for line in textwrap.wrap(text, 100)]
    lines[-1] += ","
    return "\n".join(["decoded(", *lines, f"{indent}    {tuple(array.shape)!r},", f"{indent})"])


def _pair(weight: Tensor, bias: Tensor) -> str:
    """One layer in the tuple of layers."""
    inner = " " * 8
    lines = ["    (", f"{inner}{array_source(weight, inner)},", f"{inner}{array_source(bias, inner)},", "    ),"]
    return "\n".join(lines)


def _body(function: str, name: str, net: Net) -> list[str]:
    """The function itself."""
    shape = " x ".join(map(str, net.hidden)) or "no hidden layer"
    sees = ", ".join(net.inputs)
    layers = f"{function}_layers, {_ACTIVATIONS[net.activation]}"
    lines = [
        f"def {function}({', '.join(_arguments(net))}):",
        f'    """The net `{name}` ({shape}, {net.activation}), role {net.role}: sees {sees}."""',
        f"    seen = stacked({', '.join(_arguments(net))})",
        *_raw(function, net, layers),
        f"    out = {_form(function, net)}",
    ]
    for input_name, at in (net.zero_at or {}).items():
        if input_name == net.anchor:
            continue
        index = net.inputs.index(input_name)
        distance = f"(seen[..., {index} : {index + 1}] - {at!r}) / {function}_std[{index}]"
        lines.append(f"    out = out * torch.tanh({distance})")
    sign = "-" if net.direction < 0 else ""
    one = len(net.outputs) < 2
    return [*lines, f"    return {sign}out.squeeze(-1)" if one else f"    return ({sign}out).unbind(-1)"]


def _raw(function: str, net: Net, layers: str) -> list[str]:
    """The perceptron, less what it gives at the zero if the net rises from there, as `hybrid.nets` does it."""
    if net.anchor is None:
        return [f"    raw = perceptron((seen - {function}_mean) / {function}_std, {layers})"]
    index, last = net.inputs.index(net.anchor), len(net.inputs) - 1
    before = [f"standard[..., :{index}]"] if index else []
    after = [f"standard[..., {index + 1}:]"] if index < last else []
    here, there = (", ".join([*before, text, *after]) for text in ("away", "0.0 * away"))
    distance = f"seen[..., {index} : {index + 1}] - {(net.zero_at or {})[net.anchor]!r}"
    return [
        *([f"    standard = (seen - {function}_mean) / {function}_std"] if last else []),
        f"    away = torch.asinh(({distance}) / {function}_std[{index}])",
        f"    there = perceptron(torch.cat([{there}], -1), {layers})",
        f"    raw = perceptron(torch.cat([{here}], -1), {layers}) - there",
    ]


_ACTIVATIONS = {"tanh": "torch.tanh", "softplus": "torch.nn.functional.softplus"}


_TAKEN = ("seen", "standard", "away", "there", "raw", "out", "torch")


def _arguments(net: Net) -> list[str]:
    """Argument names: the input mask, each once."""
    return [f"{name}_" if name in _TAKEN else name for name in net.inputs]


def _form(function: str, net: Net) -> str:
    """From the output of the perceptron to natural units, as `hybrid.nets` does it."""
    one_sided = net.positive or net.anchored
    if net.anchor is not None:
        rise = f"{function}_scale * raw"
        return rise if net.bounded is None else f"{_interval(net)[1]!r} * torch.tanh({rise})"
    if net.bounded is not None:
        low, high = _interval(net)
        return f"{low!r} + {high - low!r} * torch.sigmoid(raw + {function}_shift)"
    if net.role == "scale":
        return "torch.exp(raw)" if one_sided else "1.0 + raw"
    if one_sided:
        return f"{function}_scale * torch.nn.functional.softplus(raw + {function}_shift)"
    return f"{function}_scale * raw" if net.role == "add" else f"{function}_shift + {function}_scale * raw"


def _needed(net: Net) -> set[str]:
    """Which of `scale` and `shift` the form uses."""
    return {key for key in ("scale", "shift") if f"_{key}" in _form("", net)}


def _interval(net: Net) -> tuple[float, float]:
    """The bounds before zeros and direction are applied, as `hybrid.nets` has them."""
    low, high = net.bounded or (0.0, 1.0)
    if not net.anchored:
        return float(low), float(high)
    return (max(low, 0.0), float(high)) if net.direction > 0 else (max(-high, 0.0), -float(low))


def _layer(net: Net, values: _Arrays, index: int) -> tuple[Tensor, Tensor]:
    """Weights and biases of a layer, with the signs that monotone nets have by construction."""
    weight, bias = values[f"weight_{index}"], values[f"bias_{index}"]
    if not net.monotone:
        return weight, bias
    return signed(index, weight, net.signs), bias


class _Arrays:
    """The stored arrays of one net."""

    def __init__(self, name: str, arrays: Mapping[str, Tensor]) -> None:
        self._name, self._arrays = name, arrays

    def __getitem__(self, key: str) -> Tensor:
        found = self._arrays.get(f"net.{self._name}.{key}")
        if found is None:
            raise RunError(
                f"The stored weights hold no `net.{self._name}.{key}`, which the candidate's net needs.",
                "The run folder is damaged or was edited: run the search again.",
            )
        return found.to(torch.float64)
