"""Where the gateway listens: a numeric address and a port, and nothing else is taken for one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.settings import SETTINGS
from mlops_desk.serving.network.network_listener import ListenPlace, parse

SETTING = next(setting for setting in SETTINGS if setting.key == "serving.listen")


@pytest.mark.parametrize(
    ("text", "place", "is_everywhere"),
    [
        ("0.0.0.0:8443", ListenPlace("0.0.0.0", 8443), True), ("10.0.0.5:1", ListenPlace("10.0.0.5", 1), False),
        ("[::]:65535", ListenPlace("::", 65535), True), ("[FD00::1]:443", ListenPlace("fd00::1", 443), False),
        ("[::1]:8443", ListenPlace("::1", 8443), False), ("[2001:DB8:0:0::5]:1", ListenPlace("2001:db8::5", 1), False),
        ("[::ffff:10.0.0.5]:443", ListenPlace("10.0.0.5", 443), False),
    ],
)  # fmt: skip
def test_an_address_and_a_port(text: str, place: ListenPlace, is_everywhere: bool) -> None:
    assert parse(text) == place
    assert parse(str(place)) == place
    assert place.is_everywhere is is_everywhere
    assert SETTING.parse(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "8443", ":8443", "0.0.0.0", "0.0.0.0:0", "0.0.0.0:65536", "999.1.1.1:80", "1.2.3:80", "::1:80", "[10.0.0.1]:80",
        "desk.lab:8443", "*:8443", "0.0.0.0:8443 ", "224.0.0.1:80", "[ff02::1]:80", "[:::]:80", "[fe80::1]:80", "0.0.0.0:08443x",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert "mlops-desk settings set serving.listen " in str(refused.value.hint)


@given(st.text(max_size=40))
@example("")
@example("0.0.0.0:1\n")
def test_any_text_is_a_place_or_refused(text: str) -> None:
    try:
        place = parse(text)
    except Invalid:
        return
    assert place is None if text == "" else place is not None and 0 < place.port < 65536
