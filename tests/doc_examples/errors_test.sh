#!/usr/bin/env bash
# docs/errors.md names every id that the headers use, each once and with the class that is thrown, and no other.
# Environment: SOURCE_DIR.
set -euo pipefail
page=$SOURCE_DIR/docs/errors.md
used=$(grep -rhoE '"wick\.[a-z_]+\.[EW][0-9]{3}"' "$SOURCE_DIR/include" | tr -d '"' | sort -u)
listed=$(sed -nE 's/^\| `(wick\.[a-z_]+\.[EW][0-9]{3})`.*/\1/p' "$page" | sort)
diff -u --label "used in include/" --label "listed in docs/errors.md" <(echo "$used") <(echo "$listed")

# Where the class stands beside the id in the code, the page names it.
failures=0
while read -r class id; do
  grep -qE "^\| \`$id\` \| $class " "$page" && continue
  echo "$page: $id is thrown as $class" >&2
  failures=1
done < <(grep -rhoE 'raise(_pair)?<[A-Za-z]+Error>\("wick\.[a-z_]+\.E[0-9]{3}"' "$SOURCE_DIR/include" |
  sed -E 's/.*<([A-Za-z]+)>\("(.*)"/\1 \2/' | sort -u)
exit "$failures"
