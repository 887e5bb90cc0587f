/* will: what a client wants said when it vanishes, MQTT 5.0 section 3.1.2.5 and 3.1.3.2. */
#ifndef SIOTD_BROKER_WILL_H
#define SIOTD_BROKER_WILL_H

#include "broker/message.h"

struct will {
    struct message
        *message;      /* owned reference; expires_ms is unset, `expiry_s` counts from firing */
    uint32_t delay_s;  /* [MQTT-3.1.3-9] */
    bool expires;      /* the message, once published, after */
    uint32_t expiry_s; /* that; 0: at once */
};

/* Whether two say the same; NULL is none. */
bool will_equal(const struct will *a, const struct will *b);

#endif
