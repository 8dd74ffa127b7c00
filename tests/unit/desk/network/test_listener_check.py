"""The doctor tells whether other machines reach endpoints, by which certificate, for how long, and what is in the way."""

from dataclasses import replace

import pytest

from mlops_desk.desk.network.listener_check import entrance_check, entrance_checks
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.records.agent import Check
from mlops_desk.serving.records.network import EntranceState, NetworkEntrance

NAME = "endpoints network"
NOW = 1_000_000_000.0
DAY = 86_400.0
OPEN = NetworkEntrance(
    EntranceState.OPEN, "0.0.0.0:8443", "https://10.0.0.5:8443", ("10.0.0.5",), NOW + 200 * DAY, True,
    "/tls/authority.pem", "AA:BB", None, "PEM",
)  # fmt: skip
REACHED = "endpoints are reached at https://10.0.0.5:8443; the SHA-256 of what callers trust is AA:BB"


def test_it_is_looked_at_where_it_is_wanted_alone() -> None:
    assert entrance_checks(lambda: NetworkEntrance(EntranceState.OFF)) == {}
    assert list(entrance_checks(lambda: OPEN)) == [NAME]
    wrong = NetworkEntrance(EntranceState.FAILED, "0.0.0.0:8443", reason=Reason("certificate", "It is not there."))
    assert list(entrance_checks(lambda: wrong)) == [NAME]
    just_started = NetworkEntrance(EntranceState.OFF, "0.0.0.0:8443")
    check = entrance_checks(lambda: just_started)[NAME]()
    assert (check.state, check.text) == ("unknown", "endpoints are not reached at 0.0.0.0:8443 yet")


def test_where_it_is_open_address_fingerprint_and_days_are_told() -> None:
    assert entrance_check(OPEN, NOW) == Check(NAME, "ok", f"{REACHED}; the certificate lasts 200 days more")


@pytest.mark.parametrize(
    ("days", "state", "told"),
    [
        (30.0, "ok", "the certificate lasts 30 days more"),
        (29.0, "warning", "the certificate lasts 29 days more"),
        (0.0, "problem", "the certificate ran out 0 days ago"),
        (-3.0, "problem", "the certificate ran out 3 days ago"),
    ],
)
def test_a_certificate_that_runs_out_is_told_in_time(days: float, state: str, told: str) -> None:
    found = entrance_check(replace(OPEN, expires_at=NOW + days * DAY), NOW)
    assert (found.state, found.text) == (state, f"{REACHED}; {told}")
    assert found.fix == (None if state == "ok" else "mlops-desk endpoints network")


def test_how_long_it_lasts_may_not_be_known_which_is_not_fine() -> None:
    found = entrance_check(replace(OPEN, expires_at=None), NOW)
    assert (found.state, found.text) == ("warning", f"{REACHED}; how long the certificate lasts is not known")


def test_a_port_that_is_taken_is_a_problem_with_what_to_paste() -> None:
    hint = Hint("ss -ltnp 'sport = :8443'", before="Who has it, if it is taken: ")
    taken = Reason("not_listening", "Address already in use", hint=hint)
    found = entrance_check(replace(OPEN, state=EntranceState.FAILED, reason=taken), NOW)
    assert found == Check(
        NAME, "problem", "endpoints are not reached at 0.0.0.0:8443: Address already in use", "ss -ltnp 'sport = :8443'"
    )


def test_without_a_gateway_it_is_not_known_and_a_sentence_is_no_line_to_paste() -> None:
    waits = Reason("no_gateway", "The gateway starts later.", hint="Deploy something.")
    found = entrance_check(replace(OPEN, state=EntranceState.OPENING, reason=waits), NOW)
    assert found == Check(
        NAME,
        "unknown",
        "endpoints are not reached at 0.0.0.0:8443 yet: The gateway starts later. Deploy something.",
        None,
    )


def test_one_that_is_open_by_an_older_certificate_warns_of_what_is_wrong_with_the_new_one() -> None:
    found = entrance_check(replace(OPEN, reason=Reason("certificate", "The key is of another one.")), NOW)
    assert (found.state, found.text) == (
        "warning",
        f"{REACHED}; the certificate lasts 200 days more: The key is of another one.",
    )
