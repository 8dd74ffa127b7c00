"""What the words of deploy mean, and what an endpoint's parts are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.deploy_options import ModelQuery, check_name, container_name, image_tag, parse_model

names = st.text(st.characters(categories=["L", "N"], include_characters=" ._-@"), min_size=1, max_size=40).filter(
    lambda name: name.strip() and "@" not in name
)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("digits", ModelQuery("digits")),
        ("digits@champion", ModelQuery("digits", alias="champion")),
        ("digits/3", ModelQuery("digits", version="3")),
        ("team.a-b c@v1-x", ModelQuery("team.a-b c", alias="v1-x")),
        ("odd@name/12", ModelQuery("odd@name", version="12")),
        ("odd/name@champion", ModelQuery("odd/name", alias="champion")),
    ],
)
def test_model_words(text: str, query: ModelQuery) -> None:
    assert parse_model(text) == query


@given(names, st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), st.integers(0, 10**15))
def test_the_last_mark_decides_whatever_the_name_holds(name: str, alias: str, version: int) -> None:
    assert parse_model(f"{name}@{alias}") == ModelQuery(name, alias=alias)
    assert parse_model(f"{name}/{version}") == ModelQuery(name, version=str(version))
    assert parse_model(name) == ModelQuery(name)


@pytest.mark.parametrize(
    "text", ["", " ", "@champion", "/3", "digits@", "digits/", "digits/three", "digits@a b", "a\nb"]
)
def test_words_that_name_no_version_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_model(text)
    assert "MODEL@ALIAS" in (refused.value.hint or "")


@given(st.text(max_size=60))
def test_an_accepted_name_is_safe_in_paths_urls_and_container_names(name: str) -> None:
    try:
        checked = check_name(name)
    except Invalid:
        return
    assert checked == name
    assert name.isascii()
    assert "/" not in name
    assert ".." not in name
    assert not name.startswith(("-", ".", "_"))
    assert len(container_name("0123abcd", name, 10**6)) < 100


@pytest.mark.parametrize("name", ["_gateway", "-", "a/b", "..", "a..b", "A", "a" * 49, "a-", "", "ä", "a b"])
def test_names_that_would_leave_their_place_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


def test_names_carry_the_instance() -> None:
    assert container_name("0123abcd", "digits", 2) != container_name("0123abce", "digits", 2)
    assert image_tag("0123abcd", "f" * 64) != image_tag("0123abce", "f" * 64)
