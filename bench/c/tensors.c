/* Models: value and gradient, derivatives by hand. Results are overwritten. See bench/models.py. */
#include "limit.h"
#include <string.h>

/* n, x -> value, gradient: the chained Rosenbrock function */
void rosenbrock(void **a)
{
    SIZE(n, 0);
    ARRAY(x, 1); ARRAY(value, 2); ARRAY(g, 3);
    double total = 0.0;
    const double first = x[1] - x[0] * x[0];
    total = 100.0 * first * first + (1.0 - x[0]) * (1.0 - x[0]);
    g[0] = -400.0 * x[0] * first - 2.0 * (1.0 - x[0]);
#ifdef THREADS
#pragma omp parallel for simd reduction(+ : total) schedule(static)
#else
#pragma omp simd reduction(+ : total)
#endif
    for (ptrdiff_t i = 1; i < n - 1; i++) {
        const double before = x[i] - x[i - 1] * x[i - 1], after = x[i + 1] - x[i] * x[i];
        const double off = 1.0 - x[i];
        total += 100.0 * after * after + off * off;
        g[i] = 200.0 * before - 400.0 * x[i] * after - 2.0 * off;
    }
    g[n - 1] = 200.0 * (x[n - 1] - x[n - 2] * x[n - 2]);
    *value = total;
}

/* n, x[n,3] -> value, gradient[n,3]: Lennard-Jones; n <= 1024. Each pair once, eight second atoms at
 * a time. */
