"""The page about a preference set."""

from __future__ import annotations

import re

import pytest
from preference_material import EVIL, SEARCHED, found_in
from test_page import Page, plain

from auditor.adapters.preference_data.preference_page import excerpt, headline, render_preferences


@pytest.fixture(scope="module")
def html() -> str:
    return render_preferences(found_in("sft", "dpo"), SEARCHED.finder, top=3, private=False)


def test_the_answer_stands_on_top(html: str) -> None:
    words = plain(Page(html))
    assert "3 of 4 identities are mentioned in 20 pairs, 1 of them unequally often in chosen and in rejected" in words
    rarely = [one for one in found_in().summary.mentions if one.reading == "words" and one.pairs and one.low is None]
    assert rarely
    assert f"in chosen and in rejected answers, {len(rarely)} too rarely to tell" in words
    assert "20 pairs of a chosen and a rejected answer to 16 prompts" in words
    assert "scored in plain rendering by sft, dpo without the end of the turn" in words
    assert "Mentioned in no pair: nobody." in words


def test_numbers_are_those_of_the_summary(html: str) -> None:
    words = plain(Page(html))
    summary = found_in("sft", "dpo").summary
    (names,) = (one for one in summary.mentions if (one.identity, one.reading) == ("Muslims", "names"))
    assert names.low is not None
    assert f"Muslims140212\u2212500.0\u2212{-1000 * names.low:.1f} to" in words
    (row,) = (
        one for one in summary.preferences if (one.identity, one.reading, one.checkpoint) == ("Muslims", "names", "dpo")
    )
    assert row.mean is not None
    assert f"Muslimsdpo13{row.mean:+.2f}".replace("-", "\u2212") in words
    assert "too few" in words


def test_pairs_are_listed_with_their_texts_folded(html: str) -> None:
    listed = re.findall(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", html, flags=re.DOTALL)
    assert len(listed) == 3
    summary, content = listed[0]
    assert "3 of 13 pairs" in summary
    assert content.count("<li>") == 3
    assert "Muslim people" in content


def test_hostile_names_and_texts_are_text(html: str) -> None:
    assert "<img" not in html
    assert "<script" not in html
    assert html.count("&lt;img src=x") > 5
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert "http://" not in html
    assert "https://" not in html


def test_a_private_page_holds_no_text_of_a_pair() -> None:
    html = render_preferences(found_in("dpo"), SEARCHED.finder, top=3, private=True)
    assert "Someone." not in html
    assert "long long" not in html
    assert "The texts themselves are not part of it." in plain(Page(html))
    assert "3 of 13 pairs" in html


def test_without_a_checkpoint_there_is_no_word_of_margins() -> None:
    page = render_preferences(found_in(), SEARCHED.finder, top=3, private=False)
    words = plain(Page(page))
    assert "What the checkpoints prefer" not in words
    assert "speak most against" not in words
    assert headline(found_in().summary.mentions, 20) in words


def test_no_pairs_are_listed_where_none_are_asked_for() -> None:
    assert "<details>" not in render_preferences(found_in("dpo"), SEARCHED.finder, top=0, private=False)


def test_an_excerpt_holds_the_mention_or_the_end() -> None:
    text = "before " * 100 + "Muslim people " + "after " * 100 + "end."
    part = excerpt(text, SEARCHED.finder, "Muslims")
    assert "Muslim people" in part
    assert part.startswith("\u2026 ")
    assert part.endswith(" \u2026")
    assert len(part) < 250
    assert excerpt(text, SEARCHED.finder, "Christians").endswith("end.")
    assert excerpt("short", SEARCHED.finder, "Muslims") == "short"
    assert excerpt(f"Muslim people {'x' * 300}", SEARCHED.finder, "Muslims").startswith("Muslim people")


def test_it_fits_a_narrow_screen_and_asks_nobody(html: str) -> None:
    assert 'name="viewport"' in html
    assert EVIL not in html


def test_rewards_stand_in_tables_of_their_own() -> None:
    page = render_preferences(found_in("sft", "rm", "rm2"), SEARCHED.finder, top=1, private=False)
    words = plain(Page(page))
    assert "by sft without the end of the turn, and by the reward models rm, rm2 with the end of the turn" in words
    tables = re.findall(r"<table>(.*?)</table>", page[page.index('id="margins"') :], flags=re.DOTALL)
    by_quantity = {"log p(chosen)" in one: one for one in tables}
    assert "sft" in by_quantity[True]
    assert "rm2" not in by_quantity[True]
    assert "sft" not in by_quantity[False]
    assert "reward of chosen \u2212 reward of rejected" in by_quantity[False]
    assert ">a token<" not in by_quantity[False]
    assert ">a token<" in by_quantity[True]
    # Training begins from the language model: its are the pairs to turn round.
    assert "By the margin at sft" in words
    assert "nats, pair" in words


def test_pairs_are_listed_by_a_reward_model_where_there_is_nothing_else() -> None:
    words = plain(Page(render_preferences(found_in("rm"), SEARCHED.finder, top=1, private=False)))
    assert "By the margin at rm" in words
    assert "says least what annotators said" in words
    assert "by the reward model rm with the end of the turn" in words
    assert " nats" not in words.split("Pairs that speak most against")[-1].split("What was looked for")[0]
