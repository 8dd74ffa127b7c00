"""What arrives at the status has the same shape, whichever workstation it comes from."""

from tests import telemetry_suite
from tests.end2end.telemetry.rigs import Desk


def test_the_status_is_as_the_table_says(desk: Desk) -> None:
    status = desk.service.status()
    telemetry_suite.check_gpus(status.gpus)
    desk.until(lambda: bool(desk.service.status().filesystems))
    status = desk.service.status()
    telemetry_suite.check_machine(status.host, status.disks, status.networks, status.filesystems)
