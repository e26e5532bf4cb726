"""Malformed space files and data files: each a clear error of the right class, with exit code 2."""

from __future__ import annotations

import pytest

from archsearch.errors import ArchsearchError, DataError, SpaceError
from archsearch.problem.loading import load_problem

SPACE_CASES = {
    # name: what to replace in the good file, by what, and the words that the message must hold
    "broken TOML": ("[problem]", "[problem", ["expected TOML", "line 2"]),
    "a key twice": ('title = "Hares and lynx"', 'title = "a"\ntitle = "b"', ["expected TOML", "overwrite"]),
    "unknown table": ("[objective]", "[objectif]", ["objectif", "unknown key", "did you mean 'objective'"]),
    "unknown key": ("positive = true\n\n", "positve = true\n\n", ["states.hare.positve", "did you mean 'positive'"]),
    "unknown key in a nested table": (
        "structure = { positive",
        "structure = { postive",
        ["structure.postive", "'positive'"],
    ),
    "text for a number": ("value = 0.5", 'value = "0.5"', ["parameters.growth_rate.value", "a number", "'0.5'"]),
    "number for a text": ('title = "Hares and lynx"', "title = 3", ["problem.title", "a text in quotes", "3"]),
    "text for a truth": (
        "positive = true\n\n",
        'positive = "yes"\n\n',
        ["states.hare.positive", "true or false", "'yes'"],
    ),
    "date for a text": ('title = "Hares and lynx"', "title = 2020-01-01", ["problem.title", "a text", "2020-01-01"]),
    "one table for a list": ("[[constraints]]", "[constraints]", ["constraints", "[[constraints]]", "double brackets"]),
    "a list for one table": ("[objective]", "[[objective]]", ["objective", "single brackets"]),
    "unknown choice": ('by = "time"', 'by = "tme"', ["split.by", "'tme'", "did you mean 'time'"]),
    "unknown scale": ("positive = true\n\n", 'scale = "lgo"\n\n', ["states.hare.scale", "'lgo'", "did you mean 'log'"]),
    "unknown trust": ('trust = "suspect"', 'trust = "suspekt"', ["terms.pressure.trust", "did you mean 'suspect'"]),
    "sign that is none": (
        '{ hare = "-" }\ntrust',
        '{ hare = "minus" }\ntrust',
        ["terms.predation.equations.hare", "'minus'"],
    ),
    "missing key": ('expression = "growth_rate * hare"\n', "", ["terms.growth.expression", "expected this key"]),
    "misspelt needed key": (
        'inputs = ["hare", "lynx"]',
        'input = ["hare", "lynx"]',
        ["slots.hidden_food.inputs", "is it 'input'"],
    ),
    "no name": ('name = "alive"\n', "", ["constraints #1.name", "expected this key"]),
    "odd name": ('name = "alive"', 'name = "2 alive"', ["constraints.2 alive.name", "plain letters"]),
    "name twice": ('name = "growth"', 'name = "growth_rate"', ["growth_rate", "a name of its own", "2 times"]),
    "name of the language": ('name = "growth"', 'name = "double"', ["terms.double", "'double'", "model language"]),
    "name of a function": ('name = "hunting"', 'name = "exp"', ["inputs.exp", "another name"]),
    "nothing observed": (
        'positive = true\n\n[[states]]\nname = "lynx"',
        'observed = false\ninitial = 3.0\n\n[[states]]\nname = "lynx"\nobserved = false',
        ["states", "at least one observed state"],
    ),
    "hidden state without start": (
        "positive = true\n\n",
        "observed = false\n\n",
        ["states.hare.initial", "not observed"],
    ),
    "odd initial": ("{ low = 1.0, high = 9.0 }", '"frist"', ["states.lynx.initial", "estimate", "'frist'"]),
    "initial bounds turned": ("{ low = 1.0, high = 9.0 }", "{ low = 9.0, high = 1.0 }", ["lynx.initial", "low < high"]),
    "initial bounds halved": (
        "{ low = 1.0, high = 9.0 }",
        "{ low = 9.0 }",
        ["lynx.initial", "{low = ..., high = ...}"],
    ),
    "negative start of a positive state": (
        "positive = true\n\n",
        "positive = true\ninitial = -1.0\n\n",
        ["hare.initial", "-1"],
    ),
    "log of a state that may be negative": (
        "positive = true\n\n",
        'positive = false\nscale = "log"\n\n',
        ["states.hare.scale", "positive = false"],
    ),
    "log from zero": ("positive = true\n\n", 'scale = "log"\ninitial = 0.0\n\n', ["hare.initial", "above 0"]),
    "noise below zero": ("positive = true\n\n", "noise = -0.1\n\n", ["states.hare.noise", "above 0", "-0.1"]),
    "parameter bounds turned": ("low = 0.0\nhigh = 2.0", "low = 2.0\nhigh = 0.0", ["growth_rate.low", "low < high"]),
    "start on a bound": ("value = 0.5", "value = 2.0", ["growth_rate.value", "strictly between 0 and 2", "found 2"]),
    "parameter not finite": ("value = 0.5", "value = nan", ["growth_rate.value", "finite", "nan"]),
    "reference not finite": (
        "high = 2.0",
        "high = 2.0\nreference = inf",
        ["growth_rate.reference", "if there is none"],
    ),
    "reference as a text": ("high = 2.0", 'high = 2.0\nreference = "1"', ["growth_rate.reference", "a number", "'1'"]),
    "bound not finite": ("high = 2.0", "high = inf", ["growth_rate.high", "leave it out"]),
    "column used twice": ('unit = "hare"\n', 'unit = "hare"\ncolumn = "lynx"\n', ["states.lynx.column", "'lynx'"]),
    "no data": ('file = "data.csv"\n', "", ["data", "file = ", "simulator", "neither"]),
    "two kinds of data": ('file = "data.csv"', 'file = "data.csv"\nsimulator = "pendulum"', ["data", "either", "both"]),
    "unknown simulator": ('file = "data.csv"', 'simulator = "pendulm"', ["data.simulator", "did you mean 'pendulum'"]),
    "power by ^": ('"growth_rate * hare"', '"growth_rate * hare^2"', ["terms.growth.expression", "'^'", "**"]),
    "unknown name": ('"growth_rate * hare"', '"growth_rat * hare"', ["'growth_rat'", "did you mean 'growth_rate'"]),
    "unknown function": ('"growth_rate * hare"', '"ln(growth_rate)"', ["'ln'", "did you mean 'log'"]),
    "attribute": ('"growth_rate * hare"', '"np.exp(growth_rate)"', ["np.exp", "did you mean 'exp'"]),
    "code": (
        '"growth_rate * hare"',
        "\"__import__('os').getcwd()\"",
        ["terms.growth.expression", "function by its bare name"],
    ),
    "equation instead of a side": (
        '"growth_rate * hare"',
        '"hare = growth_rate"',
        ["growth.expression", "right-hand side"],
    ),
    "missing star": ('"growth_rate * hare"', '"2hare"', ["terms.growth.expression", "2 * x, not 2x"]),
    "open parenthesis": ('"growth_rate * hare"', '"(growth_rate * hare"', ["growth.expression", "parentheses"]),
    "empty expression": ('"growth_rate * hare"', '""', ["terms.growth.expression", "found nothing"]),
    "wrong number of arguments": ('"growth_rate * hare"', '"exp(hare, lynx)"', ["1 argument", "found 2"]),
    "division by zero": ('"growth_rate * hare"', '"hare / 0"', ["terms.growth.expression", "finite"]),
    "endless expression": (
        '"growth_rate * hare"',
        f'"{"hare + " * 400}hare"',
        ["growth.expression", "2000 characters"],
    ),
    "unknown equation": ('{ hare = "+" }', '{ har = "+" }', ["terms.growth.equations", "'har'", "did you mean 'hare'"]),
    "term used by name": ('"growth_rate * hare"', '"predation"', ["growth.expression", "only terms without equations"]),
    "quantity used before it stands": (
        'name = "pressure"\nexpression = "attack_rate * lynx"\ntrust = "suspect"',
        'name = "early"\nexpression = "2 * pressure"\n[[terms]]\nname = "pressure"\nexpression = "attack_rate * lynx"',
        ["terms.early.expression", "'pressure'", "move it up"],
    ),
    "quantity that uses itself": ('"attack_rate * lynx"', '"pressure * lynx"', ["terms.pressure.expression", "itself"]),
    "quantity without use": (
        '"pressure * hare"',
        '"attack_rate * lynx * hare"',
        ["terms.pressure", "a term that uses its name", "neither"],
    ),
    "library without place": ('replaces = "pressure"\n', "", ["library.constant_pressure", "replaces", "neither"]),
    "library for an unknown term": (
        'replaces = "pressure"',
        'replaces = "presure"',
        ["replaces", "did you mean 'pressure'"],
    ),
    "library for a trusted term": ('replaces = "pressure"', 'replaces = "growth"', ["replaces", "suspect", "trusted"]),
    "slot nowhere": ('equation = "lynx"\n', "", ["slots.hidden_food", "exactly one of", "found none"]),
    "slot in two places": ('equation = "lynx"', 'equation = "lynx"\nterm = "growth"', ["equation and term"]),
    "slot on an unknown term": (
        'equation = "lynx"',
        'term = "grwth"',
        ["slots.hidden_food.term", "did you mean 'growth'"],
    ),
    "slot with an impossible role": (
        'roles = ["scale"]',
        'roles = ["add"]',
        ["slots.appetite.roles", "replace or scale", "'add'"],
    ),
    "slot with an unknown role": ('roles = ["scale"]', 'roles = ["scal"]', ["roles #1", "did you mean 'scale'"]),
    "slot without roles": ('roles = ["scale"]', "roles = []", ["slots.appetite.roles", "found none"]),
    "slot that sees nothing": ('inputs = ["hare", "lynx"]', "inputs = []", ["slots.hidden_food.inputs", "found none"]),
    "slot that sees a parameter": (
        'inputs = ["hare", "lynx"]',
        'inputs = ["growth_rate"]',
        ["inputs", "the parameter"],
    ),
    "slot that sees twice": ('inputs = ["hare", "lynx"]', 'inputs = ["hare", "hare"]', ["inputs", "'hare' 2 times"]),
    "monotone in what is not seen": (
        'monotone = { hare = "-" }',
        'monotone = { lynx = "-" }',
        ["structure.monotone", "'lynx'"],
    ),
    "bounds of three": ("positive = true, mono", "bounded = [0, 1, 2], mono", ["structure.bounded", "two numbers"]),
    "bounds turned": (
        "positive = true, mono",
        "bounded = [2, 1], mono",
        ["structure.bounded", "lower first", "[2, 1]"],
    ),
    "constraint that is no comparison": ('"hare >= 0"', '"hare"', ["constraints.alive.expression", "S >= 0", "'hare'"]),
    "constraint with two comparisons": ('"hare >= 0"', '"0 <= hare <= 9"', ["constraints.alive.expression", "found 2"]),
    "constraint on a parameter": (
        '"hare >= 0"',
        '"growth_rate >= 0"',
        ["alive.expression", "the parameter 'growth_rate'"],
    ),
    "objective of an unknown state": (
        'states = ["hare"]',
        'states = ["har"]',
        ["objective.states", "did you mean 'hare'"],
    ),
    "split key of another kind": (
        "validation_from = 4\n",
        'validation_where = "hare > 3"\n',
        ["split.validation_where", "region"],
    ),
    "test before validation": (
        "test_from = 6",
        "test_from = 3",
        ["split.test_from", "after validation_from = 4", "found 3"],
    ),
    "fraction above one": (
        'by = "time"\nvalidation_from = 4\ntest_from = 6',
        'by = "trajectory"\nvalidation = 1.5',
        ["split.validation", "between 0 and 1", "1.5"],
    ),
    "id in both": (
        'by = "time"\nvalidation_from = 4\ntest_from = 6',
        'by = "trajectory"\nvalidation = [1]\ntest = [1]',
        ["split.test", "'1' in both"],
    ),
    "continue without time": (
        'by = "time"\nvalidation_from = 4\ntest_from = 6',
        'by = "trajectory"\nstart = "continue"',
        ["split.start", "first or warmup", "'continue'"],
    ),
    "unknown unit": ('time_unit = "yr"', 'time_unit = "yrs2"', ["problem.time_unit", "a unit such as", "'yrs2'"]),
    "uncounted unit": (
        'counting_units = ["hare", "lynx"]',
        'counting_units = ["hare"]',
        ["states.lynx.unit", "'lynx'", "counting_units"],
    ),
    "counting unit that is a unit": (
        '["hare", "lynx"]',
        '["hare", "lynx", "bar"]',
        ["counting_units", "'bar'", "a unit already"],
    ),
    "unit of a term": (
        'unit = "1/(yr*lynx)"',
        'unit = "1/yr"',
        ["terms.predation.expression", "hare/year", "hare*lynx/year"],
    ),
    "unit off by a factor": (
        'time_unit = "yr"',
        'time_unit = "day"',
        ["terms.growth.expression", "nothing is converted"],
    ),
    "unlike things added": (
        '"growth_rate * hare"',
        '"growth_rate * (hare + lynx)"',
        ["growth.expression", "hare and lynx"],
    ),
    "exponential of a unit": (
        '"growth_rate * hare"',
        '"growth_rate * hare * exp(lynx)"',
        ["in exp(...)", "found lynx"],
    ),
    "unlike sides of a condition": (
        '"hare >= 0"',
        '"hare >= lynx"',
        ["constraints.alive", "expected hare", "found lynx"],
    ),
}

