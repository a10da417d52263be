# A batch as bytes that need nothing else to be a batch again: for whoever keeps batches outside of this process.
#
# A head of counts, then arrays one behind another, each at a multiple of 8 bytes, of the widest items first. All
# numbers are little-endian. Local ids are the batch's own: only processes and names that it refers to are in it.

cdef enum:
    PACK_MAGIC = 0x313068637461626d  # `mbatch01`: the version is in it
    PACK_MOST = 0xffffffff           # of anything: no size below can overflow
    UNUSED = 0xffffffff              # of no packed id

cdef struct PackHead:
    uint64_t magic
    uint64_t rows
    uint64_t wide
    uint64_t processes
    uint64_t names
    uint64_t activities
    uint64_t seconds
    uint64_t losses
    uint64_t ended

cdef struct Packed:       # where everything is
    Activity *activities
    Comm *names
    Second *seconds
    Lost *losses
    uint64_t *time_us     # of each row, as in Columns
    uint64_t *length
    uint64_t *freed
    uint64_t *vm
    uint64_t *rss
    uint64_t *start_us    # of each process
    uint64_t *cgroup      # of each process, if wide
    uint64_t *ended_us    # of each that ended
    uint32_t *process     # of each row
    uint32_t *name
    uint32_t *pid         # of each process
    uint32_t *uid         # of each process, if wide
    uint32_t *parent      # of each process, if wide
    uint32_t *ended       # local id of each that ended
    uint16_t *error
    uint8_t *call
    uint8_t *kind


cdef inline size_t lay_packed(void **part, uint8_t *base, size_t at, uint64_t count, size_t item) noexcept nogil:
    part[0] = <void *> (<size_t> base + at)  # in numbers: `base` is NULL where only the size is asked for
    return at + (count * item + 7) // 8 * 8


cdef size_t packed_lay(Packed *packed, uint8_t *base, const PackHead *head) noexcept nogil:
    """Finds every part from the counts, none of which is above PACK_MOST; returns how many bytes there are."""
    cdef uint64_t wide_rows = head.rows if head.wide else 0
    cdef uint64_t wide_processes = head.processes if head.wide else 0
    cdef size_t at = sizeof(PackHead)
    at = lay_packed(<void **> &packed.activities, base, at, head.activities, sizeof(Activity))
    at = lay_packed(<void **> &packed.names, base, at, head.names, sizeof(Comm))
    at = lay_packed(<void **> &packed.seconds, base, at, head.seconds, sizeof(Second))
    at = lay_packed(<void **> &packed.losses, base, at, head.losses, sizeof(Lost))
    at = lay_packed(<void **> &packed.time_us, base, at, head.rows, 8)
    at = lay_packed(<void **> &packed.length, base, at, head.rows, 8)
    at = lay_packed(<void **> &packed.freed, base, at, wide_rows, 8)
    at = lay_packed(<void **> &packed.vm, base, at, wide_rows, 8)
    at = lay_packed(<void **> &packed.rss, base, at, wide_rows, 8)
    at = lay_packed(<void **> &packed.start_us, base, at, head.processes, 8)
    at = lay_packed(<void **> &packed.cgroup, base, at, wide_processes, 8)
    at = lay_packed(<void **> &packed.ended_us, base, at, head.ended, 8)
    at = lay_packed(<void **> &packed.process, base, at, head.rows, 4)
    at = lay_packed(<void **> &packed.name, base, at, head.rows, 4)
    at = lay_packed(<void **> &packed.pid, base, at, head.processes, 4)
    at = lay_packed(<void **> &packed.uid, base, at, wide_processes, 4)
    at = lay_packed(<void **> &packed.parent, base, at, wide_processes, 4)
    at = lay_packed(<void **> &packed.ended, base, at, head.ended, 4)
    at = lay_packed(<void **> &packed.error, base, at, wide_rows, 2)
    at = lay_packed(<void **> &packed.call, base, at, head.rows, 1)
    return lay_packed(<void **> &packed.kind, base, at, wide_rows, 1)


