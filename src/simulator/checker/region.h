// Global memory that the launcher has registered: tensors and workspaces with their exact extents.
#pragma once
#include <string>
#include <vector>

#include "shadow.h"

namespace tl::sim {

struct Region {
  const char* base;
  size_t bytes;
  std::string name;
  bool fresh;  // nothing has been written there before the first launch
  Shadow shadow;

  bool holds(const void* address, size_t size) const {
    auto offset = static_cast<size_t>(static_cast<const char*>(address) - base);
    return offset < bytes && size <= bytes - offset;
  }
  size_t offset_of(const void* address) const { return static_cast<size_t>(static_cast<const char*>(address) - base); }
};

class Regions {
 public:
  // Overlapping registrations (a tensor passed twice, views of one storage) become one region with both names.
  // False if the system refuses the shadow's address space.
  bool add(const void* base, size_t bytes, const std::string& name, bool fresh);
  void clear();
  bool empty() const { return regions_.empty(); }
  // The region in which all bytes lie, or null.
  Region* find(const void* address, size_t bytes);
  // The region that ends or begins closest to the address; null without any.
  const Region* nearest(const void* address) const;

 private:
  std::vector<Region> regions_;
  size_t last_ = 0;
};

}  // namespace tl::sim
