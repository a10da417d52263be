# The ways to read a stream without Python: whole, in pieces of exact size, through a ring, through a reader, as a file.

cdef bint taken(Reading *reading, Progress progress) noexcept nogil:
    """Deals with what ended the taking of lines. False where there is nothing to go on with."""
    if progress == FULL:
        reading_seal(reading)
    elif progress == NO_MEMORY:
        fuzz_require(reading.may_fail, b"there is memory for a line")
    elif progress == OTHER_FORMAT:
        reading.refused = True
    return progress != CLEAR and progress != OTHER_FORMAT


cdef void read_whole(const uint8_t *stream, size_t size, Chance *chance, Outcome *outcome) noexcept nogil:
    """At once, into columns that grow, as Parser.feed does."""
    cdef Reading reading
    cdef size_t used
    cdef size_t done = 0
    cdef Progress progress
    reading_begin(&reading, chance, 0, stream, size)
    while True:
        progress = take_lines(&reading.parse, stream + done, size - done, &used)
        done += used
        if progress != FULL:
            break
        fuzz_require(columns_grow(&reading.parse.columns), b"there is memory for larger columns")
    if not taken(&reading, progress) and not reading.refused:
        fuzz_require(size == done or memchr(stream + done, c'\n', size - done) == NULL, b"every whole line is taken")
        cut_line(&reading.parse, stream + done, size - done)
        fuzz_require(reading.parse.consumed == size, b"every byte is accounted for")
    reading_seal(&reading)
    reading_outcome(&reading, outcome)
    reading_end(&reading)


cdef void read_pieces(const uint8_t *stream, size_t size, Chance *chance, Outcome *outcome) noexcept nogil:
    """Cut anywhere, each piece in memory of just its size, into small batches; some allocations fail and are tried
    again."""
    cdef Reading reading
    cdef uint8_t *piece = <uint8_t *> fuzz_buffer(size)
    cdef size_t used
    cdef size_t at = 0
    cdef size_t held = 0     # bytes of the stream that were taken
    reading_begin(&reading, chance, 1, stream, size)
    reading.may_fail = chance.fail_count != 0
    fuzz_fail_allocations(chance.fail_first, chance.fail_count)
    fuzz_shorten(piece, size, 0)
    while at < size and not reading.refused:
        at += chance_piece(chance, size - at)
        fuzz_shorten(piece, size, at - held)
        memcpy(piece, stream + held, at - held)
        if fuzz_defect == FUZZ_PIECE:
            piece[at - held - 1] ^= 1
        used = 0
        while taken(&reading, take_piece(&reading, piece, at - held, &used)):
            pass
        if chance.ageing and chance_below(chance, 4) == 0:
            reading_seal(&reading)
            let_age(&reading)
        held += used
    fuzz_shorten(piece, size, size)
    fuzz_release(piece)
    if not reading.refused:
        cut_line(&reading.parse, stream + held, size - held)
    reading_seal(&reading)
    fuzz_fail_allocations(0, 0)
    reading_outcome(&reading, outcome)
    reading_end(&reading)


cdef void let_age(Reading *reading) noexcept nogil:
    """Time passes between two batches: who has ended is let go of. Who stays keeps what is his."""
    cdef Ledger *ledger = &reading.parse.ledger
    cdef uint32_t count = ledger.count
    cdef Process *before
    cdef uint32_t *names
    cdef Comm *comms
    cdef Sums *sums
    cdef uint32_t i, j, at
    ledger.batches += 1 + chance_below(reading.chance, 2 * GRACE_BATCHES)
    if not age_due(ledger, &reading.parse.names, 0):
        return
    before = <Process *> fuzz_buffer(count * sizeof(Process))
    names = <uint32_t *> fuzz_buffer(count * sizeof(uint32_t))
    comms = <Comm *> fuzz_buffer(reading.parse.names.count * sizeof(Comm))
    sums = <Sums *> fuzz_buffer(count * sizeof(Sums))
    if count:
        memcpy(before, ledger.processes, count * sizeof(Process))
        memcpy(names, ledger.names, count * sizeof(uint32_t))
    memcpy(comms, reading.parse.names.comms, reading.parse.names.count * sizeof(Comm))
    for i in range(count):
        sums[i] = check_sums(reading, i)[0]
    if age_all(ledger, &reading.parse.names):
        reading.aged = True
    else:
        fuzz_require(reading.may_fail, b"there is memory to age")
    j = 0
    for i in range(ledger.count):
        while j < count and (before[j].pid != ledger.processes[i].pid
                             or before[j].start_us != ledger.processes[i].start_us):
            fuzz_require(before[j].ended, b"only who has ended is let go of")
            j += 1
        fuzz_require(j < count, b"who stays keeps his place in the order")
        fuzz_require(comms[names[j]].low == reading.parse.names.comms[ledger.names[i]].low
                     and comms[names[j]].high == reading.parse.names.comms[ledger.names[i]].high,
                     b"who stays keeps his name")
        reading.sums[i] = sums[j]
        j += 1
        at = ledger.slots[ledger.processes[i].pid].latest & ~<uint32_t> OVER
        while at != i + 1:
            fuzz_require(0 < at <= ledger.count and ledger.processes[at - 1].pid == ledger.processes[i].pid,
                         b"the chain of a pid leads to each of its processes")
            at = ledger.processes[at - 1].before
    for i in range(ledger.count, count):
        memset(&reading.sums[i], 0, sizeof(Sums))
    fuzz_release(before)
    fuzz_release(names)
    fuzz_release(comms)
    fuzz_release(sums)


