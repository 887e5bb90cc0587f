/* daemon: see daemon.h. Owns the loop, the core and the listeners; stands around the way of a
 * message.
 *
 * Order: configuration, log, loop, core, signals, store, listeners, ready. Backwards at the end,
 * the core before the loop whose wheel it uses, and the store before both. daemon_clear works from
 * any point at which starting failed.
 */
#include "daemon/daemon.h"

#include "base/log.h"
#include "broker/broker.h"
#include "daemon/access.h"
#include "daemon/entry.h"
#include "daemon/figures.h"
#include "daemon/inherit.h"
#include "daemon/metrics.h"
#include "daemon/modules.h"
#include "daemon/privileges.h"
#include "daemon/reload.h"
#include "daemon/settings.h"
#include "transports/listener.h"
#include "transports/loop.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STOP_WAIT_MS = 5000, STOP_LOOK_MS = 10, FIRST_INHERITED_FD = 3 };

static const char *status_text(const struct daemon *daemon, char *to, size_t size)
{
    snprintf(to, size, "ready: %zu listener%s", daemon->listener_count,
             daemon->listener_count == 1 ? "" : "s");
    return to;
}

/* ---- the loop's turns ---- */

static void on_turn(void *owner, uint64_t mono_ms, int64_t wall_ms)
{
    broker_turn(((struct daemon *)owner)->broker, mono_ms, wall_ms);
}

static bool on_work(void *owner)
{
    struct daemon *daemon = owner;
    bool more = broker_work(daemon->broker);
    durability_settle(&daemon->durability);
    return more;
}

static const struct loop_hooks hooks = {.turn = on_turn, .work = on_work};

/* ---- start ---- */

static void print_mistake(void *to, const char *line)
{
    fprintf(to, "%s\n", line);
}

static enum daemon_status load_config(struct daemon *daemon, const char *path)
{
    struct report report;
    report_init(&report, path);
    daemon->config = config_load(path, modules_schema(), &report);
    report_show(&report, print_mistake, stderr);
    report_clear(&report);
    return daemon->config ? DAEMON_OK : DAEMON_BAD_CONFIG;
}

static enum daemon_status open_log(struct daemon *daemon)
{
    struct log_settings settings = process_log(daemon->config, daemon->verbose);
    int error = log_open(&settings);
    if (!error)
        return DAEMON_OK;
    fprintf(stderr, "%s: log.to: %s: %s\n", daemon->config->path, settings.to, strerror(-error));
    return DAEMON_FAILED;
}

static enum daemon_status out_of_memory(void)
{
    log_line(LOG_ERROR, "siotd", "out of memory or descriptors while starting");
    return DAEMON_FAILED;
}

static enum daemon_status make_core(struct daemon *daemon)
{
    daemon->loop = loop_new(&hooks, daemon);
    if (!daemon->loop)
        return out_of_memory();
    daemon->broker = broker_new(config_section(daemon->config, "limits"), loop_wheel(daemon->loop));
    daemon->listeners = calloc(daemon->config->listener_count, sizeof(struct listener *));
    if (!daemon->broker || !daemon->listeners)
        return out_of_memory();
    broker_set_access(daemon->broker, daemon->config->access);
    if (daemon->config->access->governs)
        access_log(daemon->config->access, "");
    return DAEMON_OK;
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct daemon *daemon = signal->data;
    loop_enter(daemon->loop);
    if (number == SIGHUP) {
        if (!daemon->stop_by_ms) /* too late otherwise */
            reload(daemon);
    } else if (number == SIGUSR1) {
        int error = log_reopen();
        log_line(error ? LOG_ERROR : LOG_INFO, "siotd", "log reopened%s%s", error ? ": " : "",
                 error ? strerror(-error) : "");
    } else {
        log_line(LOG_INFO, "siotd", "stopping: %s", number == SIGINT ? "SIGINT" : "SIGTERM");
        daemon_stop(daemon);
    }
    loop_leave(daemon->loop);
}

static enum daemon_status watch_signals(struct daemon *daemon)
{
    static const int numbers[DAEMON_SIGNALS] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < DAEMON_SIGNALS; i++) {
        uv_signal_t *watch = &daemon->signals[i];
        if (uv_signal_init(loop_uv(daemon->loop), watch) != 0)
            return out_of_memory();
        daemon->signal_count++;
        watch->data = daemon;
        if (uv_signal_start(watch, on_signal, numbers[i]) != 0)
            return out_of_memory();
    }
    return DAEMON_OK;
}

