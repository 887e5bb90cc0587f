/* Tests config/config.c. */
#include "tests/unit/config/expect.h"
#include "tests/unit/config/sample_schema.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct report report;
static char folder[] = "/tmp/siotd-config-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    report_init(&report, "siotd.yaml");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    report_clear(&report);
    return 0;
}

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static struct config *parse(const char *text)
{
    return config_parse("siotd.yaml", slice_of_str(text), &sample_schema, &report);
}

static const char good[] = "sys_interval: 5s\n"
                           "limits:\n"
                           "  inflight: 64\n"
                           "listeners:\n"
                           "  - name: mqtt\n"
                           "    protocol: mqtt\n"
                           "    transport: tcp\n"
                           "    bind: 127.0.0.1:1883\n"
                           "    anonymous: true\n"
                           "  - {name: raw, protocol: raw, transport: udp, bind: '[::1]:5600'}\n";

static void a_good_file_is_read_whole(void **state)
{
    (void)state;
    write_file(good, strlen(good));
    struct config *config = config_load(path, &sample_schema, &report);
    assert_non_null(config);
    assert_false(report_any(&report));
    assert_string_equal(config->path, path);
    assert_int_equal(((struct sample_top *)config_section(config, ""))->sys_interval, 5000);
    assert_int_equal(((struct sample_limits *)config_section(config, "limits"))->inflight, 64);
    assert_null(config_section(config, "mqtt"));
    assert_int_equal(config->listener_count, 2);
    assert_true(config_listener(config, "mqtt")->anonymous);
    assert_false(config_listener(config, "raw")->anonymous);
    assert_string_equal(config_listener(config, "raw")->bind, "[::1]:5600");
    assert_null(config_listener(config, "x"));
    config_free(config);
    config_free(NULL);
}

static void five_mistakes_are_five_lines(void **state)
{
    (void)state;
    assert_null(parse("sys_intervall: 5s\n"
                      "limits:\n"
                      "  inflight: 90000\n"
                      "  packet_size: large\n"
                      "listeners:\n"
                      "  - name: mqtt\n"
                      "    protocol: mqtt\n"
                      "    transport: udp\n"
                      "    bind: 127.0.0.1:1883\n"
                      "    anonymous: perhaps\n"));
    expect_report(&report,
                  "siotd.yaml:1:1: sys_intervall: unknown key; did you mean sys_interval?\n"
                  "siotd.yaml:3:13: inflight: 90000 is above 65535\n"
                  "siotd.yaml:4:16: packet_size: large is not a size: write bytes, or a whole "
                  "number and KiB, "
                  "MiB, GiB or TiB\n"
                  "siotd.yaml:8:16: transport: mqtt needs a stream, and udp carries datagrams\n"
                  "siotd.yaml:10:16: anonymous: perhaps is neither true nor false\n");
}

static void keys_of_later_are_unknown_now(void **state)
{
    (void)state;
    assert_null(
        parse("data_dir: /x\nauth: {}\n"
              "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: '*:1', tls: {}}]\n"));
    expect_report(&report, "siotd.yaml:1:1: data_dir: unknown key; siotd --options lists all\n"
                           "siotd.yaml:2:1: auth: unknown key; siotd --options lists all\n"
                           "siotd.yaml:3:68: tls: unknown key; siotd --options lists all\n");
}

static void the_whole_must_be_a_map(void **state)
{
    (void)state;
    assert_null(parse("- a\n- b\n"));
    expect_report(&report,
                  "siotd.yaml:1:1: the file must be a map of keys and values, not a list\n");
}

