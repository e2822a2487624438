#include "call.h"

#include <alloca.h>

#include <deque>
#include <vector>

#include "arguments.h"
#include "framework.h"

namespace tilelang::runtime::python {

namespace ffi = tvm::ffi;

namespace {

PyTypeObject *program_type = nullptr, *call_type = nullptr, *bound_type = nullptr;

// -- Program: a launcher -------------------------------------------------------------------------------------------------
struct Program {
  PyObject_HEAD
  std::shared_ptr<const Launcher>* launcher;
};

template <typename Object>
Object* Allocate(PyTypeObject* type) {
  auto alloc = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
  return reinterpret_cast<Object*>(alloc(type, 0));
}

void Free(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

const std::shared_ptr<const Launcher>& LauncherOf(PyObject* program) { return *reinterpret_cast<Program*>(program)->launcher; }

std::vector<OutputRecipe> RecipesOf(const Plan& plan) {
  std::vector<OutputRecipe> recipes(plan.outputs.size());
  for (size_t i = 0; i < recipes.size(); ++i) recipes[i].dtype_name = plan.parameters[plan.outputs[i]].dtype_name;
  return recipes;
}

// -- Call: calls a program with positional arguments ---------------------------------------------------------------------
struct Call {
  PyObject_HEAD
  PyObject *program, *refused, *general, *named;
  std::vector<OutputRecipe>* recipes;
};

// What a failed launcher said goes to `refused(record, arguments)`, which raises or answers the call.
PyObject* Refuse(PyObject* refused, const ffi::Error& error, PyObject* args) {
  std::string message(error.message());
  Ref record(PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "replace"));
  return record ? PyObject_CallFunctionObjArgs(refused, record.get(), args, nullptr) : nullptr;
}

PyObject* CallPositional(Call* call, PyObject* args) {
  const Launcher& launcher = *LauncherOf(call->program);
  Py_ssize_t count = PyTuple_Size(args);
  auto* tensors = static_cast<DLTensor*>(alloca((count + 1) * sizeof(DLTensor)));
  auto* views = static_cast<ffi::AnyView*>(alloca((count + 1) * sizeof(ffi::AnyView)));
  const Exchange* exchange = PackArguments(args, count, tensors, views);
  if (exchange == nullptr) return PyErr_Occurred() ? nullptr : PyObject_Call(call->general, args, nullptr);
  Frame frame = launcher.EmptyFrame(alloca(launcher.frame_bytes()));
  BindArguments(&frame, views, static_cast<int>(count), launcher.device_type());
  PythonFramework framework(exchange, call->recipes);
  launcher.Run(&frame, &framework);
  return framework.Return().release();
}

PyObject* CallCall(PyObject* self, PyObject* args, PyObject* kwargs) {
  auto* call = reinterpret_cast<Call*>(self);
  Ref positional = Ref::Share(args);
  if (kwargs != nullptr && PyDict_Size(kwargs) > 0) {
    positional = Ref(PyObject_CallFunctionObjArgs(call->named, args, kwargs, nullptr));
    if (!positional) return nullptr;
  }
  return Guarded(
      [&]() -> PyObject* {
        try {
          return CallPositional(call, positional.get());
        } catch (const ffi::Error& error) {
          return Refuse(call->refused, error, positional.get());
        }
      },
      static_cast<PyObject*>(nullptr));
}

int CallTraverse(PyObject* self, visitproc visit, void* arg) {
  auto* call = reinterpret_cast<Call*>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(call->program);
  Py_VISIT(call->refused);
  Py_VISIT(call->general);
  Py_VISIT(call->named);
  return 0;
}

int CallClear(PyObject* self) {
  auto* call = reinterpret_cast<Call*>(self);
  Py_CLEAR(call->refused);
  Py_CLEAR(call->general);
  Py_CLEAR(call->named);
  return 0;
}

void CallDealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  CallClear(self);
  auto* call = reinterpret_cast<Call*>(self);
  Py_CLEAR(call->program);
  delete call->recipes;
  Free(self);
}

// -- Bound: a call whose arguments were checked once ---------------------------------------------------------------------
struct BoundState {
  Ref program, arguments, result, refused;
  const Exchange* exchange = nullptr;
  std::vector<OutputRecipe> recipes;
  std::vector<DLTensor> tensors;
  std::deque<std::vector<int64_t>> extents;  // of tensors, whose own may move
  std::vector<char> storage;
  Frame frame{};
};

struct Bound {
  PyObject_HEAD
  BoundState* state;
};

// Extents and strides that outlive the call in which the framework lent them.
void KeepExtents(BoundState* state, DLTensor* tensor) {
  state->extents.emplace_back(tensor->shape, tensor->shape + tensor->ndim);
  tensor->shape = state->extents.back().data();
  if (tensor->strides == nullptr) return;
  state->extents.emplace_back(tensor->strides, tensor->strides + tensor->ndim);
  tensor->strides = state->extents.back().data();
}

PyObject* Bind(PyObject* program, PyObject* args, PyObject* result, PyObject* refused) {
  auto state = std::make_unique<BoundState>();
  const Launcher& launcher = *LauncherOf(program);
  Py_ssize_t count = PyTuple_Size(args);
  state->tensors.resize(count);
  std::vector<ffi::AnyView> views(count);
  state->exchange = PackArguments(args, count, state->tensors.data(), views.data());
  if (state->exchange == nullptr) {
    if (PyErr_Occurred()) return nullptr;
    Py_RETURN_NONE;
  }
  state->program = Ref::Share(program);
  state->arguments = Ref::Share(args);
  state->refused = Ref::Share(refused);
  if (result != Py_None) state->result = Ref::Share(result);
  state->recipes = RecipesOf(launcher.plan());
  state->storage.resize(launcher.frame_bytes());
  state->frame = launcher.EmptyFrame(state->storage.data());
  BindArguments(&state->frame, views.data(), static_cast<int>(count), launcher.device_type());
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (views[i].type_index() == ffi::TypeIndex::kTVMFFIDLTensorPtr) KeepExtents(state.get(), &state->tensors[i]);
  }
  auto* bound = Allocate<Bound>(bound_type);
  if (bound == nullptr) return nullptr;
  bound->state = state.release();
  return reinterpret_cast<PyObject*>(bound);
}

