/* access: see access.h. Stands beside the way of a message: it is used at start and at reload.
 *
 * Everything is read and judged before anything is used, and whatever cannot be read is a mistake:
 * a file that is missing, empty where it must not be, cut short or out of reach for want of
 * descriptors never leaves the door wider than it was. */
#include "daemon/access.h"

#include "base/buffer.h"
#include "base/log.h"
#include "config/rules.h"
#include "transports/password.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 20, PATH_SIZE = 4096 };

static const struct option_row rows[] = {
    {.name = "password_file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct access_settings, password_file),
     .min = 1,
     .max = 4000,
     .reloadable = true,
     .help = "users and their password records, in Mosquitto's format (siotctl passwd)"},
    {.name = "acl_file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct access_settings, acl_file),
     .min = 1,
     .max = 4000,
     .reloadable = true,
     .help = "rules in Mosquitto's format; looked at after those of the list acl"},
    {.name = "bind_client_id",
     .type = OPTION_BOOL,
     .offset = offsetof(struct access_settings, bind_client_id),
     .fallback = "false",
     .reloadable = true,
     .help = "who has proven a name must use it as client id"},
    {.name = "password_checks",
     .type = OPTION_COUNT,
     .offset = offsetof(struct access_settings, password_checks),
     .fallback = "1",
     .min = 1,
     .max = 4,
     .reloadable = true,
     .help = "passwords that are verified at the same time, each on a thread of its own"},
    {.name = "password_checks_queued",
     .type = OPTION_COUNT,
     .offset = offsetof(struct access_settings, password_checks_queued),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .reloadable = true,
     .help = "connections that wait for that; more are told to come back later"},
};

static const char *const others[] = {"acl", NULL};

const struct option_table access_options = {.section = "auth",
                                            .rows = rows,
                                            .count = sizeof rows / sizeof rows[0],
                                            .size = sizeof(struct access_settings),
                                            .others = others};

/* ---- files ---- */

/* A file named in the configuration: relative to its folder. */
static const char *resolve(const struct config *config, const char *path, char to[PATH_SIZE])
{
    const char *slash = strrchr(config->path, '/');
    if (path[0] == '/' || !slash)
        snprintf(to, PATH_SIZE, "%s", path);
    else
        snprintf(to, PATH_SIZE, "%.*s/%s", (int)(slash - config->path), config->path, path);
    return to;
}

static int read_to_end(int fd, struct buffer *text)
{
    for (;;) {
        uint8_t *room = buffer_room(text, 65536);
        if (!room)
            return -ENOMEM;
        ssize_t got = read(fd, room, 65536);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0)
            text->len += (uint32_t)got;
        if (got == 0)
            return 0;
        if (text->len > FILE_MAX)
            return -EFBIG;
    }
}

/* The whole of a regular file. 0 or -errno. */
static int read_whole(const char *path, struct buffer *text)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    if (!error)
        error = read_to_end(fd, text);
    close(fd);
    return error;
}

/* A file under examination, and where the configuration names it. */
struct source {
    const char *key;
    char path[PATH_SIZE];
    struct place place;
    struct report *report;
};

static void on_mistake(void *to, unsigned line, unsigned column, const char *why)
{
    const struct source *source = to;
    if (line)
        report_add(source->report, source->place, "%s: %s:%u:%u: %s", source->key, source->path,
                   line, column, why);
    else
        report_add(source->report, source->place, "%s: %s: %s", source->key, source->path, why);
}

static bool fetch(struct source *source, const struct config *config, const struct node *section,
                  const char *key, const char *path, struct buffer *text, struct report *report)
{
    const struct node *node = node_get(section, key);
    source->key = key;
    source->place = node ? node->place : (struct place){0, 0};
    source->report = report;
    int error = read_whole(resolve(config, path, source->path), text);
    if (error)
        on_mistake(source, 0, 0, error == -EINVAL ? "it is no regular file" : strerror(-error));
    return error == 0;
}

