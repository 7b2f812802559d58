#!/usr/bin/env bash
# check.sh FILE: compiles FILE and wants the compiler to say what the file's first lines announce:
#   // expect: <regular expression of grep -E>    must match a line of the compiler's messages
#   // flags: <options>                           optional, beside -std=c++20 -O1 -Wall -Wextra
# A file that mentions WICK_CONTROL is compiled a second time with that macro defined, where the mistake is put right:
# that must compile without a word, so that the refusal is known to come from the mistake.
# Environment: CXX, EIGEN_DIR, SOURCE_DIR.
set -euo pipefail
file=$1

fail() {
  printf '%s: %s\n' "$file" "$1" >&2
  exit 1
}

expect=$(head -n 6 "$file" | sed -n 's|^// expect: ||p')
read -r -a flags <<<"$(head -n 6 "$file" | sed -n 's|^// flags: ||p')"
[ -n "$expect" ] || fail "no '// expect: regex' among the first lines"

compile() { "$CXX" -std=c++20 -O1 -Wall -Wextra "-I$SOURCE_DIR/include" -isystem "$EIGEN_DIR" "${flags[@]}" -S -o /dev/null "$@" 2>&1; }

messages=$(compile "$file") || true
[ -n "$messages" ] || fail "compiled without a word; expected a message that matches: $expect"
grep -E -q -e "$expect" <<<"$messages" || fail "no message matches: $expect
The compiler said:
$messages"

if grep -q WICK_CONTROL "$file"; then
  messages=$(compile -DWICK_CONTROL "$file") || fail "the control (-DWICK_CONTROL) does not compile:
$messages"
  [ -z "$messages" ] || fail "the control (-DWICK_CONTROL) is not silent:
$messages"
fi
