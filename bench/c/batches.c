/* Value and derivatives of formulas at n points, derivatives by hand. Written so that gcc
 * vectorises each loop with libmvec (look for _ZGVeN8v_ in the assembly). */
#include "limit.h"

/* (x + y)*max(y, z): x, y, z -> value, d_x, d_y, d_z */
void lecture(void **a)
{
    SIZE(n, 0);
    ARRAY(x, 1); ARRAY(y, 2); ARRAY(z, 3);
    ARRAY(value, 4); ARRAY(d_x, 5); ARRAY(d_y, 6); ARRAY(d_z, 7);
    PARALLEL_SIMD
    for (ptrdiff_t i = 0; i < n; i++) {
        const double sum = x[i] + y[i], larger = y[i] > z[i] ? y[i] : z[i];
        const double share = y[i] > z[i] ? 1.0 : y[i] < z[i] ? 0.0 : 0.5;
        value[i] = sum * larger;
        d_x[i] = larger;
        d_y[i] = larger + sum * share;
        d_z[i] = sum * (1.0 - share);
    }
}

/* What sky and wind bring to the ground; see bench/workloads.py. */
void radiation(void **a)
{
    SIZE(n, 0);
    ARRAY(h_, 1); ARRAY(T_, 2); ARRAY(c_, 3); ARRAY(s_, 4); ARRAY(w_, 5);
    ARRAY(value, 6); ARRAY(d_h, 7); ARRAY(d_T, 8); ARRAY(d_c, 9); ARRAY(d_s, 10); ARRAY(d_w, 11);
    PARALLEL_SIMD
    for (ptrdiff_t i = 0; i < n; i++) {
        const double h = h_[i], T = T_[i], c = c_[i], s = s_[i], w = w_[i];
        const double k = 0.97 * 5.67e-8;
        const double below = 1.0 / (T - 35.85);
        const double power = pow(6.11 * h * exp(17.27 * (T - 273.15) * below) / T, 0.142857);
        const double T3 = T * T * T, s3 = s * s * s;
        const double clear = k * 1.24 * power * T3 * T;
        const double sky = clear * (1.0 + 0.22 * c * c);
        value[i] = sky - k * s3 * s + 0.2 * w * (T - s);
        d_h[i] = 0.142857 * sky / h;
        d_T[i] = sky * (0.142857 * (17.27 * (273.15 - 35.85) * below * below - 1.0 / T) + 4.0 / T)
                 + 0.2 * w;
        d_c[i] = 0.44 * c * clear;
        d_s[i] = -4.0 * k * s3 - 0.2 * w;
        d_w[i] = 0.2 * (T - s);
    }
}

/* The same with algebra that only a person does: the power of a product with an exponential in it
 * is the exponential of a sum. */
void radiation_simplified(void **a)
{
    SIZE(n, 0);
    ARRAY(h_, 1); ARRAY(T_, 2); ARRAY(c_, 3); ARRAY(s_, 4); ARRAY(w_, 5);
    ARRAY(value, 6); ARRAY(d_h, 7); ARRAY(d_T, 8); ARRAY(d_c, 9); ARRAY(d_s, 10); ARRAY(d_w, 11);
    PARALLEL_SIMD
    for (ptrdiff_t i = 0; i < n; i++) {
        const double h = h_[i], T = T_[i], c = c_[i], s = s_[i], w = w_[i];
        const double k = 0.97 * 5.67e-8;
        const double below = 1.0 / (T - 35.85);
        const double power = exp(0.142857 * (17.27 * (T - 273.15) * below + log(6.11 * h / T)));
        const double T3 = T * T * T, s3 = s * s * s;
        const double clear = k * 1.24 * power * T3 * T;
        const double sky = clear * (1.0 + 0.22 * c * c);
        value[i] = sky - k * s3 * s + 0.2 * w * (T - s);
        d_h[i] = 0.142857 * sky / h;
        d_T[i] = sky * (0.142857 * (17.27 * (273.15 - 35.85) * below * below - 1.0 / T) + 4.0 / T)
                 + 0.2 * w;
        d_c[i] = 0.44 * c * clear;
        d_s[i] = -4.0 * k * s3 - 0.2 * w;
        d_w[i] = 0.2 * (T - s);
    }
}

/* Sunlight on a tilted plane; see bench/workloads.py. */
void solar(void **a)
{
    SIZE(n, 0);
    ARRAY(l_, 1); ARRAY(d_, 2); ARRAY(h_, 3); ARRAY(b_, 4); ARRAY(t_, 5);
    ARRAY(value, 6); ARRAY(d_l, 7); ARRAY(d_d, 8); ARRAY(d_h, 9); ARRAY(d_b, 10); ARRAY(d_t, 11);
    PARALLEL_SIMD
    for (ptrdiff_t i = 0; i < n; i++) {
        const double l = l_[i], d = d_[i], h = h_[i], b = b_[i], t = t_[i];
        const double sl = sin(l), cl = cos(l), sd = sin(d), cd = cos(d), sh = sin(h), ch = cos(h);
        const double sb = sin(b), cb = cos(b);
        const double st = sl * cb - cl * sb, ct = cl * cb + sl * sb; /* of l - b */
        const double sun = sl * sd + cl * cd * ch, seen = st * sd + ct * cd * ch;
        const double inverse = 1.0 / sun, beam = 1361.0 * exp(-t * inverse);
        const double of_sun = beam * seen * t * inverse * inverse + 68.0 * (1.0 + cb);
        const double tilted = ct * sd - st * cd * ch;
        value[i] = beam * seen + 68.0 * sun * (1.0 + cb);
        d_l[i] = of_sun * (cl * sd - sl * cd * ch) + beam * tilted;
        d_d[i] = of_sun * (sl * cd - cl * sd * ch) + beam * (st * cd - ct * sd * ch);
        d_h[i] = -(of_sun * cl + beam * ct) * cd * sh;
        d_b[i] = -beam * tilted - 68.0 * sun * sb;
        d_t[i] = -beam * seen * inverse;
    }
}

/* A European call: S, K, T, r, v -> price, delta, vega, theta, rho, gamma */
void black_scholes(void **a)
{
    SIZE(n, 0);
    ARRAY(S_, 1); ARRAY(K_, 2); ARRAY(T_, 3); ARRAY(r_, 4); ARRAY(v_, 5);
    ARRAY(price, 6); ARRAY(delta, 7); ARRAY(vega, 8); ARRAY(theta, 9); ARRAY(rho, 10);
    ARRAY(gamma_, 11);
    PARALLEL_SIMD
    for (ptrdiff_t i = 0; i < n; i++) {
        const double S = S_[i], K = K_[i], T = T_[i], r = r_[i], v = v_[i];
        const double root = sqrt(T), spread = v * root;
        const double d1 = (log(S / K) + (r + 0.5 * v * v) * T) / spread, d2 = d1 - spread;
        const double below1 = 0.5 * erfc(-M_SQRT1_2 * d1), below2 = 0.5 * erfc(-M_SQRT1_2 * d2);
        const double density = 0.3989422804014326779 * exp(-0.5 * d1 * d1);
        const double discounted = K * exp(-r * T) * below2;
        price[i] = S * below1 - discounted;
        delta[i] = below1;
        vega[i] = S * density * root;
        theta[i] = -S * density * v / (2.0 * root) - r * discounted;
        rho[i] = T * discounted;
        gamma_[i] = density / (S * spread);
    }
}
