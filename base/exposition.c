/* exposition: see exposition.h. Beside the way of a message. Pure. */
#include "base/exposition.h"

#include <inttypes.h>
#include <stdio.h>

static void put(struct exposition *e, struct slice text)
{
    e->failed = e->failed || buffer_append(&e->text, text) != 0;
}

static void put_text(struct exposition *e, const char *text)
{
    put(e, slice_of_str(text));
}

/* What would end the line or the value is written with a backslash; in a help text a quote is
 * like any other character. */
static void put_escaped(struct exposition *e, struct slice text, bool in_quotes)
{
    size_t plain = 0; /* from where nothing has been put yet */
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        if (c != '\n' && c != '\\' && (c != '"' || !in_quotes))
            continue;
        put(e, slice_of(text.at + plain, i - plain));
        put(e, slice_of((uint8_t[]){'\\', c == '\n' ? 'n' : c}, 2));
        plain = i + 1;
    }
    put(e, slice_from(text, plain));
}

static void put_head(struct exposition *e)
{
    static const char *const types[] = {
        [EXPOSITION_COUNTER] = "counter", [EXPOSITION_GAUGE] = "gauge"};
    const struct exposition_family *family = e->family;
    put_text(e, "# HELP ");
    put_text(e, family->name);
    put_text(e, " ");
    put_escaped(e, slice_of_str(family->help), false);
    put_text(e, "\n# TYPE ");
    put_text(e, family->name);
    put_text(e, " ");
    put_text(e, types[family->type]);
    put_text(e, "\n");
}

static void put_labels(struct exposition *e, const struct exposition_label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_text(e, i == 0 ? "{" : ",");
        put_text(e, labels[i].name);
        put_text(e, "=\"");
        put_escaped(e, labels[i].value, true);
        put_text(e, "\"");
    }
    if (count > 0)
        put_text(e, "}");
}

static void put_amount(struct exposition *e, uint64_t amount)
{
    char text[48];
    switch (e->family->unit) {
    case EXPOSITION_NUMBER:
        snprintf(text, sizeof(text), " %" PRIu64 "\n", amount);
        break;
    case EXPOSITION_MICROSECONDS:
        snprintf(text, sizeof(text), " %" PRIu64 ".%06u\n", amount / 1000000,
                 (unsigned)(amount % 1000000));
        break;
    case EXPOSITION_MILLISECONDS:
        snprintf(text, sizeof(text), " %" PRIu64 ".%03u\n", amount / 1000,
                 (unsigned)(amount % 1000));
        break;
    }
    put_text(e, text);
}

void exposition_begin(struct exposition *e, const struct exposition_family *family)
{
    e->family = family;
    e->headed = false;
}

void exposition_sample(struct exposition *e, const struct exposition_label *labels, size_t count,
                       uint64_t amount)
{
    if (!e->headed)
        put_head(e);
    e->headed = true;
    put_text(e, e->family->name);
    put_labels(e, labels, count);
    put_amount(e, amount);
}

void exposition_say(struct exposition *e, const struct exposition_family *family, uint64_t amount)
{
    exposition_begin(e, family);
    exposition_sample(e, NULL, 0, amount);
}
