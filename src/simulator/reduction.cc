#include "reduction.h"

#include <cstring>

#include <tl/cast.h>

namespace tl::sim {

namespace {

template <class T, class Update>
void update_each(char* target, const char* source, uint32_t bytes, Update update) {
  using U = typename unsigned_of_size<sizeof(T)>::type;
  for (uint32_t i = 0; i < bytes; i += sizeof(T)) {
    U* place = reinterpret_cast<U*>(target + i);
    T value;
    memcpy(&value, source + i, sizeof value);
    U seen = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(place, &seen, reinterpret<U>(update(reinterpret<T>(seen), value)), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
  }
}

template <class T>
void reduce_as(char* target, const char* source, uint32_t bytes, BulkOperation operation) {
  switch (operation) {
    case BulkOperation::add: return update_each<T>(target, source, bytes, [](T a, T b) { return static_cast<T>(a + b); });
    case BulkOperation::min: return update_each<T>(target, source, bytes, [](T a, T b) { return tl::min(a, b); });
    case BulkOperation::max: return update_each<T>(target, source, bytes, [](T a, T b) { return tl::max(a, b); });
    default: break;
  }
  if constexpr (is_integer<T>) {
    switch (operation) {
      // atom.inc: 0 where old >= bound, else old + 1; atom.dec: bound where old is 0 or above it, else old - 1.
      case BulkOperation::inc: return update_each<T>(target, source, bytes, [](T a, T b) { return a >= b ? T(0) : static_cast<T>(a + 1); });
      case BulkOperation::dec: return update_each<T>(target, source, bytes, [](T a, T b) { return a == 0 || a > b ? b : static_cast<T>(a - 1); });
      case BulkOperation::and_: return update_each<T>(target, source, bytes, [](T a, T b) { return static_cast<T>(a & b); });
      case BulkOperation::or_: return update_each<T>(target, source, bytes, [](T a, T b) { return static_cast<T>(a | b); });
      case BulkOperation::xor_: return update_each<T>(target, source, bytes, [](T a, T b) { return static_cast<T>(a ^ b); });
      default: break;
    }
  }
}

}  // namespace

// Types of 9.7.9.25.4.2, table "supported operations and types".
bool can_reduce(BulkOperation operation, int type) {
  const bool integer = type == TL_SIM_TYPE_U32 || type == TL_SIM_TYPE_S32 || type == TL_SIM_TYPE_U64 || type == TL_SIM_TYPE_S64;
  const bool half = type == TL_SIM_TYPE_F16 || type == TL_SIM_TYPE_BF16;
  switch (operation) {
    case BulkOperation::copy: return true;
    case BulkOperation::add: return integer || half || type == TL_SIM_TYPE_F32 || type == TL_SIM_TYPE_F32_FTZ || type == TL_SIM_TYPE_F64;
    case BulkOperation::min: case BulkOperation::max: return integer || half;
    case BulkOperation::inc: case BulkOperation::dec: return type == TL_SIM_TYPE_U32;
    default: return integer;
  }
}

void reduce_elements(char* target, const char* source, uint32_t bytes, BulkOperation operation, int type) {
  switch (type) {
    case TL_SIM_TYPE_U32: return reduce_as<uint32_t>(target, source, bytes, operation);
    case TL_SIM_TYPE_S32: return reduce_as<int32_t>(target, source, bytes, operation);
    case TL_SIM_TYPE_U64: return reduce_as<uint64_t>(target, source, bytes, operation);
    case TL_SIM_TYPE_S64: return reduce_as<int64_t>(target, source, bytes, operation);
    case TL_SIM_TYPE_F16: return reduce_as<half_t>(target, source, bytes, operation);
    case TL_SIM_TYPE_BF16: return reduce_as<bfloat16_t>(target, source, bytes, operation);
    case TL_SIM_TYPE_F32: case TL_SIM_TYPE_F32_FTZ: return reduce_as<float>(target, source, bytes, operation);
    case TL_SIM_TYPE_F64: return reduce_as<double>(target, source, bytes, operation);
    default: break;
  }
}

}  // namespace tl::sim
