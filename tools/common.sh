# Read by the scripts of this folder: `repo`, `jobs`, `need`, `configure`, `step`, `report`.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)
step_times=()

# Is it there? A command by its name, a header by its path as the compiler would write it.
have() {
  case $1 in
    cmake) command -v cmake >/dev/null && version_at_least 3.25 "$(cmake --version | sed -n '1s/[^0-9]*//p')" ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    *.hpp | *.h | Eigen/*) printf '#include <%s>\n' "$1" | c++ -std=c++20 -E -I/usr/include/eigen3 -x c++ - >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

version_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# Debian's and Ubuntu's package of a thing.
package_of() {
  case $1 in
    c++) echo g++ ;;
    clang++) echo clang ;;
    ninja) echo ninja-build ;;
    gnuplot) echo gnuplot-nox ;;
    taskset) echo util-linux ;;
    Eigen/Core) echo libeigen3-dev ;;
    boost/version.hpp) echo libboost-dev ;;
    catch2/catch.hpp) echo catch2 ;;
    benchmark/benchmark.h) echo libbenchmark-dev ;;
    *) echo "$1" ;;
  esac
}

# need THING...: installs from the distribution's packages what is not there. A THING with a trailing ? is wanted, not
# needed. On a system without apt says what is missing, and stops if any of it is needed.
need() {
  local thing missing=()
  for thing in "$@"; do
    is_there "${thing%\?}" || missing+=("$thing")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local needed=() wanted=()
  for thing in "${missing[@]}"; do
    case $thing in
      *\?) wanted+=("$(package_of "${thing%\?}")") ;;
      *) needed+=("$(package_of "$thing")") ;;
    esac
  done
  if command -v apt-get >/dev/null; then
    local as_root=()
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
      echo "Neither root nor sudo here. As root: apt-get install ${needed[*]} ${wanted[*]}" >&2
    else
      [ "$(id -u)" -eq 0 ] || as_root=(sudo)
      echo "Installing: ${needed[*]} ${wanted[*]}"
      local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
      "${apt[@]}" update >/dev/null || echo "apt-get update failed; trying with the lists that are there" >&2
      [ ${#needed[@]} -eq 0 ] || "${apt[@]}" install --no-install-recommends "${needed[@]}" || true
      [ ${#wanted[@]} -eq 0 ] || "${apt[@]}" install --no-install-recommends "${wanted[@]}" || true
    fi
  fi
  hash -r
  local failed=0
  for thing in "${missing[@]}"; do
    is_there "${thing%\?}" && continue
    case $thing in
      *\?) echo "Without ${thing%\?} (Debian/Ubuntu package: $(package_of "${thing%\?}")) some things are left out." >&2 ;;
      cmake) echo "Missing: CMake 3.25 or later" >&2 && failed=1 ;;
      *) echo "Missing: $thing (Debian/Ubuntu package: $(package_of "$thing"))" >&2 && failed=1 ;;
    esac
  done
  [ "$failed" -eq 0 ] || exit 1
}

# Catch2 3 has other headers than Catch2 2; either will do.
is_there() {
  if [ "$1" = catch2/catch.hpp ]; then have catch2/catch.hpp || have catch2/catch_all.hpp; else have "$1"; fi
}

# configure PRESET FOLDER [OPTION...]: quiet unless it fails.
configure() {
  local preset=$1 build=$2
  shift 2
  if ! (cd "$repo" && cmake --preset "$preset" -B "$build" "$@") >"$build.log" 2>&1; then
    cat "$build.log" >&2
    return 1
  fi
}

# step TITLE COMMAND...: runs the command and notes how long it took.
step() {
  local title=$1 begin=$SECONDS status=0
  shift
  printf '\n--- %s\n' "$title"
  "$@" || status=$?
  step_times+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$title")")
  return "$status"
}

# The times of all steps.
report() {
  printf '\n'
  [ ${#step_times[@]} -eq 0 ] || printf '%s\n' "${step_times[@]}"
  printf '%5d s  in all\n' "$SECONDS"
}
