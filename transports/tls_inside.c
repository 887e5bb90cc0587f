/* tls_inside: see tls_inside.h. Asked at the end of a handshake, and around each DTLS datagram. */
#include "transports/tls_inside.h"

#include <string.h>
#include <wolfssl/internal.h>

enum { EPOCH_SHIFT = 48 };

bool tls_inside_by_key(const WOLFSSL *ssl)
{
    if (wolfSSL_version((WOLFSSL *)ssl) == TLS1_3_VERSION ||
        wolfSSL_version((WOLFSSL *)ssl) == DTLS1_3_VERSION)
        return ssl->options.pskNegotiated && !ssl->options.resuming;
    return !ssl->options.resuming && (ssl->specs.kea == psk_kea || ssl->specs.kea == ecdhe_psk_kea);
}

static uint64_t newest_12(const WOLFSSL *ssl)
{
    const WOLFSSL_DTLS_PEERSEQ *from = &ssl->keys.peerSeq[0];
    return (uint64_t)from->nextEpoch << EPOCH_SHIFT | (uint64_t)from->nextSeq_hi << 32 |
           from->nextSeq_lo;
}

/* The window's next number counts from 0, and an epoch that nothing has come in yet is not newer
 * than one with much in it: the highest epoch with a record counts. */
static uint64_t newest_13(const WOLFSSL *ssl)
{
    uint64_t newest = 0;
    for (int i = 0; i < DTLS13_EPOCH_SIZE; i++) {
        const Dtls13Epoch *epoch = &ssl->dtls13Epochs[i];
        if (!epoch->isValid || epoch->nextPeerSeqNumber.n == 0)
            continue;
        uint64_t number = epoch->epochNumber.n << EPOCH_SHIFT | epoch->nextPeerSeqNumber.n;
        if (number > newest)
            newest = number;
    }
    return newest;
}

uint64_t tls_inside_newest(const WOLFSSL *ssl)
{
    return wolfSSL_version((WOLFSSL *)ssl) == DTLS1_3_VERSION ? newest_13(ssl) : newest_12(ssl);
}

bool tls_inside_waits(const WOLFSSL *ssl)
{
    return ssl->dtls13Rtx.rtxRecords != NULL || ssl->dtls13Rtx.seenRecords != NULL;
}

/* What has been received was decrypted in place. */
void tls_inside_rest(WOLFSSL *ssl)
{
    bufferStatic *in = &ssl->buffers.inputBuffer;
    if (!in->dynamicFlag || in->idx != in->length || ssl->buffers.clearOutputBuffer.length != 0)
        return;
    explicit_bzero(in->buffer, in->bufferSize);
    XFREE(in->buffer - in->offset, ssl->heap, DYNAMIC_TYPE_IN_BUFFER);
    in->buffer = in->staticBuffer;
    in->bufferSize = STATIC_BUFFER_LEN;
    in->idx = in->length = 0;
    in->offset = 0;
    in->dynamicFlag = 0;
}

unsigned tls_inside_step(const WOLFSSL *ssl)
{
    return ssl->options.acceptState;
}
