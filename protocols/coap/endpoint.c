/* endpoint: see endpoint.h.
 *
 * Invariant: a session is bound exactly while some observation needs it, and its sink is this
 * endpoint's. */
#include "protocols/coap/endpoint.h"

#include "base/random.h"
#include "base/utf8.h"
#include "protocols/coap/home.h"
#include "protocols/coap/observe.h"

#include <stdio.h>

enum { CLIENT_ID_SIZE = 2048 };

/* The client id that rules may name: the identity's where the configuration binds the two, else
 * one that says the protocol, the address and the listener that it speaks to. Empty: there is none,
 * since the name is no text, or too long. */
static struct slice client_id_of(const struct coap_endpoint *e, const struct identity *identity,
                                 char to[CLIENT_ID_SIZE])
{
    const struct access *access = broker_access(peer_broker(e->peer));
    char address[PEER_ADDRESS_SIZE];
    struct slice name = identity ? identity_name(identity) : SLICE_EMPTY;
    if (!utf8_clean(name))
        return SLICE_EMPTY; /* no transport proves such a one */
    if (name.len && access && access->bind_client_id)
        return name;
    int len = snprintf(to, CLIENT_ID_SIZE, "coap:%.*s%s%s@%s", (int)name.len,
                       name.len ? (const char *)name.at : "", name.len ? "@" : "",
                       peer_address(e->peer, address), peer_listener(e->peer)->name);
    return len < CLIENT_ID_SIZE ? slice_of(to, (size_t)len) : SLICE_EMPTY;
}

/* The one that a certificate or key has proven. */
static struct principal *proven(struct coap_endpoint *e, const struct identity *identity,
                                bool *denied)
{
    char room[CLIENT_ID_SIZE];
    struct slice client_id = client_id_of(e, identity, room);
    *denied = client_id.len == 0 ||
              !broker_may_connect(peer_broker(e->peer), identity, client_id, NULL) ||
              !peer_is_entitled(e->peer);
    if (*denied)
        return NULL;
    if (!e->who) /* the identity is only counted, never changed */
        e->who = principal_new((struct identity *)identity, client_id, coap_mountpoint_of(e).len);
    return e->who;
}

struct principal *coap_endpoint_who(struct coap_endpoint *e, struct coap_home *home, bool *denied)
{
    const struct identity *identity = peer_identity(e->peer);
    if (identity)
        return proven(e, identity, denied);
    *denied = !peer_listener(e->peer)->anonymous;
    return *denied ? NULL : coap_home_anonymous(home, coap_mountpoint_of(e).len);
}

void coap_endpoint_keep(struct coap_endpoint *e)
{
    if (e->known)
        return;
    e->known = true;
    peer_known(e->peer);
}

struct coap_where coap_endpoint_where(const struct coap_endpoint *e)
{
    struct coap_where where = {{0}};
    uint64_t beside = e->serial;
    if (!beside) /* an address may speak to several listeners */
        beside = (uintptr_t)peer_listener(e->peer);
    _Static_assert(PEER_ENDPOINT_SIZE + sizeof beside <= COAP_WHERE_SIZE, "a mark holds both");
    peer_endpoint(e->peer, where.bytes);
    memcpy(where.bytes + PEER_ENDPOINT_SIZE, &beside, sizeof beside);
    return where;
}

uint16_t coap_endpoint_next_id(struct coap_endpoint *e)
{
    if (!e->has_id) {
        random_bytes(&e->next_id, sizeof e->next_id);
        e->has_id = true;
    }
    return e->next_id++;
}

static void announce(const struct coap_endpoint *e, bool connected, const char *why)
{
    char address[PEER_ADDRESS_SIZE];
    broker_client_event(peer_broker(e->peer), e->session, connected,
                        slice_of_str(peer_address(e->peer, address)), why);
}

enum verdict coap_endpoint_connect(struct coap_endpoint *e, struct coap_home *home)
{
    char room[CLIENT_ID_SIZE];
    bool present, denied;
    struct principal *who = coap_endpoint_who(e, home, &denied);
    if (e->session)
        return VERDICT_OK;
    if (!who)
        return denied ? VERDICT_DENIED : VERDICT_NO_MEMORY;
    struct connect_request request = {
        .client_id = client_id_of(e, peer_identity(e->peer), room),
        .identity = who->identity,
        .mountpoint = peer_listener(e->peer)->mountpoint,
        .protocol = "coap",
        .clean_start = true,
        .receive_maximum = 1,
        .inbound_maximum = 1,
    };
    enum verdict verdict =
        broker_connect(peer_broker(e->peer), &request, &e->sink, &e->session, &present);
    if (verdict != VERDICT_OK)
        return verdict;
    e->expelled = false;
    coap_endpoint_keep(e);
    if (peer_identity(e->peer)) /* of others the log has the address */
        peer_name(e->peer, session_client_id(e->session));
    session_resume(e->session);
    announce(e, true, NULL);
    peer_log(e->peer, e->recalled ? LOG_DEBUG : LOG_INFO, "observes"); /* else a line for each */
    return VERDICT_OK;
}

void coap_endpoint_disconnect(struct coap_endpoint *e, const char *why)
{
    if (!e->session)
        return;
    announce(e, false, why);
    if (!e->expelled)
        broker_disconnect(peer_broker(e->peer), e->session, DEPART_CLEANLY);
    e->session = NULL;
    peer_log(e->peer, LOG_INFO, "observes no more: %s", why);
}
