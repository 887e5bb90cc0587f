/* proof: see proof.h. Beside the way of a message: on the way of a CONNECT.
 *
 *   peer_prove -> (delayed, while its source is in disgrace) -> waiting -> running, on a thread
 *     -> protocol.proven -> what had arrived is given to the protocol again
 *
 * Invariants: a check is in exactly one of the three lists; it has a peer exactly while that peer
 * has PEER_WAITS. Only verify() runs on another thread, and touches nothing but its check. */
#include "transports/proof.h"

#include "base/map.h"
#include "broker/auth.h"
#include "transports/password.h"
#include "transports/peer_state.h"
#include "transports/source.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    SOURCES_MAX = 4096,
    FORGIVE_AFTER_MS = 60000, /* without a failure */
    FREE_FAILURES = 3,        /* before a source has to wait */
    DELAY_MS = 250,           /* doubled with each further failure */
    DELAY_MAX_MS = 5000,
    DISGRACED_CHECKS = 16, /* of one source in disgrace, at once */
    LINES_PER_SECOND = 100,
};

/* Where failures come from. */
struct source {
    uint8_t key[SOURCE_KEY_SIZE];
    uint32_t failures;
    uint32_t checks; /* delayed now */
    uint64_t failed_ms;
};

struct check {
    uv_work_t work;
    struct list link;
    struct timer timer; /* while delayed */
    struct proofs *proofs;
    struct peer *peer; /* NULL: has gone */
    uint8_t source[SOURCE_KEY_SIZE];
    bool delayed, known, right;          /* known: there is such a user, and the record is his */
    size_t user_len, password_len, size; /* of `text` */
    char *record;                        /* in text */
    uint8_t text[];                      /* user, password, record and NUL */
};

struct proofs {
    struct loop *loop;
    struct list delayed, waiting, running;
    size_t count, running_count;
    uint32_t parallel; /* access.checks */
    struct map sources;
    struct log_rate rate;
};

/* ---- sources ---- */

static struct slice source_key(const void *item)
{
    const struct source *source = item;
    return slice_of(source->key, sizeof source->key);
}

static bool is_forgiven(const struct source *source, uint64_t now_ms)
{
    return source->checks == 0 && now_ms - source->failed_ms > FORGIVE_AFTER_MS;
}

/* The source, unless it has been forgiven. */
static struct source *disgraced(const struct proofs *proofs, const uint8_t key[SOURCE_KEY_SIZE])
{
    struct source *source = map_find(&proofs->sources, slice_of(key, SOURCE_KEY_SIZE));
    return source && !is_forgiven(source, proofs->loop->now_ms) ? source : NULL;
}

static void forget_forgiven(struct proofs *proofs)
{
    struct source *source;
    for (size_t position = 0; (source = map_next(&proofs->sources, &position)) != NULL;)
        if (is_forgiven(source, proofs->loop->now_ms)) {
            map_take(&proofs->sources, source_key(source));
            free(source); /* another may have moved here: it waits for the next time */
        }
}

static void note_failure(struct proofs *proofs, const uint8_t key[SOURCE_KEY_SIZE])
{
    struct source *source = map_find(&proofs->sources, slice_of(key, SOURCE_KEY_SIZE));
    if (!source && proofs->sources.count >= SOURCES_MAX)
        forget_forgiven(proofs);
    if (!source && proofs->sources.count < SOURCES_MAX) {
        source = calloc(1, sizeof *source);
        if (!source)
            return;
        memcpy(source->key, key, sizeof source->key);
        if (map_put(&proofs->sources, source) != 0) {
            free(source);
            return;
        }
    }
    if (!source)
        return;
    if (is_forgiven(source, proofs->loop->now_ms))
        source->failures = 0;
    source->failures++;
    source->failed_ms = proofs->loop->now_ms;
}

