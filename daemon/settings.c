/* settings: see settings.h. */
#include "daemon/settings.h"

#include "daemon/durability.h"

static const char *const durabilities[] = {[DURABILITY_FLUSH] = "flush",
                                           [DURABILITY_WRITE] = "write",
                                           [DURABILITY_MEMORY] = "memory",
                                           NULL};

static const struct option_row process_rows[] = {
    {.name = "data_dir",
     .type = OPTION_TEXT,
     .offset = offsetof(struct process_settings, data_dir),
     .min = 1,
     .max = 4000,
     .path = true,
     .help = "the folder of what survives a restart (siotd.db); left out: nothing does"},
    {.name = "durability",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct process_settings, durability),
     .fallback = "flush",
     .choices = durabilities,
     .help = "what is acknowledged survives power loss (flush), the process alone (write), or "
             "nothing, data_dir being left alone (memory)"},
    {.name = "sys_interval",
     .type = OPTION_DURATION,
     .offset = offsetof(struct process_settings, sys_interval),
     .fallback = "10s",
     .min = 1000,
     .max = UINT64_C(24) * 3600 * 1000,
     .unlimited = true,
     .reloadable = true,
     .help = "how often $SYS is published and metrics_file written; unlimited: never"},
    {.name = "metrics_file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct process_settings, metrics_file),
     .min = 1,
     .max = 4000,
     .path = true,
     .reloadable = true,
     .help = "the file in which Prometheus (node_exporter) finds all figures; left out: none is "
             "written"},
};

const struct option_table process_options = OPTION_TABLE("", process_rows, struct process_settings);

static const char *const levels[] = {[LOG_ERROR] = "error",
                                     [LOG_WARNING] = "warning",
                                     [LOG_INFO] = "info",
                                     [LOG_DEBUG] = "debug",
                                     NULL};
static const char *const formats[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};

static const struct option_row log_rows[] = {
    {.name = "level",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct process_log_settings, level),
     .fallback = "info",
     .choices = levels,
     .reloadable = true,
     .help = "the least important lines that are still written"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct process_log_settings, format),
     .fallback = "text",
     .choices = formats,
     .reloadable = true,
     .help = "lines for people or for programs"},
    {.name = "to",
     .type = OPTION_TEXT,
     .offset = offsetof(struct process_log_settings, to),
     .fallback = "stderr",
     .min = 1,
     .max = 4000,
     .reloadable = true,
     .help = "stderr, syslog, journal, or the absolute path of a file"},
};

const struct option_table process_log_options =
    OPTION_TABLE("log", log_rows, struct process_log_settings);

struct log_settings process_log(const struct config *config, bool verbose)
{
    const struct process_log_settings *settings = config_section(config, "log");
    return (struct log_settings){
        .level = verbose ? LOG_DEBUG : (enum log_level)settings->level,
        .format = (enum log_format)settings->format,
        .to = settings->to,
    };
}

static void check_durability(const struct config *config, const struct node *root,
                             struct report *report)
{
    const struct process_settings *settings = config_section(config, "");
    const struct node *node = node_get(root, "durability");
    if (node && !settings->data_dir && !node_get(root, "data_dir") &&
        settings->durability != DURABILITY_MEMORY)
        report_add(report, node->place, "durability: needs data_dir, where to keep it");
}

static void check_metrics(const struct config *config, const struct node *root,
                          struct report *report)
{
    const struct process_settings *settings = config_section(config, "");
    const struct node *node = node_get(root, "metrics_file");
    if (node && settings->sys_interval == OPTION_UNLIMITED)
        report_add(report, node->place, "metrics_file: needs a sys_interval that is not unlimited");
}

static void check_log(const struct config *config, const struct node *root, struct report *report)
{
    static const char *const words[] = {"stderr", "syslog", "journal"};
    const struct process_log_settings *settings = config_section(config, "log");
    const struct node *node = node_get(node_get(root, "log"), "to");
    bool good = settings->to[0] == '/';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        good = good || strcmp(settings->to, words[i]) == 0;
    if (!good)
        report_add(report, node ? node->place : root->place,
                   "to: must be stderr, syslog, journal or an absolute path");
}

void process_check(const struct config *config, const struct node *root, struct report *report)
{
    check_durability(config, root, report);
    check_metrics(config, root, report);
    check_log(config, root, report);
}
