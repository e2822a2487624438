// Python objects in C++: owned references, and errors in both directions.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <tvm/ffi/any.h>
#include <tvm/ffi/error.h>

#include <exception>
#include <string>
#include <utility>

namespace tilelang::runtime::python {

// An owned reference.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {}
  static Ref Share(PyObject* borrowed) {
    Py_XINCREF(borrowed);
    return Ref(borrowed);
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref(const Ref& other) : object_(other.object_) { Py_XINCREF(object_); }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// Thrown where Python's error indicator is set.
struct PythonError : std::exception {};

inline Ref Checked(PyObject* owned) {
  if (owned == nullptr) throw PythonError();
  return Ref(owned);
}

// Takes Python's error away and returns its text.
std::string TakeError();

// Dicts, sequences, strings, integers, booleans and None as tvm-ffi containers.
tvm::ffi::Any ToTree(PyObject* object);

// The class that failures of the launcher are raised as, with the record of src/runtime/error.h as message.
PyObject* NativeError();
void SetNativeError(PyObject* type);

// Calls `body`; a C++ exception becomes a Python one, and the result `failed`.
template <typename Body, typename Result>
Result Guarded(const Body& body, Result failed) {
  try {
    return body();
  } catch (const PythonError&) {
  } catch (const tvm::ffi::Error& error) {
    PyErr_SetString(NativeError(), std::string(error.message()).c_str());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return failed;
}

}  // namespace tilelang::runtime::python
