/* Tests config/options.c. */
#include "config/options.h"
#include "tests/unit/config/expect.h"
#include "tests/unit/config/sample_schema.h"

#include <stdlib.h>

static void every_row_has_a_line_in_columns(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    options_print(to, &sample_schema);
    fclose(to);
    assert_non_null(strstr(text,
                           "\nsys_interval                 duration  10s       "
                           "1s..1d|unlimited                reload   help of sys_interval\n"));
    assert_non_null(strstr(text, "\nlimits.packet_size           size      1MiB      "
                                 "1KiB..256MiB                    reload   help of packet_size\n"));
    assert_non_null(strstr(text, "\nlimits.policy                choice    refuse    "
                                 "refuse|drop                     reload   help of policy\n"));
    assert_non_null(strstr(text, "\nlisteners[].bind             address   required  "
                                 "address:port|*:port|unix:/path  restart  help of bind\n"));
    assert_non_null(strstr(text, "\nlisteners[].mountpoint       text      \"\"        "
                                 "any text                        restart  help of mountpoint\n"));
    assert_non_null(strstr(text, "\nlisteners[].protocol         text      required  "
                                 "mqtt|raw|both                   restart  help of protocol\n"));
    assert_non_null(strstr(text, "\nlisteners[].transport        text      required  "
                                 "tcp|udp                         restart  help of transport\n"));
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 1 + sample_top_table.count + sample_limit_table.count +
                                sample_listener_table.count);
    assert_int_equal(strncmp(text, "OPTION ", 7), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_line_in_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
