/* Small Jacobians at many points, derivatives by hand. Arrays hold one number of every point after
 * the other (rows of a matrix whose columns are points), so that points are lanes. */
#include "limit.h"
#include <string.h>

/* n, parameters[17,n] -> residuals[2,n], jacobian[30,n]: bundle adjustment. Parameters are the 11 of
 * the camera, the point (3), the weight, the feature (2); the Jacobian of each residual is by the
 * first 15. */
void reprojection(void **a)
{
    SIZE(n, 0);
    ARRAY(p, 1); ARRAY(e, 2); ARRAY(J, 3);
#define P(i) p[(i) * n + o]
#define OUT(r, i) J[((r) * 15 + (i)) * n + o]
    PARALLEL_SIMD
    for (ptrdiff_t o = 0; o < n; o++) {
        const double r0 = P(0), r1 = P(1), r2 = P(2);
        const double x0 = P(11) - P(3), x1 = P(12) - P(4), x2 = P(13) - P(5);
        const double f = P(6), k1 = P(9), k2 = P(10), w = P(14);
        const double squared = r0 * r0 + r1 * r1 + r2 * r2;
        /* 1 for a camera that is not turned, else 0; a comparison would keep gcc from vectorising */
        const double still = fmax(0.0, 1.0 - 0x1p1000 * squared);
        const double inverse = 1.0 / (squared + still), angle = sqrt(squared);
        const double c = cos(angle);
        /* sin(angle)/angle, (1 - cos(angle))/angle^2, and their derivatives by r, over r; all terms
         * but the limits are 0 where the camera is not turned */
        const double s = sin(angle) * angle * inverse + still;
        const double b = (1.0 - c) * inverse + 0.5 * still;
        const double ds = (c - s) * inverse - still / 3.0;
        const double db = (s - 2.0 * b) * inverse - still / 12.0;
        const double dot = r0 * x0 + r1 * x1 + r2 * x2;
        const double c0 = r1 * x2 - r2 * x1, c1 = r2 * x0 - r0 * x2, c2 = r0 * x1 - r1 * x0;
        const double y0 = c * x0 + s * c0 + b * dot * r0;
        const double y1 = c * x1 + s * c1 + b * dot * r1;
        const double z = 1.0 / (c * x2 + s * c2 + b * dot * r2);
        const double u = y0 * z, v = y1 * z, q = u * u + v * v;
        const double bend = 1.0 + q * (k1 + q * k2), slope = 2.0 * (k1 + 2.0 * q * k2);
        const double off0 = f * bend * u + P(7) - P(15), off1 = f * bend * v + P(8) - P(16);
        e[o] = w * off0;
        e[n + o] = w * off1;
        /* by the seen point y */
        const double wf = w * f, mixed = wf * slope * u * v;
        const double uu = wf * (bend + slope * u * u), vv = wf * (bend + slope * v * v);
        const double a0 = uu * z, a1 = mixed * z, a2 = -(a0 * u + a1 * v);
        const double b0 = mixed * z, b1 = vv * z, b2 = -(b0 * u + b1 * v);
        /* rotation: R = c + s [r]x + b r r^T */
        const double R00 = c + b * r0 * r0, R01 = b * r0 * r1 - s * r2, R02 = b * r0 * r2 + s * r1;
        const double R10 = b * r0 * r1 + s * r2, R11 = c + b * r1 * r1, R12 = b * r1 * r2 - s * r0;
        const double R20 = b * r0 * r2 - s * r1, R21 = b * r1 * r2 + s * r0, R22 = c + b * r2 * r2;
        const double X00 = a0 * R00 + a1 * R10 + a2 * R20, X10 = b0 * R00 + b1 * R10 + b2 * R20;
        const double X01 = a0 * R01 + a1 * R11 + a2 * R21, X11 = b0 * R01 + b1 * R11 + b2 * R21;
        const double X02 = a0 * R02 + a1 * R12 + a2 * R22, X12 = b0 * R02 + b1 * R12 + b2 * R22;
        OUT(0, 11) = X00; OUT(0, 12) = X01; OUT(0, 13) = X02;
        OUT(1, 11) = X10; OUT(1, 12) = X11; OUT(1, 13) = X12;
        OUT(0, 3) = -X00; OUT(0, 4) = -X01; OUT(0, 5) = -X02;
        OUT(1, 3) = -X10; OUT(1, 4) = -X11; OUT(1, 5) = -X12;
        /* by r_j: what is along r_j as a whole, and what is along axis j */
        const double t0 = -s * x0 + ds * c0 + db * dot * r0;
        const double t1 = -s * x1 + ds * c1 + db * dot * r1;
        const double t2 = -s * x2 + ds * c2 + db * dot * r2;
        const double at = a0 * t0 + a1 * t1 + a2 * t2, bt = b0 * t0 + b1 * t1 + b2 * t2;
        const double ar = b * (a0 * r0 + a1 * r1 + a2 * r2), br = b * (b0 * r0 + b1 * r1 + b2 * r2);
        const double bd = b * dot;
        OUT(0, 0) = at * r0 + ar * x0 + bd * a0 + s * (a2 * x1 - a1 * x2);
        OUT(0, 1) = at * r1 + ar * x1 + bd * a1 + s * (a0 * x2 - a2 * x0);
        OUT(0, 2) = at * r2 + ar * x2 + bd * a2 + s * (a1 * x0 - a0 * x1);
        OUT(1, 0) = bt * r0 + br * x0 + bd * b0 + s * (b2 * x1 - b1 * x2);
        OUT(1, 1) = bt * r1 + br * x1 + bd * b1 + s * (b0 * x2 - b2 * x0);
        OUT(1, 2) = bt * r2 + br * x2 + bd * b2 + s * (b1 * x0 - b0 * x1);
        OUT(0, 6) = w * bend * u; OUT(1, 6) = w * bend * v;
        OUT(0, 7) = w; OUT(1, 7) = 0.0; OUT(0, 8) = 0.0; OUT(1, 8) = w;
        OUT(0, 9) = wf * q * u; OUT(1, 9) = wf * q * v;
        OUT(0, 10) = wf * q * q * u; OUT(1, 10) = wf * q * q * v;
        OUT(0, 14) = off0; OUT(1, 14) = off1;
    }
}

