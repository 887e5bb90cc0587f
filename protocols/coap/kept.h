/* kept: observations that outlive siotd.
 *
 *   registered -> noted -> answered ... restart ... protocol.recall -> the peer, the session and
 * the subscription are made anew -> a confirmable notification -> acknowledged, or it ends
 *
 * Only on udp, and only where there is a store: on dtls a relation ends with the association. Rows
 * are bounded by what they are of: `observations` for each endpoint, and an endpoint is a peer. */
#ifndef SIOTD_PROTOCOLS_COAP_KEPT_H
#define SIOTD_PROTOCOLS_COAP_KEPT_H

#include "protocols/coap/observe.h"
#include "protocols/coap/relation.h"

struct loop;

/* Notes the observation as it is now, where it can be kept; sets o->kept. */
void coap_keep(struct coap_observation *o);
/* It has ended. Harmless when it is not kept. */
void coap_keep_no_more(struct coap_observation *o);

/* A new home takes over what is noted of numbers. */
void coap_kept_begin(struct coap_home *home);
/* The least that an Observe number may be now, of any observation: above all that were ever said to
 * one that is kept, also when the clock has gone back (RFC 7641 section 4.4). */
uint64_t coap_kept_floor(const struct coap_home *home);
/* That number is about to be said to one that is kept. */
void coap_kept_say(struct coap_home *home, uint64_t number);

/* protocol.recall. */
void coap_kept_recall(struct broker *broker, struct loop *loop);

#endif