static uint64_t delay_ms(const struct source *source)
{
    if (!source || source->failures < FREE_FAILURES)
        return 0;
    uint32_t doublings = source->failures - FREE_FAILURES;
    return doublings > 4 ? DELAY_MAX_MS : (uint64_t)DELAY_MS << doublings;
}

/* ---- a check ---- */

static struct proofs *proofs_of(struct loop *loop)
{
    struct proofs *proofs = loop->proofs;
    if (proofs)
        return proofs;
    proofs = calloc(1, sizeof *proofs);
    if (!proofs)
        return NULL;
    proofs->loop = loop;
    list_init(&proofs->delayed);
    list_init(&proofs->waiting);
    list_init(&proofs->running);
    map_init(&proofs->sources, source_key);
    return loop->proofs = proofs;
}

/* Takes it out of its list and frees it, with all that is secret in it. */
static void check_free(struct check *check)
{
    struct proofs *proofs = check->proofs;
    struct source *source =
        check->delayed ? map_find(&proofs->sources, slice_of(check->source, 9)) : NULL;
    if (source)
        source->checks--;
    timer_cancel(&proofs->loop->wheel, &check->timer);
    list_remove(&check->link);
    proofs->count--;
    explicit_bzero(check->text, check->size);
    free(check);
}

static void on_delay_over(struct timer *timer);

static struct check *check_new(struct proofs *proofs, struct peer *peer, struct slice user,
                               struct slice password, const char *record)
{
    size_t record_size = strlen(record) + 1, size = user.len + password.len + record_size;
    struct check *check = malloc(sizeof *check + size);
    if (!check)
        return NULL;
    *check = (struct check){.proofs = proofs,
                            .peer = peer,
                            .user_len = user.len,
                            .password_len = password.len,
                            .size = size};
    memcpy(check->text, user.at, user.len);
    if (password.len)
        memcpy(check->text + user.len, password.at, password.len);
    check->record = (char *)check->text + user.len + password.len;
    memcpy(check->record, record, record_size);
    check->work.data = check;
    list_init(&check->link);
    timer_init(&check->timer, on_delay_over);
    source_name(peer, check->source);
    proofs->count++;
    return check;
}

static struct slice check_user(const struct check *check)
{
    return slice_of(check->text, check->user_len);
}

/* On a worker thread. */
static void verify(uv_work_t *work)
{
    struct check *check = work->data;
    check->right = password_verify(check->record,
                                   slice_of(check->text + check->user_len, check->password_len));
}

/* Who has proven to be who; the core asks whether the record still is what it was (auth.h). */
static struct identity *identity_for(const struct check *check)
{
    return check->right && check->known ? identity_of_user(check_user(check), check->record) : NULL;
}

static void tell(struct check *check)
{
    struct peer *peer = check->peer;
    struct identity *identity = identity_for(check);
    check->peer = NULL;
    peer->flags &= ~PEER_WAITS;
    if (!identity)
        peer_proof_failed(peer, check_user(check));
    peer_protocol(peer)->proven(peer, peer_state(peer), identity);
    identity_unref(identity);
    peer_input_again(peer);
}

static void start_some(struct proofs *proofs);

static void on_verified(uv_work_t *work, int status)
{
    struct check *check = work->data;
    struct proofs *proofs = check->proofs;
    (void)status; /* never cancelled */
    proofs->running_count--;
    if (!check->peer && list_empty(&proofs->waiting)) { /* perhaps the loop itself is going */
        check_free(check);
        return;
    }
    loop_enter(proofs->loop);
    if (check->peer)
        tell(check);
    check_free(check);
    start_some(proofs);
    loop_leave(proofs->loop);
}

/* Starts what waits, as far as the access asked last allows. */
static void start_some(struct proofs *proofs)
{
    struct list *link;
    while ((link = list_first(&proofs->waiting)) != NULL) {
        struct check *check = list_item(link, struct check, link);
        if (proofs->running_count >= proofs->parallel)
            return;
        list_remove(link);
        list_append(&proofs->running, link);
        proofs->running_count++;
        uv_queue_work(&proofs->loop->uv, &check->work, verify, on_verified);
    }
}

