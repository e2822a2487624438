// Frameworks whose tensors are read in C: those with DLPack's exchange table (`__dlpack_c_exchange_api__` of the tensor's type).
#pragma once

#include <dlpack/dlpack.h>

#include "object.h"

namespace tilelang::runtime::python {

// A tensor type and what its framework offers.
struct Exchange {
  PyTypeObject* type;
  const DLPackExchangeAPI* api;
  // Faster than the table's allocator, where the framework has them: called with (extents, strides, dtype), they make a tensor
  // on the CPU, or on the current GPU. `dtype_of` is called with the name of an element type.
  Ref empty_cpu, empty_cuda, dtype_of;
};

// The framework of a tensor's type; nullptr for objects that are none, or that are only known by their `__dlpack__` method.
// Entries stay for the life of the process.
const Exchange* FindExchange(PyTypeObject* type);

// `describe(type)` returns None or (empty_cpu, empty_cuda, dtype_of), each of which may be None.
void SetDescribe(PyObject* describe);

}  // namespace tilelang::runtime::python
