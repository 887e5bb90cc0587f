/* datagram_stage: a loop, a listener on datagrams and a small protocol, on real loopback sockets,
 * driven in steps.
 *
 * The protocol, "orders", does what the first byte of a datagram says. What its peers live through
 * is written down in struct pond. Steps and until() are those of stage.h. */
#ifndef SIOTD_TESTS_UNIT_TRANSPORTS_DATAGRAM_STAGE_H
#define SIOTD_TESTS_UNIT_TRANSPORTS_DATAGRAM_STAGE_H

#include "tests/unit/transports/stage.h"
#include "transports/datagram_state.h"

enum errand {
    ERRAND_ECHO = 'e', /* the datagram comes back */
    ERRAND_NOTHING = 'n',
    ERRAND_KNOWN = 'k',  /* peer_known, and an echo */
    ERRAND_VERIFY = 'v', /* peer_known, peer_verify, and an echo */
    ERRAND_PROOF = 'p',  /* peer_verify, and an echo: without being known */
    ERRAND_BYE = 'b',    /* "bye" and a close */
    ERRAND_FAIL = 'f',   /* receive returns -1 */
    ERRAND_MUCH = 'm',   /* as many bytes as the next two bytes say, which are `times` datagrams */
    ERRAND_AWAIT = 'a',  /* an echo that waits for pond.promise */
    ERRAND_BAR = 'r',    /* a barrier for pond.promise, and an echo */
    ERRAND_DEADLINE = 'd', /* peer_known, and a deadline in pond.deadline_ms */
    ERRAND_ALL = 'l',      /* every peer that is known gets the datagram */
    ERRAND_NAME = 'w',     /* a name for the log */
    ERRAND_SHARED = 'h',   /* pond.message's payload by reference */
};

struct pond {
    struct listener *listener;
    struct listener_settings settings;
    struct sockaddr_storage address; /* of the listener */
    socklen_t address_len;

    /* What has happened. */
    unsigned opened, closed, receives, expired, drained, stopping;
    char why[160];
    struct peer *last;        /* that has received something; may be gone */
    struct peer *peers[1024]; /* those known, by order; NULL once closed */
    unsigned known;
    size_t allowance, most; /* of the last receive, before anything was sent */
    uint8_t endpoint[PEER_ENDPOINT_SIZE];
    char text[PEER_ADDRESS_SIZE];

    /* What is to happen. */
    int open_error;
    bool known_at_open;
    unsigned tired; /* receives that ask for another turn and take nothing */
    uint64_t promise;
    unsigned times; /* of ERRAND_MUCH */
    unsigned deadline_ms;
    struct message *message;
};

extern struct pond pond;
extern const struct protocol orders_protocol;

/* A listener on 127.0.0.1 and, unless NULL, that stack instead of udp. stage.loop is the loop. */
void pond_open(const struct stack *stack, void (*change)(struct listener_settings *settings));
/* The same elsewhere; false when the machine has no such address. */
bool pond_open_at(const char *bind, const struct stack *stack,
                  void (*change)(struct listener_settings *settings));
/* Closes all and checks that nothing was left behind. */
void pond_close(void);
int pond_setup(void **unused);
int pond_teardown(void **unused);

struct datagram_counts pond_counts(void);

/* A socket of a client, connected to the listener, bound to the given port of the same family's
 * loopback address (0: any). */
int fisher_new(void);
/* Sends a datagram: an errand and `len` - 1 bytes of a pattern. */
void fisher_send(int fd, enum errand errand, size_t len);
/* Steps until a datagram has come; returns its length. */
size_t fisher_receive(int fd, uint8_t *to, size_t size);
/* Receives the echo of fisher_send. */
void fisher_expect(int fd, enum errand errand, size_t len);
/* Steps a little; fails when anything comes. */
void fisher_expect_silence(int fd);
/* Both. */
void fisher_ask(int fd, enum errand errand, size_t len);

#endif
