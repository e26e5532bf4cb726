"""The optional methods are checked as rhs is: their names, what they return, and whether they go together."""

from __future__ import annotations

import pytest
from candidate_spaces import rich

from archsearch.candidate.check import check
from archsearch.hybrid import load_candidate

DAE = '''"""Every optional method of a process in time."""

from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    algebraic_variables = {"heat": 1.0, "light": 0.5}
    birth = Param(0.5, low=0.0, high=2.0, unit="1/year")
    gravity = Param(9.81, fixed=True, unit="1/year")
    glow = Net(inputs=("light", "snow", "feed"), role="scale")
    age = Net(inputs=("cold",), role="scale")
    dropped = ("specific", "growth", "predation", "feeding", "share", "death", "thaw")

    def coefficients(self, c):
        return {"birth": self.birth * self.age(c.cold), "gravity": 9.81}

    def initial(self, c):
        return {"hare": 2.0 * c.feed}

    def _warm(self, c, z):
        return c * z

    def rhs(self, t, x, u):
        warmed = self._warm(x.hare, x.heat)
        return {"hare": self.birth * warmed, "lynx": self.gravity * x.light, "snow": u.feed}

    def algebraic(self, t, x, z, u):
        return {"balance": z.heat - x.hare, "glow": z.light - self.glow(x.light, x.snow, u.feed)}

    def limits(self, t, x, u):
        return {"deep": x.snow, "warm": x.heat - u.cold}

    def observe(self, t, x, u):
        return {"snow": x.snow + x.light}
'''

STATIC = '''"""A static model."""

from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    birth = Param(0.5, low=0.0, high=2.0, unit="1/year")
    excess = Net(inputs=("feed", "cold"), role="add", outputs=("hare",))
    dropped = ("specific", "growth", "predation", "feeding", "share", "death", "thaw")

    def output(self, x, u):
        return {"hare": self.birth * x.feed + self.excess(x.feed, u.cold), "lynx": x.cold, "snow": u.feed}
'''

