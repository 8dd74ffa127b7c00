"""An image that can't be built says why, and a repository's pipeline is built, trained, gated and told."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.end2end.build_context import context
from tests.end2end.ci_repository import git, repository, shell, stages_of
from tests.end2end.desk import Desk
from tests.images import busybox_image, engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

_TRAIN = 'mkdir -p /out && echo "{\\"accuracy\\": 0.93}" > /out/metrics.json && cat part/weights > /out/model'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    desk.run("settings", "set", "jobs.mount_roots", str(tmp_path_factory.getbasetemp()))
    yield desk
    desk.stop()
    with engine_client() as client:
        for image in client.images(filters={"label": "io.mlops-desk.instance"}):
            if any(str(tag).startswith("localhost/mlops-desk-build/e2e-ci") for tag in image["RepoTags"] or ()):
                client.remove_image(image["Id"], force=True)


def test_a_build_that_fails_ends_with_1_and_says_why(desk: Desk, tmp_path: Path) -> None:
    folder = context(tmp_path / "bad", "RUN echo 'no such wheel' && exit 7")
    done = desk.run("images", "build", str(folder), "-t", "mld-images/bad:1", check=False)
    assert done.returncode == 1
    assert "no such wheel" in done.stdout
    assert "7" in done.stderr
    outside = desk.run("images", "build", str(folder), "-t", "mld-images/bad:1", "-f", "../Dockerfile", check=False)
    assert outside.returncode == 1
    assert "does not lie within" in outside.stderr


def test_a_commit_is_built_trained_gated_and_told_as_runners_read_it(desk: Desk, tmp_path: Path) -> None:
    folder = repository(
        tmp_path / "code",
        "  - {name: image, build: {context: part}}\n",
        shell("train", _TRAIN, "outputs: [/out]", "metrics: /out/metrics.json"),
        "  - {name: good, gate: {accuracy: {atLeast: 0.9}}, of: train}\n",
        '  - {name: use, imageOf: image, needs: [good], inputs: {/model: "train:/out"}, '
        'command: [sh, -c, "cmp /baked /model/model && echo the same && ! touch /model/more"]}\n',
        "  - {name: release, needs: [use], when: {tags: ['v*']}, "
        f"image: '{busybox_image()}', command: [sh, -c, 'exit 1']}}\n",
    )
    summary = tmp_path / "summary.md"
    desk.environment |= {"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch", "GITHUB_STEP_SUMMARY": str(summary)}
    done = desk.run("ci", "run", str(folder), "--junit", str(tmp_path / "r.xml"), "--markdown", str(tmp_path / "r.md"))
    assert "use | the same" in done.stdout
    run = desk.json("ci", "show", desk.json("ci", "list")[0]["id"])
    assert (run["state"], run["commit"], run["ref"]) == ("passed", git(folder, "rev-parse", "HEAD"), "main")
    wanted = {"image": "passed", "train": "passed", "good": "passed", "use": "passed", "release": "skipped"}
    assert stages_of(run) == wanted
    suite = ET.parse(tmp_path / "r.xml").getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("5", "0", "1")
    assert "| image | ✅ passed |" in (tmp_path / "r.md").read_text()
    assert summary.read_text().strip() == (tmp_path / "r.md").read_text().strip()
    job = desk.json("jobs", "show", run["stages"][1]["job_id"])
    assert job["capsule"]["git"]["commit"] == run["commit"]
    assert job["capsule"]["source_sha256"] == run["source_sha256"]
