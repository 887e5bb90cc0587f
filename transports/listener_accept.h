/* listener_accept: accepts the peers of a listener on a stream socket. */
#ifndef SIOTD_TRANSPORTS_LISTENER_ACCEPT_H
#define SIOTD_TRANSPORTS_LISTENER_ACCEPT_H

#include "transports/listener_state.h"

/* Begins to accept on listener.socket. 0 or -errno. */
int accept_open(struct listener *listener);

/* Accepts no more, and lets go of the address. */
void accept_stop(struct listener *listener);

#endif
