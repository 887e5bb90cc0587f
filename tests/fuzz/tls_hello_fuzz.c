/* A client's first words, read by transports/tls_hello.c before wolfSSL sees them.
 *
 * What must hold: a hello that is whole stays whole whatever follows it, and every shorter piece of
 * it is a part. */
#include "transports/tls_hello.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    enum { X25519MLKEM768 = 0x11ec };
    struct tls_hello hello;
    if (tls_hello_read(slice_of(bytes, len), X25519MLKEM768, &hello) != TLS_HELLO_WHOLE)
        return 0;
    size_t needed = len;
    while (needed > 0 &&
           tls_hello_read(slice_of(bytes, needed), X25519MLKEM768, &hello) == TLS_HELLO_WHOLE)
        needed--;
    if (needed > 0 &&
        tls_hello_read(slice_of(bytes, needed), X25519MLKEM768, &hello) != TLS_HELLO_PART)
        abort();
    return 0;
}
