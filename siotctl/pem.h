/* pem: DER in text, as RFC 7468 has it. */
#ifndef SIOTD_SIOTCTL_PEM_H
#define SIOTD_SIOTCTL_PEM_H

#include "base/slice.h"

#define PEM_CERTIFICATE "CERTIFICATE"
#define PEM_CRL         "X509 CRL"
#define PEM_PRIVATE_KEY "PRIVATE KEY"
#define PEM_REQUEST     "CERTIFICATE REQUEST"
#define PEM_REQUEST_OLD "NEW CERTIFICATE REQUEST"

/* A new string that the caller wipes, where it is a key, and frees; NULL when out of memory. */
char *pem_encode(const char *label, struct slice der);

/* Decodes the first block of this label to new bytes, which the caller wipes, where it is a key,
 * and frees. 0, -ENOENT when there is no such block, -EINVAL when it is broken, -ENOMEM. */
int pem_decode(struct slice text, const char *label, uint8_t **der, size_t *len);

#endif
