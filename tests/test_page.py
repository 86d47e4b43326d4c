"""Twin of auditor.adapters.report.page; the last tests open the page in a browser."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
import pytest
from browser import Seen, opened, scroll_width, unfold
from playwright.sync_api import Browser, ViewportSize
from playwright.sync_api import Page as Tab
from run_factory import (
    BRANCHED,
    HARMED,
    HOSTILE,
    IMAGE,
    MIXED,
    SCRIPT,
    controlled_probe,
    identity_swap_probe,
    make_run,
    question_probe,
    responsive_probe,
    strip_manifest,
    text_swap_probe,
)

from auditor.adapters.report.landmarks import identity_anchor, probe_anchor
from auditor.adapters.report.page import render_report
from auditor.adapters.report.page_words import becomes, odds, signed, span
from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.run_folder import read_results


class Page(HTMLParser):
    """What elements a page has, and the text outside of styles and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] and self.tags[-1][0] not in ("style", "script"):
            self.text += data

    def targets(self) -> set[str]:
        """Ids that links lead to; what follows a question mark asks the explorer for a view."""
        links = [attrs for tag, attrs in self.tags if tag == "a" and "download" not in attrs]
        return {str(attrs["href"])[1:].partition("?")[0] for attrs in links}

    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _, attrs in self.tags if "id" in attrs]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return render_report(run)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def branched(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(render_report(make_run(tmp_path_factory.mktemp("runs") / "run", **BRANCHED)))


def plain(page: Page) -> str:
    """What a page says, with single spaces."""
    return re.sub(r"\s+", " ", page.text)


def test_warning_stands_before_everything_else(html: str) -> None:
    body = html[html.index("<body>") :]
    first = body.index("Content warning")
    assert first < body.index("<h1>")
    for text in ("deluded", "Everyone knows", HARMED, "odd."):
        assert first < body.index(text)


def test_answer_in_plain_words(page: Page) -> None:
    words = re.sub(r"\s+", " ", page.text)
    assert "1 identity shows harm at dpo<b>, on 1 of 2 probes" in words
    assert "Read in plain rendering" in words
    assert "d = 0.22 nats" in words
    assert "never certifies that a model is fair" in words


def test_harm_without_controls_says_so_in_the_answer(html: str) -> None:
    answer, verdicts = html.split('id="verdicts"', 1)
    assert "No controls stand beside it" in answer
    assert "Absent from" in verdicts


def test_a_harm_is_told_in_one_sentence_with_all_its_numbers(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    words = plain(Page(render_report(run)))
    leaf = read_report(run).probes[0].leaves[0]
    (one,) = (one for one in leaf.answers if one.cell.last.verdict == "harm")
    last = one.cell.last
    checks = last.control_checks
    assert checks is not None
    assert (
        f"On Controlled pairs in plain rendering, dpo<b> leans to the harmful texts more for {HARMED} than for "
        f"cisgender people: {signed(last.estimate)} nats, odds {odds(last.estimate)}, interval {span(last)}, "
        "all above d = 0.22." in words
    )
    assert f"{signed(checks.form_estimate)} ({signed(checks.form_low)} to {signed(checks.form_high)}) is left" in words
    assert f"lies above what two control identities may differ by ({signed(checks.band_high)})" in words
    (stage,) = one.trace
    assert f"between {stage.before} and {stage.after}" in words
    assert f"{one.agreeing} of {one.examined} other" in words or f"all {one.examined} other" in words


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("introduced", "It arose between sft and dpo<b> (introduced)."),
        ("amplified", "It grew between sft and dpo<b> (amplified), in step with overall sharpening."),
        ("inherited", "It was passed on from sft to dpo<b>."),
        ("reversed", "It changed sides between sft and dpo<b> (reversed)."),
        ("unresolved", "It cannot be told to have risen or stayed between sft and dpo<b> (origin unresolved)."),
    ],
)
def test_where_a_harm_came_from_is_said_in_words(tmp_path: Path, origin: str, words: str) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",))
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        if one["measure"] == "shift" and one["identity"] == HARMED and one["checkpoint"] == "dpo<b>":
            one.update(origin=origin, in_step=origin == "amplified")
    path.write_text(json.dumps(results), encoding="utf-8")
    assert words in plain(Page(render_report(run)))


def test_a_probe_without_harm_is_told_in_one_sentence(page: Page) -> None:
    words = plain(page)
    assert re.search(r"Swapped groups: none of 2 identities shows harm: (all )?\d", words)
    assert "no meaningful difference could be said from a bound of" in words


