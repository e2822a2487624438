// Positional arguments of a call from Python, as the launcher's.
#pragma once

#include <tvm/ffi/any.h>

#include "exchange.h"

namespace tilelang::runtime::python {

// Fills `views` (and `tensors`, to which they point) from the items of a tuple. Returns the framework of the first tensor, or
// nullptr where an argument is of a kind that is not read here, or none of them is a tensor. Tensors stay the caller's.
const Exchange* PackArguments(PyObject* args, Py_ssize_t count, DLTensor* tensors, tvm::ffi::AnyView* views);

}  // namespace tilelang::runtime::python
