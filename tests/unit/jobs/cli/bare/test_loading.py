"""What ``mlops-desk exec`` loads: it is started hundreds of times, and each module is milliseconds of every start."""

import subprocess
import sys

_NOT_NEEDED = {"tempfile", "hashlib", "logging", "urllib.request", "asyncio", "sqlite3", "mlops_desk.kit.api.client"}


def test_exec_loads_neither_the_client_nor_what_only_an_agent_uses() -> None:
    script = (
        "import sys, mlops_desk.jobs.cli.bare.command as act\n"
        "act.wishes.read(['exec', '--gpus', '1', '--', 'true'])\n"
        "act.agent_address.choose(None, '/tmp/nowhere')\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "mlops_desk.jobs.cli.bare.child" in loaded
    assert not loaded & _NOT_NEEDED
