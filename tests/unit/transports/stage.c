/* stage: see stage.h. */
#include "tests/unit/transports/stage.h"

#include "broker/message.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>

struct stage stage;

/* ---- the protocol ---- */

struct frames {
    unsigned number; /* index in stage.peers */
};

static int frames_open(struct peer *peer, void *state)
{
    struct frames *frames = state;
    assert_int_equal(frames->number, 0); /* zeroed */
    frames->number = stage.opened++;
    assert_true(stage.opened <= STAGE_PEERS);
    stage.peers[frames->number] = peer;
    if (!stage.strange)
        peer_known(peer);
    if (stage.on_open)
        stage.on_open(&stage, peer);
    return stage.open_error;
}

static void answer_more(struct peer *peer, struct slice body)
{
    uint32_t len;
    memcpy(&len, body.at + 1, sizeof(len));
    len = ntohl(len);
    uint8_t *to = peer_reserve(peer, len);
    if (to)
        memset(to, 'm', len);
}

static void answer_all(struct slice packet, bool shared)
{
    for (unsigned i = 0; i < stage.opened; i++) {
        if (!stage.peers[i])
            continue;
        if (shared)
            peer_send_shared(stage.peers[i], message_payload(stage.message), stage.message);
        else
            peer_send(stage.peers[i], packet);
    }
}

/* Returns false when the peer has failed. */
static bool obey(struct peer *peer, struct slice packet)
{
    struct slice body = slice_from(packet, FRAME_HEADER);
    stage.packets++;
    switch ((enum order)body.at[0]) {
    case ORDER_ECHO:
        peer_send(peer, packet);
        break;
    case ORDER_SWALLOW:
        break;
    case ORDER_CLOSE:
        peer_send(peer, SLICE("bye"));
        peer_close(peer, "as it was %s", "asked to");
        peer_close(peer, "too late");
        peer_send(peer, SLICE("never"));
        break;
    case ORDER_FAIL:
        peer_send(peer, SLICE("sorry"));
        return false;
    case ORDER_VICTIM:
        peer_send(stage.victim, SLICE("victim"));
        peer_close(stage.victim, "somebody else wants it");
        peer_send(peer, packet);
        break;
    case ORDER_MORE:
        answer_more(peer, body);
        break;
    case ORDER_ALL:
        answer_all(packet, false);
        break;
    case ORDER_SHARED:
        answer_all(packet, true);
        break;
    }
    return true;
}

static ssize_t frames_receive(struct peer *peer, void *state, struct slice bytes)
{
    struct frames *frames = state;
    size_t done = 0;
    assert_ptr_equal(stage.peers[frames->number], peer); /* never after close */
    stage.receives++;
    if (bytes.len > stage.largest_offer)
        stage.largest_offer = bytes.len;
    while (bytes.len - done > FRAME_HEADER && !peer_is_closing(peer)) {
        uint32_t len;
        memcpy(&len, bytes.at + done, sizeof(len));
        len = ntohl(len) + FRAME_HEADER;
        assert_true(len > FRAME_HEADER);
        if (bytes.len - done < len)
            break;
        if (!obey(peer, slice_of(bytes.at + done, len)))
            return -1;
        done += len;
        if (stage.tired && done < bytes.len) {
            peer_again(peer);
            break;
        }
    }
    return (ssize_t)done;
}

static void frames_drained(struct peer *peer, void *state)
{
    (void)state;
    stage.drained++;
    if (stage.on_drained)
        stage.on_drained(&stage, peer);
}

static void frames_expired(struct peer *peer, void *state)
{
    (void)state;
    stage.expired++;
    peer_close(peer, "expired");
}

static void frames_stopping(struct peer *peer, void *state)
{
    (void)state;
    stage.stopping++;
    peer_send(peer, SLICE("stopping"));
}

static void frames_close(struct peer *peer, void *state, const char *why)
{
    struct frames *frames = state;
    assert_ptr_equal(stage.peers[frames->number], peer); /* once */
    stage.peers[frames->number] = NULL;
    stage.closed++;
    snprintf(stage.why, sizeof(stage.why), "%s", why);
    if (stage.on_close)
        stage.on_close(&stage, peer);
}

const struct protocol frames_protocol = {
    .name = "frames",
    .carriers = CARRIER_STREAM,
    .state_size = sizeof(struct frames),
    .open = frames_open,
    .receive = frames_receive,
    .drained = frames_drained,
    .expired = frames_expired,
    .stopping = frames_stopping,
    .close = frames_close,
};

/* ---- the stage ---- */

static void on_turn(void *owner, uint64_t mono_ms, int64_t wall_ms)
{
    struct stage *self = owner;
    assert_true(mono_ms > 0 && wall_ms > 0);
    self->turns++;
}

static bool on_work(void *owner)
{
    struct stage *self = owner;
    if (self->work_left == 0)
        return false;
    return --self->work_left > 0;
}

static const struct loop_hooks hooks = {.turn = on_turn, .work = on_work};

struct listener_settings stage_settings(const char *protocol, const char *transport,
                                        const char *bind)
{
    return (struct listener_settings){
        .name = (char *)"here",
        .protocol = (char *)protocol,
        .transport = (char *)transport,
        .bind = (char *)bind,
        .mountpoint = (char *)"",
        .max_connections = 1000,
        .strangers = 1000,
        .per_source = OPTION_UNLIMITED,
        .accept_rate = OPTION_UNLIMITED,
        .backlog = 512,
        .out_buffer = 256 << 10,
        .stall_timeout = 30000,
        .idle_timeout = 600000,
        .datagram_size = 1232,
        .receive_buffer = 1 << 20,
        .handshakes_per_prefix = 512,
        .tls.handshake_timeout = 10000,
    };
}

