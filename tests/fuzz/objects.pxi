# Through Python's objects: Parser, Batch, and every form that a batch can be taken in.

cdef object read_objects(bytes stream, Chance *chance, const Outcome *whole):
    """Feeds a Parser in pieces, seals now and then."""
    cdef Parser parser = Parser(
        rows=chance.rows, scan=SCANS[chance.scan % len(SCANS)], keep_ended=chance_below(chance, 4))
    cdef size_t at = 0
    cdef size_t piece
    try:
        while at < <size_t> len(stream):
            piece = chance_piece(chance, len(stream) - at)
            parser.feed(stream[at:at + piece])
            at += piece
            if chance_below(chance, 16) == 0:
                check_batch(parser.seal(), chance)
            if chance_below(chance, 16) == 0:
                parser.end([row.pid for row in parser.ledger(live=True)[:2]])
        parser.finish()
    except FormatError:
        fuzz_require(whole.refused, b"objects refuse a header that others refuse")
        return
    fuzz_require(not whole.refused, b"objects refuse a header that others refuse")
    check_batch(parser.seal(), chance)
    fuzz_require(parser.consumed == len(stream) and parser.lines == whole.lines, b"objects see the same lines")
    fuzz_require(parser.lines == parser.events + parser.rejected + parser.notices, b"objects' counts agree")
    if whole.long_lines:
        return
    fuzz_require(parser.events == whole.events and parser.notices == whole.notices and parser.lost == whole.lost,
                 b"objects count the same")
    fuzz_require(len(parser.samples) == min(parser.rejected, 16), b"rejected lines are kept as samples")


cdef object check_batch(Batch batch, Chance *chance):
    """In all its forms; packed and unpacked it is the same; damaged bytes are refused, or are another batch."""
    cdef bytes packed = batch.pack()
    cdef Batch other = Batch.unpack(packed)
    cdef char *damaged
    cdef size_t size = len(packed)
    check_forms(batch, chance)
    check_forms(other, chance)
    fuzz_require(other.pack() == packed, b"a batch is packed into the same bytes again")
    fuzz_require(other.seconds == batch.seconds and other.losses == batch.losses, b"seconds and losses are packed")
    fuzz_require(sorted([(other.process_pids[i], at) for i, at in other.ended])
                 == sorted([(batch.process_pids[i], at) for i, at in batch.ended]), b"ends are packed")
    for _ in range(4):
        data = bytearray(packed)
        damaged = data
        for _ in range(1 + chance_below(chance, 3)):
            damaged[chance_below(chance, size)] = <char> chance_next(chance)
        if chance_below(chance, 4) == 0:
            del data[chance_below(chance, size):]
        try:
            other = Batch.unpack(data)
        except ValueError:
            continue
        check_forms(other, chance)
        other.pack()


cdef object check_forms(Batch batch, Chance *chance):
    cdef uint32_t *process_map = check_map(<uint32_t> batch.process_count, 4000000000)
    cdef uint32_t *name_map = check_map(<uint32_t> batch.name_count, 99999999)
    cdef bytes processes = (<char *> process_map)[:4 * batch.process_count]
    cdef bytes names = (<char *> name_map)[:4 * batch.name_count]
    cdef uint64_t first_id = chance_next(chance) >> 1
    cdef bytes text
    text = bytes(batch.events_text(processes, names, first_id))
    check_event_rows(text, <const char *> text + len(text), &batch.columns, process_map, name_map, first_id,
                     event_extras(&batch.columns, name_map, batch.name_count), True)
    fuzz_require(len(batch.events_columns(names)) >= 6, b"the columns that each call has")
    text = batch.sums_text(processes, 1)
    check_sums_rows(text, <const char *> text + len(text), &batch.activities, batch.columns.wide)
    batch.process_sums_text(processes, names)
    batch.times(first_id)
    check_arrow(batch.events(processes, names, first_id), len(batch))
    check_arrow(batch.activity(processes, names), batch.activities.count)
    check_arrow(batch, len(batch))
    check_stream(batch)
    for short in (processes[:len(processes) - 1], b""):
        if batch.process_count:
            try:
                batch.events_text(short, names, first_id)
                fuzz_require(False, b"a map that is too short is refused")
            except ValueError:
                pass
    fuzz_require(sum(memoryview(batch.call)) == sum([code for code in batch.call]), b"columns are memoryviews")
    fuzz_require(<size_t> len(batch.process_pids) >= batch.process_count
                 and <size_t> len(batch.process_starts) >= batch.process_count
                 and <size_t> len(batch.names) >= batch.name_count, b"the lists hold what the batch refers to")
    fuzz_release(process_map)
    fuzz_release(name_map)


