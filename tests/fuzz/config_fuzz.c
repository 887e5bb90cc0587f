/* config_fuzz: any bytes as siotd.yaml, against the schema of the unit tests of config/.
 *
 * What holds: there is a configuration or there is a mistake, never both; every mistake is one
 * printable line; what was accepted is complete, equal to itself, and says of each number what
 * would be read again as the same number. */
#include "config/changes.h"
#include "tests/unit/config/sample_schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void claim(bool holds)
{
    if (!holds)
        abort();
}

static void look_at_line(void *unused, const char *line)
{
    (void)unused;
    claim(strncmp(line, "f:", 2) == 0);
    for (; *line; line++)
        claim((unsigned char)*line >= 0x20 && *line != 0x7f);
}

/* Each value as text reads back as itself. */
static void look_at_settings(const struct option_table *table, void *settings)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        char text[VALUE_TEXT_SIZE], why[VALUE_WHY_SIZE];
        value_show(row, settings, text);
        claim(!row->required || *(char **)((char *)settings + row->offset));
        if (row->type == OPTION_TEXT || row->type == OPTION_ADDRESS)
            continue;
        uint64_t again[64] = {0}; /* any settings struct of the schema fits */
        claim(table->size <= sizeof(again));
        claim(value_read(row, text, again, why));
        claim(value_equal(row, again, settings));
    }
}

static void look_at_config(const struct config *config)
{
    struct changes changes;
    claim(config->listener_count > 0);
    for (size_t i = 0; i < config->schema->section_count; i++)
        look_at_settings(config->schema->sections[i], config->sections[i]);
    for (size_t i = 0; i < config->listener_count; i++) {
        look_at_settings(config->schema->listener, &config->listeners[i]);
        claim(config_listener(config, config->listeners[i].name) == &config->listeners[i]);
    }
    claim(changes_find(config, config, &changes) == 0);
    claim(changes.count == 0);
    changes_clear(&changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct report report;
    report_init(&report, "f");
    struct config *config = config_parse("f", slice_of(bytes, len), &sample_schema, &report);
    claim((config == NULL) == (report_any(&report) != 0));
    report_show(&report, look_at_line, NULL);
    if (config)
        look_at_config(config);
    config_free(config);
    report_clear(&report);
    return 0;
}
