"""Lines that are told apart by their lengths, and all of them again, out of a ring or a file."""

from memtap.native import File, Parser, Ring


def line(number: int) -> bytes:
    return b"mmap2: PID=%d, process=storm, time=%d, length=%d\n" % (number % 1000 + 1, 10**15 + number, number)


def pull_all(parser: Parser, source: Ring | File) -> list[int]:
    """Every call's length, in order, until the source's end."""
    lengths = []
    outcome = ""
    while outcome != "ended":
        outcome = parser.pull(source, 1000)
        lengths += parser.seal().length
    parser.finish(source)
    return lengths
