/* wolfssl-check: compiles and links only with a wolfSSL that siotd can use. */
#include "transports/tls_wolfssl.h"

int main(void)
{
    WOLFSSL_METHOD *method = wolfSSLv23_server_method();
    return wolfSSL_CTX_new(method) ? 0 : 1;
}
