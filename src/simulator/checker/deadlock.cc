// A deadlock as the cycle of waits that holds it.
#include <algorithm>

#include "checker.h"

namespace tl::sim {

namespace {

// Threads that wait for the same thing at the same place.
struct Group {
  std::string wait;
  std::vector<int> members;
};

std::string name_members(const std::vector<int>& members) {
  std::string text;
  for (size_t i = 0; i < members.size();) {
    size_t j = i;
    while (j + 1 < members.size() && members[j + 1] == members[j] + 1) ++j;
    text += (text.empty() ? "" : ", ") + std::to_string(members[i]) + (j > i ? "-" + std::to_string(members[j]) : "");
    i = j + 1;
  }
  return (members.size() == 1 ? "thread " : "threads ") + text;
}

// Whether `other` could end the wait of `waiting`: it has not come to the same barrier or collective.
bool could_release(const Block& block, const Thread& waiting, const Thread& other) {
  if (waiting.wait == Wait::barrier) {
    return !(block.barriers[waiting.wait_barrier].waiting[other.warp] >> other.lane & 1);
  }
  if (waiting.wait == Wait::warp) {
    const Warp& warp = block.warps[other.warp];
    return other.warp == waiting.warp && warp.request[waiting.lane]->mask >> other.lane & 1 && !(warp.arrived >> other.lane & 1);
  }
  return true;
}

}  // namespace

void Checker::deadlock(Block& block) {
  if (!(checks_ & check_deadlock)) return;
  std::vector<Group> groups;
  std::vector<int> exited;
  for (int i = 0; i < block.thread_count; ++i) {
    const Thread& thread = block.threads[static_cast<size_t>(i)];
    if (thread.wait == Wait::exited) {
      exited.push_back(i);
      continue;
    }
    std::string wait = describe_wait(block, thread);
    auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.wait == wait; });
    if (same == groups.end()) groups.push_back({wait, {i}});
    else same->members.push_back(i);
  }
  Finding finding;
  finding.check = "deadlock";
  finding.kind = "no thread of the block can go on";
  auto edge = [&](const Group& from, const Group& to) {
    const Thread& waiting = block.threads[static_cast<size_t>(from.members[0])];
    return std::any_of(to.members.begin(), to.members.end(),
                       [&](int i) { return could_release(block, waiting, block.threads[static_cast<size_t>(i)]); });
  };
  // From any group, follow who could release it until one comes up again, or nobody is left.
  std::vector<size_t> path;
  size_t at = 0;
  bool cycle = false;
  while (true) {
    auto again = std::find(path.begin(), path.end(), at);
    if (again != path.end()) {
      path.erase(path.begin(), again);
      cycle = true;
      break;
    }
    path.push_back(at);
    size_t next = 0;
    while (next < groups.size() && (next == at || !edge(groups[at], groups[next]))) ++next;
    if (next == groups.size()) break;
    at = next;
  }
  for (size_t i = 0; i < path.size(); ++i) {
    const Group& group = groups[path[i]];
    std::string whom = i + 1 < path.size() ? name_members(groups[path[i + 1]].members)
                       : cycle             ? name_members(groups[path[0]].members)
                                           : std::string("nobody who is left");
    finding.notes.push_back(name_members(group.members) + " " + group.wait + "; only " + whom + " could release them");
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    if (std::find(path.begin(), path.end(), i) == path.end()) finding.notes.push_back(name_members(groups[i].members) + " " + groups[i].wait);
  }
  if (!exited.empty()) finding.notes.push_back(name_members(exited) + " exited");
  finding.missing = cycle ? "the waits form a cycle" : "the arrivals that are missing never come";
  for (size_t index : path) {
    const Thread& thread = block.threads[static_cast<size_t>(groups[index].members[0])];
    finding.parties.push_back({"wait", static_cast<uint32_t>(thread.site), thread.index, {block.index.x, block.index.y, block.index.z}});
  }
  findings_.add(finding.parties.empty() ? 0 : finding.parties[0].site, std::move(finding));
}

}  // namespace tl::sim
