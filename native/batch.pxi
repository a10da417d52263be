# What Python sees: Parser makes Batches.

from collections import namedtuple

cdef enum:
    ROWS = 122880  # a row group of DuckDB

LedgerRow = namedtuple(
    "LedgerRow", "pid start_us name requested released requests releases failed first_us last_us vm resident ended")


class FormatError(ValueError):
    """The stream's header names a format that this memtap does not know."""


cdef Words words_of(tuple words):
    cdef Words made
    cdef bytes text = "".join(words).encode()
    cdef int32_t at = 0
    made.count = 0
    made.offsets[0] = 0
    for word in words:
        at += <int32_t> len(word)
        made.count += 1
        made.offsets[made.count] = at
    memcpy(made.text, PyBytes_AS_STRING(text), at)
    return made


cdef Words CALL_WORDS = words_of(CALLS)
cdef Words KIND_WORDS = words_of(KINDS)


cdef class Column:
    """One column's memory, through the buffer protocol: typed, read only, kept by its batch."""

    cdef object owner
    cdef void *data
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]
    cdef bytes format

    def __getbuffer__(self, Py_buffer *view, int flags):
        if flags & 1:  # PyBUF_WRITABLE
            raise BufferError("a batch never changes: its columns are read only")
        view.buf = self.data
        view.obj = self
        view.len = self.shape[0] * self.strides[0]
        view.readonly = 1
        view.itemsize = self.strides[0]
        view.format = <char *> self.format
        view.ndim = 1
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL
        view.internal = NULL

    def __releasebuffer__(self, Py_buffer *view):
        pass


cdef object new_column(object owner, const void *data, size_t rows, size_t item, bytes format):
    cdef Column column = Column.__new__(Column)
    column.owner = owner
    column.data = <void *> data
    column.shape[0] = rows
    column.strides[0] = item
    column.format = format
    return memoryview(column)


cdef class IdMap:
    """A caller's uint32 array that replaces local ids, held while it is used."""

    cdef Py_buffer view
    cdef bint held
    cdef const uint32_t *ids

    def __cinit__(self, source, size_t count, str what):
        PyObject_GetBuffer(source, &self.view, PyBUF_SIMPLE)
        self.held = True
        self.ids = <const uint32_t *> self.view.buf
        if <size_t> self.view.len < 4 * count:
            raise ValueError(f"{what}: {self.view.len} bytes, but {count} ids of 4 bytes are needed")

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


