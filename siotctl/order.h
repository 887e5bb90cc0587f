/* order: the command line of siotctl pub and siotctl sub. */
#ifndef SIOTD_SIOTCTL_ORDER_H
#define SIOTD_SIOTCTL_ORDER_H

#include "base/slice.h"

struct dialect;

enum { ORDER_TOPICS = 64, ORDER_KEY_MOST = 64, ORDER_GROUPS = 8 };

enum order_source {
    FROM_NOWHERE,  /* none was named */
    FROM_ARGUMENT, /* -m */
    FROM_LINES,    /* -l: each line of standard input is a message */
    FROM_STDIN,    /* -s: all of standard input is one */
    FROM_NOTHING,  /* -n: the empty message */
};

struct order {
    const struct dialect *dialect;
    const char *host; /* all texts are borrowed from the command line */
    const char *client_id, *user, *password;
    unsigned port;
    const char *topics[ORDER_TOPICS];
    size_t topic_count;
    unsigned qos;
    uint16_t keep_alive_s;
    bool retain, verbose;
    enum order_source source;
    const char *message;
    uint64_t count;      /* -C: of messages to be received; 0: no end */
    uint64_t timeout_ms; /* -W; 0: none */

    bool secure;      /* TLS or DTLS, whichever the protocol's socket asks for */
    unsigned version; /* 12, 13; 0: the best that both know */
    const char *ca, *certificate, *key;
    bool insecure;            /* the server's certificate is not verified */
    const char *psk_identity; /* NULL without a pre-shared key */
    uint8_t psk[ORDER_KEY_MOST];
    size_t psk_len;
    bool connection_id;
    int groups[ORDER_GROUPS]; /* wolfSSL's numbers, best first */
    int group_count;
    unsigned mtu; /* bytes of a DTLS datagram; 0: wolfSSL's default */
};

/* Reads the words of `siotctl pub` or `siotctl sub`. Returns ENDED_WELL with *order filled, or,
 * with *order of no use, what to end with: ENDED_MISUSED when it has said what is wrong, or -1 when
 * help was asked for and printed. */
int order_read(struct order *order, bool publishing, int argc, char **argv);

#endif
