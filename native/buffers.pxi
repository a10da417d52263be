# Memory that Python lends or borrows, through the buffer protocol.

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


cdef class Block:
    """Memory of a spare block, given back when nobody looks at it any more."""

    cdef void *block
    cdef size_t bytes

    def __dealloc__(self):
        give_back(self.block, self.bytes)