cdef class IdsInUse:
    """Which local ids a batch refers to, and their numbers among themselves, in the same order."""

    cdef uint32_t *packed  # by local id
    cdef size_t count      # of local ids
    cdef size_t used

    def __cinit__(self, size_t count):
        self.count = count
        self.packed = <uint32_t *> malloc(4 * count + 4)
        if self.packed == NULL:
            raise MemoryError(f"pack: no memory for {count} ids")
        memset(self.packed, 0, 4 * count)

    def __dealloc__(self):
        free(self.packed)

    cdef void number(self) noexcept nogil:
        """From marks, 1 or 0, to numbers."""
        cdef size_t i
        for i in range(self.count):
            if self.packed[i]:
                self.packed[i] = <uint32_t> self.used
                self.used += 1
            else:
                self.packed[i] = UNUSED


cdef bytes pack_batch(Batch batch):
    cdef Columns *columns = &batch.columns
    cdef IdsInUse processes = IdsInUse(batch.process_count)
    cdef IdsInUse names = IdsInUse(batch.name_count)
    cdef PackHead head
    cdef Packed packed
    cdef Comm comm
    cdef size_t i, at
    cdef uint8_t *base
    cdef list ended = batch.ended
    cdef list losses = batch.losses
    with nogil:
        for i in range(columns.rows):
            processes.packed[columns.process[i]] = 1
            names.packed[columns.name[i]] = 1
        for i in range(batch.activities.count):
            processes.packed[batch.activities.beginnings[i].process] = 1
            names.packed[batch.activities.running[i].name] = 1
    for process, _ in ended:
        if not 0 <= process < batch.process_count:
            raise ValueError(f"ended: {process} is no local process id, of which there are {batch.process_count}")
        processes.packed[<size_t> process] = 1
    processes.number()
    names.number()
    memset(&head, 0, sizeof(PackHead))
    head.magic = PACK_MAGIC
    head.rows = columns.rows
    head.wide = columns.wide
    head.processes = processes.used
    head.names = names.used
    head.activities = batch.activities.count
    head.seconds = batch.second_count
    head.losses = len(losses)
    head.ended = len(ended)
    at = packed_lay(&packed, NULL, &head)
    made = PyBytes_FromStringAndSize(NULL, at)
    base = <uint8_t *> PyBytes_AS_STRING(made)
    packed_lay(&packed, base, &head)
    memset(base, 0, at)  # between the parts too
    memcpy(base, &head, sizeof(PackHead))
    with nogil:
        pack_rows(&packed, batch, processes.packed, names.packed)
    for i in range(batch.process_count):
        if processes.packed[i] != UNUSED:
            at = processes.packed[i]
            packed.pid[at] = batch.process_pids.data.as_uints[i]
            packed.start_us[at] = batch.process_starts.data.as_ulonglongs[i]
            if columns.wide:
                packed.uid[at], packed.cgroup[at], packed.parent[at] = batch.process_facts[i]
    for i in range(batch.name_count):
        if names.packed[i] != UNUSED:
            name = <bytes> batch.names[i]
            memset(&comm, 0, sizeof(Comm))
            memcpy(&comm, PyBytes_AS_STRING(name), min(len(name), COMM_MAX))
            packed.names[names.packed[i]] = comm
    for i in range(len(losses)):
        packed.losses[i].time_us, packed.losses[i].events = losses[i]
    for i in range(len(ended)):
        packed.ended[i] = processes.packed[<size_t> ended[i][0]]
        packed.ended_us[i] = ended[i][1]
    return made


cdef void pack_ids(uint32_t *to, const uint32_t *ids, size_t rows, const uint32_t *numbers) noexcept nogil:
    cdef size_t i
    for i in range(rows):
        to[i] = numbers[ids[i]]


