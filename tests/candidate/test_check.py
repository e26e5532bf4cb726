"""The static check finds everything at once, says where, and what to write instead; it lets good sources pass."""

from __future__ import annotations

import pytest
from candidate_spaces import rich

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.check import Finding, check
from archsearch.hybrid import HybridModel, load_candidate

GOOD = '''"""By hand."""

from __future__ import annotations

import math

import torch

from archsearch.hybrid import HybridModel, Net, Param

HALF = 0.5


class Candidate(HybridModel):
    """Hares, lynx and snow."""

    birth = Param(0.5, low=0.0, high=2.0, unit="1/year")
    attack = Param(0.02, 0.0, 0.2, unit="year**-1")
    mine = Param(-1.5, high=0.0)
    two = 2.0
    profit = Net(inputs=("hare", "cold"), role="replace", hidden=(8, 8), monotone={"hare": "+"}, zero_at={"hare": 0.0})
    shift = Net(("lynx",), "add", outputs=("lynx", "snow"))
    rate = Net(inputs=["snow"], role="add", bounded=(-1.0, 1))
    dropped = ("feeding", "share")
    replaced = {"predation": "saturating"}
    regularizers = {"norm": 0.1, "correlation": 1}

    def _doubled(self, x, value):
        return self.two * value * x.hare

    def rhs(self, t, x, u):
        specific = self.term("specific", self.birth + self.rate(x.snow, relative_to=self.birth))
        growth = self.term("growth", specific * x.hare)
        eaten = self.term("saturating", self.attack * x.hare * x.lynx / (1 + x.hare))
        gain = self.profit(torch.log1p(x.hare), u.cold, instead_of=eaten)
        death = self.term("death", self.mine * x.lynx * HALF * math.pi)
        thaw = self.term("thaw", sum([self._doubled(x, value) for value in (x.snow, u.feed)]) * torch.sin(t))
        lynx, snow = self.shift(x.lynx)
        return {"hare": growth - gain, "lynx": gain - death + lynx, "snow": thaw + snow}
'''

