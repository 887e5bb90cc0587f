/* dialects: what devices on datagrams say: raw lines, MQTT-SN, CoAP. Written without siotd's own
 * encoders, which it must be able to disagree with. */
#include "bench/datagrams.h"

#include <stdio.h>
#include <string.h>

static size_t fill(uint8_t *to, size_t at, uint32_t payload_len)
{
    memset(to + at, 'x', payload_len);
    return at + payload_len;
}

/* ---- raw ---- */

static size_t raw_say(uint8_t *to, uint32_t device, uint32_t n, bool last, uint32_t payload_len)
{
    static uint64_t id; /* a repeated datagram would be taken for a repetition */
    char *text = (char *)to;
    (void)n;
    int length = last
                     ? sprintf(text, "PUB bench/raw/%u id=%llu\n", device, (unsigned long long)++id)
                     : sprintf(text, "PUB bench/raw/%u\n", device);
    return fill(to, (size_t)length, payload_len);
}

static size_t raw_greet(uint8_t *to, uint32_t device)
{
    return (size_t)sprintf((char *)to, "SUB commands/%u/led      ", device);
}

static bool raw_good(uint32_t device, const uint8_t *at, size_t length)
{
    (void)device;
    return (length > 4 && memcmp(at, "ACK ", 4) == 0) || (length >= 2 && memcmp(at, "OK", 2) == 0);
}

const struct dialect dialect_raw = {
    .name = "raw", .say = raw_say, .greet = raw_greet, .good = raw_good};

/* ---- MQTT-SN 1.2: a short topic name, which needs no registration ---- */

enum {
    SN_CONNECT = 0x04,
    SN_REGISTER = 0x0A,
    SN_REGACK = 0x0B,
    SN_PUBLISH = 0x0C,
    SN_PINGREQ = 0x16,
    SN_SHORT_NAME = 0x02
};

static size_t sn_say(uint8_t *to, uint32_t device, uint32_t n, bool last, uint32_t payload_len)
{
    (void)n;
    if (last) {
        to[0] = 2;
        to[1] = SN_PINGREQ;
        return 2;
    }
    const uint8_t head[] = {(uint8_t)(7 + payload_len),
                            SN_PUBLISH,
                            SN_SHORT_NAME,
                            (uint8_t)('a' + device % 26),
                            (uint8_t)('a' + device / 26 % 26),
                            0,
                            0};
    memcpy(to, head, sizeof head);
    return fill(to, sizeof head, payload_len);
}

static size_t sn_greet(uint8_t *to, uint32_t device)
{
    int length = sprintf((char *)to + 6, "bench-%u", device);
    const uint8_t head[] = {(uint8_t)(6 + length), SN_CONNECT, 0x04, 0x01, 0x0E, 0x10};
    memcpy(to, head, sizeof head);
    return sizeof head + (size_t)length;
}

static bool sn_good(uint32_t device, const uint8_t *at, size_t length)
{
    (void)device;
    return (length == 2 && at[1] == 0x17) || (length == 3 && at[1] == 0x05 && at[2] == 0);
}

/* A broker asks for a REGACK where it wants an address proven. */
static size_t sn_reply(uint8_t *to, const uint8_t *at, size_t length)
{
    if (length < 6 || at[1] != SN_REGISTER)
        return 0;
    const uint8_t regack[] = {7, SN_REGACK, at[2], at[3], at[4], at[5], 0};
    memcpy(to, regack, sizeof regack);
    return sizeof regack;
}

const struct dialect dialect_sn = {
    .name = "mqtt-sn", .say = sn_say, .greet = sn_greet, .good = sn_good, .reply = sn_reply};

/* ---- CoAP: confirmable requests on /ps/bench/DEVICE ---- */

enum { COAP_GET = 1, COAP_PUT = 3, COAP_CON = 0x40, TOKEN = 2, ECHO = 252, URI_PATH = 11 };
enum { DEVICES = 4096, ECHO_MOST = 40 };

