// Python's types around the launcher.
#pragma once

#include <memory>

#include "../launcher.h"
#include "object.h"

namespace tilelang::runtime::python {

// Adds the types Program, Call and Bound to a module; -1 with Python's error set on failure.
int AddTypes(PyObject* module);

// A Program; its methods are described in call.cc.
PyObject* NewProgram(std::shared_ptr<const Launcher> launcher);

}  // namespace tilelang::runtime::python
