/* road: the way to a broker: a TCP or UDP socket, with TLS or DTLS on it when asked for. Blocking,
 * with poll(2); the dialects see bytes or datagrams only. */
#ifndef SIOTD_SIOTCTL_ROAD_H
#define SIOTD_SIOTCTL_ROAD_H

#include "siotctl/order.h"
#include <signal.h>
#include <sys/types.h>

/* The largest datagram, and as much of a stream as is read at once; bytes. */
enum { ROAD_PIECE = 65536 };

struct road;

/* Opens it: resolves the name, connects, shakes hands. NULL after it has said why not. */
struct road *road_open(const struct order *order);
/* Says goodbye in TLS and closes. NULL allowed. */
void road_close(struct road *road);

/* Sends all of it: on a datagram road as one datagram. 0, or -errno. */
int road_send(struct road *road, struct slice bytes);

/* Waits at most wait_ms for bytes or a datagram, of up to ROAD_PIECE bytes; *got is borrowed until
 * the next call. 1; 0 when nothing came in time or a signal did; -errno, -ECONNRESET at the end of
 * a stream. */
int road_receive(struct road *road, uint64_t wait_ms, struct slice *got);

/* Why the last one failed, as a sentence. */
const char *road_why(const struct road *road, int error);

/* Milliseconds of a clock that never goes back. */
uint64_t road_now_ms(void);

/* "127.0.0.1:1883" */
const char *road_name(const struct road *road);

/* Set by SIGINT and SIGTERM once road_heed_signals was called: whatever waits returns early. */
extern volatile sig_atomic_t road_interrupted;
void road_heed_signals(void);

#endif