cdef int item_bytes(const char *format) noexcept:
    """Of an Arrow format string that memtap uses; 0: of another."""
    cdef const char *formats = b"CSILd"
    cdef const char *found = <const char *> memchr(formats, format[0], 5)
    return 1 << (found - formats) if found != NULL else 0


cdef uint64_t check_column(const ArrowSchema *schema, const ArrowArray *array, int64_t rows) noexcept:
    """Every byte of a column can be read; indices lie in their dictionary. Returns a sum of the bytes."""
    cdef const uint8_t *data = <const uint8_t *> array.buffers[1]
    cdef const int32_t *offsets
    cdef const uint8_t *words
    cdef int size = item_bytes(schema.format)
    cdef uint64_t sum = 0
    cdef int64_t i
    fuzz_require(array.length == rows and array.null_count == 0 and array.offset == 0, b"arrow: a column's rows")
    fuzz_require(size != 0 and array.n_buffers == 2 and (<uint64_t> data) % <uint64_t> size == 0, b"arrow: aligned")
    for i in range(rows * size):
        sum += data[i]
    if schema.dictionary != NULL:
        fuzz_require(array.dictionary != NULL and array.dictionary.n_buffers == 3, b"arrow: a dictionary")
        offsets = <const int32_t *> array.dictionary.buffers[1]
        words = <const uint8_t *> array.dictionary.buffers[2]
        for i in range(rows):
            fuzz_require((data[i] if size == 1 else (<const uint32_t *> data)[i]) < array.dictionary.length,
                         b"arrow: an index lies in its dictionary")
        for i in range(array.dictionary.length):
            fuzz_require(0 <= offsets[i] <= offsets[i + 1], b"arrow: offsets ascend")
        for i in range(offsets[array.dictionary.length]):
            sum += words[i]
    return sum


cdef object check_arrow(object table, int64_t rows):
    cdef ArrowSchema *schema
    cdef ArrowArray *array
    cdef int64_t i
    schema_capsule, array_capsule = table.__arrow_c_array__()
    schema = <ArrowSchema *> PyCapsule_GetPointer(schema_capsule, "arrow_schema")
    array = <ArrowArray *> PyCapsule_GetPointer(array_capsule, "arrow_array")
    fuzz_require(schema.n_children == array.n_children and array.length == rows, b"arrow: schema and array agree")
    for i in range(array.n_children):
        check_column(schema.children[i], array.children[i], rows)
    # a consumer may take the structures out, and give them back in any order
    if rows % 2:
        array.release(array)
        schema.release(schema)


cdef object check_stream(Batch batch):
    cdef ArrowArrayStream *stream
    cdef ArrowSchema schema
    cdef ArrowArray array
    capsule = batch.__arrow_c_stream__()
    stream = <ArrowArrayStream *> PyCapsule_GetPointer(capsule, "arrow_array_stream")
    fuzz_require(stream.get_schema(stream, &schema) == 0, b"arrow: a stream has a schema")
    fuzz_require(stream.get_next(stream, &array) == 0 and array.length == <int64_t> len(batch), b"arrow: and one array")
    array.release(&array)
    fuzz_require(stream.get_next(stream, &array) == 0 and array.release == NULL, b"arrow: and then its end")
    schema.release(&schema)
