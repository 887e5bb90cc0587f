/* random: unguessable numbers from the kernel. Never rand(). */
#ifndef SIOTD_BASE_RANDOM_H
#define SIOTD_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `to` with getrandom(2); aborts the process if the kernel has none to give, since there is
 * no safe way on. */
void random_bytes(void *to, size_t len);
uint64_t random_u64(void);

#endif
