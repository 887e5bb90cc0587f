/* sock_layer: see sock_layer.h. */
#include "tests/unit/transports/sock_layer.h"

enum { COOKIE = 8 };

struct sock {
    uint8_t number;
    bool ready;
};

struct socks socks;
static int shared_thing;

/* What only this address has. */
static void cookie_of(const struct endpoint *from, uint8_t cookie[COOKIE])
{
    memcpy(cookie, from->address + 12, 4);
    memcpy(cookie + 4, &from->port, 2);
    memcpy(cookie + 6, "ck", 2);
}

static int sock_share(const struct listener_settings *settings, void **shared, char *why,
                      size_t why_size)
{
    (void)settings;
    (void)why;
    (void)why_size;
    *shared = &shared_thing;
    return 0;
}

static void sock_unshare(void *shared)
{
    assert_ptr_equal(shared, &shared_thing);
}

static enum greeting sock_greet(void *shared, const struct endpoint *from, const void *former,
                                struct slice datagram, uint64_t now_ms, struct writer *answer,
                                struct peer **moved)
{
    uint8_t cookie[COOKIE];
    socks.former_number = former ? ((const struct sock *)former)->number : 0;
    assert_ptr_equal(shared, &shared_thing);
    assert_true(now_ms > 0);
    socks.greeted++;
    cookie_of(from, cookie);
    if (datagram.at[0] == 'D' && datagram.len > 1 && socks.by_number[datagram.at[1]]) {
        *moved = socks.by_number[datagram.at[1]];
        return GREET_MOVED;
    }
    if (datagram.at[0] != 'H')
        return GREET_IGNORE;
    if (datagram.len == 1 + COOKIE && memcmp(datagram.at + 1, cookie, COOKIE) == 0)
        return GREET_ADMIT;
    writer_u8(answer, 'C');
    writer_bytes(answer, slice_of(cookie, sizeof(cookie)));
    return GREET_ANSWER;
}

static int sock_open(struct peer *peer, void *state)
{
    struct sock *sock = state;
    assert_int_equal(sock->number, 0);
    assert_ptr_equal(datagram_shared(peer), &shared_thing);
    socks.opened++;
    sock->number = ++socks.last_number;
    socks.by_number[sock->number] = peer;
    if (socks.alarm_ms)
        datagram_alarm(peer, peer_now_ms(peer) + socks.alarm_ms);
    return socks.open_error;
}

static bool sock_begins(const struct peer *peer, const void *state, struct slice datagram)
{
    uint8_t number = ((const struct sock *)state)->number;
    (void)peer;
    return datagram.at[0] == 'H' ||
           (datagram.at[0] == 'D' && datagram.len > 1 && datagram.at[1] != number);
}

static enum datagram_result data_came(struct peer *peer, const struct endpoint *from,
                                      struct slice hidden, struct writer *plain)
{
    struct endpoint now;
    memcpy(&now, &peer_datagram(peer)->at, sizeof(now));
    if (hidden.len && (hidden.at[0] ^ SOCK_KEY) == 'B') /* bent: somebody has made it up */
        return DATAGRAM_NOTHING;
    if (hidden.len > 1 && (hidden.at[1] ^ SOCK_KEY) == 'T' && endpoint_equal(&now, from))
        datagram_emit_to(peer, &socks.believed, SLICE("Probing"));
    if (!endpoint_equal(&now, from)) {
        datagram_candidate(peer);
        socks.believed = *from;
        if (hidden.len && (hidden.at[0] ^ SOCK_KEY) == 'M')
            datagram_move(peer, from);
        else
            for (int i = 0; i < 5; i++) /* more than may be sent there */
                datagram_emit_to(peer, from, SLICE("Probing"));
    }
    for (size_t i = 0; i < hidden.len; i++)
        writer_u8(plain, hidden.at[i] ^ SOCK_KEY);
    return DATAGRAM_PLAIN;
}

static enum datagram_result sock_receive(struct peer *peer, void *state,
                                         const struct endpoint *from, struct slice *wire,
                                         struct writer *plain)
{
    struct sock *sock = state;
    if (wire->len == 0)
        return DATAGRAM_NOTHING;
    switch (wire->at[0]) {
    case 'H':
        datagram_emit(peer, slice_of((uint8_t[]){'O', sock->number}, 2));
        return DATAGRAM_NOTHING;
    case 'F':
        sock->ready = true;
        datagram_alarm(peer, 0);
        return DATAGRAM_NOTHING;
    case 'D':
        return data_came(peer, from, slice_from(*wire, 2), plain);
    case 'G':
        return DATAGRAM_END;
    case 'X':
        peer_close(peer, "cannot bear it");
        return DATAGRAM_FAILED;
    default:
        return DATAGRAM_NOTHING;
    }
}

