# Parser: makes Batches, as Python sees it; parse.pxi does the work.

from collections import namedtuple

cdef enum:
    ROWS = 122880  # a row group of DuckDB

LedgerRow = namedtuple(
    "LedgerRow", "pid start_us name requested released requests releases failed first_us last_us vm resident ended")


class FormatError(ValueError):
    """The stream's header names a format that this memtap does not know."""


cdef class Parser:
    """Bytes of one stream to columns and to the ledger of exact totals per process. Used by one thread at a time.

    `rows`: how many calls a batch holds at most when the parser pulls from a ring. Give it bytes with `feed` (which
    makes as much room as it takes) or let it `pull` from a ring; `seal` hands out what it has as a Batch.
    """

    cdef Parse *parse
    cdef size_t most_rows
    cdef bint busy
    cdef uint32_t keep_ended
    cdef bint sealed       # and no call has been taken since
    cdef readonly uint64_t generation
    cdef readonly size_t carried
    cdef readonly array process_pids
    cdef array process_starts
    cdef list process_facts
    cdef list names
    cdef bytearray carry

    def __cinit__(self, *, size_t rows=ROWS, str scan=SCANS[0], bytes header=b"", uint32_t keep_ended=1024,
                  bint ledger=True, uint32_t quiet_batches=0):
        if not 1 <= rows <= 1 << 30:
            raise ValueError(f"rows {rows}: must be 1 to {1 << 30}")
        if quiet_batches > QUIET_MAX - 1:
            raise ValueError(f"quiet_batches {quiet_batches}: must be 0 to {QUIET_MAX - 1}")
        if scan not in SCANS:
            raise ValueError(f"scan {scan!r}: this processor has {', '.join(SCANS)}")
        self.most_rows = rows
        self.keep_ended = keep_ended
        self.generation = next_generation()
        self.process_pids = clone(NO_PIDS, 0, False)
        self.process_starts = clone(NO_STARTS, 0, False)
        self.process_facts = []
        self.names = []
        self.carry = bytearray()
        self.parse = <Parse *> malloc(sizeof(Parse))
        if self.parse == NULL or not parse_init(self.parse, self.room(), &ways[<int> SCANS.index(scan)]):
            raise MemoryError(f"parser: no memory for batches of {rows} calls")
        self.parse.columns_alone = not ledger
        self.parse.ledger.quiet_batches = quiet_batches
        if header:
            self.begin_with(header)

    def __dealloc__(self):
        if self.parse == NULL:
            return
        parse_free(self.parse)
        free(self.parse)

    cdef int begin_with(self, bytes header) except -1:
        """The stream is the rest of one that began with this header."""
        cdef const uint8_t *line = <const uint8_t *> PyBytes_AS_STRING(header)
        if len(header) > HEADER_MAX or not is_header_2(line, len(header)):
            raise FormatError(f"header {header[:80]!r}: not one of format 2")
        if not columns_widen(&self.parse.columns):
            raise MemoryError(f"parser: no memory for batches of {self.most_rows} calls")
        memcpy(self.parse.header, line, len(header))
        self.parse.header_size = <uint32_t> len(header)
        self.parse.format = 2
        self.parse.ledger.wide = True
        return 0

    cdef size_t room(self) noexcept:
        """Rows of columns that have not grown."""
        return (self.most_rows + 7) // 8 * 8

    cdef int enter(self) except -1:
        if self.busy:
            raise RuntimeError("this parser is at work in another thread")
        self.busy = True
        return 0

    cdef int refuse(self, Progress progress, const uint8_t *line, size_t size) except -1:
        """Raises for what ended the taking of lines, if it was not their number."""
        cdef const uint8_t *newline
        if progress == NO_MEMORY:
            raise MemoryError(f"parser: no memory after {self.parse.events} calls; what was taken is kept")
        if progress == OTHER_FORMAT:
            newline = <const uint8_t *> memchr(line, c'\n', size)
            text = line[:min(newline - line, 80)]
            raise FormatError(f"header {text!r}: not a format that this memtap reads; it reads 1 and 2")
        return 0

    @property
    def rows(self):
        """How many calls a batch holds at most when the parser pulls from a ring."""
        return self.most_rows

    @rows.setter
    def rows(self, size_t rows):
        """From the next batch on."""
        if not 1 <= rows <= 1 << 30:
            raise ValueError(f"rows {rows}: must be 1 to {1 << 30}")
        self.most_rows = rows

    @property
    def format(self):
        """1 or 2; 0 until the first line that says."""
        return self.parse.format

    @property
    def header(self):
        """Format 2: the stream's first line. Empty in format 1."""
        return self.parse.header[:self.parse.header_size]

    @property
    def lines(self):
        """Lines seen: events + rejected + notices."""
        return self.parse.lines

    @property
    def events(self):
        return self.parse.events

    @property
    def rejected(self):
        """Lines that are no event and no notice."""
        return sum(self.rejected_by.values())

    @property
    def rejected_by(self):
        """Why lines were rejected: {reason: lines}, without zeros."""
        return {REJECTS[i]: self.parse.rejected[i] for i in range(1, REJECT_KINDS) if self.parse.rejected[i]}

    @property
    def notices(self):
        """Lines in which the tap speaks of itself, blank ones among them."""
        return self.parse.notices

    @property
    def lost(self):
        """Events that the tap said it lost."""
        return self.parse.lost

    @property
    def consumed(self):
        """Bytes of the stream that are accounted for: the lines above, to the byte."""
        return self.parse.consumed

    @property
    def pending(self):
        """Calls that the next `seal` would hand out."""
        return self.parse.columns.rows

    @property
    def samples(self):
        """The newest rejected lines, oldest first, cut to 160 bytes each."""
        cdef uint64_t seen = self.parse.samples_seen
        cdef uint64_t i
        cdef Sample *sample
        found = []
        for i in range(seen - min(seen, <uint64_t> SAMPLES), seen):
            sample = &self.parse.samples[i % SAMPLES]
            found.append(sample.text[:sample.size])
        return found

    def feed(self, data):
        """Takes bytes, cut anywhere; the unfinished last line waits for the rest. Raises MemoryError."""
        cdef const uint8_t *p
        cdef size_t size, used
        cdef Py_ssize_t newline
        cdef Py_buffer view
        self.enter()
        try:
            self.ready()
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            try:
                p = <const uint8_t *> view.buf
                size = view.len
                if self.carry and size:
                    used = self.feed_carry(p, size)
                    p += used
                    size -= used
                used = self.take(p, size)
                self.hold(p + used, size - used)
            finally:
                PyBuffer_Release(&view)
        finally:
            self.busy = False

    cdef size_t feed_carry(self, const uint8_t *p, size_t size) except? 0:
        """Finishes the line that `feed` holds. Returns how many of the bytes belong to it."""
        cdef const uint8_t *newline = <const uint8_t *> memchr(p, c'\n', size)
        cdef size_t part = newline + 1 - p if newline != NULL else size
        if newline == NULL:
            return 0
        line = bytes(self.carry) + p[:part]
        self.take(<const uint8_t *> PyBytes_AS_STRING(line), len(line))
        self.carry = bytearray()
        return part

    cdef int hold(self, const uint8_t *p, size_t size) except -1:
        """Keeps the unfinished last line; one longer than any record is given up."""
        if len(self.carry) + size > CARRY_MAX:
            self.parse.skipping = True
            self.parse.consumed += len(self.carry) + size
            self.carry = bytearray()
        elif size:
            self.carry += p[:size]
        return 0

    cdef size_t take(self, const uint8_t *p, size_t size) except? 0:
        """Whole lines into columns that grow as needed. Returns the bytes taken."""
        cdef size_t used
        cdef size_t done = 0
        cdef Progress progress
        while size > done:
            with nogil:
                progress = take_lines(self.parse, p + done, size - done, &used)
                done += used
                if progress == FULL:
                    progress = CLEAR if columns_grow(&self.parse.columns) else NO_MEMORY
                    used = 1
            self.refuse(progress, p + done, size - done)
            if used == 0:
                break
            if self.parse.columns.rows < self.parse.columns.capacity and done < size and \
                    memchr(p + done, c'\n', size - done) == NULL:
                break
        return done

    def pull(self, source not None, int64_t timeout_ms):
        """Takes lines from a Ring or a File until the batch is full ("full"), `timeout_ms` has passed ("waiting"), or
        the ring was closed or the file has ended, and no whole line is left ("ended"). Raises MemoryError."""
        cdef timespec until
        cdef bint ended
        cdef Progress progress
        self.enter()
        try:
            self.ready()
            until = deadline_after(timeout_ms)
            if isinstance(source, File):
                progress = self.pull_file(source, &until, &ended)
            else:
                progress = self.pull_ring(source, &until, &ended)
        finally:
            self.busy = False
        return "ended" if ended else "full" if progress == FULL else "waiting"

    cdef Progress pull_ring(self, Ring ring, const timespec *until, bint *ended) except *:
        cdef timespec now
        cdef size_t size
        cdef const uint8_t *data
        cdef Progress progress
        ring.begin_reading()
        try:
            with nogil:
                progress = pull_lines(self.parse, &ring.state, until, ended)
            if progress > FULL:
                now = deadline_after(0)
                data = ring_data(&ring.state, 0, &now, &size, ended)
                self.refuse(progress, data, size)
        finally:
            ring.reading = False
        return progress

    cdef Progress pull_file(self, File file, const timespec *until, bint *ended) except *:
        cdef Progress progress
        file.begin_reading()
        try:
            window_enter(&file.state.window)
            with nogil:
                progress = pull_file(self.parse, &file.state, until, ended)
            if progress > FULL:
                self.refuse(progress, file.state.data, file.state.size)
        finally:
            window_leave()
            file.reading = False
        return progress

    def finish(self, source=None):
        """The stream has ended: an unfinished last line, fed or left in the Ring or File, is rejected as cut."""
        self.enter()
        try:
            cut_line(self.parse, <const uint8_t *> PyByteArray_AS_STRING(self.carry), len(self.carry))
            self.carry.clear()
            if isinstance(source, File):
                self.finish_file(source)
            elif source is not None:
                self.finish_ring(source)
        finally:
            self.busy = False

    cdef int finish_ring(self, Ring ring) except -1:
        cdef timespec now = deadline_after(0)
        cdef size_t size
        cdef bint closed
        cdef const uint8_t *data
        ring.begin_reading()
        data = ring_data(&ring.state, 0, &now, &size, &closed)
        cut_line(self.parse, data, size)
        ring_release(&ring.state, size)
        ring.reading = False
        return 0

    cdef int finish_file(self, File file) except -1:
        file.begin_reading()
        window_enter(&file.state.window)
        cut_line(self.parse, file.state.data, file.state.size)
        file_used(&file.state, file.state.size)
        window_leave()
        file.reading = False
        return 0

    def seal(self):
        """Hands out the calls taken since the last seal as a Batch, which may be empty. Raises MemoryError."""
        cdef Batch batch = Batch.__new__(Batch)
        cdef Ledger *ledger = &self.parse.ledger
        cdef uint32_t i
        self.enter()
        try:
            if self.parse.columns_alone and not self.process_pids:
                self.process_facts = [(0, 0, 0)]
                self.process_starts.append(0)
                self.process_pids.append(0)
            # each by its own length: a MemoryError between them must not shift one against another
            extend_pids(self.process_pids, ledger)
            extend_starts(self.process_starts, ledger)
            if self.parse.format == 2:
                for i in range(len(self.process_facts), ledger.count):
                    self.process_facts.append(
                        (ledger.held[i].uid, ledger.held[i].cgroup, ledger.held[i].parent))
            for i in range(len(self.names), self.parse.names.count):
                self.names.append(comm_bytes(self.parse.names.comms[i]))
            losses = [(self.parse.spans[i].time_us, self.parse.spans[i].events) for i in range(self.parse.span_count)]
            ended = self.newly_ended()
            if seconds_room(&self.parse.seconds, 1):
                batch.seconds_in = <Second *> malloc((self.parse.seconds.count + 1) * sizeof(Second))
            if batch.seconds_in == NULL or \
                    not parse_hand_out(self.parse, &batch.columns, self.room()):
                raise MemoryError(f"parser: no memory for a batch of {self.parse.columns.rows} calls; they are kept")
            batch.second_count = seconds_hand_out(&self.parse.seconds, batch.seconds_in)
            ledger_seal(ledger, batch.columns.rows, &batch.activities)
            batch.process_count = len(self.process_pids)
            batch.name_count = self.parse.names.count
            batch.generation = self.generation
            batch.process_pids = self.process_pids
            batch.process_starts = self.process_starts
            batch.process_facts = self.process_facts
            batch.ended = ended
            batch.names = self.names
            batch.losses = losses
            self.parse.span_count = 0
            self.sealed = True
        finally:
            self.busy = False
        return batch

    cdef int ready(self) except -1:
        """For the next line."""
        if self.sealed:
            self.age()
        if not columns_ready(&self.parse.columns, self.room()):
            raise MemoryError(f"parser: no memory for the next {self.most_rows} calls; what was taken is kept")
        return 0

    cdef int age(self) except -1:
        """Before the first line of a batch: lets go of ended processes and unused names, if there are many."""
        cdef bint aged
        cdef Ledger *ledger = &self.parse.ledger
        self.sealed = False
        if not age_due(ledger, &self.parse.names, self.keep_ended) and not quiet_due(ledger, self.keep_ended):
            return 0
        lists = clone(NO_PIDS, 0, False), clone(NO_STARTS, 0, False), [], []
        with nogil:
            aged = age_all(ledger, &self.parse.names)
        if aged:
            self.process_pids, self.process_starts, self.process_facts, self.names = lists
            self.generation = next_generation()
            self.carried = ledger.count
        return 0

    cdef list newly_ended(self):
        """Format 2: (local process id, time of its last line) of the processes that ended since the last seal."""
        cdef Ledger *ledger = &self.parse.ledger
        cdef uint32_t i
        if self.parse.format != 2:
            return []
        return [(ledger.ended[i], ledger.held[ledger.ended[i]].held_us) for i in range(ledger.ended_count)]

    def end(self, pids):
        """These processes have ended: the next call under such a pid is another process's, begun with that call."""
        cdef uint32_t i
        self.enter()
        try:
            for pid in pids:
                i = self.parse.ledger.slots[<uint32_t> pid].latest & ~<uint32_t> OVER if 0 <= pid <= PID_MAX else 0
                if i != 0:
                    ledger_end(&self.parse.ledger, i - 1)
        finally:
            self.busy = False

    def ledger(self, *, bint live=False):
        """Every process's exact totals, as of this moment: a list of LedgerRow (bytes, calls, microseconds). `live`:
        without those that have ended."""
        cdef Ledger *ledger = &self.parse.ledger
        cdef uint32_t i
        cdef size_t n
        cdef Activity activity
        self.enter()
        try:
            rows = {i: self.ledger_row(i) for i in range(ledger.count) if not (live and ledger.processes[i].ended)}
            for n in range(ledger.open.count):
                activity_get(&ledger.open, n, &activity)
                row = rows.get(activity.process)
                if row is not None:
                    row[2] = comm_bytes(self.parse.names.comms[activity.name])
                    row[3] += activity.requested
                    row[4] += activity.released
                    row[5] += activity.requests
                    row[6] += activity.releases
                    row[7] += activity.failed
                    row[8] = min(row[8], activity.first_us)
                    row[9] = max(row[9], activity.last_us)
            return [LedgerRow(*row) for row in rows.values()]
        finally:
            self.busy = False

    cdef list ledger_row(self, uint32_t i):
        """A process's totals, as of the last sealed batch."""
        cdef Ledger *ledger = &self.parse.ledger
        cdef Process *process = &ledger.processes[i]
        cdef Held *held = &ledger.held[i] if ledger.wide else NULL
        return [
            process.pid, process.start_us, comm_bytes(self.parse.names.comms[ledger.names[i]]),
            integer(ledger_bytes(ledger, i, 0)), integer(ledger_bytes(ledger, i, 1)), ledger_calls(ledger, i, 0),
            ledger_calls(ledger, i, 1), held.failed if held != NULL else 0, process.first_us, ledger.totals[i].last_us,
            held.vm if held != NULL else None, held.rss if held != NULL else None, process.ended != 0]
