# What only the project's own tests, examples and benchmarks need: warnings, ccache, the header check.
# Users of wick::wick never see any of it.

set(CMAKE_CXX_EXTENSIONS OFF)  # -std=c++20, as the README says

add_library(wick_warnings INTERFACE)
target_compile_options(
  wick_warnings
  INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${WICK_WERROR}>:-Werror>
            # clang counts sign conversions to -Wconversion, g++ does not: both check the same here.
            $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)

if(PROJECT_IS_TOP_LEVEL AND WICK_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(WICK_CCACHE_PROGRAM ccache)
  mark_as_advanced(WICK_CCACHE_PROGRAM)
  if(WICK_CCACHE_PROGRAM)
    # The sloppiness is what ccache asks for when there are precompiled headers.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${WICK_CCACHE_PROGRAM}")
  endif()
endif()

# Every header compiled alone, with our warnings: target all_verify_interface_header_sets. A target of its own carries
# the header set a second time, because wick itself must not hand warning flags to its users.
if(PROJECT_IS_TOP_LEVEL)
  add_library(wick_header_check INTERFACE)
  target_link_libraries(wick_header_check INTERFACE wick::wick wick_warnings)
  # Warnings that users of headers may have on.
  target_compile_options(wick_header_check INTERFACE -Wsign-conversion -Wold-style-cast)
  target_sources(wick_header_check INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${wick_headers})
  set_target_properties(wick_header_check PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endif()
