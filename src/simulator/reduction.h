// Reductions of bulk copies into memory (PTX ISA 9.7.9.25.4.2 "cp.reduce.async.bulk"): each element atomically.
#pragma once
#include "async.h"

namespace tl::sim {

bool can_reduce(BulkOperation operation, int type);
void reduce_elements(char* target, const char* source, uint32_t bytes, BulkOperation operation, int type);

}  // namespace tl::sim
