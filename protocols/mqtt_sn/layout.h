/* layout: which fields stand in which message, in order (MQTT-SN 1.2 section 5.4). Pure.
 *
 * Decoder and encoder walk the same rows, so what one writes the other reads. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_LAYOUT_H
#define SIOTD_PROTOCOLS_MQTT_SN_LAYOUT_H

#include "protocols/mqtt_sn/wire.h"

enum sn_field {
    SN_FIELD_NONE, /* ends a row */
    SN_FIELD_FLAGS,
    SN_FIELD_PROTOCOL,
    SN_FIELD_CODE,
    SN_FIELD_GATEWAY,
    SN_FIELD_RADIUS,
    SN_FIELD_DURATION,
    SN_FIELD_TOPIC_ID,
    SN_FIELD_MSG_ID,
    SN_FIELD_TOPIC, /* a name, or two bytes when the flags say that it is an id */
    SN_FIELD_TEXT,  /* all that is left, perhaps nothing */
};

enum { SN_FIELDS_MAX = 5 };

struct sn_layout {
    bool known;
    bool may_be_empty; /* the whole body may be left out */
    uint8_t fields[SN_FIELDS_MAX];
};

/* The row of a type, or NULL for a reserved one. */
const struct sn_layout *sn_layout(unsigned type);

#endif
