"""How git gets out while a source is fetched: the settings' proxy and certificates, in this short-lived process alone.

A proxy's login is in no argument, which everybody could read, and in no file: git takes it from the environment of a
process that is its person's own. What they have set for git themselves (http.proxy) goes before it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_desk.base.disk.scratch import scratch
from mlops_desk.base.network import certificates


@contextmanager
def way_out(network: Mapping[str, Any]) -> Iterator[None]:
    """Let git go by ``environment`` and trust what is in ``ca_bundle``. Raises Invalid where that is no bundle."""
    with scratch("ca") as folder:
        environment = {str(name): str(value) for name, value in dict(network.get("environment") or {}).items()}
        if network.get("ca_bundle"):
            file = Path(folder) / "ca.pem"
            file.write_bytes(certificates.with_usual(certificates.read_bundle(str(network["ca_bundle"]))))
            environment["GIT_SSL_CAINFO"] = str(file)
        os.environ.update(environment)
        yield
