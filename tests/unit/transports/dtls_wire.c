/* dtls_wire: see dtls_wire.h. The linker puts what stands here in the place of peers and sockets
 * (--wrap, CMakeLists.txt). */
#include "dtls_wire.h"

#include "broker/auth.h"
#include "tls_pki.h"
#include "transports/credentials.h"
#include <sys/time.h>

struct wire wire;

struct parcel {
    struct parcel *next;
    bool to_server;
    struct endpoint from; /* or to whom */
    size_t len;
    uint8_t bytes[];
};

enum { HELD = 64 };
static struct parcel *first, **last = &first;
static bool holding;
static struct slice held[HELD];
static size_t held_count;

static uint64_t draw(void)
{
    wire.seed = wire.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return wire.seed >> 33;
}

static void put(bool to_server, struct endpoint from, struct slice bytes)
{
    struct parcel *parcel = malloc(sizeof(*parcel) + bytes.len);
    assert_non_null(parcel);
    *parcel = (struct parcel){.to_server = to_server, .from = from, .len = bytes.len};
    memcpy(parcel->bytes, bytes.at, bytes.len);
    if (first && draw() % 100 < wire.reorder) {
        parcel->next = first;
        first = parcel;
        return;
    }
    *last = parcel;
    last = &parcel->next;
}

static void carry(bool to_server, struct endpoint from, struct slice bytes)
{
    if (wire.judge && !wire.judge(to_server, bytes))
        return;
    if (draw() % 100 < wire.lose)
        return;
    put(to_server, from, bytes);
    if (draw() % 100 < wire.repeat)
        put(to_server, from, bytes);
}

/* ---- in the place of peers ---- */

static struct wire_peer *mine(const struct peer *peer)
{
    return (struct wire_peer *)(uintptr_t)peer;
}

static struct peer *as_peer(struct wire_peer *peer)
{
    return (struct peer *)peer;
}

void *__wrap_datagram_shared(const struct peer *peer);
void __wrap_datagram_emit(struct peer *peer, struct slice bytes);
void __wrap_datagram_emit_to(struct peer *peer, const struct endpoint *to, struct slice bytes);
void __wrap_datagram_candidate(struct peer *peer);
void __wrap_datagram_move(struct peer *peer, const struct endpoint *to);
void __wrap_datagram_alarm(struct peer *peer, uint64_t due_ms);
uint64_t __wrap_peer_now_ms(const struct peer *peer);
const struct identity *__wrap_peer_identity(const struct peer *peer);
void __wrap_layer_identify(struct peer *peer, struct identity *identity);
void __wrap_peer_close(struct peer *peer, const char *why, ...);
void __wrap_peer_log(const struct peer *peer, enum log_level level, const char *format, ...);

void *__wrap_datagram_shared(const struct peer *peer)
{
    (void)peer;
    return wire.home;
}

static void leave(struct endpoint to, struct slice bytes)
{
    wire.bytes_out += bytes.len;
    if (bytes.len > wire.longest)
        wire.longest = bytes.len;
    carry(false, to, bytes);
}

void __wrap_datagram_emit(struct peer *peer, struct slice bytes)
{
    leave(mine(peer)->at, bytes);
}

void __wrap_datagram_emit_to(struct peer *peer, const struct endpoint *to, struct slice bytes)
{
    mine(peer)->sent_to_new += bytes.len;
    leave(*to, bytes);
}

void __wrap_datagram_candidate(struct peer *peer)
{
    mine(peer)->believed++;
}

void __wrap_datagram_move(struct peer *peer, const struct endpoint *to)
{
    mine(peer)->at = *to;
    mine(peer)->moved++;
}

void __wrap_datagram_alarm(struct peer *peer, uint64_t due_ms)
{
    mine(peer)->alarm_ms = due_ms;
}

uint64_t __wrap_peer_now_ms(const struct peer *peer)
{
    (void)peer;
    return wire.now_ms;
}

const struct identity *__wrap_peer_identity(const struct peer *peer)
{
    return mine(peer)->identity;
}

void __wrap_layer_identify(struct peer *peer, struct identity *identity)
{
    assert_null(mine(peer)->identity);
    mine(peer)->identity = identity_ref(identity);
}

void __wrap_peer_close(struct peer *peer, const char *why, ...)
{
    va_list arguments;
    struct wire_peer *self = mine(peer);
    if (self->closing)
        return;
    self->closing = true;
    va_start(arguments, why);
    vsnprintf(self->why, sizeof(self->why), why, arguments);
    va_end(arguments);
}

void __wrap_peer_log(const struct peer *peer, enum log_level level, const char *format, ...)
{
    (void)peer;
    (void)level;
    (void)format;
}