cdef void pack_rows(Packed *to, Batch batch, const uint32_t *processes, const uint32_t *names) noexcept nogil:
    cdef Columns *columns = &batch.columns
    cdef size_t rows = columns.rows
    cdef size_t i
    memcpy(to.time_us, columns.time_us, 8 * rows)
    memcpy(to.length, columns.length, 8 * rows)
    memcpy(to.call, columns.call, rows)
    pack_ids(to.process, columns.process, rows, processes)
    pack_ids(to.name, columns.name, rows, names)
    if columns.wide:
        memcpy(to.freed, columns.freed, 8 * rows)
        memcpy(to.vm, columns.vm, 8 * rows)
        memcpy(to.rss, columns.rss, 8 * rows)
        memcpy(to.error, columns.error, 2 * rows)
        memcpy(to.kind, columns.kind, rows)
    memcpy(to.seconds, batch.seconds_in, batch.second_count * sizeof(Second))
    for i in range(batch.activities.count):
        activity_get(&batch.activities, i, &to.activities[i])
        to.activities[i].process = processes[to.activities[i].process]
        to.activities[i].name = names[to.activities[i].name]


cdef fused Unsigned:
    uint8_t
    uint16_t
    uint32_t


cdef int refuse_from(str what, const Unsigned *values, size_t count, uint64_t limit) except -1:
    """Raises ValueError for the first value that is not below a limit."""
    cdef size_t at = 0
    with nogil:
        while at < count and values[at] < limit:
            at += 1
    if at < count:
        raise ValueError(f"packed batch: {what} {at} is {values[at]}, not below {limit}")
    return 0


cdef bint is_comm(Comm comm) noexcept nogil:
    """At most 15 bytes, and nothing behind the first NUL."""
    cdef bint ended = False
    cdef uint64_t low = until_nul(comm.low, &ended)
    if ended:
        return low == comm.low and comm.high == 0
    return until_nul(comm.high, &ended) == comm.high and ended


cdef int check_packed(const Packed *packed, const PackHead *head) except -1:
    """Raises ValueError for what no batch can hold: what and where.

    Sums need no limit: PACK_MOST activities of 64 bits come to less than 2^96, and stores hold 10^38 - 1.
    """
    cdef size_t i
    cdef uint64_t events = 0
    cdef uint64_t begin
    cdef Activity *a
    refuse_from("process of row", packed.process, head.rows, head.processes)
    refuse_from("name of row", packed.name, head.rows, head.names)
    refuse_from("call of row", packed.call, head.rows, CALL_PROC + 1 if head.wide else CALL_MMAP)
    refuse_from("pid of process", packed.pid, head.processes, PID_MAX + 1)
    refuse_from("process of end", packed.ended, head.ended, head.processes)
    if head.wide:
        refuse_from("parent of process", packed.parent, head.processes, PID_MAX + 1)
        refuse_from("errno of row", packed.error, head.rows, 4096)
        refuse_from("kind of row", packed.kind, head.rows, KIND_RESERVED + 1)
    for i in range(head.names):
        if not is_comm(packed.names[i]):
            raise ValueError(f"packed batch: name {i} is no comm: more than {COMM_MAX} bytes, or a NUL in it")
    for i in range(head.activities):
        a = &packed.activities[i]
        begin = a.second_us
        if a.process >= head.processes or a.name >= head.names or begin % 1000000 or a.first_us > a.last_us \
                or a.first_us - begin >= 1000000 or a.last_us - begin >= 1000000:
            raise ValueError(f"packed batch: activity {i} is of no process, no name, or not of one second")
    for i in range(head.seconds):
        if i and packed.seconds[i].second <= packed.seconds[i - 1].second:
            raise ValueError(f"packed batch: second {i} is not after the one before it")
        if packed.seconds[i].second > <uint64_t> -1 // 1000000:
            raise ValueError(f"packed batch: second {i} is {packed.seconds[i].second}, beyond 64 bits of microseconds")
        if packed.seconds[i].events > head.rows - events:
            raise ValueError(f"packed batch: second {i} has more calls than are left of {head.rows}")
        events += packed.seconds[i].events
    if events != head.rows:
        raise ValueError(f"packed batch: its seconds have {events} calls, and its columns {head.rows}")
    return 0


