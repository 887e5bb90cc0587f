/* sleepers: clients that sleep, over a restart of siotd.
 *
 *   asleep -> noted with the session (memory.c) ... restart ... sn_sleepers_recall
 *          -> the first datagram from where it was, or PINGREQ with its id and its proof -> asleep
 *
 * Until then such a client is a session that is away, and which the core takes to have left when
 * its sleep is over. A datagram from where it was makes a connection of it, asleep, as if it had
 * been there all the time. On dtls its address means nothing: there its identity has to be the
 * session's. */
#ifndef SIOTD_PROTOCOLS_MQTT_SN_SLEEPERS_H
#define SIOTD_PROTOCOLS_MQTT_SN_SLEEPERS_H

#include "protocols/mqtt_sn/connection.h"

struct loop;

/* The client falls asleep: its session remembers it, where there is a store. Also a clean one is
 * kept until its sleep is over. */
void sn_sleep_begin(struct sn_connection *c);
/* It was heard of: its time begins anew, on disk as well. At any time; costs nothing unless it
 * sleeps and its session is kept. */
void sn_sleep_goes_on(struct sn_connection *c);
/* It sleeps no more: it is active, or its connection is about to end. Its state is another one
 * already. */
void sn_sleep_end(struct sn_connection *c);

/* protocol.recall: finds out who slept when siotd ended. */
void sn_sleepers_recall(struct broker *broker, struct loop *loop);
/* Who slept where the datagram under way comes from: visit->client is set then. */
void sn_sleepers_meet(struct sn_visit *visit);
/* The one of that name, for whoever has proven to be the same, or (option rebind) for anybody.
 * NULL: there is none, or it is somebody else's. */
struct sn_connection *sn_sleepers_wake(struct sn_visit *visit, struct slice client_id);

/* Whether the visitor may have a sleeping session of that owner's at another address. */
bool sn_sleeps_for(const struct sn_visit *visit, const struct identity *owner);

/* protocol.stopping, for one that sleeps and whose session is kept: nobody is told that it has
 * gone. The connection is freed. */
void sn_sleepers_leave(struct sn_connection *c);

/* Forgets all. For tests, which make several brokers. */
void sn_sleepers_clear(void);

#endif
