/* A Python with the native core in it, as module `core`, so that the core alone can be built with a sanitizer. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyMODINIT_FUNC PyInit_core(void);

int main(int argc, char **argv) {
    PyImport_AppendInittab("core", PyInit_core);
    return Py_BytesMain(argc, argv);
}
