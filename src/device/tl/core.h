// What every kernel text includes: types, casts, integer operations, memory access, barriers.
#pragma once
#include <tl/backend.h>
#include <tl/cast.h>
#include <tl/integer.h>
#include <tl/memory.h>
#include <tl/sync.h>
