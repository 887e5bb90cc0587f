/* air_store: a fake_datagram.h world that crashes, and starts again from what its store has. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_AIR_STORE_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_AIR_STORE_H

#include "fake_datagram.h"
#include "fake_store.h"

/* A store for the air, which is empty and has no devices yet. */
struct fake_store *air_store_new(struct air *air);

/* All that is recorded is on disk. */
void air_settle(struct air *air, struct fake_store *store);

/* The process dies and another one starts, `ms` later by both clocks: peers, sessions, what was not
 * written and what was not heard are gone; devices are not. `forget`, or NULL, lets go of what the
 * protocol keeps for the process; then it takes back what it has noted. */
void air_crash(struct air *air, struct fake_store *store, uint64_t ms, void (*forget)(void));

/* The same with an end in good order: the protocol is told, and all is written. */
void air_restart(struct air *air, struct fake_store *store, uint64_t ms, void (*forget)(void));

#endif
