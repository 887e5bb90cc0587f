/* stage: a loop, a listener and a small protocol on real loopback sockets, driven in steps.
 *
 * The protocol, "frames", speaks packets of four bytes length and a body; the first byte of a body
 * says what is to be done with it. What its peers live through is written down in struct stage. */
#ifndef SIOTD_TESTS_UNIT_TRANSPORTS_STAGE_H
#define SIOTD_TESTS_UNIT_TRANSPORTS_STAGE_H

#include "broker/stats.h"
#include "transports/peer_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { STAGE_PEERS = 512, FRAME_HEADER = 4 };

/* What the first byte of a body asks for. */
enum order {
    ORDER_ECHO = 'e',    /* the packet comes back */
    ORDER_SWALLOW = 's', /* nothing */
    ORDER_CLOSE = 'c',   /* "bye" and a close */
    ORDER_FAIL = 'f',    /* receive returns -1 after "sorry" */
    ORDER_VICTIM = 'v',  /* closes the peer stage.victim, and echoes */
    ORDER_MORE = 'm',    /* as many bytes as the next four bytes of the body say */
    ORDER_ALL = 'a',     /* every peer gets the packet */
    ORDER_SHARED = 'h',  /* every peer gets the body by reference to stage.message */
};

struct stage {
    struct loop *loop;
    struct listener *listener;
    struct listener_settings settings;
    struct stats stats;
    struct sockaddr_storage address; /* of the listener */
    socklen_t address_len;

    /* What has happened. */
    unsigned opened, closed, packets, receives, drained, expired, stopping, turns;
    size_t largest_offer;            /* bytes, of one receive */
    size_t largest_input;            /* memory of `in` after a receive */
    char why[160];                   /* of the last close */
    struct peer *peers[STAGE_PEERS]; /* those open, by order of arrival; NULL once closed */

    /* What is to happen. */
    int open_error;          /* what open returns */
    struct peer *victim;     /* of ORDER_VICTIM */
    struct message *message; /* of ORDER_SHARED */
    bool strange;            /* nobody is made known */
    bool tired;              /* receive asks for another turn after each packet */
    unsigned work_left;      /* hooks.work says that there is more so many times */
    void (*on_drained)(struct stage *stage, struct peer *peer);
    void (*on_open)(struct stage *stage, struct peer *peer);
    void (*on_close)(struct stage *stage, struct peer *peer);
};

extern const struct protocol frames_protocol;
extern struct stage stage;

/* A stage with a listener on 127.0.0.1, on the given stack or, if NULL, on tcp. Settings are those
 * of the defaults unless `change` says otherwise. */
void stage_open(const struct stack *stack, void (*change)(struct listener_settings *settings));
/* The same with a listener on [::1] or a unix socket; false when the machine has none. */
bool stage_open_at(const char *bind, const struct stack *stack,
                   void (*change)(struct listener_settings *settings));
/* Closes all and checks that nothing was left behind. */
void stage_close(void);

/* What a stage is made of, for stages with other protocols. The usual settings of a listener: */
struct listener_settings stage_settings(const char *protocol, const char *transport,
                                        const char *bind);
/* Makes stage.loop and a listener on it; its address goes to *address. NULL when the machine has no
 * such address. `hooks` get &stage as their owner. */
struct listener *stage_listen(const struct listener_settings *settings,
                              const struct protocol *protocol, const struct stack *stack,
                              const struct loop_hooks *hooks, struct sockaddr_storage *address,
                              socklen_t *address_len);
/* Closes both, and checks that by then as many were closed as opened and that nothing was left
 * behind. */
void stage_leave(struct listener *listener, const unsigned *opened, const unsigned *closed);
/* The pattern that bodies and datagrams are filled with. */
void stage_fill(uint8_t *to, size_t len);

/* cmocka's setup and teardown for the plain stage. */
int stage_setup(void **unused);
int stage_teardown(void **unused);

/* Steps the loop until the condition holds; the test fails after ten seconds. */
#define until(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_begin = uv_hrtime();                                                        \
        while (!(condition)) {                                                                     \
            if (uv_hrtime() - until_begin > UINT64_C(10000000000))                                 \
                fail_msg("waited in vain for: %s", #condition);                                    \
            stage_step();                                                                          \
        }                                                                                          \
    } while (0)

/* A short sleep and one step. */
void stage_step(void);
/* Steps for so long. */
void stage_pass(unsigned ms);

/* A client's socket, non-blocking, connected and known to the protocol. */
int client_open(void);
/* The same, without stepping the loop; `rcvbuf` bytes of receive buffer, 0 for the default. */
int client_connect(int rcvbuf);
/* Sends all of it, stepping the loop while the kernel takes no more. */
void client_send(int fd, const void *bytes, size_t len);
/* Receives exactly `len` bytes, stepping the loop. */
void client_receive(int fd, void *to, size_t len);
/* Steps until the other end has closed, discarding what comes; returns how many bytes that was, or
 * -errno when the connection was reset. */
ssize_t client_receive_end(int fd, char *to, size_t size);

/* A frame with that order and `len` bytes of body in all, filled with a pattern; owned by the
 * caller. */
uint8_t *frame_new(enum order order, uint32_t len);
/* Sends such a frame. */
void client_send_frame(int fd, enum order order, uint32_t len);
/* Receives a frame and checks that it is the one frame_new makes. */
void client_expect_frame(int fd, enum order order, uint32_t len);

#endif
