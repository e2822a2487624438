#include "framework.h"

#include <algorithm>

#include "../error.h"

namespace tilelang::runtime::python {

namespace {

void KeepMessage(void* message, const char*, const char* text) { *static_cast<std::string*>(message) = text; }

// (extents, row-major strides, dtype)
Ref ArgumentsOfEmpty(const DLTensor& prototype, PyObject* dtype) {
  Ref extents = Checked(PyTuple_New(prototype.ndim)), strides = Checked(PyTuple_New(prototype.ndim));
  int64_t compact = 1;
  for (int axis = prototype.ndim - 1; axis >= 0; --axis) {
    PyTuple_SetItem(extents.get(), axis, Checked(PyLong_FromLongLong(prototype.shape[axis])).release());
    PyTuple_SetItem(strides.get(), axis, Checked(PyLong_FromLongLong(compact)).release());
    compact *= std::max<int64_t>(prototype.shape[axis], 1);
  }
  return Checked(PyTuple_Pack(3, extents.get(), strides.get(), dtype));
}

}  // namespace

PythonFramework::~PythonFramework() {
  // The launches are queued: the framework's allocator reuses memory in stream order.
  for (DLManagedTensorVersioned* workspace : workspaces_) {
    if (workspace->deleter != nullptr) workspace->deleter(workspace);
  }
}

void* PythonFramework::Stream(DLDevice device) {
  void* stream = nullptr;
  if (exchange_->api->current_work_stream(device.device_type, device.device_id, &stream) != 0) throw PythonError();
  return stream;
}

void* PythonFramework::Allocate(const DLTensor& prototype, int output, const std::string& name) {
  if (output == kWorkspace) {
    workspaces_.push_back(AllocateByTable(prototype, name));
    const DLTensor& made = workspaces_.back()->dl_tensor;
    return static_cast<char*>(made.data) + made.byte_offset;
  }
  Ref made = MakeOutput(prototype, &(*recipes_)[output], name);
  if (!made) {
    void* object = nullptr;
    if (exchange_->api->managed_tensor_to_py_object_no_sync(AllocateByTable(prototype, name), &object) != 0) throw PythonError();
    made = Ref(static_cast<PyObject*>(object));
  }
  DLTensor tensor;
  if (exchange_->api->dltensor_from_py_object_no_sync(made.get(), &tensor) != 0) throw PythonError();
  if (recipes_->size() == 1) {
    output_ = std::move(made);
  } else {
    outputs_.push_back(std::move(made));
  }
  return static_cast<char*>(tensor.data) + tensor.byte_offset;
}

Ref PythonFramework::MakeOutput(const DLTensor& prototype, OutputRecipe* recipe, const std::string& name) {
  // The call's context is current, so that the current GPU is the call's.
  PyObject* empty = (prototype.device.device_type == kDLCUDA ? exchange_->empty_cuda : exchange_->empty_cpu).get();
  if (empty == nullptr || !exchange_->dtype_of) return Ref();
  if (recipe->exchange != exchange_) {
    recipe->dtype = Checked(PyObject_CallFunction(exchange_->dtype_of.get(), "s", recipe->dtype_name.c_str()));
    recipe->exchange = exchange_;
    recipe->arguments = Ref();
  }
  const int64_t* extents = prototype.shape;
  size_t rank = static_cast<size_t>(prototype.ndim);
  if (!recipe->arguments || recipe->extents.size() != rank || !std::equal(extents, extents + rank, recipe->extents.begin())) {
    recipe->arguments = ArgumentsOfEmpty(prototype, recipe->dtype.get());
    recipe->extents.assign(extents, extents + rank);
  }
  Ref arguments = recipe->arguments;  // another thread may make another recipe meanwhile
  Ref made(PyObject_Call(empty, arguments.get(), nullptr));
  if (!made) Raise(kResource, -1, Text("allocating `", name, "` failed: ", TakeError()));
  return made;
}

DLManagedTensorVersioned* PythonFramework::AllocateByTable(const DLTensor& prototype, const std::string& name) {
  DLTensor wanted = prototype;
  DLManagedTensorVersioned* made = nullptr;
  std::string message;
  if (exchange_->api->managed_tensor_allocator(&wanted, &made, &message, KeepMessage) != 0) {
    PyErr_Clear();
    Raise(kResource, -1, Text("allocating `", name, "` failed: ", message));
  }
  return made;
}

Ref PythonFramework::Return() {
  if (output_) return std::move(output_);
  if (outputs_.empty()) return Ref::Share(Py_None);
  Ref list = Checked(PyList_New(static_cast<Py_ssize_t>(outputs_.size())));
  for (size_t i = 0; i < outputs_.size(); ++i) PyList_SetItem(list.get(), static_cast<Py_ssize_t>(i), outputs_[i].release());
  return list;
}

}  // namespace tilelang::runtime::python
