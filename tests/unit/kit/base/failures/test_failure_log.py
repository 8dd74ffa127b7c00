"""What is in the way again and again is logged when it begins, when it is another, and when it is over."""

import logging

import pytest

from mlops_desk.kit.base.failures import TroubleLog


@pytest.fixture
def trouble(caplog: pytest.LogCaptureFixture) -> TroubleLog:
    caplog.set_level(logging.INFO)
    return TroubleLog(logging.getLogger("test"), "%s could not be read")


def test_the_same_is_logged_once_and_another_reason_and_the_end_again(
    trouble: TroubleLog, caplog: pytest.LogCaptureFixture
) -> None:
    trouble.over("a")
    for why in ("down.", "down.", "locked 100%.", "locked 100%.", "down."):
        trouble.failed("a", why)
    trouble.failed("b", "down.")
    trouble.over("a")
    trouble.over("a")
    trouble.failed("a", "down.")
    assert caplog.messages == [
        "a could not be read: down.", "a could not be read: locked 100%.", "a could not be read: down.",
        "b could not be read: down.", "a could not be read, and is again now", "a could not be read: down.",
    ]  # fmt: skip


def test_of_very_many_those_that_failed_last_are_remembered(
    trouble: TroubleLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(201):
        trouble.failed(str(number), "down.")
    caplog.clear()
    trouble.failed("200", "down.")
    trouble.failed("1", "down.")
    assert caplog.messages == []
    trouble.failed("0", "down.")
    assert caplog.messages == ["0 could not be read: down."]
