/* name: what certificates are issued to. */
#ifndef SIOTD_SIOTCTL_NAME_H
#define SIOTD_SIOTCTL_NAME_H

#include "siotctl/der.h"

enum {
    NAME_LEN_MAX = 63, /* a common name has 64 at most (RFC 5280), wolfCrypt takes 63 */
    NAME_SIZE = NAME_LEN_MAX + 1,
    NAME_ALT_COUNT_MAX = 64,
};

/* NULL when a certificate may have this name, else why not. A name is also a file's name, a user's
 * name, a DNS name of the certificate and a level of topics, so it is 1 to 63 letters, digits,
 * '-', '_' and '.', the first and the last of them a letter or a digit, without "..". */
const char *name_mistake(const char *name);

/* NULL when `text` is a subject alternative name, else why not: DNS:HOST (the first label may be
 * '*'), IP:ADDRESS or URI:URI. */
const char *name_alt_mistake(const char *text);

/* Writes the value of the subjectAltName extension (RFC 5280 section 4.2.1.6). Every text has
 * passed name_alt_mistake. */
void name_put_alt(struct der *der, const char *const *texts, size_t count);

#endif