cdef Progress take_piece(Reading *reading, const uint8_t *piece, size_t size, size_t *done) noexcept nogil:
    cdef size_t used
    cdef Progress progress = take_lines(&reading.parse, piece + done[0], size - done[0], &used)
    done[0] += used
    return progress


cdef RingState fuzz_ring

cdef void ring_begin(uint64_t at) noexcept nogil:
    """The ring of one page, empty, at any place."""
    if fuzz_ring.base == NULL:
        fuzz_ring.capacity = 4096
        fuzz_ring.base = <uint8_t *> map_twice(4096)
        fuzz_require(fuzz_ring.base != NULL, b"there is a ring")
        pthread_mutex_init(&fuzz_ring.lock, NULL)
        pthread_cond_init(&fuzz_ring.data, NULL)
        pthread_cond_init(&fuzz_ring.space, NULL)
    fuzz_ring.head = at
    fuzz_ring.tail = at
    fuzz_ring.dropped_lines = 0
    fuzz_ring.dropped_bytes = 0
    fuzz_ring.closed = False
    fuzz_ring.stopped = False


cdef bint has_long_lines(const uint8_t *stream, size_t size) noexcept nogil:
    """Lines that do not fit the ring with their newline."""
    cdef const uint8_t *newline
    cdef const uint8_t *end = stream + size
    while stream < end:
        newline = <const uint8_t *> memchr(stream, c'\n', end - stream)
        if newline == NULL:
            newline = end
        if newline - stream >= 4096:
            return True
        stream = newline + 1
    return False


cdef bint pull_all(Reading *reading) noexcept nogil:
    """All whole lines that are in the ring. True once it has ended."""
    cdef timespec now
    cdef uint64_t tail
    cdef bint ended = False
    cdef Progress progress
    memset(&now, 0, sizeof(timespec))
    while not reading.refused:
        tail = fuzz_ring.tail
        progress = pull_lines(&reading.parse, &fuzz_ring, &now, &ended)
        if not taken(reading, progress) and (ended or fuzz_ring.tail == tail):
            break
    return ended


cdef void finish_ring(Reading *reading, Outcome *outcome) noexcept nogil:
    """The stream has ended, as Parser.finish does."""
    cdef size_t size
    cdef bint closed
    cdef timespec now
    cdef const uint8_t *rest
    memset(&now, 0, sizeof(timespec))
    ring_close(&fuzz_ring)
    if not reading.refused:
        fuzz_require(pull_all(reading) or reading.refused, b"a closed ring ends")
    if not reading.refused:
        rest = ring_data(&fuzz_ring, 0, &now, &size, &closed)
        cut_line(&reading.parse, rest, size)
        ring_release(&fuzz_ring, size)
    reading_seal(reading)
    reading_outcome(reading, outcome)


cdef void read_through_ring(const uint8_t *stream, size_t size, Chance *chance, Outcome *outcome) noexcept nogil:
    cdef Reading reading
    cdef size_t room, piece, written
    cdef size_t at = 0
    cdef uint8_t *space
    reading_begin(&reading, chance, 2, stream, size)
    ring_begin(chance.ring_at)
    while at < size and not reading.refused:
        piece = chance_piece(chance, size - at)
        while piece and not reading.refused:
            space = ring_space(&fuzz_ring, &room, False)
            fuzz_require(room <= 4096, b"a ring's room is never more than its capacity")
            written = piece if piece < room else room
            memcpy(space, stream + at, written)
            ring_publish(&fuzz_ring, written)
            at += written
            piece -= written
            if room == written or chance_below(chance, 4):
                pull_all(&reading)
    finish_ring(&reading, outcome)
    outcome.long_lines = has_long_lines(stream, size)
    reading_end(&reading)