/* An arm with 7 joints, see bench/jacobians.py: all its twists are multiples of a right angle, so a
 * link turns about its z axis and then swaps two axes. */
#define LANES(lanes) for (int l = 0; l < (lanes); l++)

static const double TWIST[7] = {-1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 0.0};
static const double LENGTH[7] = {0.34, 0.0, 0.4, 0.0, 0.4, 0.0, 0.126};

#define ARM(lanes)                                                                                 \
    /* columns of the rotation: X, Y, Z; the place; axes and places of the joints */               \
    double X[3][lanes], Y[3][lanes], Z[3][lanes], p[3][lanes], z[7][3][lanes], at[7][3][lanes];    \
    for (int k = 0; k < 3; k++)                                                                    \
        SIMD LANES(lanes)                                                                          \
        {                                                                                          \
            X[k][l] = k == 0;                                                                      \
            Y[k][l] = k == 1;                                                                      \
            Z[k][l] = k == 2;                                                                      \
            p[k][l] = 0.0;                                                                         \
        }                                                                                          \
    _Pragma("GCC unroll 7") for (int i = 0; i < 7; i++)                                            \
        _Pragma("GCC unroll 3") for (int k = 0; k < 3; k++)                                        \
            SIMD LANES(lanes)                                                                      \
    {                                                                                              \
        const double x = X[k][l], y = Y[k][l], up = Z[k][l];                                       \
        const double along = c[i][l] * x + s[i][l] * y, across = c[i][l] * y - s[i][l] * x;        \
        z[i][k][l] = up;                                                                           \
        at[i][k][l] = p[k][l];                                                                     \
        p[k][l] += LENGTH[i] * up;                                                                 \
        X[k][l] = along;                                                                           \
        Y[k][l] = TWIST[i] == 0.0 ? across : TWIST[i] * up;                                        \
        Z[k][l] = TWIST[i] == 0.0 ? up : -TWIST[i] * across;                                       \
    }                                                                                              \
    /* roll about x, pitch about y, yaw about z */                                                 \
    double root[lanes], cy[lanes], sy[lanes];                                                      \
    SIMD LANES(lanes)                                                                              \
    {                                                                                              \
        const double flat = X[0][l] * X[0][l] + X[1][l] * X[1][l], level = sqrt(flat);             \
        POSE(0, l) = p[0][l];                                                                      \
        POSE(1, l) = p[1][l];                                                                      \
        POSE(2, l) = p[2][l];                                                                      \
        POSE(3, l) = atan2(Y[2][l], Z[2][l]);                                                      \
        POSE(4, l) = atan2(-X[2][l], level);                                                       \
        POSE(5, l) = atan2(X[1][l], X[0][l]);                                                      \
        root[l] = 1.0 / level;                                                                     \
        cy[l] = X[0][l] * root[l];                                                                 \
        sy[l] = X[1][l] * root[l];                                                                 \
    }                                                                                              \
    _Pragma("GCC unroll 7") for (int i = 0; i < 7; i++)                                            \
        SIMD LANES(lanes)                                                                          \
    {                                                                                              \
        const double zx = z[i][0][l], zy = z[i][1][l], zz = z[i][2][l];                            \
        const double dx = p[0][l] - at[i][0][l], dy = p[1][l] - at[i][1][l];                       \
        const double dz = p[2][l] - at[i][2][l];                                                   \
        const double tilt = (cy[l] * zx + sy[l] * zy) * root[l];                                   \
        JACOBIAN(0, i, l) = zy * dz - zz * dy;                                                     \
        JACOBIAN(1, i, l) = zz * dx - zx * dz;                                                     \
        JACOBIAN(2, i, l) = zx * dy - zy * dx;                                                     \
        JACOBIAN(3, i, l) = tilt;                                                                  \
        JACOBIAN(4, i, l) = cy[l] * zy - sy[l] * zx;                                               \
        JACOBIAN(5, i, l) = zz - X[2][l] * tilt;                                                   \
    }
