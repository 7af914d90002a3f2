#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace lowp::tokenizer {

// What two neighbouring tokens become, and how early: low ranks first.
struct Merge {
  std::uint32_t rank;
  std::int32_t id;
};

// (left, right) -> Merge: open addressing with linear probing, at most half full. Looked up twice
// for every merge made.
class MergeTable {
 public:
  explicit MergeTable(std::size_t count = 0) : slots_(std::bit_ceil(2 * count + 2)) {}

  // The last merge of a pair counts. At most `count` different pairs.
  void set(std::int32_t left, std::int32_t right, Merge merge) {
    Slot& slot = slots_[index_of(key_of(left, right))];
    slot = {key_of(left, right), merge};
  }

  const Merge* find(std::int32_t left, std::int32_t right) const {
    const Slot& slot = slots_[index_of(key_of(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.merge;
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // ids are not negative

  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge{};
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }

  // Where the key is, or where it would be put.
  std::size_t index_of(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t index = (key * 0x9E3779B97F4A7C15u) >> 32 & mask;
    while (slots_[index].key != key && slots_[index].key != kEmpty) index = (index + 1) & mask;
    return index;
  }

  std::vector<Slot> slots_;
};

}  // namespace lowp::tokenizer