def test_every_identity_stands_in_one_table(run: Path, page: Page) -> None:
    data = read_report(run)
    rows = [
        identity_anchor(probe.name, probe.design, leaf.branch.leaf, cell.axis, cell.identity)
        for probe in data.probes
        for leaf in probe.leaves
        for cell in leaf.headline
    ]
    assert [one for one in page.ids() if one.startswith("identity-")] == rows
    assert {probe_anchor(one.name, one.design) for one in data.probes} <= set(page.ids())


def test_what_was_asked_is_listed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[text_swap_probe()])
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["request"]["tier"] = "quick"
    manifest["probes"][0].update(languages=["en", "de"], title="Small")
    asked = "Small: 40 items, axes gender identity, "
    path.write_text(json.dumps(manifest), encoding="utf-8")
    words = plain(Page(render_report(run)))
    assert asked in words
    assert "languages en and de." in words
    assert "quick tier" not in words, "a file has no tiers"
    manifest["probes"][0]["source"] = "small/sentences.yaml"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert ", quick tier, languages en and de." in plain(Page(render_report(run)))


def test_the_noise_floor_stands_among_what_is_robust(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    place = {"probe": "controlled", "render": "plain", "items": 77}
    results["noise_floors"] = [
        {**place, "checkpoint": "base", "margin": 0.123, "bias": -0.004},
        {**place, "checkpoint": "base", "margin": 0.9, "bias": 0.0, "render": "chat"},
    ]
    path.write_text(json.dumps(results), encoding="utf-8")
    robustness = plain(Page(render_report(run).partition('<section id="robustness"')[2]))
    assert "base 0.12 \u22120.004 77" in robustness
    assert "0.9 " not in robustness.partition("Noise floor")[2][:200]


def test_a_nat_is_read_as_odds_and_as_a_probability(page: Page) -> None:
    for nats in (-1.5, 0.0, 0.2231, 2.3):
        probability = becomes(nats) / 100
        assert probability / (1 - probability) == pytest.approx(math.exp(nats))
    assert "+0.22 \u00d71.25 55.6% a quarter more: the default bound d" in plain(page)


def test_how_to_cite(page: Page) -> None:
    assert "@misc{ovalle2024root," in page.text
    assert "eprint = {2411.03700}" in page.text


def test_hostile_texts_are_text(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"img", "iframe", "b", "object", "embed", "form"}
    packs = [
        {"type": "application/octet-stream", "id": f"explorer-{one}"} for one in ("items", "sides", "tokens", "words")
    ]
    assert [attrs for tag, attrs in page.tags if tag == "script"] == [*packs, {}]
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert SCRIPT in page.text
    assert IMAGE in page.text
    assert "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize(("tokens", "said"), [("none", "kept no tokens"), ("sample", "a sample of its items")])
def test_tokens_that_were_not_kept_are_spoken_of(run: Path, html: str, tmp_path: Path, tokens: str, said: str) -> None:
    other = shutil.copytree(run, tmp_path / "run")
    manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
    (other / "manifest.json").write_text(json.dumps({**manifest, "tokens": tokens}), encoding="utf-8")
    table = pq.read_table(other / "tokens.parquet")
    pq.write_table(table.slice(0, 0), other / "tokens.parquet")
    page = render_report(other)
    assert said in page
    assert said not in html
    assert '<div class="gloss">' in html
    assert '<div class="gloss">' not in page


def test_one_file_and_a_strict_policy(html: str, page: Page) -> None:
    policy = next(str(attrs["content"]) for _, attrs in page.tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    outside = [
        value
        for _, attrs in page.tags
        for name, value in attrs.items()
        if name in ("src", "href", "xlink:href") and not str(value).startswith(("#", "data:"))
    ]
    assert outside == []
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_anchors_resolve_and_ids_are_unique(page: Page) -> None:
    ids = page.ids()
    assert len(set(ids)) == len(ids)
    assert page.targets() <= set(ids)


def test_headings_and_tables_are_accessible(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert {"main", "header", "footer", "nav", "aside"} <= {tag for tag, _ in page.tags}
    assert dict(page.tags)["html"] == {"lang": "en", "data-appearance": "auto"}
    figures = [attrs for tag, attrs in page.tags if tag == "svg"]
    # With the parts of both probes by role.
    assert len(figures) == 6 + 4 + 2
    assert {one["role"] for one in figures} == {"img"}


def test_words(page: Page) -> None:
    text = page.text.lower()
    assert not re.findall(r"\b(debias\w*|unbiased|normal)\b", text)
    # Where a pair is one sentence about two groups, nobody is affirmed.
    assert "Sentence about the marked group" in page.text
    assert "The same about the other group" in page.text


def test_same_run_same_page(run: Path, html: str) -> None:
    assert render_report(run) == html


def test_private_run_shows_no_text(tmp_path: Path) -> None:
    html = render_report(make_run(tmp_path / "run", private=True))
    assert "Everyone knows trans women are" not in html
    assert "people are odd." not in html
    assert "\u0120" not in html
    assert 'id="reveal"' not in html
    assert "trans women/deluded|lucid/" in html


def test_one_checkpoint_has_no_series_section(tmp_path: Path) -> None:
    page = Page(render_report(make_run(tmp_path / "run", checkpoints=("only",), renders=("chat",), beta=None)))
    assert "series" not in page.ids()
    assert "verdicts" in page.ids()
    # "No harm shown" must not be taken for "no harm": what stays open stands in the same line.
    assert re.search(r"No identity shows harm at only on these 2 probes; \d+ stay inconclusive", page.text)
    assert "Read in chat rendering" in page.text


def test_a_branch_is_told_as_one(branched: Page) -> None:
    words = plain(branched)
    assert "Audit of 4 checkpoints: base \u2192 sft \u2192 dpo<b>; base \u2192 sft \u2192 dpo2" in words
    assert "1 identity shows harm at dpo<b>, none at dpo2" in words
    assert "Every number behind the verdicts at dpo<b> and dpo2" in words
    assert "dpo<b> \u2192 dpo2" not in words
    assert not re.search(r"dpo<b> [+\u2212\d.]+ \u2192", words)
    # In the answer, and on both probes: verdicts, series, side by side, attribution, robustness, items.
    for leaf in ("dpo<b>", "dpo2"):
        assert words.count(f"At {leaf} base \u2192 sft \u2192 {leaf}") == 1 + 6 * 2
    assert "Implicit reward" in words


def test_a_branched_page_is_whole(branched: Page) -> None:
    ids = branched.ids()
    assert len(set(ids)) == len(ids)
    assert branched.targets() <= set(ids)
    assert len([tag for tag, _ in branched.tags if tag == "svg"]) == 2 * (6 + 4 + 2)
    levels = [int(tag[1]) for tag, _ in branched.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize(
    ("references", "answer"),
    [
        ({"dpo2": "base", "dpo3": "base"}, "1 identity shows harm at dpo<b>, none at dpo2, none at dpo3"),
        (dict.fromkeys(("dpo2", "dpo3", "dpo4", "dpo5"), "sft"), "Harm shows at 1 of 5 final checkpoints"),
    ],
)
def test_answers_for_many_leaves(tmp_path: Path, references: dict[str, str], answer: str) -> None:
    checkpoints = ("base", "sft", "dpo<b>", *references)
    assert answer in plain(
        Page(render_report(make_run(tmp_path / "run", checkpoints=checkpoints, references=references)))
    )


def test_no_leaf_with_harm(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", checkpoints=("base", "a", "b"), references={"b": "base"})
    assert "No identity shows harm at a or b" in plain(Page(render_report(run)))


def test_one_leaf_has_no_heading_of_its_own(page: Page) -> None:
    assert not [attrs for _, attrs in page.tags if attrs.get("class") == "leaf"]


def test_identities_are_not_ranked(page: Page) -> None:
    words = plain(page)
    assert "strongest first" not in words.lower()
    assert "largest first" not in words.lower()
    assert "most extreme" not in words.lower()
    assert words.count("the order is not a ranking") == 2
    assert "illustrate, they do not represent" in words


def test_controls_are_shown_beside(tmp_path: Path, page: Page) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    controlled = Page(render_report(run))
    words = plain(controlled)
    table = words[words.index("Controls: level in nats") :]
    assert "Harm excess Neutral excess Harm \u2212 neutral Control band" in table
    for effect in read_results(run).effects:
        about = (effect.measure, effect.contrast, effect.checkpoint, effect.render, effect.theme)
        if about == ("level", "excess", "dpo<b>", "plain", None):
            assert f"{signed(effect.estimate)} ({span(effect, 'plain')})" in table
            checks = effect.control_checks
            if checks is not None:
                form = f"{signed(checks.form_estimate)} ({signed(checks.form_low)} to {signed(checks.form_high)})"
                assert f"{form} {signed(checks.band_low)} to {signed(checks.band_high)}" in table
                assert effect.identity in (HARMED, "nonbinary people")
    assert table.index(HARMED) < table.index("Control identities Tasmanians") < table.index("oboists")
    assert "controls-1" in controlled.ids()
    assert "#controls-1" in {attrs.get("href") for _, attrs in controlled.tags}
    assert "It survived the controls:" in words
    assert "Controls: level in nats" not in plain(page)


@pytest.mark.parametrize(
    ("controls", "flag"),
    [("failed_form", "failed its form-matched control"), ("failed_band", "within the control band")],
)
def test_harm_that_did_not_survive_is_said(tmp_path: Path, controls: str, flag: str) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        if one["verdict"] == "harm":
            one.update(verdict="inconclusive", controls=controls)
    path.write_text(json.dumps(results), encoding="utf-8")
    words = plain(Page(render_report(run)))
    assert "1 of the inconclusive lies above d and did not survive the controls" in words
    assert flag in words


def test_effects_below_the_noise_floor_are_marked(tmp_path: Path, page: Page) -> None:
    run = make_run(tmp_path / "run")
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        one["below_noise"] = one["identity"] == HARMED
    path.write_text(json.dumps(results), encoding="utf-8")
    assert "below the noise floor" not in plain(page)
    assert "below the noise floor" in plain(Page(render_report(run)))


def test_every_harmed_identity_counts_in_what_is_said_of_controls(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        if one["identity"] == "nonbinary people" and one["verdict"] is not None:
            one.update(verdict="harm", controls="absent")
    path.write_text(json.dumps(results), encoding="utf-8")
    words = plain(Page(render_report(run)))
    assert words.count("It survived the controls") == 1
    assert words.count("No controls stand beside it") == 1


def test_results_of_an_older_version_have_no_checks(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        del one["control_checks"]
    path.write_text(json.dumps(results), encoding="utf-8")
    assert "these controls are too few to hold it against" not in plain(Page(render_report(run)))


def test_lost_responsiveness_is_called_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[text_swap_probe(), responsive_probe()])
    words = plain(Page(render_report(run)))
    assert "Declared pronouns: response to a declaration" in words
    assert "Lost responsiveness : how much less a declaration moved the model" in words.replace("ness:", "ness :")
    assert "of 2 probes" in words or "these 2 probes" in words
    assert "undeclared" not in words, "what is only subtracted is no item to show"


def test_a_reward_in_its_own_unit_has_no_verdict(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", beta=None)
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    gone = {"unit": "nats/token", "verdict": None, "low_adjusted": None, "high_adjusted": None, "p_adjusted": None}
    for one in results["effects"]:
        if one["measure"] == "implicit_reward":
            one.update({**gone, "family": None, "sesoi": None, "alpha_adjusted": None})
    path.write_text(json.dumps(results), encoding="utf-8")
    words = plain(Page(render_report(run)))
    assert "Implicit reward, nats/token, 95%, no verdict" in words
    reward = next(
        one
        for one in read_results(run).effects
        if (one.measure, one.contrast, one.checkpoint, one.render, one.identity, one.theme)
        == ("implicit_reward", "excess", "dpo<b>", "plain", HARMED, None)
    )
    assert f"{signed(reward.estimate, 3)} ({span(reward, 'plain', 3)})" in words


def test_metrics_are_percentages_and_nothing_else(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        if one["measure"] == "winoqueer_score":
            one.update(p=None)
    path.write_text(json.dumps(results), encoding="utf-8")
    html = render_report(run)
    section = html[html.index('<section id="metrics"') : html.index('<section id="items"')]
    assert "it is not nats" in section
    assert "verdict v-" not in section
    assert "<i>p</i>" not in section
    cells = re.findall(r'<td class="n">([^<]+)', section)
    assert cells
    assert all(re.fullmatch(r"\d+\.\d% ", one) for one in cells)
    assert "WinoQueer score" in section


def test_a_probe_without_a_harmful_side_has_metrics_and_no_verdict(tmp_path: Path) -> None:
    page = Page(render_report(make_run(tmp_path / "run", probes=[question_probe()]))).text
    assert "Published metrics only: no verdict is asked of texts without a harmful side" in page
    assert "There are none: nothing that was asked has a harmful side" in page
    assert "BBQ accuracy, ambiguous contexts" in page
    assert "all of age" in page
    # Nothing is compared, so nothing ties; and what the rows are not asked stands among the refusals.
    assert re.search(r"BBQ accuracy, ambiguous contexts\s*plain.*?6\s*\u2013", page, flags=re.DOTALL)
    assert "bbq_bias_ambiguous: no item of the probe" in page


def test_standardised_differences_say_whom_they_are_about(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[text_swap_probe()])
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    like = next(one for one in results["effects"] if (one["measure"], one["checkpoint"]) == ("level", "base"))
    rows = [
        (None, "", "text_swap", 1.25),
        (None, "age", "text_swap", 2.25),
        ("oboists", "age", "text_swap", 3.25),
        ("oboists", "age", "responsiveness", 4.25),
    ]
    for identity, axis, design, value in rows:
        about = {"identity": identity, "axis": axis, "design": design, "render": "plain", "theme": None}
        results["effects"].append({**like, **about, "measure": "cohens_d", "unit": "sd", "estimate": value})
    path.write_text(json.dumps(results), encoding="utf-8")
    section = render_report(run).partition('<section id="cohens"')[2].partition("</section>")[0]
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", section))
    for who, value in (
        ("all rows", "1.25"),
        ("all of age", "2.25"),
        ("oboists", "3.25"),
        ("oboists, response to a declaration", "4.25"),
    ):
        assert f"{who} d, pooled +{value}" in words


def test_reward_without_beta_is_in_nats(tmp_path: Path) -> None:
    assert "Implicit reward, nats" in Page(render_report(make_run(tmp_path / "run", beta=None))).text


def test_only_what_the_schema_asks_need_be_in_a_manifest(tmp_path: Path) -> None:
    run = strip_manifest(make_run(tmp_path / "run"), finished=[], first_rendered={}, command="")
    page = Page(render_report(run))
    assert "not recorded" in page.text
    assert "not stated" in page.text


def test_characters_no_document_may_hold_are_written_out(tmp_path: Path) -> None:
    html = render_report(strip_manifest(make_run(tmp_path / "run"), command="audit \x00\x1b\u202e"))
    assert "audit \\x00\\x1b\\u202e" in html
    assert not set("\x00\x07\x1b\u202e\u202c") & set(html)
    html.encode()


def test_needs_no_model(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from auditor.adapters.report.page import render_report\n"
        "render_report(Path(sys.argv[1]))\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(make_run(tmp_path / "run"))], check=True)


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folded(browser: Browser, file: Path) -> Iterator[Tab]:
    """The page as it opens; whoever changes it changes it back."""
    with opened(browser, file) as tab:
        yield tab


@pytest.fixture(scope="module", params=[360, 1280])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def unfolded(browser: Browser, file: Path, width: int) -> Iterator[tuple[Tab, Seen]]:
    """All of the page, on a phone or a wide screen, and what it has done until then."""
    size, seen = ViewportSize(width=width, height=900), Seen()
    with opened(browser, file, seen, viewport=size, is_mobile=width < 500) as tab:
        unfold(tab)
        yield tab, seen


def test_opens_without_a_message_or_a_request(unfolded: tuple[Tab, Seen], file: Path) -> None:
    tab, seen = unfolded
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith("data:")] == [file.as_uri()]
    assert tab.url == file.as_uri()
    assert "run" not in tab.title().split()


def test_no_sideways_scroll(unfolded: tuple[Tab, Seen], width: int) -> None:
    assert scroll_width(unfolded[0]) <= width


def test_no_element_comes_from_a_text(folded: Tab) -> None:
    assert folded.evaluate("document.querySelectorAll('img, iframe, b').length") == 0
    assert folded.evaluate("document.querySelectorAll('script').length") == 5
    body = folded.evaluate("document.body.textContent")
    for text in HOSTILE[:7]:
        assert text[:39] in body


def test_warning_is_first_and_texts_are_folded(folded: Tab) -> None:
    assert folded.evaluate("document.body.firstElementChild.className") == "warning"
    assert folded.locator(".warning strong").is_visible()
    # The explorer takes the place of the few items that stand there without scripts.
    explicit = folded.locator("main .explicit:not(#strongest *)").all()
    assert explicit
    assert not any(one.is_visible() for one in explicit)
    assert "Everyone knows" not in folded.locator("body").inner_text()
    folded.locator("#reveal").click()
    assert all(one.is_visible() for one in explicit)
    assert "Everyone knows" in folded.locator("body").inner_text()
    folded.locator("#reveal").click()
    assert not any(one.is_visible() for one in explicit)
    assert "Everyone knows" not in folded.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_the_colours(folded: Tab, scheme: Literal["light", "dark"]) -> None:
    """Text on its background: 4.5 to 1 for every colour the page writes in, in both appearances."""
    folded.emulate_media(color_scheme=scheme)
    names = ["paper", "ink", "muted", "link", "harm", "lower", "none", "warn", "tint", "harm-tint"]
    steps = [f"s{at}" for at in range(6)]
    names += ["on-light", "on-dark", *steps]
    read = """names => {
        const one = document.body.appendChild(document.createElement('p'));
        const found = names.map(name => { one.style.color = `var(--${name})`; return getComputedStyle(one).color; });
        one.remove();
        return found;
    }"""
    colour = dict(zip(names, folded.evaluate(read, names), strict=True))
    pairs = [(one, "paper") for one in ("ink", "muted", "link", "harm", "lower", "none")]
    pairs += [(one, "harm-tint") for one in ("ink", "muted", "link", "harm")]
    pairs += [("ink", "warn"), ("ink", "tint"), ("muted", "tint"), *(("on-light", one) for one in steps[:4])]
    pairs += [("on-dark", one) for one in steps[4:]]
    assert {pair: ratio for pair in pairs if (ratio := _contrast(colour[pair[0]], colour[pair[1]])) < 4.5} == {}


def _contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours as the browser tells them, WCAG 2.2."""

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)]
        assert len(channels) == 3, colour
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Page:
    probes = [text_swap_probe(), controlled_probe(), identity_swap_probe()]
    return Page(render_report(make_run(tmp_path_factory.mktemp("runs") / "mixed", probes=probes, **MIXED)))


def test_a_reward_model_stands_beside_the_series(mixed: Page) -> None:
    words = plain(mixed)
    assert "Audit of 4 checkpoints: base \u2192 sft \u2192 dpo<b>; rm" in words
    assert "1 identity shows harm at dpo<b>, 1 at rm" in words
    assert "Series: from base to dpo<b>" in words
    assert "At rm reward model" in words
    assert "At rm the score of a text is the reward model\u2019s output for the whole of it" in words
    assert words.count("reward model: its rewards are explicit") == 1


def test_a_reward_is_never_said_to_be_nats_or_odds(mixed: Page) -> None:
    words = plain(mixed)
    found = re.findall(rf"rm leans to the harmful texts more for {HARMED} than for cisgender people: (.{{60}})", words)
    assert len(found) == 2
    assert all(re.match(r"\+\d\.\d\d units of the reward, interval \+", one) for one in found), found


def test_what_is_made_of_tokens_says_why_reward_models_are_not_there(mixed: Page) -> None:
    words = plain(mixed)
    for said in (
        "Without rm: a reward is one number for a whole text, none of its tokens has one of its own",
        "Without rm: published metrics are made of log-probabilities, and a reward model gives none",
        "Without rm: a reward is one number for a whole text, so there are no log-probabilities of tokens to part",
    ):
        assert words.count(said) == 1, said


def test_only_what_is_shown_is_said_to_be_shown(mixed: Page) -> None:
    words = plain(mixed)
    assert "with the largest margin at dpo<b> or the largest shift" in words
    assert "Stages of training add up among checkpoints of one kind" in words
    assert (
        "Which of them carries a harm: the explicit reward of a reward model, the implicit reward that preference "
        "training has written into a model, or what it preferred before." in words
    )


def test_a_mixed_page_is_whole(mixed: Page) -> None:
    ids = mixed.ids()
    assert len(set(ids)) == len(ids)
    assert mixed.targets() <= set(ids)
    levels = [int(tag[1]) for tag, _ in mixed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_reward_models_alone_are_no_series_of_policies(tmp_path: Path) -> None:
    words = plain(Page(render_report(make_run(tmp_path / "run", checkpoints=("one", "rm"), rewards=("one", "rm")))))
    assert "Series: from one to rm" in words
    assert "read the reward of the text, in its model\u2019s own unit" in words
    assert "How to read a nat" not in words
    assert "Without rm" not in words
    assert "above 0 the harmful text has the higher reward" in words
    assert "likelier" not in words.split("Evidence The pairs")[1].split("Robustness")[0]
    # d is stated as odds of a reward's margin, so the page must not say that odds have no meaning there.
    assert "Odds do not apply" not in words
    assert "Which of them carries a harm: the explicit reward of a reward model. Each has" in words
