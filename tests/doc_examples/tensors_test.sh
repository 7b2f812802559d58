#!/usr/bin/env bash
# docs/tensors.md names every operation on tensors, and every way to make one. Environment: SOURCE_DIR.
set -euo pipefail
page=$SOURCE_DIR/docs/tensors.md include=$SOURCE_DIR/include/wick
failures=0
# Public functions stand at the beginning of a line outside namespace detail.
names=$(awk 'FNR == 1 { inside = 0 }
  /^namespace .*detail \{/ { inside = 1 }
  /^}  \/\/ namespace .*detail/ { inside = 0 }
  !inside' "$include"/ad/ops_*.hpp "$include"/ad/{matmul,fuse,grad}.hpp "$include"/tensor/{make,print,eigen}.hpp |
  grep -oE '^(WICK_[A-Z]+ )?(inline )?(Tensor|auto|std::string|detail::[A-Za-z]+) [a-z_0-9]+\(' |
  sed -E 's/.* ([a-z_0-9]+)\($/\1/' | sort -u)
for name in $names; do
  grep -qE "\`([^\`]*[^a-z_])?${name}[\`(]" "$page" && continue
  echo "docs/tensors.md does not name $name" >&2
  failures=1
done
[ "$(wc -w <<<"$names")" -ge 30 ] || { echo "found only: $names" >&2 && failures=1; }
exit "$failures"
