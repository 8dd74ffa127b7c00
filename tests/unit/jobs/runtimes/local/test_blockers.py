"""What a job waits for until a person mends it, and what fails it for certain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.docker.connection import from_engine
from mlops_desk.engines.engine import EngineInfo, Obstacle
from mlops_desk.engines.fake import FakeEngine
from mlops_desk.jobs.runtimes.local.blockers import obstruction, unreachable
from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable


class Restarting(FakeEngine):
    """An engine whose containers live on over its restart, or not."""

    def __init__(self, *, live_restore: bool) -> None:
        super().__init__()
        self._live = live_restore

    def info(self) -> EngineInfo:
        super().info()
        return EngineInfo("Docker", "26", "1.45", None, self._live, "unix:///x.sock")


TOOLKIT = 'could not select device driver "nvidia" with capabilities: [[gpu]]'


def told(text: str) -> Obstacle:
    error = from_engine(500, text, "Starting the container x")
    assert isinstance(error, Obstacle)
    return error


@pytest.mark.parametrize(("live_restore", "warned"), [(True, False), (False, True)])
def test_who_is_told_to_restart_the_engine_is_warned_where_that_ends_containers(live_restore, warned) -> None:
    reason = obstruction(told(TOOLKIT), Restarting(live_restore=live_restore))
    assert reason.class_ == "gpu_toolkit_missing"
    assert ("ends all running containers" in reason.text) is warned
    assert "systemctl restart docker" in reason.command
    assert TOOLKIT in reason.evidence


def test_an_engine_that_does_not_answer_is_taken_to_end_them() -> None:
    engine = Restarting(live_restore=True)
    engine.absent = True
    assert "ends all running containers" in obstruction(told(TOOLKIT), engine).text


def test_what_needs_no_restart_warns_of_none() -> None:
    engine = Restarting(live_restore=False)
    assert "Restarting" not in obstruction(told("unresolvable CDI devices nvidia.com/gpu=x"), engine).text


@pytest.mark.parametrize(
    "said",
    [
        "dial tcp 127.0.0.1:5000: connect: connection refused",
        "net/http: TLS handshake timeout",
        "read tcp: i/o timeout",
        "lookup registry-1.docker.io on 10.0.0.1:53: no such host",
        "lookup ghcr.io: no such host",
        "dial tcp: lookup nosuch.lan: Temporary failure in name resolution",
        "received unexpected HTTP status: 503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit",
    ],
)
@pytest.mark.parametrize("kind", [Unavailable, Refused])
def test_a_registry_that_does_not_answer_is_waited_for(said, kind) -> None:
    reason = unreachable("team/a b:1", kind(said))
    assert reason is not None
    assert (reason.class_, reason.command) == ("registry_unreachable", "docker pull 'team/a b:1'")
    assert said in reason.evidence


@pytest.mark.parametrize(
    "error",
    [
        NotFound("manifest unknown, connection refused"),
        TimedOut("i/o timeout"),  # unknown: it is looked for again at once
        Unavailable("lookup regsitry.example: no such host"),  # mistyped, as far as anybody knows
        Unavailable("lookup notdocker.ioo: no such host"),
        Refused("invalid reference format"),
        Refused("unauthorized: authentication required"),
    ],
)
def test_what_is_certain_is_not_waited_for(error) -> None:
    assert unreachable("img:1", error) is None


def test_a_certificate_that_nobody_trusts_is_told_as_such() -> None:
    reason = unreachable("img:1", Unavailable("tls: failed to verify certificate: x509: unknown authority"))
    assert reason is not None
    assert reason.class_ == "registry_untrusted"


@given(st.text(max_size=300))
def test_any_text_of_a_registry_can_be_told(said) -> None:
    reason = unreachable(said, Unavailable(f"{said} connection refused"))
    assert reason is not None
    assert "\n" not in reason.text
