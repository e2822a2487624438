#include "exchange.h"

#include <vector>

namespace tilelang::runtime::python {

namespace {

PyObject* describe_type = nullptr;

// Guarded by the interpreter lock, and never freed: at exit, calls of other threads may still look here.
std::vector<const Exchange*>& Known() {
  static auto* known = new std::vector<const Exchange*>();
  return *known;
}

const DLPackExchangeAPI* TableOf(PyTypeObject* type) {
  Ref capsule(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dlpack_c_exchange_api__"));
  void* pointer = capsule ? PyCapsule_GetPointer(capsule.get(), "dlpack_exchange_api") : nullptr;
  PyErr_Clear();
  const auto* header = static_cast<const DLPackExchangeAPIHeader*>(pointer);
  while (header != nullptr && header->version.major != DLPACK_MAJOR_VERSION) header = header->prev_api;
  const auto* api = reinterpret_cast<const DLPackExchangeAPI*>(header);
  return api != nullptr && api->dltensor_from_py_object_no_sync != nullptr ? api : nullptr;
}

Ref Item(PyObject* tuple, Py_ssize_t index) {
  PyObject* item = PyTuple_GetItem(tuple, index);
  return item == nullptr || item == Py_None ? Ref() : Ref::Share(item);
}

}  // namespace

void SetDescribe(PyObject* describe) {
  Py_XDECREF(describe_type);
  Py_INCREF(describe);
  describe_type = describe;
}

const Exchange* FindExchange(PyTypeObject* type) {
  for (const Exchange* known : Known()) {
    if (known->type == type) return known;
  }
  const DLPackExchangeAPI* api = TableOf(type);
  if (api == nullptr) return nullptr;
  Ref offered = describe_type == nullptr ? Ref() : Checked(PyObject_CallFunctionObjArgs(describe_type, type, nullptr));
  auto* made = new Exchange{type, api, {}, {}, {}};
  Py_INCREF(type);
  if (offered && PyTuple_Check(offered.get())) {
    made->empty_cpu = Item(offered.get(), 0);
    made->empty_cuda = Item(offered.get(), 1);
    made->dtype_of = Item(offered.get(), 2);
  }
  Known().push_back(made);
  return made;
}

}  // namespace tilelang::runtime::python