cdef class Batch:
    """Calls as columns; never changes. Lengths in bytes, times in microseconds since the epoch.

    `process` and `name` are local ids, given in order of appearance by the parser that made it: local process i is
    `process_pids[i]`, `process_starts[i]`, local name i is `names[i]`. The three lists are the parser's, only ever
    grow, and hold at least `process_count` or `name_count` items.

    Of a stream in format 2, `wide` is true, and there are the columns and facts that only that format says.
    """

    cdef Columns columns
    cdef Activity *activities
    cdef size_t active
    cdef readonly size_t process_count
    cdef readonly size_t name_count
    cdef readonly list process_pids
    cdef readonly list process_starts
    cdef readonly list process_facts
    cdef readonly list names
    cdef readonly list losses
    cdef readonly list ended

    def __init__(self):
        raise TypeError("a Batch is made by Parser.seal() or memtap.read()")

    def __dealloc__(self):
        columns_free(&self.columns)
        free(self.activities)

    def __len__(self):
        return self.columns.rows

    def __repr__(self):
        return f"<memtap.Batch of {self.columns.rows} calls by {self.process_count} processes>"

    @property
    def call(self):
        """uint8, an index into CALLS."""
        return new_column(self, self.columns.call, self.columns.rows, 1, b"B")

    @property
    def pid(self):
        """uint32."""
        return new_column(self, self.columns.pid, self.columns.rows, 4, b"I")

    @property
    def process(self):
        """uint32, local process id."""
        return new_column(self, self.columns.process, self.columns.rows, 4, b"I")

    @property
    def name(self):
        """uint32, local name id."""
        return new_column(self, self.columns.name, self.columns.rows, 4, b"I")

    @property
    def time_us(self):
        """uint64, microseconds since the epoch."""
        return new_column(self, self.columns.time_us, self.columns.rows, 8, b"Q")

    @property
    def length(self):
        """uint64, bytes asked for."""
        return new_column(self, self.columns.length, self.columns.rows, 8, b"Q")

    @property
    def wide(self):
        """Whether the calls are of format 2."""
        return self.columns.wide

    cdef object wide_column(self, const void *data, size_t item, bytes format):
        return new_column(self, data, self.columns.rows, item, format) if self.columns.wide else None

    @property
    def freed(self):
        """uint64, bytes given back; None in format 1."""
        return self.wide_column(self.columns.freed, 8, b"Q")

    @property
    def errno(self):
        """uint16, 0: granted; None in format 1."""
        return self.wide_column(self.columns.error, 2, b"H")

    @property
    def kind(self):
        """uint8, an index into KINDS; None in format 1."""
        return self.wide_column(self.columns.kind, 1, b"B")

    @property
    def vm(self):
        """uint64, the process's mapped bytes after the call; None in format 1."""
        return self.wide_column(self.columns.vm, 8, b"Q")

    @property
    def resident(self):
        """uint64, the process's bytes in RAM after the call; None in format 1."""
        return self.wide_column(self.columns.rss, 8, b"Q")

    cdef ArrowTable people_table(self):
        """call, pid, process, time_us, length (format 2: freed, errno, kind, vm, resident too); call and kind as
        dictionaries of text, process as one of bytes."""
        cdef bytes comms = b"".join(self.names[:self.name_count])
        cdef size_t text = len(comms)
        cdef size_t offsets_bytes = 4 * (self.name_count + 1)
        cdef ArrowTable table = new_table(self, self.columns.rows, offsets_bytes + text + 1)
        cdef int32_t *offsets = <int32_t *> table.block
        cdef char *words = <char *> table.block + offsets_bytes
        cdef Field *field
        cdef size_t i
        cdef int32_t at = 0
        for i in range(self.name_count):
            offsets[i] = at
            at += <int32_t> len(<bytes> self.names[i])
        offsets[self.name_count] = at
        memcpy(words, PyBytes_AS_STRING(comms), text)
        table.dictionary(b"call", self.columns.call, &CALL_WORDS)
        table.column(b"pid", b"I", self.columns.pid)
        field = table.column(b"process", b"I", self.columns.name)
        field.words_format = b"z"
        field.words[1] = offsets
        field.words[2] = words
        field.word_count = self.name_count
        table.column(b"time_us", b"L", self.columns.time_us)
        table.column(b"length", b"L", self.columns.length)
        if self.columns.wide:
            table.column(b"freed", b"L", self.columns.freed)
            table.column(b"errno", b"S", self.columns.error)
            table.dictionary(b"kind", self.columns.kind, &KIND_WORDS)
            table.column(b"vm", b"L", self.columns.vm)
            table.column(b"resident", b"L", self.columns.rss)
        return table

    def __arrow_c_schema__(self):
        """A PyCapsule arrow_schema: call (dictionary of text), pid, process (dictionary of bytes), time_us, length."""
        return self.people_table().__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema=None):
        """PyCapsules arrow_schema and arrow_array, of the columns __arrow_c_schema__ names."""
        return self.people_table().__arrow_c_array__(requested_schema)

    def __arrow_c_stream__(self, requested_schema=None):
        """A PyCapsule arrow_array_stream, of the columns __arrow_c_schema__ names."""
        return self.people_table().__arrow_c_stream__(requested_schema)

    def events(self, process_ids, name_ids, uint64_t first_id):
        """The calls with a store's ids, as an ArrowTable: id, time_us uint64, process_id, name_id uint32, call uint8,
        length uint64; format 2: freed uint64, errno uint16, kind uint8, vm uint64 too. The maps are uint32 arrays,
        map[local id] = the store's id; ids count up from `first_id`."""
        cdef size_t rows = self.columns.rows
        cdef size_t i
        cdef IdMap processes = IdMap(process_ids, self.process_count, "process_ids")
        cdef IdMap names = IdMap(name_ids, self.name_count, "name_ids")
        cdef ArrowTable table = new_table(self, rows, 16 * rows + 1)
        cdef uint64_t *id = <uint64_t *> table.block
        cdef uint32_t *process_id = <uint32_t *> (id + rows)
        cdef uint32_t *name_id = process_id + rows
        with nogil:
            for i in range(rows):
                id[i] = first_id + i
                process_id[i] = processes.ids[self.columns.process[i]]
                name_id[i] = names.ids[self.columns.name[i]]
        table.column(b"id", b"L", id)
        table.column(b"time_us", b"L", self.columns.time_us)
        table.column(b"process_id", b"I", process_id)
        table.column(b"name_id", b"I", name_id)
        table.column(b"call", b"C", self.columns.call)
        table.column(b"length", b"L", self.columns.length)
        if self.columns.wide:
            table.column(b"freed", b"L", self.columns.freed)
            table.column(b"errno", b"S", self.columns.error)
            table.column(b"kind", b"C", self.columns.kind)
            table.column(b"vm", b"L", self.columns.vm)
        return table

    def events_text(self, process_ids, name_ids, uint64_t first_id):
        """The same columns as LOAD DATA text: a tab between fields, a newline after each row."""
        cdef IdMap processes = IdMap(process_ids, self.process_count, "process_ids")
        cdef IdMap names = IdMap(name_ids, self.name_count, "name_ids")
        cdef PyObject *text = NULL
        cdef char *begin
        cdef char *end
        result = PyBytes_FromStringAndSize(NULL, self.columns.rows * EVENT_TEXT_MAX)
        begin = PyBytes_AS_STRING(result)
        with nogil:
            end = put_events(begin, &self.columns, processes.ids, names.ids, first_id)
        text = <PyObject *> result
        Py_INCREF(result)
        result = None
        _PyBytes_Resize(&text, end - begin)
        result = <object> text
        Py_DECREF(result)
        return result

    def activity(self, process_ids, name_ids):
        """Sums of this batch by process and second, as an ArrowTable: process_id, name_id uint32, second uint64 (since
        the epoch), requested, released decimal128(38, 0) (bytes), requests, releases uint32, first_us, last_us uint64;
        format 2: failed uint32, vm, resident uint64 (bytes, as of the last call) too. A pair of process and second may
        occur more than once."""
        cdef size_t n = self.active
        cdef size_t i
        cdef Activity *a
        cdef IdMap processes = IdMap(process_ids, self.process_count, "process_ids")
        cdef IdMap names = IdMap(name_ids, self.name_count, "name_ids")
        cdef ArrowTable table = new_table(self, n, 92 * n + 1)
        cdef u128 *requested = <u128 *> table.block
        cdef u128 *released = requested + n
        cdef uint64_t *second = <uint64_t *> (released + n)
        cdef uint64_t *first_us = second + n
        cdef uint64_t *last_us = first_us + n
        cdef uint64_t *vm = last_us + n
        cdef uint64_t *resident = vm + n
        cdef uint32_t *process_id = <uint32_t *> (resident + n)
        cdef uint32_t *name_id = process_id + n
        cdef uint32_t *requests = name_id + n
        cdef uint32_t *releases = requests + n
        cdef uint32_t *failed = releases + n
        for i in range(n):
            a = &self.activities[i]
            requested[i] = a.requested
            released[i] = a.released
            second[i] = a.second_us // 1000000
            first_us[i] = a.first_us
            last_us[i] = a.last_us
            process_id[i] = processes.ids[a.process]
            name_id[i] = names.ids[a.name]
            requests[i] = a.requests
            releases[i] = a.releases
            failed[i] = a.failed
            vm[i] = a.vm
            resident[i] = a.rss
        table.column(b"process_id", b"I", process_id)
        table.column(b"name_id", b"I", name_id)
        table.column(b"second", b"L", second)
        table.column(b"requested", b"d:38,0", requested)
        table.column(b"released", b"d:38,0", released)
        table.column(b"requests", b"I", requests)
        table.column(b"releases", b"I", releases)
        table.column(b"first_us", b"L", first_us)
        table.column(b"last_us", b"L", last_us)
        if self.columns.wide:
            table.column(b"failed", b"I", failed)
            table.column(b"vm", b"L", vm)
            table.column(b"resident", b"L", resident)
        return table

    def activity_text(self, process_ids, name_ids):
        """The same columns as LOAD DATA text."""
        cdef IdMap processes = IdMap(process_ids, self.process_count, "process_ids")
        cdef IdMap names = IdMap(name_ids, self.name_count, "name_ids")
        cdef bytearray text = bytearray(self.active * ACTIVITY_TEXT_MAX)
        cdef char *begin = text
        cdef char *end = put_activities(begin, self.activities, self.active, processes.ids, names.ids,
                                        self.columns.wide)
        return bytes(memoryview(text)[:end - begin])


