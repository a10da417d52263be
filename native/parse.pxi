# The parser: whole lines to columns and ledger. It holds no Python object and no GIL while it works.

cdef enum:
    SAMPLES = 16            # rejected lines kept, the newest
    SAMPLE_BYTES = 160      # of each
    LOST_SPANS = 256        # losses told apart in one batch; later ones are added to the last
    CARRY_MAX = 64 << 10    # bytes of a line that `feed` got in pieces; no record has 200
    HEADER_MAX = 1024       # bytes of a header
    SLICE = 256 << 10       # bytes parsed before the ring hears that there is room: fits the second-level cache
    TELL = 4096             # calls of format 1 that are read before the ledger has them
    FETCH = 16              # lines of format 2 after its own at which a call's activity is fetched: its slot is there
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

cdef struct Chunk:          # of each line of format 2, what is not in the columns and the ledger needs
    uint64_t start_ns[CHUNK]
    uint64_t cgroup[CHUNK]
    uint64_t detail[CHUNK]
    uint32_t uid[CHUNK]

cdef struct Parse:
    Way way                 # what this processor does best
    bint columns_alone      # no ledger is kept: all calls are of local process 0
    int format              # 1, 2; 0: no line but notices has come yet
    uint32_t header_size
    uint8_t header[HEADER_MAX]
    Before before           # format 2
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
    size_t told             # rows of the columns whose calls the ledger has; between two takings of lines it has all


cdef bint parse_init(Parse *parse, size_t rows, const Way *way) noexcept nogil:
    """For batches of `rows` calls, a multiple of 8. False where memory is short; parse_free is due all the same."""
    memset(parse, 0, sizeof(Parse))
    parse.way = way[0]
    before_begin(&parse.before)
    names_forget(&parse.names)
    return ledger_init(&parse.ledger) and columns_init(&parse.columns, rows, False)


cdef void parse_free(Parse *parse) noexcept nogil:
    ledger_free(&parse.ledger)
    free(parse.names.comms)
    free(parse.names.slots)
    columns_free(&parse.columns)
    free(parse.seconds.closed)


cdef bint parse_hand_out(Parse *parse, Columns *sealed, size_t rows) noexcept nogil:
    """The calls taken go to `sealed`, as columns_hand_out does it: columns_ready is due before the next line."""
    if not columns_hand_out(&parse.columns, sealed, rows):
        return False
    parse.told = 0
    return True


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


cdef inline bint make_room(Parse *parse, uint32_t more) noexcept nogil:
    """Room for so many more of all that a call may begin. False, and nothing lost, where memory is short."""
    cdef uint32_t untold = <uint32_t> (parse.columns.rows - parse.told)
    return ledger_room(&parse.ledger, untold + more) and seconds_room(&parse.seconds, more) and \
        names_room(&parse.names, more)


cdef inline void take_columns(Parse *parse, const Record *record, Chunk *chunk, size_t at, bint second) noexcept nogil:
    """What a line says, into the columns and the chunk. There must be room. `second`: it is in format 2."""
    cdef Columns *columns = &parse.columns
    cdef size_t row = columns.rows
    columns.time_us[row] = record.time_us
    columns.length[row] = record.length
    columns.pid[row] = record.pid
    columns.name[row] = names_intern(&parse.names, record.comm)
    columns.call[row] = <uint8_t> record.call
    if second:
        columns.freed[row] = record.freed
        columns.vm[row] = record.vm
        columns.rss[row] = record.rss
        columns.error[row] = <uint16_t> record.error
        columns.kind[row] = <uint8_t> record.kind
        chunk.start_ns[at] = record.start_ns
        chunk.cgroup[at] = record.cgroup
        chunk.detail[at] = record.detail
        chunk.uid[at] = record.uid
    columns.rows = row + 1
    seconds_add(&parse.seconds, record.time_us)
    parse.last_us = record.time_us


cdef inline void record_of(const Columns *columns, size_t row, Record *record) noexcept nogil:
    """What take_columns took of a line of format 1, but for the comm."""
    record.time_us = columns.time_us[row]
    record.length = columns.length[row]
    record.pid = columns.pid[row]
    record.name = columns.name[row]
    record.call = columns.call[row]


cdef inline void record_of2(const Columns *columns, size_t row, const Chunk *chunk, size_t at,
                            Record *record) noexcept nogil:
    """The same of format 2, but for the comm and the kind."""
    record_of(columns, row, record)
    record.freed = columns.freed[row]
    record.vm = columns.vm[row]
    record.rss = columns.rss[row]
    record.error = columns.error[row]
    record.start_ns = chunk.start_ns[at]
    record.cgroup = chunk.cgroup[at]
    record.detail = chunk.detail[at]
    record.uid = chunk.uid[at]


cdef void tell1(Parse *parse) noexcept nogil:
    """The calls of format 1 that the ledger does not have yet go there, and their processes into the columns. There
    must be room."""
    cdef Ledger *ledger = &parse.ledger
    cdef Columns *columns = &parse.columns
    cdef size_t row = parse.told
    cdef size_t end
    cdef Record record
    while row < columns.rows:
        end = min(row + CHUNK, columns.rows)
        row = ledger_quick1(ledger, columns, row, end)
        if row < end:
            record_of(columns, row, &record)
            columns.process[row] = ledger_take(ledger, &record)
            row += 1
    parse.told = row