/* wolfSSL looks at the clock before it repeats something: it sees the wire's. */
int __real_gettimeofday(struct timeval *to, void *zone);
int __wrap_gettimeofday(struct timeval *to, void *zone);

int __wrap_gettimeofday(struct timeval *to, void *zone)
{
    int result = __real_gettimeofday(to, zone);
    to->tv_sec += (time_t)(wire.now_ms / 1000);
    to->tv_usec = (suseconds_t)(wire.now_ms % 1000 * 1000);
    return result;
}

/* ---- the listener ---- */

void wire_open(void (*change)(struct tls_settings *settings))
{
    char why[CREDENTIALS_WHY_SIZE];
    memset(&wire, 0, sizeof(wire));
    wire.now_ms = 1000000;
    wire.seed = 1;
    wire.echo = true;
    wire.settings.tls = (struct tls_settings){.certificate = pki_path("server.pem"),
                                              .key = pki_path("server.key"),
                                              .groups = (char *)"X25519,P-256",
                                              .handshake_timeout = 15000,
                                              .half_open = 100,
                                              .ticket_lifetime = 3600000,
                                              .mtu = 1232,
                                              .connection_id = true};
    if (change)
        change(&wire.settings.tls);
    if (dtls_layer.share(&wire.settings, &wire.home, why, sizeof(why)) != 0)
        fail_msg("%s", why);
}

static void end(struct wire_peer *peer, bool orderly)
{
    dtls_layer.close(as_peer(peer), peer->state, orderly);
    identity_unref(peer->identity);
    peer->identity = NULL;
    peer->open = false;
}

static void forget_parcels(void)
{
    while (first) {
        struct parcel *parcel = first;
        first = parcel->next;
        free(parcel);
    }
    last = &first;
    wire_hold(false);
}

void wire_close(void)
{
    for (int i = 0; i < WIRE_GUESTS; i++)
        guest_free(wire.guests[i]);
    for (int i = 0; i < WIRE_PEERS; i++)
        if (wire.peers[i].open)
            end(&wire.peers[i], true);
    forget_parcels();
    assert_int_equal(wire_counts().half_open, 0);
    assert_int_equal(((struct dtls_home *)wire.home)->numbered.count, 0);
    dtls_layer.unshare(wire.home);
}

struct tls_counts wire_counts(void)
{
    return ((struct tls_home *)wire.home)->counts;
}

struct wire_peer *wire_peer_at(struct endpoint at)
{
    for (int i = 0; i < WIRE_PEERS; i++)
        if (wire.peers[i].open && memcmp(&wire.peers[i].at, &at, sizeof(at)) == 0)
            return &wire.peers[i];
    return NULL;
}

int wire_say(struct wire_peer *peer, const char *text)
{
    return dtls_layer.send(as_peer(peer), peer->state, slice_of_str(text));
}

static void receive(struct wire_peer *peer, struct endpoint from, struct slice bytes)
{
    static uint8_t room[WIRE_DATAGRAM];
    enum datagram_result result;
    do {
        struct writer plain = writer_of(room, sizeof(room));
        result = dtls_layer.receive(as_peer(peer), peer->state, &from, &bytes, &plain);
        assert_int_equal(bytes.len, 0);
        if (result == DATAGRAM_PLAIN) {
            peer->plain++;
            if (wire.echo)
                assert_int_equal(
                    dtls_layer.send(as_peer(peer), peer->state, slice_of(room, writer_len(&plain))),
                    0);
        }
    } while (result == DATAGRAM_PLAIN);
    assert_true((result == DATAGRAM_FAILED) == peer->closing);
    if (result != DATAGRAM_NOTHING)
        end(peer, result == DATAGRAM_END);
}

static void admit(struct endpoint from, struct slice bytes)
{
    struct wire_peer *peer = wire_peer_at(from);
    if (peer)
        end(peer, false);
    for (peer = wire.peers; peer->open;)
        assert_true(++peer < wire.peers + WIRE_PEERS);
    memset(peer, 0, sizeof(*peer));
    peer->open = true;
    peer->at = from;
    wire.admissions++;
    assert_int_equal(dtls_layer.open(as_peer(peer), peer->state), 0);
    receive(peer, from, bytes);
}

