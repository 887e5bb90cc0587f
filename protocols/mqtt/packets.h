/* packets: what is done about each packet that a client sends, and the sink that answers for it.
 *
 * Each mqtt_on_* takes one whole packet, fixed header included, borrowed for the call. True: dealt
 * with, though perhaps by closing the peer. False: *fault says which rule was broken, nothing of
 * the packet has had an effect unless a comment says so, and the caller refuses (mqtt_refuse). */
#ifndef SIOTD_PROTOCOLS_MQTT_PACKETS_H
#define SIOTD_PROTOCOLS_MQTT_PACKETS_H

#include "protocols/mqtt/connection.h"

/* CONNECT, from a stranger. */
bool mqtt_on_connect(struct mqtt_connection *c, const struct mqtt_header *header,
                     struct slice packet, struct mqtt_fault *fault);
/* PUBLISH. */
bool mqtt_on_publish(struct mqtt_connection *c, const struct mqtt_header *header,
                     struct slice packet, struct mqtt_fault *fault);
/* PUBACK, PUBREC, PUBREL and PUBCOMP. */
bool mqtt_on_ack(struct mqtt_connection *c, const struct mqtt_header *header, struct slice packet,
                 struct mqtt_fault *fault);
/* SUBSCRIBE and UNSUBSCRIBE. */
bool mqtt_on_subscribe(struct mqtt_connection *c, const struct mqtt_header *header,
                       struct slice packet, struct mqtt_fault *fault);
bool mqtt_on_unsubscribe(struct mqtt_connection *c, const struct mqtt_header *header,
                         struct slice packet, struct mqtt_fault *fault);
/* PINGREQ, DISCONNECT and AUTH. */
bool mqtt_on_pingreq(struct mqtt_connection *c, const struct mqtt_header *header,
                     struct slice packet, struct mqtt_fault *fault);
bool mqtt_on_disconnect(struct mqtt_connection *c, const struct mqtt_header *header,
                        struct slice packet, struct mqtt_fault *fault);
bool mqtt_on_auth(struct mqtt_connection *c, const struct mqtt_header *header, struct slice packet,
                  struct mqtt_fault *fault);

/* CONNACK for an accepted CONNECT (connack.c). */
struct mqtt_welcome {
    bool session_present;
    struct slice assigned_client_id; /* empty: the client brought one */
    uint16_t server_keep_alive_s;    /* 0: the client's own holds */
    bool has_session_expiry;         /* the client's own wish does not hold, but */
    uint32_t session_expiry_s;
};

/* Says the welcome with all that the server does not offer, or not without limit. False when the
 * client's Maximum Packet Size is too small even for that: nothing was sent. */
bool mqtt_send_connack(struct mqtt_connection *c, const struct mqtt_welcome *welcome);

/* Why something in a packet that is in order is not to be had. */
struct mqtt_objection {
    enum mqtt_reason reason;
    const char *why; /* static */
};

/* The will of a CONNECT as the core takes it over (broker_connect). NULL with *no filled: what this
 * server does not offer (0x9A, 0x9B), a topic that may not be used (0x87, 0x90), or 0x88 when out
 * of memory. (will.c) */
struct will *mqtt_will_new(const struct mqtt_connection *c, const struct mqtt_connect *connect,
                           struct identity *identity, struct mqtt_objection *no);

/* Frees one that the core has not taken. NULL is allowed. */
void mqtt_will_free(struct will *will);

/* The properties of a PUBLISH or a will that travel on; `room` is used when they have to be cut
 * out, and is cleared by mqtt_forward_clear when the message is done with. False when out of
 * memory. (forward.c) */
struct mqtt_forward {
    struct slice bytes; /* the answer */
    uint8_t *owned;
    uint8_t small[256];
};
bool mqtt_forward(const struct mqtt_properties *properties, struct mqtt_forward *forward);
void mqtt_forward_clear(struct mqtt_forward *forward);

/* Sends PUBACK, PUBREC or PUBCOMP for a client's message, or PUBREL. The one door through which
 * every acknowledgement of what a client has handed over leaves: all that it stands for has been
 * taken by the core before this is called, and while that is not on disk the acknowledgement waits,
 * in order, for the core's promise to be kept (peer_reserve_after). `why` goes along as the reason
 * string of a refusal where the client wants it; may be NULL. (on_ack.c) */
void mqtt_acknowledge(struct mqtt_connection *c, enum mqtt_type type, uint16_t packet_id,
                      enum mqtt_reason reason, const char *why);

/* What a session may ask of its connection. (deliver.c) */
extern const struct sink_verbs mqtt_sink_verbs;

#endif
