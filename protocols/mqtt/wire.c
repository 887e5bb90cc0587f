/* wire: names of MQTT's numbers, and the tables of who may send what.
 *
 * Off the way of a message: these are read for a log line, for a reason code that arrives, and by
 * tests. The tables are those of the specification, one row per number. */
#include "protocols/mqtt/wire.h"

#include <stddef.h>

enum { FROM_CLIENT = 1, FROM_SERVER = 2, FROM_BOTH = 3 };

/* 5.0 table 2-1: names and directions. */
static const struct {
    const char *name;
    uint8_t from;
} types[16] = {
    [0] = {"reserved", 0},
    [MQTT_CONNECT] = {"CONNECT", FROM_CLIENT},
    [MQTT_CONNACK] = {"CONNACK", FROM_SERVER},
    [MQTT_PUBLISH] = {"PUBLISH", FROM_BOTH},
    [MQTT_PUBACK] = {"PUBACK", FROM_BOTH},
    [MQTT_PUBREC] = {"PUBREC", FROM_BOTH},
    [MQTT_PUBREL] = {"PUBREL", FROM_BOTH},
    [MQTT_PUBCOMP] = {"PUBCOMP", FROM_BOTH},
    [MQTT_SUBSCRIBE] = {"SUBSCRIBE", FROM_CLIENT},
    [MQTT_SUBACK] = {"SUBACK", FROM_SERVER},
    [MQTT_UNSUBSCRIBE] = {"UNSUBSCRIBE", FROM_CLIENT},
    [MQTT_UNSUBACK] = {"UNSUBACK", FROM_SERVER},
    [MQTT_PINGREQ] = {"PINGREQ", FROM_CLIENT},
    [MQTT_PINGRESP] = {"PINGRESP", FROM_SERVER},
    [MQTT_DISCONNECT] = {"DISCONNECT", FROM_BOTH},
    [MQTT_AUTH] = {"AUTH", FROM_BOTH},
};

#define IN(type)     (1u << MQTT_##type)
#define IN_RECEIPTS  (IN(PUBACK) | IN(PUBREC))
#define IN_RELEASES  (IN(PUBREL) | IN(PUBCOMP))
#define IN_PUBLISHED (IN_RECEIPTS | IN_RELEASES)

/* Which packets may carry a reason code, by sender: the union of the tables of 5.0 sections 2.4,
 * 3.2.2.2, 3.4.2.1 to 3.7.2.1, 3.9.3, 3.11.3, 3.14.2.1 and 3.15.2.1. */
static const struct reason {
    uint8_t code;
    uint16_t client, server;
    const char *name;
} reasons[] = {
    {0x00, IN_PUBLISHED | IN(DISCONNECT),
     IN(CONNACK) | IN_PUBLISHED | IN(SUBACK) | IN(UNSUBACK) | IN(AUTH), "Success"},
    {0x01, 0, IN(SUBACK), "Granted QoS 1"},
    {0x02, 0, IN(SUBACK), "Granted QoS 2"},
    {0x04, IN(DISCONNECT), 0, "Disconnect with Will Message"},
    {0x10, 0, IN_RECEIPTS, "No matching subscribers"},
    {0x11, 0, IN(UNSUBACK), "No subscription existed"},
    {0x18, IN(AUTH), IN(AUTH), "Continue authentication"},
    {0x19, IN(AUTH), 0, "Re-authenticate"},
    {0x80, IN_RECEIPTS | IN(DISCONNECT),
     IN(CONNACK) | IN_RECEIPTS | IN(SUBACK) | IN(UNSUBACK) | IN(DISCONNECT), "Unspecified error"},
    {0x81, IN(DISCONNECT), IN(CONNACK) | IN(DISCONNECT), "Malformed Packet"},
    {0x82, IN(DISCONNECT), IN(CONNACK) | IN(DISCONNECT), "Protocol Error"},
    {0x83, IN_RECEIPTS | IN(DISCONNECT),
     IN(CONNACK) | IN_RECEIPTS | IN(SUBACK) | IN(UNSUBACK) | IN(DISCONNECT),
     "Implementation specific error"},
    {0x84, 0, IN(CONNACK), "Unsupported Protocol Version"},
    {0x85, 0, IN(CONNACK), "Client Identifier not valid"},
    {0x86, 0, IN(CONNACK), "Bad User Name or Password"},
    {0x87, IN_RECEIPTS, IN(CONNACK) | IN_RECEIPTS | IN(SUBACK) | IN(UNSUBACK) | IN(DISCONNECT),
     "Not authorized"},
    {0x88, 0, IN(CONNACK), "Server unavailable"},
    {0x89, 0, IN(CONNACK) | IN(DISCONNECT), "Server busy"},
    {0x8A, 0, IN(CONNACK), "Banned"},
    {0x8B, 0, IN(DISCONNECT), "Server shutting down"},
    {0x8C, 0, IN(CONNACK) | IN(DISCONNECT), "Bad authentication method"},
    {0x8D, 0, IN(DISCONNECT), "Keep Alive timeout"},
    {0x8E, 0, IN(DISCONNECT), "Session taken over"},
    {0x8F, 0, IN(SUBACK) | IN(UNSUBACK) | IN(DISCONNECT), "Topic Filter invalid"},
    {0x90, IN_RECEIPTS | IN(DISCONNECT), IN(CONNACK) | IN_RECEIPTS | IN(DISCONNECT),
     "Topic Name invalid"},
    {0x91, IN_RECEIPTS, IN_RECEIPTS | IN(SUBACK) | IN(UNSUBACK), "Packet Identifier in use"},
    {0x92, IN_RELEASES, IN_RELEASES, "Packet Identifier not found"},
    {0x93, IN(DISCONNECT), IN(DISCONNECT), "Receive Maximum exceeded"},
    {0x94, IN(DISCONNECT), IN(DISCONNECT), "Topic Alias invalid"},
    {0x95, IN(DISCONNECT), IN(CONNACK) | IN(DISCONNECT), "Packet too large"},
    {0x96, IN(DISCONNECT), IN(DISCONNECT), "Message rate too high"},
    {0x97, IN_RECEIPTS | IN(DISCONNECT), IN(CONNACK) | IN_RECEIPTS | IN(SUBACK) | IN(DISCONNECT),
     "Quota exceeded"},
    {0x98, IN(DISCONNECT), IN(DISCONNECT), "Administrative action"},
    {0x99, IN_RECEIPTS | IN(DISCONNECT), IN(CONNACK) | IN_RECEIPTS | IN(DISCONNECT),
     "Payload format invalid"},
    {0x9A, 0, IN(CONNACK) | IN(DISCONNECT), "Retain not supported"},
    {0x9B, 0, IN(CONNACK) | IN(DISCONNECT), "QoS not supported"},
    {0x9C, 0, IN(CONNACK) | IN(DISCONNECT), "Use another server"},
    {0x9D, 0, IN(CONNACK) | IN(DISCONNECT), "Server moved"},
    {0x9E, 0, IN(SUBACK) | IN(DISCONNECT), "Shared Subscriptions not supported"},
    {0x9F, 0, IN(CONNACK) | IN(DISCONNECT), "Connection rate exceeded"},
    {0xA0, 0, IN(DISCONNECT), "Maximum connect time"},
    {0xA1, 0, IN(SUBACK) | IN(DISCONNECT), "Subscription Identifiers not supported"},
    {0xA2, 0, IN(SUBACK) | IN(DISCONNECT), "Wildcard Subscriptions not supported"},
};

