"""MLflow's own page at the real tracking server: one browser is let in once, and what others send gains nothing."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

import httpx
import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.mlflow_page import PageOpener
from mlops_desk.registry.records.page import PageVisit
from mlops_desk.registry.server.tickets import Grant
from mlops_desk.registry.service import RegistryCore


class House:
    """A tracking server, and what opens its page."""

    def __init__(self, data: DataFolder) -> None:
        self.core = RegistryCore(data, Bus(), Loop("test"), lambda: None)
        self.opener = PageOpener(self.core.server, self.core.run)
        started = self.core.server.start()
        assert started.uri is not None
        self.uri = started.uri

    def browser(self, visit: PageVisit) -> "Browser":
        return Browser(self.uri, urlsplit(visit.address).netloc)


class Browser:
    """Asks as a browser does that takes ``….localhost`` for this machine: by name, with the cookie of that name."""

    def __init__(self, uri: str, host: str) -> None:
        self.host = host
        self._uri = uri
        self.cookie = ""

    def open(self, address: str) -> httpx.Response:
        split = urlsplit(address)
        answer = self.get(f"{split.path}?{split.query}", sec_fetch_site="none")
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self._uri + path, headers=self._all(headers), timeout=30)

    def post(self, path: str, json: object, **headers: str) -> httpx.Response:
        return httpx.post(self._uri + path, json=json, headers=self._all(headers), timeout=30)

    def _all(self, headers: dict[str, str]) -> dict[str, str]:
        return {"host": self.host, **({"cookie": self.cookie} if self.cookie else {}), **_named(headers)}


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = DataFolder(tmp_path_factory.mktemp("page") / "data")
    data.make()
    made = House(data)
    yield made
    made.core.stop()
    made.core.stop_server()


def test_a_browser_is_let_in_once_and_stays_in(house: House) -> None:
    run = house.core.registries.open(None).start_run("churn", {})
    visit = house.opener.open(run)
    browser = house.browser(visit)
    assert browser.get("/").status_code == 401
    first = browser.open(visit.address)
    experiment = house.core.run(run).experiment_id
    assert (first.status_code, first.headers["location"]) == (303, f"/#/experiments/{experiment}/runs/{run}")
    again = house.browser(visit).open(visit.address)
    assert (again.status_code, "good once" in again.text) == (401, True)
    page = browser.get("/", accept="text/html")
    assert page.status_code == 200
    assert visit.has_page or "mlflow-skinny, which has no page" in page.text
    asked = {"experiment_ids": [experiment], "max_results": 10}
    origin = f"http://{browser.host}"
    found = browser.post("/ajax-api/2.0/mlflow/runs/search", asked, origin=origin)
    assert [one["info"]["run_id"] for one in found.json()["runs"]] == [run]
    query = {"operationName": "GetRun", "variables": {"data": {"runId": run}},
             "query": "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { run { info { runId } } } }"}  # fmt: skip
    told = browser.post("/graphql", query, origin=origin)
    assert told.status_code == (200 if find_spec("graphene") else 500), (
        "MLflow's own answer, with what it needs or without"
    )
    assert run in told.text or not find_spec("graphene")
    renamed = browser.post(
        "/ajax-api/2.0/mlflow/runs/update", {"run_id": run, "run_name": "by the page"}, origin=origin
    )
    assert renamed.status_code == 200
    assert house.core.run(run).name == "by the page"


def test_what_reaches_out_or_runs_programs_stays_shut_for_the_page_too(house: House) -> None:
    visit = house.opener.open()
    browser = house.browser(visit)
    browser.open(visit.address)
    for path in ("/ajax-api/2.0/mlflow/gateway-proxy", "/ajax-api/3.0/mlflow/assistant/message", "/docs",
                 "/ajax-api/2.0/mlflow/webhooks/list", "/ajax-api/3.0/mlflow/ui-telemetry"):  # fmt: skip
        assert browser.get(path).status_code == 403, path


def test_a_job_gains_nothing(house: House) -> None:
    """It reaches the port, has a token of its own, and may send any header; the cookie it can't have."""
    run = house.core.registries.open(None).start_run("jobs", {})
    token = house.core._tickets.issue(Grant(run, "j-a1"))
    visit = house.opener.open()
    browser = house.browser(visit)
    cookie = browser.open(visit.address).headers["set-cookie"].partition(";")[0]
    with httpx.Client(base_url=house.uri, headers={"authorization": f"Bearer {token}"}) as job:
        assert job.post("/graphql", json={}).status_code == 403
        assert job.post("/graphql", json={}, headers={"host": browser.host}).status_code == 401
        # With the host it was started for, the cookie is none: it goes to the name alone.
        assert job.post("/graphql", json={}, headers={"cookie": cookie}).status_code == 403
    with httpx.Client(base_url=house.uri) as nobody:
        assert nobody.get("/graphql", headers={"cookie": cookie}).status_code == 401
        other = f"{'0' * 32}.localhost:{urlsplit(house.uri).port}"
        assert nobody.get("/graphql", headers={"cookie": cookie, "host": other}).status_code == 403


@pytest.mark.skipif(os.getuid() != 0, reason="takes root, to become another user")
def test_another_user_of_the_machine_gains_nothing_by_address_or_cookie(house: House) -> None:
    import subprocess
    import sys

    visit = house.opener.open()
    split = urlsplit(visit.address)
    program = f"""
import os, socket
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ask = socket.socket()
ask.connect(("127.0.0.1", {split.port}))
ask.sendall(b"GET {split.path}?{split.query} HTTP/1.1\\r\\nHost: {split.netloc}\\r\\n\\r\\n")
print(ask.recv(100).split()[1].decode())
"""
    ran = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, timeout=600)
    assert ran.stdout.strip() == "401"
    assert house.browser(visit).open(visit.address).status_code == 303, "and it is not used up by them"


def test_the_link_that_every_training_prints_says_how_to_get_in(house: House) -> None:
    link = httpx.get(house.uri, headers={"accept": "text/html,*/*;q=0.8"})
    assert link.status_code == 401
    assert "www-authenticate" not in link.headers
    assert "mlops-desk runs open RUN --mlflow" in link.text
    program = httpx.get(f"{house.uri}/api/2.0/mlflow/experiments/search")
    assert (program.status_code, program.headers["content-type"]) == (401, "application/json")


def test_when_the_visits_end_the_browser_is_out(house: House) -> None:
    visit = house.opener.open()
    browser = house.browser(visit)
    browser.open(visit.address)
    assert browser.get("/graphql").status_code != 403
    house.opener.end()
    assert browser.get("/graphql").status_code == 403


def test_a_file_that_a_job_left_is_no_page(house: House) -> None:
    registry = house.core.registries.open(None)
    run = registry.start_run("files", {})
    experiment = house.core.run(run).experiment_id
    token = house.core.server.ledger.token()
    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/evil.html"
    put = httpx.put(
        house.uri + path, content=b"<script>alert(1)</script>", headers={"authorization": f"Bearer {token}"}
    )
    assert put.status_code == 200, put.text
    visit = house.opener.open()
    browser = house.browser(visit)
    browser.open(visit.address)
    for address in (path, f"/get-artifact?path=evil.html&run_uuid={run}"):
        file = browser.get(address)
        assert file.status_code == 200
        assert file.headers["content-security-policy"].startswith("sandbox;")
        assert file.headers["x-content-type-options"] == "nosniff"
