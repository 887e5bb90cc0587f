/* wire: the numbers of MQTT 3.1, 3.1.1 and 5.0, under the specification's own names.
 *
 * Everything else in this folder speaks in these enums. The values are the bytes on the wire. */
#ifndef SIOTD_PROTOCOLS_MQTT_WIRE_H
#define SIOTD_PROTOCOLS_MQTT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

/* The protocol level of CONNECT: "MQIsdp" 3, "MQTT" 4, "MQTT" 5. */
enum mqtt_version { MQTT_3_1 = 3, MQTT_3_1_1 = 4, MQTT_5 = 5 };

/* Control packet types, 5.0 section 2.1.2. Type 15 exists only in 5.0, type 0 in no version. */
enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_PUBREC = 5,
    MQTT_PUBREL = 6,
    MQTT_PUBCOMP = 7,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
    MQTT_AUTH = 15,
};

/* Reason codes, 5.0 section 2.4. Below 0x80 is success. The 3.x encoders translate. */
enum mqtt_reason {
    MQTT_SUCCESS = 0x00, /* also: normal disconnection, granted QoS 0 */
    MQTT_GRANTED_QOS_1 = 0x01,
    MQTT_GRANTED_QOS_2 = 0x02,
    MQTT_DISCONNECT_WITH_WILL_MESSAGE = 0x04,
    MQTT_NO_MATCHING_SUBSCRIBERS = 0x10,
    MQTT_NO_SUBSCRIPTION_EXISTED = 0x11,
    MQTT_CONTINUE_AUTHENTICATION = 0x18,
    MQTT_RE_AUTHENTICATE = 0x19,
    MQTT_UNSPECIFIED_ERROR = 0x80,
    MQTT_MALFORMED_PACKET = 0x81,
    MQTT_PROTOCOL_ERROR = 0x82,
    MQTT_IMPLEMENTATION_SPECIFIC_ERROR = 0x83,
    MQTT_UNSUPPORTED_PROTOCOL_VERSION = 0x84,
    MQTT_CLIENT_IDENTIFIER_NOT_VALID = 0x85,
    MQTT_BAD_USER_NAME_OR_PASSWORD = 0x86,
    MQTT_NOT_AUTHORIZED = 0x87,
    MQTT_SERVER_UNAVAILABLE = 0x88,
    MQTT_SERVER_BUSY = 0x89,
    MQTT_BANNED = 0x8A,
    MQTT_SERVER_SHUTTING_DOWN = 0x8B,
    MQTT_BAD_AUTHENTICATION_METHOD = 0x8C,
    MQTT_KEEP_ALIVE_TIMEOUT = 0x8D,
    MQTT_SESSION_TAKEN_OVER = 0x8E,
    MQTT_TOPIC_FILTER_INVALID = 0x8F,
    MQTT_TOPIC_NAME_INVALID = 0x90,
    MQTT_PACKET_IDENTIFIER_IN_USE = 0x91,
    MQTT_PACKET_IDENTIFIER_NOT_FOUND = 0x92,
    MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MQTT_TOPIC_ALIAS_INVALID = 0x94,
    MQTT_PACKET_TOO_LARGE = 0x95,
    MQTT_MESSAGE_RATE_TOO_HIGH = 0x96,
    MQTT_QUOTA_EXCEEDED = 0x97,
    MQTT_ADMINISTRATIVE_ACTION = 0x98,
    MQTT_PAYLOAD_FORMAT_INVALID = 0x99,
    MQTT_RETAIN_NOT_SUPPORTED = 0x9A,
    MQTT_QOS_NOT_SUPPORTED = 0x9B,
    MQTT_USE_ANOTHER_SERVER = 0x9C,
    MQTT_SERVER_MOVED = 0x9D,
    MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E,
    MQTT_CONNECTION_RATE_EXCEEDED = 0x9F,
    MQTT_MAXIMUM_CONNECT_TIME = 0xA0,
    MQTT_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1,
    MQTT_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2,
};