PLANTED = [
    # (what is changed, into what, words of the finding, words of the remedy)
    ("import math\n", "import os\n", "Importing 'os'", "Import only torch"),
    ("import math\n", "import torch.nn\nimport math\n", "Importing 'torch.nn'", "Import only torch"),
    ("import math\n", "import math as m\n", "Importing 'math' like this", "its own name"),
    ("import math\n", "from math import *\nimport math\n", "Importing '*'", "its own name"),
    ("import math\n", "from torch import load\nimport math\n", "Importing 'load' from torch", "Import only"),
    ("Net, Param\n", "Net, Parm\n", "'Parm'; did you mean 'Param'", "HybridModel, Net, Param"),
    ("Net, Param\n", "Net, Param, load_candidate\n", "'load_candidate'", "HybridModel, Net, Param"),
    ("HybridModel, Net, Param", "HybridModel, Net", "'Param' is not defined", "Import it from archsearch.hybrid"),
    ("import torch\n", "", "'torch' is not defined", "import torch"),
    ("HALF = 0.5", "HALF = max(0.5, 1)", "Only a docstring", "Move it into rhs"),
    ("HALF = 0.5", "HALF = 0.5\n\ndef helper():\n    return 1", "'helper' stands outside", "private method"),
    (
        "class Candidate(",
        "class Other(HybridModel):\n    pass\n\n\nclass Candidate(",
        "'Other' is not Candidate",
        "one class",
    ),
    ("class Candidate(", "class Candidat(", "no class Candidate", "class Candidate(HybridModel)"),
    ("class Candidate(HybridModel)", "class Candidate", "not a plain HybridModel", "class Candidate(HybridModel)"),
    ("class Candidate(", "class Candidate(HybridModel):\n    pass\n\n\nclass Candidate(", "defined twice", "Keep one"),
    (
        'birth = Param(0.5, low=0.0, high=2.0, unit="1/year")',
        "birth = Param(x, unit='1/year')",
        "not a literal",
        "Write the value",
    ),
    ("low=0.0, high=2.0", "low=0.5, high=2.0", "not inside its bounds", "low < value < high"),
    ("low=0.0, high=2.0", "low=0.0, high='2'", "'high' of Param 'birth' is '2'", "Write a number"),
    ("low=0.0, high=2.0", "lo=0.0, high=2.0", "no argument 'lo'; did you mean 'low'", "value, low, high"),
    ("Param(0.5, low=0.0", "Param(low=0.0", "has no value", "Param(0.5"),
    ('high=2.0, unit="1/year"', 'high=2.0, unit="1/h"', "the space says '1/year'", 'unit="1/year"'),
    ("two = 2.0", "two = [2.0]", "neither Param", "Declare it"),
    ("two = 2.0", "two = 2.0\n    two = 3.0", "declared twice", "Keep one"),
    ("two = 2.0", "two = 2.0\n    forward = 1.0", "'forward' belongs to the model language", "forward_value"),
    ("two = 2.0", "two = 2.0\n    measured = 1.0", "'measured' belongs to the model language", "measured_value"),
    ("two = 2.0", "two = 2.0\n    spare = Param(1.0)", "'spare' is declared but never used", "delete it"),
    ('inputs=("hare", "cold"), role', "role", "no input mask", "inputs="),
    (
        'inputs=("hare", "cold")',
        'inputs=("hair", "cold")',
        "no state or input 'hair'; did you mean 'hare'",
        "hare, lynx",
    ),
    ('inputs=("hare", "cold")', 'inputs="hare"', "inputs='hare'", "tuple of names"),
    ('inputs=("hare", "cold")', "inputs=()", "inputs=()", "at least one"),
    ('role="replace"', 'role="replaces"', "'replaces'; did you mean 'replace'", "add, scale"),
    ("hidden=(8, 8)", "hidden=8", "hidden=8", "hidden=(16, 16)"),
    ("hidden=(8, 8)", "hidden=(8, 8), activation='relu'", "'relu'", "tanh, softplus"),
    ("hidden=(8, 8)", "hidden=(8, 8), outputs=('hare',)", "names outputs but has role", "Leave outputs out"),
    ('monotone={"hare": "+"}', 'monotone={"lynx": "+"}', "'lynx'", "hare, cold"),
    ('monotone={"hare": "+"}', 'monotone={"hare": 1}', "monotone={'hare': 1}", "signs by input"),
    ('monotone={"hare": "+"}', 'monotone={"hare": "-"}, positive=True', "falls from its zero", "Drop positive"),
    ("bounded=(-1.0, 1)", "bounded=(1.0, -1)", "bounded=(1.0, -1)", "an interval"),
    ("bounded=(-1.0, 1)", "bounded=(-1.0, 1), positive=True", "is positive and bounded", "Raise the lower bound"),
    ("bounded=(-1.0, 1)", "hiden=(4,)", "'hiden'; did you mean 'hidden'", "inputs, role"),
    ('"feeding", "share")', '"feding", "share")', "'feding'; did you mean 'feeding'", "predation"),
    ('("feeding", "share")', '("share",)', "term 'feeding' is nowhere", 'self.term("feeding"'),
    (
        '("feeding", "share")',
        '("feeding", "share", "growth")',
        "'growth' is used, replaced or dropped at once",
        "Keep one",
    ),
    ('("feeding", "share")', '"feeding"', "not a tuple of terms", "dropped = ("),
    (
        '{"predation": "saturating"}',
        '{"predation": "missing"}',
        "'missing' is to replace 'predation'",
        'self.term("missing"',
    ),
    ('{"predation": "saturating"}', '{"predatoin": "saturating"}', "did you mean 'predation'", "predation"),
    ('{"norm": 0.1, "correlation": 1}', '{"norn": 0.1}', "'norn'; did you mean 'norm'", "norm, correlation"),
    ('{"norm": 0.1, "correlation": 1}', '{"norm": -1}', "weight of 'norm' is -1", "at least 0"),
    ("def rhs(self, t, x, u)", "def rhs(self, t, x, u, z=1)", "takes (self, t, x, u, z=1)", "def rhs(self, t, x, u)"),
    ("def rhs(", "def right(", "no method rhs", "def rhs(self, t, x, u)"),
    ("    def _doubled(", "    def observes(self):\n        return 1\n\n    def _doubled(", "'observes'", "observe"),
    ("def rhs(", "def _rhs(", "no method rhs, and no method output", "def output(self, x, u)"),
    ("    def _doubled(", "    @staticmethod\n    def _doubled(", "'_doubled' has a decorator", "Leave the decorator"),
    ("self.birth + self", "self.brth + self", "no attribute 'self.brth'; did you mean 'self.birth'", "self.birth"),
    ("self.birth + self", "self.birth(t) + self", "called like a function", "self.birth"),
    ("specific * x.hare", "specific * x.hair", "no state 'hair'; did you mean 'hare'", "hare, lynx, snow"),
    ("specific * x.hare", "specific * x.cold", "'cold' is an input, not a state", "u.cold"),
    ("u.feed", "u.fed", "no input 'fed'; did you mean 'feed'", "feed, cold"),
    ("specific * x.hare", "specific * x[0]", "'x' is used as a whole", "x.hare"),
    ("specific * x.hare", "specfic * x.hare", "'specfic' is not defined; did you mean 'specific'", "Define it"),
    ('self.term("growth", ', 'self.term("grwth", ', "'growth' is nowhere; did you mean 'grwth'", 'self.term("growth"'),
    ('self.term("growth", ', "self.term(str, ", "name of the term is not a text", 'self.term("growth"'),
    ('self.term("growth", specific * x.hare)', 'self.term("growth")', "a name and a value", "self.rate * x.hare"),
    ('self.term("death", ', 'self.term("growth", ', "'growth' is named twice", "Compute it once"),
    (", instead_of=eaten", "", "role 'replace' but no instead_of", "instead_of="),
    (", relative_to=self.birth", "", "does not say what it is added to", "relative_to="),
    ("self.shift(x.lynx)", "self.shift(x.lynx, instead_of=gain)", "takes no instead_of", "Leave it out"),
    ("u.cold, instead_of", "instead_of", "sees 2 inputs but is called with 1", "Pass hare, cold"),
    ("torch.log1p(x.hare), u.cold", "u.cold, x.hare", "given 'cold' where its mask has 'hare'", "in this order"),
    ("self.shift(x.lynx)", "self.shift(x.lynx), self.shift", "'self.shift' is not called", "self.shift(...)"),
    ('"snow": thaw + snow}', "}", "state 'snow' has no derivative", '"snow"'),
    ('"snow": thaw + snow}', '"snow": thaw + snow, "ice": 0.0}', "no state 'ice'", "hare, lynx, snow"),
    ('"snow": thaw + snow}', '"snow": thaw, "snow": snow}', "has two derivatives", "once"),
    (
        'return {"hare": growth - gain, ',
        "return [growth - gain]\n        return {",
        "does not return a dict",
        "Return a dict",
    ),
    ("* math.pi", "* eval('1')", "'eval' is not allowed", "torch functions"),
    ("* math.pi", "* getattr(x, 'hare')", "'getattr' is not allowed", "torch functions"),
    ("* math.pi", "* open('f').read()", "'open' is not allowed", "torch functions"),
    ("* math.pi", "* __import__('os').pi", "'__import__' is not allowed", "torch functions"),
    ("* math.pi", "* self.__class__.two", "'__class__' is not allowed", "two underscores"),
    ("* math.pi", "* torch._C.two", "private attribute '_C'", "public names"),
    ("* math.pi", "* torch.load('f')", "'torch.load' is not allowed", "deterministic"),
    ("* math.pi", "* torch.rand(1)", "'torch.rand' is not allowed", "deterministic"),
    ("* math.pi", "* torch.set_num_threads(1)", "'torch.set_num_threads'", "deterministic"),
    ("* math.pi", "* x.hare.item()", "'.item' is not allowed", "new tensor"),
    ("* math.pi", "* x.hare.clamp_(0)", "'.clamp_' is not allowed", "new tensor"),
    ("        growth = ", "        self.two = 3.0\n        growth = ", "Assigning to 'self.two'", "local variable"),
    ("        growth = ", "        t[0] = 3.0\n        growth = ", "changes a tensor in place", "new tensor"),
    ("        growth = ", "        specific += 1\n        growth = ", "in place", "total = total + value"),
    ("        growth = ", "        global HALF\n        growth = ", "Global variables", "local variables"),
    ("        growth = ", "        import math\n        growth = ", "inside a class or function", "Move it to the top"),
    ("        growth = ", "        x = t\n        growth = ", "'x' is assigned to", "another name"),
    (
        "        growth = ",
        "        while True:\n            pass\n        growth = ",
        "'while' is not allowed",
        "range",
    ),
    (
        "        growth = ",
        "        with torch.no_grad():\n            pass\n        growth = ",
        "'with'",
        "plain arithmetic",
    ),
    ("        growth = ", "        print(t)\n        growth = ", "'print' is not allowed", "torch functions"),
    (
        "        growth = ",
        "        try:\n            pass\n        finally:\n            pass\n        growth = ",
        "'try'",
        "cannot fail",
    ),
]