/* What a server that wants an address proven has asked each device to return (RFC 9175). */
static struct echo {
    uint8_t bytes[ECHO_MOST], length;
} echoes[DEVICES];

enum coap_wish { COAP_ONCE, COAP_OBSERVE };

static size_t coap_request(uint8_t *to, uint8_t code, uint32_t device, enum coap_wish wish)
{
    static uint16_t id;
    const struct echo *echo = &echoes[device % DEVICES];
    id++;
    const uint8_t head[] = {COAP_CON | TOKEN,   code,       (uint8_t)(id >> 8), (uint8_t)id,
                            (uint8_t)(id >> 8), (uint8_t)id};
    memcpy(to, head, sizeof head);
    size_t at = sizeof head;
    uint8_t path = 0xB;
    if (wish == COAP_OBSERVE) { /* option 6, empty: 0, register (RFC 7641 section 2) */
        to[at++] = 0x60;
        path -= 6;
    }
    int name = sprintf((char *)to + at,
                       "%cps\x05"
                       "bench%c%u",
                       path << 4 | 2, 0, device) -
               10;
    to[at + 9] = (uint8_t)name;
    at += 10 + (size_t)name;
    if (echo->length) {
        to[at++] = (uint8_t)(13 << 4 | (echo->length < 13 ? echo->length : 13));
        to[at++] = ECHO - URI_PATH - 13;
        if (echo->length >= 13)
            to[at++] = (uint8_t)(echo->length - 13);
        memcpy(to + at, echo->bytes, echo->length);
        at += echo->length;
    }
    return at;
}

static size_t coap_put(uint8_t *to, uint32_t device, uint32_t n, bool last, uint32_t payload_len)
{
    (void)n;
    (void)last;
    size_t at = coap_request(to, COAP_PUT, device, COAP_ONCE);
    to[at++] = 0xFF;
    return fill(to, at, payload_len);
}

static size_t coap_get(uint8_t *to, uint32_t device, uint32_t n, bool last, uint32_t payload_len)
{
    (void)n;
    (void)last;
    (void)payload_len;
    return coap_request(to, COAP_GET, device, COAP_ONCE);
}

static size_t greet_put(uint8_t *to, uint32_t device)
{
    return coap_put(to, device, 0, true, 64);
}

static size_t greet_get(uint8_t *to, uint32_t device)
{
    return coap_request(to, COAP_GET, device, COAP_ONCE);
}

static size_t greet_observe(uint8_t *to, uint32_t device)
{
    return coap_request(to, COAP_GET, device, COAP_OBSERVE);
}

/* Looks for an Echo in the options of an answer. */
static void learn_echo(uint32_t device, const uint8_t *at, size_t length)
{
    size_t i = 4u + (at[0] & 15);
    uint32_t number = 0;

    while (i + 3 < length && at[i] != 0xFF) {
        uint32_t delta = at[i] >> 4, size = at[i] & 15;
        i++;
        if (delta == 13)
            delta += at[i++];
        if (size == 13)
            size += at[i++];
        number += delta;
        if (number == ECHO && size <= ECHO_MOST && i + size <= length) {
            struct echo *echo = &echoes[device % DEVICES];
            memcpy(echo->bytes, at + i, size);
            echo->length = (uint8_t)size;
            return;
        }
        i += size;
    }
}

static bool coap_good(uint32_t device, const uint8_t *at, size_t length)
{
    if (length >= 4 && at[1] == (4 << 5 | 1))
        learn_echo(device, at, length);
    return length >= 4 && at[1] >> 5 == 2;
}

const struct dialect dialect_coap_put = {
    .name = "coap-put", .each = true, .say = coap_put, .greet = greet_put, .good = coap_good};
const struct dialect dialect_coap_get = {
    .name = "coap-get", .each = true, .say = coap_get, .greet = greet_get, .good = coap_good};
const struct dialect dialect_coap_observe = {.name = "coap-observe",
                                             .each = true,
                                             .say = coap_get,
                                             .greet = greet_observe,
                                             .good = coap_good};