METHOD = "    def initial(self, c):"
OUTPUT = "    def output(self, x, u):\n        return {}\n\n"
PLANTED_IN_DAE = [
    ('{"heat": 1.0, "light": 0.5}', '("heat", "light")', "does not map names", "algebraic_variables = {"),
    ('{"heat": 1.0, "light": 0.5}', '{"heat": 1.0, "light": "a"}', "start guess of 'light' is 'a'", "a number"),
    ('{"heat": 1.0, "light": 0.5}', '{"heat": 1.0, "light": 0.5, "hare": 1.0}', "also a state or an input", "another"),
    ('{"heat": 1.0, "light": 0.5}', '{"heat": 1.0, "li ght": 0.5}', "'li ght' cannot be the name", "a word"),
    (
        '    algebraic_variables = {"heat": 1.0, "light": 0.5}\n',
        "",
        "method algebraic but no",
        "algebraic_variables = {",
    ),
    ("def algebraic(self, t, x, z, u)", "def algebraic(self, t, x, u, z)", "takes (self, t, x, u, z)", "x, z, u"),
    ("def algebraic(self, t, x, z, u)", "def _algebraic(self, t, x, z, u)", "but no method algebraic", "Write def alg"),
    ("def limits(self, t, x, u)", "def limits(self, x)", "takes (self, x)", "def limits(self, t, x, u)"),
    ("def observe(self, t, x, u)", "def observe(self, x)", "takes (self, x)", "def observe(self, t, x, u)"),
    ("def initial(self, c)", "def initial(self, u)", "takes (self, u)", "def initial(self, c)"),
    ('"light", "snow", "feed"', '"lihgt", "snow", "feed"', "'lihgt'; did you mean 'light'", "heat, light"),
    ('"balance": z.heat - x.hare, ', "", "1 residuals for 2 algebraic variables", '"heat", "light"'),
    ('"glow": z.light', '"balance": z.light', "'balance' is returned twice by algebraic", "Keep one"),
    ("z.heat - x.hare", "z.hare - x.hare", "'hare' is a state, not an algebraic variable", "x.hare"),
    ("z.heat - x.hare", "z.heit - x.hare", "no algebraic variable 'heit'; did you mean 'heat'", "heat, light"),
    ("z.heat - x.hare", "z - x.hare", "'z' is used as a whole", "z.heat"),
    ("x.heat - u.cold", "x.cold", "'cold' is an input, not a state", "u.cold"),
    ("x.heat - u.cold", "u.heat", "'heat' is an algebraic variable, not an input", "x.heat"),
    ("x.heat - u.cold", "x.heet", "no state 'heet'; did you mean 'heat'", "heat"),
    ('"deep": x.snow', "1: x.snow", "key of the returned dict is not a text", "must not be negative"),
    ('return {"deep": x.snow, "warm": x.heat - u.cold}', "return x.snow", "limits does not return a dict", "positive"),
    ('return {"snow": x.snow + x.light}', "x.snow", "observe returns nothing", "states to values"),
    ('{"snow": x.snow + x.light}', '{"light": x.light}', "no state 'light'", "hare, lynx, snow"),
    ('{"snow": x.snow + x.light}', '{"snow": x.snow, "snow": 1.0}', "'snow' is returned twice by observe", "Keep one"),
    ('{"hare": 2.0 * c.feed}', '{"hair": 2.0 * c.feed}', "no state 'hair'; did you mean 'hare'", "hare, lynx, snow"),
    ("2.0 * c.feed", "2.0 * c.fed", "no input 'fed'; did you mean 'feed'", "feed, cold"),
    ("2.0 * c.feed", "2.0 * c.hare", "no input 'hare'", "feed, cold"),
    ("2.0 * c.feed", "2.0 * c", "'c' is used as a whole", "c.feed"),
    ('{"birth": self.birth', '{"brith": self.birth', "no parameter 'brith'; did you mean 'birth'", "birth, gravity"),
    ("self.age(c.cold)", "self.age(c.feed)", "given 'feed' where its mask has 'cold'", "Pass cold"),
    (
        METHOD,
        OUTPUT + METHOD,
        "so it is static, but also rhs",
        "Keep rhs",
    ),
]
PLANTED_IN_STATIC = [
    ("x.cold", "x.hare", "no input 'hare'", "feed, cold"),
    ('("feed", "cold")', '("feed", "hare")', "no state or input 'hare'", "feed, cold"),
    (', "snow": u.feed', "", "state 'snow' has no value", '"snow"'),
    ("self, x, u", "self, t, x, u", "takes (self, t, x, u)", "def output(self, x, u)"),
    (
        "    def output",
        '    def observe(self, t, x, u):\n        return {"hare": 1.0}\n\n    def output',
        "static, but also observe",
        "Delete observe",
    ),
]


@pytest.mark.parametrize("source", [DAE, STATIC], ids=["in time", "static"])
def test_a_good_source_passes_and_loads(source):
    assert check(source, rich()) == []
    assert load_candidate(source)(rich().state_names, rich().input_names).is_static == (source is STATIC)


@pytest.mark.parametrize(
    ("good", "old", "new", "message", "remedy"),
    [(DAE, *row) for row in PLANTED_IN_DAE] + [(STATIC, *row) for row in PLANTED_IN_STATIC],
)
def test_an_error_is_found_with_line_sentence_and_remedy(good, old, new, message, remedy):
    assert good.count(old) >= 1, old
    source = good.replace(old, new, 1)
    found = [item for item in check(source, rich()) if message in item.message]
    assert found, "\n".join(str(item) for item in check(source, rich()))
    assert remedy in found[0].remedy
    assert 1 <= found[0].line <= source.count("\n") + 1


def test_errors_in_several_methods_are_found_at_once():
    source = DAE
    for old, new in [("x.snow + x.light", "x.snou"), ("2.0 * c.feed", "c.fed"), ('"glow": z.light', '"glow": z.ligth')]:
        source = source.replace(old, new)
    messages = [item.message for item in check(source, rich())]
    assert all(any(word in message for message in messages) for word in ("'snou'", "'fed'", "'ligth'"))
