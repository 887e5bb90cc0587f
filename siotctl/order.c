/* order: see order.h. The options are those of mosquitto_pub and mosquitto_sub where they mean the
 * same. */
#include "siotctl/order.h"

#include "base/random.h"
#include "base/text.h"
#include "siotctl/dialect.h"
#include "siotctl/say.h"
#include "transports/tls_groups.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage_pub[] = "usage: siotctl pub [OPTION...] -t TOPIC {-m TEXT | -l | -s | -n}\n"
                                "\n"
                                "  -m TEXT    the message\n"
                                "  -l         each line of standard input is one\n"
                                "  -s         all of standard input is one\n"
                                "  -n         an empty one\n"
                                "  -r         to be retained\n";

static const char usage_sub[] =
    "usage: siotctl sub [OPTION...] -t TOPIC...\n"
    "\n"
    "  -C COUNT   end after so many messages\n"
    "  -W SECONDS end after so long, with exit status 3 when nothing has come\n"
    "  -v         print the topic in front of each message\n";

static const char usage_both[] =
    "  -t TOPIC   what it is about\n"
    "  -h HOST    the broker (127.0.0.1)\n"
    "  -p PORT    its port (of the protocol)\n"
    "  -q QOS     0, 1 or 2 (0); raw and coap have no 2\n"
    "  -i ID      client id, of mqtt and mqtt-sn (random)\n"
    "  -u USER, -P PASSWORD   of mqtt\n"
    "  -k SECONDS keep-alive, of mqtt and mqtt-sn (60)\n"
    "  --protocol mqtt | raw | mqtt-sn | coap   (mqtt)\n"
    "\n"
    "  --tls, --dtls           TLS on tcp, DTLS on udp\n"
    "  --tls-version, --dtls-version 1.2 | 1.3   (the best that both know)\n"
    "  --cafile FILE           who has signed the broker's certificate\n"
    "  --insecure              do not verify it\n"
    "  --cert FILE --key FILE  a certificate of one's own\n"
    "  --psk HEXKEY --psk-identity NAME   a pre-shared key instead\n"
    "  --groups LIST           of the key exchange, best first: X25519MLKEM768,X25519,P-256\n"
    "  --cid                   ask for a connection id (DTLS)\n"
    "  --mtu BYTES             of a DTLS datagram\n"
    "\n"
    "Exit status: 0 ok, 1 failure, 2 wrong usage, 3 nothing has come in time.\n";

enum letter {
    LONG_PROTOCOL = 256,
    LONG_TLS,
    LONG_DTLS,
    LONG_VERSION,
    LONG_CA,
    LONG_INSECURE,
    LONG_CERT,
    LONG_KEY,
    LONG_PSK,
    LONG_IDENTITY,
    LONG_GROUPS,
    LONG_CID,
    LONG_MTU,
    LONG_HELP,
};

static const struct option longs[] = {
    {"protocol", required_argument, NULL, LONG_PROTOCOL},
    {"tls", no_argument, NULL, LONG_TLS},
    {"dtls", no_argument, NULL, LONG_DTLS},
    {"tls-version", required_argument, NULL, LONG_VERSION},
    {"dtls-version", required_argument, NULL, LONG_VERSION},
    {"cafile", required_argument, NULL, LONG_CA},
    {"insecure", no_argument, NULL, LONG_INSECURE},
    {"cert", required_argument, NULL, LONG_CERT},
    {"key", required_argument, NULL, LONG_KEY},
    {"psk", required_argument, NULL, LONG_PSK},
    {"psk-identity", required_argument, NULL, LONG_IDENTITY},
    {"groups", required_argument, NULL, LONG_GROUPS},
    {"cid", no_argument, NULL, LONG_CID},
    {"mtu", required_argument, NULL, LONG_MTU},
    {"host", required_argument, NULL, 'h'},
    {"port", required_argument, NULL, 'p'},
    {"topic", required_argument, NULL, 't'},
    {"message", required_argument, NULL, 'm'},
    {"qos", required_argument, NULL, 'q'},
    {"retain", no_argument, NULL, 'r'},
    {"id", required_argument, NULL, 'i'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, LONG_HELP},
    {NULL, 0, NULL, 0},
};

/* What is gathered besides the order itself. */
struct reading {
    struct order *order;
    bool publishing, tls, dtls, protocol_named;
};

static bool misused(const char *option, const char *what)
{
    say_misused("%s %s", option, what);
    return false;
}

