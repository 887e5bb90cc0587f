/* datagram_stage: see datagram_stage.h. */
#include "tests/unit/transports/datagram_stage.h"

#include "base/hash.h"
#include "broker/message.h"
#include <arpa/inet.h>
#include <stdio.h>

struct pond pond;

/* ---- the protocol ---- */

struct orders {
    bool opened, closed;
    int slot; /* in pond.peers, plus one; 0 for a stranger */
};

static void make_known(struct peer *peer, struct orders *orders)
{
    peer_known(peer);
    if (peer_is_closing(peer) || orders->slot)
        return;
    assert_true(pond.known < sizeof(pond.peers) / sizeof(pond.peers[0]));
    pond.peers[pond.known++] = peer;
    orders->slot = (int)pond.known;
}

static int orders_open(struct peer *peer, void *state)
{
    struct orders *orders = state;
    assert_false(orders->opened); /* zeroed */
    orders->opened = true;
    pond.opened++;
    if (pond.known_at_open)
        make_known(peer, orders);
    return pond.open_error;
}

static void echo_after(struct peer *peer, struct slice bytes)
{
    uint8_t *to = peer_reserve_after(peer, bytes.len, pond.promise);
    if (to)
        memcpy(to, bytes.at, bytes.len);
}

static void send_much(struct peer *peer, struct slice bytes)
{
    size_t len = (size_t)bytes.at[1] << 8 | bytes.at[2];
    for (unsigned i = 0; i < pond.times; i++) {
        uint8_t *to = peer_reserve(peer, len);
        if (to)
            memset(to, (int)('A' + i % 26), len);
    }
}

static void obey(struct peer *peer, struct orders *orders, struct slice bytes)
{
    switch ((enum errand)bytes.at[0]) {
    case ERRAND_VERIFY:
        peer_verify(peer);
        make_known(peer, orders);
        break;
    case ERRAND_KNOWN:
        make_known(peer, orders);
        break;
    case ERRAND_PROOF:
        peer_verify(peer);
        break;
    case ERRAND_BYE:
        peer_send(peer, SLICE("bye"));
        peer_close(peer, "as it was %s", "asked to");
        return;
    case ERRAND_MUCH:
        send_much(peer, bytes);
        return;
    case ERRAND_AWAIT:
        echo_after(peer, bytes);
        return;
    case ERRAND_BAR:
        peer_barrier(peer, pond.promise);
        break;
    case ERRAND_DEADLINE:
        make_known(peer, orders);
        peer_deadline(peer, peer_now_ms(peer) + pond.deadline_ms);
        break;
    case ERRAND_ALL:
        for (unsigned i = 0; i < pond.known; i++)
            if (pond.peers[i])
                peer_send(pond.peers[i], bytes);
        return;
    case ERRAND_NAME:
        peer_name(peer, slice_from(bytes, 1));
        peer_deadline(peer, peer_now_ms(peer) + 1);
        break;
    case ERRAND_SHARED:
        peer_send_shared(peer, message_payload(pond.message), pond.message);
        return;
    case ERRAND_NOTHING:
    case ERRAND_FAIL:
        return;
    case ERRAND_ECHO:
        break;
    }
    peer_send(peer, bytes);
}

static ssize_t orders_receive(struct peer *peer, void *state, struct slice bytes)
{
    struct orders *orders = state;
    assert_true(orders->opened && !orders->closed);
    assert_true(peer_is_datagram(peer));
    pond.receives++;
    if (pond.tired) {
        pond.tired--;
        peer_again(peer);
        return 0;
    }
    pond.last = peer;
    pond.allowance = peer_allowance(peer);
    pond.most = peer_datagram_most(peer);
    assert_int_equal(peer_endpoint(peer, pond.endpoint), PEER_ENDPOINT_SIZE);
    peer_address(peer, pond.text);
    obey(peer, orders, bytes);
    return bytes.at[0] == ERRAND_FAIL ? -1 : (ssize_t)bytes.len;
}

static void orders_drained(struct peer *peer, void *state)
{
    (void)peer;
    (void)state;
    pond.drained++;
}

static void orders_expired(struct peer *peer, void *state)
{
    assert_false(((struct orders *)state)->closed);
    (void)peer;
    pond.expired++;
}

static void orders_stopping(struct peer *peer, void *state)
{
    (void)state;
    pond.stopping++;
    peer_send(peer, SLICE("stopping"));
}

static void orders_close(struct peer *peer, void *state, const char *why)
{
    struct orders *orders = state;
    assert_false(orders->closed); /* once */
    orders->closed = true;
    if (orders->slot) {
        assert_ptr_equal(pond.peers[orders->slot - 1], peer);
        pond.peers[orders->slot - 1] = NULL;
    }
    pond.closed++;
    snprintf(pond.why, sizeof(pond.why), "%s", why);
}

const struct protocol orders_protocol = {
    .name = "orders",
    .carriers = CARRIER_DATAGRAM,
    .state_size = sizeof(struct orders),
    .open = orders_open,
    .receive = orders_receive,
    .drained = orders_drained,
    .expired = orders_expired,
    .stopping = orders_stopping,
    .close = orders_close,
};

/* ---- the pond ---- */

static const struct loop_hooks no_hooks;

bool pond_open_at(const char *bind, const struct stack *stack,
                  void (*change)(struct listener_settings *settings))
{
    memset(&stage, 0, sizeof(stage));
    memset(&pond, 0, sizeof(pond));
    hash_start(1);
    pond.times = 1;
    pond.settings = stage_settings("orders", "udp", bind);
    if (change)
        change(&pond.settings);
    pond.listener = stage_listen(&pond.settings, &orders_protocol, stack, &no_hooks, &pond.address,
                                 &pond.address_len);
    return pond.listener != NULL;
}

void pond_open(const struct stack *stack, void (*change)(struct listener_settings *settings))
{
    assert_true(pond_open_at("127.0.0.1:0", stack, change));
}

void pond_close(void)
{
    stage_leave(pond.listener, &pond.opened, &pond.closed);
}

int pond_setup(void **unused)
{
    (void)unused;
    pond_open(NULL, NULL);
    return 0;
}

int pond_teardown(void **unused)
{
    (void)unused;
    pond_close();
    return 0;
}

struct datagram_counts pond_counts(void)
{
    struct datagram_counts counts;
    assert_true(listener_datagrams(pond.listener, &counts));
    return counts;
}

/* ---- clients ---- */

int fisher_new(void)
{
    int fd = socket(pond.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&pond.address, pond.address_len), 0);
    return fd;
}

static void fill(uint8_t *to, enum errand errand, size_t len)
{
    stage_fill(to, len);
    to[0] = (uint8_t)errand;
}

void fisher_send(int fd, enum errand errand, size_t len)
{
    uint8_t bytes[65536];
    fill(bytes, errand, len);
    assert_int_equal(send(fd, bytes, len, 0), len);
}

size_t fisher_receive(int fd, uint8_t *to, size_t size)
{
    ssize_t got = -1;
    until((got = recv(fd, to, size, 0)) >= 0);
    return (size_t)got;
}

void fisher_expect(int fd, enum errand errand, size_t len)
{
    uint8_t wanted[65536], got[65536];
    fill(wanted, errand, len);
    assert_int_equal(fisher_receive(fd, got, sizeof(got)), len);
    assert_memory_equal(got, wanted, len);
}

void fisher_expect_silence(int fd)
{
    uint8_t got[65536];
    stage_pass(10);
    assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
}

void fisher_ask(int fd, enum errand errand, size_t len)
{
    fisher_send(fd, errand, len);
    fisher_expect(fd, errand, len);
}
