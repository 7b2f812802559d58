#!/usr/bin/env bash
# run.sh PAGE.md: compiles, and where asked runs, the marked programs of a Markdown page, README's with the command it
# gives. A ```cpp block is marked by the line before it:
#   <!-- compile -->                          the program compiles without a message
#   <!-- run: expected output follows -->     and runs; the next ```text block, if there is one before the next cpp block,
#                                             is exactly what it prints
# A compile command shown on the page (a line with `-std=c++20`) must be the one used here, but for the file names.
# Environment: CXX, EIGEN_DIR, SOURCE_DIR.
set -euo pipefail
page=$1
documented='g++ -std=c++20 -O2 -Iinclude -I/usr/include/eigen3'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Splits the page: N.cpp, N.run (only for programs to run), N.text (expected output), N.line (place on the page).
awk -v dir="$scratch" '
  BEGIN { n = 0; state = "page" }
  state == "page" && /^```cpp[ \t]*$/ {
    state = "skip"
    open_text = 0
    if (mark != "") {
      n++
      state = "cpp"
      cpp = dir "/" n ".cpp"
      printf "" > cpp
      print NR > (dir "/" n ".line")
      if (mark == "run") { printf "" > (dir "/" n ".run"); open_text = 1 }
    }
    next
  }
  state == "page" && /^```text[ \t]*$/ && open_text {
    state = "text"
    text = dir "/" n ".text"
    printf "" > text
    open_text = 0
    next
  }
  state == "page" && /^```/ { state = "skip"; next }
  state != "page" && /^```[ \t]*$/ { state = "page"; mark = ""; next }
  state == "cpp" { print > cpp; next }
  state == "text" { print > text; next }
  state == "page" {
    if ($0 ~ /^<!-- compile -->[ \t]*$/) mark = "compile"
    else if ($0 ~ /^<!-- run(: expected output follows)? -->[ \t]*$/) mark = "run"
    else if ($0 ~ /^<!-- (compile|run)/) { print "line " NR ": unknown mark: " $0 > (dir "/bad"); mark = "" }
    else mark = ""
  }
  END { if (state != "page") print "a fence is not closed" > (dir "/bad") }
' "$page"

failures=0
complain() {
  printf '%s:%s: %s\n' "$page" "$1" "$2" >&2
  failures=$((failures + 1))
}

[ ! -e "$scratch/bad" ] || complain 0 "$(cat "$scratch/bad")"
while IFS=: read -r line command; do
  case "$command" in
    *"$documented"*) ;;
    *) complain "$line" "the compile command is not '$documented ...'" ;;
  esac
done < <(grep -n -e '-std=c++20' "$page" || true)

# README's programs are compiled by the very command it shows; those of the other pages, three dozen, without optimisation, in half the time.
optimise=-O0
[ "$(basename "$page")" != README.md ] || optimise=-O2

count=0
for place in "$scratch"/*.line; do
  [ -e "$place" ] || break
  count=$((count + 1))
  program=${place%.line}
  line=$(cat "$place")
  link=(-c -o "$program.o")
  [ ! -e "$program.run" ] || link=(-o "$program")
  if ! "$CXX" -std=c++20 "$optimise" "-I$SOURCE_DIR/include" "-I$EIGEN_DIR" "$program.cpp" "${link[@]}" >"$program.log" 2>&1; then
    complain "$line" "does not compile: $(cat "$program.log")"
    continue
  fi
  [ ! -s "$program.log" ] || complain "$line" "does not compile silently: $(cat "$program.log")"
  [ -e "$program.run" ] || continue
  if ! (cd "$scratch" && "$program" >"$program.out" 2>"$program.err"); then
    complain "$line" "fails: $(cat "$program.out" "$program.err")"
  elif [ -e "$program.text" ] && ! diff -u --label "expected output" --label "output" "$program.text" "$program.out" >&2; then
    complain "$line" "prints something else"
  fi
done

[ "$count" -gt 0 ] || complain 0 "no marked program found"
echo "$page: $count programs, $failures failures"
[ "$failures" -eq 0 ]
