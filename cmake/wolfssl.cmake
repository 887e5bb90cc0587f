# The library `wolfssl` to link: the system's when it has all that siotd needs, else our own static
# one, made once for each user (cmake/build-wolfssl).
#
# SIOTD_WOLFSSL_ARCHIVE  path of the release archive, when the machine cannot fetch it itself
# SIOTD_WOLFSSL_SYSTEM   OFF: do not even look at the system's
set(SIOTD_WOLFSSL_ARCHIVE "" CACHE FILEPATH "Release archive of wolfSSL; empty: fetch it")
option(SIOTD_WOLFSSL_SYSTEM "Take the system's wolfSSL when it has all that is needed" ON)

add_library(wolfssl INTERFACE)

# What "all that is needed" means stands in one place, transports/tls_wolfssl.h.
function(siotd_wolfssl_of_the_system found)
  set(${found} FALSE PARENT_SCOPE)
  pkg_check_modules(WOLFSSL QUIET IMPORTED_TARGET wolfssl>=5.9.2)
  if(NOT WOLFSSL_FOUND)
    return()
  endif()
  try_compile(SIOTD_WOLFSSL_SUITS ${CMAKE_BINARY_DIR}/wolfssl-check
              SOURCES ${CMAKE_SOURCE_DIR}/cmake/wolfssl-check.c
              CMAKE_FLAGS -DINCLUDE_DIRECTORIES=${CMAKE_SOURCE_DIR}
              LINK_LIBRARIES PkgConfig::WOLFSSL)
  set(${found} ${SIOTD_WOLFSSL_SUITS} PARENT_SCOPE)
endfunction()

set(system_suits FALSE)
if(SIOTD_WOLFSSL_SYSTEM)
  siotd_wolfssl_of_the_system(system_suits)
endif()
if(system_suits)
  target_link_libraries(wolfssl INTERFACE PkgConfig::WOLFSSL)
  message(STATUS "wolfSSL: the system's, ${WOLFSSL_VERSION}")
else()
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/build-wolfssl ${CMAKE_C_COMPILER}
                          ${SIOTD_WOLFSSL_ARCHIVE}
                  OUTPUT_VARIABLE home OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "wolfSSL could not be built (see above); -DSIOTD_TLS=OFF leaves TLS out")
  endif()
  target_include_directories(wolfssl SYSTEM INTERFACE ${home}/include)
  target_compile_definitions(wolfssl INTERFACE WOLFSSL_USER_SETTINGS)
  target_link_libraries(wolfssl INTERFACE ${home}/lib/libwolfssl.a m pthread)
  message(STATUS "wolfSSL: our own, ${home}")
endif()
# A build folder that was configured before the options changed configures itself again.
set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${CMAKE_CURRENT_LIST_DIR}/user_settings.h ${CMAKE_CURRENT_LIST_DIR}/build-wolfssl)