void wire_inject(struct endpoint from, struct slice datagram)
{
    uint8_t room[WIRE_DATAGRAM];
    struct writer answer = writer_of(room, sizeof(room));
    struct peer *moved = NULL;
    struct wire_peer *peer = wire_peer_at(from);
    wire.bytes_in += datagram.len;
    wire.datagrams++;
    if (peer && !dtls_layer.begins(as_peer(peer), peer->state, datagram)) {
        receive(peer, from, datagram);
        return;
    }
    switch (dtls_layer.greet(wire.home, &from, peer ? peer->state : NULL, datagram, wire.now_ms,
                             &answer, &moved)) {
    case GREET_IGNORE:
        break;
    case GREET_ANSWER:
        wire.answers++;
        leave(from, slice_of(room, writer_len(&answer)));
        break;
    case GREET_ADMIT:
        admit(from, datagram);
        break;
    case GREET_MOVED:
        receive(mine(moved), from, datagram);
        break;
    }
}

struct endpoint wire_endpoint(uint8_t host, uint16_t port)
{
    struct endpoint at = {.port = port};
    const uint8_t address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, host};
    memcpy(at.address, address, sizeof(address));
    return at;
}

/* ---- the guests ---- */

static struct slice arriving;

static int guest_read(WOLFSSL *ssl, char *to, int size, void *guest)
{
    (void)ssl;
    (void)guest;
    if (arriving.len == 0 || arriving.len > (size_t)size)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    int len = (int)arriving.len;
    memcpy(to, arriving.at, arriving.len);
    arriving = SLICE_EMPTY;
    return len;
}

static int guest_write(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
    const struct guest *guest = owner;
    struct slice datagram = slice_of(bytes, (size_t)size);
    (void)ssl;
    if (holding) {
        uint8_t *copy = malloc(datagram.len);
        assert_true(copy && held_count < HELD);
        memcpy(copy, bytes, datagram.len);
        held[held_count++] = slice_of(copy, datagram.len);
        return size;
    }
    carry(true, guest->at, datagram);
    return size;
}

void wire_hold(bool on)
{
    if (on || holding)
        for (; !on && held_count > 0; held_count--)
            free((void *)(uintptr_t)held[held_count - 1].at);
    holding = on;
}

size_t wire_held(struct slice **datagrams)
{
    *datagrams = held;
    return held_count;
}

struct guest *guest_new(int version, struct endpoint at)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    assert_non_null(guest);
    int i = 0;
    while (wire.guests[i])
        assert_true(++i < WIRE_GUESTS);
    wire.guests[i] = guest;
    guest->at = at;
    guest->alert = -1;
    guest->profile = wolfSSL_CTX_new(version == WOLFSSL_DTLSV1_3 ? wolfDTLSv1_3_client_method()
                                                                 : wolfDTLSv1_2_client_method());
    assert_non_null(guest->profile);
    assert_int_equal(wolfSSL_CTX_load_verify_locations(guest->profile, pki_path("ca.pem"), NULL),
                     WOLFSSL_SUCCESS);
    wolfSSL_CTX_UseSessionTicket(guest->profile);
    wolfSSL_CTX_SetIORecv(guest->profile, guest_read);
    wolfSSL_CTX_SetIOSend(guest->profile, guest_write);
    guest->ssl = wolfSSL_new(guest->profile);
    assert_non_null(guest->ssl);
    wolfSSL_SetIOReadCtx(guest->ssl, guest);
    wolfSSL_SetIOWriteCtx(guest->ssl, guest);
    wolfSSL_dtls_set_using_nonblock(guest->ssl, 1);
    assert_int_equal(wolfSSL_dtls_set_mtu(guest->ssl, 1232), WOLFSSL_SUCCESS);
    return guest;
}

void guest_free(struct guest *guest)
{
    if (!guest)
        return;
    for (int i = 0; i < WIRE_GUESTS; i++)
        if (wire.guests[i] == guest)
            wire.guests[i] = NULL;
    wolfSSL_free(guest->ssl);
    wolfSSL_CTX_free(guest->profile);
    free(guest);
}

void guest_key(struct guest *guest, const char *identity, const void *key, unsigned len)
{
    pki_offer_key(guest->ssl, identity, key, len);
}

void guest_certificate(struct guest *guest, const char *name)
{
    pki_show_certificate(guest->ssl, name);
}

void guest_number(struct guest *guest, unsigned len)
{
    unsigned char own[16] = "guest's number..";
    assert_int_equal(wolfSSL_dtls_cid_use(guest->ssl), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_dtls_cid_set(guest->ssl, own, len), WOLFSSL_SUCCESS);
}

static void guest_timer(struct guest *guest)
{
    uint64_t ms = (uint64_t)wolfSSL_dtls_get_current_timeout(guest->ssl) * 1000;
    guest->due_ms = wire.now_ms + (wolfSSL_dtls13_use_quick_timeout(guest->ssl) ? ms / 4 : ms);
}

