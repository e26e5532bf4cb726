"""Every genome becomes a source that passes the check, loads, and whose physics is that of the space."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from candidate_spaces import bare, drawn_genomes, rich

from archsearch.candidate.baselines import net_alone, physics_as_given, physics_plus_net
from archsearch.candidate.candidate import content_id
from archsearch.candidate.check import check
from archsearch.candidate.describe import claim_of
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render
from archsearch.hybrid import load_candidate
from archsearch.problem.expressions import parse


def values_at(space, count=7):
    """Random values of all names of a space, and the tensors that hold them."""
    generator = np.random.default_rng(0)
    t = generator.random(count)
    x = generator.random((count, len(space.states))) * 5 + 0.2
    u = generator.random((count, len(space.inputs)))
    values = dict(zip(space.state_names, x.T, strict=True)) | dict(zip(space.input_names, u.T, strict=True))
    values |= {parameter.name: parameter.value for parameter in space.parameters}
    return values | {"t": t}, (torch.tensor(t), torch.tensor(x), torch.tensor(u))


def physics_by_numpy(genome, space, values):
    """The derivatives that the expressions of the space give, without any of the code that renders them."""
    library = {item.name: item for item in space.library}
    chosen = {}
    for term in space.terms if genome.physics else ():
        choice = genome.terms.get(term.name, "given")
        if choice != "dropped":
            item = term if choice == "given" else library[choice]
            chosen[term.name] = (item.expression, item.equations or term.equations)
    for name in (*genome.added, "winter"):
        if name in library:
            chosen[name] = (library[name].expression, library[name].equations)

    def value(name):
        if name in values:
            return values[name]
        expression = parse(chosen[name][0])
        return expression.evaluate({other: value(other) for other in expression.names})

    slopes = {state: np.zeros(len(values["t"])) for state in space.state_names}
    for name, (_, equations) in chosen.items():
        for state, sign in equations.items():
            slopes[state] = slopes[state] + (1 if sign == "+" else -1) * value(name)
    return np.stack([slopes[state] for state in space.state_names], -1)


def test_every_genome_is_a_valid_source_whose_nulled_model_is_the_physics_of_its_expressions():
    space = rich()
    values, (t, x, u) = values_at(space)
    for genome in drawn_genomes(space, 120):
        source = render(genome, space)
        assert check(source, space) == [], source
        model = load_candidate(source)(space.state_names, space.input_names)
        expected = physics_by_numpy(genome, space, values)
        np.testing.assert_allclose(
            model.nulled().derivative(t, x, u).detach().numpy(), expected, rtol=1e-10, atol=1e-12
        )
        model.calibrate(t, x, u, torch.ones(3))
        assert torch.isfinite(model.derivative(t, x, u)).all()


def test_a_filled_slot_changes_the_model_and_its_null_does_not():
    space = rich()
    _, (t, x, u) = values_at(space)
    given = load_candidate(render(Genome(), space))(space.state_names, space.input_names).derivative(t, x, u)
    for slot in space.slots:
        for role in slot.roles:
            genome = Genome(slots={slot.name: NetGene(role, slot.inputs, (8,))})
            model = load_candidate(render(genome, space))(space.state_names, space.input_names)
            torch.testing.assert_close(model.nulled().derivative(t, x, u), given, rtol=1e-12, atol=1e-12)
            assert not torch.allclose(model.derivative(t, x, u), given), (slot.name, role)


def test_rendering_is_deterministic_in_another_process_too():
    space = rich()
    ids = [content_id(render(genome, space)) for genome in drawn_genomes(space, 10)]
    assert ids == [content_id(render(genome, space)) for genome in drawn_genomes(space, 10)]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from candidate_spaces import drawn_genomes, rich\n"
        "from archsearch.candidate.candidate import content_id\n"
        "from archsearch.candidate.render import render\n"
        "sys.stdout.write(' '.join(content_id(render(g, rich())) for g in drawn_genomes(rich(), 10)))"
    )
    folder = __file__.rpartition("/")[0]
    other = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert other.stdout.split() == ids


def test_sources_are_tidy():
    for genome in drawn_genomes(rich(), 40):
        source = render(genome, rich())
        assert all(len(line) <= 120 and line == line.rstrip() for line in source.splitlines()), source
        assert source.endswith("}\n")
        assert "\n\n\n\n" not in source


def test_only_what_is_used_is_declared():
    source = render(Genome(), rich())
    assert "unused" not in source
    assert "capacity" not in source
    assert "handling" not in source
    assert "Net" not in source


def test_the_physics_as_given_reads_like_the_space():
    source = render(physics_as_given(rich()), rich())
    assert 'birth = Param(0.5, low=0.0, high=2.0, unit="1/year")  # how many are "born"' in source
    assert 'gravity = Param(9.81, unit="1/year", fixed=True)' in source
    assert 'growth = self.term("growth", specific * x.hare)' in source
    assert '"hare": growth - predation + feeding,' in source


def test_a_net_alone_drops_every_term():
    space = rich()
    source = render(net_alone(space), space)
    assert all(f'"{term.name}"' in source for term in space.terms)
    assert "self.term" not in source
    assert check(source, space) == []


def test_a_net_everywhere_feeds_every_equation():
    source = render(physics_plus_net(rich()), rich())
    assert "hare_correction, lynx_correction, snow_correction = self.correction(" in source


def test_a_space_without_terms_renders_its_slots():
    space = bare()
    for genome in [*drawn_genomes(space, 20), net_alone(space)]:
        source = render(genome, space)
        assert check(source, space) == [], source
        load_candidate(source)(space.state_names)


def test_a_claim_of_the_author_stands_on_top_and_cannot_break_out():
    source = render(Genome(), rich(), claim='It is """so""" \\ and ends with "')
    assert check(source, rich()) == []
    assert source.startswith('"""It is')


@pytest.mark.parametrize(
    ("genome", "claim"),
    [
        (Genome(), "The physics as given."),
        (Genome(terms={"predation": "saturating"}), "Saturating stands in the place of predation."),
        (Genome(terms={"predation": "dropped", "death": "dropped"}), "Predation and death are left out."),
        (Genome(added=("ageing",)), "Ageing is added."),
        (
            Genome(slots={"hunting": NetGene("replace", ("hare",), (8, 8))}, norm_weight=0.01),
            "A net (8x8) in the place of predation sees hare; the correction is kept small (weight 0.01).",
        ),
        (
            Genome(slots={"residual": NetGene("add", ("hare", "lynx"), (4,))}),
            "A net (4) added to the lynx equation sees hare and lynx.",
        ),
        (net_alone(bare()), "A net alone (16) sees a and b."),
    ],
)
def test_a_claim_is_one_sentence(genome, claim):
    space = bare() if genome == net_alone(bare()) else rich()
    assert claim_of(genome, space) == claim
    assert claim in " ".join(render(genome, space).split())


def test_an_empty_model_is_not_called_physics():
    assert claim_of(Genome(), bare()) == "Nothing changes: every derivative is zero."


def test_different_genomes_have_different_claims_unless_they_are_the_same_source():
    space = rich()
    sources, claims = set(), set()
    for genome in drawn_genomes(space, 100):
        sources.add(render(genome, space))
        claims.add(claim_of(genome, space))
    assert len(claims) == len(sources)
