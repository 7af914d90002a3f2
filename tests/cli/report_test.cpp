#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/report_data.h"
#include "cli/report_html.h"
#include "lowp/error.h"

namespace lowp::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kHostile = R"x(<img src=x onerror="alert('1')">&)x";
constexpr const char* kEscaped = "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;";

LayerRow quantized(const std::string& name, double sqnr) {
  return {.name = name,
          .scheme = "W8A8",
          .reason = "",
          .shape = {576, 1536},
          .bits_per_weight = 8.02,
          .bytes_before = 1769472,
          .bytes_after = 887040,
          .sqnr_db = sqnr,
          .relative_error = 0.0102,
          .max_error = 0.0625,
          .clipped_share = 0.00035,
          .zero_share = 0.012,
          .non_finite = 0};
}

ReportData example(const std::string& text) {
  ReportData data{.model = text,
                  .text = text,
                  .device = text,
                  .date = "2026-01-31",
                  .version = text,
                  .threads = 2,
                  .models = {},
                  .runs = {}};
  ModelRow base;
  base.name = base.model = base.scheme = base.text = text;
  base.perplexity = 24.81;
  base.kl_mean = 0.0;
  base.size_bytes = 269060352;
  ModelRow other = base;
  other.name = "W8A8";
  other.perplexity = 25.62;
  other.perplexity_error = 0.63;
  other.kl_mean = 0.0312;
  other.decode_tokens_per_second = 98.04;
  data.models = {base, other};
  LayerRow kept;
  kept.name = kept.reason = text;
  kept.bytes_before = 1152;
  QuantizeRun run;
  run.name = run.source = run.output = text;
  run.bytes_before = 269060352;
  run.bytes_after = 163200000;
  run.layers = {quantized("model.layers.0.mlp.down_proj.weight", 39.86),
                quantized("model.layers.1.mlp.down_proj.weight", 41.25), kept,
                quantized("model.layers.1." + text, 12.5)};
  data.runs = {run, run};
  return data;
}

TEST(ReportHtml, IsSelfContained) {
  const std::string page = report_html(example("plain"));
  for (const char* word : {"http:", "https:", "src=", "href=", "url(", "@import", "<!--body-->"}) {
    EXPECT_THAT(page, Not(HasSubstr(word)));
  }
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
}

TEST(ReportHtml, ShowsTheNumbers) {
  const std::string page = report_html(example("plain"));
  for (const char* number :
       {"25.62 \u00B1 0.63", "+3.26\u202F%", "0.0312", "98.0", "269\u202FMB", "163\u202FMB",
        "39.86", "1.02\u202F%", "0.0625", "0.035\u202F%", "576\u202F\u00D7\u202F1536", "12.50"}) {
    EXPECT_THAT(page, HasSubstr(number));
  }
  EXPECT_THAT(page, HasSubstr("mlp.down_proj 1: 41.25 dB"));  // a point of the plot
}

TEST(ReportHtml, EscapesHostileNames) {
  const std::string page = report_html(example(kHostile));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("onerror=\"")));
  EXPECT_THAT(page, HasSubstr(kEscaped));
  EXPECT_THAT(report_html(example("a\x01\xFF")), HasSubstr("a\uFFFD\uFFFD"));
  EXPECT_THAT(report_html(example("</script><script>")), Not(HasSubstr("</script><script>")));
}

TEST(ReportHtml, WithoutErrorOrWithoutAnything) {
  ReportData data = example("plain");
  data.runs[0].layers[0].sqnr_db.reset();
  data.runs[0].layers[0].relative_error = 0.0;
  EXPECT_THAT(report_html(data), HasSubstr(">exact</td>"));
  EXPECT_THAT(report_html(ReportData()), HasSubstr("Quantization report"));
  data.runs = {QuantizeRun()};
  data.models = {ModelRow()};
  EXPECT_THAT(report_html(data), HasSubstr("Quantized layers"));
}

class ReportFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lowp_report_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const char* name, const std::string& text) const {
    std::ofstream(directory_ / name) << text;
    return directory_ / name;
  }

  std::string error_of(const std::string& text) const {
    ReportData data;
    try {
      add_results(write("x.json", text), data);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path directory_;
};

TEST_F(ReportFiles, JoinsEvalAndGenerate) {
  ReportData data;
  write("config.json", R"({"model_type": "llama"})");
  write("eval.json", R"({"model": "m", "scheme": "W8A8", "perplexity": 25.5, "kl_mean": null})");
  write("generate.json", R"({"model": "m", "scheme": "W8A8", "decode_tokens_per_second": 99,
                             "text": "hi"})");
  add_results(directory_, data);
  ASSERT_EQ(data.models.size(), 1u);
  EXPECT_EQ(data.models[0].name, "W8A8");
  EXPECT_EQ(data.models[0].perplexity, 25.5);
  EXPECT_EQ(data.models[0].decode_tokens_per_second, 99);
  EXPECT_EQ(data.models[0].text, "hi");
  EXPECT_EQ(data.models[0].kl_mean, std::nullopt);
}

TEST_F(ReportFiles, ReadsRunsAndLists) {
  ReportData data;
  add_results(write("report.json", R"({"recipe": {"scheme": "W4A16", "group_size": 32},
      "bytes_before": 10, "layers": [{"name": "a.0.b", "shape": [2, 3], "scheme": null,
      "reason": "an embedding", "sqnr_db": null}]})"),
              data);
  add_results(write("demo.json", R"({"device": "a CPU", "threads": 2,
      "models": [{"name": "bf16", "perplexity": 1}, {"name": "x", "perplexity": 2}]})"),
              data);
  ASSERT_EQ(data.runs.size(), 1u);
  EXPECT_EQ(data.runs[0].name, "W4A16 g32");
  EXPECT_EQ(data.runs[0].layers[0].reason, "an embedding");
  EXPECT_EQ(data.models.size(), 2u);
  EXPECT_EQ(data.device, "a CPU");
}

TEST_F(ReportFiles, ErrorsNameTheField) {
  EXPECT_THAT(error_of("{"), HasSubstr("x.json is not JSON"));
  EXPECT_THAT(error_of("[]"), HasSubstr("holds no results"));
  EXPECT_THAT(error_of("{}"), HasSubstr("holds no results"));
  EXPECT_THAT(error_of(R"({"perplexity": "low"})"), HasSubstr("perplexity is not a number"));
  EXPECT_THAT(error_of(R"({"models": [{"name": 5}]})"),
              HasSubstr("models[0].name is not a string"));
  EXPECT_THAT(error_of(R"({"models": 5})"), HasSubstr("models is not an array"));
  EXPECT_THAT(error_of(R"({"models": [5]})"), HasSubstr("models[0]. is not an object"));
  EXPECT_THAT(error_of(R"({"recipe": {}, "layers": [{"shape": "x"}]})"),
              HasSubstr("layers[0].shape is not an array of integers"));
  ReportData data;
  EXPECT_THROW(add_results(directory_ / "absent", data), Error);
  std::filesystem::remove(directory_ / "x.json");
  EXPECT_THROW(add_results(directory_, data), Error);
}

}  // namespace
}  // namespace lowp::cli
