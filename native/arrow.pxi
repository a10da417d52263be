# Columns to Arrow, through the C data interface (arrow.apache.org/docs/format/CDataInterface.html): the consumer
# gets pointers to our memory and calls `release` when done, from any thread. Each array and schema that is handed
# out holds one reference to the ArrowTable it came from; nothing is copied.

cdef extern from *:
    """
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    struct ArrowSchema {
        const char *format, *name, *metadata;
        int64_t flags, n_children;
        struct ArrowSchema **children, *dictionary;
        void (*release)(struct ArrowSchema *);
        void *private_data;
    };
    struct ArrowArray {
        int64_t length, null_count, offset, n_buffers, n_children;
        const void **buffers;
        struct ArrowArray **children, *dictionary;
        void (*release)(struct ArrowArray *);
        void *private_data;
    };
    #endif
    #ifndef ARROW_C_STREAM_INTERFACE
    #define ARROW_C_STREAM_INTERFACE
    struct ArrowArrayStream {
        int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
        int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
        const char *(*get_last_error)(struct ArrowArrayStream *);
        void (*release)(struct ArrowArrayStream *);
        void *private_data;
    };
    #endif
    """
    struct ArrowSchema:
        const char *format
        const char *name
        const char *metadata
        int64_t flags
        int64_t n_children
        ArrowSchema **children
        ArrowSchema *dictionary
        void (*release)(ArrowSchema *) noexcept
        void *private_data

    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void **buffers
        ArrowArray **children
        ArrowArray *dictionary
        void (*release)(ArrowArray *) noexcept
        void *private_data

    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept
        const char *(*get_last_error)(ArrowArrayStream *) noexcept
        void (*release)(ArrowArrayStream *) noexcept
        void *private_data

cdef enum:
    FIELDS_MAX = 12
    OUT_OF_MEMORY = 12  # ENOMEM: what a stream's callbacks answer

cdef struct Field:
    const char *name             # a literal
    const char *format           # a literal: Arrow's format string
    const void *buffers[2]       # validity (none: nothing is null) and data
    const char *words_format     # of the dictionary; NULL: the column is plain
    const void *words[3]         # validity, int32 offsets, bytes
    int64_t word_count

cdef struct Words:               # a dictionary of few words
    int32_t offsets[16]
    char text[96]
    int64_t count

cdef struct StreamState:
    PyObject *table
    bint done


cdef void release_schema(ArrowSchema *schema) noexcept with gil:
    cdef int64_t i
    for i in range(schema.n_children):
        if schema.children[i].release != NULL:
            schema.children[i].release(schema.children[i])
        free(schema.children[i])
    free(schema.children)
    if schema.dictionary != NULL:
        if schema.dictionary.release != NULL:
            schema.dictionary.release(schema.dictionary)
        free(schema.dictionary)
    Py_DECREF(<object> schema.private_data)
    schema.release = NULL


cdef void release_array(ArrowArray *array) noexcept with gil:
    cdef int64_t i
    for i in range(array.n_children):
        if array.children[i].release != NULL:
            array.children[i].release(array.children[i])
        free(array.children[i])
    free(array.children)
    if array.dictionary != NULL:
        if array.dictionary.release != NULL:
            array.dictionary.release(array.dictionary)
        free(array.dictionary)
    Py_DECREF(<object> array.private_data)
    array.release = NULL


cdef void begin_schema(ArrowSchema *schema, ArrowTable table, const char *name, const char *format) noexcept:
    memset(schema, 0, sizeof(ArrowSchema))
    schema.name = name
    schema.format = format
    schema.release = release_schema
    schema.private_data = <void *> table
    Py_INCREF(table)


cdef void begin_array(ArrowArray *array, ArrowTable table, int64_t length, const void **buffers,
                      int64_t n_buffers) noexcept:
    memset(array, 0, sizeof(ArrowArray))
    array.length = length
    array.buffers = buffers
    array.n_buffers = n_buffers
    array.release = release_array
    array.private_data = <void *> table
    Py_INCREF(table)


cdef bint fill_schema(ArrowTable table, ArrowSchema *schema) noexcept:
    """False where memory is short; then nothing is left to release."""
    cdef int i
    cdef Field *field
    cdef ArrowSchema *child
    begin_schema(schema, table, b"", b"+s")
    schema.children = <ArrowSchema **> calloc(table.width, sizeof(void *))
    if schema.children == NULL:
        release_schema(schema)
        return False
    for i in range(table.width):
        field = &table.fields[i]
        child = <ArrowSchema *> malloc(sizeof(ArrowSchema))
        if child == NULL:
            release_schema(schema)
            return False
        begin_schema(child, table, field.name, field.format)
        schema.children[i] = child
        schema.n_children = i + 1
        if field.words_format != NULL:
            child.dictionary = <ArrowSchema *> malloc(sizeof(ArrowSchema))
            if child.dictionary == NULL:
                release_schema(schema)
                return False
            begin_schema(child.dictionary, table, b"", field.words_format)
    return True


