// half_t, bfloat16_t, float8_e4m3_t, float8_e5m2_t: one template over the formats of <tl/float_bits.h>.
#pragma once
#include <tl/float_bits.h>

namespace tl {

template <class To, class From>
TL_FUNC To cast(From x);

template <class Format>
struct narrow_float {
  using format = Format;
  using storage = typename Format::storage;
  storage bits;

  narrow_float() = default;  // trivial: a local array of these costs nothing
#ifdef TL_WATCHED  // as the checker compiles: copies have a place in the source, which those of a trivial type have not always
  TL_FUNC narrow_float(const narrow_float& other) : bits(other.bits) {}
  narrow_float& operator=(const narrow_float&) = default;
#endif
  TL_FUNC explicit narrow_float(float x) : bits(Format::encode(x)) {}
  template <class From>
  TL_FUNC explicit narrow_float(From x) : bits(cast<narrow_float>(x).bits) {}
  TL_FUNC explicit operator float() const { return Format::decode(bits); }
  template <class To>
  TL_FUNC explicit operator To() const {
    return cast<To>(*this);
  }
  static TL_FUNC narrow_float from_bits(storage bits) {
    narrow_float x;
    x.bits = bits;
    return x;
  }
};

using half_t = narrow_float<detail::half_format>;
using bfloat16_t = narrow_float<detail::bfloat16_format>;
using float8_e4m3_t = narrow_float<detail::float8_e4m3_format>;
using float8_e5m2_t = narrow_float<detail::float8_e5m2_format>;

template <class T>
inline constexpr bool is_narrow_float = false;
template <class F>
inline constexpr bool is_narrow_float<narrow_float<F>> = true;
template <class T>
inline constexpr bool is_float = is_wide_float<T> || is_narrow_float<T>;

#define TL_NARROW_OPERATOR(symbol, function)                                                    \
  template <class F>                                                                            \
  TL_FUNC narrow_float<F> operator symbol(narrow_float<F> a, narrow_float<F> b) {               \
    return narrow_float<F>::from_bits(F::function(a.bits, b.bits));                             \
  }                                                                                             \
  template <class F>                                                                            \
  TL_FUNC narrow_float<F>& operator symbol##=(narrow_float<F>& a, narrow_float<F> b) {          \
    return a = a symbol b;                                                                      \
  }
TL_NARROW_OPERATOR(+, add)
TL_NARROW_OPERATOR(-, sub)
TL_NARROW_OPERATOR(*, mul)
TL_NARROW_OPERATOR(/, div)
#undef TL_NARROW_OPERATOR

template <class F>
TL_FUNC narrow_float<F> operator-(narrow_float<F> a) {
  using storage = typename F::storage;
  return narrow_float<F>::from_bits(static_cast<storage>(a.bits ^ (1u << (sizeof(storage) * 8 - 1))));
}

#define TL_NARROW_COMPARISON(symbol)                                       \
  template <class F>                                                       \
  TL_FUNC bool operator symbol(narrow_float<F> a, narrow_float<F> b) {     \
    return F::decode(a.bits) symbol F::decode(b.bits);                     \
  }
TL_NARROW_COMPARISON(==)
TL_NARROW_COMPARISON(!=)
TL_NARROW_COMPARISON(<)
TL_NARROW_COMPARISON(<=)
TL_NARROW_COMPARISON(>)
TL_NARROW_COMPARISON(>=)
#undef TL_NARROW_COMPARISON

}  // namespace tl
