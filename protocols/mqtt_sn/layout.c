/* layout: see layout.h. */
#include "protocols/mqtt_sn/layout.h"

#define ROW(...)                                                                                   \
    {                                                                                              \
        .known = true, .fields = { __VA_ARGS__ }                                                   \
    }

static const struct sn_layout layouts[SN_TYPES] = {
    [SN_ADVERTISE] = ROW(SN_FIELD_GATEWAY, SN_FIELD_DURATION),
    [SN_SEARCHGW] = ROW(SN_FIELD_RADIUS),
    [SN_GWINFO] = ROW(SN_FIELD_GATEWAY, SN_FIELD_TEXT),
    [SN_CONNECT] = ROW(SN_FIELD_FLAGS, SN_FIELD_PROTOCOL, SN_FIELD_DURATION, SN_FIELD_TEXT),
    [SN_CONNACK] = ROW(SN_FIELD_CODE),
    [SN_WILLTOPICREQ] = ROW(SN_FIELD_NONE),
    [SN_WILLTOPIC] = {true, true, {SN_FIELD_FLAGS, SN_FIELD_TEXT}},
    [SN_WILLMSGREQ] = ROW(SN_FIELD_NONE),
    [SN_WILLMSG] = ROW(SN_FIELD_TEXT),
    [SN_REGISTER] = ROW(SN_FIELD_TOPIC_ID, SN_FIELD_MSG_ID, SN_FIELD_TEXT),
    [SN_REGACK] = ROW(SN_FIELD_TOPIC_ID, SN_FIELD_MSG_ID, SN_FIELD_CODE),
    [SN_PUBLISH] = ROW(SN_FIELD_FLAGS, SN_FIELD_TOPIC_ID, SN_FIELD_MSG_ID, SN_FIELD_TEXT),
    [SN_PUBACK] = ROW(SN_FIELD_TOPIC_ID, SN_FIELD_MSG_ID, SN_FIELD_CODE),
    [SN_PUBCOMP] = ROW(SN_FIELD_MSG_ID),
    [SN_PUBREC] = ROW(SN_FIELD_MSG_ID),
    [SN_PUBREL] = ROW(SN_FIELD_MSG_ID),
    [SN_SUBSCRIBE] = ROW(SN_FIELD_FLAGS, SN_FIELD_MSG_ID, SN_FIELD_TOPIC),
    [SN_SUBACK] = ROW(SN_FIELD_FLAGS, SN_FIELD_TOPIC_ID, SN_FIELD_MSG_ID, SN_FIELD_CODE),
    [SN_UNSUBSCRIBE] = ROW(SN_FIELD_FLAGS, SN_FIELD_MSG_ID, SN_FIELD_TOPIC),
    [SN_UNSUBACK] = ROW(SN_FIELD_MSG_ID),
    [SN_PINGREQ] = ROW(SN_FIELD_TEXT),
    [SN_PINGRESP] = ROW(SN_FIELD_NONE),
    [SN_DISCONNECT] = {true, true, {SN_FIELD_DURATION}},
    [SN_WILLTOPICUPD] = {true, true, {SN_FIELD_FLAGS, SN_FIELD_TEXT}},
    [SN_WILLTOPICRESP] = ROW(SN_FIELD_CODE),
    [SN_WILLMSGUPD] = ROW(SN_FIELD_TEXT),
    [SN_WILLMSGRESP] = ROW(SN_FIELD_CODE),
};

const struct sn_layout *sn_layout(unsigned type)
{
    return type < SN_TYPES && layouts[type].known ? &layouts[type] : NULL;
}