static void what_cannot_be_read_says_why(void **state)
{
    (void)state;
    char other[80], expected[256];
    snprintf(other, sizeof(other), "%s/none", folder);
    assert_null(config_load(other, &sample_schema, &report));
    expect_report(&report, "siotd.yaml: cannot be read: No such file or directory\n");
    report_clear(&report);
    assert_null(config_load(folder, &sample_schema, &report));
    expect_report(&report, "siotd.yaml: cannot be read: Is a directory\n");
    report_clear(&report);
    assert_null(config_load("/dev/zero", &sample_schema, &report));
    expect_report(&report, "siotd.yaml: cannot be read: it is no regular file\n");
    report_clear(&report);
    snprintf(other, sizeof(other), "%s/fifo", folder);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_null(config_load(other, &sample_schema, &report)); /* and does not wait for a writer */
    unlink(other);
    report_clear(&report);

    char *large = calloc(1, NODE_FILE_MAX + 10);
    memset(large, '#', NODE_FILE_MAX + 10);
    write_file(large, NODE_FILE_MAX + 10);
    free(large);
    assert_null(config_load(path, &sample_schema, &report));
    snprintf(expected, sizeof(expected), "siotd.yaml: longer than %d bytes\n", NODE_FILE_MAX);
    expect_report(&report, expected);
}

static size_t checks;

static void refuse_all(const struct config *config, const struct node *root, struct report *to)
{
    checks++;
    assert_int_equal(config->listener_count, 1);
    report_add(to, node_get(root, "listeners")->place, "refused");
}

static void the_daemons_own_check_adds_to_the_report(void **state)
{
    (void)state;
    struct config_schema schema = sample_schema;
    schema.check = refuse_all;
    struct slice text =
        SLICE("listeners: [{name: a, protocol: mqtt, transport: tcp, bind: '*:1'}]\n");
    assert_null(config_parse("siotd.yaml", text, &schema, &report));
    expect_report(&report, "siotd.yaml:1:12: refused\n");
    report_clear(&report);
    text = SLICE("nonsense: 1\n"
                 "listeners: [{name: a, protocol: mqtt, transport: tcp, bind: '*:1'}]\n");
    assert_null(config_parse("siotd.yaml", text, &schema, &report));
    assert_int_equal(checks, 2);
    expect_report(&report, "siotd.yaml:1:1: nonsense: unknown key; siotd --options lists all\n"
                           "siotd.yaml:2:12: refused\n");
}

/* A small generator of its own, so that a failure can be repeated. */
static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* vuln-06: a damaged file is refused or understood, and never grants what the good one did not. */
static void damaged_files_never_open_a_door(void **state)
{
    (void)state;
    uint32_t seed = 20261121;
    char *text = malloc(sizeof(good));
    size_t understood = 0, refused = 0;
    for (int round = 0; round < 5000; round++) {
        size_t length = sizeof(good) - 1;
        memcpy(text, good, length);
        for (uint32_t edits = next(&seed) % 4 + 1; edits && length; edits--) {
            size_t at = next(&seed) % length;
            switch (next(&seed) % 3) {
            case 0:
                text[at] = (char)next(&seed);
                break;
            case 1:
                memmove(text + at, text + at + 1, length - at - 1);
                length--;
                break;
            default:
                length = at + 1;
            }
        }
        char *exact = malloc(length);
        memcpy(exact, text, length);
        struct config *config =
            config_parse("siotd.yaml", slice_of(exact, length), &sample_schema, &report);
        assert_int_equal(config == NULL, report_any(&report));
        for (size_t i = 0; config && i < config->listener_count; i++) {
            const struct listener_settings *l = &config->listeners[i];
            assert_true(l->name && l->protocol && l->transport && l->bind);
            if (l->anonymous) /* only the stream listener had that line */
                assert_string_equal(l->transport, "tcp");
        }
        *(config ? &understood : &refused) += 1;
        config_free(config);
        report_clear(&report);
        free(exact);
    }
    free(text);
    assert_true(understood > 100);
    assert_true(refused > 1000);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/siotd.yaml", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_file_is_read_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(five_mistakes_are_five_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_of_later_are_unknown_now, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_whole_must_be_a_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_daemons_own_check_adds_to_the_report, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(damaged_files_never_open_a_door, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
