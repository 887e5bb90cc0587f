/* echo: see echo.h. answer.c demands, request.c believes. */
#include "protocols/coap/echo.h"

#include "protocols/coap/endpoint.h"
#include "protocols/coap/home.h"

enum { WINDOW_MS = 60 * 1000 };

static uint64_t value_of(const struct coap_home *home, const struct coap_endpoint *e,
                         uint64_t window)
{
    uint8_t bytes[COAP_WHERE_SIZE + sizeof window];
    struct coap_where where = coap_endpoint_where(e);
    memcpy(bytes, where.bytes, sizeof where.bytes);
    memcpy(bytes + sizeof where.bytes, &window, sizeof window);
    return siphash(home->key, slice_of(bytes, sizeof bytes));
}

void coap_echo_make(const struct coap_home *home, const struct coap_endpoint *e,
                    uint8_t to[COAP_ECHO_SIZE])
{
    uint64_t value = value_of(home, e, peer_now_ms(e->peer) / WINDOW_MS);
    memcpy(to, &value, COAP_ECHO_SIZE);
}

bool coap_echo_proves(const struct coap_home *home, const struct coap_endpoint *e,
                      struct slice echo)
{
    uint64_t window = peer_now_ms(e->peer) / WINDOW_MS, said;
    if (echo.len != COAP_ECHO_SIZE)
        return false;
    memcpy(&said, echo.at, sizeof said);
    /* Both differences at once, so that no time is saved by a near miss. */
    uint64_t now = said ^ value_of(home, e, window), before = said ^ value_of(home, e, window - 1);
    return (now == 0) | (before == 0);
}
