"""`make fuzz`: python -m tests.fuzz SECONDS, or python -m tests.fuzz FILE… to read saved inputs again."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from .fuzzing import Found, fuzz, replay


def main(arguments: list[str]) -> int:
    began = time.monotonic()
    try:
        if arguments and not arguments[0].isdigit():
            count = replay(map(Path, arguments))
        else:
            count = fuzz(int(arguments[0]) if arguments else 60)
    except Found as found:
        print(found, file=sys.stderr)
        return 1
    print(f"{count} inputs in {time.monotonic() - began:.0f} s, nothing found")
    return 0


sys.exit(main(sys.argv[1:]))
