/* layer: what may stand between a stream socket and a protocol: tls, websocket.
 *
 * On the way in:  socket -> receive (wire -> plain) -> protocol.receive
 * On the way out: peer_send -> [end of the turn] -> send (plain -> wire) -> socket
 * A layer sees its own state and the peer, and appends wire bytes with layer_emit; it touches no
 * socket, and no protocol knows that it is there. */
#ifndef SIOTD_TRANSPORTS_LAYER_H
#define SIOTD_TRANSPORTS_LAYER_H

#include "base/slice.h"
#include "base/writer.h"
#include <stdbool.h>
#include <sys/types.h>

struct handshake_counts;
struct identity;
struct listener_settings;
struct peer;

enum layer_result {
    LAYER_MORE,   /* `plain` is full, and there is more to be had: call again */
    LAYER_DONE,   /* all that arrived has been taken in */
    LAYER_END,    /* the other end has said goodbye on this layer: nothing follows */
    LAYER_FAILED, /* the peer is beyond repair; the layer has called peer_close with the reason and
                     may have emitted an alert */
};

struct layer {
    const char *name;
    size_t state_size; /* bytes per peer, zeroed, allocated and freed with the peer */

    /* None may block, and none may call the protocol. */

    /* ---- of a listener; all NULL when its peers share nothing ---- */

    /* Makes what the peers of a listener share, from its settings: reads files, judges them, and
     * touches nothing else. 0, or -errno and a sentence in `why`. The peers find it in
     * listener.shared. */
    int (*share)(const struct listener_settings *settings, void **shared, char *why,
                 size_t why_size);
    /* A reload: `shared` takes over what `fresh` (from share) has, and frees it. Cannot fail. */
    void (*adopt)(void *shared, void *fresh);
    void (*unshare)(void *shared);
    /* Calls `warn` for each thing that works but should not stay so; `now_s` since 1970. */
    void (*inspect)(const void *shared, int64_t now_s, void (*warn)(void *to, const char *text),
                    void *to);
    /* What its handshakes have come to (listener.h). NULL: it has none. */
    void (*count)(const void *shared, struct handshake_counts *to);

    /* ---- of a peer ---- */

    /* A peer has arrived. 0 or -errno: the peer is then closed (close is called). */
    int (*open)(struct peer *peer, void *state);

    /* Whether what has proven the peer's identity would still do so, after a reload. NULL: always.
     */
    bool (*entitled)(struct peer *peer, const void *state);

    /* Whether wire bytes may be given to it in this turn; if not, they stay in the kernel until the
     * next. NULL: always. */
    bool (*ready)(struct peer *peer, const void *state);

    /* Wire bytes have arrived. Takes them off the front of *wire (what it cannot decode yet it
     * keeps in its state) and writes what they mean to `plain`, never beyond its room. With
     * LAYER_DONE *wire is empty. May emit (handshakes). Called again at once after LAYER_MORE, with
     * what is left of *wire and an emptied `plain`. */
    enum layer_result (*receive)(struct peer *peer, void *state, struct slice *wire,
                                 struct writer *plain);

    /* Turns plain bytes into wire bytes and emits those. Returns how many bytes are done with;
     * fewer than plain.len, even 0, when the layer is not ready for them (handshake): they are
     * offered again after the next receive. Negative: failed as above. */
    ssize_t (*send)(struct peer *peer, void *state, struct slice plain);

    /* The last call: lets go of what the state refers to. `orderly`: the wire still works, the
     * goodbye may be emitted. */
    void (*close)(struct peer *peer, void *state, bool orderly);
};

/* Appends bytes for the wire (copied); for layers only, and only from their callbacks. Out of
 * memory closes the peer. */
void layer_emit(struct peer *peer, struct slice wire);

/* The layer has proof of who the peer is; takes a reference. Once in a peer's life. */
void layer_identify(struct peer *peer, struct identity *identity);

#endif
