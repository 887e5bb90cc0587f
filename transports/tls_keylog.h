/* tls_keylog: the side of keylog.h that the TLS layer sees. */
#ifndef SIOTD_TRANSPORTS_TLS_KEYLOG_H
#define SIOTD_TRANSPORTS_TLS_KEYLOG_H

#include "transports/keylog.h"
#include "transports/tls_wolfssl.h"

/* Lets the file have the secrets of this connection, if there is a file. Before the handshake. */
void tls_keylog_watch(WOLFSSL *ssl);

#endif
