/* A core with a store, a publisher, and two clients: where tests of what is kept begin. */
#ifndef SIOTD_TESTS_KEPT_STAGE_H
#define SIOTD_TESTS_KEPT_STAGE_H

#include "broker/core.h"
#include "fake_store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct scene {
    struct world *w;
    struct fake_store *store;
    struct fake_client *pub, *a, *b; /* "pub" is there, without expiry; the others are nowhere */
};

/* For cmocka_unit_test_setup_teardown. */
int stage_start(void **state);
int stage_stop(void **state);
#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, stage_start, stage_stop)

/* Turns and commits until all is on disk. The batch under way is done. */
void settle(const struct scene *s);
void finish(const struct scene *s);

/* The process dies, and another one begins `ms` later, by the wall clock `wall_ms` later; pub is
 * there again, and the others have forgotten all they got. */
void crash(const struct scene *s, uint64_t ms);
void crash_by_clock(const struct scene *s, uint64_t ms, int64_t wall_ms);

struct session *find(const struct scene *s, const char *id);

/* Not a clean start, for which usual_request is changed so far; it has to be let in. */
void connect_for(const struct scene *s, struct fake_client *client, const char *id,
                 uint32_t expiry_s, struct will *will);
/* Lasting, subscribed with QoS 2, and away; all that is on disk. */
void be_away(const struct scene *s, struct fake_client *client, const char *id, const char *filter);

/* What pub publishes is accepted. */
void publish(const struct scene *s, const char *topic, const char *payload, int qos, bool retain);

/* Acknowledges all that the client has got with QoS above 0, to its end, and forgets it. */
void acknowledge_all(const struct scene *s, struct fake_client *client);

/* No message is queued or in the store. */
void nothing_is_queued(const struct scene *s);

#endif
