/* discovery: lists of links, for the resources that answer with one. */
#ifndef SIOTD_PROTOCOLS_COAP_DISCOVERY_H
#define SIOTD_PROTOCOLS_COAP_DISCOVERY_H

#include "protocols/coap/call.h"

/* Begins a list. */
void coap_start_page(struct coap_call *call);

/* Adds links to the topics behind this listener's mountpoint that the caller may read; to their
 * values, or to their configurations; only to those that are `like` something, unless that is NULL.
 * `attributes` follows each. False: out of memory. */
bool coap_list_topics(struct coap_call *call, const struct coap_properties *like, bool values,
                      const char *attributes);

/* Answers with the list, or, when it is not complete, with what says that there is no memory. */
void coap_say_page(struct coap_call *call, bool complete);

/* Whether the caller has to prove his address before a list of topics is made for him; the answer
 * is set then. */
bool coap_wants_proof(struct coap_call *call);

/* Whether a query of the collection asks for values rather than configurations; *nothing: for
 * neither. */
bool coap_lists_values(const struct coap_call *call, bool *nothing);

/* Whether the caller may read the topic's value. */
bool coap_may_read(const struct coap_call *call, const struct coap_topic *topic);

/* Whether a topic has each of those properties with that value (draft-ietf-core-coap-pubsub-21
 * section 2.4.2). */
bool coap_topic_is_like(const struct coap_topic *topic, const struct coap_properties *like);

#endif
