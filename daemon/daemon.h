/* daemon: the process: everything that lives from start to stop, and the order in which it comes
 * and goes. */
#ifndef SIOTD_DAEMON_DAEMON_H
#define SIOTD_DAEMON_DAEMON_H

#include "config/config.h"
#include "daemon/durability.h"
#include "daemon/metrics_file.h"
#include "daemon/notify.h"
#include "daemon/pulse.h"
#include <uv.h>

/* Exit statuses, as the manual page has them. */
enum daemon_status {
    DAEMON_OK = 0,
    DAEMON_FAILED = 1, /* while starting or running */
    DAEMON_USAGE = 2,
    DAEMON_BAD_CONFIG = 3,
    DAEMON_STORE_LOST = 70, /* it can no longer be trusted; the process ends on the spot */
};

struct broker;
struct listener;
struct loop;

enum { DAEMON_SIGNALS = 4 };

struct daemon {
    bool verbose;          /* -v: debug, whatever the configuration says */
    struct config *config; /* owned; its members are borrowed all over the house, so it stays,
                              and a reload exchanges single members */
    struct notify notify;
    struct loop *loop; /* owned, as all that follows */
    struct broker *broker;
    struct durability durability;
    struct listener **listeners; /* one for each of the configuration's, in its order */
    size_t listener_count;       /* of those that are open */
    struct pulse pulse;
    struct metrics_file metrics_file;
    uint64_t started_ms; /* the loop's time when all was open */
    uv_signal_t signals[DAEMON_SIGNALS];
    size_t signal_count;
    struct timer stop_timer; /* looks whether all peers have gone */
    uint64_t stop_by_ms;     /* when those that have not are dropped; 0: not stopping */
};

/* Reads the configuration and opens all that it names. On DAEMON_OK everybody may come in;
 * otherwise the reason has been printed to stderr or logged. daemon_clear is due in either case. */
enum daemon_status daemon_start(struct daemon *daemon, const char *path, bool verbose);

/* Logs what of the listeners' credentials works but should not stay so. */
void daemon_inspect(const struct daemon *daemon);

/* Runs until a signal ends it. */
void daemon_run(struct daemon *daemon);

/* Begins to stop: nobody is let in, everybody is told, and daemon_run returns when all have gone,
 * at the latest after five seconds; at once when called a second time. */
void daemon_stop(struct daemon *daemon);

/* Lets go of everything. */
void daemon_clear(struct daemon *daemon);

#endif