cdef inline void tell2(Parse *parse, const Chunk *chunk) noexcept nogil:
    """The same of a chunk of format 2."""
    cdef Ledger *ledger = &parse.ledger
    cdef Columns *columns = &parse.columns
    cdef size_t first = parse.told
    cdef size_t row
    cdef Record record
    for row in range(max(first, columns.rows - FETCH) if columns.rows > FETCH else first, columns.rows):
        fetch_activity(ledger, columns.pid[row])
    for row in range(first, columns.rows):
        record_of2(columns, row, chunk, row - first, &record)
        if not expect_true(ledger_quick2(ledger, &record, &columns.process[row])):
            columns.process[row] = ledger_take(ledger, &record)
    parse.told = columns.rows


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


cdef inline size_t read_plain1(Parse *parse, const uint8_t *scan, const uint16_t *newlines, size_t lines,
                               const uint8_t *p) noexcept nogil:
    """Plain lines of format 1, from `p` on; returns how many there were. There must be room for as many calls."""
    cdef Columns *columns = &parse.columns
    cdef size_t row = columns.rows
    cdef Known1 known
    cdef Lines1 rows
    known.recent = parse.names.recent
    known.second_us = min(parse.seconds.open_us, <uint64_t> 100000000000000000)
    lines = parse.way.lines1(scan, newlines, lines, p, &known, &rows)
    memcpy(columns.time_us + row, rows.time_us, 8 * lines)
    memcpy(columns.length + row, rows.length, 8 * lines)
    memcpy(columns.pid + row, rows.pid, 4 * lines)
    memcpy(columns.name + row, rows.name, 4 * lines)
    memcpy(columns.call + row, rows.call, lines)
    if lines:
        columns.rows = row + lines
        parse.seconds.open.events += lines
        parse.last_us = columns.time_us[row + lines - 1]
        parse.parts = 0
    return lines


cdef inline void read_chunk1(Parse *parse, const uint8_t *scan, const uint16_t *newlines, size_t lines,
                             const uint8_t *p) noexcept nogil:
    """Reads `lines` lines of format 1, the first of which begins at `p`. There must be room for as many calls."""
    cdef Record record
    cdef Reject reject
    cdef size_t size
    cdef size_t i = 0
    parse.lines += lines
    while i < lines:
        size = read_plain1(parse, scan, newlines + i, lines - i, p)
        if size:
            i += size
            if i == lines:
                return
            p = scan + newlines[i - 1] + 1
        size = scan + newlines[i] - p
        reject = read_format1(p, size, &record)
        if reject == WHOLE:
            take_columns(parse, &record, NULL, 0, False)
            parse.parts = 0
        else:
            other_line1(parse, p, size, reject)
        p += size + 1
        i += 1


cdef inline void read_chunk2(Parse *parse, const uint8_t *scan, const uint16_t *newlines, size_t lines,
                             const uint8_t *p, Chunk *chunk) noexcept nogil:
    """The same of format 2."""
    cdef Record record
    cdef Reject reject
    cdef size_t size
    cdef size_t i
    cdef size_t calls = 0
    for i in range(lines):
        size = scan + newlines[i] - p
        prefetch(p + SCAN_BLOCK)  # the next block's newlines are looked for soon
        prefetch(p + SCAN_BLOCK + 64)
        prefetch(p + SCAN_BLOCK + 128)
        reject = read_format2(p, size, &record, &parse.before)
        if expect_true(reject == WHOLE):
            prefetch(&parse.ledger.slots[record.pid])
            take_columns(parse, &record, chunk, calls, True)
            if calls >= FETCH:
                fetch_activity(&parse.ledger, parse.columns.pid[parse.columns.rows - 1 - FETCH])
            calls += 1
        else:
            other_line2(parse, p, size, reject)
        p += size + 1
    parse.lines += lines


cdef inline Progress take_block(Parse *parse, const uint8_t *scan, const uint16_t *newlines, size_t count,
                                const uint8_t **line, bint second) noexcept nogil:
    """Takes `count` lines; the first begins at `line`, each ends at an offset from `scan`."""
    cdef Columns *columns = &parse.columns
    cdef Chunk chunk
    cdef size_t lines, row
    cdef size_t done = 0
    while done < count:
        row = columns.rows
        lines = columns.capacity - row
        if lines == 0:
            return FULL
        lines = lines if lines < count - done else count - done
        lines = lines if lines < CHUNK else CHUNK
        if not make_room(parse, <uint32_t> lines):
            return NO_MEMORY
        if second:
            read_chunk2(parse, scan, newlines + done, lines, line[0], &chunk)
        else:
            read_chunk1(parse, scan, newlines + done, lines, line[0])
        if parse.columns_alone:
            memset(&columns.process[row], 0, (columns.rows - row) * sizeof(uint32_t))
            parse.told = columns.rows
        elif second:
            tell2(parse, &chunk)
        elif columns.rows - parse.told >= TELL:
            tell1(parse)
        done += lines
        line[0] = scan + newlines[done - 1] + 1
    return CLEAR


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
            parse.ledger.wide = True
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
        count = parse.way.scan(scan, block, newlines)
        if parse.format == 1:
            progress = take_block(parse, scan, newlines, count, &line, False)
        else:
            progress = take_block(parse, scan, newlines, count, &line, True)
        scan += block
    if parse.format == 1:
        tell1(parse)
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