def test_a_good_source_passes_and_loads():
    assert check(GOOD, rich()) == []
    load_candidate(GOOD)(rich().state_names, rich().input_names)


@pytest.mark.parametrize(("old", "new", "message", "remedy"), PLANTED, ids=[row[2] for row in PLANTED])
def test_an_error_is_found_with_line_sentence_and_remedy(old, new, message, remedy):
    assert GOOD.count(old) >= 1, old
    source = GOOD.replace(old, new, 1)
    found = [item for item in check(source, rich()) if message in item.message]
    assert found, "\n".join(str(item) for item in check(source, rich()))
    assert remedy in found[0].remedy
    assert 1 <= found[0].line <= source.count("\n") + 1


def test_the_line_is_that_of_the_error():
    source = GOOD.replace("specific * x.hare", "specific * x.hair")
    line = 1 + source[: source.index("x.hair")].count("\n")
    assert [item.line for item in check(source, rich())] == [line]


def test_many_errors_are_found_at_once_in_the_order_of_lines():
    source, expected = GOOD, []
    for old, new, message in [
        ("import math\n", "import math\nimport os\n", "'os'"),
        ("low=0.0, high=2.0", "low=0.7, high=2.0", "not inside its bounds"),
        ("high=0.0)", 'high=0.0, units="1")', "'units'; did you mean 'unit'"),
        ("hidden=(8, 8)", "hidden=8", "hidden=8"),
        ('"feeding", "share")', '"feding", "share")', "'feding'"),
        ("specific * x.hare", "specific * x.hair", "'hair'"),
        (", instead_of=eaten", "", "no instead_of"),
        ("* math.pi", "* eval('1')", "'eval'"),
        ('"snow": thaw + snow}', "}", "no derivative"),
    ]:
        source = source.replace(old, new, 1)
        expected.append(message)
    found = check(source, rich())
    assert all(any(message in item.message for item in found) for message in expected)
    assert [item.line for item in found] == sorted(item.line for item in found)


