#include "cli/console.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace lowp::cli {
namespace {

TEST(Console, BytesHaveThreeDigits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.00 KiB");
  EXPECT_EQ(human_bytes(98362432), "93.8 MiB");
  EXPECT_EQ(human_bytes(256LL << 30), "256 GiB");
  EXPECT_EQ(human_bytes(std::numeric_limits<std::int64_t>::max()), "8.00 EiB");
}

TEST(Console, CountsAreDecimal) {
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(49152), "49.2 K");
  EXPECT_EQ(human_count(134515008), "135 M");
}

TEST(Console, DurationsGrowCoarser) {
  EXPECT_EQ(human_duration(0.123), "0.12 s");
  EXPECT_EQ(human_duration(45.4), "45 s");
  EXPECT_EQ(human_duration(200), "3 min 20 s");
  EXPECT_EQ(human_duration(7500), "2 h 05 min");
}

TEST(Console, TableAlignsByCodePoints) {
  Table table({{"name"}, {"bytes", Table::Align::kRight}});
  table.add_row({"é", "7"});
  table.add_row({"weight", "1234567"});
  table.add_row({"short row"});
  EXPECT_EQ(table.to_string(),
            "name         bytes\n"
            "---------  -------\n"
            "é                7\n"
            "weight     1234567\n"
            "short row\n");
}

TEST(Console, ProgressPrintsOneLineAtTheEndWithoutATerminal) {
  testing::internal::CaptureStderr();
  {
    Progress progress(3, "work");
    progress.update(1);
    progress.update(2);
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.rfind("work: 3 of 3, ", 0), 0U) << text;
  EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
}

TEST(Console, QuietPrintsNothing) {
  set_quiet(true);
  testing::internal::CaptureStderr();
  {
    Progress progress(1, "work");
    progress.update(1);
    note("hidden");
  }
  set_quiet(false);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace lowp::cli
