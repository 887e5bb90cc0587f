/* certificates: what siotctl pki has made, as text; README.md says how to fill this in. */
#include <stddef.h>

/* pki/ca.pem: who has signed the broker's certificate. */
static const char AUTHORITY[] = "-----BEGIN CERTIFICATE-----\n"
                                "...\n"
                                "-----END CERTIFICATE-----\n";

/* pki/NAME.pem and pki/NAME.key, where the broker asks for them. */
static const char *const CERTIFICATE = NULL;
static const char *const KEY = NULL;