cdef Batch unpack_batch(const uint8_t *data, size_t size):
    """From bytes that are aligned to 8. ValueError for what no batch can be."""
    cdef PackHead head
    cdef Packed packed
    cdef uint8_t *base = <uint8_t *> data
    cdef size_t i
    cdef uint64_t[7] counts
    cdef Batch batch
    if size < sizeof(PackHead):
        raise ValueError(f"packed batch: {size} bytes are too few for one")
    memcpy(&head, data, sizeof(PackHead))
    if head.magic != PACK_MAGIC:
        raise ValueError(f"packed batch: begins with {data[:8]!r}, not with b'mbatch01'")
    counts = [head.rows, head.processes, head.names, head.activities, head.seconds, head.losses, head.ended]
    for i in range(7):
        if counts[i] > PACK_MOST:
            raise ValueError(f"packed batch: count {i} of its head is {counts[i]}, more than {<uint64_t> PACK_MOST}")
    if head.wide > 1:
        raise ValueError(f"packed batch: its head says {head.wide}, where 0 or 1 says whether it is of format 2")
    if packed_lay(&packed, NULL, &head) != size:
        raise ValueError(f"packed batch: {size} bytes, where its head tells of {packed_lay(&packed, NULL, &head)}")
    packed_lay(&packed, base, &head)
    check_packed(&packed, &head)
    batch = Batch.__new__(Batch)
    batch.process_count = head.processes
    batch.name_count = head.names
    batch.generation = next_generation()
    batch.process_pids = clone(NO_PIDS, head.processes, False)
    batch.process_starts = clone(NO_STARTS, head.processes, False)
    for i in range(head.processes):
        batch.process_pids.data.as_uints[i] = packed.pid[i]
        batch.process_starts.data.as_ulonglongs[i] = packed.start_us[i]
    batch.process_facts = []
    if head.wide:
        batch.process_facts = [
            (packed.uid[i], packed.cgroup[i], packed.parent[i]) for i in range(head.processes)]
    batch.names = [comm_bytes(packed.names[i]) for i in range(head.names)]
    batch.losses = [(packed.losses[i].time_us, packed.losses[i].events) for i in range(head.losses)]
    batch.ended = [(packed.ended[i], packed.ended_us[i]) for i in range(head.ended)]
    if not unpack_rows(batch, &packed, &head):
        raise MemoryError(f"unpack: no memory for {head.rows} calls")
    return batch


cdef bint unpack_rows(Batch batch, const Packed *packed, const PackHead *head) noexcept nogil:
    cdef Columns *columns = &batch.columns
    cdef size_t rows = head.rows
    cdef size_t i
    if not columns_init(columns, (rows + 8) // 8 * 8, head.wide):
        return False
    columns.rows = rows
    memcpy(columns.time_us, packed.time_us, 8 * rows)
    memcpy(columns.length, packed.length, 8 * rows)
    memcpy(columns.process, packed.process, 4 * rows)
    memcpy(columns.name, packed.name, 4 * rows)
    memcpy(columns.call, packed.call, rows)
    pack_ids(columns.pid, packed.process, rows, packed.pid)
    if head.wide:
        memcpy(columns.freed, packed.freed, 8 * rows)
        memcpy(columns.vm, packed.vm, 8 * rows)
        memcpy(columns.rss, packed.rss, 8 * rows)
        memcpy(columns.error, packed.error, 2 * rows)
        memcpy(columns.kind, packed.kind, rows)
    batch.seconds_in = <Second *> malloc((head.seconds + 1) * sizeof(Second))
    if batch.seconds_in == NULL or not activities_init(&batch.activities, head.activities, head.wide):
        return False
    memcpy(batch.seconds_in, packed.seconds, head.seconds * sizeof(Second))
    batch.second_count = head.seconds
    for i in range(head.activities):
        activity_set(&batch.activities, i, &packed.activities[i])
    batch.activities.count = head.activities
    return True
