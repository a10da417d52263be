# The parser: whole lines to columns and ledger. It holds no Python object and no GIL while it works.

cdef enum:
    SAMPLES = 16            # rejected lines kept, the newest
    SAMPLE_BYTES = 160      # of each
    LOST_SPANS = 256        # losses told apart in one batch; later ones are added to the last
    CARRY_MAX = 64 << 10    # bytes of a line that `feed` got in pieces; no record has 200
    SLICE = 256 << 10       # bytes parsed before the ring hears that there is room: fits the second-level cache
    PARTS_MAX = 16          # lines one broken record can have: a comm holds at most 15 newlines

cdef enum Progress:
    CLEAR = 0               # every whole line is taken
    FULL = 1                # the columns are full
    NO_MEMORY = 2

cdef struct Sample:
    uint32_t size
    uint8_t text[SAMPLE_BYTES]

cdef struct Lost:
    uint64_t time_us        # of the last event before it; 0: none was seen yet
    uint64_t events

cdef struct Parse:
    scan_function *scan
    Columns columns
    Names names
    Ledger ledger
    uint64_t lines
    uint64_t events
    uint64_t notices
    uint64_t lost
    uint64_t consumed       # bytes of the stream that are accounted for
    uint64_t last_us        # time of the last event
    uint64_t rejected[REJECT_KINDS]
    uint64_t samples_seen
    Sample samples[SAMPLES]
    Lost spans[LOST_SPANS]  # of the open batch
    uint32_t span_count
    uint32_t parts          # lines of the record that is open, broken over several lines; 0: none is
    bint skipping           # in the middle of a line longer than can be held


cdef void keep_sample(Parse *parse, const uint8_t *line, size_t size) noexcept nogil:
    cdef Sample *sample = &parse.samples[parse.samples_seen % SAMPLES]
    sample.size = <uint32_t> (size if size < SAMPLE_BYTES else SAMPLE_BYTES)
    memcpy(sample.text, line, sample.size)
    parse.samples_seen += 1


cdef void reject_line(Parse *parse, const uint8_t *line, size_t size, Reject why) noexcept nogil:
    parse.rejected[<int> why] += 1
    keep_sample(parse, line, size)


cdef void lost_events(Parse *parse, uint64_t events) noexcept nogil:
    cdef Lost *span
    parse.lost += events
    if parse.span_count and (parse.span_count == LOST_SPANS
                             or parse.spans[parse.span_count - 1].time_us == parse.last_us):
        span = &parse.spans[parse.span_count - 1]
    else:
        span = &parse.spans[parse.span_count]
        span.time_us = parse.last_us
        span.events = 0
        parse.span_count += 1
    span.events += events


cdef void other_line(Parse *parse, const uint8_t *line, size_t size, Reject why) noexcept nogil:
    """A line that is not a record: a notice of the tap, or rejected.

    Between a record's broken beginning and its end a comm speaks, not the tap: a notice there is not believed.
    """
    cdef uint64_t lost = 0
    cdef Notice notice = read_notice(line, size, &lost)
    if notice != NO_NOTICE and parse.parts == 0:
        parse.notices += 1
        if notice == NOTICE_LOST:
            lost_events(parse, lost)
        return
    reject_line(parse, line, size, REJECT_PART if notice != NO_NOTICE else why)
    if closes_record(line, size) or parse.parts == PARTS_MAX:
        parse.parts = 0
    elif opens_record(line, size):
        parse.parts = 1
    elif parse.parts:
        parse.parts += 1


cdef inline bint take_record(Parse *parse, const Record *record) noexcept nogil:
    """One event into columns and ledger. False, and nothing changed, where memory is short."""
    cdef Columns *columns = &parse.columns
    cdef size_t row = columns.rows
    cdef uint32_t i
    cdef Process *process
    if parse.ledger.count == parse.ledger.capacity or parse.ledger.active == parse.ledger.active_capacity:
        if not ledger_room(&parse.ledger):
            return False
    if parse.names.count == parse.names.capacity:
        if not names_grow(&parse.names):
            return False
    i = ledger_process(&parse.ledger, record)
    process = &parse.ledger.processes[i]
    if process.comm.low != record.comm.low or process.comm.high != record.comm.high or process.name == <uint32_t> -1:
        process.comm = record.comm
        process.name = names_intern(&parse.names, record.comm)
    ledger_add(&parse.ledger, i, record)
    columns.time_us[row] = record.time_us
    columns.length[row] = record.length
    columns.pid[row] = record.pid
    columns.process[row] = i
    columns.name[row] = process.name
    columns.call[row] = <uint8_t> record.call
    columns.rows = row + 1
    parse.last_us = record.time_us
    parse.parts = 0
    return True


