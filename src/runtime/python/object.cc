#include "object.h"

#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/map.h>
#include <tvm/ffi/string.h>

namespace tilelang::runtime::python {

namespace ffi = tvm::ffi;

namespace {

PyObject* native_error = nullptr;

ffi::String ToString(PyObject* object) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(object, &size);
  if (text == nullptr) throw PythonError();
  return ffi::String(text, static_cast<size_t>(size));
}

}  // namespace

PyObject* NativeError() { return native_error == nullptr ? PyExc_RuntimeError : native_error; }

void SetNativeError(PyObject* type) {
  Py_XDECREF(native_error);
  Py_INCREF(type);
  native_error = type;
}

std::string TakeError() {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  Ref held_type(type), held_value(value), held_traceback(traceback);
  Ref text(value == nullptr ? nullptr : PyObject_Str(value));
  const char* words = text ? PyUnicode_AsUTF8AndSize(text.get(), nullptr) : nullptr;
  PyErr_Clear();
  return words == nullptr ? "unknown error" : words;
}

ffi::Any ToTree(PyObject* object) {
  if (object == Py_None) return ffi::Any(nullptr);
  if (PyBool_Check(object)) return ffi::Any(object == Py_True);
  if (PyLong_Check(object)) {
    long long value = PyLong_AsLongLong(object);
    if (value == -1 && PyErr_Occurred()) throw PythonError();
    return ffi::Any(static_cast<int64_t>(value));
  }
  if (PyFloat_Check(object)) return ffi::Any(PyFloat_AsDouble(object));
  if (PyUnicode_Check(object)) return ffi::Any(ToString(object));
  if (PyDict_Check(object)) {
    ffi::Map<ffi::String, ffi::Any> map;
    PyObject *key = nullptr, *value = nullptr;
    for (Py_ssize_t position = 0; PyDict_Next(object, &position, &key, &value);) map.Set(ToString(key), ToTree(value));
    return map;
  }
  if (!PyTuple_Check(object) && !PyList_Check(object)) {
    PyErr_SetString(PyExc_TypeError, "a launch plan holds dicts, sequences, strings, numbers, booleans and None");
    throw PythonError();
  }
  ffi::Array<ffi::Any> array;
  for (Py_ssize_t i = 0, size = PySequence_Size(object); i < size; ++i) array.push_back(ToTree(Checked(PySequence_GetItem(object, i)).get()));
  return array;
}

}  // namespace tilelang::runtime::python
