"""Writes to stderr what a real training wrote, one state of its bars after another, as fast as the words say.

paint_bars.py LOG SECONDS
"""

import re
import sys
import time
from pathlib import Path

states = re.findall(rb"[^\r\n]*[\r\n]*", Path(sys.argv[1]).read_bytes())
for state in states:
    sys.stderr.buffer.write(state)
    sys.stderr.buffer.flush()
    time.sleep(float(sys.argv[2]) / len(states))
