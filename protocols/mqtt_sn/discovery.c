/* discovery: SEARCHGW, GWINFO and ADVERTISE (MQTT-SN 1.2 section 6.1). Off unless switched on: a
 * gateway that answers everybody can be found by everybody, and used against others.
 *
 * On UDP there is no broadcast of the whole network to speak of, so ADVERTISE goes to the clients
 * that are connected and awake, each by itself. */
#include "protocols/mqtt_sn/packets.h"

/* GWINFO is as long as SEARCHGW; one a second for all together. */
void sn_on_searchgw(struct sn_visit *visit, const struct sn_packet *packet)
{
    static struct log_rate rate;
    uint32_t missed;
    const struct sn_options *options = sn_options_of(visit->gate);
    struct sn_packet answer = {.type = SN_GWINFO, .gateway_id = (uint8_t)options->gateway_id};
    (void)packet; /* its radius is for those who would pass it on */
    if (options->search_gateway &&
        log_rate_allows(&rate, peer_now_ms(visit->gate->peer), 1, &missed))
        sn_answer(visit, &answer);
}

void sn_advertise(struct sn_connection *c)
{
    const struct sn_options *options = sn_options_of(c->gate);
    struct sn_packet packet = {
        .type = SN_ADVERTISE,
        .gateway_id = (uint8_t)options->gateway_id,
        .duration_s = (uint16_t)(options->advertise / 1000),
    };
    c->advertised_ms = peer_now_ms(c->gate->peer);
    sn_tell(c, &packet);
}
