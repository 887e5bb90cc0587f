/* place: see place.h. */
#include "store/place.h"

void place_first(struct place *place)
{
    uint64_t least = (uint64_t)INT64_MIN;
    *place = (struct place){.session = least, .number = least, .message = least};
}

int place_last(struct place *place)
{
    *place = (struct place){.session = INT64_MAX, .number = INT64_MAX, .message = INT64_MAX};
    /* No key begins with this byte: keys begin with text. */
    return buffer_append(&place->key, SLICE("\xff"));
}

void place_clear(struct place *place)
{
    buffer_clear(&place->key);
}

int place_set(struct place *place, const struct kept *row)
{
    place->session = row->session;
    place->number = row->number;
    place->message = row->message;
    place->key.len = 0;
    return buffer_append(&place->key, row->key);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return ((int64_t)a > (int64_t)b) - ((int64_t)a < (int64_t)b);
}

static int compare_keys(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool place_before(const struct place *place, const struct table *table, const struct kept *row)
{
    int order = 0;
    if (table->keys & FIELD_SESSION)
        order = compare_numbers(place->session, row->session);
    if (order == 0 && table->keys & FIELD_NUMBER)
        order = compare_numbers(place->number, row->number);
    if (order == 0 && table->keys & FIELD_KEY)
        order = compare_keys(buffer_slice(&place->key), row->key);
    if (order == 0 && table->keys & FIELD_MESSAGE)
        order = compare_numbers(place->message, row->message);
    return order < 0;
}

void place_bind(const struct place *place, const struct table *table,
                struct sql_statement *statement)
{
    struct kept at = {
        .session = place->session, .number = place->number, .message = place->message};
    int next = table_bind(statement, table->keys & (uint8_t)~FIELD_KEY, &at);
    if (table->keys & FIELD_KEY) /* the last of the key fields, wherever it occurs */
        sql_bind_copy(statement, next, buffer_slice(&place->key));
}
