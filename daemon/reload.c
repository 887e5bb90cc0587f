/* reload: see reload.h. Stands beside the way of a message.
 *
 * Two steps, and between them the point of no return. First all that can fail: reading, comparing,
 * opening the log. Then the exchange, which cannot: members change hands, nothing is allocated. It
 * runs on the loop's thread between two events, so no message sees half of it. */
#include "daemon/reload.h"

#include "base/log.h"
#include "broker/broker.h"
#include "config/changes.h"
#include "daemon/access.h"
#include "daemon/daemon.h"
#include "daemon/modules.h"
#include "daemon/settings.h"
#include "transports/listener.h"
#include <stdio.h>
#include <string.h>

static void log_mistake(void *unused, const char *line)
{
    (void)unused;
    log_line(LOG_ERROR, "siotd", "reload: %s", line);
}

/* The configuration as the file now has it, or NULL, explained. */
static struct config *read_again(const char *path)
{
    struct report report;
    report_init(&report, path);
    struct config *wanted = config_load(path, modules_schema(), &report);
    report_show(&report, log_mistake, NULL);
    report_clear(&report);
    return wanted;
}

static bool touches(const struct changes *changes, const char *section)
{
    for (size_t i = 0; i < changes->count; i++)
        if (strcmp(changes->all[i].section, section) == 0)
            return true;
    return false;
}

/* The last thing that can fail. The old log stays when it does. */
static bool open_log(const struct daemon *daemon, const struct config *wanted,
                     const struct changes *changes)
{
    if (!touches(changes, "log"))
        return true;
    struct log_settings settings = process_log(wanted, daemon->verbose);
    int error = log_open(&settings);
    if (error)
        log_line(LOG_ERROR, "siotd", "reload: log.to: %s: %s", settings.to, strerror(-error));
    return error == 0;
}

/* Whether the figures can be written where they are to be from now on. */
static bool check_metrics(const struct daemon *daemon, const struct config *wanted)
{
    const struct process_settings *running = config_section(daemon->config, "");
    const char *path = ((const struct process_settings *)config_section(wanted, ""))->metrics_file;
    if (!path || (running->metrics_file && strcmp(path, running->metrics_file) == 0))
        return true;
    int error = metrics_file_check(path);
    if (error)
        log_line(LOG_ERROR, "siotd", "reload: metrics_file: %s: %s", path, strerror(-error));
    return error == 0;
}

/* New certificates, keys and lists are read before anything is changed, whether or not their names
 * have changed: what is in the files has. */
static bool prepare_listeners(struct daemon *daemon, const struct config *wanted)
{
    char why[700];
    for (size_t i = 0; i < daemon->listener_count; i++) {
        const struct listener_settings *settings =
            config_listener(wanted, daemon->config->listeners[i].name);
        /* One on another transport needs a restart anyway. */
        if (!settings || strcmp(settings->transport, daemon->config->listeners[i].transport) != 0)
            continue;
        if (listener_prepare(daemon->listeners[i], settings, why, sizeof(why)) == 0)
            continue;
        log_line(LOG_ERROR, "siotd", "reload: %s", why);
        return false;
    }
    return true;
}

static void discard_listeners(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->listener_count; i++)
        listener_discard(daemon->listeners[i]);
}

static void log_change(const struct change *change, const char *outcome)
{
    char key[CHANGE_KEY_SIZE], before[VALUE_TEXT_SIZE], after[VALUE_TEXT_SIZE];
    log_line(LOG_INFO, "siotd", "reload: %s: %s -> %s %s", change_key(change, key),
             change_old(change, before), change_new(change, after), outcome);
}

/* Users and rules, as they are in the files now. Listeners have been told before: who is in is
 * looked through by both. */
static void adopt_access(struct daemon *daemon, struct config *wanted)
{
    struct access *former = daemon->config->access;
    daemon->config->access = wanted->access;
    wanted->access = former;
    broker_set_access(daemon->broker, daemon->config->access);
    if (former->governs || daemon->config->access->governs)
        access_log(daemon->config->access, "reload: ");
}

/* The members change hands, then all who keep something of their own are told. */
static void adopt(struct daemon *daemon, struct config *wanted, const struct changes *changes)
{
    const struct process_settings *settings = config_section(daemon->config, "");
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->all[i];
        log_change(change, change_reloadable(change) ? "applied" : "needs restart");
        if (change_reloadable(change))
            change_adopt(change);
    }
    for (size_t i = 0; i < daemon->listener_count; i++) {
        const struct listener_settings *listener = &daemon->config->listeners[i];
        const struct protocol *protocol = modules_protocol(listener->protocol);
        listener_apply(
            daemon->listeners[i], listener,
            protocol->options ? config_section(daemon->config, protocol->options->section) : NULL);
    }
    adopt_access(daemon, wanted);
    daemon_inspect(daemon);
    metrics_file_move(&daemon->metrics_file, settings->metrics_file);
    if (touches(changes, ""))
        pulse_changed(&daemon->pulse);
}

/* Whether the running configuration is now as the file, as far as it can be. */
static bool take_over(struct daemon *daemon, struct config *wanted)
{
    struct changes changes;
    if (changes_find(daemon->config, wanted, &changes) < 0) {
        log_line(LOG_ERROR, "siotd", "reload: out of memory");
        return false;
    }
    bool possible = prepare_listeners(daemon, wanted) && check_metrics(daemon, wanted) &&
                    open_log(daemon, wanted, &changes);
    if (!possible)
        discard_listeners(daemon);
    if (possible) {
        adopt(daemon, wanted, &changes);
        log_line(LOG_INFO, "siotd", "reload: done, %zu key%s differed", changes.count,
                 changes.count == 1 ? "" : "s");
    }
    changes_clear(&changes);
    return possible;
}

void reload(struct daemon *daemon)
{
    notify_reloading(&daemon->notify);
    struct config *wanted = read_again(daemon->config->path);
    bool done = wanted && take_over(daemon, wanted);
    if (!done)
        log_line(LOG_ERROR, "siotd", "reload: nothing has changed, the old configuration stays");
    config_free(wanted);
    notify_ready(&daemon->notify,
                 done ? "running, configuration reloaded" : "running, the last reload failed");
}