#define SIMD _Pragma("omp simd")

/* n (a multiple of 32), q[7,n] -> pose[6,n], jacobian[42,n]. A tile at a time, so that each of the 48
 * rows is written in runs. */
void arms(void **a)
{
    enum { TILE = 32 };
    SIZE(n, 0);
    ARRAY(q, 1); ARRAY(pose, 2); ARRAY(J, 3);
    PARALLEL
    for (ptrdiff_t o = 0; o < n; o += TILE) {
        double part[48][TILE] __attribute__((aligned(64)));
        for (int t = 0; t < TILE; t += 8) {
            double s[7][8], c[7][8];
            for (int i = 0; i < 7; i++)
                SIMD LANES(8)
                {
                    s[i][l] = sin(q[i * n + o + t + l]);
                    c[i][l] = cos(q[i * n + o + t + l]);
                }
#define POSE(k, l) part[k][t + (l)]
#define JACOBIAN(k, i, l) part[6 + (k) * 7 + (i)][t + (l)]
            ARM(8)
#undef POSE
#undef JACOBIAN
        }
        for (int k = 0; k < 6; k++)
            memcpy(pose + k * n + o, part[k], sizeof part[k]);
        for (int k = 0; k < 42; k++)
            memcpy(J + k * n + o, part[6 + k], sizeof part[k]);
    }
}

/* q[7] -> pose[6], jacobian[6,7]: one configuration; its joints are the lanes of sin and cos */
void arm(void **a)
{
    ARRAY(q, 0); ARRAY(pose, 1); ARRAY(J, 2);
    double angle[8] = {0}, sine[8], cosine[8], s[7][1], c[7][1];
    for (int i = 0; i < 7; i++)
        angle[i] = q[i];
    SIMD LANES(8)
    {
        sine[l] = sin(angle[l]);
        cosine[l] = cos(angle[l]);
    }
    for (int i = 0; i < 7; i++) {
        s[i][0] = sine[i];
        c[i][0] = cosine[i];
    }
#define POSE(k, l) pose[k]
#define JACOBIAN(k, i, l) J[(k) * 7 + (i)]
    ARM(1)
}