static void on_delay_over(struct timer *timer)
{
    struct check *check = timer_owner(timer, struct check, timer);
    struct proofs *proofs = check->proofs;
    struct source *source = map_find(&proofs->sources, slice_of(check->source, 9));
    if (source)
        source->checks--;
    check->delayed = false;
    list_remove(&check->link);
    list_append(&proofs->waiting, &check->link);
    start_some(proofs);
}

/* ---- what peers ask ---- */

bool peer_prove(struct peer *peer, const struct access *access, struct slice user,
                struct slice password)
{
    struct proofs *proofs = proofs_of(peer_loop(peer));
    if (peer->flags & PEER_DATAGRAM) /* nothing keeps what comes meanwhile */
        return false;
    if (!proofs || proofs->count >= access->checks_queued)
        return false;
    const char *record = users_record(access->users, user);
    bool known = record != NULL;
    if (!known) /* whatever comes of it */
        record = users_any_record(access->users);
    struct check *check =
        check_new(proofs, peer, user, password, record ? record : password_of_nobody);
    if (!check)
        return false;
    check->known = known;
    proofs->parallel = access->checks;
    struct source *source = disgraced(proofs, check->source);
    uint64_t delay = delay_ms(source);
    if (delay && source->checks >= DISGRACED_CHECKS) {
        check_free(check);
        return false;
    }
    peer->flags |= PEER_WAITS;
    peer_life_watch(peer);
    if (delay) {
        check->delayed = true;
        source->checks++;
        list_append(&proofs->delayed, &check->link);
        timer_set(&proofs->loop->wheel, &check->timer, proofs->loop->now_ms + delay);
        return true;
    }
    list_append(&proofs->waiting, &check->link);
    start_some(proofs);
    return true;
}

void peer_proof_failed(struct peer *peer, struct slice user)
{
    struct proofs *proofs = proofs_of(peer_loop(peer));
    char name[LOG_ESCAPED_SIZE], address[PEER_ADDRESS_SIZE], more[64] = "";
    uint8_t key[SOURCE_KEY_SIZE];
    uint32_t missed = 0;
    if (!proofs)
        return;
    source_name(peer, key);
    note_failure(proofs, key);
    if (!log_rate_allows(&proofs->rate, proofs->loop->now_ms, LINES_PER_SECOND, &missed))
        return;
    if (missed)
        snprintf(more, sizeof more, " (%u more like this were not logged)", (unsigned)missed);
    peer_address(peer, address); /* without port: for programs that ban addresses */
    char *end = strrchr(address, ':');
    if (end)
        *end = '\0';
    bool bracketed = address[0] == '[';
    if (bracketed && strlen(address) > 1)
        address[strlen(address) - 1] = '\0';
    peer_log(peer, LOG_WARNING, "auth failed: user \"%s\" from %s%s",
             log_escape(name, sizeof name, user), address + bracketed, more);
}

static struct check *find(const struct list *list, const struct peer *peer)
{
    for (const struct list *link = list->next; link != list; link = link->next) {
        struct check *check = list_item(link, struct check, link);
        if (check->peer == peer)
            return check;
    }
    return NULL;
}

void proof_cancel(struct peer *peer)
{
    struct proofs *proofs = peer_loop(peer)->proofs;
    struct check *check = find(&proofs->running, peer);
    peer->flags &= ~PEER_WAITS;
    if (check) { /* a thread has it: on_verified frees it */
        check->peer = NULL;
        return;
    }
    check = find(&proofs->delayed, peer);
    if (!check)
        check = find(&proofs->waiting, peer);
    if (check)
        check_free(check);
}

void proofs_free(struct proofs *proofs)
{
    struct source *source;
    if (!proofs)
        return;
    for (size_t position = 0; (source = map_next(&proofs->sources, &position)) != NULL;)
        free(source);
    map_clear(&proofs->sources);
    free(proofs);
}
