"""One stage of the native path, over and over, for an instruction counter: stage.py STAGE FILE PASSES."""

from __future__ import annotations

import sys
from array import array
from pathlib import Path

from memtap.native import Batch, Parser

ROWS = 65_536


def parse(data: bytes) -> Batch:
    parser = Parser(rows=ROWS)
    parser.feed(data)
    return parser.seal()


def main(stage: str, path: str, passes: int) -> None:
    data = Path(path).read_bytes()
    if stage == "parse":
        for _ in range(passes):
            parse(data)
        return
    batch = parse(data)
    same = array("I", range(max(batch.process_count, batch.name_count)))
    work = {
        "events_text": lambda: batch.events_text(same, same, 0),
        "activity_text": lambda: batch.activity_text(same, same),
        "events": lambda: batch.events(same, same, 0),
    }[stage]
    for _ in range(passes):
        work()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