cdef size_t read_size(size_t left, void *argument) noexcept nogil:
    """Of the reader's next read; 0: a signal came."""
    cdef Chance *chance = (<Reading *> argument).chance
    return chance_piece(chance, left) if chance_below(chance, 16) else 0


cdef void pull_now_and_then(void *argument) noexcept nogil:
    cdef Reading *reading = <Reading *> argument
    if fuzz_ring.head - fuzz_ring.tail == 4096 or chance_below(reading.chance, 4) == 0:
        pull_all(reading)
        if reading.refused:  # nobody reads any more
            ring_stop(&fuzz_ring)


cdef void leave_full(void *argument) noexcept nogil:
    """The other side of a reader that may drop: it comes rarely, and takes a full ring's lines later."""
    cdef Reading *reading = <Reading *> argument
    if chance_below(reading.chance, 8) == 0:
        pull_all(reading)
        if reading.refused:
            ring_stop(&fuzz_ring)


cdef void read_through_reader(const uint8_t *stream, size_t size, Chance *chance, const Outcome *whole) noexcept nogil:
    """The reader's side and the parser's take turns. What the reader drops, it counts: nothing is missing."""
    global fuzz_file, fuzz_left, fuzz_piece, fuzz_other_side, fuzz_argument
    cdef Reading reading
    cdef Outcome outcome
    cdef Drain drain
    reading_begin(&reading, chance, 3, stream, size)
    ring_begin(chance.ring_at)
    memset(&drain, 0, sizeof(Drain))
    drain.ring = &fuzz_ring
    drain.drop = chance.drop
    drain.pipe_bytes = 65536 if chance_below(chance, 2) else -1
    drain.scratch = <uint8_t *> fuzz_buffer(SCRATCH)
    fuzz_file = stream
    fuzz_left = size
    fuzz_piece = read_size
    fuzz_other_side = leave_full if chance.drop else pull_now_and_then
    fuzz_argument = &reading
    fuzz_require((drain_dropping(&drain) if chance.drop else drain_waiting(&drain)) == 0, b"a reader ends well")
    fuzz_other_side = NULL
    finish_ring(&reading, &outcome)
    outcome.long_lines = has_long_lines(stream, size)
    if not reading.refused and not whole.refused:
        fuzz_require(drain.bytes_read == size, b"the reader reads to the end")
        fuzz_require(outcome.consumed + fuzz_ring.dropped_bytes == size, b"every byte is taken or counted as dropped")
        fuzz_require(outcome.lines + fuzz_ring.dropped_lines == whole.lines, b"every line is taken or counted")
        fuzz_require(chance.drop or fuzz_ring.dropped_bytes == 0, b"a reader that waits drops nothing")
    if fuzz_ring.dropped_bytes == 0:
        require_same(whole, &outcome)
    fuzz_release(drain.scratch)
    reading_end(&reading)


cdef void read_as_file(const uint8_t *stream, size_t size, Chance *chance, Outcome *outcome) noexcept nogil:
    """As a file that cannot be mapped, through a buffer of a page."""
    global fuzz_file, fuzz_left, fuzz_piece, fuzz_argument
    cdef Reading reading
    cdef FileState file
    cdef timespec now
    cdef bint ended = False
    cdef Progress progress
    memset(&now, 0, sizeof(timespec))
    memset(&file, 0, sizeof(FileState))
    reading_begin(&reading, chance, 4, stream, size)
    file.most = 4096
    file.buffer = <uint8_t *> fuzz_buffer(file.most)
    file.data = file.buffer
    fuzz_file = stream
    fuzz_left = size
    fuzz_piece = read_size
    fuzz_argument = &reading
    while not reading.refused:
        progress = pull_file(&reading.parse, &file, &now, &ended)
        if not taken(&reading, progress) and ended:
            break
    if not reading.refused:
        fuzz_require(file.at + file.size == size and file.failed == 0, b"a file is read to its end")
        cut_line(&reading.parse, file.data, file.size)
        fuzz_require(reading.parse.consumed == size, b"every byte of a file is accounted for")
    reading_seal(&reading)
    reading_outcome(&reading, outcome)
    outcome.long_lines = has_long_lines(stream, size)
    fuzz_release(file.buffer)
    reading_end(&reading)
