#!/usr/bin/env bash
# The examples in the doc comments of the handlers: each header in effect/handlers has one, after `/// Example:`, and all of them run.
# Environment: CXX, EIGEN_DIR, SOURCE_DIR.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
cat >"$scratch/all.cpp" <<'CPP'
#include <cmath>
#include <cstdio>
#include <string>
#include <wick/effect/handlers/enum.hpp>
#include <wick/effect/handlers/queue.hpp>
#include <wick/effect/handlers/reparam.hpp>
#include <wick/wick.hpp>
using namespace wick;

static Tensor model(const Tensor& y) {
  const Tensor z = sample("z", Normal(0.0, 1.0));
  return sample("y", Normal(z, 1.0), obs(y));
}
static Tensor guide(const Tensor&) { return sample("z", Normal(param("loc", 0.0), 1.0)); }
static Tensor coins() { return sample("a", Bernoulli({.probs = 0.5})) + sample("b", Bernoulli({.probs = 0.5})); }
CPP
n=0
for header in "$SOURCE_DIR"/include/wick/effect/handlers/*.hpp; do
  case "$(basename "$header")" in common.hpp | handlers.hpp) continue ;; esac
  awk '/^\/\/\/ Example:$/ { on = 1; next } on && /^\/\/\/     / { print substr($0, 9); next } { on = 0 }' "$header" >"$scratch/one"
  if [ ! -s "$scratch/one" ]; then
    echo "$header: no example in its doc comment" >&2
    failures=1
  fi
  { echo "static void example_$n([[maybe_unused]] const Tensor& y) {"; cat "$scratch/one"; echo "}"; } >>"$scratch/all.cpp"
  n=$((n + 1))
done
{
  echo "int main() {"
  echo "  static_cast<void>(&guide), static_cast<void>(&coins);"
  for ((i = 0; i < n; i++)); do echo "  example_$i(1.5);"; done
  echo "}"
} >>"$scratch/all.cpp"
"$CXX" -std=c++20 -O1 -Wall -Wextra "-I$SOURCE_DIR/include" "-I$EIGEN_DIR" "$scratch/all.cpp" -o "$scratch/all" || exit 1
"$scratch/all" >"$scratch/out" || { echo "an example fails" >&2; exit 1; }
# What they print is what they promise.
grep -qx 'log density at z = 0.5: -2.463' "$scratch/out" || failures=1
grep -qx 'left at z' "$scratch/out" || failures=1
[ "$(grep -cx '0.250' "$scratch/out")" = 4 ] || failures=1
exit "$failures"
