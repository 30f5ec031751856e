/* Value and gradient at one point, floats in and a tuple of floats out, as a CPython extension:
 * derivatives by hand. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>

/* Fills `numbers`; -1 with an exception where an argument is no float. */
static inline int read_floats(PyObject *const *args, Py_ssize_t given, Py_ssize_t wanted,
                              double *numbers)
{
    if (given != wanted) {
        PyErr_SetString(PyExc_TypeError, "wrong number of arguments");
        return -1;
    }
    for (Py_ssize_t i = 0; i < wanted; i++) {
        if (PyFloat_CheckExact(args[i])) {
            numbers[i] = PyFloat_AS_DOUBLE(args[i]);
        } else {
            numbers[i] = PyFloat_AsDouble(args[i]);
            if (numbers[i] == -1.0 && PyErr_Occurred())
                return -1;
        }
    }
    return 0;
}

static inline PyObject *tuple_of(const double *numbers, Py_ssize_t count)
{
    PyObject *result = PyTuple_New(count);
    if (!result)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *number = PyFloat_FromDouble(numbers[i]);
        if (!number) {
            Py_DECREF(result);
            return NULL;
        }
        PyTuple_SET_ITEM(result, i, number);
    }
    return result;
}

static inline void lecture_at(const double *a, double *r)
{
    double sum = a[0] + a[1], larger = fmax(a[1], a[2]);
    double share = a[1] > a[2] ? 1.0 : a[1] < a[2] ? 0.0 : 0.5; /* a tie gives half to each */
    r[0] = sum * larger;
    r[1] = larger;
    r[2] = larger + sum * share;
    r[3] = sum * (1.0 - share);
}

static inline void radiation_at(const double *a, double *r)
{
    const double h = a[0], T = a[1], c = a[2], s = a[3], w = a[4];
    const double below = 1.0 / (T - 35.85);
    const double pressure = 6.11 * h * exp(17.27 * (T - 273.15) * below) / T;
    const double T3 = T * T * T, s3 = s * s * s, cloud = 1.0 + 0.22 * c * c;
    const double k = 0.97 * 5.67e-8;
    const double clear = k * 1.24 * pow(pressure, 0.142857) * T3 * T;
    const double sky = clear * cloud;
    r[0] = sky - k * s3 * s + 0.2 * w * (T - s);
    r[1] = 0.142857 * sky / h;
    r[2] = sky * (0.142857 * (17.27 * (273.15 - 35.85) * below * below - 1.0 / T) + 4.0 / T)
           + 0.2 * w;
    r[3] = 0.44 * c * clear;
    r[4] = -4.0 * k * s3 - 0.2 * w;
    r[5] = 0.2 * (T - s);
}

static inline void solar_at(const double *a, double *r)
{
    const double l = a[0], d = a[1], h = a[2], b = a[3], t = a[4];
    const double sl = sin(l), cl = cos(l), sd = sin(d), cd = cos(d), sh = sin(h), ch = cos(h);
    const double sb = sin(b), cb = cos(b);
    const double st = sl * cb - cl * sb, ct = cl * cb + sl * sb; /* of l - b */
    const double sun = sl * sd + cl * cd * ch, seen = st * sd + ct * cd * ch;
    const double inverse = 1.0 / sun, beam = 1361.0 * exp(-t * inverse);
    const double of_sun = beam * seen * t * inverse * inverse + 68.0 * (1.0 + cb);
    const double tilted = ct * sd - st * cd * ch;
    r[0] = beam * seen + 68.0 * sun * (1.0 + cb);
    r[1] = of_sun * (cl * sd - sl * cd * ch) + beam * tilted;
    r[2] = of_sun * (sl * cd - cl * sd * ch) + beam * (st * cd - ct * sd * ch);
    r[3] = -(of_sun * cl + beam * ct) * cd * sh;
    r[4] = -beam * tilted - 68.0 * sun * sb;
    r[5] = -beam * seen * inverse;
}

static inline void black_scholes_at(const double *a, double *g)
{
    const double S = a[0], K = a[1], T = a[2], r = a[3], v = a[4];
    const double root = sqrt(T), spread = v * root;
    const double d1 = (log(S / K) + (r + 0.5 * v * v) * T) / spread, d2 = d1 - spread;
    const double below1 = 0.5 * erfc(-M_SQRT1_2 * d1), below2 = 0.5 * erfc(-M_SQRT1_2 * d2);
    const double density = 0.3989422804014326779 * exp(-0.5 * d1 * d1);
    const double discounted = K * exp(-r * T) * below2;
    g[0] = S * below1 - discounted;
    g[1] = below1;
    g[2] = S * density * root;
    g[3] = -S * density * v / (2.0 * root) - r * discounted;
    g[4] = T * discounted;
    g[5] = density / (S * spread);
}

/* The entry points: a flat tuple, and (value, (derivatives...)) as symdiff has it. */
#define ENTRIES(name, inputs, outputs)                                                             \
    static PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t count)                 \
    {                                                                                              \
        double a[inputs], r[outputs];                                                              \
        (void)self;                                                                                \
        if (read_floats(args, count, inputs, a) < 0)                                               \
            return NULL;                                                                           \
        name##_at(a, r);                                                                           \
        return tuple_of(r, outputs);                                                               \
    }                                                                                              \
    static PyObject *name##_nested(PyObject *self, PyObject *const *args, Py_ssize_t count)        \
    {                                                                                              \
        double a[inputs], r[outputs];                                                              \
        (void)self;                                                                                \
        if (read_floats(args, count, inputs, a) < 0)                                               \
            return NULL;                                                                           \
        name##_at(a, r);                                                                           \
        PyObject *value = PyFloat_FromDouble(r[0]), *gradient = tuple_of(r + 1, outputs - 1);      \
        PyObject *result = value && gradient ? PyTuple_New(2) : NULL;                              \
        if (!result) {                                                                             \
            Py_XDECREF(value);                                                                     \
            Py_XDECREF(gradient);                                                                  \
            return NULL;                                                                           \
        }                                                                                          \
        PyTuple_SET_ITEM(result, 0, value);                                                        \
        PyTuple_SET_ITEM(result, 1, gradient);                                                     \
        return result;                                                                             \
    }

ENTRIES(lecture, 3, 4)
ENTRIES(radiation, 5, 6)
ENTRIES(solar, 5, 6)
ENTRIES(black_scholes, 5, 6)

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}
static PyMethodDef methods[] = {
    METHOD(lecture), METHOD(radiation), METHOD(solar), METHOD(black_scholes),
    METHOD(lecture_nested), METHOD(radiation_nested), METHOD(solar_nested),
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "calls", NULL, -1, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_calls(void)
{
    return PyModule_Create(&module);
}
