/* What the kernels share: how they are called, and how their loops are marked.
 *
 * A kernel is `void name(void **a)`, its operands and results in a[0], a[1], ...; sizes come as
 * 64-bit integers. -DTHREADS (with -fopenmp) splits the loops that PARALLEL marks. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY(name, i) double *restrict name = a[i]
#define SIZE(name, i) const ptrdiff_t name = *(const int64_t *)a[i]

#ifdef THREADS
#define PARALLEL_SIMD _Pragma("omp parallel for simd schedule(static)")
#define PARALLEL _Pragma("omp parallel for schedule(static)")
#else
#define PARALLEL_SIMD _Pragma("omp simd")
#define PARALLEL
#endif
