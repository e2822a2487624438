#include "finding.h"

#include <cstdio>

namespace tl::sim {

std::string json_string(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\u%04x", c);
      result += escaped;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

bool Findings::seen(uint64_t key) {
  auto found = index_.find(key);
  if (found == index_.end()) return false;
  ++list_[found->second].count;
  return true;
}

void Findings::add(uint64_t key, Finding finding) {
  if (full()) return;
  index_[key] = list_.size();
  list_.push_back(std::move(finding));
}

namespace {

std::string party_to_json(const Party& party) {
  std::string text = "{\"access\":" + json_string(party.access);
  if (party.site & site_is_offset) text += ",\"offset_in_object\":" + std::to_string(party.site & ~site_is_offset);
  else text += ",\"line\":" + std::to_string(party.site);
  text += ",\"thread\":" + std::to_string(party.thread) + ",\"block\":[" + std::to_string(party.block[0]) + "," +
          std::to_string(party.block[1]) + "," + std::to_string(party.block[2]) + "],\"loops\":[";
  bool first = true;
  for (const Iteration& iteration : party.iterations.at) {
    if (!iteration.line) continue;
    text += std::string(first ? "" : ",") + "[" + std::to_string(iteration.line) + "," + std::to_string(iteration.value) + "]";
    first = false;
  }
  return text + "]}";
}

}  // namespace

std::string Findings::to_json() const {
  std::string text = "[";
  for (const Finding& finding : list_) {
    if (text.size() > 1) text += ",";
    text += "{\"check\":" + json_string(finding.check) + ",\"kind\":" + json_string(finding.kind) + ",\"missing\":" +
            json_string(finding.missing) + ",\"space\":" + json_string(finding.space) + ",\"region\":" + json_string(finding.region) +
            ",\"offset\":" + std::to_string(finding.offset) + ",\"bytes\":" + std::to_string(finding.bytes) +
            ",\"count\":" + std::to_string(finding.count) + ",\"parties\":[";
    for (size_t i = 0; i < finding.parties.size(); ++i) text += (i ? "," : "") + party_to_json(finding.parties[i]);
    text += "],\"notes\":[";
    for (size_t i = 0; i < finding.notes.size(); ++i) text += (i ? "," : "") + json_string(finding.notes[i]);
    text += "]}";
  }
  return text + "]";
}

}  // namespace tl::sim
