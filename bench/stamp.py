"""Stand between a VM and its console: pass everything on, keep a copy, and note when what left the VM.

    VM COMMAND | python stamp.py COPY

COPY holds the bytes, COPY.times a line ``<bytes so far> <seconds since the epoch>`` for each read.
"""

from __future__ import annotations

import os
import sys
import time

copy = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
with open(sys.argv[1] + ".times", "w", buffering=1) as times:
    total = 0
    while data := os.read(0, 65536):
        now = time.time()
        total += len(data)
        os.write(copy, data)
        while data:
            data = data[os.write(1, data) :]
        times.write(f"{total} {now}\n")
