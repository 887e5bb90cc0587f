/* tls_ticket: see tls_ticket.h. AES-256-GCM, a random nonce for each ticket: with 96 bits and a key
 * that lives for hours, a collision is out of reach (RFC 5077 section 5.5, RFC 9325 section 3.4).
 */
#include "transports/tls_ticket.h"

#include "base/random.h"
#include <string.h>
#include <wolfssl/wolfcrypt/aes.h>

enum { NONCE_SIZE = 12, TAG_SIZE = 16 };

void tickets_turn(struct tickets *tickets)
{
    const struct ticket_key *current = &tickets->current;
    uint64_t age_ms = tickets->now_ms - current->made_ms;
    if (current->made_ms && age_ms < tickets->lifetime_ms)
        return;
    if (current->made_ms && age_ms < 2 * tickets->lifetime_ms)
        tickets->previous = *current;
    else
        explicit_bzero(&tickets->previous, sizeof(tickets->previous));
    random_bytes(tickets->current.name, sizeof(tickets->current.name));
    random_bytes(tickets->current.secret, sizeof(tickets->current.secret));
    tickets->current.made_ms = tickets->now_ms ? tickets->now_ms : 1;
}

static int seal(const struct ticket_key *key, uint8_t *iv, uint8_t *tag, uint8_t *ticket, int len)
{
    Aes aes;
    random_bytes(iv, WOLFSSL_TICKET_IV_SZ);
    memset(tag, 0, WOLFSSL_TICKET_MAC_SZ);
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return -1;
    int failed = wc_AesGcmSetKey(&aes, key->secret, sizeof(key->secret));
    if (!failed)
        failed = wc_AesGcmEncrypt(&aes, ticket, ticket, (word32)len, iv, NONCE_SIZE, tag, TAG_SIZE,
                                  key->name, sizeof(key->name));
    wc_AesFree(&aes);
    return failed;
}

static int unseal(const struct ticket_key *key, const uint8_t *iv, const uint8_t *tag,
                  uint8_t *ticket, int len)
{
    Aes aes;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return -1;
    int failed = wc_AesGcmSetKey(&aes, key->secret, sizeof(key->secret));
    if (!failed)
        failed = wc_AesGcmDecrypt(&aes, ticket, ticket, (word32)len, iv, NONCE_SIZE, tag, TAG_SIZE,
                                  key->name, sizeof(key->name));
    wc_AesFree(&aes);
    return failed;
}

static const struct ticket_key *find(const struct tickets *tickets, const uint8_t *name)
{
    if (memcmp(name, tickets->current.name, sizeof(tickets->current.name)) == 0)
        return &tickets->current;
    if (tickets->previous.made_ms &&
        memcmp(name, tickets->previous.name, sizeof(tickets->previous.name)) == 0)
        return &tickets->previous;
    return NULL;
}

/* wolfSSL's SessionTicketEncCb. */
static int on_ticket(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
                     unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                     unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int encrypt, unsigned char *ticket,
                     int len, int *out_len, void *owner)
{
    struct tickets *tickets = owner;
    (void)ssl;
    tickets_turn(tickets);
    *out_len = len;
    if (encrypt) {
        memcpy(name, tickets->current.name, sizeof(tickets->current.name));
        return seal(&tickets->current, iv, mac, ticket, len) == 0 ? WOLFSSL_TICKET_RET_OK
                                                                  : WOLFSSL_TICKET_RET_REJECT;
    }
    const struct ticket_key *key = find(tickets, name);
    if (!key || unseal(key, iv, mac, ticket, len) != 0)
        return WOLFSSL_TICKET_RET_REJECT; /* a full handshake, and no harm done */
    return key == &tickets->current ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_CREATE;
}

void tickets_use(struct tickets *tickets, WOLFSSL_CTX *profile)
{
    wolfSSL_CTX_set_TicketEncCb(profile, on_ticket);
    wolfSSL_CTX_set_TicketEncCtx(profile, tickets);
    wolfSSL_CTX_set_TicketHint(profile, (int)(tickets->lifetime_ms / 1000));
    wolfSSL_CTX_set_timeout(profile, (unsigned)(tickets->lifetime_ms / 1000));
    wolfSSL_CTX_set_num_tickets(profile, 1);
}

void tickets_none(WOLFSSL_CTX *profile)
{
    wolfSSL_CTX_NoTicketTLSv12(profile);
    wolfSSL_CTX_no_ticket_TLSv13(profile);
}

void tickets_clear(struct tickets *tickets)
{
    explicit_bzero(&tickets->current, sizeof(tickets->current));
    explicit_bzero(&tickets->previous, sizeof(tickets->previous));
}
