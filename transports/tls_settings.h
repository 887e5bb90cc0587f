/* tls_settings: the `tls:` map of a listener. Its rows stand with the listener's own
 * (listener_settings.c). */
#ifndef SIOTD_TRANSPORTS_TLS_SETTINGS_H
#define SIOTD_TRANSPORTS_TLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a client has to show a certificate. */
enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

/* What of its certificate becomes the user name. */
enum tls_identity { TLS_IDENTITY_SAN, TLS_IDENTITY_CN, TLS_IDENTITY_FINGERPRINT };

enum tls_version { TLS_VERSION_12, TLS_VERSION_13 };

struct tls_settings {
    char *certificate;       /* PEM: the server's own, then its chain; NULL with psk_file alone */
    char *key;               /* PEM */
    char *ca;                /* PEM: who signs client certificates; NULL: nobody is asked for one */
    char *crl;               /* PEM; NULL: nothing is revoked */
    char *psk_file;          /* identity:hexkey, one a line; NULL: none */
    char *groups;            /* of the key exchange, in order of preference, commas between them */
    int client_certificate;  /* enum tls_client */
    int identity;            /* enum tls_identity */
    int min_version;         /* enum tls_version */
    uint64_t rekey_messages; /* TLS 1.3 KeyUpdate after so many records either way; 0: off */
    uint64_t rekey_bytes;    /* and after so many bytes of content */
    uint64_t rekey_after;    /* ms */
    uint64_t handshake_timeout; /* ms from accept */
    uint64_t half_open;         /* handshakes under way at once */
    uint64_t ticket_lifetime;   /* ms; 0: no tickets */
    uint64_t mtu;               /* DTLS: bytes in a UDP datagram, at most */
    bool connection_id;         /* DTLS: clients that ask for one get one */
};

#endif
