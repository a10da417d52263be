# The parser: whole lines to columns and ledger. It holds no Python object and no GIL while it works.

cdef enum:
    SAMPLES = 16            # rejected lines kept, the newest
    SAMPLE_BYTES = 160      # of each
    LOST_SPANS = 256        # losses told apart in one batch; later ones are added to the last
    CARRY_MAX = 64 << 10    # bytes of a line that `feed` got in pieces; no record has 200
    HEADER_MAX = 1024       # bytes of a header
    SLICE = 256 << 10       # bytes parsed before the ring hears that there is room: fits the second-level cache
    PARTS_MAX = 16          # lines one broken record can have: a comm holds at most 15 newlines

cdef enum Progress:
    CLEAR = 0               # every whole line is taken
    FULL = 1                # the columns are full
    NO_MEMORY = 2
    OTHER_FORMAT = 3        # the header names a version that this memtap does not know

cdef struct Sample:
    uint32_t size
    uint8_t text[SAMPLE_BYTES]

cdef struct Lost:
    uint64_t time_us        # of the last event before it; 0: none was seen yet
    uint64_t events

cdef struct Parse:
    scan_function *scan
    int format              # 1, 2; 0: no line but notices has come yet
    uint32_t header_size
    uint8_t header[HEADER_MAX]
    Columns columns
    Names names
    Ledger ledger
    Seconds seconds
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


cdef bint parse_init(Parse *parse, size_t rows, scan_function *scan) noexcept nogil:
    """For batches of `rows` calls, a multiple of 8. False where memory is short; parse_free is due all the same."""
    memset(parse, 0, sizeof(Parse))
    parse.scan = scan
    return ledger_init(&parse.ledger) and columns_init(&parse.columns, rows, False)


cdef void parse_free(Parse *parse) noexcept nogil:
    ledger_free(&parse.ledger)
    free(parse.names.comms)
    free(parse.names.slots)
    columns_free(&parse.columns)
    free(parse.seconds.closed)


cdef void keep_sample(Parse *parse, const uint8_t *line, size_t size) noexcept nogil:
    cdef Sample *sample = &parse.samples[parse.samples_seen % SAMPLES]
    sample.size = <uint32_t> (size if size < SAMPLE_BYTES else SAMPLE_BYTES)
    memcpy(sample.text, line, sample.size)
    parse.samples_seen += 1


cdef void reject_line(Parse *parse, const uint8_t *line, size_t size, Reject why) noexcept nogil:
    parse.rejected[<int> why] += 1
    parse.seconds.open.rejected += 1
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


cdef bint take_notice(Parse *parse, const uint8_t *line, size_t size) noexcept nogil:
    """Counts a line in which the tap speaks of itself. False where it is none."""
    cdef uint64_t lost = 0
    cdef Notice notice = read_notice(line, size, &lost)
    if notice == NOTICE_LOST:
        lost_events(parse, lost)
    parse.notices += notice != NO_NOTICE
    return notice != NO_NOTICE


cdef void other_line1(Parse *parse, const uint8_t *line, size_t size, Reject why) noexcept nogil:
    """A line of format 1 that is not a record: a notice of the tap, or rejected.

    Between a record's broken beginning and its end a comm speaks, not the tap: a notice there is not believed.
    """
    cdef uint64_t lost
    if parse.parts == 0:
        if take_notice(parse, line, size):
            return
    elif read_notice(line, size, &lost) != NO_NOTICE:
        why = REJECT_PART
    reject_line(parse, line, size, why)
    if closes_record(line, size) or parse.parts == PARTS_MAX:
        parse.parts = 0
    elif opens_record(line, size):
        parse.parts = 1
    elif parse.parts:
        parse.parts += 1


cdef void other_line2(Parse *parse, const uint8_t *line, size_t size, Reject why) noexcept nogil:
    """A line of format 2 that is not a record: a notice of the tap, its header once more, or rejected."""
    if take_notice(parse, line, size):
        return
    if size == parse.header_size and memcmp(line, parse.header, size) == 0:
        parse.notices += 1
        return
    reject_line(parse, line, size, REJECT_HEADER if is_header(line, size) else why)


cdef inline bint make_room(Parse *parse) noexcept nogil:
    """Room for one more process, activity, second and name. False, and nothing changed, where memory is short."""
    if parse.ledger.count == parse.ledger.capacity or parse.ledger.active == parse.ledger.active_capacity:
        if not ledger_room(&parse.ledger):
            return False
    if parse.seconds.count + 1 >= parse.seconds.capacity and not seconds_room(&parse.seconds):
        return False
    return parse.names.count < parse.names.capacity or names_grow(&parse.names)


