/* figures: see figures.h. Beside the way of a message. */
#include "daemon/figures.h"

#include "broker/broker.h"
#include "daemon/daemon.h"
#include "transports/listener.h"
#include "transports/loop.h"

/* $SYS/broker/tls/...: of all listeners together, and how long each one's certificate still lasts
 * (negative when it has expired). */
static void say_handshakes(const struct daemon *daemon)
{
    struct handshake_counts one, sum = {0};
    bool any = false;
    for (size_t i = 0; i < daemon->listener_count; i++) {
        if (!listener_handshakes(daemon->listeners[i], &one))
            continue;
        any = true;
        sum.done += one.done;
        sum.resumed += one.resumed;
        sum.failed += one.failed;
        if (one.expires_s != INT64_MAX)
            broker_say(daemon->broker, "tls", slice_of_str(daemon->config->listeners[i].name),
                       "expires_s", one.expires_s - loop_wall_ms(daemon->loop) / 1000);
    }
    if (!any)
        return;
    broker_say(daemon->broker, "tls", SLICE_EMPTY, "handshakes", (int64_t)sum.done);
    broker_say(daemon->broker, "tls", SLICE("handshakes"), "failed", (int64_t)sum.failed);
    broker_say(daemon->broker, "tls", SLICE("handshakes"), "resumed", (int64_t)sum.resumed);
}

/* Each counter and its name: sent and received, and below datagrams/dropped why others were not. */
const struct datagram_figure datagram_figures[] = {
    {"received", offsetof(struct datagram_counts, received), false},
    {"sent", offsetof(struct datagram_counts, sent), false},
    {"missed", offsetof(struct datagram_counts, missed), true},
    {"useless", offsetof(struct datagram_counts, useless), true},
    {"ignored", offsetof(struct datagram_counts, ignored), true},
    {"refused", offsetof(struct datagram_counts, refused), true},
    {"unproven", offsetof(struct datagram_counts, unproven), true},
    {"crowded", offsetof(struct datagram_counts, crowded), true},
    {"unready", offsetof(struct datagram_counts, unready), true},
    {"send_failed", offsetof(struct datagram_counts, send_failed), true},
};

enum { FIGURES = sizeof(datagram_figures) / sizeof(datagram_figures[0]) };

const size_t datagram_figure_count = FIGURES;

static void say_datagrams(const struct daemon *daemon)
{
    struct datagram_counts one;
    uint64_t sums[FIGURES] = {0};
    bool any = false;
    for (size_t i = 0; i < daemon->listener_count; i++) {
        if (!listener_datagrams(daemon->listeners[i], &one))
            continue;
        any = true;
        for (size_t n = 0; n < FIGURES; n++)
            sums[n] += *(const uint64_t *)((const char *)&one + datagram_figures[n].offset);
    }
    for (size_t n = 0; n < FIGURES && any; n++)
        broker_say(daemon->broker, "datagrams",
                   datagram_figures[n].dropped ? SLICE("dropped") : SLICE_EMPTY,
                   datagram_figures[n].name, (int64_t)sums[n]);
}

void figures_say(const struct daemon *daemon)
{
    say_handshakes(daemon);
    say_datagrams(daemon);
}
