"""No link of a chain can be changed, moved, taken away or added without being found, and the first is named."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.records.audit import AuditLink, AuditVerification
from mlops_desk.kit.storage.audit.chain import START, Unreadable, Verifier, following, is_filed, link_of, says_the_same

TEXTS = st.lists(st.text(max_size=12), min_size=1, max_size=8)


def chain(texts: list[str]) -> list[AuditLink]:
    links: list[AuditLink] = []
    number, digest = 0, START
    for text in texts:
        link = following(number, digest, f"e{number}", text)
        links.append(link)
        number, digest = link.number, link.digest
    return links


def verified(links: list[AuditLink | Unreadable], head: str | None = None) -> AuditVerification:
    verifier = Verifier(head)
    verifier.take_all(links)
    return verifier.told()


def test_a_digest_is_that_of_four_lines() -> None:
    first = following(0, START, "e1", '{"verb": "jobs.submit"}')
    second = following(1, first.digest, "e1", "ä\n")
    told = ("0" * 64 + '\n1\ne1\n{"verb": "jobs.submit"}').encode()
    assert (first.number, first.digest) == (1, hashlib.sha256(told).hexdigest())
    assert second.digest == hashlib.sha256(f"{first.digest}\n2\ne1\nä\n".encode()).hexdigest()


@given(TEXTS)
@example(["\ud800"])
def test_what_was_written_holds(texts: list[str]) -> None:
    links = chain(texts)
    assert verified(links) == AuditVerification(len(texts), intact=True, head=links[-1].digest)
    for link in links:
        assert verified(links, link.digest).holds_head is True


@given(TEXTS, st.data())
@example(["a", "a"], None)
def test_an_edit_of_any_member_is_found_where_it_is(texts: list[str], data: st.DataObject | None) -> None:
    links = chain(texts)
    places = range(len(links)) if data is None else [data.draw(st.integers(0, len(links) - 1))]
    for place in places:
        link = links[place]
        for changed in (
            replace(link, text=link.text + " "),
            replace(link, entry=link.entry + "x"),
            replace(link, digest="f" * 64),
        ):
            found = verified([*links[:place], changed, *links[place + 1 :]])
            assert (found.intact, found.first_bad) == (False, place + 1)
            assert found.why == f"Record {place + 1} was changed after it was written."


@given(st.lists(st.text(max_size=5), min_size=2, max_size=6), st.data())
def test_one_that_is_taken_away_is_missed_or_its_head_is(texts: list[str], data: st.DataObject) -> None:
    links = chain(texts)
    place = data.draw(st.integers(0, len(links) - 1))
    left = links[:place] + links[place + 1 :]
    found = verified(left, links[-1].digest)
    assert not found.intact
    if place == len(links) - 1:
        assert (found.first_bad, found.holds_head) == (None, False)
        assert "is not part of the chain" in str(found.why)
        assert verified(left).intact, "without a head that was kept nobody can know"
    else:
        assert found.first_bad == place + 1
        assert found.why == f"Record {place + 1} is missing: record {place + 2} follows on {place}."


def test_two_that_changed_places_are_found() -> None:
    one, two, three = chain(["a", "b", "c"])
    assert verified([one, three, two]).first_bad == 2
    again = verified([one, two, two, three])
    assert (again.first_bad, again.why) == (2, "Record 2 stands behind record 2.")


def test_a_chain_that_was_made_anew_from_a_place_on_is_told_by_a_head_alone() -> None:
    links = chain(["a", "b", "c"])
    forged = [links[0], following(1, links[0].digest, "e1", "B")]
    assert verified(forged).intact
    assert not verified(forged, links[2].digest).intact


def test_nothing_holds_and_has_the_head_of_nothing() -> None:
    assert verified([]) == AuditVerification(0, intact=True, head="0" * 64)
    assert verified([], "0" * 64).holds_head is True


def test_what_is_no_link_is_blamed_at_its_place_and_all_are_counted() -> None:
    one, two = chain(["a", "b"])
    found = verified([one, Unreadable("00x"), two])
    assert (found.records, found.intact, found.first_bad) == (3, False, 2)
    assert found.why == "What stands at 00x is no record of the audit."


def test_of_several_faults_the_first_is_told_and_one_without_number_last() -> None:
    verifier = Verifier()
    verifier.blame(None, "e9", "never written")
    verifier.blame(7, "e7", "seven")
    verifier.blame(3, "e3", "three")
    verifier.blame(5, "e5", "five")
    told = verifier.told()
    assert (told.first_bad, told.entry, told.why) == (3, "e3", "three")


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", "1", "[" * 100_000, '{"number": 1, "entry": "e", "text": "t"}',
     '{"number": true, "entry": "e", "text": "t", "digest": "d"}',
     '{"number": "1", "entry": "e", "text": "t", "digest": "d"}',
     '{"number": 1, "entry": null, "text": "t", "digest": "d"}',
     '{"number": 1, "entry": "e", "text": "other", "text": "t", "digest": "d"}',
     '{"number": 1, "entry": "e", "text": "t", "digest": "other", "digest": "d"}',
     '{"number": 2, "number": 1, "entry": "e", "text": "t", "digest": "d"}',
     '{"number": 1, "entry": "e", "text": "t", "digest": "d", "note": 1, "note": 2}',
     '{"number": 1.0, "entry": "e", "text": "t", "digest": "d"}',
     '{"number": 1, "entry": "e", "text": "t", "digest": "d"} {}',
     '{"number": 1, "entry": "e", "text": ["t"], "digest": "d"}'],
)  # fmt: skip
def test_what_is_no_link_is_none(document: str) -> None:
    assert link_of(document) is None


@given(
    st.integers(), *(st.text(st.characters(), max_size=9) for _ in range(3)), st.sampled_from([None, 1]), st.booleans()
)
@example(1, "e", '{"who": "Zoë"}', "d", None, True)
@example(1, 'e"}', "\\", "\x00\n", None, False)
@example(1, "\ud800", "\ud800", "\udfff", None, True)
@example(-1, "", "\x7f\u2028", "d", 1, False)
@example(10**30, "e", "t", "d", None, True)
def test_a_link_is_read_as_it_was_written_in_whatever_spelling(
    number: int, entry: str, text: str, digest: str, indent: int | None, is_ascii: bool
) -> None:
    told = {"number": number, "entry": entry, "text": text, "digest": digest}
    link = AuditLink(number, entry, text, digest)
    assert link_of(json.dumps(told, indent=indent, ensure_ascii=is_ascii)) == link
    assert link_of(json.dumps({"note": 1, **told})) == link


@pytest.mark.parametrize("written", [json.dumps, lambda told: json.dumps(told, sort_keys=True, indent=1)])
def test_an_entry_is_filed_by_its_own_members_and_by_no_text_within_them(written: Callable[[object], str]) -> None:
    told = {
        "at": 2.5,
        "user": "ana",
        "verb": "jobs.submit",
        "arguments": '"verb": "models.tag", ',
        "state": "ended",
        "why": None,
    }
    document = written(told)
    assert is_filed(document, "", "jobs.submit", 2.5)
    for state, verb, at in (
        ("began", "jobs.submit", 2.5), ("", "models.tag", 2.5), ("", "jobs.submit", 2.0), (None, None, None),
        ("", 'jobs.submit", "arguments": "', 2.5), ("ended", "jobs.submit", 2.5),
    ):  # fmt: skip
        assert not is_filed(document, state, verb, at)
    began = written({**told, "state": "began", "why": '"state": "ended", '})
    assert is_filed(began, "began", "jobs.submit", 2.5)
    assert not is_filed(began, "", "jobs.submit", 2.5)
    del told["state"]
    assert is_filed(written(told), "", "jobs.submit", 2.5), "as all were written before there was one"


def test_two_texts_say_the_same_however_they_are_written() -> None:
    assert says_the_same('{"a": 1, "b": 2}', '{"b":2,"a":1}')
    assert not says_the_same('{"a": 1}', '{"a": 2}')
    assert not says_the_same('{"a": 1}', '{"a": true}')
    assert not says_the_same('{"a": 2, "a": 1}', '{"a": 1}'), "who reads the first of the two reads another one"
    assert says_the_same('{"a": NaN}', '{"a":NaN}')
    assert says_the_same("no JSON", "no JSON")
    assert not says_the_same("no JSON", "{}")
