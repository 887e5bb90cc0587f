/* credentials_cert: what siotd reads out of certificates besides what wolfSSL judges: whose one is,
 * and how long it lasts. */
#ifndef SIOTD_TRANSPORTS_CREDENTIALS_CERT_H
#define SIOTD_TRANSPORTS_CREDENTIALS_CERT_H

#include "base/slice.h"
#include "transports/tls_settings.h"

enum { CERT_NAME_MAX = 256, CERT_WORDS_SIZE = 320 };

/* The name that a client certificate (DER) proves, of the chosen kind: the first DNS name of the
 * subject alternative name, else its first URI, else its first mail address; or the common name; or
 * the SHA-256 of the whole as 64 hexadecimal digits. Returns its length in `to`, or 0 when there is
 * none, or it is no clean UTF-8 or too long: then nobody may be taken for it. */
size_t cert_identity(struct slice der, enum tls_identity kind, char to[CERT_NAME_MAX]);

/* Whether a certificate that wolfSSL has found good is good enough for us: signed with SHA-256 or
 * better, dates that are dates, a positive serial number, no bytes behind it. */
bool cert_sound(struct slice der);

/* "of CN=x expired 3 days ago", "of CN=x is not valid for another 2 hours", else "of CN=x"; `now_s`
 * since 1970. Escaped for the log; returns `to`. */
char *cert_describe(struct slice der, int64_t now_s, char to[CERT_WORDS_SIZE]);

/* When the first of the certificates of a PEM text expires, since 1970; INT64_MAX when none says.
 */
int64_t cert_chain_expires(struct slice pem);

#endif
