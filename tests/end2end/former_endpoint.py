"""``python former_endpoint.py FOLDER``, run by the old code on itself: leave an endpoint that is live, and its gateway.

It imports from where the old version has them. The engine is the old double, so what answers in the container's place is the test's, at the address that is printed.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.end2end.test_serving_endpoints import BODY, House

with ExitStack() as stack:
    house = House(Path(sys.argv[1]), stack)
    upstream = house.replica(1, "before")
    endpoint = house.service.deploy("digits@champion", "front")
    # Before any agent looks: it would miss the container at the machine's own engine, and take it off the routes.
    house.settings.set("engine.host", f"unix://{sys.argv[1]}/nobody.sock")
    print(json.dumps({"url": endpoint.url, "address": endpoint.replicas[0].address, "body": BODY}))
    for loop in house.loops:
        loop.stop(3)
