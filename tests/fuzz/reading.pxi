# One way to read a stream: a parser, what its batches must say, and what it all came to.

cdef struct Sums:           # of one process, counted from the columns
    u128 requested
    u128 released
    uint64_t requests
    uint64_t releases
    uint64_t failed
    uint64_t first_us
    uint64_t last_us
    uint64_t events

cdef struct Outcome:        # equal for every way to read the same bytes
    bint refused            # by the header
    bint aged
    bint long_lines         # there are lines that do not fit the ring
    uint64_t lines
    uint64_t events
    uint64_t notices
    uint64_t lost
    uint64_t consumed
    uint64_t rejected[REJECT_KINDS]
    uint64_t samples
    uint64_t calls          # of all columns but local ids, in order, with the names themselves
    uint64_t rows           # of all columns, in order
    uint64_t processes
    uint64_t names

cdef struct Reading:
    Parse parse
    Chance *chance
    size_t rows
    bint may_fail           # allocations may
    uint64_t handed_out     # rows of sealed batches
    uint64_t rows_hash
    uint64_t calls_hash
    uint64_t rejected       # as the batches' seconds say
    bint aged               # processes and names were let go of
    Sums *sums              # by local process id
    size_t known            # room for so many
    const uint8_t *begin    # the stream, and
    size_t size
    bint refused


cdef inline uint64_t mix(uint64_t hashed, uint64_t value) noexcept nogil:
    hashed = (hashed ^ value) * <uint64_t> 0x9e3779b97f4a7c15
    return hashed ^ (hashed >> 29)


cdef void reading_begin(Reading *reading, Chance *chance, int scan, const uint8_t *stream, size_t size) noexcept nogil:
    cdef Way ways[3]
    cdef int count = all_ways(ways)
    memset(reading, 0, sizeof(Reading))
    reading.chance = chance
    reading.rows = chance.rows
    reading.begin = stream
    reading.size = size
    fuzz_require(parse_init(&reading.parse, chance.rows, &ways[(chance.scan + scan) % count]), b"a parser begins")
    if scan == 1:  # soon the activities' numbers begin anew
        reading.parse.ledger.first_number = <uint32_t> NUMBERS - (chance.state & 31)


cdef void reading_end(Reading *reading) noexcept nogil:
    cdef Ledger *ledger = &reading.parse.ledger
    cdef uint32_t i
    if not reading.aged:
        for i in range(ledger.count):
            memset(&ledger.slots[ledger.processes[i].pid], 0, sizeof(Slot))
        fuzz_cleared(ledger.slots)
    parse_free(&reading.parse)
    fuzz_release(reading.sums)


cdef Sums *check_sums(Reading *reading, uint32_t process) noexcept nogil:
    """Of a process, which may be new."""
    cdef size_t known
    cdef Sums *more
    if process >= reading.known:
        fuzz_require(process < reading.parse.ledger.count, b"a local process id is known")
        known = 2 * <size_t> process + 16
        more = <Sums *> fuzz_buffer(known * sizeof(Sums))
        memset(more, 0, known * sizeof(Sums))
        if reading.known:
            memcpy(more, reading.sums, reading.known * sizeof(Sums))
        fuzz_release(reading.sums)
        reading.sums = more
        reading.known = known
    return &reading.sums[process]


cdef inline uint64_t place(uint32_t process, uint64_t second) noexcept nogil:
    """A random number of a process and a second: sums of values times it agree only where each agrees."""
    return mix(mix(0x243f6a8885a308d3, process), second) | 1


