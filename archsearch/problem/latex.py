"""Typeset trees and names as LaTeX, in the order in which they were written."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archsearch.problem.syntax import Binary, Call, Name, Negative, Node, Number

GREEK = """
alpha beta gamma delta zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
SYMBOLS = {name: f"\\{name}" for name in GREEK.split()} | {"epsilon": r"\varepsilon"}
NAMED = {"minimum": r"\min", "maximum": r"\max", "sign": r"\operatorname{sign}"}

SUM, MINUS, PRODUCT, POWER, ATOM = 1, 2, 3, 4, 5


def latex_name(name: str) -> str:
    r"""A name as a symbol: `mu_max` as `\mu_{\mathrm{max}}`, `K_S` as `K_{S}`, long words upright."""
    head, _, tail = name.partition("_")
    if not tail:
        head, tail = _split_digits(name)
    symbol = SYMBOLS.get(head) or (head if len(head) == 1 else None)
    if symbol is None:
        return rf"\mathrm{{{_escaped(name)}}}"
    return f"{symbol}_{{{_subscript(tail)}}}" if tail else symbol


def to_latex(node: Node, symbols: Mapping[str, str]) -> str:
    """The LaTeX of a tree; `symbols` overrides how a name is typeset."""
    return _typeset(node, symbols)[0]


def _split_digits(name: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", name)
    return (match[1], match[2]) if match else (name, "")


def _subscript(tail: str) -> str:
    return tail if len(tail) == 1 or tail.isdigit() else rf"\mathrm{{{_escaped(tail)}}}"


def _escaped(name: str) -> str:
    return name.replace("_", r"\_")


def _typeset(node: Node, symbols: Mapping[str, str]) -> tuple[str, int]:
    """The LaTeX of a node, with how tightly it binds."""
    match node:
        case Number():
            return _number(node)
        case Name(name):
            return symbols.get(name) or latex_name(name), ATOM
        case Negative(operand):
            return f"-{_inside(operand, PRODUCT, symbols)}", MINUS
        case Call("laplacian", (field,)):
            return rf"\nabla^2 {_inside(field, ATOM, symbols)}", POWER
        case Call(function, arguments):
            return _call(function, [to_latex(item, symbols) for item in arguments])
        case Binary():
            return _binary(node, symbols)


def _inside(node: Node, least: int, symbols: Mapping[str, str]) -> str:
    """A part of something larger, in parentheses if it binds less tightly than it must."""
    text, level = _typeset(node, symbols)
    return text if level >= least else rf"\left({text}\right)"


def _number(node: Number) -> tuple[str, int]:
    if node.text == "pi":
        return r"\pi", ATOM
    mantissa, _, exponent = node.text.lower().partition("e")
    if not exponent:
        return node.text, ATOM
    power = f"10^{{{int(exponent)}}}"
    return (power, POWER) if mantissa in ("1", "1.0") else (rf"{mantissa} \cdot {power}", PRODUCT)


def _call(function: str, arguments: list[str]) -> tuple[str, int]:
    inner = ", ".join(arguments)
    if function == "sqrt":
        return rf"\sqrt{{{inner}}}", ATOM
    if function == "abs":
        return rf"\left|{inner}\right|", ATOM
    # a power of a call is typeset with parentheses around the call, so a call binds like a power
    return rf"{NAMED.get(function, chr(92) + function)}\left({inner}\right)", POWER


def _binary(node: Binary, symbols: Mapping[str, str]) -> tuple[str, int]:
    left, right = node.left, node.right
    if node.operator == "/":
        return rf"\frac{{{to_latex(left, symbols)}}}{{{to_latex(right, symbols)}}}", PRODUCT
    if node.operator == "**":
        return f"{_inside(left, ATOM, symbols)}^{{{to_latex(right, symbols)}}}", POWER
    if node.operator == "*":
        return _product(left, right, symbols)
    second = _inside(right, SUM if node.operator == "+" else PRODUCT, symbols)
    second = rf"\left({second}\right)" if second.startswith("-") else second
    return f"{_inside(left, SUM, symbols)} {node.operator} {second}", SUM


def _product(left: Node, right: Node, symbols: Mapping[str, str]) -> tuple[str, int]:
    """A product; a minus sign before its first factor makes the whole bind like a minus sign."""
    first, second = _inside(left, MINUS, symbols), _inside(right, PRODUCT, symbols)
    return f"{first}{_between(second)}{second}", MINUS if first.startswith("-") else PRODUCT


def _between(second: str) -> str:
    """The sign of a product: a thin space, or a dot before a digit, which would else run into what precedes."""
    return r" \cdot " if second[0].isdigit() else r"\,"