static void guest_failed(struct guest *guest, int error)
{
    WOLFSSL_ALERT_HISTORY history;
    guest->error = error;
    guest->due_ms = 0;
    if (wolfSSL_get_alert_history(guest->ssl, &history) == WOLFSSL_SUCCESS &&
        history.last_rx.level > 0)
        guest->alert = history.last_rx.code;
}

/* One step, with what arrives. */
static void guest_step(struct guest *guest)
{
    int ret;
    if (guest->error)
        return;
    if (!guest->done) {
        ret = wolfSSL_connect(guest->ssl);
        guest->done = ret == WOLFSSL_SUCCESS;
        if (!guest->done) {
            int error = wolfSSL_get_error(guest->ssl, ret);
            if (error != WOLFSSL_ERROR_WANT_READ)
                guest_failed(guest, error);
            else
                guest_timer(guest);
            return;
        }
        guest->due_ms = 0;
    }
    while ((ret = wolfSSL_read(guest->ssl, guest->last, sizeof(guest->last))) > 0) {
        guest->plain++;
        guest->last_len = (size_t)ret;
    }
    int error = wolfSSL_get_error(guest->ssl, ret);
    if (error != WOLFSSL_ERROR_WANT_READ)
        guest_failed(guest, error);
}

/* ---- the wire ---- */

void wire_flush(void)
{
    while (first) {
        struct parcel *parcel = first;
        first = parcel->next;
        if (!first)
            last = &first;
        struct slice bytes = slice_of(parcel->bytes, parcel->len);
        if (parcel->to_server)
            wire_inject(parcel->from, bytes);
        for (int i = 0; i < WIRE_GUESTS && !parcel->to_server; i++) {
            struct guest *guest = wire.guests[i];
            if (!guest || memcmp(&guest->at, &parcel->from, sizeof(guest->at)) != 0)
                continue;
            arriving = bytes;
            guest_step(guest);
            arriving = SLICE_EMPTY;
        }
        free(parcel);
    }
}

static uint64_t next_due(void)
{
    uint64_t due = UINT64_MAX;
    for (int i = 0; i < WIRE_PEERS; i++)
        if (wire.peers[i].open && wire.peers[i].alarm_ms && wire.peers[i].alarm_ms < due)
            due = wire.peers[i].alarm_ms;
    for (int i = 0; i < WIRE_GUESTS; i++)
        if (wire.guests[i] && wire.guests[i]->due_ms && wire.guests[i]->due_ms < due)
            due = wire.guests[i]->due_ms;
    return due;
}

static void fire_peer(struct wire_peer *peer)
{
    if (!peer->open || !peer->alarm_ms || peer->alarm_ms > wire.now_ms)
        return;
    peer->alarm_ms = 0;
    enum datagram_result result = dtls_layer.expired(as_peer(peer), peer->state);
    if (result != DATAGRAM_NOTHING)
        end(peer, false);
}

static void fire_guest(struct guest *guest)
{
    if (!guest || !guest->due_ms || guest->due_ms > wire.now_ms)
        return;
    guest->due_ms = 0;
    if (wolfSSL_dtls_got_timeout(guest->ssl) != WOLFSSL_SUCCESS)
        guest_failed(guest, wolfSSL_get_error(guest->ssl, WOLFSSL_FATAL_ERROR));
    else
        guest_timer(guest);
}

void wire_pass(uint64_t ms)
{
    uint64_t end_ms = wire.now_ms + ms;
    wire_flush();
    for (uint64_t due; (due = next_due()) <= end_ms;) {
        if (due > wire.now_ms)
            wire.now_ms = due;
        for (int i = 0; i < WIRE_PEERS; i++)
            fire_peer(&wire.peers[i]);
        for (int i = 0; i < WIRE_GUESTS; i++)
            fire_guest(wire.guests[i]);
        wire_flush();
    }
    wire.now_ms = end_ms;
}

bool guest_shake(struct guest *guest, uint64_t within_ms)
{
    uint64_t end_ms = wire.now_ms + within_ms;
    guest_step(guest);
    wire_flush();
    while (!guest->done && !guest->error && wire.now_ms < end_ms)
        wire_pass(50);
    return guest->done;
}

void guest_send(struct guest *guest, const char *text)
{
    assert_int_equal(wolfSSL_write(guest->ssl, text, (int)strlen(text)), strlen(text));
    wire_flush();
}

void guest_expect_echo(struct guest *guest, const char *text)
{
    unsigned before = guest->plain;
    guest_send(guest, text);
    assert_int_equal(guest->plain, before + 1);
    assert_int_equal(guest->last_len, strlen(text));
    assert_memory_equal(guest->last, text, strlen(text));
}
