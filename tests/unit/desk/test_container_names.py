"""Names of containers and of the jobs they belong to: never waited for, looked up in the background."""

import time
from types import SimpleNamespace

from mlops_desk.desk.container_names import ContainerNames
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.loop import Loop

OURS, THEIRS, PLAIN = "ab" * 32, "cd" * 32, "ef" * 32


class Engine:
    """Lists three containers, or fails."""

    def __init__(self) -> None:
        self.fails = False

    def containers(self, labels: object) -> list[SimpleNamespace]:
        assert labels == {}
        if self.fails:
            raise Unavailable("The engine does not answer.")
        return [
            SimpleNamespace(id=OURS, name="mld-1", labels={"io.mlops-desk.job": "j1"}),
            SimpleNamespace(id=THEIRS, name="mld-2", labels={"io.mlops-desk.job": "j9"}),
            SimpleNamespace(id=PLAIN, name="jupyter", labels={}),
        ]


def test_a_job_is_named_and_one_of_another_desk_goes_by_its_id() -> None:
    loop, engine = Loop("test"), Engine()
    names = ContainerNames(engine, loop, {"j1": "resnet"}.get)
    assert names.job(OURS) is None
    assert names.name(OURS) is None
    deadline = time.monotonic() + 10.0
    while names.name(OURS) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [names.name(each) for each in (OURS, THEIRS, PLAIN)] == ["mld-1", "mld-2", "jupyter"]
    assert [names.job(each) for each in (OURS, THEIRS, PLAIN)] == ["resnet", "j9", None]
    engine.fails = True
    names._ask()  # what was known stays
    assert (names.name(OURS), names.job(OURS)) == ("mld-1", "resnet")
    assert loop.stop(3.0) == []
