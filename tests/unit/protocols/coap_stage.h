/* coap_stage: what the tests of CoAP share: clients that ask, replies taken apart, and an ear in
 * the core that hears what is published. */
#ifndef SIOTD_TESTS_UNIT_PROTOCOLS_COAP_STAGE_H
#define SIOTD_TESTS_UNIT_PROTOCOLS_COAP_STAGE_H

#include "fake_datagram.h"
#include "protocols/coap/decode.h"
#include "protocols/coap/options.h"

/* Hears what a filter selects. */
struct ear {
    struct sink sink;
    struct session *session;
    unsigned count;
    char topic[256], payload[2048];
    size_t payload_len;
    uint8_t properties[128];
    size_t properties_len;
    uint8_t qos; /* as published */
    bool retain;
    int64_t expires_ms;
};

struct stage {
    struct air air;
    struct coap_options options;
    struct ear ear;
};

/* A world with default options, in which the ear hears all. */
void stage_init(struct stage *stage);
void stage_clear(struct stage *stage);

/* Publishes from elsewhere, as an MQTT client would. `type`: content type or NULL. */
void stage_publish(struct stage *stage, const char *topic, const char *payload, unsigned qos,
                   bool retain, const char *type);
void stage_publish_bytes(struct stage *stage, const char *topic, struct slice payload, unsigned qos,
                         bool retain, const char *type);

/* Rules decide from now on: text of an ACL file. */
void stage_rules(struct stage *stage, const char *acl);

enum { REGISTER = 1, DEREGISTER = 2 }; /* values of Observe, and 1 more */

/* A request; what is 0 or NULL is not in it. Numbers that may be 0 are given with 1 added. */
struct ask {
    uint8_t code;
    bool non;
    uint16_t id; /* 0: the next one */
    const char *token, *path, *query;
    unsigned observe, format, accept, max_age; /* plus 1 */
    const struct coap_block *block1, *block2;
    unsigned size1, no_response;
    struct slice echo, etag, if_match, tag, payload;
    bool if_none_match;
    unsigned extra;     /* one more option, of this number, */
    struct slice value; /* and with this value */
};

/* What siotd has sent. */
struct reply {
    bool any; /* false: nothing */
    uint8_t type, code;
    uint16_t id;
    size_t size; /* of the datagram */
    struct slice token, etag, echo, payload;
    bool has_observe, has_block1, has_block2, has_max_age, has_size1, has_size2;
    uint32_t observe, format, max_age, size1, size2; /* format: COAP_NO_FORMAT for none */
    struct coap_block block1, block2;
    char location[64]; /* "/ps/+..." */
};

/* Writes the request's datagram to `to`, which has room for `size`; its length. */
size_t ask_write(const struct ask *ask, uint8_t *to, size_t size);

/* Sends it. */
void say(struct device *device, const struct ask *ask);
/* The next datagram from siotd, taken apart; good until the next call. */
struct reply hear(struct device *device);
/* Sends it and hears what is said first; nothing may follow. */
struct reply ask(struct device *device, struct ask ask);
/* The same, and once more with Echo when that is asked for. */
struct reply ask_verified(struct device *device, struct ask ask);

/* An empty message. */
void say_empty(struct device *device, enum coap_type type, uint16_t id);

/* "2.05" for assertions, in a static buffer. */
const char *code_name(uint8_t code);

#define assert_code(reply, wanted) assert_string_equal(code_name((reply).code), wanted)
#define assert_payload(said, wanted)                                                               \
    do {                                                                                           \
        struct reply heard_ = (said);                                                              \
        assert_true(heard_.any);                                                                   \
        assert_int_equal(heard_.payload.len, strlen(wanted));                                      \
        assert_memory_equal(heard_.payload.at, wanted, strlen(wanted));                            \
    } while (0)

#endif