void lennard_jones(void **a)
{
    enum { MOST = 1024, LANES = 8 };
    SIZE(n, 0);
    ARRAY(points, 1); ARRAY(value, 2); ARRAY(gradient, 3);
    double x[3][MOST] __attribute__((aligned(64))), g[3][MOST] __attribute__((aligned(64)));
    const ptrdiff_t padded = (n + LANES - 1) / LANES * LANES;
    for (int k = 0; k < 3; k++)
        for (ptrdiff_t i = 0; i < padded; i++) {
            x[k][i] = i < n ? points[3 * i + k] : 1e6 * (double)(i + 1); /* far from everything */
            g[k][i] = 0.0;
        }
    /* in the block that has atom i, what is before it and itself counts for nothing; comparisons in
     * the loop would keep gcc from vectorising it */
    double later[LANES + 1][LANES], same[LANES + 1][LANES];
    for (int i = 0; i <= LANES; i++)
        for (int l = 0; l < LANES; l++) {
            later[i][l] = i == LANES || l > i;
            same[i][l] = l == i;
        }
    double total[LANES] = {0};
    for (ptrdiff_t i = 0; i < n; i++) {
        double force[3][LANES] = {{0}};
        const double x0 = x[0][i], x1 = x[1][i], x2 = x[2][i];
        for (ptrdiff_t j = i / LANES * LANES; j < padded; j += LANES) {
            const double *counts = later[j <= i ? i % LANES : LANES];
            const double *self = same[j <= i ? i % LANES : LANES];
#pragma omp simd
            for (int l = 0; l < LANES; l++) {
                const double d0 = x0 - x[0][j + l], d1 = x1 - x[1][j + l], d2 = x2 - x[2][j + l];
                const double squared = d0 * d0 + d1 * d1 + d2 * d2;
                const double inverse = counts[l] / (squared + self[l]);
                const double s = inverse * inverse * inverse;
                const double slope = inverse * s * (24.0 - 48.0 * s);
                total[l] += s * s - s;
                force[0][l] += slope * d0;
                force[1][l] += slope * d1;
                force[2][l] += slope * d2;
                g[0][j + l] -= slope * d0;
                g[1][j + l] -= slope * d1;
                g[2][j + l] -= slope * d2;
            }
        }
        for (int k = 0; k < 3; k++)
            for (int l = 0; l < LANES; l++)
                g[k][i] += force[k][l];
    }
    *value = 0.0;
    for (int l = 0; l < LANES; l++)
        *value += 4.0 * total[l];
    for (ptrdiff_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            gradient[3 * i + k] = g[k][i];
}

/* n, k, constant, x[n,10], alphas[k], means[k,10], icf[k,55] -> value, their gradients: ADBench's
 * Gaussian mixture with its Wishart prior (gamma 1, m 0), of dimension 10, with k <= 32.
 *
 * Points are lanes. The derivatives of a whitened point q = Q(x - mean), weighted with its
 * responsibility, are sums of products u_i x_j over the points: a small matrix product. */
enum { D = 10, BLOCK = 64, CLUSTERS = 32 };

static void mixture_block(ptrdiff_t k, ptrdiff_t count, const double x[D][BLOCK],
                          const double *alphas, const double factor[][D][D],
                          const double offset[][D], const double *log_det, double *total,
                          double *weight, double product[][D][D], double sum[][D])
{
    static _Thread_local double q[CLUSTERS][D][BLOCK], inner[CLUSTERS][BLOCK];
    double largest[BLOCK], denominator[BLOCK];
    for (int b = 0; b < BLOCK; b++) {
        largest[b] = -INFINITY;
        denominator[b] = 0.0;
    }
    for (ptrdiff_t c = 0; c < k; c++) {
        for (int start = 0; start < BLOCK; start += 16) {
            double squares[16];
            for (int b = 0; b < 16; b++)
                squares[b] = 0.0;
            for (int i = 0; i < D; i++) {
                double row[16];
#pragma omp simd
                for (int b = 0; b < 16; b++)
                    row[b] = -offset[c][i];
                for (int j = 0; j <= i; j++)
#pragma omp simd
                    for (int b = 0; b < 16; b++)
                        row[b] += factor[c][i][j] * x[j][start + b];
#pragma omp simd
                for (int b = 0; b < 16; b++) {
                    q[c][i][start + b] = row[b];
                    squares[b] += row[b] * row[b];
                }
            }
#pragma omp simd
            for (int b = 0; b < 16; b++) {
                const double here = alphas[c] + log_det[c] - 0.5 * squares[b];
                inner[c][start + b] = here;
                largest[start + b] = here > largest[start + b] ? here : largest[start + b];
            }
        }
    }
    for (ptrdiff_t c = 0; c < k; c++)
#pragma omp simd
        for (int b = 0; b < BLOCK; b++) {
            inner[c][b] = exp(inner[c][b] - largest[b]);
            denominator[b] += inner[c][b];
        }
    double likelihood = 0.0;
#pragma omp simd reduction(+ : likelihood)
    for (int b = 0; b < BLOCK; b++)
        likelihood += b < count ? largest[b] + log(denominator[b]) : 0.0;
    *total += likelihood;
    double share[BLOCK];
#pragma omp simd
    for (int b = 0; b < BLOCK; b++)
        share[b] = b < count ? 1.0 / denominator[b] : 0.0;
    for (ptrdiff_t c = 0; c < k; c++) {
        double here = 0.0;
#pragma omp simd reduction(+ : here)
        for (int b = 0; b < BLOCK; b++) {
            inner[c][b] *= share[b];
            here += inner[c][b];
        }
        weight[c] += here;
        for (int i = 0; i < D; i++) {
            double u[BLOCK], all = 0.0;
#pragma omp simd reduction(+ : all)
            for (int b = 0; b < BLOCK; b++) {
                u[b] = inner[c][b] * q[c][i][b];
                all += u[b];
            }
            sum[c][i] += all;
            for (int j = 0; j <= i; j++) {
                double dot = 0.0;
#pragma omp simd reduction(+ : dot)
                for (int b = 0; b < BLOCK; b++)
                    dot += u[b] * x[j][b];
                product[c][i][j] += dot;
            }
        }
    }
}

void mixture(void **a)
{
    SIZE(n, 0); SIZE(k, 1);
    ARRAY(constant, 2); ARRAY(points, 3); ARRAY(alphas, 4); ARRAY(means, 5); ARRAY(icf, 6);
    ARRAY(value, 7); ARRAY(g_alphas, 8); ARRAY(g_means, 9); ARRAY(g_icf, 10);
    enum { ICF = D * (D + 1) / 2 };
    static _Thread_local double factor[CLUSTERS][D][D], offset[CLUSTERS][D], log_det[CLUSTERS];
    static _Thread_local double product[CLUSTERS][D][D], sum[CLUSTERS][D], weight[CLUSTERS];
    memset(product, 0, sizeof product);
    memset(sum, 0, sizeof sum);
    memset(weight, 0, sizeof weight);
    double total = *constant, squares = 0.0;
    for (ptrdiff_t c = 0; c < k; c++) {
        const double *row = icf + c * ICF;
        log_det[c] = 0.0;
        for (int i = 0; i < D; i++) {
            log_det[c] += row[i];
            factor[c][i][i] = exp(row[i]);
            squares += factor[c][i][i] * factor[c][i][i];
        }
        const double *below = row + D;
        for (int j = 0; j < D; j++)
            for (int i = j + 1; i < D; i++, below++) {
                factor[c][i][j] = *below;
                squares += *below * *below;
            }
        for (int i = 0; i < D; i++) {
            offset[c][i] = 0.0;
            for (int j = 0; j <= i; j++)
                offset[c][i] += factor[c][i][j] * means[c * D + j];
        }
    }
    for (ptrdiff_t start = 0; start < n; start += BLOCK) {
        const ptrdiff_t count = n - start < BLOCK ? n - start : BLOCK;
        double x[D][BLOCK];
        for (ptrdiff_t b = 0; b < BLOCK; b++)
            for (int j = 0; j < D; j++)
                x[j][b] = b < count ? points[(start + b) * D + j] : 0.0;
        mixture_block(k, count, x, alphas, factor, offset, log_det, &total, weight, product, sum);
    }
    double largest = alphas[0], denominator = 0.0;
    for (ptrdiff_t c = 1; c < k; c++)
        largest = alphas[c] > largest ? alphas[c] : largest;
    for (ptrdiff_t c = 0; c < k; c++)
        denominator += exp(alphas[c] - largest);
    *value = total - (double)n * (largest + log(denominator)) + 0.5 * squares;
    for (ptrdiff_t c = 0; c < k; c++) {
        g_alphas[c] = weight[c] - (double)n * exp(alphas[c] - largest) / denominator;
        for (int j = 0; j < D; j++) {
            double here = 0.0;
            for (int i = j; i < D; i++)
                here += factor[c][i][j] * sum[c][i];
            g_means[c * D + j] = here;
        }
        const double *mean = means + c * D;
        double *g = g_icf + c * ICF, *below = g + D;
        for (int i = 0; i < D; i++) {
            const double d = factor[c][i][i];
            g[i] = weight[c] - d * (product[c][i][i] - mean[i] * sum[c][i]) + d * d;
        }
        for (int j = 0; j < D; j++)
            for (int i = j + 1; i < D; i++, below++)
                *below = factor[c][i][j] - (product[c][i][j] - mean[j] * sum[c][i]);
    }
}

/* dgemm's address, X[n,250], labels (64-bit), W[250,100], b[100], U[100,5], H[n,100] and scores
 * [n,5] as scratch, sizes n, features, hidden, classes -> value, gradients of W, b, U */
typedef void (*Gemm)(const char *, const char *, const int *, const int *, const int *,
                     const double *, const double *, const int *, const double *, const int *,
                     const double *, double *, const int *);

/* C = beta C + op(A) op(B), all row-major: Fortran sees the transposes */
static void multiply(Gemm gemm, int m, int n, int k, int ta, int tb, const double *A,
                     const double *B, double beta, double *C)
{
    const double one = 1.0;
    const int lda = ta ? m : k, ldb = tb ? k : n;
    gemm(tb ? "T" : "N", ta ? "T" : "N", &n, &m, &k, &one, B, &ldb, A, &lda, &beta, C, &n);
}

void network(void **a)
{
    const int64_t *sizes = a[0];
    const int n = (int)sizes[0], features = (int)sizes[1], hidden = (int)sizes[2];
    const int classes = (int)sizes[3];
    Gemm gemm = (Gemm)(intptr_t)sizes[4];
    ARRAY(X, 1); ARRAY(W, 3); ARRAY(b, 4); ARRAY(U, 5); ARRAY(H, 6); ARRAY(S, 7); ARRAY(bar, 8);
    const int64_t *labels = a[2];
    ARRAY(value, 9); ARRAY(g_W, 10); ARRAY(g_b, 11); ARRAY(g_U, 12);
    const double decay = 1e-2;
    multiply(gemm, n, hidden, features, 0, 0, X, W, 0.0, H);
    for (int i = 0; i < n; i++)
#pragma omp simd
        for (int j = 0; j < hidden; j++)
            H[i * hidden + j] = tanh(H[i * hidden + j] + b[j]);
    multiply(gemm, n, classes, hidden, 0, 0, H, U, 0.0, S);
    double loss = 0.0;
    for (int i = 0; i < n; i++) {
        double *row = S + i * classes, largest = row[0], sum = 0.0;
        for (int j = 1; j < classes; j++)
            largest = row[j] > largest ? row[j] : largest;
        loss -= row[labels[i]] - largest;
        for (int j = 0; j < classes; j++) {
            row[j] = exp(row[j] - largest);
            sum += row[j];
        }
        loss += log(sum);
        for (int j = 0; j < classes; j++)
            row[j] *= 1.0 / (sum * n);
        row[labels[i]] -= 1.0 / n;
    }
    double squares = 0.0;
#pragma omp simd reduction(+ : squares)
    for (int i = 0; i < features * hidden; i++) {
        squares += W[i] * W[i];
        g_W[i] = decay * W[i];
    }
    for (int i = 0; i < hidden * classes; i++) {
        squares += U[i] * U[i];
        g_U[i] = decay * U[i];
    }
    *value = loss / n + 0.5 * decay * squares;
    multiply(gemm, hidden, classes, n, 1, 0, H, S, 1.0, g_U);
    multiply(gemm, n, hidden, classes, 0, 1, S, U, 0.0, bar);
    for (int j = 0; j < hidden; j++)
        g_b[j] = 0.0;
    for (int i = 0; i < n; i++)
#pragma omp simd
        for (int j = 0; j < hidden; j++) {
            const double h = H[i * hidden + j];
            bar[i * hidden + j] *= 1.0 - h * h;
            g_b[j] += bar[i * hidden + j];
        }
    multiply(gemm, features, hidden, n, 1, 0, X, bar, 1.0, g_W);
}
