"""How a model is named: NAME, NAME@ALIAS, NAME/VERSION."""

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.service import split_reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", ("digits", "latest", "")),
        ("digits@champion", ("digits", "alias", "champion")),
        ("digits/3", ("digits", "version", "3")),
        ("a@b@champion", ("a@b", "alias", "champion")),
        (" digits ", ("digits", "latest", "")),
    ],
)
def test_a_reference_is_split(text, expected):
    assert split_reference(text) == expected


@pytest.mark.parametrize("text", ["", "digits/", "digits/x", "/3", "digits@", "a/b/c"])
def test_a_reference_that_names_nothing_is_refused(text):
    with pytest.raises(Invalid):
        split_reference(text)
