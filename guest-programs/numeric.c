// Floating point at its corners, in every format C has and every rounding mode. A build's lines are the same on any x86-64 chip.
// Built as numeric-sse, and with -mfpmath=387 as numeric-x87, where a double has been rounded twice: once to the register's 64
// bits, once when it was stored.

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t hash;

static void mix(const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < count; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
}

static void mixDouble(volatile double *value) {
    double v = *value;
    if (v != v) v = NAN; // which NaN comes of two is the format's own affair
    mix(&v, sizeof v);
}

static void mixLong(volatile long double *value) { mix((const void *)value, 10); }

static const char *excepted(void) {
    static char text[64];
    int e = fetestexcept(FE_ALL_EXCEPT);
    snprintf(text, sizeof text, "%s%s%s%s%s", e & FE_INVALID ? " invalid" : "", e & FE_DIVBYZERO ? " divbyzero" : "", e & FE_OVERFLOW ? " overflow" : "",
             e & FE_UNDERFLOW ? " underflow" : "", e & FE_INEXACT ? " inexact" : "");
    return text;
}

static const struct {
    const char *name;
    int mode;
} MODES[] = {{"nearest", FE_TONEAREST}, {"down", FE_DOWNWARD}, {"up", FE_UPWARD}, {"zero", FE_TOWARDZERO}};

// Every pair of these meets in every operation.
static const double CORNERS[] = {0.0, -0.0, 1.0, -1.0, 0.1, 1.0 / 3, 1e300, -1e300, DBL_MAX, DBL_MIN, -DBL_MIN, 0x1p-1074, 0x0.fffffffffffffp-1022,
                                 1 + DBL_EPSILON, 0x1.fffffffffffffp52, 0x1p53, 0x1p63, -0x1p63, 2147483647.5, -2147483648.5, INFINITY, -INFINITY};
enum { COUNT = sizeof CORNERS / sizeof *CORNERS };

static void longDoubles(void) {
    for (int m = 0; m < 4; m++) {
        fesetround(MODES[m].mode);
        feclearexcept(FE_ALL_EXCEPT);
        hash = 0xcbf29ce484222325u;
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < COUNT; j++) {
                volatile long double a = CORNERS[i], b = CORNERS[j], r;
                r = a + b, mixLong(&r);
                r = a - b, mixLong(&r);
                r = a * b, mixLong(&r);
                r = a / b, mixLong(&r);
                r = sqrtl(a), mixLong(&r);
                if (isfinite(a) && b != 0 && !isnan(b)) r = fmodl(a, b), mixLong(&r);
                r = rintl(a), mixLong(&r);
                r = (long double)(a < b) + 2 * (a == b) + 4 * isunordered(a, b), mixLong(&r);
            }
        printf("long double, to %s: %016llx%s\n", MODES[m].name, (unsigned long long)hash, excepted());
    }
}

static void doubles(void) {
    for (int m = 0; m < 4; m++) {
        fesetround(MODES[m].mode);
        feclearexcept(FE_ALL_EXCEPT);
        hash = 0xcbf29ce484222325u;
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < COUNT; j++) {
                volatile double a = CORNERS[i], b = CORNERS[j], r;
                r = a + b, mixDouble(&r);
                r = a * b, mixDouble(&r);
                r = a / b, mixDouble(&r);
                r = sqrt(a), mixDouble(&r);
                r = a == b, mixDouble(&r);
                r = a < b, mixDouble(&r);
                r = floor(a) + ceil(b), mixDouble(&r);
                int32_t n = (int32_t)(a / 4294967296.0);
                mix(&n, sizeof n);
                int64_t w = (int64_t)a;
                mix(&w, sizeof w);
                r = (float)a, mixDouble(&r);
            }
        printf("double, to %s: %016llx%s\n", MODES[m].name, (unsigned long long)hash, excepted());
    }
    fesetround(FE_TONEAREST);
}

static void integers(void) {
    static const double VALUES[] = {0.5, 1.5, 2.5, -0.5, -1.5, 4503599627370497.5, 9007199254740991.0, 1e18, -9.3e18, 1e30};
    feclearexcept(FE_ALL_EXCEPT);
    for (unsigned i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        volatile double v = VALUES[i];
        volatile long double l = v;
        printf("%g: %ld %ld %lld %d\n", v, lrint(v), (long)v, (long long)llrintl(l), (int)(float)v);
    }
    printf("conversions:%s\n", excepted());
}

static long double power(long double base, int n) {
    long double r = 1;
    for (; n; n >>= 1, base *= base)
        if (n & 1) r *= base;
    return r;
}

static void series(void) {
    long double sum = 0, pi = 0, e = 1, term = 1;
    for (int k = 1; k <= 20000; k++) sum += 1.0L / ((long double)k * k);
    for (int k = 0; k < 40; k++) pi += (4.0L / (8 * k + 1) - 2.0L / (8 * k + 4) - 1.0L / (8 * k + 5) - 1.0L / (8 * k + 6)) / power(16, k);
    for (int k = 1; k < 30; k++) e += term /= k;
    printf("zeta(2) to 20000 terms %.18Lf\npi %.18Lf\ne  %.18Lf\n", sum, pi, e);
    printf("sin %.15Lf cos %.15Lf atan %.15Lf exp %.15Lf log %.15Lf\n", sinl(1), cosl(1), 4 * atanl(1), expl(1), logl(10));
    printf("%La %La %.21Lg %Lg\n", LDBL_MAX, LDBL_MIN, LDBL_EPSILON, 0x1p-16445L);
}

int main(void) {
    longDoubles();
    doubles();
    integers();
    fesetround(FE_TONEAREST);
    series();
    return 0;
}
