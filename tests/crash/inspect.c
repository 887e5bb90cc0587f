/* inspect: opens stores that a power cut may have left and says what is in them; powercut's eyes.
 *
 * Reads names of folders from standard input, one a line, and answers each with one line:
 *   ok ID:NUMBER... r TOPIC:NUMBER...   what waits for the session of the client named on the
 *                                       command line, and what is retained; NUMBER is the first
 *                                       eight bytes of the payload
 *   bad SENTENCE                        the store could not be opened, or was damaged */
#include "base/log.h"
#include "store/store.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 4096 };

/* Messages in the order of their ids, as store_load gives them. */
struct found {
    uint64_t *ids, *numbers;
    size_t count, capacity;
    const char *client;
    uint64_t session;
    FILE *to;
    bool retained;
};

static uint64_t number_of(struct slice payload)
{
    uint64_t number = 0;
    if (payload.len >= sizeof(number))
        memcpy(&number, payload.at, sizeof(number));
    return be64toh(number);
}

static void remember(struct found *found, uint64_t id, uint64_t number)
{
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? found->capacity * 2 : 1024;
        found->ids = realloc(found->ids, found->capacity * sizeof(*found->ids));
        found->numbers = realloc(found->numbers, found->capacity * sizeof(*found->numbers));
        if (!found->ids || !found->numbers)
            abort();
    }
    found->ids[found->count] = id;
    found->numbers[found->count++] = number;
}

static uint64_t recall(const struct found *found, uint64_t id)
{
    size_t low = 0, high = found->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (found->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < found->count && found->ids[low] == id ? found->numbers[low] : 0;
}

static bool take(void *owner, const struct kept *row)
{
    struct found *found = owner;
    switch (row->kind) {
    case ROW_SESSION:
        if (memmem(row->body.at, row->body.len, found->client, strlen(found->client)))
            found->session = row->session;
        break;
    case ROW_MESSAGE:
        remember(found, row->message, number_of(row->payload));
        break;
    case ROW_QUEUED:
        if (row->session == found->session)
            fprintf(found->to, " %" PRIu64, recall(found, row->message));
        break;
    case ROW_RETAINED:
        fprintf(found->to, "%s %.*s:%" PRIu64, found->retained ? "" : " r", (int)row->key.len,
                (const char *)row->key.at, recall(found, row->message));
        found->retained = true;
        break;
    default:
        break;
    }
    return true;
}

static void unexpected(void *owner, const char *why)
{
    (void)owner;
    fprintf(stderr, "%s\n", why);
}

static void look(const char *folder, const char *client)
{
    struct store_settings settings = {.size_limit = OPTION_UNLIMITED, .cache_size = 1 << 20};
    struct store_events events = {.failed = unexpected};
    struct store *store;
    char why[512], *line = NULL;
    size_t size = 0;
    struct found found = {.client = client, .to = open_memstream(&line, &size)};
    int status = store_open(folder, STORE_FLUSH, &settings, &events, &store, why, sizeof(why));
    if (status == 0) {
        struct store_counts counts;
        status = store_load(store, take, &found, why, sizeof(why));
        store_count(store, &counts);
        if (status == 0 && (counts.set_aside || counts.damaged_rows)) {
            snprintf(why, sizeof(why), "%" PRIu64 " files set aside, %" PRIu64 " rows damaged",
                     counts.set_aside, counts.damaged_rows);
            status = -1;
        }
        store_stop(store);
    }
    fclose(found.to);
    if (status == 0)
        printf("ok%s\n", line);
    else
        printf("bad %s\n", why);
    fflush(stdout);
    free(line);
    free(found.ids);
    free(found.numbers);
}

int main(int count, char **arguments)
{
    char folder[LINE];
    if (count != 2) {
        fprintf(stderr, "usage: inspect CLIENT < FOLDERS\n");
        return 2;
    }
    while (fgets(folder, sizeof(folder), stdin)) {
        folder[strcspn(folder, "\n")] = 0;
        look(folder, arguments[1]);
    }
    return 0;
}
