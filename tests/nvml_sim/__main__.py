"""Build the simulated NVML library before the tests ask for it: `python -m tests.nvml_sim`."""

import os
import sys

from tests import nvml_sim

if not nvml_sim.available():
    print("There is no C compiler (cc), so the simulated NVML library can't be built and its tests are left out.")
    sys.exit(1 if os.environ.get("CI") else 0)
print(f"Built: {nvml_sim.build()}")