PyObject* BoundCall(PyObject* self, PyObject* args, PyObject* kwargs) {
  BoundState* state = reinterpret_cast<Bound*>(self)->state;
  if (PyTuple_Size(args) != 0 || (kwargs != nullptr && PyDict_Size(kwargs) != 0)) {
    PyErr_SetString(PyExc_TypeError, "every argument is bound: call it without any");
    return nullptr;
  }
  return Guarded(
      [&]() -> PyObject* {
        const Launcher& launcher = *LauncherOf(state->program.get());
        Frame frame = launcher.EmptyFrame(alloca(launcher.frame_bytes()));
        launcher.CopyFrame(state->frame, &frame);
        try {
          PythonFramework framework(state->exchange, &state->recipes);
          launcher.Run(&frame, &framework);
          return state->result ? Ref(state->result).release() : framework.Return().release();
        } catch (const ffi::Error& error) {
          return Refuse(state->refused.get(), error, state->arguments.get());
        }
      },
      static_cast<PyObject*>(nullptr));
}

int BoundTraverse(PyObject* self, visitproc visit, void* arg) {
  BoundState* state = reinterpret_cast<Bound*>(self)->state;
  Py_VISIT(Py_TYPE(self));
  if (state == nullptr) return 0;
  Py_VISIT(state->program.get());
  Py_VISIT(state->arguments.get());
  Py_VISIT(state->result.get());
  Py_VISIT(state->refused.get());
  return 0;
}

int BoundClear(PyObject* self) {
  delete std::exchange(reinterpret_cast<Bound*>(self)->state, nullptr);
  return 0;
}

void BoundDealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  BoundClear(self);
  Free(self);
}

