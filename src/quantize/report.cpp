#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <ostream>

#include "lowp/quantize.h"

namespace lowp {

std::string Report::to_json() const {
  auto list = nlohmann::ordered_json::array();
  for (const LayerReport& layer : layers) {
    nlohmann::ordered_json entry{{"name", layer.name},
                                 {"out_features", layer.out_features},
                                 {"in_features", layer.in_features}};
    if (layer.experts > 0) entry["experts"] = layer.experts;
    if (layer.skipped.empty()) {
      entry["scheme"] = layer.scheme;
      entry["group_size"] = layer.group_size;
      entry["bits_per_weight"] = layer.bits_per_weight;
      entry["sqnr_db"] =
          std::isfinite(layer.sqnr_db) ? nlohmann::ordered_json(layer.sqnr_db) : nullptr;
    } else {
      entry["skipped"] = layer.skipped;
    }
    list.push_back(std::move(entry));
  }
  return nlohmann::ordered_json{{"layers", std::move(list)}}.dump();
}

std::ostream& operator<<(std::ostream& stream, const Report& report) {
  const std::ios_base::fmtflags flags = stream.flags();
  const std::streamsize precision = stream.precision();
  for (const LayerReport& layer : report.layers) {
    stream << layer.name << " (";
    if (layer.experts > 0) stream << layer.experts << ", ";
    stream << layer.out_features << ", " << layer.in_features << "): ";
    if (layer.skipped.empty()) {
      stream << layer.scheme << std::fixed << std::setprecision(2) << ", " << layer.bits_per_weight
             << " bits per weight, SQNR " << layer.sqnr_db << " dB\n";
    } else {
      stream << "skipped, " << layer.skipped << "\n";
    }
  }
  stream.flags(flags);
  stream.precision(precision);
  return stream;
}

}  // namespace lowp
