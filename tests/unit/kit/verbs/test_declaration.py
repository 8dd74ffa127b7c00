"""What a declaration says of a verb, read from a protocol made up for it."""

import math
from collections.abc import Iterator
from typing import Annotated, Protocol

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.verbs.declaration import Length, Option, VerbMark, Who, changes, reads, verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS


class Trees(Protocol):
    """Trees."""

    @reads
    def list(self, kind: str | None = None, limit: int = 20) -> list[str]:
        """List the trees."""

    def climb(self) -> None:
        """Is no verb: nobody marked it."""

    @changes(who=Who.OWNER, timeout_seconds=5.0, before="list", of=("tree", "tree_id"))
    def plant(self, tree_id: str, height: Annotated[float, Option(word="tall")], tags: dict[str, str]) -> str:
        """Plant one."""

    @reads
    def growth(self, tree_id: str, wait: Annotated[float, Length(word="for")]) -> Iterator[str]:
        """Tell how it grows."""


LIST, PLANT, GROWTH = verbs_of("trees", Trees)


def test_only_what_is_marked_is_a_verb_in_the_order_of_declaration() -> None:
    assert [verb.name for verb in verbs_of("trees", Trees)] == ["list", "plant", "growth"]
    assert PLANT.path == "/v1/trees/plant"
    assert LIST.doc == "List the trees."


def test_a_mark_says_who_may_ask_for_how_long_and_what_was_before() -> None:
    assert LIST.mark == VerbMark(changes=False, who=Who.EVERYBODY, timeout_seconds=60.0, before=None, of=None)
    assert PLANT.mark == VerbMark(
        changes=True, who=Who.OWNER, timeout_seconds=5.0, before="list", of=("tree", "tree_id")
    )
    assert [who.value for who in Who] == ["everybody", "owner", "administrator"]


def test_what_yields_lines_streams() -> None:
    assert (LIST.streams, PLANT.streams, GROWTH.streams) == (False, False, True)


def test_a_parameter_has_its_type_without_its_form() -> None:
    tree_id, height, _tags = PLANT.parameters
    assert (height.type, height.form) == (float, Option(word="tall"))
    assert (tree_id.form, tree_id.required) == (None, True)
    kind, limit = LIST.parameters
    assert (kind.kinds, kind.required, limit.default) == ((str,), False, 20)
    assert GROWTH.parameters[1].form == Length(word="for")


def test_what_a_value_may_be_is_said_in_words_where_a_word_can() -> None:
    assert [parameter.wanted for parameter in (*LIST.parameters, *PLANT.parameters)] == [
        "text", "a whole number", "text", "a number", None,
    ]  # fmt: skip


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(Invalid, match="height"):
        PLANT.parameters[1].check(value)
    PLANT.parameters[1].check(0.0)


def test_an_empty_id_is_refused_and_an_empty_text_is_not() -> None:
    with pytest.raises(Invalid, match="tree_id is empty"):
        PLANT.parameters[0].check("")
    LIST.parameters[0].check("")


def test_an_id_that_may_be_left_out_may_be_empty() -> None:
    (page,) = [verb for verb in verbs_of("registry", PROTOCOLS["registry"]) if verb.name == "page"]
    (run,) = page.parameters
    run.check("")
    run.check("abc")
