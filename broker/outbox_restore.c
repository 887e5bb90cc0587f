/* outbox_restore: queues and what was under way, from rows; for restore.c and paging.c. */
#include "broker/core.h"
#include "broker/outbox_parts.h"
#include "broker/record.h"
#include <errno.h>
#include <stdlib.h>

static struct share *share_of(struct session *session, const struct record_queued *record)
{
    const struct subscription *s =
        record->group.len ? router_find(&session->broker->router, session, &session->subscriptions,
                                        record->group, record->filter)
                          : NULL;
    return s ? s->share : NULL;
}

static bool restore_identifiers(struct outgoing *o, const struct record_queued *record)
{
    if (record->identifier_count > 1) {
        o->identifiers.many = malloc(record->identifier_count * sizeof *o->identifiers.many);
        if (!o->identifiers.many)
            return false;
        for (uint16_t i = 0; i < record->identifier_count; i++)
            o->identifiers.many[i] = record_identifier(record, i);
    } else if (record->identifier_count) {
        o->identifiers.one = record_identifier(record, 0);
    }
    o->identifier_count = record->identifier_count;
    return true;
}

/* While the daemon starts it is not to go on without this; later it is read again. */
static struct outgoing *no_memory(const struct session *session)
{
    session->broker->durable.incomplete = true;
    return NULL;
}

struct outgoing *outbox_restore(struct session *session, const struct record_queued *record,
                                struct message *message)
{
    struct outbox *box = outbox_of(session);
    struct outgoing *o = box ? outgoing_new(session->broker) : NULL;
    if (!o)
        return no_memory(session);
    list_init(&o->link);
    o->recorded_ms = o->batch = 0;
    o->seq = 0;
    o->qos = o->entry.qos = record->qos;
    o->retain = record->retain;
    int failed = restore_identifiers(o, record) ? 0 : -ENOMEM;
    if (!failed && record->packet_id)
        failed = inflight_reclaim(&box->ids, &o->entry, record->packet_id);
    if (failed == -ENOMEM || (failed && record->released)) {
        outgoing_free(session->broker, o);
        return failed == -ENOMEM ? no_memory(session) : NULL;
    }
    struct share *share = share_of(session, record);
    o->share = share ? share_ref(share) : NULL;
    o->message = message ? message_hold(message) : NULL;
    if (record->released)
        o->entry.state = INFLIGHT_RELEASED;
    o->dup = o->entry.packet_id != 0; /* maybe it was sent, maybe not */
    list_append(o->dup ? &box->resend : &box->queue, &o->link);
    if (!o->dup)
        outbox_count(session, o, true);
    return o;
}
