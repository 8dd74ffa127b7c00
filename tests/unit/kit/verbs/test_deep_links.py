"""Addresses lead to things and do nothing else, whoever wrote them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.verbs.deep_links import LONGEST, Destination, parse_address

KEYS = {
    "job": st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    "run": st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    "gpu": st.from_regex(r"(GPU|MIG)-[0-9a-f-]{36}(/[0-9]/[0-9])?", fullmatch=True),
    "endpoint": st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    "settings": st.from_regex(r"[a-z][a-z0-9._]{0,40}", fullmatch=True),
    "model": st.text(min_size=1, max_size=60).filter(lambda name: "/" not in name and name.isprintable()),
}
DESTINATIONS = st.one_of(
    *(st.builds(Destination, st.just(kind), key) for kind, key in KEYS.items()),
    st.builds(Destination, st.just("model"), KEYS["model"], st.from_regex(r"[0-9]{1,10}", fullmatch=True)),
)


@given(DESTINATIONS)
@example(Destination("model", "a b?c#d%2f%", "3"))
@example(Destination("model", "Modell für Ärzte"))
@example(Destination("gpu", "MIG-GPU-1/2/0"))
def test_what_is_written_is_read_as_the_same(destination):
    text = str(destination)
    if len(text) <= LONGEST:
        assert parse_address(text) == destination
    assert text.isascii()
    assert " " not in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mlops-desk://job/ab12", Destination("job", "ab12")),
        ("MLOPS-DESK://Job/ab12/", Destination("job", "ab12")),  # browsers write schemes and hosts as they like
        ("mlops-desk://model/iris/3", Destination("model", "iris", "3")),
        ("mlops-desk://endpoint/a.b-c", Destination("endpoint", "a.b-c")),
        ("mlops-desk://settings/registries", Destination("settings", "registries")),
    ],
)
def test_addresses_as_people_and_browsers_write_them(text, wanted):
    assert parse_address(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mlops-desk:",
        "mlops-desk://",
        "mlops-desk://job",
        "mlops-desk://job/",
        "mlops-desk://job/a/b",
        "mlops-desk://job/../model",
        "mlops-desk://job/a?cancel=1",
        "mlops-desk://job/a#x",
        "mlops-desk://user@job/a",
        "mlops-desk://job:80/a",
        "mlops-desk://jobs.cancel/a",
        "mlops-desk://settings",
        "mlops-desk://settings/registry.uri=x",
        "mlops-desk://settings/registries/1",
        "mlops-desk://job/a%00",
        "mlops-desk://job/a%0a--force",
        "mlops-desk://job/a b",
        "mlops-desk://job/a;rm",
        "mlops-desk://job/%",
        "mlops-desk://job/%zz",
        "mlops-desk://model/%ff",
        "mlops-desk://model/a%2fb",
        "mlops-desk://model/%1b[31m",
        "mlops-desk://model/%e2%80%ae",
        "mlops-desk://model/a/latest",
        "mlops-desk://model/a/3/4",
        "mlops-desk://model/a/٣",
        "mlops-desk://job/" + "a" * 65,
        "mlops-desk://model/" + "a" * 2000,
        "mlops-desk://model/" + "%F0%9F%98%80" * 200,
        "http://job/a",
        "--tray",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_address_is_said_in_a_sentence(text):
    with pytest.raises(Invalid) as raised:
        parse_address(text)
    assert len(raised.value.message) < 200
    assert raised.value.message.isprintable()


@given(st.text(max_size=200).map(lambda rest: f"mlops-desk://{rest}") | st.text())
@example("mlops-desk://model/\u202e")
def test_whatever_it_is_it_is_a_thing_with_a_plain_name_or_refused(text):
    try:
        found = parse_address(text)
    except Invalid:
        return
    assert found.kind in {"job", "run", "gpu", "model", "endpoint", "settings"}
    assert found.key.isprintable()
    assert 0 < len(found.key) <= 256
    assert found.version is None or (found.version.isdecimal() and found.version.isascii())
