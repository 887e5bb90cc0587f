/* verdict: what the core answers to a protocol. Each protocol maps it to its own reason codes. */
#ifndef SIOTD_BROKER_VERDICT_H
#define SIOTD_BROKER_VERDICT_H

enum verdict {
    VERDICT_OK,
    VERDICT_NO_SUBSCRIBERS,  /* published, and nobody was there (MQTT 5: 0x10) */
    VERDICT_NO_SUBSCRIPTION, /* unsubscribed what was not subscribed (0x11) */
    VERDICT_DENIED,          /* authorise() said no (0x87) */
    VERDICT_BAD_TOPIC,       /* not a topic name (0x90) */
    VERDICT_BAD_FILTER,      /* not a topic filter (0x8F) */
    VERDICT_TOO_LARGE,       /* above packet_size (0x95) */
    VERDICT_QUOTA,           /* a limit is reached (0x97) */
    VERDICT_NO_MEMORY,       /* 0x83 */
    VERDICT_COUNT
};

/* "denied", "quota exceeded": for log lines. */
const char *verdict_name(enum verdict verdict);

#endif
