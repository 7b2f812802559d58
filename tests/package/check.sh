#!/usr/bin/env bash
# check.sh KIND SETTINGS: one way in which a user finds the library. SETTINGS is written by CMakeLists.txt.
# Environment: CXX, EIGEN_DIR, SOURCE_DIR.
# shellcheck disable=SC1090,SC2154
set -euo pipefail
kind=$1
. "$2"
work=$work/$kind
here=$SOURCE_DIR/tests/package
sources=("$here/consumer.cpp" "$here/elsewhere.cpp")
rm -rf "$work"
mkdir -p "$work"
unset CMAKE_PREFIX_PATH PKG_CONFIG_PATH CXXFLAGS

configure() { # PROJECT_DIR [option...]
  local dir=$1
  shift
  "$cmake" -S "$dir" -B "$work/build" -G "$generator" "-DCMAKE_CXX_COMPILER=$CXX" "-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher" "$@"
}

# Runs the program and compares what it prints.
run() {
  local got
  got=$("$1")
  echo "$got"
  [ "$got" = "wick $version: 3 + 4" ] || { echo "expected: wick $version: 3 + 4" >&2; exit 1; }
}

case $kind in
  install)
    rm -rf "$prefix"
    "$cmake" --install "$build_dir" --prefix "$prefix" >/dev/null
    # Every header is installed, and no path of this tree is in the files that describe the package.
    diff -r "$SOURCE_DIR/include" "$prefix/include"
    if grep -r -l -F -e "$SOURCE_DIR" -e "$build_dir" "$prefix"; then
      echo "the files above hold a path of the build" >&2
      exit 1
    fi
    ;;
  find_package)
    configure "$here/find_package" "-DCMAKE_PREFIX_PATH=$prefix" "-DWANTED_VERSION=${version%.*}"
    "$cmake" --build "$work/build"
    run "$work/build/consumer"
    ;;
  find_package_other_major)
    if configure "$here/find_package" "-DCMAKE_PREFIX_PATH=$prefix" "-DWANTED_VERSION=$((${version%%.*} + 1)).0" >"$work/log" 2>&1; then
      echo "another major version was accepted" >&2
      exit 1
    fi
    grep -q "considered but not accepted" "$work/log" || { cat "$work/log" >&2; exit 1; }
    ;;
  pkgconfig)
    export PKG_CONFIG_PATH=$prefix/share/pkgconfig
    [ "$(pkg-config --modversion wick)" = "$version" ]
    # pkg-config escapes the spaces for a shell.
    eval "flags=($(pkg-config --cflags wick))"
    "$CXX" -std=c++20 "${flags[@]}" "${sources[@]}" -o "$work/consumer"
    run "$work/consumer"
    ;;
  subdir)
    configure "$here/subdir" "-DWICK_SOURCE_DIR=$SOURCE_DIR"
    "$cmake" --build "$work/build"
    run "$work/build/consumer"
    ;;
  plain)
    "$CXX" -std=c++20 -O2 "-I$SOURCE_DIR/include" "-I$EIGEN_DIR" "${sources[@]}" -o "$work/consumer" 2>"$work/log"
    [ ! -s "$work/log" ] || { cat "$work/log" >&2; exit 1; }
    run "$work/consumer"
    ;;
  *)
    echo "unknown kind: $kind" >&2
    exit 2
    ;;
esac