static const struct reason *reason_row(unsigned code)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return &reasons[i];
    return NULL;
}

const char *mqtt_type_name(enum mqtt_type type)
{
    return types[(unsigned)type < 16 ? (unsigned)type : 0].name;
}

const char *mqtt_reason_name(enum mqtt_reason reason)
{
    const struct reason *row = reason_row((unsigned)reason);
    return row ? row->name : "unknown";
}

const char *mqtt_version_name(enum mqtt_version version)
{
    switch (version) {
    case MQTT_3_1:
        return "3.1";
    case MQTT_3_1_1:
        return "3.1.1";
    case MQTT_5:
        return "5.0";
    }
    return "unknown";
}

static bool may_send(enum mqtt_type type, enum mqtt_version version, uint8_t from)
{
    unsigned row = (unsigned)type;
    return row < 16 && (types[row].from & from) != 0 && (type != MQTT_AUTH || version == MQTT_5);
}

bool mqtt_client_may_send(enum mqtt_type type, enum mqtt_version version)
{
    return may_send(type, version, FROM_CLIENT);
}

bool mqtt_server_may_send(enum mqtt_type type, enum mqtt_version version)
{
    /* DISCONNECT from a server came with 5.0. */
    return may_send(type, version, FROM_SERVER) && (type != MQTT_DISCONNECT || version == MQTT_5);
}

bool mqtt_client_may_say(enum mqtt_type type, uint8_t reason)
{
    const struct reason *row = reason_row(reason);
    return row && (unsigned)type < 16 && (row->client >> type & 1);
}

bool mqtt_server_may_say(enum mqtt_type type, uint8_t reason)
{
    const struct reason *row = reason_row(reason);
    return row && (unsigned)type < 16 && (row->server >> type & 1);
}

int mqtt_return_code(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_SUCCESS:
        return MQTT_ACCEPTED;
    case MQTT_UNSUPPORTED_PROTOCOL_VERSION:
        return MQTT_REFUSED_PROTOCOL_VERSION;
    case MQTT_CLIENT_IDENTIFIER_NOT_VALID:
        return MQTT_REFUSED_IDENTIFIER;
    case MQTT_UNSPECIFIED_ERROR:
    case MQTT_IMPLEMENTATION_SPECIFIC_ERROR:
    case MQTT_SERVER_UNAVAILABLE:
    case MQTT_SERVER_BUSY:
    case MQTT_QUOTA_EXCEEDED:
    case MQTT_USE_ANOTHER_SERVER:
    case MQTT_SERVER_MOVED:
    case MQTT_CONNECTION_RATE_EXCEEDED:
        return MQTT_REFUSED_SERVER_UNAVAILABLE;
    case MQTT_BAD_USER_NAME_OR_PASSWORD:
        return MQTT_REFUSED_BAD_CREDENTIALS;
    case MQTT_NOT_AUTHORIZED:
    case MQTT_BANNED:
        return MQTT_REFUSED_NOT_AUTHORIZED;
    default:
        return -1;
    }
}
