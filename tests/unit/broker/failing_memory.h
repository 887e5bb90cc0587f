/* An allocator that fails when told to, for programs linked with --wrap=malloc and so on. */
#ifndef SIOTD_TESTS_FAILING_MEMORY_H
#define SIOTD_TESTS_FAILING_MEMORY_H

#include <stdbool.h>

struct failing_memory {
    long until;    /* calls until it fails; counts down through 0 */
    long failures; /* how many calls fail in a row */
    bool on;
    long live; /* blocks handed out and not given back */
};

extern struct failing_memory allocator;

#endif
