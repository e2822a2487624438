#include "access_log.h"

namespace tl::sim {

void AccessLog::grow() {
  std::vector<Entry> old(table_.size() * 2);
  old.swap(table_);
  for (Entry& entry : old) {
    if (entry.site) *find(entry.site, entry.writes, entry.region) = std::move(entry);
  }
}

std::string AccessLog::to_json() const {
  auto extreme = [](const Extreme& e) {
    return "[" + std::to_string(e.offset) + "," + std::to_string(e.thread) + "," + std::to_string(e.block[0]) + "," +
           std::to_string(e.block[1]) + "," + std::to_string(e.block[2]) + "]";
  };
  std::string text = "[";
  for (const Entry& entry : table_) {
    if (entry.site == 0) continue;
    if (text.size() > 1) text += ",";
    text += "{\"site\":" + std::to_string(entry.site & ~site_is_offset) + ",\"is_line\":" + (entry.site & site_is_offset ? "false" : "true") +
            ",\"writes\":" + (entry.writes ? "true" : "false") + ",\"region\":" + (entry.region ? json_string(entry.name) : "null") +
            ",\"low\":" + extreme(entry.low) + ",\"high\":" + extreme(entry.high) + "}";
  }
  return text + "]";
}

}  // namespace tl::sim