static int sock_send(struct peer *peer, void *state, struct slice plain)
{
    struct sock *sock = state;
    uint8_t wire[2000] = {'D', sock->number};
    if (socks.send_error)
        return socks.send_error;
    if (!sock->ready)
        return -EAGAIN;
    if (plain.len > sizeof(wire) - 2)
        return -EMSGSIZE;
    for (size_t i = 0; i < plain.len; i++)
        wire[2 + i] = plain.at[i] ^ SOCK_KEY;
    datagram_emit(peer, slice_of(wire, 2 + plain.len));
    return 0;
}

static enum datagram_result sock_expired(struct peer *peer, void *state)
{
    (void)state;
    datagram_emit(peer, SLICE("R"));
    datagram_alarm(peer, peer_now_ms(peer) + socks.alarm_ms);
    return DATAGRAM_NOTHING;
}

static size_t sock_room(const struct peer *peer, const void *state, size_t mtu)
{
    (void)peer;
    (void)state;
    return mtu - 2;
}

static void sock_close(struct peer *peer, void *state, bool with_goodbye)
{
    struct sock *sock = state;
    socks.closed++;
    socks.orderly += with_goodbye;
    if (socks.by_number[sock->number] == peer)
        socks.by_number[sock->number] = NULL;
    if (with_goodbye)
        datagram_emit(peer, SLICE("G"));
}

static const struct datagram_layer sock_layer = {
    .name = "sock",
    .state_size = sizeof(struct sock),
    .share = sock_share,
    .unshare = sock_unshare,
    .greet = sock_greet,
    .open = sock_open,
    .begins = sock_begins,
    .receive = sock_receive,
    .send = sock_send,
    .expired = sock_expired,
    .room = sock_room,
    .close = sock_close,
};

const struct stack sock_stack = {
    .name = "sock", .carrier = CARRIER_DATAGRAM, .datagram_layer = &sock_layer, .private = true};

/* ---- the stage ---- */

void sock_open_pond(void (*change)(struct listener_settings *settings))
{
    memset(&socks, 0, sizeof(socks));
    pond_open(&sock_stack, change);
}

void sock_reopen_pond(void (*change)(struct listener_settings *settings))
{
    pond_close();
    sock_open_pond(change);
}

int sock_setup(void **unused)
{
    (void)unused;
    sock_open_pond(NULL);
    return 0;
}

int sock_teardown(void **unused)
{
    (void)unused;
    pond_close();
    assert_int_equal(socks.opened, socks.closed);
    return 0;
}

/* ---- the client's half ---- */

void sock_tell(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, 0), len);
}

uint8_t sock_knock(int fd)
{
    uint8_t cookie[64], answer[64];
    sock_tell(fd, "H--------", 9);
    assert_int_equal(fisher_receive(fd, cookie, sizeof(cookie)), 9);
    assert_int_equal(cookie[0], 'C');
    cookie[0] = 'H';
    sock_tell(fd, cookie, 9);
    assert_int_equal(fisher_receive(fd, answer, sizeof(answer)), 2);
    assert_int_equal(answer[0], 'O');
    return answer[1];
}

uint8_t sock_connect_up(int fd)
{
    uint8_t number = sock_knock(fd);
    sock_tell(fd, "F", 1);
    return number;
}

void sock_say(int fd, uint8_t number, const char *text)
{
    uint8_t wire[2000] = {'D', number};
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        wire[2 + i] = (uint8_t)text[i] ^ SOCK_KEY;
    sock_tell(fd, wire, 2 + len);
}

void sock_hear(int fd, uint8_t number, const char *text)
{
    uint8_t wire[2000];
    size_t len = fisher_receive(fd, wire, sizeof(wire));
    assert_int_equal(len, 2 + strlen(text));
    assert_int_equal(wire[0], 'D');
    assert_int_equal(wire[1], number);
    for (size_t i = 2; i < len; i++)
        assert_int_equal(wire[i] ^ SOCK_KEY, text[i - 2]);
}

void sock_hear_wire(int fd, const char *text)
{
    uint8_t wire[2000];
    assert_int_equal(fisher_receive(fd, wire, sizeof(wire)), strlen(text));
    assert_memory_equal(wire, text, strlen(text));
}
