/* bind(address, buffers): a callable without arguments that calls the function at `address` with
 * an array of the buffers' addresses. The cheapest call that Python has: no argument is read.
 * The callable keeps the buffers alive and exported. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define MOST 32

typedef void (*Function)(void **);

typedef struct {
    Function function;
    Py_ssize_t count;
    void *pointers[MOST];
    Py_buffer views[MOST];
} Frame;

static void release(PyObject *capsule)
{
    Frame *frame = PyCapsule_GetPointer(capsule, NULL);
    for (Py_ssize_t i = 0; i < frame->count; i++)
        PyBuffer_Release(&frame->views[i]);
    PyMem_Free(frame);
}

static PyObject *call(PyObject *capsule, PyObject *unused)
{
    (void)unused;
    Frame *frame = PyCapsule_GetPointer(capsule, NULL);
    frame->function(frame->pointers);
    Py_RETURN_NONE;
}

static PyMethodDef call_method = {"bound", call, METH_NOARGS, NULL};

static PyObject *bind(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long address;
    PyObject *buffers;
    if (!PyArg_ParseTuple(args, "KO!", &address, &PyTuple_Type, &buffers))
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(buffers);
    if (count > MOST) {
        PyErr_SetString(PyExc_ValueError, "too many buffers");
        return NULL;
    }
    Frame *frame = PyMem_Calloc(1, sizeof *frame);
    if (!frame)
        return PyErr_NoMemory();
    frame->function = (Function)(uintptr_t)address;
    PyObject *capsule = PyCapsule_New(frame, NULL, release);
    if (!capsule) {
        PyMem_Free(frame);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *buffer = PyTuple_GET_ITEM(buffers, i);
        if (PyObject_GetBuffer(buffer, &frame->views[i], PyBUF_C_CONTIGUOUS) < 0) {
            Py_DECREF(capsule);
            return NULL;
        }
        frame->pointers[i] = frame->views[i].buf;
        frame->count = i + 1;
    }
    PyObject *made = PyCFunction_New(&call_method, capsule);
    Py_DECREF(capsule);
    return made;
}

static PyMethodDef methods[] = {{"bind", bind, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "bound", NULL, -1, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_bound(void)
{
    return PyModule_Create(&module);
}
