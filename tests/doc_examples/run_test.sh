#!/usr/bin/env bash
# Plants mistakes in small pages and wants run.sh to refuse each of them. Environment: CXX, EIGEN_DIR, SOURCE_DIR.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

# page NAME accept|refuse: the page is read from the standard input.
page() {
  cat >"$scratch/$1.md"
  local got=accept
  bash "$here/run.sh" "$scratch/$1.md" >"$scratch/$1.log" 2>&1 || got=refuse
  if [ "$got" != "$2" ]; then
    echo "$1: wanted $2, got $got" >&2
    cat "$scratch/$1.log" >&2
    failures=$((failures + 1))
  fi
}

page right accept <<'END'
<!-- run: expected output follows -->
```cpp
#include <cstdio>
int main() { std::puts("a  b"); }
```
It prints
```text
a  b
```
<!-- compile -->
```cpp
int twice(int x) { return 2 * x; }
```
```cpp
an unmarked fragment
```
    g++ -std=c++20 -O2 -Iinclude -I/usr/include/eigen3 hello.cpp -o hello
END
page other_output refuse <<'END'
<!-- run: expected output follows -->
```cpp
#include <cstdio>
int main() { std::puts("a b"); }
```
```text
a  b
```
END
page does_not_compile refuse <<'END'
<!-- compile -->
```cpp
int twice(int x) { return 2 * y; }
```
END
page warns refuse <<'END'
<!-- compile -->
```cpp
#warning a message
```
END
page exits_with_error refuse <<'END'
<!-- run: expected output follows -->
```cpp
int main() { return 1; }
```
END
page misspelt_mark refuse <<'END'
<!-- run it -->
```cpp
int main() {}
```
END
page other_command refuse <<'END'
<!-- compile -->
```cpp
int x;
```
    g++ -std=c++20 -O3 -Iinclude hello.cpp
END
page open_fence refuse <<'END'
<!-- compile -->
```cpp
int x;
END
[ "$failures" -eq 0 ]