cdef bint fill_array(ArrowTable table, ArrowArray *array) noexcept:
    """False where memory is short; then nothing is left to release."""
    cdef int i
    cdef Field *field
    cdef ArrowArray *child
    begin_array(array, table, table.rows, table.no_buffers, 1)
    array.children = <ArrowArray **> calloc(table.width, sizeof(void *))
    if array.children == NULL:
        release_array(array)
        return False
    for i in range(table.width):
        field = &table.fields[i]
        child = <ArrowArray *> malloc(sizeof(ArrowArray))
        if child == NULL:
            release_array(array)
            return False
        begin_array(child, table, table.rows, field.buffers, 2)
        array.children[i] = child
        array.n_children = i + 1
        if field.words_format != NULL:
            child.dictionary = <ArrowArray *> malloc(sizeof(ArrowArray))
            if child.dictionary == NULL:
                release_array(array)
                return False
            begin_array(child.dictionary, table, field.word_count, field.words, 3)
    return True


cdef int stream_schema(ArrowArrayStream *stream, ArrowSchema *schema) noexcept with gil:
    cdef StreamState *state = <StreamState *> stream.private_data
    return 0 if fill_schema(<ArrowTable> state.table, schema) else OUT_OF_MEMORY


cdef int stream_next(ArrowArrayStream *stream, ArrowArray *array) noexcept with gil:
    cdef StreamState *state = <StreamState *> stream.private_data
    if state.done:
        memset(array, 0, sizeof(ArrowArray))  # released: the end
        return 0
    if not fill_array(<ArrowTable> state.table, array):
        return OUT_OF_MEMORY
    state.done = True
    return 0


cdef const char *stream_error(ArrowArrayStream *stream) noexcept with gil:
    return b"memtap: out of memory"


cdef void release_stream(ArrowArrayStream *stream) noexcept with gil:
    cdef StreamState *state = <StreamState *> stream.private_data
    Py_DECREF(<object> state.table)
    free(state)
    stream.release = NULL


cdef void drop_schema(object capsule) noexcept:
    cdef ArrowSchema *schema = <ArrowSchema *> PyCapsule_GetPointer(capsule, "arrow_schema")
    if schema.release != NULL:
        schema.release(schema)
    free(schema)


cdef void drop_array(object capsule) noexcept:
    cdef ArrowArray *array = <ArrowArray *> PyCapsule_GetPointer(capsule, "arrow_array")
    if array.release != NULL:
        array.release(array)
    free(array)


cdef void drop_stream(object capsule) noexcept:
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if stream.release != NULL:
        stream.release(stream)
    free(stream)


cdef class ArrowTable:
    """Columns in Arrow's C layout; DuckDB, polars, pandas and pyarrow take it without copying."""

    cdef Field fields[FIELDS_MAX]
    cdef const void *no_buffers[1]
    cdef int width
    cdef int64_t rows
    cdef void *block       # memory of this table's own columns
    cdef object owner      # keeps the memory of the others

    def __cinit__(self):
        self.width = 0
        self.no_buffers[0] = NULL

    def __init__(self):
        raise TypeError("an ArrowTable is made by a Batch")

    def __dealloc__(self):
        free(self.block)

    def __len__(self):
        return self.rows

    cdef Field *column(self, const char *name, const char *format, const void *data) noexcept:
        cdef Field *field = &self.fields[self.width]
        memset(field, 0, sizeof(Field))
        field.name = name
        field.format = format
        field.buffers[1] = data
        self.width += 1
        return field

    cdef void dictionary(self, const char *name, const void *indices, Words *words) noexcept:
        """A column of uint8 indices into a few words."""
        cdef Field *field = self.column(name, b"C", indices)
        field.words_format = b"u"
        field.words[1] = words.offsets
        field.words[2] = words.text
        field.word_count = words.count

    def __arrow_c_schema__(self):
        """A PyCapsule named arrow_schema: a struct with one child a column."""
        cdef ArrowSchema *schema = <ArrowSchema *> malloc(sizeof(ArrowSchema))
        if schema == NULL or not fill_schema(self, schema):
            free(schema)
            raise MemoryError("no memory for an Arrow schema")
        return PyCapsule_New(schema, "arrow_schema", drop_schema)

    def __arrow_c_array__(self, requested_schema=None):
        """Two PyCapsules, arrow_schema and arrow_array. `requested_schema` is a wish; it is not heeded."""
        cdef ArrowArray *array
        schema = self.__arrow_c_schema__()
        array = <ArrowArray *> malloc(sizeof(ArrowArray))
        if array == NULL or not fill_array(self, array):
            free(array)
            raise MemoryError("no memory for an Arrow array")
        return schema, PyCapsule_New(array, "arrow_array", drop_array)

    def __arrow_c_stream__(self, requested_schema=None):
        """A PyCapsule named arrow_array_stream, of one array. `requested_schema` is a wish; it is not heeded."""
        cdef ArrowArrayStream *stream = <ArrowArrayStream *> malloc(sizeof(ArrowArrayStream))
        cdef StreamState *state = <StreamState *> malloc(sizeof(StreamState))
        if stream == NULL or state == NULL:
            free(stream)
            free(state)
            raise MemoryError("no memory for an Arrow stream")
        state.table = <PyObject *> self
        state.done = False
        Py_INCREF(self)
        stream.get_schema = stream_schema
        stream.get_next = stream_next
        stream.get_last_error = stream_error
        stream.release = release_stream
        stream.private_data = state
        return PyCapsule_New(stream, "arrow_array_stream", drop_stream)


cdef ArrowTable new_table(object owner, int64_t rows, size_t block_bytes):
    cdef ArrowTable table = ArrowTable.__new__(ArrowTable)
    table.owner = owner
    table.rows = rows
    if block_bytes:
        table.block = malloc(block_bytes)
        if table.block == NULL:
            raise MemoryError(f"no memory for {block_bytes} bytes of Arrow columns")
    return table
