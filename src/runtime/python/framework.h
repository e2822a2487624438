// The framework of a call from Python: outputs are its tensors.
#pragma once

#include <vector>

#include "../framework.h"
#include "exchange.h"

namespace tilelang::runtime::python {

// How an output was made last time: most calls make the same again. Guarded by the interpreter lock.
struct OutputRecipe {
  std::string dtype_name;
  Ref dtype;
  const Exchange* exchange = nullptr;
  std::vector<int64_t> extents;
  Ref arguments;  // (extents, strides, dtype)
};

class PythonFramework : public Framework {
 public:
  PythonFramework(const Exchange* exchange, std::vector<OutputRecipe>* recipes) : exchange_(exchange), recipes_(recipes) {}
  ~PythonFramework() override;

  void* Stream(DLDevice device) override;
  void* Allocate(const DLTensor& prototype, int output, const std::string& name) override;
  void BeforeLaunch() override { thread_ = PyEval_SaveThread(); }
  void AfterLaunch() override { PyEval_RestoreThread(thread_); }

  // None, the output, or a list of several.
  Ref Return();

 private:
  // An empty reference where the framework has no faster way than the table.
  Ref MakeOutput(const DLTensor& prototype, OutputRecipe* recipe, const std::string& name);
  DLManagedTensorVersioned* AllocateByTable(const DLTensor& prototype, const std::string& name);

  const Exchange* exchange_;
  std::vector<OutputRecipe>* recipes_;
  Ref output_;                   // of a plan with one
  std::vector<Ref> outputs_;     // of a plan with several
  std::vector<DLManagedTensorVersioned*> workspaces_;
  PyThreadState* thread_ = nullptr;
};

}  // namespace tilelang::runtime::python
