// What reducing bulk copies do with each element (PTX ISA 9.7.9.25.4.2 "cp.reduce.async.bulk").
#pragma once
#include <tl/backend.h>

namespace tl {

enum class bulk_op { add, min, max, inc, dec, bit_and, bit_or, bit_xor };

}  // namespace tl
