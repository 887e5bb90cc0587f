/* check: see check.h. */
#include "daemon/check.h"

#include "base/log_sink.h"
#include "daemon/access.h"
#include "daemon/durability.h"
#include "daemon/entry.h"
#include "daemon/metrics_file.h"
#include "daemon/settings.h"
#include "transports/listener.h"
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void print_warning(void *to, const char *text)
{
    fprintf(to, "warning: %s\n", text);
}

/* Whether the files that it names are good. */
static bool check_listener(FILE *to, const struct config *config,
                           const struct listener_settings *listener)
{
    char line[ENTRY_SIZE], why[1024];
    fprintf(to, "%s\n", entry_text(listener, config->access, listener->bind, line));
    if (listener_check(listener, time(NULL), print_warning, to, why, sizeof(why)) < 0) {
        fprintf(stderr, "listener %s: %s\n", listener->name, why);
        return false;
    }
    if (listener_probe(listener->bind, listener->transport, why, sizeof(why)) < 0)
        fprintf(to, "warning: %s: %s\n", listener->name, why);
    return true;
}

/* Opens what there is. A log file that is not there yet would be made: this only looks at its
 * folder, so that it will not belong to whoever has checked. */
static int try_log(const char *to)
{
    char folder[4096];
    struct log_sink sink;
    if (to[0] == '/' && access(to, F_OK) != 0) {
        snprintf(folder, sizeof(folder), "%s", to);
        *(strrchr(folder, '/') + 1) = '\0';
        return access(folder, W_OK | X_OK) == 0 ? 0 : -errno;
    }
    int error = log_sink_open(&sink, to);
    if (!error)
        log_sink_close(&sink);
    return error;
}

static bool check_log(const struct config *config)
{
    const char *to = process_log(config, false).to;
    int error = try_log(to);
    if (error)
        fprintf(stderr, "%s: log.to: %s: %s\n", config->path, to, strerror(-error));
    return error == 0;
}

static bool check_metrics(const struct config *config)
{
    const char *path = ((const struct process_settings *)config_section(config, ""))->metrics_file;
    int error = path ? metrics_file_check(path) : 0;
    if (error)
        fprintf(stderr, "%s: metrics_file: %s: %s\n", config->path, path, strerror(-error));
    return error == 0;
}

bool check_print(FILE *to, const struct config *config)
{
    bool good = true;
    for (size_t i = 0; i < config->listener_count; i++)
        good &= check_listener(to, config, &config->listeners[i]);
    access_print(to, config);
    access_inspect(config, print_warning, to);
    good &= check_log(config);
    good &= check_metrics(config);
    durability_check(to, config);
    if (good)
        fprintf(to, "%s: ok\n", config->path);
    return good;
}
