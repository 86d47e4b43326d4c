"""Cautions: what a reader must know before a number."""

from dataclasses import replace

from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.findings import Findings, joined
from auditor.core.items import Item
from auditor.core.verdicts import Rule
from auditor.pipeline import analyse, compare

ROWS = [
    pair(f"{identity}{at}", cluster=str(at), match=str(at), identity=identity, role=role)
    for at in range(5)
    for identity, role in (("x", "marked"), ("ref", "reference"))
]


CONVENTION = Rule()


def _findings(items=ROWS, boost=0.0, rule=CONVENTION, betas=None, **card) -> Findings:
    probe = probe_of(*items, **card)
    table = {
        "base": {item.id: 0.1 * at for at, item in enumerate(items)},
        "dpo": {item.id: 0.1 * at + boost + 0.01 * (at % 3) for at, item in enumerate(items)},
    }
    series = series_of("base", "dpo", betas=betas or {})
    return compare([probe], series, FakeScorer(margins(table)), rule, lambda _: None)


def _says(findings: Findings, text: str) -> bool:
    return any(text in one for one in findings.cautions)


def test_absent_controls_are_said() -> None:
    assert _says(_findings(), "no form-matched controls and no control identities")


def test_each_missing_kind_of_control_is_said_of_whom_it_is_missing() -> None:
    controls = [pair(f"c{at}", cluster=str(at), match=str(at), identity="oboists", role="control") for at in range(5)]
    findings = _findings([*ROWS, *controls])
    assert _says(findings, "probe: no form-matched controls for x: ")
    assert _says(findings, "probe: no band of control identities for x (")
    assert not _says(findings, "no form-matched controls and no control identities")
    neutral = [replace(item, id=f"n{item.id}", valence="neutral") for item in ROWS]
    findings = _findings([*ROWS, *neutral])
    assert not _says(findings, "no form-matched controls for")
    assert _says(findings, "no band of control identities for x")


def test_controls_of_another_length_are_said_with_the_reason() -> None:
    neutral = [replace(item, id=f"n{item.id}", valence="neutral") for item in ROWS]

    def lengths(_: str, item: Item, label: str) -> list[float]:
        # The sides of a harmful pair have one token each; of a neutral one, one and three.
        tokens = 3 if item.valence == "neutral" and label == "harmful" else 1
        return [-0.5 - 0.01 * int(item.id[-1])] * tokens

    scorer = FakeScorer(lengths)
    findings = compare([probe_of(*ROWS, *neutral)], series_of("base", "dpo"), scorer, CONVENTION, lambda _: None)
    assert _says(findings, "probe: no form-matched controls for x (control_form: under this tokenizer")
    assert _says(findings, "see audit probes lint --tokenizer")
    assert not _says(findings, "no form-matched controls for x: ")
    assert not _says(findings, "no form-matched controls and no control identities")


def test_references_that_moved_too_are_said() -> None:
    assert _says(_findings(boost=1.0), "the reference identities moved towards the harmful texts too")
    assert not _says(_findings(boost=-1.0), "moved towards")


def test_only_reference_rows_of_harmful_pairs_about_the_marked_are_said_to_have_moved() -> None:
    neutral = [
        pair(f"n{who}{at}", cluster=f"n{at}", match=f"n{at}", identity=who, role=role, valence="neutral")
        for at in range(5)
        for who, role in (("x", "marked"), ("ref", "reference"))
    ]
    items = [*ROWS, *neutral]
    table = {
        name: {item.id: (up if item.valence == "neutral" else -up) + 0.01 * (at % 3) for at, item in enumerate(items)}
        for name, up in (("base", 0.0), ("dpo", 1.0))
    }
    findings = compare([probe_of(*items)], series_of("base", "dpo"), FakeScorer(margins(table)), Rule(), lambda _: None)
    assert any(one.contrast == "reference" and one.interval.low > 0 for one in findings.effects)
    assert not _says(findings, "moved towards")


def test_the_default_bound_is_called_a_convention() -> None:
    assert _says(_findings(), "is a convention")
    assert not _says(_findings(rule=Rule(0.5)), "is a convention")


def test_rewards_say_what_they_rest_on() -> None:
    findings = _findings()
    assert _says(findings, "are prefix rewards")
    assert _says(findings, "beta left out")
    assert _says(findings, "because of its name")
    assert not _says(_findings(betas={"": 0.1}), "beta left out")


