#include "arguments.h"

#include <tvm/ffi/container/tensor.h>

namespace tilelang::runtime::python {

namespace ffi = tvm::ffi;

namespace {

// A number or None; false for anything else, and for integers beyond 64 bits.
bool PackScalar(PyObject* value, ffi::AnyView* view) {
  if (value == Py_None) {
    *view = ffi::AnyView(nullptr);
  } else if (PyFloat_Check(value)) {
    *view = ffi::AnyView(PyFloat_AsDouble(value));
  } else if (PyBool_Check(value)) {
    *view = ffi::AnyView(value == Py_True);
  } else if (PyLong_Check(value)) {
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0) return false;
    *view = ffi::AnyView(static_cast<int64_t>(number));
  } else {
    return false;
  }
  return true;
}

}  // namespace

const Exchange* PackArguments(PyObject* args, Py_ssize_t count, DLTensor* tensors, ffi::AnyView* views) {
  const Exchange *first = nullptr, *last = nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* value = PyTuple_GetItem(args, i);
    PyTypeObject* type = Py_TYPE(value);
    if (last == nullptr || last->type != type) {
      if (PackScalar(value, &views[i])) continue;
      const Exchange* found = FindExchange(type);
      if (found == nullptr) return nullptr;
      last = found;
    }
    if (last->api->dltensor_from_py_object_no_sync(value, &tensors[i]) != 0) {
      PyErr_Clear();  // the general way says what is wrong with it
      return nullptr;
    }
    views[i] = ffi::AnyView(&tensors[i]);
    if (first == nullptr) first = last;
  }
  return first;
}

}  // namespace tilelang::runtime::python