static bool read_number(const char *option, const char *text, uint64_t most, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value > most) {
        say_misused("%s: %s is no number up to %llu", option, text, (unsigned long long)most);
        return false;
    }
    *number = value;
    return true;
}

static bool read_key(const char *text, struct order *order)
{
    size_t len = strlen(text);
    order->psk_len = len / 2;
    if (len % 2 || len == 0 || order->psk_len > sizeof(order->psk))
        return misused("--psk", "needs 2 to 128 hexadecimal digits");
    for (size_t i = 0; i < order->psk_len; i++) {
        char two[3] = {text[2 * i], text[2 * i + 1], '\0'}, *end;
        order->psk[i] = (uint8_t)strtoul(two, &end, 16);
        if (end != two + 2 || two[0] == '-' || two[0] == '+' || two[0] == ' ')
            return misused("--psk", "needs hexadecimal digits");
    }
    return true;
}

static bool read_groups(char *text, struct order *order)
{
    char *rest;
    order->group_count = 0;
    for (char *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        int group = tls_group(name);
        if (!group || order->group_count == ORDER_GROUPS) {
            say_misused("--groups: there is no group %s; known: X25519MLKEM768 X25519 P-256 P-384 "
                        "P-521",
                        name);
            return false;
        }
        order->groups[order->group_count++] = group;
    }
    return true;
}

static bool read_source(struct order *order, enum order_source source, const char *message)
{
    if (order->source != FROM_NOWHERE)
        return misused("-m, -l, -s, -n:", "only one of them");
    order->source = source;
    order->message = message;
    return true;
}

static bool read_topic(struct order *order, const char *topic, bool publishing)
{
    if (*topic == '\0' || strlen(topic) > UINT16_MAX)
        return misused("-t:", "a topic has 1 to 65535 bytes");
    if (publishing && strpbrk(topic, "+#"))
        return misused("-t:", "+ and # are for those who subscribe");
    if (order->topic_count == (publishing ? 1 : (size_t)ORDER_TOPICS))
        return misused("-t:", publishing ? "only one topic" : "at most 64 topics");
    order->topics[order->topic_count++] = topic;
    return true;
}

static bool read_protocol(struct reading *reading, const char *name)
{
    static const char *const names[] = {"mqtt", "raw", "mqtt-sn", "coap"};
    reading->protocol_named = true;
    reading->order->dialect = dialect_named(name);
    if (reading->order->dialect)
        return true;
    const char *nearest = text_nearest(name, names, 4);
    say_misused("--protocol: there is no %s%s%s", name, nearest ? "; did you mean " : "",
                nearest ? nearest : "");
    return false;
}

static bool read_version(struct order *order, const char *text)
{
    if (strcmp(text, "1.2") != 0 && strcmp(text, "1.3") != 0)
        return misused("the version", "is 1.2 or 1.3");
    order->version = text[2] == '2' ? 12 : 13;
    return true;
}

/* Options with which the broker is told apart and the message described. */
static bool read_short(struct reading *reading, int letter, char *value)
{
    struct order *order = reading->order;
    uint64_t number = 0;
    bool good = true;
    switch (letter) {
    case 'h':
        order->host = value;
        break;
    case 'p':
        good = read_number("-p", value, 65535, &number);
        order->port = (unsigned)number;
        break;
    case 't':
        return read_topic(order, value, reading->publishing);
    case 'q':
        good = read_number("-q", value, 2, &number);
        order->qos = (unsigned)number;
        break;
    case 'k':
        good = read_number("-k", value, 65535, &number);
        order->keep_alive_s = (uint16_t)number;
        break;
    case 'i':
        order->client_id = value;
        break;
    case 'u':
        order->user = value;
        break;
    case 'P':
        order->password = value;
        break;
    case 'v':
        order->verbose = true;
        break;
    default:
        return false;
    }
    return good;
}

/* Options of one of the two verbs. */
static bool read_verbs_own(struct reading *reading, int letter, char *value)
{
    struct order *order = reading->order;
    bool good = true;
    switch (letter) {
    case 'm':
        return read_source(order, FROM_ARGUMENT, value);
    case 'l':
        return read_source(order, FROM_LINES, NULL);
    case 's':
        return read_source(order, FROM_STDIN, NULL);
    case 'n':
        return read_source(order, FROM_NOTHING, NULL);
    case 'r':
        order->retain = true;
        break;
    case 'C':
        good = read_number("-C", value, UINT32_MAX, &order->count);
        break;
    case 'W':
        good = read_number("-W", value, UINT32_MAX, &order->timeout_ms);
        order->timeout_ms *= 1000;
        break;
    default:
        return read_short(reading, letter, value);
    }
    return good;
}

