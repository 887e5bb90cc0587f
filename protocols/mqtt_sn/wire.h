/* wire: the words of MQTT-SN 1.2 (2013) as they stand in a datagram. Pure. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_WIRE_H
#define SIOTD_PROTOCOLS_MQTT_SN_WIRE_H

#include "base/slice.h"

enum sn_type { /* MQTT-SN 1.2 section 5.2.2 */
               SN_ADVERTISE = 0x00,
               SN_SEARCHGW = 0x01,
               SN_GWINFO = 0x02,
               SN_CONNECT = 0x04,
               SN_CONNACK = 0x05,
               SN_WILLTOPICREQ = 0x06,
               SN_WILLTOPIC = 0x07,
               SN_WILLMSGREQ = 0x08,
               SN_WILLMSG = 0x09,
               SN_REGISTER = 0x0A,
               SN_REGACK = 0x0B,
               SN_PUBLISH = 0x0C,
               SN_PUBACK = 0x0D,
               SN_PUBCOMP = 0x0E,
               SN_PUBREC = 0x0F,
               SN_PUBREL = 0x10,
               SN_SUBSCRIBE = 0x12,
               SN_SUBACK = 0x13,
               SN_UNSUBSCRIBE = 0x14,
               SN_UNSUBACK = 0x15,
               SN_PINGREQ = 0x16,
               SN_PINGRESP = 0x17,
               SN_DISCONNECT = 0x18,
               SN_WILLTOPICUPD = 0x1A,
               SN_WILLTOPICRESP = 0x1B,
               SN_WILLMSGUPD = 0x1C,
               SN_WILLMSGRESP = 0x1D,
               SN_TYPES = 0x1E,
               SN_ENCAPSULATED = 0xFE, /* section 5.5 */
};

enum sn_flag { /* section 5.3.4 */
               SN_DUP = 0x80,
               SN_QOS = 0x60,
               SN_RETAIN = 0x10,
               SN_WILL = 0x08,
               SN_CLEAN = 0x04,
               SN_ID_TYPE = 0x03,
};

enum { SN_QOS_SHIFT = 5, SN_QOS_MINUS_1 = 3, SN_PROTOCOL_ID = 1 };

enum sn_id_type { SN_ID_NORMAL, SN_ID_PREDEFINED, SN_ID_SHORT, SN_ID_RESERVED };

enum sn_code { /* section 5.3.10 */
               SN_ACCEPTED = 0x00,
               SN_CONGESTION = 0x01,
               SN_INVALID_TOPIC_ID = 0x02,
               SN_NOT_SUPPORTED = 0x03,
};

/* One message. Which members mean something depends on the type; slices are borrowed. */
struct sn_packet {
    uint8_t type;  /* enum sn_type */
    uint8_t flags; /* enum sn_flag */
    uint8_t protocol_id;
    uint8_t code;       /* enum sn_code */
    uint8_t gateway_id; /* ADVERTISE, GWINFO */
    uint8_t radius;     /* SEARCHGW */
    uint16_t duration_s;
    uint16_t topic_id;
    uint16_t msg_id;
    bool empty;        /* WILLTOPIC, WILLTOPICUPD: no flags and no topic; DISCONNECT: no duration */
    struct slice text; /* client id, topic, payload, will message, gateway address */
};

static inline unsigned sn_qos(const struct sn_packet *packet)
{
    return (packet->flags & SN_QOS) >> SN_QOS_SHIFT;
}

static inline enum sn_id_type sn_id_type(const struct sn_packet *packet)
{
    return (enum sn_id_type)(packet->flags & SN_ID_TYPE);
}

/* Why a datagram is none of MQTT-SN. */
enum sn_fault {
    SN_GOOD,
    SN_BAD_LENGTH, /* the length field is not the datagram's (section 5.2.1) */
    SN_BAD_TYPE,   /* reserved, or an encapsulation inside another */
    SN_BAD_FIELDS, /* a fixed field is cut, or something stands behind the last one */
};

/* "PUBLISH", or "reserved type": for log lines. */
const char *sn_type_name(unsigned type);
/* "bad length": for log lines. */
const char *sn_fault_name(enum sn_fault fault);
/* "rejected: congestion": for log lines. */
const char *sn_code_name(unsigned code);

#endif