cdef inline void take_record(Parse *parse, const Record *record, bint second) noexcept nogil:
    """One event into columns and ledger. There must be room. `second`: it is in format 2."""
    cdef Columns *columns = &parse.columns
    cdef size_t row = columns.rows
    cdef uint32_t i = ledger_process2(&parse.ledger, record) if second else ledger_process(&parse.ledger, record)
    cdef Process *process = &parse.ledger.processes[i]
    if process.comm.low != record.comm.low or process.comm.high != record.comm.high or process.name == <uint32_t> -1:
        process.comm = record.comm
        process.name = names_intern(&parse.names, record.comm)
    columns.time_us[row] = record.time_us
    columns.length[row] = record.length
    columns.pid[row] = record.pid
    columns.process[row] = i
    columns.name[row] = process.name
    columns.call[row] = <uint8_t> record.call
    if second:
        columns.freed[row] = record.freed
        columns.vm[row] = record.vm
        columns.rss[row] = record.rss
        columns.error[row] = <uint16_t> record.error
        columns.kind[row] = <uint8_t> record.kind
        ledger_add2(&parse.ledger, i, record)
    else:
        ledger_add(&parse.ledger, i, record)
    columns.rows = row + 1
    seconds_add(&parse.seconds, record.time_us)
    parse.last_us = record.time_us


cdef size_t skip_line(Parse *parse, const uint8_t *data, size_t size) noexcept nogil:
    """Goes on in a line too long to hold. Returns the bytes that belong to it."""
    cdef const uint8_t *newline = <const uint8_t *> memchr(data, c'\n', size)
    if newline == NULL:
        return size
    parse.skipping = False
    if parse.format == 0:
        parse.format = 1  # as any first line that is no header and no notice
    parse.lines += 1
    reject_line(parse, data, newline - data, REJECT_LONG)
    return newline + 1 - data


cdef inline Progress take_block(Parse *parse, const uint8_t *scan, const uint16_t *newlines, size_t count,
                                const uint8_t **line, bint second) noexcept nogil:
    """Takes `count` lines; the first begins at `line`, each ends at an offset from `scan`."""
    cdef const uint8_t *p = line[0]
    cdef size_t size
    cdef Record record
    cdef Reject reject
    cdef Progress progress = CLEAR
    cdef size_t i
    for i in range(count):
        size = scan + newlines[i] - p
        reject = read_format2(p, size, &record) if second else read_format1(p, size, &record)
        if expect_true(reject == WHOLE):
            if parse.columns.rows == parse.columns.capacity:
                progress = FULL
                count = i
                break
            if not make_room(parse):
                progress = NO_MEMORY
                count = i
                break
            take_record(parse, &record, second)
            parse.parts = 0
        elif second:
            other_line2(parse, p, size, reject)
        else:
            other_line1(parse, p, size, reject)
        p += size + 1
    parse.lines += count
    line[0] = p
    return progress


cdef Progress find_format(Parse *parse, const uint8_t **line, const uint8_t *end) noexcept nogil:
    """Takes notices and the header. Afterwards the format is known, or no whole line is left."""
    cdef const uint8_t *newline
    cdef size_t size
    while parse.format == 0:
        newline = <const uint8_t *> memchr(line[0], c'\n', end - line[0])
        if newline == NULL:
            return CLEAR
        size = newline - line[0]
        if is_header(line[0], size):
            if not is_header_2(line[0], size) or size > HEADER_MAX:
                return OTHER_FORMAT
            if not columns_widen(&parse.columns):
                return NO_MEMORY
            memcpy(parse.header, line[0], size)
            parse.header_size = <uint32_t> size
            parse.notices += 1
            parse.format = 2
        elif not take_notice(parse, line[0], size):
            parse.format = 1
            return CLEAR
        parse.lines += 1
        line[0] = newline + 1
    return CLEAR


cdef Progress take_lines(Parse *parse, const uint8_t *data, size_t size, size_t *used) noexcept nogil:
    """Takes whole lines until the columns are full. `used`: bytes taken; what is left begins a line."""
    cdef const uint8_t *line = data
    cdef const uint8_t *scan
    cdef const uint8_t *end = data + size
    cdef Progress progress = CLEAR
    cdef size_t rows = parse.columns.rows
    cdef size_t block, count
    cdef uint16_t newlines[SCAN_OFFSETS]
    if parse.skipping:
        line += skip_line(parse, line, size)
    if parse.format == 0 and not parse.skipping:
        progress = find_format(parse, &line, end)
    scan = line
    while scan < end and progress == CLEAR and parse.format:
        block = end - scan if end - scan < SCAN_BLOCK else SCAN_BLOCK
        count = parse.scan(scan, block, newlines)
        if parse.format == 1:
            progress = take_block(parse, scan, newlines, count, &line, False)
        else:
            progress = take_block(parse, scan, newlines, count, &line, True)
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