static bool read_long(struct reading *reading, int letter, char *value)
{
    struct order *order = reading->order;
    uint64_t number = 0;
    switch (letter) {
    case LONG_PROTOCOL:
        return read_protocol(reading, value);
    case LONG_TLS:
        return (reading->tls = true);
    case LONG_DTLS:
        return (reading->dtls = true);
    case LONG_VERSION:
        return read_version(order, value);
    case LONG_CA:
        order->ca = value;
        return true;
    case LONG_INSECURE:
        return (order->insecure = true);
    case LONG_CERT:
        order->certificate = value;
        return true;
    case LONG_KEY:
        order->key = value;
        return true;
    case LONG_PSK:
        return read_key(value, order);
    case LONG_IDENTITY:
        order->psk_identity = value;
        return true;
    case LONG_GROUPS:
        return read_groups(value, order);
    case LONG_CID:
        return (order->connection_id = true);
    case LONG_MTU:
        if (!read_number("--mtu", value, 16384, &number) || number < 256)
            return misused("--mtu", "is from 256 to 16384");
        order->mtu = (unsigned)number;
        return true;
    default:
        return read_verbs_own(reading, letter, value);
    }
}

/* What does not go together. */
static bool agree_on_secrecy(struct reading *reading)
{
    struct order *order = reading->order;
    bool stream = order->dialect->stream;
    bool wanted = order->psk_identity || order->psk_len || order->ca || order->certificate ||
                  order->key || order->insecure || order->version || order->group_count;
    if ((reading->tls && !stream) || (reading->dtls && stream)) {
        say_misused("%s is spoken over %s", order->dialect->name,
                    stream ? "tcp, and --tls with it" : "udp, and --dtls with it");
        return false;
    }
    order->secure = reading->tls || reading->dtls;
    if (!order->secure && (wanted || order->connection_id || order->mtu))
        return misused(stream ? "--tls" : "--dtls", "is missing");
    if (!order->psk_identity != !order->psk_len)
        return misused("--psk and --psk-identity", "need each other");
    if (!order->certificate != !order->key)
        return misused("--cert and --key", "need each other");
    if (order->secure && !order->psk_identity && !order->ca && !order->insecure)
        return misused("--cafile, --psk or --insecure:",
                       "one of them has to say how the broker is verified");
    return true;
}

static bool agree(struct reading *reading)
{
    static char client_id[32];
    struct order *order = reading->order;
    if (!reading->protocol_named && reading->dtls)
        order->dialect = &raw_dialect; /* the only one that needs no choice */
    if (order->topic_count == 0)
        return misused("-t", "is missing");
    if (reading->publishing && order->source == FROM_NOWHERE)
        return misused("-m, -l, -s or -n", "is missing");
    if (order->qos > order->dialect->most_qos) {
        say_misused("-q: %s has no QoS %u", order->dialect->name, order->qos);
        return false;
    }
    if (!agree_on_secrecy(reading))
        return false;
    if (order->port == 0)
        order->port = order->secure ? order->dialect->secure_port : order->dialect->port;
    if (!order->client_id) {
        snprintf(client_id, sizeof(client_id), "siotctl-%012llx",
                 (unsigned long long)(random_u64() >> 16));
        order->client_id = client_id;
    }
    return true;
}

int order_read(struct order *order, bool publishing, int argc, char **argv)
{
    struct reading reading = {.order = order, .publishing = publishing};
    const char *own = publishing ? usage_pub : usage_sub;
    const char *letters = publishing ? "h:p:t:q:k:i:u:P:vm:lsnr" : "h:p:t:q:k:i:u:P:vC:W:";
    *order = (struct order){.host = "127.0.0.1", .keep_alive_s = 60, .dialect = &mqtt_dialect};
    for (int letter; (letter = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        if (letter == LONG_HELP) {
            printf("%s%s", own, usage_both);
            return -1;
        }
        if (letter == '?') {
            fprintf(stderr, "%s%s", own, usage_both);
            return ENDED_MISUSED;
        }
        if (!read_long(&reading, letter, optarg))
            return ENDED_MISUSED;
    }
    if (optind != argc) {
        say_misused("%s is no option", argv[optind]);
        return ENDED_MISUSED;
    }
    return agree(&reading) ? ENDED_WELL : ENDED_MISUSED;
}
