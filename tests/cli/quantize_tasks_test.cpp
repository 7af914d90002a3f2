#include "cli/quantize_tasks.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "lowp/error.h"

namespace lowp::cli {
namespace {

// A file of `size` bytes that differ from page to page.
class QuantizeTasksTest : public testing::TestWithParam<int> {
 protected:
  static std::filesystem::path make_file(const std::string& name, std::size_t size) {
    const auto path = std::filesystem::temp_directory_path() /
                      ("lowp_tasks_" + name + std::to_string(::getpid()));
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761U >> 13);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
};

TEST_P(QuantizeTasksTest, EveryTaskSeesItsBytes) {
  const auto first_path = make_file("a", (11U << 20) + 4095);
  const auto second_path = make_file("b", 5000);
  {
    const checkpoint::MappedFile first(first_path);
    const checkpoint::MappedFile second(second_path);
    std::vector<Task> tasks;
    std::vector<int> runs;
    const auto add = [&](const checkpoint::MappedFile& file, std::size_t begin, std::size_t size) {
      const auto source = file.bytes().subspan(begin, size);
      const std::size_t slot = runs.size();
      runs.push_back(0);
      tasks.push_back({&file, source, [&runs, slot, source](int, const std::byte* data) {
                         runs[slot] += std::equal(source.begin(), source.end(), data) ? 1 : 100;
                       }});
    };
    // Neighbours of odd sizes up to the end of the file, over several blocks.
    std::size_t begin = 777;
    for (std::size_t size = 1; begin < first.bytes().size(); size = size * 3 + 1) {
      size = std::min({size, first.bytes().size() - begin, std::size_t{700'001}});
      add(first, begin, size);
      begin += size;
    }
    add(second, 10, 4990);      // another file
    add(second, 0, 10);         // backwards
    add(second, 4097, 1);       // with a gap
    add(first, 100, 9U << 20);  // more than a block
    add(first, (9U << 20) + 100, 5);
    run_tasks(tasks, GetParam());
    EXPECT_THAT(runs, testing::Each(1));
  }
  std::filesystem::remove(first_path);
  std::filesystem::remove(second_path);
}

TEST_P(QuantizeTasksTest, TheFirstErrorComesBack) {
  const auto path = make_file("c", 30U << 20);
  {
    const checkpoint::MappedFile file(path);
    std::vector<Task> tasks;
    for (std::size_t i = 0; i < 30; ++i) {
      tasks.push_back({&file, file.bytes().subspan(i << 20, 1U << 20), [i](int, const std::byte*) {
                         if (i == 7) throw std::runtime_error("seven");
                       }});
    }
    EXPECT_THROW(run_tasks(tasks, GetParam()), std::runtime_error);
    std::filesystem::resize_file(path, 9U << 20);
    tasks.erase(tasks.begin() + 7);
    EXPECT_THROW(run_tasks(tasks, GetParam()), Error);  // the file has shrunk
  }
  std::filesystem::remove(path);
}

TEST_P(QuantizeTasksTest, NoTasksAreFine) { run_tasks({}, GetParam()); }

INSTANTIATE_TEST_SUITE_P(Threads, QuantizeTasksTest, testing::Values(1, 2, 5));

}  // namespace
}  // namespace lowp::cli
