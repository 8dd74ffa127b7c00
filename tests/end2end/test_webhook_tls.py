"""Alerts over HTTPS, by the real agent: an authority of one's own is accepted where it is configured, nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import SecureServer, sign
from tests.end2end.desk import Desk

pytestmark = pytest.mark.end2end

AUTHORITY = sign("Laboratory", authority=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose agent was started with the laboratory's authority."""
    authority = AUTHORITY.write(tmp_path / "ca.pem")
    desk = Desk(tmp_path / "data", environment={"SSL_CERT_FILE": str(authority)})
    desk.json("settings", "set", "alerts.webhook_private", "on")
    yield desk
    desk.stop()


def test_a_webhook_is_trusted_by_its_certificate_alone(desk: Desk, tmp_path: Path) -> None:
    good = SecureServer(sign("localhost", AUTHORITY), tmp_path, "localhost")
    own = SecureServer(sign("localhost"), tmp_path, "localhost")
    other = SecureServer(sign("hooks.example", AUTHORITY), tmp_path, "localhost")
    try:
        desk.json("settings", "set", "alerts.webhook", f"https://localhost:{good.port}/hook")
        assert desk.json("alerts", "try-webhook") == f"https://localhost:{good.port} answered 204."
        assert b'"state":"test"' in good.requests[0].replace(b" ", b"")
        for server, said in ((own, "signed by itself"), (other, "for another name")):
            desk.json("settings", "set", "alerts.webhook", f"https://localhost:{server.port}/hook")
            refused = desk.run("alerts", "try-webhook", check=False)
            assert refused.returncode == 1
            assert f"https://localhost:{server.port} is not trusted: its certificate is {said}" in refused.stderr
            assert server.requests == []
    finally:
        for server in (good, own, other):
            server.close()
