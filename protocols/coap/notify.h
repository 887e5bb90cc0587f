/* notify: how a state of a resource is said to those who observe it; for observe.c, which knows who
 * they are and when. */
#ifndef SIOTD_PROTOCOLS_COAP_NOTIFY_H
#define SIOTD_PROTOCOLS_COAP_NOTIFY_H

#include "protocols/coap/observe.h"

#define each_observation(o, e)                                                                     \
    list_each(link_, &(e)->observations) for (struct coap_observation *o =                         \
                                                  list_item(link_, struct coap_observation, link); \
                                              o; o = NULL)

static inline struct slice coap_token_of(const struct coap_observation *o)
{
    return slice_of(o->text, o->token_len);
}

/* Drops its message; it is no news any more. */
void coap_news_clear(struct coap_news *news);

/* The number of the next notification (RFC 7641 section 4.4). */
uint64_t coap_next_number(struct coap_observation *o);

/* Sends that, without remembering anything. */
void coap_transmit(struct coap_observation *o, enum coap_type type, uint16_t id, uint64_t number,
                   const struct coap_news *news);

/* Keeps the message if it is more than what one notification holds, for its further blocks. */
void coap_hold_large(struct coap_observation *o, const struct coap_news *news);

/* Says a new state as soon as it may be said; one that waits is replaced. `m` may be borrowed; NULL
 * for none. */
void coap_tell(struct coap_observation *o, uint8_t code, struct message *m);

/* Says what waits, as far as it may now. */
void coap_go_on(struct coap_endpoint *e);

/* Of observe.c: the longest time between two proofs that somebody is there, and the endpoint's one
 * deadline, which is set to what comes first. */
uint64_t coap_check_ms(const struct coap_observation *o);
void coap_observe_deadline(struct coap_endpoint *e);

#endif
