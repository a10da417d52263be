# Memory for tables that grow with what they hold. A large one has whole pages: growing copies nothing, what nobody has
# touched costs nothing, and a row of 64 bytes lies in one cache line.

cdef enum:
    PAGES_FROM = 256 << 10  # bytes; less comes from the heap

cdef struct Pages:
    void *base
    size_t bytes


cdef bint pages_resize(Pages *pages, size_t bytes) noexcept nogil:
    """At least so many bytes; of a large table, those that are new are 0. False, and nothing changed, where memory is
    short."""
    cdef void *moved
    if bytes < PAGES_FROM and pages.bytes < PAGES_FROM:
        if bytes == pages.bytes:
            return True
        moved = realloc(pages.base, bytes)
        if moved == NULL:
            return False
    else:
        bytes = (bytes if bytes > PAGES_FROM else PAGES_FROM) + 4095
        bytes -= bytes % 4096
        if bytes == pages.bytes:
            return True
        if pages.bytes < PAGES_FROM:
            moved = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        else:
            moved = mremap(pages.base, pages.bytes, bytes, MREMAP_MAYMOVE)
        if moved == MAP_FAILED:
            return False
        if pages.base != NULL and pages.bytes < PAGES_FROM:
            memcpy(moved, pages.base, pages.bytes)
            free(pages.base)
    pages.base = moved
    pages.bytes = bytes
    return True


cdef void pages_free(Pages *pages) noexcept nogil:
    if pages.bytes < PAGES_FROM:
        free(pages.base)
    else:
        munmap(pages.base, pages.bytes)
    pages.base = NULL
    pages.bytes = 0
