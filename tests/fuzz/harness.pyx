"""One input of the fuzzer: the native core reads it in several ways, which must agree, and agree with plain sums.

The core's own sources are compiled into this module, with sanitizers; around.h stands between them and the C library.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "around.h" nogil:
    void fuzz_require(bint holds, const char *what)
    void fuzz_fail_allocations(uint64_t first, uint64_t count)
    void *fuzz_buffer(size_t size)
    void fuzz_release(void *buffer)
    void fuzz_shorten(void *buffer, size_t whole, size_t size)
    const uint8_t *fuzz_file
    size_t fuzz_left
    size_t (*fuzz_piece)(size_t left, void *argument) noexcept nogil
    void (*fuzz_other_side)(void *argument) noexcept nogil
    void *fuzz_argument
    void fuzz_cleared(void *table)
    int64_t fuzz_live
    int fuzz_defect
    enum: FUZZ_PIECE

include "core.pyx"

import traceback

include "chance.pxi"      # the choices an input makes
include "reading.pxi"     # one way to read it, checked batch by batch
include "ways.pxi"        # the ways
include "objects.pxi"     # the way through Python's objects, and all forms of a batch


cdef public int fuzz_input(const uint8_t *input, size_t size) noexcept with gil:
    """Reads one input in every way it asks for. Ends the process where something does not hold."""
    cdef Chance chance
    cdef Outcome whole
    cdef Outcome other
    cdef size_t stream_size
    cdef int64_t live = fuzz_live
    cdef uint8_t *stream = chance_begin(&chance, input, size, &stream_size)
    with nogil:
        read_whole(stream, stream_size, &chance, &whole)
        if chance.pieces:
            read_pieces(stream, stream_size, &chance, &other)
            require_same(&whole, &other)
        if chance.ring:
            read_through_ring(stream, stream_size, &chance, &other)
            require_same(&whole, &other)
        if chance.reader:
            read_through_reader(stream, stream_size, &chance, &whole)
            read_as_file(stream, stream_size, &chance, &other)
            require_same(&whole, &other)
    if chance.objects:
        try:
            read_objects(stream[:stream_size], &chance, &whole)
        except BaseException:
            traceback.print_exc()
            fuzz_require(False, b"nothing is raised")
    fuzz_release(stream)
    fuzz_require(fuzz_live == live, b"nothing is left allocated")
    return 0
