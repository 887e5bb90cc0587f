/* tls_groups: see tls_groups.h. Beside the way of a message. */
#include "transports/tls_groups.h"

#include "transports/tls_wolfssl.h"
#include <string.h>

static const struct {
    const char *name;
    int number;
} groups[] = {
    {"X25519MLKEM768", WOLFSSL_X25519MLKEM768}, {"X25519", WOLFSSL_ECC_X25519},
    {"P-256", WOLFSSL_ECC_SECP256R1},           {"P-384", WOLFSSL_ECC_SECP384R1},
    {"P-521", WOLFSSL_ECC_SECP521R1},
};

const char tls_group_names[] = "X25519MLKEM768 X25519 P-256 P-384 P-521";

int tls_group(const char *name)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (strcmp(groups[i].name, name) == 0)
            return groups[i].number;
    return 0;
}
