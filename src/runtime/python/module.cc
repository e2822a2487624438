// The extension module `tilelang_runtime`: loads programs, and calls them without anything of Python on the way.
#include <tvm/ffi/container/map.h>

#include <functional>

#include "../backend.h"
#include "../launcher.h"
#include "call.h"
#include "exchange.h"
#include "object.h"

namespace tilelang::runtime::python {

namespace {

using Tree = tvm::ffi::Map<tvm::ffi::String, tvm::ffi::Any>;

PyObject* Load(PyObject* tree, const std::function<std::unique_ptr<Backend>(const Plan&)>& make) {
  return Guarded(
      [&] {
        Plan plan = Plan::Parse(ToTree(tree).cast<Tree>());
        std::unique_ptr<Backend> backend = make(plan);
        return NewProgram(std::make_shared<const Launcher>(std::move(plan), std::move(backend)));
      },
      static_cast<PyObject*>(nullptr));
}

// load_cuda(plan, cubin)
PyObject* LoadCuda(PyObject*, PyObject* args) {
  PyObject* tree = nullptr;
  const char* cubin = nullptr;
  Py_ssize_t size = 0;
  if (!PyArg_ParseTuple(args, "Oy#", &tree, &cubin, &size)) return nullptr;
  return Load(tree, [&](const Plan& plan) { return MakeCudaBackend(plan.kernels, std::string(cubin, static_cast<size_t>(size))); });
}

// load_simulator(plan, library, runtime)
PyObject* LoadSimulator(PyObject*, PyObject* args) {
  PyObject* tree = nullptr;
  const char *library = nullptr, *runtime = nullptr;
  if (!PyArg_ParseTuple(args, "Oss", &tree, &library, &runtime)) return nullptr;
  return Load(tree, [&](const Plan& plan) { return MakeSimulatorBackend(plan.kernels, library, runtime); });
}

// load_cpu(plan, library)
PyObject* LoadCpu(PyObject*, PyObject* args) {
  PyObject* tree = nullptr;
  const char* library = nullptr;
  if (!PyArg_ParseTuple(args, "Os", &tree, &library)) return nullptr;
  return Load(tree, [&](const Plan& plan) { return MakeCpuBackend(plan.kernels, library); });
}

// configure(error, describe): the class of failures, and what is asked about tensor types (exchange.h).
PyObject* Configure(PyObject*, PyObject* args) {
  PyObject *error = nullptr, *describe = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &error, &describe)) return nullptr;
  SetNativeError(error);
  SetDescribe(describe);
  Py_RETURN_NONE;
}

PyMethodDef kFunctions[] = {{"load_cuda", LoadCuda, METH_VARARGS, nullptr},
                            {"load_simulator", LoadSimulator, METH_VARARGS, nullptr},
                            {"load_cpu", LoadCpu, METH_VARARGS, nullptr},
                            {"configure", Configure, METH_VARARGS, nullptr},
                            {nullptr, nullptr, 0, nullptr}};

PyModuleDef kModule = {PyModuleDef_HEAD_INIT, "tilelang_runtime", nullptr, -1, kFunctions, nullptr, nullptr, nullptr, nullptr};

}  // namespace

}  // namespace tilelang::runtime::python

PyMODINIT_FUNC PyInit_tilelang_runtime(void) {
  using namespace tilelang::runtime::python;
  PyObject* module = PyModule_Create(&kModule);
  if (module != nullptr && AddTypes(module) != 0) {
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}