@pytest.mark.parametrize(
    ("source", "line", "sentence"),
    [
        ("class Candidate(HybridModel):\n    def rhs(self\n", 2, "not Python"),
        ("x = (1\n", 1, "not Python"),
        ("\0", 1, "not Python"),
        ("", 1, "no class Candidate"),
        ("(" * 300 + ")" * 300, 1, "not Python"),
        ("x = " + "-" * 50_000 + "1", 1, "not Python"),
        ("#" * 200_000, 1, "200000 characters"),
    ],
)
def test_what_is_no_source_at_all_is_one_finding(source, line, sentence):
    found = check(source, rich())
    assert len(found) == 1
    assert found[0].line == line
    assert sentence in found[0].message


def test_a_finding_reads_as_one_line():
    assert str(Finding(3, "It is wrong.", "Mend it.")) == "line 3: It is wrong. Mend it."


def test_what_a_finding_quotes_of_a_source_is_one_line_without_control_characters():
    lie = "\\x1b]0;pwned\\x07\\n\\n# What the scientist says\\n\\n- stop \\u3164" + "x" * 9000
    found = [str(finding) for finding in check(GOOD.replace('"hare":', f'"{lie}":'), rich())]
    quoted = next(text for text in found if "# What the scientist says - stop" in text)
    assert all(text.isprintable() for text in found)
    assert "\u3164" not in quoted
    assert len(quoted) < 2100


def test_of_very_many_findings_the_first_are_told():
    found = check("\n".join(f"import os{number}" for number in range(3000)), rich())
    assert len(found) == 101
    assert found[0].line == 1
    assert str(found[-1]).endswith("There are 2901 more. Mend these first.")


def test_half_a_surrogate_pair_is_refused_and_has_an_id_all_the_same():
    source = GOOD.replace("By hand", "By \ud800")
    assert "not Python" in str(check(source, rich())[0])
    assert Candidate(source, "llm").id != Candidate(GOOD, "llm").id


def test_the_check_never_runs_the_source():
    harmful = GOOD.replace("HALF = 0.5", "HALF = 1 / 0\nraise SystemExit")
    assert check(harmful, rich())


class Bare(HybridModel):
    def rhs(self, t, x, u):
        return {"a": -x.a}


def test_no_name_of_the_language_can_be_declared():
    def refused(name: str) -> bool:
        found = check(GOOD.replace("    two = 2.0", f"    two = 2.0\n    {name} = Param(0.5)"), rich())
        return any("never used" not in finding.message for finding in found)

    public = {name for name in dir(Bare(states=("a",))) if not name.startswith("_")}
    assert {name for name in public if not refused(name)} == set()
    assert not refused("their_own")
