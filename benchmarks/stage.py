"""One stage of the native path, over and over, for an instruction counter: stage.py STAGE FILE PASSES."""

from __future__ import annotations

import sys
from array import array
from pathlib import Path

from memtap.native import Parser

ROWS = 65_536


def main(stage: str, path: str, passes: int) -> None:
    data = Path(path).read_bytes()
    parser = Parser(rows=ROWS)
    if stage == "parse":
        for _ in range(passes):
            parser.feed(data)
            parser.seal()
        return
    parser.feed(data)
    batch = parser.seal()
    same = array("I", range(max(batch.process_count, batch.name_count)))
    for _ in range(passes):
        if stage == "events_text":
            batch.events_text(same, same, 0)
        elif stage == "sums_text":
            batch.sums_text(same, 1)
        elif stage == "events":
            batch.events(same, same, 0)
        else:
            raise ValueError(f"stage {stage!r}: parse, events_text, sums_text or events")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