cdef size_t skip_line(Parse *parse, const uint8_t *data, size_t size) noexcept nogil:
    """Goes on in a line too long to hold. Returns the bytes that belong to it."""
    cdef const uint8_t *newline = <const uint8_t *> memchr(data, c'\n', size)
    if newline == NULL:
        return size
    parse.skipping = False
    parse.lines += 1
    reject_line(parse, data, newline - data, REJECT_LONG)
    return newline + 1 - data


cdef Progress take_block(Parse *parse, const uint8_t *scan, const uint16_t *newlines, size_t count,
                         const uint8_t **line) noexcept nogil:
    """Takes `count` lines; the first begins at `line`, each ends at an offset from `scan`."""
    cdef const uint8_t *p = line[0]
    cdef const uint8_t *newline
    cdef Record record
    cdef Reject reject
    cdef Progress progress = CLEAR
    cdef size_t i
    for i in range(count):
        newline = scan + newlines[i]
        reject = read_record(p, newline - p, &record)
        if expect_true(reject == WHOLE):
            if parse.columns.rows == parse.columns.capacity:
                progress = FULL
                count = i
                break
            if not take_record(parse, &record):
                progress = NO_MEMORY
                count = i
                break
        else:
            other_line(parse, p, newline - p, reject)
        p = newline + 1
    parse.lines += count
    line[0] = p
    return progress


cdef Progress take_lines(Parse *parse, const uint8_t *data, size_t size, size_t *used) noexcept nogil:
    """Takes whole lines until the columns are full. `used`: bytes taken; what is left begins a line."""
    cdef const uint8_t *line = data
    cdef const uint8_t *scan
    cdef const uint8_t *end = data + size
    cdef Progress progress = CLEAR
    cdef size_t rows = parse.columns.rows
    cdef size_t block
    cdef uint16_t newlines[SCAN_OFFSETS]
    if parse.skipping:
        line += skip_line(parse, line, size)
    scan = line
    while scan < end and progress == CLEAR:
        block = end - scan if end - scan < SCAN_BLOCK else SCAN_BLOCK
        progress = take_block(parse, scan, newlines, parse.scan(scan, block, newlines), &line)
        scan += block
    used[0] = line - data
    parse.events += parse.columns.rows - rows
    parse.consumed += used[0]
    return progress


cdef void cut_line(Parse *parse, const uint8_t *data, size_t size) noexcept nogil:
    """The stream ended in the middle of a line: it might have gone on, so it is not believed."""
    if size or parse.skipping:
        parse.lines += 1
        reject_line(parse, data, size, REJECT_CUT)
    parse.consumed += size
    parse.skipping = False
    parse.parts = 0


cdef Progress pull_lines(Parse *parse, RingState *ring, const timespec *until, bint *ended) noexcept nogil:
    """Takes lines from a ring until the columns are full, the moment has come, or the stream has ended."""
    cdef size_t unread = 0
    cdef size_t size, used
    cdef bint closed
    cdef const uint8_t *data
    cdef Progress progress
    cdef timespec now
    ended[0] = False
    while True:
        data = ring_data(ring, unread, until, &size, &closed)
        if size <= unread and not closed:
            return CLEAR
        progress = take_lines(parse, data, size if size < SLICE else SLICE, &used)
        if used == 0 and progress == CLEAR and size > SLICE:
            progress = take_lines(parse, data, size, &used)
        if used:
            ring_release(ring, used)
            unread = 0
        if progress != CLEAR:
            return progress
        if used == 0:
            if closed:
                ended[0] = True
                return CLEAR
            if size == ring.capacity:
                parse.skipping = True
                parse.consumed += size
                ring_release(ring, size)
            else:
                unread = size
        clock_gettime(CLOCK_MONOTONIC, &now)
        if now.tv_sec > until.tv_sec or (now.tv_sec == until.tv_sec and now.tv_nsec >= until.tv_nsec):
            return CLEAR