/* ---- the parts ---- */

static void read_users(struct access *access, const struct config *config,
                       const struct node *section, const char *path, struct report *report)
{
    struct source source;
    struct buffer text = {0};
    if (fetch(&source, config, section, "password_file", path, &text, report))
        access->users = users_read(buffer_slice(&text), password_mistake, on_mistake, &source);
    if (text.at)
        explicit_bzero(text.at, text.len);
    buffer_clear(&text);
}

static void read_acl_file(struct access *access, const struct config *config,
                          const struct node *section, const char *path, struct report *report)
{
    struct source source;
    struct buffer text = {0};
    if (fetch(&source, config, section, "acl_file", path, &text, report))
        acl_read_mosquitto(access->acl, source.path, buffer_slice(&text), on_mistake, &source);
    buffer_clear(&text);
}

struct access *access_load(const struct config *config, const struct node *root,
                           struct report *report)
{
    const struct access_settings *settings = config_section(config, "auth");
    const struct node *section = node_get(root, "auth");
    const struct node *list = section ? node_get(section, "acl") : NULL;
    struct access *access = access_new();
    if (!access) {
        report_add(report, root->place, "auth: out of memory");
        return NULL;
    }
    access->bind_client_id = settings->bind_client_id;
    access->checks = (uint32_t)settings->password_checks;
    access->checks_queued = (uint32_t)settings->password_checks_queued;
    access->governs = settings->password_file || settings->acl_file || list;
    if (settings->password_file)
        read_users(access, config, section, settings->password_file, report);
    if (list)
        rules_read(list, config->path, access->acl, report);
    if (settings->acl_file)
        read_acl_file(access, config, section, settings->acl_file, report);
    if (!acl_seal(access->acl))
        report_add(report, root->place, "auth: out of memory");
    if (!report_any(report))
        return access;
    access_unref(access);
    return NULL;
}

/* ---- words ---- */

static void inspect_file(const struct config *config, const char *key, const char *path,
                         void (*warn)(void *to, const char *text), void *to)
{
    char resolved[PATH_SIZE], text[PATH_SIZE + 128];
    struct stat status;
    if (!path || stat(resolve(config, path, resolved), &status) != 0)
        return;
    if (status.st_mode & (S_IROTH | S_IWOTH)) {
        snprintf(text, sizeof text, "auth.%s: %s can be %s by every user of this machine", key,
                 resolved, status.st_mode & S_IWOTH ? "written" : "read");
        warn(to, text);
    }
}

void access_inspect(const struct config *config, void (*warn)(void *to, const char *text), void *to)
{
    const struct access_settings *settings = config_section(config, "auth");
    inspect_file(config, "password_file", settings->password_file, warn, to);
    inspect_file(config, "acl_file", settings->acl_file, warn, to);
    if (config->access->governs && acl_count(config->access->acl) == 0)
        warn(to, "auth: there are users or an empty list of rules, and no rule: nobody may publish "
                 "or subscribe to anything; see auth.acl");
}

void access_log(const struct access *access, const char *prefix)
{
    log_line(LOG_INFO, "siotd", "%sauth: %zu users with a password, %zu rules", prefix,
             access->users ? users_count(access->users) : 0, acl_count(access->acl));
}

void access_print(FILE *to, const struct config *config)
{
    const struct access *access = config->access;
    char line[4096];
    if (!access->governs) {
        fprintf(to, "rules: none, and no users: whoever is let in may do everything\n");
        return;
    }
    fprintf(to, "users: %zu with a password\n", access->users ? users_count(access->users) : 0);
    fprintf(to, "rules: %zu, the first that fits decides, none: denied\n", acl_count(access->acl));
    for (size_t i = 0; i < acl_count(access->acl); i++)
        fprintf(to, "  %s\n", acl_rule_text(access->acl, i, line, sizeof line));
}
