"""A card in the tags of its version: whole again, or named as damaged; whatever somebody writes there, nothing breaks."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.governance.cards import stages, tags
from mlops_desk.governance.cards.stages import Actor
from mlops_desk.governance.records.card import CARD_TEXTS, CardFacts, CardFigure, CardStage
from mlops_desk.kit.base.errors import Invalid

ANNA = Actor("anna", 7, 5.0)


def card(texts=None):
    facts = CardFacts(1.0, "r1", figures=(CardFigure("auc", 0.9),))
    return stages.edited(stages.begun("churn", "3", "http://x", facts, {}), texts or {"limits": "ä\u20ac"}, (), ANNA)


def test_a_card_is_read_as_it_was_written_and_counts_as_data_only() -> None:
    made = card()
    found = tags.read(tags.written(made, "desk-a"), "churn", "3")
    assert (found.desk, found.state) == ("desk-a", made.state_sha256)
    assert (found.card.texts, found.card.facts, found.card.sha256) == (made.texts, made.facts, made.sha256)
    assert (found.card.is_foreign, found.card.steps[0].uid) == (True, None)
    assert tags.read({"other": "x"}, "churn", "3") is None


def test_the_largest_card_fits_and_no_tag_is_longer_than_mlflow_takes() -> None:
    made = card(dict.fromkeys(CARD_TEXTS, "\u20ac" * 4000))
    written = tags.written(made, "d")
    assert all(len(value) <= 5000 and len(key) <= 250 for key, value in written.items())
    assert [*written][-1] == tags.HEAD, "a head names only what is there"
    assert tags.read(written, "churn", "3").card.texts == made.texts


def test_a_newer_card_makes_the_parts_of_the_older_one_stale() -> None:
    old, new = tags.written(card(), "d"), tags.written(card({"limits": "b"}), "d")
    assert tags.stale(old | new | {"mine": "1", f"{tags.HEAD}.mine": "2"}, new) == [
        key for key in old if key != tags.HEAD
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda told: {key: value for key, value in told.items() if key == tags.HEAD},
        lambda told: {key: value.replace("churn", "chum") if key != tags.HEAD else value for key, value in told.items()},
        lambda told: told | {tags.HEAD: "{"},
        lambda told: told | {tags.HEAD: "[]"},
        lambda told: told | {tags.HEAD: told[tags.HEAD].replace("card/1", "card/2")},
        lambda told: told | {tags.HEAD: json.dumps(json.loads(told[tags.HEAD]) | {"parts": 10**9})},
        lambda told: told | {tags.HEAD: json.dumps(json.loads(told[tags.HEAD]) | {"desk": 3})},
        lambda told: told | {tags.HEAD: "[" * 4000},
    ],
)  # fmt: skip
def test_a_damaged_card_is_named_as_that(damage) -> None:
    with pytest.raises(Invalid):
        tags.read(damage(tags.written(card(), "d")), "churn", "3")


@given(st.dictionaries(st.sampled_from([tags.HEAD, f"{tags.HEAD}.{'a' * 12}.0", "x"]), st.text(max_size=60)))
def test_whatever_is_written_there_is_a_card_or_none_or_named(told) -> None:
    try:
        found = tags.read(told, "churn", "3")
    except Invalid:
        return
    assert found is None or found.card.is_foreign


def test_what_a_stranger_says_is_capped_and_plain_and_of_the_version_that_it_lies_with() -> None:
    told = json.loads("".join(value for key, value in tags.written(card(), "d").items() if key != tags.HEAD))
    told |= {"model": "other", "version": "9", "stage": "approved", "registry": "http://evil", "sha256": "f" * 64}
    told["texts"] = [{"name": "limits", "text": "x\u202e" * 2500}, {"name": "color", "text": "red"}]
    told["facts"]["requirements"] = []
    told["facts"]["data"] = [{"name": "\x1b" + "n" * 400, "digest": "d"}] * 205
    text = json.dumps(told)
    parts = {f"{tags.HEAD}.{{}}.{at // 4800}": text[at : at + 4800] for at in range(0, len(text), 4800)}
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    head = {"form": tags.FORM, "desk": "d", "state": "s", "parts": len(parts), "sha256": sha256}
    whole = {key.format(sha256[:12]): value for key, value in parts.items()} | {tags.HEAD: json.dumps(head)}
    found = tags.read(whole, "churn", "3").card
    assert (found.model, found.version, found.registry, found.is_foreign) == ("churn", "3", None, True)
    assert (found.stage, found.sha256 != "f" * 64) == (CardStage.APPROVED, True)
    assert [one.name for one in found.texts] == [*CARD_TEXTS]
    assert (len(found.text("limits")), found.text("limits")[:14]) == (4000, "x\\u202ex\\u202e")
    assert (len(found.facts.data), found.facts.data[0].name[:6]) == (200, "\\x1bnn")
    assert len(found.facts.data[0].name) < 310


def test_of_many_steps_the_newest_are_told_beside_the_version() -> None:
    made = card()
    for at in range(60):
        made = stages.edited(made, {"limits": f"at {at}"}, (), Actor("anna", 7, 10.0 + at))
    steps = tags.read(tags.written(made, "d"), "churn", "3").card.steps
    assert (len(steps), steps[0].at, steps[-1].at) == (50, 20.0, 69.0)
