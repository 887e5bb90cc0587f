/* siotd-bench: loads an MQTT broker on this machine and measures it.
 *
 * Reading order: work_flows.c (what a work is) -> flow.c (a publisher's window) -> client.c (a
 * connection) -> crowd.c (the loop) -> measure.c (what it cost). */
#include "bench/work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct work works[] = {
    {"pairs", work_pairs},
    {"fan-in", work_fan_in},
    {"fan-out", work_fan_out},
    {"filters", work_filters},
    {"subscriptions", work_subscriptions},
    {"retained", work_retained},
    {"idle", work_idle},
    {"steady", work_steady},
    {"offline", work_offline},
    {"fetch", work_fetch},
    {"flatness", work_flatness},
    {"raw", work_raw},
    {"mqtt-sn", work_sn},
    {"coap-put", work_coap_put},
    {"coap-get", work_coap_get},
    {"idle-raw", work_idle_raw},
    {"idle-mqtt-sn", work_idle_sn},
    {"idle-coap", work_idle_coap},
    {"dtls", work_dtls},
    {"flood", work_flood},
};

static const struct work *find_work(const char *name)
{
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        if (strcmp(works[i].name, name) == 0)
            return &works[i];
    }
    fprintf(stderr, "siotd-bench: %s is not a work; see --help\n", name);
    return NULL;
}

static int run(const struct work *work, const struct options *options)
{
    struct crowd crowd;
    struct report *report = calloc(1, sizeof *report);
    int result = -1;

    if (report && crowd_init(&crowd, options) == 0) {
        result = work->run(&crowd, report);
        if (result < 0)
            fprintf(stderr, "siotd-bench: %s: %s\n", work->name, crowd.failure);
        else
            result = report_print(report, options);
        crowd_clear(&crowd);
    }
    free(report);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options options;
    int parsed = options_parse(&options, argc, argv);

    if (parsed != 0)
        return parsed > 0 ? EXIT_SUCCESS : 2;
    const struct work *work = find_work(options.work);
    if (!work)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    return run(work, &options);
}
