/* sock_layer: a layer on datagrams small enough to read, and the client's half of it.
 *
 * "sock" hides what it carries by XOR with 0x5a. A client says H and eight bytes more; it is told C
 * and a cookie that only its address has, and says H and that cookie: it is admitted, and told O
 * and the number of its connection. F ends the handshake. D, the number and hidden bytes are a
 * datagram, from whatever address; a hidden M at its beginning moves the peer there. P is an
 * answer to a place that has proven nothing, G a goodbye, X what it cannot bear, R a
 * retransmission. */
#ifndef SIOTD_TESTS_UNIT_TRANSPORTS_SOCK_LAYER_H
#define SIOTD_TESTS_UNIT_TRANSPORTS_SOCK_LAYER_H

#include "tests/unit/transports/datagram_stage.h"

enum { SOCK_KEY = 0x5a, SOCK_NUMBERS = 256 };

struct socks {
    /* What has happened. */
    struct peer *by_number[SOCK_NUMBERS];
    uint8_t last_number;
    unsigned opened, closed, orderly, greeted;
    struct endpoint believed; /* where a peer was said to be as well, last */
    unsigned former_number;   /* of whom sock_greet found at the address; 0: of nobody */

    /* What is to happen. */
    int open_error, send_error;
    unsigned alarm_ms; /* until a retransmission; 0: none */
};

extern struct socks socks;
extern const struct stack sock_stack;

/* Forgets all; a listener on it, with the settings of pond_open. */
void sock_open_pond(void (*change)(struct listener_settings *settings));
/* The same instead of the one that is open. */
void sock_reopen_pond(void (*change)(struct listener_settings *settings));
/* cmocka's setup and teardown for a plain one; checks that every peer that was opened was closed.
 */
int sock_setup(void **unused);
int sock_teardown(void **unused);

/* ---- the client's half; each on a socket of fisher_new ---- */

/* Sends the bytes as they are. */
void sock_tell(int fd, const void *bytes, size_t len);
/* Says hello with a cookie; returns the connection's number. */
uint8_t sock_knock(int fd);
/* The same to the end of the handshake. */
uint8_t sock_connect_up(int fd);
/* A hidden text for the connection of that number, and one that has to come. */
void sock_say(int fd, uint8_t number, const char *text);
void sock_hear(int fd, uint8_t number, const char *text);
/* A datagram of just these bytes has to come. */
void sock_hear_wire(int fd, const char *text);

#endif
