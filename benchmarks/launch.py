"""Runs a command and writes what it took: python -IS launch.py RESULT COMMAND...

A process of its own, as small as can be: the kernel gives a child its parent's peak of memory at birth.
"""

import json
import os
import sys
import time

result, *command = sys.argv[1:]
begun = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ)
_, status, used = os.wait4(child, 0)
seconds = time.perf_counter() - begun
with open(result, "w") as file:  # noqa: PTH123 - pathlib would be half of this process
    json.dump(
        {
            "seconds": seconds,
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "peak_bytes": used.ru_maxrss * 1024,
            "status": os.waitstatus_to_exitcode(status),
        },
        file,
    )
