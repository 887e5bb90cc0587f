/* check: see check.h. */
#include "daemon/check.h"

#include "daemon/access.h"
#include "daemon/entry.h"
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
    if (listener_probe(listener->bind, why, sizeof(why)) < 0)
        fprintf(to, "warning: %s: %s\n", listener->name, why);
    return true;
}

/* A file that is not there yet is made in its folder. */
static void check_log(FILE *to, const char *path)
{
    char folder[4096];
    int error = 0;
    if (path[0] != '/')
        return;
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    if (access(path, F_OK) == 0)
        error = access(path, W_OK) == 0 ? 0 : errno;
    else
        error = access(folder[0] ? folder : "/", W_OK | X_OK) == 0 ? 0 : errno;
    if (error)
        fprintf(to, "warning: log.to: %s: %s\n", path, strerror(error));
}

bool check_print(FILE *to, const struct config *config)
{
    bool good = true;
    for (size_t i = 0; i < config->listener_count; i++)
        good &= check_listener(to, config, &config->listeners[i]);
    access_print(to, config);
    access_inspect(config, print_warning, to);
    check_log(to, process_log(config, false).to);
    fprintf(to, "memory only: nothing survives a restart\n");
    if (good)
        fprintf(to, "%s: ok\n", config->path);
    return good;
}
