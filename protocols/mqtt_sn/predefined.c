/* predefined: see predefined.h. Asked on every PUBLISH by id and every delivery; a table of devices
 * has few rows, so it is walked as it is written: nothing to keep, nothing to go out of date when
 * the configuration is read again. */
#include "protocols/mqtt_sn/predefined.h"

#include "base/utf8.h"
#include "broker/topic.h"

#include <stdio.h>

enum { ID_LAST = 0xFFFE, TOPIC_MAX = 1024 };

struct row {
    struct slice client, topic;
    uint16_t id;
};

static struct slice word(struct slice *rest)
{
    size_t len = 0;
    while (len < rest->len && rest->at[len] != ' ')
        len++;
    struct slice found = slice_of(rest->at, len);
    *rest = slice_from(*rest, len + 1);
    return found;
}

static uint16_t number(struct slice digits)
{
    uint32_t value = 0;
    if (digits.len == 0 || digits.len > 5)
        return 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return 0;
        value = value * 10 + (uint32_t)(digits.at[i] - '0');
    }
    return value <= ID_LAST ? (uint16_t)value : 0;
}

/* Takes the next entry off *text; false at the end. */
static bool next_row(const char **text, struct row *row)
{
    if (!*text || **text == '\0')
        return false;
    const char *comma = strchr(*text, ',');
    struct slice entry = slice_of(*text, comma ? (size_t)(comma - *text) : strlen(*text));
    *text = comma ? comma + 1 : *text + entry.len;
    row->client = word(&entry);
    row->id = number(word(&entry));
    row->topic = entry;
    return true;
}

static bool is_everybody(struct slice client)
{
    return slice_equal(client, SLICE("*"));
}

static bool is_mentioned_before(const char *text, size_t before, const struct row *row)
{
    struct row other;
    for (size_t i = 0; i < before && next_row(&text, &other); i++)
        if (slice_equal(other.client, row->client) &&
            (other.id == row->id || slice_equal(other.topic, row->topic)))
            return true;
    return false;
}

bool sn_predefined_valid(const char *text, char *why, size_t why_size)
{
    const char *rest = text;
    struct row row;
    for (size_t count = 0; next_row(&rest, &row); count++) {
        const char *wrong = NULL;
        if (row.client.len == 0 || row.id == 0)
            wrong = "is not \"CLIENT ID TOPIC\" with an id from 1 to 65534";
        else if (!topic_name_valid(row.topic, TOPIC_MAX, TOPIC_MAX) || !utf8_clean(row.topic))
            wrong = "names no topic";
        else if (is_mentioned_before(text, count, &row))
            wrong = "has an id or a topic that an earlier entry for the same client has";
        if (wrong) {
            snprintf(why, why_size, "entry %zu %s", count + 1, wrong);
            return false;
        }
    }
    return true;
}

struct slice sn_predefined_topic(const char *text, struct slice client_id, uint16_t id)
{
    struct slice found = SLICE_EMPTY;
    struct row row;
    while (next_row(&text, &row)) {
        if (row.id != id)
            continue;
        if (slice_equal(row.client, client_id))
            return row.topic;
        if (is_everybody(row.client))
            found = row.topic;
    }
    return found;
}

uint16_t sn_predefined_id(const char *text, struct slice client_id, struct slice topic)
{
    const char *rest = text;
    uint16_t found = 0;
    struct row row;
    while (next_row(&rest, &row)) {
        if (!slice_equal(row.topic, topic))
            continue;
        if (slice_equal(row.client, client_id))
            return row.id;
        if (is_everybody(row.client) &&
            slice_equal(sn_predefined_topic(text, client_id, row.id), topic))
            found = row.id;
    }
    return found;
}