/* CONNACK return codes of 3.1 and 3.1.1 (3.1.1 section 3.2.2.3). */
enum mqtt_return_code {
    MQTT_ACCEPTED = 0x00,
    MQTT_REFUSED_PROTOCOL_VERSION = 0x01,
    MQTT_REFUSED_IDENTIFIER = 0x02,
    MQTT_REFUSED_SERVER_UNAVAILABLE = 0x03,
    MQTT_REFUSED_BAD_CREDENTIALS = 0x04,
    MQTT_REFUSED_NOT_AUTHORIZED = 0x05,
};

/* What a SUBACK of 3.1.1 says for any refusal [MQTT-3.9.3-2]. */
#define MQTT_SUBACK_FAILURE 0x80

/* Property identifiers, 5.0 section 2.2.2.2. All are below 64, so a set of them is one uint64_t. */
enum mqtt_property {
    MQTT_PAYLOAD_FORMAT_INDICATOR = 0x01,
    MQTT_MESSAGE_EXPIRY_INTERVAL = 0x02,
    MQTT_CONTENT_TYPE = 0x03,
    MQTT_RESPONSE_TOPIC = 0x08,
    MQTT_CORRELATION_DATA = 0x09,
    MQTT_SUBSCRIPTION_IDENTIFIER = 0x0B,
    MQTT_SESSION_EXPIRY_INTERVAL = 0x11,
    MQTT_ASSIGNED_CLIENT_IDENTIFIER = 0x12,
    MQTT_SERVER_KEEP_ALIVE = 0x13,
    MQTT_AUTHENTICATION_METHOD = 0x15,
    MQTT_AUTHENTICATION_DATA = 0x16,
    MQTT_REQUEST_PROBLEM_INFORMATION = 0x17,
    MQTT_WILL_DELAY_INTERVAL = 0x18,
    MQTT_REQUEST_RESPONSE_INFORMATION = 0x19,
    MQTT_RESPONSE_INFORMATION = 0x1A,
    MQTT_SERVER_REFERENCE = 0x1C,
    MQTT_REASON_STRING = 0x1F,
    MQTT_RECEIVE_MAXIMUM = 0x21,
    MQTT_TOPIC_ALIAS_MAXIMUM = 0x22,
    MQTT_TOPIC_ALIAS = 0x23,
    MQTT_MAXIMUM_QOS = 0x24,
    MQTT_RETAIN_AVAILABLE = 0x25,
    MQTT_USER_PROPERTY = 0x26,
    MQTT_MAXIMUM_PACKET_SIZE = 0x27,
    MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28,
    MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29,
    MQTT_SHARED_SUBSCRIPTION_AVAILABLE = 0x2A,
};

/* "CONNECT", "PUBLISH", ...; "reserved" for what is no type. Static. */
const char *mqtt_type_name(enum mqtt_type type);

/* The specification's name, e.g. "Topic Filter invalid"; 0x00 is "Success". "unknown" for a byte
 * that is no reason code. Static. */
const char *mqtt_reason_name(enum mqtt_reason reason);

/* The specification's name, e.g. "Topic Alias"; "unknown" for what is no property. Static. */
const char *mqtt_property_name(enum mqtt_property id);

/* "3.1", "3.1.1", "5.0"; "unknown" otherwise. Static. */
const char *mqtt_version_name(enum mqtt_version version);

/* Whether a client (a server) may send that packet type in that version at all; when in a
 * connection is the protocol's matter. False for 0 and for AUTH before 5.0. */
bool mqtt_client_may_send(enum mqtt_type type, enum mqtt_version version);
bool mqtt_server_may_send(enum mqtt_type type, enum mqtt_version version);

/* Whether a packet of that type may carry that reason code when a client (a server) sends it:
 * CONNACK, PUBACK..PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH; tables 3-1 to 3-10 of 5.0. False
 * for the others. */
bool mqtt_client_may_say(enum mqtt_type type, uint8_t reason);
bool mqtt_server_may_say(enum mqtt_type type, uint8_t reason);

/* The 3.x CONNACK return code that says what a 5.0 reason says, or -1 when 3.x has no word for it:
 * then the connection is closed without a CONNACK. */
int mqtt_return_code(enum mqtt_reason reason);

#endif
