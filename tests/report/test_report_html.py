from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_runs import RATE

from archsearch.problem.problem import Problem
from archsearch.report.equations import mathml
from archsearch.report.html import report_html, write_report
from archsearch.report.tried import choices, failure_groups
from archsearch.study.store import Study

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every tag that opens must close, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def html(study: Study, problem: Problem) -> str:
    return report_html(study, problem)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_needs_nothing_from_elsewhere(html: str, page: Page) -> None:
    links = [value for _, key, value in page.attributes if key in ("src", "href", "action", "srcset", "data")]
    assert links
    assert all(value.startswith("#") for value in links)
    assert "url(http" not in html
    assert "@import" not in html
    assert "<script" not in html


def test_links_lead_to_what_is_on_the_page_and_ids_are_unique(page: Page) -> None:
    ids = [value for _, key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    targets = {value.removeprefix("#") for _, key, value in page.attributes if key == "href"}
    assert targets <= set(ids)


def test_clip_paths_and_markers_of_the_figures_are_found(html: str, page: Page) -> None:
    ids = {value for _, key, value in page.attributes if key == "id"}
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= ids


def test_the_numbers_are_there(page: Page) -> None:
    for number in ("0.3456", "0.8123", "0.9234", "0.7345", "1.457", "1.234", "0.4321", "± 0.012", "2.345", "25 %"):
        assert number in page.text


def test_the_best_is_named_with_its_claim_and_its_source(page: Page, study: Study) -> None:
    assert "A net (4) in the place of conversion sees hare and lynx." in page.text
    assert "best: number 3" in page.text
    assert "class Candidate(HybridModel):" in page.text
    assert f"archsearch export {study.id} 3" in page.text
    assert "archsearch run hare_lynx --trials 40 --seed 5 --workers 2" in page.text


def test_what_failed_is_told_with_its_remedy_and_cannot_inject_markup(html: str, page: Page) -> None:
    assert "the rollout of <1> was not finite" in page.text
    assert "Bound its parameters." in page.text
    assert "a <script>alert(1)</script> claim" in page.text
    assert "&lt;script&gt;" in html


def test_equations_are_mathml_with_what_changed(html: str) -> None:
    assert html.count("<mfrac>") >= 2
    assert re.search(r'class="replaced net"[^>]*>\s*<math', html)
    assert re.search(r'class="removed term"[^>]*>\s*<math', html)
    assert '<mi mathvariant="normal">hare</mi>' in html


def test_a_parameter_that_is_not_identified_is_marked(page: Page) -> None:
    assert re.search(r"growth_rate .*; start 0\.5 0\.4321 ± 0\.012 0\.4080 to 0\.4562 1/year .* no", page.text)


def test_a_hidden_state_that_is_not_identified_is_marked_and_told(page: Page) -> None:
    assert "store ± 0.046 0.789 kg no" in page.text
    assert "do not determine the hidden state store" in page.text


@pytest.mark.parametrize(
    ("table", "note"),
    [
        ("share of the dynamics", "Weights are counted; the rest is what the model's own process says."),
        ("error on the fitted data without it", "predictions without a term, are what the model's own process says."),
        ("between its bounds", "Names, units, bounds, ± and identified are what the model's own process says."),
        ("std. error", "All but the unit is what the model's own process says."),
    ],
)
def test_what_the_model_says_of_itself_is_marked_below_the_table(page: Page, table: str, note: str) -> None:
    assert note in page.text.partition(table)[2]


def test_a_broken_limit_is_marked_and_told(page: Page) -> None:
    assert "room 0.0678 0.0567 kept grass 0.0123 -0.0234 broken" in page.text
    assert "break the limit grass." in page.text


def test_a_reference_stands_beside_the_value_and_in_the_verdict(
    study: Study, problem: Problem, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "reference" not in page.text
    rate = RATE.model_copy(update={"reference": 0.43, "identified": True})
    changed = [item.model_copy(update={"parameters": {"growth_rate": rate}}) for item in study.evaluations()]
    monkeypatch.setattr(Study, "evaluations", lambda self: changed)
    text = Page(report_html(study, problem)).text.replace("\u00a0", " ")
    assert re.search(r"identified reference, off by .* yes 0\.43, 0\.49 %", text)
    assert "recovered: growth_rate 0.4321 1/year, reference 0.43 1/year, off by 0.49 %." in text


def test_the_page_follows_the_theme_and_the_width(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert html.count('class="wide"') == html.count('class="narrow"') == 5
    assert "stroke: var(--best)" in html
    assert not re.search(r'style="[^"]*#1b2430', html)


def test_the_report_is_the_same_every_time(html: str, study: Study, problem: Problem, tmp_path: Path) -> None:
    write_report(study, problem, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html


def test_formulas_cannot_inject_markup() -> None:
    assert "<b>" not in mathml(r"\text{<b>x</b>}")
    assert "<script" not in mathml("a < b & <script>")


def test_failures_are_grouped_by_what_happened(study: Study) -> None:
    one = study.evaluations()[-1]
    other = one.model_copy(update={"number": 9})
    (group,) = failure_groups([one, other, study.evaluations()[0]])
    assert group.kind == "diverged"
    assert [number for number, _ in group.candidates] == [5, 9]


def test_each_choice_is_shown_with_its_least_error(study: Study) -> None:
    found = {choice.name: choice.options for choice in choices(study.evaluations())}
    slot = {text: (count, error) for text, count, error in found["slot.profit"]}
    assert slot["replace"] == (1, 0.3456)
    assert slot["empty"][1] == 0.7345 or slot["empty"][1] == 0.8123
    assert all(len(options) > 1 for options in found.values())


def test_a_run_in_which_nothing_fits_has_a_report(
    study: Study, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [study.evaluations()[-1]]
    monkeypatch.setattr(Study, "evaluations", lambda self: lost)
    page = Page(report_html(study, problem))
    assert "Nothing fits: none of the 1 candidates could be scored." in page.text
    assert "the rollout of <1> was not finite" in page.text