cdef scan_function *scan_of[3]
cdef const char *scan_names[3]
SCANS = tuple(scan_names[i].decode() for i in range(scan_ways(scan_of, scan_names)))


cdef class Parser:
    """Bytes of one stream to columns and to the ledger of exact totals per process. Used by one thread at a time.

    `rows`: how many calls a batch holds at most when the parser pulls from a ring. Give it bytes with `feed` (which
    makes as much room as it takes) or let it `pull` from a ring; `seal` hands out what it has as a Batch.
    """

    cdef Parse *parse
    cdef size_t rows
    cdef bint busy
    cdef readonly list process_pids
    cdef list process_starts
    cdef list process_facts
    cdef list names
    cdef bytearray carry

    def __cinit__(self, *, size_t rows=ROWS, str scan=SCANS[0], bytes header=b""):
        if not 1 <= rows <= 1 << 30:
            raise ValueError(f"rows {rows}: must be 1 to {1 << 30}")
        if scan not in SCANS:
            raise ValueError(f"scan {scan!r}: this processor has {', '.join(SCANS)}")
        self.rows = rows
        self.process_pids = []
        self.process_starts = []
        self.process_facts = []
        self.names = []
        self.carry = bytearray()
        self.parse = <Parse *> calloc(1, sizeof(Parse))
        if self.parse == NULL or not ledger_init(&self.parse.ledger) \
                or not self.new_columns(&self.parse.columns, False):
            raise MemoryError(f"parser: no memory for batches of {rows} calls")
        self.parse.scan = scan_of[<int> SCANS.index(scan)]
        if header:
            self.begin_with(header)

    def __dealloc__(self):
        if self.parse == NULL:
            return
        ledger_free(&self.parse.ledger)
        free(self.parse.names.comms)
        free(self.parse.names.slots)
        columns_free(&self.parse.columns)
        free(self.parse)

    cdef int begin_with(self, bytes header) except -1:
        """The stream is the rest of one that began with this header."""
        cdef const uint8_t *line = <const uint8_t *> PyBytes_AS_STRING(header)
        if len(header) > HEADER_MAX or not is_header_2(line, len(header)):
            raise FormatError(f"header {header[:80]!r}: not one of format 2")
        if not columns_widen(&self.parse.columns):
            raise MemoryError(f"parser: no memory for batches of {self.rows} calls")
        memcpy(self.parse.header, line, len(header))
        self.parse.header_size = <uint32_t> len(header)
        self.parse.format = 2
        return 0

    cdef bint new_columns(self, Columns *columns, bint wide) noexcept:
        return columns_init(columns, (self.rows + 7) // 8 * 8, wide)

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

    def pull(self, Ring ring not None, int64_t timeout_ms):
        """Takes lines from a ring until the batch is full ("full"), `timeout_ms` has passed ("waiting"), or the ring
        was closed and no whole line is left in it ("ended"). Raises MemoryError."""
        cdef timespec until
        cdef bint ended
        cdef size_t size
        cdef const uint8_t *data
        cdef Progress progress
        self.enter()
        try:
            with nogil:
                until = deadline_after(timeout_ms)
                progress = pull_lines(self.parse, &ring.state, &until, &ended)
            if progress > FULL:
                until = deadline_after(0)
                data = ring_data(&ring.state, 0, &until, &size, &ended)
                self.refuse(progress, data, size)
        finally:
            self.busy = False
        return "ended" if ended else "full" if progress == FULL else "waiting"

    def finish(self, Ring ring=None):
        """The stream has ended: an unfinished last line, fed or left in the ring, is rejected as cut."""
        cdef timespec now
        cdef size_t size
        cdef bint closed
        cdef const uint8_t *data
        self.enter()
        cut_line(self.parse, <const uint8_t *> PyByteArray_AS_STRING(self.carry), len(self.carry))
        self.carry = bytearray()
        if ring is not None:
            now = deadline_after(0)
            data = ring_data(&ring.state, 0, &now, &size, &closed)
            cut_line(self.parse, data, size)
            ring_release(&ring.state, size)
        self.busy = False

    def seal(self):
        """Hands out the calls taken since the last seal as a Batch, which may be empty. Raises MemoryError."""
        cdef Batch batch = Batch.__new__(Batch)
        cdef Columns columns
        cdef Ledger *ledger = &self.parse.ledger
        cdef uint32_t i
        self.enter()
        try:
            for i in range(len(self.process_pids), ledger.count):
                self.process_pids.append(ledger.processes[i].pid)
                self.process_starts.append(ledger.processes[i].start_us)
                if self.parse.format == 2:
                    self.process_facts.append(
                        (ledger.processes[i].uid, ledger.processes[i].cgroup, ledger.processes[i].parent))
            for i in range(len(self.names), self.parse.names.count):
                self.names.append(comm_bytes(self.parse.names.comms[i]))
            losses = [(self.parse.spans[i].time_us, self.parse.spans[i].events) for i in range(self.parse.span_count)]
            ended = self.newly_ended()
            if not self.new_columns(&columns, self.parse.columns.wide):
                raise MemoryError(f"parser: no memory for the next {self.rows} calls; what was taken is kept")
            ledger_fold(ledger)
            batch.columns = self.parse.columns
            batch.activities = ledger.activities
            batch.active = ledger.active
            batch.process_count = ledger.count
            batch.name_count = self.parse.names.count
            batch.process_pids = self.process_pids
            batch.process_starts = self.process_starts
            batch.process_facts = self.process_facts
            batch.ended = ended
            batch.names = self.names
            batch.losses = losses
            self.parse.columns = columns
            self.parse.span_count = 0
            ledger.activities = NULL
            ledger.active = 0
            ledger.active_capacity = 0
            ledger.ended_count = 0
        finally:
            self.busy = False
        return batch

    cdef list newly_ended(self):
        """Format 2: (local process id, time of its last line) of the processes that ended since the last seal."""
        cdef Ledger *ledger = &self.parse.ledger
        cdef uint32_t i
        if self.parse.format != 2:
            return []
        return [(ledger.ended[i], ledger.processes[ledger.ended[i]].held_us) for i in range(ledger.ended_count)]

    def end(self, pids):
        """These processes have ended: the next call under such a pid is another process's, begun with that call."""
        cdef uint32_t i
        self.enter()
        try:
            for pid in pids:
                i = self.parse.ledger.by_pid[<uint32_t> pid] if 0 <= pid <= PID_MAX else 0
                if i:
                    ledger_end(&self.parse.ledger, i - 1)
        finally:
            self.busy = False

    def ledger(self, *, bint live=False):
        """Every process's exact totals, as of this moment: a list of LedgerRow (bytes, calls, microseconds). `live`:
        without those that have ended."""
        cdef Ledger *ledger = &self.parse.ledger
        cdef uint32_t i
        cdef Process *p
        cdef Activity *activity
        cdef bint wide = self.parse.columns.wide
        self.enter()
        try:
            rows = {}
            for i in range(ledger.count):
                p = &ledger.processes[i]
                if live and p.ended:
                    continue
                rows[i] = [p.pid, p.start_us, comm_bytes(p.comm), integer(p.requested), integer(p.released), p.requests,
                           p.releases, p.failed, p.first_us, p.last_us, p.vm if wide else None,
                           p.rss if wide else None, bool(p.ended)]
            for i in range(ledger.active):
                activity = &ledger.activities[i]
                row = rows.get(activity.process)
                if row is None:
                    continue
                row[3] += integer(activity.requested)
                row[4] += integer(activity.released)
                row[5] += activity.requests
                row[6] += activity.releases
                row[7] += activity.failed
                row[8] = min(row[8], activity.first_us)
                row[9] = max(row[9], activity.last_us)
        finally:
            self.busy = False
        return [LedgerRow(*row) for row in rows.values()]
