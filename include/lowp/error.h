#pragma once

#include <stdexcept>

namespace lowp {

// What lowp throws for bad input: `[operation] problem, got value, expected ...`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lowp
