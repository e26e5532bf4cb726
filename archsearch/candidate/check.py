"""The static check: all that is wrong with a source, found without running it.

It is a courtesy to authors. What keeps a hostile source from doing harm is the sandbox.
"""

from __future__ import annotations

import ast
import warnings

from archsearch.candidate.check_declarations import read_declarations
from archsearch.candidate.check_equations import check_equations
from archsearch.candidate.check_grid import check_grid
from archsearch.candidate.check_language import check_language
from archsearch.candidate.finding import Finding, Findings
from archsearch.problem.space import SearchSpace

__all__ = ["Finding", "check"]

LONGEST = 100_000
CLASS = "class Candidate(HybridModel):"


def check(source: str, space: SearchSpace) -> list[Finding]:
    """All that is wrong with a source in a space, top to bottom; nothing if it may be tried."""
    findings = Findings()
    tree = _parsed(source, findings)
    if tree is not None:
        try:
            _check_tree(tree, space, findings)
        except RecursionError:
            findings.add(1, "the source is nested too deeply", "Compute parts of it in variables of their own")
    return findings.in_order()


def _check_tree(tree: ast.Module, space: SearchSpace, findings: Findings) -> None:
    check_language(tree, findings)
    found = _candidate(tree, findings)
    if found is not None:
        declared = read_declarations(found.body, space, findings)
        check_equations(declared, space, found.lineno, findings)
        check_grid(declared, space, findings)


def _parsed(source: str, findings: Findings) -> ast.Module | None:
    if len(source) > LONGEST:
        findings.add(1, f"the source has {len(source)} characters", f"Keep it below {LONGEST}")
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in a docstring are the author's affair
            return ast.parse(source)
    except SyntaxError as error:
        findings.add(error.lineno or 1, f"this is not Python: {error.msg}", "Mend the syntax; the rest follows then")
    except (ValueError, MemoryError, RecursionError) as error:
        findings.add(1, f"this is not Python: {error}", "Write plain text, not nested too deeply")
    return None


def _candidate(tree: ast.Module, findings: Findings) -> ast.ClassDef | None:
    """The class Candidate, the last one if there are several."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Candidate"]
    for node in classes:
        if node not in found:
            findings.add(node, f"the class '{node.name}' is not Candidate", f"Write one class: {CLASS}")
    if not found:
        findings.add(1, "there is no class Candidate", f"Write {CLASS}")
        return None
    for node in found[1:]:
        findings.add(node, "the class Candidate is defined twice", "Keep one")
    bases = [ast.unparse(base) for base in found[-1].bases]
    if bases != ["HybridModel"] or found[-1].keywords or found[-1].decorator_list:
        findings.add(found[-1], "Candidate is not a plain HybridModel", f"Write {CLASS}")
    return found[-1]
