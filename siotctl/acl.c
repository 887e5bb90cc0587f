/* acl: siotctl acl test: whether somebody may do something, and which line of which file says so.
 *
 * Reads the configuration as siotd does and asks the same rules in the same way. */
#include "base/hash.h"
#include "base/random.h"
#include "broker/topic.h"
#include "daemon/access.h"
#include "daemon/modules.h"
#include "siotctl/say.h"
#include "siotctl/verbs.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "usage: siotctl acl test USER ACTION TOPIC -c FILE [--client ID] [--cn NAME]\n"
    "\n"
    "  USER         a user name, or - for the anonymous\n"
    "  ACTION       publish, subscribe or receive\n"
    "  TOPIC        a topic; with subscribe a filter\n"
    "  -c FILE      the configuration of siotd\n"
    "  --client ID  the client id, for %c (otherwise the user's name)\n"
    "  --cn NAME    the name in the certificate, for ${cert.cn}\n"
    "\n"
    "Exit status: 0 allowed, 1 denied or failed, 2 wrong usage.\n";

struct question {
    const char *path, *client_id, *common_name;
    const char *user, *action, *topic;
};

static void print_mistake(void *to, const char *line)
{
    fprintf(to, "%s\n", line);
}

static struct config *load(const char *path)
{
    struct report report;
    report_init(&report, path);
    struct config *config = config_load(path, modules_schema(), &report);
    report_show(&report, print_mistake, stderr);
    report_clear(&report);
    return config;
}

static bool read_action(const char *word, enum acl_right *right)
{
    static const struct {
        const char *word;
        enum acl_right right;
    } rows[] = {{"publish", ACL_PUBLISH}, {"subscribe", ACL_SUBSCRIBE}, {"receive", ACL_RECEIVE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(word, rows[i].word) == 0) {
            *right = rows[i].right;
            return true;
        }
    return false;
}

static int print_decision(const struct acl *acl, const struct acl_subject *subject,
                          enum acl_right right, struct slice topic)
{
    char line[4096];
    long rule;
    bool spoilt;
    struct grant *grant = acl_select(acl, subject);
    if (!grant)
        return say_failed("out of memory");
    bool allowed = grant_explain(grant, right, topic, &rule, &spoilt);
    grant_free(grant);
    if (rule < 0)
        printf("denied: no rule fits\n");
    else
        printf("%s by %s%s\n", allowed ? "allowed" : "denied",
               acl_rule_text(acl, (size_t)rule, line, sizeof line),
               spoilt ? " (a name with + # / or NUL may not stand in it)" : "");
    int status = say_printed();
    return status == ENDED_WELL && !allowed ? ENDED_FAILED : status;
}

static int answer(const struct access *access, const struct question *question)
{
    enum acl_right right;
    struct slice topic = slice_of_str(question->topic), group;
    bool anonymous = strcmp(question->user, "-") == 0;
    if (!read_action(question->action, &right))
        return say_misused("%s is no action: publish, subscribe or receive", question->action);
    if (right == ACL_SUBSCRIBE)
        topic_split_share(topic, &group, &topic);
    if (right == ACL_SUBSCRIBE ? !topic_filter_valid(topic, UINT16_MAX, UINT16_MAX)
                               : !topic_name_valid(topic, UINT16_MAX, UINT16_MAX))
        return say_misused("%s is no topic %s", question->topic,
                           right == ACL_SUBSCRIBE ? "filter" : "name");
    if (right == ACL_PUBLISH && topic.at[0] == '$') {
        printf("denied: topics that begin with $ are siotd's own to write\n");
        return ENDED_FAILED;
    }
    if (!access->governs) {
        printf("allowed: there are no users and no rules\n");
        return say_printed();
    }
    const char *client_id = question->client_id ? question->client_id : question->user;
    const struct acl_subject subject = {.anonymous = anonymous,
                                        .user = slice_of_str(anonymous ? NULL : question->user),
                                        .client_id = slice_of_str(client_id),
                                        .cert_cn = slice_of_str(question->common_name)};
    return print_decision(access->acl, &subject, right, topic);
}

int acl_run(int argc, char **argv)
{
    enum { CLIENT = 256, COMMON_NAME };
    static const struct option longs[] = {{"client", required_argument, NULL, CLIENT},
                                          {"cn", required_argument, NULL, COMMON_NAME},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct question question = {.path = NULL};
    for (int letter; (letter = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        if (letter == 'h') {
            fputs(usage, stdout);
            return say_printed();
        }
        if (letter == 'c')
            question.path = optarg;
        else if (letter == CLIENT)
            question.client_id = optarg;
        else if (letter == COMMON_NAME)
            question.common_name = optarg;
        else
            return fputs(usage, stderr), ENDED_MISUSED;
    }
    if (!question.path || argc - optind != 4 || strcmp(argv[optind], "test") != 0)
        return fputs(usage, stderr), ENDED_MISUSED;
    question.user = argv[optind + 1];
    question.action = argv[optind + 2];
    question.topic = argv[optind + 3];
    hash_start(random_u64());
    struct config *config = load(question.path);
    int status = config ? answer(config->access, &question) : ENDED_FAILED;
    config_free(config);
    return status;
}
