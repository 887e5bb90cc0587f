/* durable: what the core has told its store, and what may be acknowledged because of it.
 *
 * Without a store everything is promised as soon as it is done: promises are 0. */
#include "broker/core.h"

void broker_set_store(struct broker *broker, struct store *store)
{
    broker->store = store;
}

uint64_t broker_promise(const struct broker *broker)
{
    (void)broker;
    return 0;
}

uint64_t broker_promise_kept(const struct broker *broker)
{
    (void)broker;
    return 0;
}
