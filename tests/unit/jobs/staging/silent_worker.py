"""A worker whose share hangs: it tells that it lives, and nothing moves."""

import sys
import time

while True:
    sys.stdout.write('{"files": 0, "bytes": 0}\n')
    sys.stdout.flush()
    time.sleep(0.05)
