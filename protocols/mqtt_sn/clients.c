/* clients: see clients.h. One table for the process, as there is one broker. Who stands in it has
 * a session, whose client id is its key. */
#include "protocols/mqtt_sn/clients.h"

#include "base/map.h"

static struct slice client_id_of(const void *item)
{
    const struct sn_connection *c = item;
    return session_client_id(c->session);
}

static struct map clients = {.key = client_id_of};

int sn_clients_add(struct sn_connection *c)
{
    return map_put(&clients, c);
}

void sn_clients_remove(const struct sn_connection *c)
{
    struct slice client_id = session_client_id(c->session);
    if (map_find(&clients, client_id) == c)
        map_take(&clients, client_id);
    if (clients.count == 0)
        map_clear(&clients);
}

struct sn_connection *sn_clients_find(struct slice client_id)
{
    return map_find(&clients, client_id);
}
