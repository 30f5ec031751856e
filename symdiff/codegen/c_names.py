"""Names that C source cannot use for its own ends."""

from __future__ import annotations

from typing import Final

_KEYWORDS: Final = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while linux unix i386
"""
_KEYWORDS_OF_C23_AND_CPP: Final = """
alignas alignof and and_eq asm bitand bitor bool catch char8_t char16_t char32_t class co_await
co_return co_yield compl concept const_cast consteval constexpr constinit decltype delete
dynamic_cast explicit export false friend mutable namespace new noexcept not not_eq nullptr operator
or or_eq private protected public reinterpret_cast requires static_assert static_cast template this
thread_local throw true try typeid typename typeof typeof_unqual using virtual wchar_t xor xor_eq
"""
_MATH_FUNCTIONS: Final = """
acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim
floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb
lrint lround modf nan nearbyint nextafter nexttoward pow remainder remquo rint round scalbln scalbn
sin sinh sqrt tan tanh tgamma trunc
"""
_MATH_MACROS: Final = """
FP_FAST_FMA FP_FAST_FMAF FP_FAST_FMAL FP_ILOGB0 FP_ILOGBNAN FP_INFINITE FP_NAN FP_NORMAL
FP_SUBNORMAL FP_ZERO HUGE HUGE_VAL HUGE_VALF HUGE_VALL INFINITY MATH_ERREXCEPT MATH_ERRNO MAXFLOAT
M_1_PI M_2_PI M_2_SQRTPI M_E M_LN10 M_LN2 M_LOG10E M_LOG2E M_PI M_PI_2 M_PI_4 M_SQRT1_2 M_SQRT2 NAN
DOMAIN OVERFLOW PLOSS SING TLOSS UNDERFLOW X_TLOSS double_t float_t fpclassify isfinite isgreater
isgreaterequal isinf isless islessequal islessgreater isnan isnormal isunordered math_errhandling
signbit iseqsig issignaling issubnormal iszero
"""
# A parameter may hide these, but a function would redefine what math.h or the compiler declare.
_OTHER_FUNCTIONS: Final = """
main abs labs drem exp10 finite gamma gamma_r j0 j1 jn lgamma_r pow10 scalb signgam significand
sincos y0 y1 yn abort exit malloc free printf
"""


def _with_suffixes(names: str) -> frozenset[str]:
    return frozenset(f"{name}{suffix}" for name in names.split() for suffix in ("", "f", "l"))


RESERVED: Final = _with_suffixes(_MATH_FUNCTIONS).union(
    _KEYWORDS.split(), _KEYWORDS_OF_C23_AND_CPP.split(), _MATH_MACROS.split()
)
"""No parameter may be called like this; C++ reads the header, too."""

RESERVED_FUNCTIONS: Final = RESERVED | _with_suffixes(_OTHER_FUNCTIONS)
"""No function may be called like this."""
