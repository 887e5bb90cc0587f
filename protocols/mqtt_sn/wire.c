/* wire: the names of MQTT-SN's numbers; see wire.h. */
#include "protocols/mqtt_sn/wire.h"

const char *sn_type_name(unsigned type)
{
    static const char *const names[SN_TYPES] = {
        [SN_ADVERTISE] = "ADVERTISE",
        [SN_SEARCHGW] = "SEARCHGW",
        [SN_GWINFO] = "GWINFO",
        [SN_CONNECT] = "CONNECT",
        [SN_CONNACK] = "CONNACK",
        [SN_WILLTOPICREQ] = "WILLTOPICREQ",
        [SN_WILLTOPIC] = "WILLTOPIC",
        [SN_WILLMSGREQ] = "WILLMSGREQ",
        [SN_WILLMSG] = "WILLMSG",
        [SN_REGISTER] = "REGISTER",
        [SN_REGACK] = "REGACK",
        [SN_PUBLISH] = "PUBLISH",
        [SN_PUBACK] = "PUBACK",
        [SN_PUBCOMP] = "PUBCOMP",
        [SN_PUBREC] = "PUBREC",
        [SN_PUBREL] = "PUBREL",
        [SN_SUBSCRIBE] = "SUBSCRIBE",
        [SN_SUBACK] = "SUBACK",
        [SN_UNSUBSCRIBE] = "UNSUBSCRIBE",
        [SN_UNSUBACK] = "UNSUBACK",
        [SN_PINGREQ] = "PINGREQ",
        [SN_PINGRESP] = "PINGRESP",
        [SN_DISCONNECT] = "DISCONNECT",
        [SN_WILLTOPICUPD] = "WILLTOPICUPD",
        [SN_WILLTOPICRESP] = "WILLTOPICRESP",
        [SN_WILLMSGUPD] = "WILLMSGUPD",
        [SN_WILLMSGRESP] = "WILLMSGRESP",
    };
    return type < SN_TYPES && names[type] ? names[type] : "reserved type";
}

const char *sn_fault_name(enum sn_fault fault)
{
    static const char *const names[] = {
        [SN_GOOD] = "in order",
        [SN_BAD_LENGTH] = "length field is not the datagram's",
        [SN_BAD_TYPE] = "reserved message type",
        [SN_BAD_FIELDS] = "fields do not fit the length",
    };
    return names[fault];
}

const char *sn_code_name(unsigned code)
{
    static const char *const names[] = {
        [SN_ACCEPTED] = "accepted",
        [SN_CONGESTION] = "rejected: congestion",
        [SN_INVALID_TOPIC_ID] = "rejected: invalid topic id",
        [SN_NOT_SUPPORTED] = "rejected: not supported",
    };
    return code < sizeof names / sizeof names[0] ? names[code] : "rejected";
}