DATA_CASES = {
    "empty file": ("", ["data.csv", "an empty file"]),
    "header alone": ("time,hare,lynx,hunting\n", ["data.csv", "rows of numbers", "none"]),
    "no header": ("0,1,2,3\n1,1,2,3\n2,1,2,3\n", ["column names", "found numbers"]),
    "missing column": ("time,Hare,lynx,hunting\n0,1,2,3\n", ["a column 'hare'", "states.hare", "did you mean 'Hare'"]),
    "missing time": ("Time,hare,lynx,hunting\n0,1,2,3\n", ["a column 'time'", "data.time", "did you mean 'Time'"]),
    "column twice": ("time,hare,hare,lynx,hunting\n0,1,1,2,3\n", ["each column name once", "'hare'"]),
    "cell that is no number": ("time,hare,lynx,hunting\n0,30,4,0\n1,many,4,0\n", ["'hare'", "'many'", "line 3"]),
    "decimal comma and point": (
        "time;hare;lynx;hunting\n0;30;4.1;0\n1;47,2;4;0\n",
        ["'47,2'", "line 3", "all decimals with a point, as in 47.2"],
    ),
    "comma that may mark thousands": ("time;hare;lynx;hunting\n0;1,000;4;0\n1;47;4;0\n", ["'1,000'", "thousands"]),
    "decimal commas between commas": (
        "time,hare,lynx,hunting\n0,30,4,0\n1,47,2,4,0\n",
        ["found 5 in line 3", "separate the columns by semicolons"],
    ),
    "marks between thousands": ("time;hare;lynx;hunting\n0;1.030,5;4;0\n1;47;4;0\n", ["'1.030,5'", "thousands"]),
    "date": ("time,hare,lynx,hunting\n1978-01-22,30,4,0\n", ["'time'", "'1978-01-22'", "in a spreadsheet"]),
    "date of a day": ("time,hare,lynx,hunting\n22.1.1978,30,4,0\n", ["'22.1.1978'", "from the first sample"]),
    "time on a clock": ("time,hare,lynx,hunting\n08:30,30,4,0\n", ["'08:30'", "from the first sample"]),
    "a line of units": (
        "time,hare,lynx,hunting\nyr,hare,lynx,1/yr\n0,3,4,0\n",
        ["'yr' in line 2", "one line of column names", "`time [h]`"],
    ),
    "limit of detection": ("time,hare,lynx,hunting\n0,30,4,0\n1,<1,4,0\n", ["'<1' in line 3", "is no value"]),
    "short row": ("time,hare,lynx,hunting\n0,30,4,0\n1,47,4\n", ["4 cells", "found 3 in line 3"]),
    "infinite value": ("time,hare,lynx,hunting\n0,30,4,0\n1,inf,4,0\n2,3,4,0\n", ["finite", "'hare'", "line 3"]),
    "time twice": ("time,hare,lynx,hunting\n0,3,4,0\n1,3,4,0\n1,3,4,0\n", ["1 twice", "line 4", "data.trajectory"]),
    "time that falls": ("time,hare,lynx,hunting\n0,3,4,0\n2,3,4,0\n1,3,4,0\n", ["1 after 2", "line 4"]),
    "time left out": ("time,hare,lynx,hunting\n0,3,4,0\n,3,4,0\n2,3,4,0\n", ["the time column 'time'", "line 3"]),
    "input left out": ("time,hare,lynx,hunting\n0,3,4,0\n1,3,4,\n2,3,4,0\n", ["the input 'hunting'", "line 3"]),
    "too few samples": ("time,hare,lynx,hunting\n0,3,4,0\n1,3,4,0\n", ["at least 3 samples", "found 2"]),
    "state never observed": ("time,hare,lynx,hunting\n0,,4,0\n1,,4,0\n2,,4,0\n", ["'hare'", "observed = false"]),
    "binary": ("time,hare\0,lynx,hunting\n0,3,4,0\n", ["data.csv", "binary"]),
    "split after the end": (
        "time,hare,lynx,hunting\n0,3,4,0\n1,3,4,0\n2,3,4,0\n",
        ["test_from", "from 6 on", "the last at 2"],
    ),
    "split before the start": (
        "time,hare,lynx,hunting\n4,3,4,0\n5,3,4,0\n6,3,4,0\n",
        ["validation_from", "before 4", "found 0"],
    ),
}


