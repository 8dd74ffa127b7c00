"""Whether two builds of one commit are told apart."""

import pytest
import same_build


@pytest.mark.parametrize(
    ("second", "code", "said"),
    [
        ({"a.deb": "1" * 64}, 0, "Built twice alike: a.deb 111111111111."),
        ({"a.deb": "2" * 64}, 1, "Two builds of one commit differ"),
        ({}, 1, "Two builds of one commit differ"),
    ],
)
def test_a_build_that_differs_in_one_file_fails(capsys, second, code, said):
    builds = iter([{"a.deb": "1" * 64}, second])
    assert same_build.compare(lambda: next(builds)) == code
    assert said in capsys.readouterr().out
