/* call: one request on its way through this room: what is asked, by whom, for what, and the answer.
 *
 * Lives on the stack of request.c; resources get it, read the upper part, and fill in `answer`. */
#ifndef SIOTD_PROTOCOLS_COAP_CALL_H
#define SIOTD_PROTOCOLS_COAP_CALL_H

#include "protocols/coap/answer.h"
#include "protocols/coap/home.h"

/* What a path leads to. */
enum coap_place {
    COAP_NOWHERE,
    COAP_CORE,       /* /.well-known/core */
    COAP_COLLECTION, /* /ps */
    COAP_TOPIC,      /* /ps/+ID: a topic's configuration */
    COAP_VALUE,      /* /ps/LEVEL/LEVEL..., or /ps/data/+ID: a topic's value */
    COAP_IMPOSSIBLE, /* a path that can name no topic */
};

struct coap_call {
    struct coap_endpoint *e;
    struct coap_home *home;
    struct broker *broker;
    const struct coap_request *request;
    struct principal *who; /* borrowed */
    const char *mountpoint;
    struct slice body; /* of the request, whole */
    enum coap_place place;
    struct slice topic;               /* COAP_VALUE: its name, without mountpoint */
    struct coap_topic *configuration; /* COAP_TOPIC; of COAP_VALUE that was created; or NULL */
    bool created; /* COAP_VALUE by /ps/data/+ID: has no value until one is published */
    struct coap_outcome outcome; /* what exchanges.c is to remember */
    struct coap_answer answer;
};

/* Finds out what the path of the request leads to: place, topic, configuration, created. False: out
 * of memory. */
bool coap_call_find(struct coap_call *call);

/* The resources: each answers every method. */
void coap_core(struct coap_call *call);
void coap_collection(struct coap_call *call);
void coap_topic(struct coap_call *call);
void coap_value(struct coap_call *call);

/* Just a code; `why` may be NULL. */
void coap_say(struct coap_call *call, uint8_t code, const char *why);

/* The code for somebody who may not: 4.01 when who he is could still be proven, else 4.03. */
void coap_say_denied(struct coap_call *call);

/* What an answer that stands for all that was done so far has to wait for: everything that is
 * recorded and not on disk. 0 for a request that is not confirmable. */
static inline uint64_t coap_promise_all(const struct coap_call *call)
{
    return call->request->message.type == COAP_CON ? broker_promise(call->broker) : 0;
}

/* What the core has not accepted. */
void coap_say_refused(struct coap_call *call, enum verdict verdict);

/* Removes a topic and its value; its observers get 4.04 (draft-ietf-core-coap-pubsub-21 section
 * 2.5.5). */
void coap_topic_end(struct coap_home *home, struct coap_topic *topic);

/* Whether the caller may publish to the topic of that name, and so set it up or remove it. */
bool coap_may_configure(const struct coap_call *call, struct slice name);

/* Whether the body is said to be properties, or nothing is said of it; else the answer is 4.15. */
bool coap_speaks_properties(struct coap_call *call);

/* Answers with a topic's configuration; those properties among `which`. */
void coap_say_topic(struct coap_call *call, uint8_t code, const struct coap_topic *topic,
                    uint16_t which);

#endif
