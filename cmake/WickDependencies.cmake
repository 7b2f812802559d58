# The two dependencies, both header-only. cmake/wickConfig.cmake.in finds the same ones for an installed wick.
if(NOT TARGET Eigen3::Eigen)
  # No version in the call: Eigen's own version file refuses every other major version.
  find_package(Eigen3 CONFIG QUIET)
  if(NOT Eigen3_FOUND OR Eigen3_VERSION VERSION_LESS 3.4)
    message(FATAL_ERROR "wick needs Eigen 3.4 or later (found: \"${Eigen3_VERSION}\"). Debian/Ubuntu: libeigen3-dev")
  endif()
endif()
if(NOT TARGET Boost::headers)
  find_package(Boost 1.71 QUIET)
  if(NOT Boost_FOUND)
    message(FATAL_ERROR "wick needs the Boost headers, 1.71 or later. Debian/Ubuntu: libboost-dev")
  endif()
endif()
