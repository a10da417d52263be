# Batch: what was parsed, as Python and the stores see it.

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


cdef uint64_t generations = 0


cdef uint64_t next_generation():
    """A number that no other generation of this process has."""
    global generations
    generations += 1
    return generations


EVENT_COLUMNS = ("id", "time_us", "process_id", "name_id", "what", "length")
EXTRA_COLUMNS = ("vm_pages", "vm_wide", "errno", "freed", "length_wide", "name_wide")  # in the order of EXTRA_*


cdef class Batch:
    """Calls as columns; never changes. Lengths in bytes, times in microseconds since the epoch.

    `process` and `name` are local ids: local process i is `process_pids[i]`, `process_starts[i]`, local name i is
    `names[i]`. Batches of one `generation` share these lists, which only ever grow, and hold at least `process_count`
    or `name_count` items.

    Of a stream in format 2, `wide` is true, and there are the columns and facts that only that format says.
    """

    cdef Columns columns
    cdef Activities activities
    cdef Second *seconds_in
    cdef size_t second_count
    cdef readonly uint64_t generation
    cdef readonly size_t process_count
    cdef readonly size_t name_count
    cdef readonly array process_pids    # they grow as the parser goes on, and hold no object for each process
    cdef readonly array process_starts
    cdef readonly list process_facts
    cdef readonly list names
    cdef readonly list losses
    cdef readonly list ended

    def __init__(self):
        raise TypeError("a Batch is made by Parser.seal() or Batch.unpack()")

    def __dealloc__(self):
        columns_free(&self.columns)
        activities_free(&self.activities)
        free(self.seconds_in)

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

    @property
    def seconds(self):
        """(second since the epoch, events, rejected lines) of each second that has any, ascending. A rejected line
        counts to the second of the event before it, be that in an earlier batch; to second 0 where there was none."""
        cdef size_t i
        return [(self.seconds_in[i].second, self.seconds_in[i].events, self.seconds_in[i].rejected)
                for i in range(self.second_count)]

    def pack(self):
        """All of it as bytes, with the processes and names that it refers to and no others, for `unpack`."""
        return pack_batch(self)

    @staticmethod
    def unpack(data):
        """The batch that `pack` was called on, from bytes-like `data`: of a generation of its own, with local ids of
        its own. ValueError, with what is wrong and where, for bytes that no batch can have made."""
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if <size_t> view.buf % 8:
                data = bytes(data)
                return unpack_batch(<const uint8_t *> PyBytes_AS_STRING(data), len(data))
            return unpack_batch(<const uint8_t *> view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    def take_rejected(self, Batch dropped not None):
        """The rejected lines of an earlier batch, which no store has seen and none will, count in this one's seconds,
        which none has seen yet. Raises MemoryError."""
        cdef Second *joined
        cdef size_t i
        rejected = {second: lines for second, _, lines in dropped.seconds if lines}
        if not rejected:
            return
        calls = {}
        for second, events, lines in self.seconds:
            calls[second] = events
            rejected[second] = rejected.get(second, 0) + lines
        joined = <Second *> malloc(len(rejected) * sizeof(Second))
        if joined == NULL:
            raise MemoryError("batch: no memory for its seconds; nothing was taken")
        for i, second in enumerate(sorted(rejected)):
            joined[i].second = second
            joined[i].events = calls.get(second, 0)
            joined[i].rejected = rejected[second]
        free(self.seconds_in)
        self.seconds_in = joined
        self.second_count = len(rejected)

    def take_ended(self, Batch dropped not None):
        """The processes that ended in an earlier batch, which no store has seen and none will, end with this one,
        which none has seen yet."""
        cdef size_t i
        if dropped.generation == self.generation:
            self.ended[:0] = dropped.ended
            return
        pids = self.process_pids[:self.process_count]
        starts = self.process_starts[:self.process_count]
        facts = self.process_facts[:self.process_count]
        found = {identity: i for i, identity in enumerate(zip(pids, starts))}
        ended = []
        for i, time_us in dropped.ended:
            identity = dropped.process_pids[i], dropped.process_starts[i]
            if identity not in found:
                found[identity] = len(pids)
                pids.append(identity[0])
                starts.append(identity[1])
                if self.columns.wide:
                    facts.append(dropped.process_facts[i])
            ended.append((found[identity], time_us))
        if len(pids) > self.process_count:
            self.process_pids, self.process_starts, self.process_facts = pids, starts, facts
            self.process_count = len(pids)
            self.generation = next_generation()
        self.ended[:0] = ended

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

    def events_columns(self, name_ids):
        """The columns of `events_text`, in its order."""
        cdef IdMap names = IdMap(name_ids, self.name_count, "name_ids")
        cdef uint32_t extras
        with nogil:
            extras = event_extras(&self.columns, names.ids, self.name_count)
        return EVENT_COLUMNS + tuple([EXTRA_COLUMNS[i] for i in range(len(EXTRA_COLUMNS)) if extras >> i & 1])

    def events_text(self, process_ids, name_ids, uint64_t first_id):
        """The calls as LOAD DATA text, in few bytes each: a tab between fields, \\N for NULL, a newline a row. They are
        in the order of time, which is the table's: it grows at its end, and its pages get full. A memoryview of the
        block that they are written to, which goes back to the spare ones when nobody has it any more: bytes would be
        a copy, and new pages each time.

        `what` is the call, and in format 2 also 16 times the index of its kind plus 1, and 128 where `freed` is the
        length in whole pages of 4,096 bytes. A length beyond 24 bits or a name id beyond 16 is NULL and stands in
        `length_wide` or `name_wide`, a vm that is not some 32 bits of whole pages in `vm_wide` and not in `vm_pages`.
        `errno` is NULL where it is 0, `freed` where it is 0 or `what` says it. A column that is NULL in every row is
        left out.
        """
        cdef IdMap processes = IdMap(process_ids, self.process_count, "process_ids")
        cdef IdMap names = IdMap(name_ids, self.name_count, "name_ids")
        cdef bint sorted = in_order(&self.columns)
        cdef Moment *order = NULL
        cdef Block text = Block.__new__(Block)
        cdef char *end
        text.bytes = self.columns.rows * EVENT_TEXT_MAX
        text.block = take_block_of(text.bytes)
        try:
            if not sorted:
                order = <Moment *> malloc(self.columns.rows * sizeof(Moment))
            if text.block == NULL or not (sorted or order):
                raise MemoryError(f"batch: no memory for the text of {self.columns.rows} calls")
            with nogil:
                if order != NULL:
                    sort_moments(&self.columns, order)
                end = put_events(<char *> text.block, &self.columns, processes.ids, names.ids, first_id,
                                 event_extras(&self.columns, names.ids, self.name_count), order)
            return new_column(text, text.block, end - <char *> text.block, 1, b"B")
        finally:
            free(order)

    def activity(self, process_ids, name_ids):
        """Sums of this batch by process and second, as an ArrowTable: process_id, name_id uint32, second uint64 (since
        the epoch), requested, released decimal128(38, 0) (bytes), requests, releases uint32, first_us, last_us uint64;
        format 2: failed uint32, vm, resident uint64 (bytes, as of the last call) too. A pair of process and second may
        occur more than once."""
        cdef size_t n = self.activities.count
        cdef size_t i
        cdef Activity a
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
            activity_get(&self.activities, i, &a)
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

    def sums_text(self, process_ids, uint64_t step):
        """Sums of this batch by process and step of `step` seconds, as rows of SQL values, ascending by step and
        process, a comma and a newline after each: begin of the step in seconds since the epoch, process_id, requested,
        released (bytes), requests, releases; format 2: failed, vm, resident, held_us too, NULL where not known."""
        if step == 0:
            raise ValueError("a step of 0 seconds")
        return sums_text(&self.activities, IdMap(process_ids, self.process_count, "process_ids"), None,
                         step * 1000000, self.columns.wide)

    def process_sums_text(self, process_ids, name_ids):
        """The same for the whole batch, ascending by process: process_id, the latest name_id, first_us, last_us, and
        from `requested` on as above."""
        return sums_text(&self.activities, IdMap(process_ids, self.process_count, "process_ids"),
                         IdMap(name_ids, self.name_count, "name_ids"), 0, self.columns.wide)

    def times(self, uint64_t below):
        """(time_us of the first, of the last, of the last one before `below`, else 0), None for no call at all."""
        cdef uint64_t first = <uint64_t> -1
        cdef uint64_t last = 0
        cdef uint64_t last_below = 0
        cdef const uint64_t *times = self.columns.time_us
        cdef size_t rows = self.columns.rows
        cdef size_t i
        cdef Activity activity
        if rows == 0:
            return None
        if below == 0 and 0 < self.activities.count < rows:  # their sums know, and are fewer
            with nogil:
                for i in range(self.activities.count):
                    activity_get(&self.activities, i, &activity)
                    first = min(first, activity.first_us)
                    last = max(last, activity.last_us)
            return first, last, 0
        with nogil:
            for i in range(rows):  # two loops that a vector does
                first = times[i] if times[i] < first else first
                last = times[i] if times[i] > last else last
            if last < below:
                last_below = last
            elif first < below:
                for i in range(rows):
                    if last_below < times[i] < below:
                        last_below = times[i]
        return first, last, last_below

    def counts(self):
        """How many calls there are of each kind: {name: calls}, for all of CALLS."""
        cdef uint64_t[4][256] found  # in turns: one count need not wait for the one before
        cdef const uint8_t *call = self.columns.call
        cdef size_t rows = self.columns.rows
        cdef size_t i
        memset(found, 0, sizeof(found))
        with nogil:
            for i in range(rows):
                found[i & 3][call[i]] += 1
        return {CALLS[i]: found[0][i] + found[1][i] + found[2][i] + found[3][i] for i in range(len(CALLS))}
