/* modules: see modules.h. The only file that names concrete protocols: adding one is a row here
 * and a folder. (The transports have their rows in transports/stacks.c.) */
#include "daemon/modules.h"

#include "broker/limits.h"
#include "daemon/access.h"
#include "daemon/settings.h"
#include "protocols/coap/coap.h"
#include "protocols/mqtt/mqtt.h"
#include "protocols/mqtt_sn/mqtt_sn.h"
#include "protocols/raw/raw.h"
#include "store/store.h"
#include "transports/stacks.h"

static const struct protocol *const protocols[] = {
    &mqtt_protocol,
    &mqtt_sn_protocol,
    &coap_protocol,
    &raw_protocol,
};

enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]), OWN_SECTIONS = 5, STACKS_MAX = 16 };

static const struct option_table *sections[OWN_SECTIONS + PROTOCOLS] = {
    &process_options, &process_log_options, &access_options, &broker_limit_options, &store_options};
static struct config_name protocol_names[PROTOCOLS], transport_names[STACKS_MAX];
static struct config_schema schema; /* filled by the first modules_schema, constant from then on */

static void fill_schema(void)
{
    size_t section_count = OWN_SECTIONS, transport_count = 0;
    for (size_t i = 0; i < PROTOCOLS; i++) {
        protocol_names[i] =
            (struct config_name){protocols[i]->name, protocols[i]->carriers, false, false};
        if (protocols[i]->options)
            sections[section_count++] = protocols[i]->options;
    }
    for (; transport_count < stacks_count && transport_count < STACKS_MAX; transport_count++) {
        const struct stack *stack = &stacks[transport_count];
        transport_names[transport_count] =
            (struct config_name){stack->name, stack->carrier, stack->unix_sockets, stack->tls};
    }
    schema = (struct config_schema){
        .sections = sections,
        .section_count = section_count,
        .listener = &listener_options,
        .protocols = protocol_names,
        .protocol_count = PROTOCOLS,
        .transports = transport_names,
        .transport_count = transport_count,
        .check = process_check,
        .access = access_load,
    };
}

const struct config_schema *modules_schema(void)
{
    if (!schema.sections)
        fill_schema();
    return &schema;
}

void modules_recall(struct broker *broker, struct loop *loop)
{
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (protocols[i]->recall)
            protocols[i]->recall(broker, loop);
}

const struct protocol *modules_protocol(const char *name)
{
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (strcmp(protocols[i]->name, name) == 0)
            return protocols[i];
    return NULL;
}
