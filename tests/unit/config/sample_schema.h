/* sample_schema: a small daemon's worth of option tables, for the tests of config/. */
#ifndef SIOTD_TESTS_SAMPLE_SCHEMA_H
#define SIOTD_TESTS_SAMPLE_SCHEMA_H

#include "config/config.h"
#include "protocols/protocol.h"

struct sample_top {
    uint64_t sys_interval;
};

struct sample_limits {
    uint64_t packet_size, inflight, queued;
    bool strict;
    int policy;
    char *banner, *password;
};

static const char *const sample_policies[] = {"refuse", "drop", NULL};

#define ROW(name_, type_, struct_, member_, ...)                                                   \
    {                                                                                              \
        .name = (name_), .type = (type_), .offset = offsetof(struct_, member_),                    \
        .help = "help of " name_, __VA_ARGS__                                                      \
    }

static const struct option_row sample_top_rows[] = {
    ROW("sys_interval", OPTION_DURATION, struct sample_top, sys_interval, .fallback = "10s",
        .min = 1000, .max = 86400000, .unlimited = true, .reloadable = true),
};
static const struct option_table sample_top_table =
    OPTION_TABLE("", sample_top_rows, struct sample_top);

static const struct option_row sample_limit_rows[] = {
    ROW("packet_size", OPTION_SIZE, struct sample_limits, packet_size, .fallback = "1MiB",
        .min = 1024, .max = UINT64_C(256) << 20, .reloadable = true),
    ROW("inflight", OPTION_COUNT, struct sample_limits, inflight, .fallback = "32", .min = 1,
        .max = 65535, .reloadable = true),
    ROW("queued", OPTION_COUNT, struct sample_limits, queued, .fallback = "1000", .max = 1000000,
        .unlimited = true),
    ROW("strict", OPTION_BOOL, struct sample_limits, strict, .fallback = "true",
        .reloadable = true),
    ROW("policy", OPTION_CHOICE, struct sample_limits, policy, .fallback = "refuse",
        .choices = sample_policies, .reloadable = true),
    ROW("banner", OPTION_TEXT, struct sample_limits, banner, .max = 20, .reloadable = true),
    ROW("password", OPTION_TEXT, struct sample_limits, password, .min = 4, .max = 20,
        .reloadable = true, .secret = true),
};
static const struct option_table sample_limit_table =
    OPTION_TABLE("limits", sample_limit_rows, struct sample_limits);

static const struct option_row sample_listener_rows[] = {
    ROW("name", OPTION_TEXT, struct listener_settings, name, .required = true, .min = 1, .max = 32),
    ROW("protocol", OPTION_TEXT, struct listener_settings, protocol, .required = true, .min = 1,
        .max = 32),
    ROW("transport", OPTION_TEXT, struct listener_settings, transport, .required = true, .min = 1,
        .max = 32),
    ROW("bind", OPTION_ADDRESS, struct listener_settings, bind, .required = true, .max = 200),
    ROW("mountpoint", OPTION_TEXT, struct listener_settings, mountpoint, .fallback = "",
        .max = 200),
    ROW("topic", OPTION_TEXT, struct listener_settings, topic, .min = 1, .max = 200),
    ROW("anonymous", OPTION_BOOL, struct listener_settings, anonymous, .fallback = "false",
        .reloadable = true),
    ROW("max_connections", OPTION_COUNT, struct listener_settings, max_connections,
        .fallback = "100000", .min = 1, .max = 10000000, .unlimited = true, .reloadable = true),
};
static const struct option_table sample_listener_table =
    OPTION_TABLE("listeners", sample_listener_rows, struct listener_settings);

static const struct option_table *const sample_sections[] = {&sample_top_table,
                                                             &sample_limit_table};
static const struct config_name sample_protocols[] = {
    {"mqtt", CARRIER_STREAM, false, false},
    {"raw", CARRIER_DATAGRAM, false, false},
    {"both", CARRIER_STREAM | CARRIER_DATAGRAM, false, false}};
static const struct config_name sample_transports[] = {{"tcp", CARRIER_STREAM, true, false},
                                                       {"udp", CARRIER_DATAGRAM, false, false}};

static const struct config_schema sample_schema = {
    .sections = sample_sections,
    .section_count = 2,
    .listener = &sample_listener_table,
    .protocols = sample_protocols,
    .protocol_count = 3,
    .transports = sample_transports,
    .transport_count = 2,
};

#endif