struct listener *stage_listen(const struct listener_settings *settings,
                              const struct protocol *protocol, const struct stack *stack,
                              const struct loop_hooks *loop_hooks, struct sockaddr_storage *address,
                              socklen_t *address_len)
{
    char error[256];
    struct listener *listener;
    const struct service service = {.stats = &stage.stats, .protocol = protocol};
    const struct stack *on = stack ? stack : stack_find(settings->transport);
    if (listener_probe(settings->bind, settings->transport, error, sizeof(error)) != 0)
        return NULL;
    stage.loop = loop_new(loop_hooks, &stage);
    assert_non_null(stage.loop);
    if (listener_open_on(stage.loop, settings, &service, on, -1, &listener, error, sizeof(error)) !=
        0)
        fail_msg("%s", error);
    *address_len = sizeof(*address);
    getsockname(listener->socket.fd, (struct sockaddr *)address, address_len);
    return listener;
}

void stage_leave(struct listener *listener, const unsigned *opened, const unsigned *closed)
{
    listener_close(listener);
    loop_step(stage.loop, false);
    loop_step(stage.loop, false);
    assert_int_equal(*opened, *closed);
    assert_int_equal(stage.stats.sockets, 0);
    assert_int_equal(stage.loop->lingering, 0);
    assert_int_equal(stage.loop->chunks.bytes_used, 0);
    assert_true(list_empty(&stage.loop->ports));
    loop_free(stage.loop);
}

void stage_fill(uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(i * 7 + (i >> 8));
}

bool stage_open_at(const char *bind, const struct stack *stack,
                   void (*change)(struct listener_settings *settings))
{
    memset(&stage, 0, sizeof(stage));
    stage.settings = stage_settings("frames", "tcp", bind);
    if (change)
        change(&stage.settings);
    stage.listener = stage_listen(&stage.settings, &frames_protocol, stack, &hooks, &stage.address,
                                  &stage.address_len);
    return stage.listener != NULL;
}

void stage_open(const struct stack *stack, void (*change)(struct listener_settings *settings))
{
    assert_true(stage_open_at("127.0.0.1:0", stack, change));
}

void stage_close(void)
{
    stage_leave(stage.listener, &stage.opened, &stage.closed);
}

int stage_setup(void **unused)
{
    (void)unused;
    stage_open(NULL, NULL);
    return 0;
}

int stage_teardown(void **unused)
{
    (void)unused;
    stage_close();
    return 0;
}

void stage_step(void)
{
    usleep(200);
    loop_step(stage.loop, false);
}

void stage_pass(unsigned ms)
{
    uint64_t begin = uv_hrtime();
    while (uv_hrtime() - begin < (uint64_t)ms * 1000000)
        stage_step();
}

/* ---- clients ---- */

int client_connect(int rcvbuf)
{
    int fd = socket(stage.address.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (rcvbuf)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* no use on a unix socket */
    /* Blocking: the kernel completes it without us, the backlog is long enough. */
    assert_int_equal(connect(fd, (struct sockaddr *)&stage.address, stage.address_len), 0);
    return fd;
}

int client_open(void)
{
    unsigned before = stage.opened;
    int fd = client_connect(0);
    until(stage.opened == before + 1);
    return fd;
}

void client_send(int fd, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            fail_msg("send: %s", strerror(errno));
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        }
        loop_step(stage.loop, false);
    }
}

void client_receive(int fd, void *to, size_t len)
{
    uint8_t *at = to;
    size_t got = 0;
    uint64_t begin = uv_hrtime();
    while (got < len) {
        ssize_t n = recv(fd, at + got, len - got, MSG_DONTWAIT);
        if (n > 0)
            got += (size_t)n;
        else if (n == 0 || errno != EAGAIN)
            fail_msg("after %zu of %zu bytes: %s", got, len, n ? strerror(errno) : "end of file");
        else if (uv_hrtime() - begin > UINT64_C(20000000000))
            fail_msg("only %zu of %zu bytes came", got, len);
        loop_step(stage.loop, false);
    }
}

ssize_t client_receive_end(int fd, char *to, size_t size)
{
    size_t got = 0;
    uint64_t begin = uv_hrtime();
    char rest[4096];
    for (;;) {
        ssize_t n = got < size ? recv(fd, to + got, size - got, MSG_DONTWAIT)
                               : recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
        if (n == 0)
            return (ssize_t)got;
        if (n > 0)
            got += (size_t)n;
        else if (errno != EAGAIN)
            return -errno;
        else if (uv_hrtime() - begin > UINT64_C(20000000000))
            fail_msg("no end after %zu bytes", got);
        loop_step(stage.loop, false);
    }
}

uint8_t *frame_new(enum order order, uint32_t len)
{
    uint8_t *frame = malloc(FRAME_HEADER + len);
    assert_non_null(frame);
    uint32_t header = htonl(len);
    memcpy(frame, &header, sizeof(header));
    stage_fill(frame + FRAME_HEADER, len);
    frame[FRAME_HEADER] = (uint8_t)order;
    return frame;
}

void client_send_frame(int fd, enum order order, uint32_t len)
{
    uint8_t *frame = frame_new(order, len);
    client_send(fd, frame, FRAME_HEADER + len);
    free(frame);
}

void client_expect_frame(int fd, enum order order, uint32_t len)
{
    uint8_t *wanted = frame_new(order, len), *got = malloc(FRAME_HEADER + len);
    client_receive(fd, got, FRAME_HEADER + len);
    assert_memory_equal(got, wanted, FRAME_HEADER + len);
    free(wanted);
    free(got);
}
