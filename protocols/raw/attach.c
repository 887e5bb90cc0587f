/* attach: who a device is to the core, from its first SUB to its end; see connection.h.
 *
 * A device with a proven identity has a session from its first word on, which ends with its right
 * to be here and, once it has subscribed, outlives the peer for `session_expiry`. Anybody else gets
 * one with SUB, and it ends with the peer.
 *
 * Invariant: while session is set, the session's sink is this connection. */
#include "protocols/raw/connection.h"

#include "base/random.h"
#include "base/utf8.h"
#include <stdio.h>

bool raw_may_enter(const struct raw_connection *c)
{
    return peer_identity(c->peer) || peer_listener(c->peer)->anonymous;
}

struct principal *raw_principal(struct raw_connection *c)
{
    enum { KEPT = 4 };                   /* listeners with mountpoints of different lengths */
    static struct principal *kept[KEPT]; /* as long as the process lives */
    size_t len = strlen(peer_listener(c->peer)->mountpoint);
    struct principal **place = &kept[len % KEPT];
    if (*place && (*place)->mountpoint_len == len)
        return *place;
    principal_unref(*place);
    struct identity *identity = identity_of_nobody();
    *place = identity ? principal_new(identity, SLICE_EMPTY, len) : NULL;
    return *place;
}

/* ---- coming ---- */

enum { CLIENT_ID_SIZE = 2048 };

/* "raw:" and the name, or the address and the listener that it speaks to, so that no client of
 * another protocol is meant; only the name where client ids are bound to names. Empty: there is
 * none, since the name is no text. */
static struct slice client_id_of(const struct raw_connection *c, char to[CLIENT_ID_SIZE])
{
    const struct identity *identity = peer_identity(c->peer);
    const struct access *access = broker_access(c->broker);
    char address[PEER_ADDRESS_SIZE];
    if (identity && !utf8_clean(identity_name(identity)))
        return SLICE_EMPTY; /* no transport proves such a one */
    if (identity && access && access->bind_client_id)
        return identity_name(identity);
    int len = identity
                  ? snprintf(to, CLIENT_ID_SIZE, "raw:%.*s", SLICE_FMT(identity_name(identity)))
                  : snprintf(to, CLIENT_ID_SIZE, "raw:%s@%s", peer_address(c->peer, address),
                             peer_listener(c->peer)->name);
    return len < CLIENT_ID_SIZE ? slice_of(to, (size_t)len) : SLICE_EMPTY;
}

static void announce(struct raw_connection *c, bool present)
{
    const struct identity *identity = session_identity(c->session);
    char user[LOG_ESCAPED_SIZE] = "", address[PEER_ADDRESS_SIZE];
    if (!identity->anonymous)
        log_escape(user, sizeof user, identity_name(identity));
    peer_log(c->peer, LOG_INFO, "connected: raw, %s%s%s, %s", *user ? "user \"" : "anonymous", user,
             *user ? "\"" : "", present ? "session resumed" : "new session");
    broker_client_event(c->broker, c->session, true, slice_of_str(peer_address(c->peer, address)),
                        NULL);
}

enum verdict raw_attach(struct raw_connection *c)
{
    char id[CLIENT_ID_SIZE];
    struct identity *proven = (struct identity *)peer_identity(c->peer);
    struct identity *identity = proven ? proven : identity_of_nobody();
    bool present = false;
    if (c->session)
        return VERDICT_OK;
    if (!identity)
        return VERDICT_NO_MEMORY;
    struct connect_request request = {
        .client_id = client_id_of(c, id),
        .identity = identity,
        .mountpoint = peer_listener(c->peer)->mountpoint,
        .protocol = "raw",
        .clean_start = !proven,
        .expiry_s = proven ? raw_session_expiry_s(raw_options_of(c)) : 0,
        .receive_maximum = (uint16_t)raw_options_of(c)->window,
        .inbound_maximum = 1,
    };
    if (request.client_id.len == 0)
        return VERDICT_DENIED;
    enum verdict verdict = broker_connect(c->broker, &request, &c->sink, &c->session, &present);
    if (verdict != VERDICT_OK) {
        c->session = NULL;
        return verdict;
    }
    random_bytes(&c->nonce, sizeof c->nonce);
    c->subscribed = present;
    if (proven && !present)
        session_set_expiry(c->session, 0); /* until it subscribes there is nothing to keep */
    if (proven) /* the address, which each line of the log has, is all that is known of others */
        peer_name(c->peer, request.client_id);
    announce(c, present);
    session_resume(c->session);
    return VERDICT_OK;
}

void raw_subscribed(struct raw_connection *c)
{
    if (!c->known)
        peer_known(c->peer);
    c->known = true;
    if (!c->subscribed && peer_identity(c->peer))
        session_set_expiry(c->session, raw_session_expiry_s(raw_options_of(c)));
    c->subscribed = true;
    if (raw_options_of(c)->trust_sources && !peer_is_verified(c->peer))
        peer_verify(c->peer);
}

/* ---- going ---- */

/* The world hears that the device is gone, and why. */
static struct session *let_go(struct raw_connection *c, const char *why)
{
    struct session *session = c->session;
    char address[PEER_ADDRESS_SIZE];
    c->session = NULL;
    raw_forget_all(c);
    broker_client_event(c->broker, session, false, slice_of_str(peer_address(c->peer, address)),
                        why);
    return session;
}

void raw_detach(struct raw_connection *c, bool forget, const char *why)
{
    if (!c->session)
        return;
    struct session *session = let_go(c, why);
    if (forget)
        session_set_expiry(session, 0);
    broker_disconnect(c->broker, session, DEPART_CLEANLY);
}

void raw_dispossess(struct raw_connection *c, const char *why)
{
    (void)let_go(c, why);
}

void raw_close(struct raw_connection *c, const char *why)
{
    if (c->leaving)
        return; /* the first reason is the one that counts */
    c->leaving = true;
    peer_close(c->peer, "closed: %s", why);
}
