/* sn_stage: what every test of the MQTT-SN rooms stands on: a world that speaks MQTT-SN, devices
 * that say messages, and expectations of messages. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_SN_STAGE_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_SN_STAGE_H

#include "fake_datagram.h"
#include "protocols/mqtt_sn/connection.h"
#include "protocols/mqtt_sn/mqtt_sn.h"
#include "protocols/mqtt_sn/options.h"
#include "protocols/mqtt_sn/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants these before it */
#include <cmocka.h>

struct sn_stage {
    struct air air;
    struct sn_options options; /* as their rows have them by default */
    char predefined[256];
    struct identity *sensor; /* user "sensor-7", as a certificate proves it */
};

/* For cmocka_unit_test_setup_teardown: *state is a struct sn_stage. */
int sn_setup(void **state);
int sn_teardown(void **state);

#define M(type_, ...) ((struct sn_packet){.type = (type_), ##__VA_ARGS__})
#define STR(literal)  .text = {(const uint8_t *)(literal), sizeof(literal) - 1}
#define QOS(n)        ((n) << SN_QOS_SHIFT)

/* The device sends that, by itself or through a forwarder as that node. */
void sn_says(struct device *device, struct sn_packet packet);
void sn_node_says(struct device *device, const char *node, struct sn_packet packet);
void sn_says_bytes(struct device *device, const char *bytes, size_t len);

#define sn_hears(device, packet)            sn_hears_at(device, NULL, packet, __FILE__, __LINE__)
#define sn_node_hears(device, node, packet) sn_hears_at(device, node, packet, __FILE__, __LINE__)
#define sn_hears_nothing(device)            sn_hears_nothing_at(device, __FILE__, __LINE__)

/* The next datagram that it got is exactly that. */
void sn_hears_at(struct device *device, const char *node, struct sn_packet packet, const char *file,
                 int line);
void sn_hears_nothing_at(struct device *device, const char *file, int line);
/* The next datagram that it got, whatever it is; type SN_TYPES for none. Slices are good until the
 * next call. */
struct sn_packet sn_next(struct device *device);

/* A device that has connected: its CONNACK is checked and dropped. `proven`: on dtls, as the
 * stage's sensor. */
struct device *sn_client(struct sn_stage *stage, const char *id, uint8_t flags, bool proven);
/* CONNECT with 60 s. */
void sn_connects(struct device *device, const char *id, uint8_t flags);
/* SUBSCRIBE to a name, SUBACK checked; its topic id. */
uint16_t sn_subscribes(struct device *device, const char *filter, unsigned qos);
/* REGISTER, REGACK checked; the topic id. */
uint16_t sn_registers(struct device *device, const char *topic);
/* Publishes in the daemon's own name, so that only the receiver's side counts. */
void sn_published(struct sn_stage *stage, const char *topic, const char *payload, uint8_t qos);
/* From now on these rules decide (Mosquitto's format). */
void sn_rules(struct sn_stage *stage, const char *rules);
/* The connection behind a client id; NULL when there is none. */
struct sn_connection *sn_of(const char *id);

#endif