// -- methods of Program --------------------------------------------------------------------------------------------------
// call(refused, general, named): what goes wrong in the launcher is answered by refused(record, arguments), arguments that are
// not read in C by general(*arguments), and named(arguments, keywords) puts arguments into order.
PyObject* ProgramCall(PyObject* self, PyObject* args) {
  PyObject *refused = nullptr, *general = nullptr, *named = nullptr;
  if (!PyArg_ParseTuple(args, "OOO", &refused, &general, &named)) return nullptr;
  auto* call = Allocate<Call>(call_type);
  if (call == nullptr) return nullptr;
  call->program = Ref::Share(self).release();
  call->refused = Ref::Share(refused).release();
  call->general = Ref::Share(general).release();
  call->named = Ref::Share(named).release();
  call->recipes = new std::vector<OutputRecipe>(RecipesOf(LauncherOf(self)->plan()));
  return reinterpret_cast<PyObject*>(call);
}

// bind(arguments, result, refused): a Bound that returns `result`, or if that is None what it allocates; None where an argument
// is not read in C.
PyObject* ProgramBind(PyObject* self, PyObject* args) {
  PyObject *arguments = nullptr, *result = nullptr, *refused = nullptr;
  if (!PyArg_ParseTuple(args, "O!OO", &PyTuple_Type, &arguments, &result, &refused)) return nullptr;
  return Guarded([&] { return Bind(self, arguments, result, refused); }, static_cast<PyObject*>(nullptr));
}

// handle(): the address that `launcher_functions` of the tvm-ffi side takes; good while the program lives.
PyObject* ProgramHandle(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(reinterpret_cast<Program*>(self)->launcher); }

void ProgramDealloc(PyObject* self) {
  delete reinterpret_cast<Program*>(self)->launcher;
  Free(self);
}

template <typename Function>
void* Slot(Function function) {
  return reinterpret_cast<void*>(function);
}

PyTypeObject* MakeType(PyObject* module, const char* name, int size, unsigned flags, std::vector<PyType_Slot> slots) {
  slots.push_back({0, nullptr});
  PyType_Spec spec{name, size, 0, static_cast<unsigned>(Py_TPFLAGS_DEFAULT) | flags, slots.data()};
  auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  if (type != nullptr && PyModule_AddType(module, type) != 0) return nullptr;
  return type;
}

}  // namespace

PyObject* NewProgram(std::shared_ptr<const Launcher> launcher) {
  auto* program = Allocate<Program>(program_type);
  if (program == nullptr) return nullptr;
  program->launcher = new std::shared_ptr<const Launcher>(std::move(launcher));
  return reinterpret_cast<PyObject*>(program);
}

int AddTypes(PyObject* module) {
  static PyMethodDef methods[] = {
      {"call", ProgramCall, METH_VARARGS, nullptr}, {"bind", ProgramBind, METH_VARARGS, nullptr}, {"handle", ProgramHandle, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
  program_type = MakeType(module, "tilelang_runtime.Program", sizeof(Program), 0, {{Py_tp_dealloc, Slot(ProgramDealloc)}, {Py_tp_methods, methods}});
  call_type = MakeType(module, "tilelang_runtime.Call", sizeof(Call), Py_TPFLAGS_HAVE_GC,
                       {{Py_tp_dealloc, Slot(CallDealloc)}, {Py_tp_traverse, Slot(CallTraverse)}, {Py_tp_clear, Slot(CallClear)}, {Py_tp_call, Slot(CallCall)}});
  bound_type = MakeType(module, "tilelang_runtime.Bound", sizeof(Bound), Py_TPFLAGS_HAVE_GC,
                        {{Py_tp_dealloc, Slot(BoundDealloc)}, {Py_tp_traverse, Slot(BoundTraverse)}, {Py_tp_clear, Slot(BoundClear)}, {Py_tp_call, Slot(BoundCall)}});
  return program_type != nullptr && call_type != nullptr && bound_type != nullptr ? 0 : -1;
}

}  // namespace tilelang::runtime::python
