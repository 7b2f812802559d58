#!/usr/bin/env bash
# Builds draws.cpp with this compiler and with another one, and compares what the two programs draw. Without another compiler it is
# skipped (exit status 77).
# Environment: CXX, EIGEN_DIR, SOURCE_DIR.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

is_clang() { "$1" --version | grep -q clang; }
other=
if is_clang "$CXX"; then candidates=(g++ g++-12 g++-13 g++-14); else candidates=(clang++ clang++-14 clang++-15 clang++-16 clang++-17 clang++-18); fi
for candidate in "${candidates[@]}"; do
  if command -v "$candidate" >/dev/null; then other=$candidate && break; fi
done
if [ -z "$other" ]; then
  echo "no other compiler here"
  exit 77
fi

build() {
  "$1" -std=c++20 -O1 -ffp-contract=off "-I$SOURCE_DIR/include" -isystem "$EIGEN_DIR" "$here/draws.cpp" -o "$work/$2"
  "$work/$2" "$work/$2.bin"
}
build "$CXX" this &
pid=$!
build "$other" other
wait "$pid"
echo "draws of $CXX and $other:"
"$work/this" --compare "$work/this.bin" "$work/other.bin"