def test_refused_rewards_are_not_spoken_of() -> None:
    # Other token ids at the two checkpoints: no item is left for a reward, so nothing is said about rewards.
    probe = probe_of(*ROWS)
    lengths = {"base": 1, "dpo": 2}
    scorer = FakeScorer(lambda checkpoint, _item, _label: [-1.0] * lengths[checkpoint])
    findings = compare([probe], series_of("base", "dpo"), scorer, Rule(), lambda _: None)
    assert not any(one.items for one in findings.effects if one.measure == "implicit_reward")
    assert not _says(findings, "prefix rewards")
    assert not _says(findings, "beta left out")
    assert _says(findings, "never as a reward")


def test_missing_controls_lead_and_loader_notes_come_last() -> None:
    findings = _findings(notes=("3 rows name no cluster",))
    assert "no form-matched controls" in findings.cautions[0]


def test_length_normalised_rewards_are_said_to_have_no_verdict() -> None:
    probe, series = probe_of(*ROWS), series_of("base", "dpo", objectives={"dpo": "dpo-norm"})
    table = {name: {item.id: 0.1 * at for at, item in enumerate(ROWS)} for name in ("base", "dpo")}
    findings = compare([probe], series, FakeScorer(margins(table)), Rule(), lambda _: None)
    assert _says(findings, "counts nats per token")


def test_notes_of_the_reader_reach_the_reader() -> None:
    assert _says(_findings(notes=("3 rows name no cluster",)), "probe: 3 rows name no cluster")


def test_identity_swaps_are_said_to_hold_the_names() -> None:
    items = [pair(str(at), design="identity_swap") for at in range(4)]
    assert _says(_findings(items), "how likely each name is")


def _skewed(clusters: int, *, outlier: float) -> Findings:
    """One identity harmed by 3 to 5 nats everywhere, in one predicate by more."""
    rows = [
        pair(f"{who}{at}", cluster=str(at), match=str(at), identity=who, role=role)
        for at in range(clusters)
        for who, role in (("x", "marked"), ("ref", "reference"))
    ]
    excess = {f"x{at}": 4.0 + (at % 3 - 1) for at in range(clusters)} | {"x0": outlier}
    table = {"only": {item.id: excess.get(item.id, 0.0) for item in rows}}
    scorer = FakeScorer(margins(table))
    return compare([probe_of(*rows)], series_of("only"), scorer, CONVENTION, lambda _: None)


def test_claims_from_few_skewed_clusters_are_said_to_be_less_sure() -> None:
    assert _says(_skewed(9, outlier=9.0), "probe: verdicts about x rest on fewer than 15 clusters with skewed means")
    assert not _says(_skewed(9, outlier=4.0), "clusters with skewed means")
    assert not _says(_skewed(24, outlier=9.0), "clusters with skewed means")


def test_what_was_said_of_a_part_alone_names_it() -> None:
    series = series_of("base", "rm", quantities={"rm": "reward"})
    parts = list(series.parts.values())
    whole = joined(
        series,
        [
            Findings(series, (), (), ("known before",)),
            Findings(parts[0], (), (), ("probe: both say so.", "probe: policies alone.")),
            Findings(parts[1], (), (), ("probe: both say so.", "probe: no band.", "rm: a margin of rewards.")),
        ],
    )
    assert whole.cautions == (
        "known before",
        "probe: both say so.",
        "probe: policies alone.",
        "probe: no band (said of rm).",
        "rm: a margin of rewards.",
    )


def test_one_model_given_twice_is_said() -> None:
    scorer, series = (
        FakeScorer(margins({name: {item.id: 0.1 for item in ROWS} for name in "abc"})),
        series_of("a", "b", "c"),
    )
    scores = [scorer.score(one, [probe_of(*ROWS)]) for one in series.checkpoints]
    named = [replace(one, fingerprint=of) for one, of in zip(scores, "xyx", strict=True)]
    findings = analyse([probe_of(*ROWS)], series, named, ("plain",), Rule())
    assert _says(findings, "a and c are one and the same model: weights, config and tokenizer are equal")
    # Scores made elsewhere have no fingerprints to compare.
    bare = [replace(one, fingerprint="") for one in scores]
    assert not _says(analyse([probe_of(*ROWS)], series, bare, ("plain",), Rule()), "one and the same model")
