/* air_store: see air_store.h. */
#include "air_store.h"

#include <assert.h>

struct fake_store *air_store_new(struct air *air)
{
    struct fake_store *store = fake_store_new();
    assert(store);
    air->limits.queued_memory = 1 << 20; /* nothing is paged out */
    broker_set_store(air->broker, &store->store);
    broker_restored(air->broker);
    return store;
}

void air_settle(struct air *air, struct fake_store *store)
{
    for (int round = 0; round < 1000; round++) {
        air_turn(air);
        if (store->under_way)
            fake_store_write(store, air->broker, COMMIT_DONE);
        else if (broker_is_settled(air->broker))
            break;
        else
            air_wait(air, 10);
    }
    assert(broker_is_settled(air->broker));
    air_turn(air);
}

static void end_peers(struct air *air)
{
    for (struct list *link = air->devices.next; link != &air->devices; link = link->next) {
        struct device *device = list_item(link, struct device, link);
        device_lose(device, "the process has ended");
        device_forget(device);
    }
}

static void start(struct air *air, struct fake_store *store, uint64_t ms, void (*forget)(void))
{
    if (forget)
        forget();
    broker_free(air->broker);
    store->under_way = NULL;
    store->fetch_count = 0;
    air->now_ms += ms;
    air->wall_ms += (int64_t)ms;
    timers_init(&air->wheel, air->now_ms);
    air->broker = broker_new(&air->limits, &air->wheel);
    assert(air->broker);
    broker_set_store(air->broker, &store->store);
    broker_turn(air->broker, air->now_ms, air->wall_ms);
    fake_store_load(store, air->broker);
    air->protocol->recall(air->broker, (struct loop *)air);
    air_turn(air);
}

void air_crash(struct air *air, struct fake_store *store, uint64_t ms, void (*forget)(void))
{
    broker_set_store(air->broker, NULL); /* what peers do at their end is not written */
    end_peers(air);
    start(air, store, ms, forget);
}

void air_restart(struct air *air, struct fake_store *store, uint64_t ms, void (*forget)(void))
{
    air_stop(air);
    end_peers(air);
    broker_settle(air->broker);
    air_settle(air, store);
    start(air, store, ms, forget);
}