/* That the file can be made is known before anybody relies on it. */
static enum daemon_status open_metrics(struct daemon *daemon)
{
    const struct process_settings *settings = config_section(daemon->config, "");
    const char *path = settings->metrics_file;
    int error = path ? metrics_file_check(path) : 0;
    metrics_file_open(&daemon->metrics_file, loop_uv(daemon->loop), path);
    if (error)
        log_line(LOG_ERROR, "siotd", "metrics_file: %s: %s", path, strerror(-error));
    return error ? DAEMON_FAILED : DAEMON_OK;
}

/* Before anybody may come in: everything stands as it was. */
static enum daemon_status open_store(struct daemon *daemon)
{
    bool open = durability_open(&daemon->durability, daemon->config, daemon->loop, daemon->broker);
    return open ? DAEMON_OK : DAEMON_FAILED;
}

static enum daemon_status open_listener(struct daemon *daemon, size_t i, int inherited_fd)
{
    const struct listener_settings *settings = &daemon->config->listeners[i];
    const struct protocol *protocol = modules_protocol(settings->protocol);
    struct service service = {
        .broker = daemon->broker, .stats = broker_stats(daemon->broker), .protocol = protocol};
    char why[512], address[256], entry[ENTRY_SIZE];
    if (protocol->options)
        service.options = config_section(daemon->config, protocol->options->section);
    if (listener_open(daemon->loop, settings, &service, inherited_fd, &daemon->listeners[i], why,
                      sizeof(why)) < 0) {
        log_line(LOG_ERROR, "siotd", "%s", why);
        if (inherited_fd >= 0)
            close(inherited_fd);
        return DAEMON_FAILED;
    }
    daemon->listener_count++;
    listener_address(daemon->listeners[i], address, sizeof(address));
    log_line(LOG_INFO, "siotd", "%s%s",
             entry_text(settings, daemon->config->access, address, entry),
             inherited_fd >= 0 ? " (inherited socket)" : "");
    return DAEMON_OK;
}

/* All of them, or none: the first that fails ends the start, after the others have been tried, so
 * that every one that is in the way is named. */
static enum daemon_status open_listeners(struct daemon *daemon)
{
    static struct inheritance inheritance; /* large, and needed once */
    enum daemon_status status = DAEMON_OK;
    int *fds = calloc(daemon->config->listener_count, sizeof(*fds));
    if (!fds)
        return out_of_memory();
    inherit_collect(&inheritance, FIRST_INHERITED_FD);
    if (!inherit_assign(&inheritance, daemon->config, fds))
        status = DAEMON_FAILED;
    inherit_clear(&inheritance);
    for (size_t i = 0; i < daemon->config->listener_count; i++)
        if (open_listener(daemon, i, fds[i]) != DAEMON_OK)
            status = DAEMON_FAILED;
    free(fds);
    return status;
}

static void log_warning(void *name, const char *text)
{
    char about[96];
    snprintf(about, sizeof(about), "listener %s", (const char *)name);
    log_line(LOG_WARNING, about, "%s", text);
}

static void log_access_warning(void *unused, const char *text)
{
    (void)unused;
    log_line(LOG_WARNING, "siotd", "%s", text);
}

void daemon_inspect(const struct daemon *daemon)
{
    access_inspect(daemon->config, log_access_warning, NULL);
    for (size_t i = 0; i < daemon->listener_count; i++)
        listener_inspect(daemon->listeners[i], loop_wall_ms(daemon->loop) / 1000, log_warning,
                         daemon->config->listeners[i].name);
}

static void inspect_again(void *owner)
{
    daemon_inspect(owner);
}

static void write_metrics(struct daemon *daemon)
{
    struct buffer text = {0};
    if (!daemon->metrics_file.path)
        return;
    if (metrics_render(daemon, &text))
        metrics_file_write(&daemon->metrics_file, &text);
    else
        buffer_clear(&text); /* there may be memory next time */
}

static void say_figures(void *owner)
{
    struct daemon *daemon = owner;
    figures_say(daemon);
    durability_say(&daemon->durability);
    write_metrics(daemon);
}

static bool is_alive(void *owner, uint64_t patience_us)
{
    return durability_is_alive(&((struct daemon *)owner)->durability, patience_us);
}

static const struct pulse_hooks pulse_hooks = {
    .say = say_figures, .inspect = inspect_again, .alive = is_alive};

