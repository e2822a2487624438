// What every kernel text includes: types, casts, integer operations, the loop over blocks.
#pragma once
#include <tl/backend.h>
#include <tl/blocks.h>
#include <tl/cast.h>
#include <tl/integer.h>
#include <tl/sync.h>
