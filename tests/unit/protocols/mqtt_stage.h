/* mqtt_stage: what every test of the MQTT handlers stands on: a world that speaks MQTT, clients
 * that say bytes, and expectations of bytes. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_MQTT_STAGE_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_MQTT_STAGE_H

#include "fake_peer.h"
#include "mqtt_notation.h"
#include "protocols/mqtt/mqtt.h"
#include "protocols/mqtt/options.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants these before it */
#include <cmocka.h>

struct stage {
    struct world world;
    struct mqtt_options options; /* as their rows have them by default */
};

/* For cmocka_unit_test_setup_teardown: *state is a struct stage. */
int stage_setup(void **state);
int stage_teardown(void **state);

/* A client connects and its CONNACK is checked and dropped. `connect` is the body of CONNECT behind
 * protocol name and level. */
struct peer *stage_v3(struct stage *stage, const char *id); /* 3.1.1, clean session, 60 s */
struct peer *stage_v3_kept(struct stage *stage, const char *id, bool present);
struct peer *stage_v5(struct stage *stage, const char *id); /* 5.0, clean start, 60 s */
/* With CONNECT properties, in notation. */
struct peer *stage_v5_with(struct stage *stage, const char *id, const char *properties);
/* Any CONNECT in whole; nothing is checked. */
struct peer *stage_any(struct stage *stage, const char *packet);

/* The client says that, in notation. */
void says(struct peer *peer, const char *notation);

#define hears(peer, notation) hears_at(peer, notation, __FILE__, __LINE__)
#define hears_nothing(peer)   hears_at(peer, "", __FILE__, __LINE__)
#define is_closed(peer)       is_closed_at(peer, __FILE__, __LINE__)
#define is_open(peer)         assert_false((peer)->closing)

/* Exactly that has been sent since the last look. */
void hears_at(struct peer *peer, const char *notation, const char *file, int line);
/* Nothing more was sent and the peer is closed. */
void is_closed_at(struct peer *peer, const char *file, int line);
/* Forgets what was sent. */
void ignore(struct peer *peer);

#endif