def failure(folder) -> ArchsearchError:
    with pytest.raises(ArchsearchError) as caught:
        load_problem(str(folder))
    return caught.value


@pytest.mark.parametrize("case", SPACE_CASES)
def test_malformed_space_is_told_with_key_and_remedy(case, make_space, hares) -> None:
    good, bad, words = SPACE_CASES[case]
    assert good in hares
    error = failure(make_space(hares.replace(good, bad, 1)))
    assert isinstance(error, SpaceError)
    assert error.exit_code == 2
    assert [word for word in words if word not in str(error)] == []
    assert "space.toml" in str(error)


@pytest.mark.parametrize("case", DATA_CASES)
def test_malformed_data_is_told_with_place_and_remedy(case, make_space, hares) -> None:
    data, words = DATA_CASES[case]
    error = failure(make_space(hares, data))
    assert isinstance(error, DataError)
    assert error.exit_code == 2
    assert [word for word in words if word not in str(error)] == []


def test_a_data_file_that_is_not_there_names_the_one_that_is(make_space, hares) -> None:
    error = failure(make_space(hares.replace("data.csv", "daat.csv")))
    assert isinstance(error, DataError)
    assert "did you mean 'data.csv'" in str(error)


def test_a_data_file_of_unknown_kind_names_the_kinds(make_space, hares) -> None:
    error = failure(make_space(hares.replace("data.csv", "space.toml")))
    assert isinstance(error, DataError)
    assert ".parquet" in str(error)


@pytest.mark.parametrize("name", ["broken.npz", "broken.parquet"])
def test_a_data_file_that_is_not_what_its_name_says_is_told(name, make_space, hares) -> None:
    folder = make_space(hares.replace("data.csv", name))
    (folder / name).write_bytes(b"neither one nor the other")
    error = failure(folder)
    assert isinstance(error, DataError)
    assert name in str(error)
    assert "found something else" in str(error)


def test_a_space_file_that_is_no_text_is_told(make_space) -> None:
    folder = make_space()
    (folder / "space.toml").write_bytes(b"\xff\xfe\x00[problem]")
    error = failure(folder)
    assert isinstance(error, SpaceError)
    assert "UTF-8" in str(error)