static void announce(struct daemon *daemon)
{
    const struct process_settings *settings = config_section(daemon->config, "");
    char status[64], promise[DURABILITY_TEXT_SIZE];
    daemon->started_ms = loop_now_ms(daemon->loop);
    daemon_inspect(daemon);
    pulse_start(&daemon->pulse, daemon->loop, daemon->broker, &daemon->notify,
                &settings->sys_interval, &pulse_hooks, daemon);
    log_line(LOG_INFO, "siotd", "%s", durability_text(daemon->config, promise));
    log_line(LOG_INFO, "siotd", "%s", status_text(daemon, status, sizeof(status)));
    notify_ready(&daemon->notify, status);
}

enum daemon_status daemon_start(struct daemon *daemon, const char *path, bool verbose)
{
    *daemon = (struct daemon){.verbose = verbose, .notify = {.fd = -1}};
    timer_init(&daemon->stop_timer, NULL);
    enum daemon_status status = load_config(daemon, path);
    if (status == DAEMON_OK)
        status = open_log(daemon);
    if (status != DAEMON_OK)
        return status;
    notify_open(&daemon->notify);
    log_line(LOG_INFO, "siotd", "siotd %s starting with %s", SIOTD_VERSION, path);
    privileges_prepare(daemon->config);
    status = make_core(daemon);
    if (status == DAEMON_OK)
        status = watch_signals(daemon);
    if (status == DAEMON_OK)
        status = open_metrics(daemon);
    if (status != DAEMON_OK)
        return status;
    loop_enter(daemon->loop); /* $SYS is published inside a turn, as everything is */
    status = open_store(daemon);
    if (status == DAEMON_OK)
        status = open_listeners(daemon);
    if (status == DAEMON_OK) {
        modules_recall(daemon->broker, daemon->loop);
        announce(daemon);
    }
    loop_leave(daemon->loop);
    return status;
}

/* From here on the process ends by itself: one more signal must not turn a clean end into a
 * killed one in the moment between the watcher's end and the process's. */
static void ignore_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

void daemon_run(struct daemon *daemon)
{
    loop_run(daemon->loop);
    ignore_signals();
    log_line(LOG_INFO, "siotd", "stopped");
}

/* ---- stop ---- */

static size_t connections(const struct daemon *daemon)
{
    size_t sum = 0;
    for (size_t i = 0; i < daemon->config->listener_count; i++)
        if (daemon->listeners[i])
            sum += listener_connections(daemon->listeners[i]);
    return sum;
}

/* Ends the loop when everybody has gone and all is written or the time is over, else looks again
 * soon. */
static void look_whether_gone(struct timer *timer)
{
    struct daemon *daemon = timer_owner(timer, struct daemon, stop_timer);
    uint64_t now_ms = loop_now_ms(daemon->loop);
    size_t left = connections(daemon);
    bool behind = !durability_hurry(&daemon->durability);
    if ((left || behind) && now_ms < daemon->stop_by_ms) {
        timer_set(loop_wheel(daemon->loop), timer, now_ms + STOP_LOOK_MS);
        return;
    }
    if (left)
        log_line(LOG_WARNING, "siotd", "%zu connections would not end and are dropped", left);
    if (behind)
        log_line(LOG_WARNING, "siotd",
                 "what the store has not taken is lost; nobody was told it "
                 "had been kept");
    loop_stop(daemon->loop);
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon->stop_by_ms) {
        loop_stop(daemon->loop);
        return;
    }
    notify_stopping(&daemon->notify);
    daemon->stop_by_ms = loop_now_ms(daemon->loop) + STOP_WAIT_MS;
    for (size_t i = 0; i < daemon->config->listener_count; i++)
        if (daemon->listeners[i])
            listener_stop(daemon->listeners[i]);
    timer_init(&daemon->stop_timer, look_whether_gone);
    timer_set(loop_wheel(daemon->loop), &daemon->stop_timer, loop_now_ms(daemon->loop));
}

/* What hangs on the loop, and then the loop. */
static void clear_loop(struct daemon *daemon)
{
    pulse_stop(&daemon->pulse);
    timer_cancel(loop_wheel(daemon->loop), &daemon->stop_timer);
    for (size_t i = 0; daemon->listeners && i < daemon->config->listener_count; i++)
        listener_close(daemon->listeners[i]);
    for (size_t i = 0; i < daemon->signal_count; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
    durability_close(&daemon->durability);
    metrics_file_close(&daemon->metrics_file);
    if (daemon->broker)
        broker_free(daemon->broker);
    loop_free(daemon->loop);
}

void daemon_clear(struct daemon *daemon)
{
    if (daemon->loop)
        clear_loop(daemon);
    free(daemon->listeners);
    notify_close(&daemon->notify);
    config_free(daemon->config);
    log_close();
    *daemon = (struct daemon){.notify = {.fd = -1}};
}
