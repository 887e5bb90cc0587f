/* secrecy: TLS and DTLS as a client, for road.c. wolfSSL is given the socket's bytes and asks for
 * more; it never waits. */
#ifndef SIOTD_SIOTCTL_SECRECY_H
#define SIOTD_SIOTCTL_SECRECY_H

#include "siotctl/order.h"
#include <sys/types.h>

struct secrecy;

/* Loads what the order names; the socket is connected and does not block. `ip` says whether the
 * order's host is an address. NULL after it has said why not. */
struct secrecy *secrecy_new(const struct order *order, bool stream, int fd);
void secrecy_free(struct secrecy *secrecy); /* NULL allowed */

/* One step. 1: done; 0: wait for the socket (secrecy_wait_ms); -1: failed (secrecy_why). */
int secrecy_shake(struct secrecy *secrecy);
/* How long to wait before what was lost is to be sent again; and that this long is over. */
uint64_t secrecy_wait_ms(struct secrecy *secrecy);
int secrecy_late(struct secrecy *secrecy);

/* 1 with *got set, 0 when there is nothing now, -1 when it has ended or failed. */
int secrecy_receive(struct secrecy *secrecy, uint8_t *room, size_t size, size_t *got);
/* The number of bytes taken, 0 when the socket is full, -1 on failure. */
ssize_t secrecy_send(struct secrecy *secrecy, struct slice bytes);
void secrecy_goodbye(struct secrecy *secrecy);

/* What has failed, as a part of a sentence. */
const char *secrecy_why(const struct secrecy *secrecy);
/* What it may mean that no answer comes, as the end of a sentence; may be empty. */
const char *secrecy_silence(const struct secrecy *secrecy);

#endif
