# install(), the config package and the pkg-config file. Everything is independent of the architecture.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(wick_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/wick")
install(TARGETS wick EXPORT wickTargets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT wickTargets NAMESPACE wick:: DESTINATION "${wick_package_dir}")

configure_package_config_file(cmake/wickConfig.cmake.in wickConfig.cmake INSTALL_DESTINATION "${wick_package_dir}"
                              NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(wickConfigVersion.cmake COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/wickConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/wickConfigVersion.cmake"
        DESTINATION "${wick_package_dir}")

# Relocatable: the include directory is found from where the .pc file lies.
file(RELATIVE_PATH wick_pc_to_include "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
configure_file(cmake/wick.pc.in wick.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/wick.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/wick")
