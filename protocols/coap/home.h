/* home: what all CoAP endpoints share.
 *
 * One for the process, made with the first endpoint: the memory of exchanges and uploads, which is
 * bounded in here rather than for each stranger; created topics; the key of Echo; and who the
 * anonymous are. */
#ifndef SIOTD_PROTOCOLS_COAP_HOME_H
#define SIOTD_PROTOCOLS_COAP_HOME_H

#include "broker/broker.h"
#include "protocols/coap/exchanges.h"
#include "protocols/coap/siphash.h"
#include "protocols/coap/topics.h"
#include "protocols/coap/uploads.h"

enum { COAP_RATES = 4096, COAP_MOUNTS = 8 };

/* How many messages came in a second from the addresses that share a bucket. */
struct coap_rate {
    uint32_t second, count;
};

struct coap_home {
    struct broker *broker;
    uint8_t key[SIPHASH_KEY_SIZE]; /* of Echo and of message ids for strangers */
    uint64_t serials;              /* given so far */
    uint64_t number_floor;         /* of Observe numbers; see kept.h */
    uint64_t number_limit;         /* up to which they are taken, on disk */
    struct coap_exchanges exchanges;
    struct coap_uploads uploads;
    struct coap_topics topics;
    struct coap_rate *rates;                  /* COAP_RATES of them, once a rate is asked for */
    struct principal *anonymous[COAP_MOUNTS]; /* by the length of their mountpoint */
    struct buffer topic;                      /* the topic of the request under way */
    struct buffer page;                       /* the document that is being made for it */
};

/* The home behind a broker; made when it is asked for first. NULL when out of memory. */
struct coap_home *coap_home_of(struct broker *broker);

/* Frees it, when there is one. No endpoint may be left. For tests, which make several brokers. */
void coap_home_clear(void);

/* Who has not proven anything, behind a mountpoint of that length; borrowed. NULL when out of
 * memory. */
struct principal *coap_home_anonymous(struct coap_home *home, size_t mountpoint_len);

/* Whether one more message of that address may be published at now_ms, with `most` a second. */
bool coap_home_admits(struct coap_home *home, struct slice address, uint64_t now_ms, uint64_t most);

#endif