cdef void check_columns(Reading *reading, const Columns *columns, const Activities *activities) noexcept nogil:
    """The columns' sums by process and second are the activities'; adds them to those by process."""
    cdef uint64_t by_second = 0
    cdef uint64_t told = 0
    cdef uint64_t hashed = reading.rows_hash
    cdef uint64_t calls = reading.calls_hash
    cdef Comm comm
    cdef uint64_t at, bytes
    cdef bint failed, gives
    cdef Sums *sums
    cdef Activity activity
    cdef size_t i
    for i in range(columns.rows):
        bytes = columns.length[i]
        gives = columns.call[i] == CALL_MUNMAP or columns.call[i] == CALL_SHMDT
        failed = columns.wide and columns.error[i] != 0
        if columns.wide:
            bytes = columns.freed[i] if gives else columns.length[i] - columns.freed[i]
            if not gives and columns.freed[i] > columns.length[i]:
                bytes = columns.freed[i] - columns.length[i]
                gives = True
        at = place(columns.process[i], columns.time_us[i] // 1000000)
        sums = check_sums(reading, columns.process[i])
        if sums.events == 0 or columns.time_us[i] < sums.first_us:
            sums.first_us = columns.time_us[i]
        if columns.time_us[i] > sums.last_us:
            sums.last_us = columns.time_us[i]
        sums.events += 1
        if failed:
            sums.failed += 1
            by_second += 11 * at
        elif columns.call[i] < CALL_FORK and gives:
            sums.released += bytes
            sums.releases += 1
            by_second += at * (3 * bytes + 7)
        elif columns.call[i] < CALL_FORK:
            sums.requested += bytes
            sums.requests += 1
            by_second += at * (bytes + 5)
        fuzz_require(columns.pid[i] == reading.parse.ledger.processes[columns.process[i]].pid, b"pid and process agree")
        fuzz_require(columns.name[i] < reading.parse.names.count, b"a local name id is known")
        fuzz_require(columns.call[i] <= CALL_PROC, b"a call is known")
        hashed = mix(mix(mix(hashed, columns.time_us[i]), columns.length[i]), columns.pid[i])
        hashed = mix(mix(mix(hashed, columns.process[i]), columns.name[i]), columns.call[i])
        comm = reading.parse.names.comms[columns.name[i]]
        calls = mix(mix(mix(calls, columns.time_us[i]), columns.length[i]), columns.pid[i])
        calls = mix(mix(mix(calls, comm.low), comm.high), columns.call[i])
        if columns.wide:
            fuzz_require(columns.kind[i] <= KIND_RESERVED and columns.error[i] <= 4095, b"kind and errno are known")
            hashed = mix(mix(mix(hashed, columns.freed[i]), columns.vm[i]), columns.rss[i])
            hashed = mix(mix(hashed, columns.error[i]), columns.kind[i])
    for i in range(activities.count):
        activity_get(activities, i, &activity)
        at = place(activity.process, activity.second_us // 1000000)
        told += at * (<uint64_t> activity.requested + 3 * <uint64_t> activity.released)
        told += at * (5 * <uint64_t> activity.requests + 7 * <uint64_t> activity.releases
                      + 11 * <uint64_t> activity.failed)
        fuzz_require(activity.first_us >= activity.second_us and activity.last_us - activity.second_us < 1000000,
                     b"an activity lies in its second")
        fuzz_require(activity.name < reading.parse.names.count, b"an activity's name is known")
    fuzz_require(by_second == told, b"activities are the columns' sums by process and second")
    reading.rows_hash = hashed
    reading.calls_hash = calls
    reading.handed_out += columns.rows


cdef void check_seconds(Reading *reading, const Columns *columns, const Second *seconds, size_t count) noexcept nogil:
    """They ascend, and each has the calls that the columns have in it."""
    cdef uint64_t told = 0
    cdef uint64_t counted = 0
    cdef size_t i
    for i in range(columns.rows):
        counted += place(0, columns.time_us[i] // 1000000)
    for i in range(count):
        fuzz_require(i == 0 or seconds[i].second > seconds[i - 1].second, b"seconds ascend")
        fuzz_require(seconds[i].events != 0 or seconds[i].rejected != 0, b"a second has something")
        told += place(0, seconds[i].second) * seconds[i].events
        reading.rejected += seconds[i].rejected
    fuzz_require(told == counted, b"seconds count the columns' calls")


cdef void reading_seal(Reading *reading) noexcept nogil:
    """Hands out a batch, as Parser.seal does, and checks it in all forms that need no Python."""
    cdef Parse *parse = &reading.parse
    cdef Columns sealed
    cdef Activities activities
    cdef Second *seconds = NULL
    while seconds == NULL:
        if seconds_room(&parse.seconds, 1):
            seconds = <Second *> malloc((parse.seconds.count + 1) * sizeof(Second))
        fuzz_require(seconds != NULL or reading.may_fail, b"there is memory for the seconds")
    while not parse_hand_out(parse, &sealed, reading.rows):
        fuzz_require(reading.may_fail, b"there is memory for a batch")
    check_seconds(reading, &sealed, seconds, seconds_hand_out(&parse.seconds, seconds))
    free(seconds)
    ledger_seal(&parse.ledger, sealed.rows, &activities)
    parse.span_count = 0
    check_columns(reading, &sealed, &activities)
    if activities.count:
        check_text(reading, &sealed, &activities)
    columns_free(&sealed)
    activities_free(&activities)
    while not columns_ready(&parse.columns, reading.rows):
        fuzz_require(reading.may_fail, b"there is memory for the next batch")


cdef uint64_t check_number(const char **text, char stop) noexcept nogil:
    """A decimal number of a text row and what follows it; the lower 64 bits."""
    cdef uint64_t value = 0
    cdef const char *p = text[0]
    fuzz_require(c'0' <= p[0] <= c'9', b"a field of the text is a number")
    while c'0' <= p[0] <= c'9':
        value = value * 10 + <uint64_t> (p[0] - c'0')
        p += 1
    fuzz_require(p[0] == stop, b"a field of the text ends where it should")
    text[0] = p + 1
    return value


cdef uint32_t *check_map(uint32_t count, uint32_t first) noexcept nogil:
    cdef uint32_t *ids = <uint32_t *> fuzz_buffer(count * sizeof(uint32_t))
    cdef uint32_t i
    for i in range(count):
        ids[i] = first - i * 97
    return ids


cdef bint check_null(const char **text) noexcept nogil:
    """Whether the next field says that there is nothing; if so, it is passed, but for what follows it."""
    if text[0][0] != c'\\' or text[0][1] != c'N':
        return False
    text[0] += 2
    return True


cdef void check_event_rows(const char *p, const char *end, const Columns *columns, const uint32_t *processes,
                           const uint32_t *names, uint64_t first_id, uint32_t extras, bint by_time) noexcept nogil:
    """Each row's fields say what the columns say, in the order of the columns or of time. Which fields there are,
    `extras` says."""
    cdef uint64_t[12] fields
    cdef bint[12] null
    cdef int[12] column
    cdef int count = 6
    cdef int at
    cdef size_t row
    cdef size_t i
    cdef size_t before = 0
    cdef uint64_t length
    cdef uint64_t freed
    for at in range(6):
        if extras >> at & 1:
            column[count] = at
            count += 1
    for row in range(columns.rows):
        for at in range(12):
            null[at] = True
        for at in range(count):
            if check_null(&p):
                fuzz_require(p[0] == (c'\n' if at == count - 1 else c'\t'), b"text: what follows a NULL")
                p += 1
                continue
            length = check_number(&p, c'\n' if at == count - 1 else c'\t')
            fields[at if at < 6 else 6 + column[at]] = length
            null[at if at < 6 else 6 + column[at]] = False
        fuzz_require(not null[0] and fields[0] - first_id < columns.rows, b"text: id")
        i = fields[0] - first_id
        if by_time:
            fuzz_require(row == 0 or columns.time_us[i] > columns.time_us[before]
                         or (columns.time_us[i] == columns.time_us[before] and i > before), b"text: the order of time")
        else:
            fuzz_require(i == row, b"text: the order of the columns")
        before = i
        fuzz_require(not null[1] and fields[1] == columns.time_us[i], b"text: time")
        fuzz_require(not null[2] and fields[2] == processes[columns.process[i]], b"text: process")
        fuzz_require(null[3] != null[11], b"text: one name")
        fuzz_require((fields[11] if null[3] else fields[3]) == names[columns.name[i]], b"text: name")
        fuzz_require(null[3] or fields[3] < 1 << 24, b"text: a name that fits")
        fuzz_require(not null[4] and fields[4] < 256 and (fields[4] & 15) == columns.call[i], b"text: call")
        fuzz_require(null[5] != null[10], b"text: one length")
        length = fields[10] if null[5] else fields[5]
        fuzz_require(length == columns.length[i], b"text: length")
        fuzz_require(null[5] or length < 1 << 24, b"text: a length that fits")
        if not columns.wide:
            fuzz_require(fields[4] < 16 and null[6] and null[7] and null[8] and null[9], b"text: no more in format 1")
            continue
        fuzz_require((fields[4] >> 4 & 7) == <uint64_t> columns.kind[i] + 1, b"text: kind")
        fuzz_require(null[6] != null[7], b"text: one vm")
        fuzz_require((fields[7] if null[6] else fields[6] * 4096) == columns.vm[i], b"text: vm")
        fuzz_require(null[6] or fields[6] < <uint64_t> 1 << 32, b"text: a vm that fits")
        fuzz_require((0 if null[8] else fields[8]) == columns.error[i], b"text: errno")
        freed = (length // 4096 + (length % 4096 != 0)) * 4096 if fields[4] & 128 else 0
        fuzz_require((freed if null[9] else fields[9]) == columns.freed[i], b"text: freed")
    fuzz_require(p == end, b"text: a row for each call")


cdef void check_sums_rows(const char *p, const char *end, const Activities *activities, bint wide) noexcept nogil:
    """The rows add up to the activities; each process and step once, ascending."""
    cdef uint64_t[4] sums
    cdef uint64_t[4] expected
    cdef uint64_t begin
    cdef uint64_t process
    cdef uint64_t begin_before = 0
    cdef uint64_t process_before = 0
    cdef bint first = True
    cdef size_t i
    memset(sums, 0, sizeof(sums))
    memset(expected, 0, sizeof(expected))
    for i in range(activities.count):
        expected[0] += activities.running[i].bytes[0]
        expected[1] += activities.running[i].bytes[1]
        expected[2] += activities.running[i].calls[0]
        expected[3] += activities.running[i].calls[1]
    while p < end:
        fuzz_require(p[0] == c'(', b"sums: a row begins")
        p += 1
        begin = check_number(&p, c',')
        process = check_number(&p, c',')
        fuzz_require(first or begin > begin_before or (begin == begin_before and process > process_before),
                     b"sums: each once, ascending")
        first, begin_before, process_before = False, begin, process
        for i in range(4):
            sums[i] += check_number(&p, c',' if wide or i < 3 else c')')
        if wide:
            check_number(&p, c',')
            for i in range(3):
                if p[0] == c'N':
                    fuzz_require(memcmp(p, b"NULL", 4) == 0, b"sums: nothing known")
                    fuzz_require(p[4] == (c')' if i == 2 else c','), b"sums: what follows a NULL")
                    p += 5
                else:
                    check_number(&p, c')' if i == 2 else c',')
        fuzz_require(p[0] == c',' and p[1] == c'\n', b"sums: a row ends")
        p += 2
    for i in range(4):
        fuzz_require(sums[i] == expected[i], b"sums: they add up")
    fuzz_require(p == end, b"sums: nothing beyond")


cdef void check_digits(Chance *chance) noexcept nogil:
    """All ways to make digits of numbers give the same, which is the number."""
    cdef Way ways[3]
    cdef uint64_t[20] numbers, digits
    cdef uint64_t value
    cdef size_t count = chance_below(chance, 21)
    cdef size_t i, place
    cdef int way
    for i in range(count):
        numbers[i] = (chance_next(chance) >> 20) % 100000000 >> chance_below(chance, 27)
    for way in range(all_ways(ways)):
        memcpy(digits, numbers, sizeof(digits))
        ways[way].digits(digits, count)
        for i in range(count):
            value = 0
            for place in range(8):
                value = 10 * value + (digits[i] >> (8 * place) & 0xff)
            fuzz_require(value == numbers[i], b"text: digits are the number's")


cdef void check_text(Reading *reading, const Columns *columns, const Activities *activities) noexcept nogil:
    """LOAD DATA text holds what the columns hold, in room of the size that Batch takes."""
    cdef uint32_t *processes = check_map(reading.parse.ledger.count, 4000000000)
    cdef uint32_t *names = check_map(reading.parse.names.count, 99999999)
    cdef uint64_t first_id = chance_next(reading.chance) >> chance_below(reading.chance, 64)
    cdef char *text = <char *> fuzz_buffer(columns.rows * EVENT_TEXT_MAX)
    cdef uint32_t extras = event_extras(columns, names, reading.parse.names.count)
    cdef char *end = put_events(text, columns, processes, names, first_id, extras, NULL)
    cdef Place *places
    cdef size_t active = activities.count
    check_digits(reading.chance)
    check_event_rows(text, end, columns, processes, names, first_id, extras, False)
    fuzz_release(text)
    text = <char *> fuzz_buffer(active * SUMS_TEXT_MAX)
    places = <Place *> fuzz_buffer(active * sizeof(Place))
    put_places(places, activities, processes, 1000000)
    end = put_sums(text, activities, places, active, NULL, columns.wide)
    check_sums_rows(text, end, activities, columns.wide)
    put_sums(text, activities, places, active, names, columns.wide)
    fuzz_release(places)
    fuzz_release(text)
    fuzz_release(processes)
    fuzz_release(names)


cdef void reading_outcome(Reading *reading, Outcome *outcome) noexcept nogil:
    """What it came to; the counts agree with each other, the ledger with the columns."""
    cdef Parse *parse = &reading.parse
    cdef Process *process
    cdef Totals *totals
    cdef Held held
    cdef Sums *sums
    cdef uint64_t rejected = 0
    cdef uint32_t i
    cdef size_t at
    memset(outcome, 0, sizeof(Outcome))
    outcome.refused = reading.refused
    outcome.aged = reading.aged
    outcome.lines = parse.lines
    outcome.events = parse.events
    outcome.notices = parse.notices
    outcome.lost = parse.lost
    outcome.consumed = parse.consumed
    for i in range(REJECT_KINDS):
        outcome.rejected[i] = parse.rejected[i]
        rejected += parse.rejected[i]
    fuzz_require(parse.rejected[0] == 0, b"what is rejected has a reason")
    fuzz_require(parse.lines == parse.events + rejected + parse.notices, b"lines = events + rejected + notices")
    fuzz_require(parse.events == reading.handed_out, b"events are the batches' rows")
    fuzz_require(parse.samples_seen == rejected, b"each rejected line was a sample")
    for i in range(SAMPLES if rejected > SAMPLES else <uint32_t> rejected):
        outcome.samples = mix(outcome.samples, parse.samples[i].size)
        for at in range(parse.samples[i].size):
            outcome.samples = mix(outcome.samples, parse.samples[i].text[at])
    fuzz_require(reading.rejected == rejected, b"each rejected line is counted to a second")
    outcome.rows = reading.rows_hash
    outcome.calls = reading.calls_hash
    for i in range(parse.ledger.count):
        process = &parse.ledger.processes[i]
        totals = &parse.ledger.totals[i]
        memset(&held, 0, sizeof(Held))
        if parse.ledger.wide:
            held = parse.ledger.held[i]
        sums = check_sums(reading, i)
        fuzz_require(ledger_bytes(&parse.ledger, i, 0) == sums.requested
                     and ledger_bytes(&parse.ledger, i, 1) == sums.released,
                     b"the ledger's bytes are the columns' sums")
        fuzz_require(ledger_calls(&parse.ledger, i, 0) == sums.requests
                     and ledger_calls(&parse.ledger, i, 1) == sums.releases
                     and held.failed == (sums.failed if parse.ledger.wide else 0),
                     b"the ledger's calls are the columns' sums")
        fuzz_require(process.first_us == sums.first_us and totals.last_us == sums.last_us,
                     b"the ledger's times are the columns'")
        outcome.processes = mix(mix(outcome.processes, process.pid), process.start_us)
        outcome.processes = mix(mix(outcome.processes, held.start), held.held_us)
        outcome.processes = mix(mix(mix(outcome.processes, held.vm), held.rss), process.ended)
        outcome.processes = mix(mix(mix(outcome.processes, held.uid), held.cgroup), held.parent)
        outcome.processes = mix(outcome.processes, held.coarse)
        outcome.processes = mix(outcome.processes, parse.ledger.names[i])
    for i in range(parse.names.count):
        outcome.names = mix(mix(outcome.names, parse.names.comms[i].low), parse.names.comms[i].high)


cdef void require_same(const Outcome *one, const Outcome *other) noexcept nogil:
    """Two ways to read the same bytes came to the same."""
    cdef int i
    if other.long_lines and (one.refused or other.refused):  # they may spell a header, or break a record
        return
    fuzz_require(one.refused == other.refused, b"every way refuses the header or none does")
    if one.refused:
        return
    fuzz_require(one.lines == other.lines and one.consumed == other.consumed, b"every way sees the same lines")
    if other.long_lines:
        return
    fuzz_require(one.events == other.events and one.notices == other.notices and one.lost == other.lost,
                 b"every way counts the same")
    for i in range(REJECT_KINDS):
        fuzz_require(one.rejected[i] == other.rejected[i], b"every way rejects for the same reason")
    fuzz_require(one.samples == other.samples, b"every way keeps the same samples")
    fuzz_require(one.calls == other.calls, b"every way reads the same calls")
    if other.aged:
        return
    fuzz_require(one.rows == other.rows, b"every way numbers processes and names alike")
    fuzz_require(one.processes == other.processes, b"every way knows the same processes")
    fuzz_require(one.names == other.names, b"every way knows the same names")
