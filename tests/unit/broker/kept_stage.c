/* See kept_stage.h. */
#include "kept_stage.h"

int stage_start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->w = world_new();
    s->store = fake_store_new();
    world_keep(s->w, s->store);
    s->pub = client_new();
    s->a = client_new();
    s->b = client_new();
    client_connect(s->w, s->pub, "pub");
    *state = s;
    return 0;
}

int stage_stop(void **state)
{
    struct scene *s = *state;
    world_free(s->w);
    fake_store_free(s->store);
    free(s->pub);
    free(s->a);
    free(s->b);
    free(s);
    return 0;
}

void settle(const struct scene *s)
{
    world_settle(s->w, s->store);
}

void finish(const struct scene *s)
{
    fake_store_finish(s->store, s->w, COMMIT_DONE);
}

void crash_by_clock(const struct scene *s, uint64_t ms, int64_t wall_ms)
{
    s->w->wall_ms += wall_ms - (int64_t)ms;
    world_crash(s->w, s->store, ms);
    client_forget(s->a);
    client_forget(s->b);
    client_forget(s->pub);
    client_connect(s->w, s->pub, "pub");
}

void crash(const struct scene *s, uint64_t ms)
{
    crash_by_clock(s, ms, (int64_t)ms);
}

struct session *find(const struct scene *s, const char *id)
{
    return map_find(&s->w->broker->sessions, slice_of_str(id));
}

void connect_for(const struct scene *s, struct fake_client *client, const char *id,
                 uint32_t expiry_s, struct will *will)
{
    struct connect_request request = usual_request(id);
    request.clean_start = false;
    request.expiry_s = expiry_s;
    request.will = will;
    assert_int_equal(client_connect_as(s->w, client, request), VERDICT_OK);
}

void be_away(const struct scene *s, struct fake_client *client, const char *id, const char *filter)
{
    client_connect_persistent(s->w, client, id);
    client_subscribe(s->w, client, filter, 2);
    client_leave(s->w, client);
    settle(s);
}

void publish(const struct scene *s, const char *topic, const char *payload, int qos, bool retain)
{
    enum verdict verdict = client_publish(s->w, s->pub, topic, payload, qos, retain);
    assert_true(verdict == VERDICT_OK || verdict == VERDICT_NO_SUBSCRIBERS);
}

void acknowledge_all(const struct scene *s, struct fake_client *client)
{
    (void)s;
    size_t count = client->count;
    struct fake_delivery *got = malloc((count + 1) * sizeof *got);
    memcpy(got, client->got, count * sizeof *got); /* acknowledging lets more come */
    client_forget(client);
    for (size_t i = 0; i < count; i++) {
        if (got[i].qos == 1)
            session_acknowledged(client->session, got[i].packet_id, ACK_PUBACK);
        if (got[i].qos == 2 && session_acknowledged(client->session, got[i].packet_id, ACK_PUBREC))
            session_acknowledged(client->session, got[i].packet_id, ACK_PUBCOMP);
    }
    free(got);
}

void nothing_is_queued(const struct scene *s)
{
    settle(s);
    assert_int_equal(broker_stats(s->w->broker)->queued_messages, 0);
    assert_int_equal(broker_stats(s->w->broker)->queued_bytes, 0);
    assert_int_equal(s->w->broker->queued_memory, 0);
    assert_int_equal(fake_store_rows(s->store, ROW_QUEUED), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_MESSAGE), 0);
    assert_int_equal(fake_store_rows(s->store, ROW_NAMED), 0);
    assert_int_equal(s->w->broker->durable.messages.count, 0);
}
