"""Container engines and secrets of the scripted agent."""

from __future__ import annotations

import builtins
import time
from dataclasses import replace

from service_double import Service

from mlops_desk.engines.records.engine import FoundEngine, GpuProof
from mlops_desk.kit.base.errors import Hint, NotFound
from mlops_desk.kit.records.setting import KEYRING, SecretName

LOCAL_SOCKET, PODMAN_SOCKET = "unix:///run/docker.sock", "unix:///run/user/1000/podman/podman.sock"
_UUIDS = tuple(f"GPU-{index:08x}-1111-2222-3333-444444444444" for index in range(2))


class Engines(Service):
    def list(self) -> builtins.list[FoundEngine]:
        return list(self._double.found_engines)


class Secrets(Service):
    def list(self) -> builtins.list[SecretName]:
        return sorted(self._double.secrets_by_name.values(), key=lambda one: one.name)

    def set(self, name: str, value: str) -> SecretName:
        self._double.kept_values[name] = value
        known = self._double.secrets_by_name.get(name, SecretName(name, 0.0))
        self._double.secrets_by_name[name] = replace(known, changed_at=time.time())
        return self._double.secrets_by_name[name]

    def remove(self, name: str) -> SecretName:
        if name not in self._double.secrets_by_name:
            raise NotFound(f"You have no secret {name}.", Hint("mlops-desk secrets list"))
        return self._double.secrets_by_name.pop(name)


def some_engines() -> list[FoundEngine]:
    """Return one in use whose GPUs were seen, one that answers and never showed any, and three that can't be used."""
    return [
        FoundEngine(LOCAL_SOCKET, "settings", "ok", ("local",), "docker", "29.1.2", "1.51", False, False, "nvidia",
                    GpuProof("uuid", _UUIDS, time.time() - 7200)),
        FoundEngine(PODMAN_SOCKET, "usual place", "ok", (), "podman", "5.4.2", "1.41", True, None, "cdi"),
        FoundEngine("tcp://10.0.0.5:2375", "settings", "silent", ("far",), text="It does not answer within 2 s.",
                    hint="Is the machine on?"),
        FoundEngine("unix:///run/lab/docker.sock", "context lab", "refused", text="You may not use its socket.",
                    hint=Hint("sudo usermod -aG docker ana", before="Join its group: ", after=" Then log in anew.")),
        FoundEngine("ssh://ana@lab-2", "context lab-2", "unspoken", text="An address of this sort is not spoken here."),
    ]  # fmt: skip


def some_secrets() -> list[SecretName]:
    return [SecretName("hf-token", time.time() - 86_400), SecretName("wandb.key", time.time() - 600, KEYRING)]
