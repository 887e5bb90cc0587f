/* raw_stage: what every test of raw datagrams stands on: a world that speaks them, over the real
 * core, and devices whose datagrams are as on udp and dtls. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_RAW_STAGE_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_RAW_STAGE_H

#include "fake_datagram.h"
#include "protocols/raw/connection.h"
#include "protocols/raw/raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants these before it */
#include <cmocka.h>

extern struct air air;
extern struct raw_options options; /* as their rows have them by default; tests change them */
extern struct identity *sensor;    /* user "sensor-7", as a certificate proves it */

/* For cmocka_unit_test_setup_teardown. */
int raw_setup(void **state);
int raw_teardown(void **state);

/* The device sends that datagram. */
void raw_says(struct device *device, const char *text);
/* The next datagram that it got is that; NULL: there is none. */
void raw_hears(struct device *device, const char *wanted);
/* Both. */
void raw_tells(struct device *device, const char *text, const char *wanted);
/* The next datagram that it got, which must be a MSG. Valid until the next is taken. */
struct raw_line raw_heard(struct device *device);
void raw_equal(struct slice a, const char *text);
void raw_acknowledges(struct device *device, uint64_t id);

/* A subscriber that is trusted to be where it says. */
struct device *raw_subscriber(const char *filter);

/* From now on these rules decide (Mosquitto's format). */
void raw_govern(const char *rules);

/* Messages that the core has taken. */
uint64_t raw_count_published(void);

#endif
