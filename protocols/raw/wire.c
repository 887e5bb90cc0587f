/* wire: see wire.h. Bounded by the datagram: each byte is looked at a few times at most. */
#include "protocols/raw/wire.h"

static const struct {
    const char *name;
    bool topic, number, words; /* what may stand behind it */
} verbs[RAW_VERBS] = {
    [RAW_PUB] = {"PUB", true, false, true},      [RAW_SUB] = {"SUB", true, false, true},
    [RAW_UNSUB] = {"UNSUB", true, false, false}, [RAW_PING] = {"PING", false, false, false},
    [RAW_ACK] = {"ACK", false, true, false},     [RAW_BYE] = {"BYE", false, false, false},
    [RAW_OK] = {"OK", false, false, true},       [RAW_MSG] = {"MSG", true, false, true},
    [RAW_PONG] = {"PONG", false, false, false},  [RAW_ERR] = {"ERR", false, false, false},
};

/* ---- reading ---- */

/* Cuts the first line off *rest, without its end. */
static struct slice take_line(struct slice *rest)
{
    const uint8_t *end = rest->len ? memchr(rest->at, '\n', rest->len) : NULL;
    struct slice line = slice_of(rest->at, end ? (size_t)(end - rest->at) : rest->len);
    *rest = end ? slice_from(*rest, line.len + 1) : SLICE_EMPTY;
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Cuts the next word off *rest; empty when there is none. */
static struct slice take_word(struct slice *rest)
{
    size_t from = 0, to;
    while (from < rest->len && rest->at[from] == ' ')
        from++;
    for (to = from; to < rest->len && rest->at[to] != ' ';)
        to++;
    struct slice word = slice_of(rest->at ? rest->at + from : NULL, to - from);
    *rest = slice_from(*rest, to);
    return word;
}

static bool find_verb(struct slice word, enum raw_verb *verb)
{
    for (int i = 0; i < RAW_VERBS; i++)
        if (slice_equal(word, slice_of_str(verbs[i].name))) {
            *verb = (enum raw_verb)i;
            return true;
        }
    return false;
}

/* A number with one spelling. */
static bool read_number(struct slice word, uint64_t *number)
{
    uint64_t n = 0;
    if (word.len == 0 || (word.len > 1 && word.at[0] == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(word.at[i] - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = 10 * n + digit;
    }
    *number = n;
    return true;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether each '%' has its two digits. */
static bool is_readable(struct slice written)
{
    for (size_t i = 0; i < written.len; i++) {
        if (written.at[i] != '%')
            continue;
        if (written.len - i < 3 || digit_of(written.at[i + 1]) < 0 ||
            digit_of(written.at[i + 2]) < 0)
            return false;
        i += 2;
    }
    return true;
}

/* One word behind the topic. */
static enum raw_fault take_option(struct slice word, struct raw_line *line)
{
    if (line->verb == RAW_SUB) {
        bool known = word.len == 5 && slice_starts_with(word, SLICE("qos=")) &&
                     (word.at[4] == '0' || word.at[4] == '1');
        if (!known || line->qos_said)
            return RAW_BAD_WORD;
        line->qos = (uint8_t)(word.at[4] - '0');
        line->qos_said = true;
        return RAW_GOOD;
    }
    if (slice_starts_with(word, SLICE("id="))) {
        if (line->has_id)
            return RAW_BAD_WORD;
        line->has_id = read_number(slice_from(word, 3), &line->id);
        return line->has_id ? RAW_GOOD : RAW_BAD_ID;
    }
    if (line->verb != RAW_PUB || line->retain || !slice_equal(word, SLICE("retain")))
        return RAW_BAD_WORD;
    line->retain = true;
    return RAW_GOOD;
}

enum raw_fault raw_decode(struct slice datagram, struct raw_line *line)
{
    *line = (struct raw_line){0};
    struct slice rest = take_line(&datagram);
    if (rest.len == 0 || rest.at[0] == ' ') /* a verb is the first thing there is */
        return RAW_NO_VERB;
    struct slice word = take_word(&rest);
    if (!find_verb(word, &line->verb))
        return RAW_NO_VERB;
    line->payload = datagram;
    if (line->verb == RAW_ERR) {
        line->reason = slice_from(rest, 1);
        return RAW_GOOD;
    }
    if (verbs[line->verb].topic) {
        line->topic = take_word(&rest);
        if (line->topic.len == 0)
            return RAW_NO_TOPIC;
        if (!is_readable(line->topic))
            return RAW_BAD_TOPIC;
    }
    if (verbs[line->verb].number) {
        line->has_id = read_number(take_word(&rest), &line->id);
        if (!line->has_id)
            return RAW_BAD_ID;
    }
    while ((word = take_word(&rest)).len) {
        enum raw_fault fault = verbs[line->verb].words ? take_option(word, line) : RAW_BAD_WORD;
        if (fault != RAW_GOOD)
            return fault;
    }
    return RAW_GOOD;
}

struct slice raw_read_topic(struct slice written, uint8_t *room)
{
    size_t len = 0;
    if (!memchr(written.at, '%', written.len))
        return written;
    for (size_t i = 0; i < written.len; i++) {
        uint8_t byte = written.at[i];
        if (byte == '%') {
            byte = (uint8_t)(digit_of(written.at[i + 1]) << 4 | digit_of(written.at[i + 2]));
            i += 2;
        }
        room[len++] = byte;
    }
    return slice_of(room, len);
}

/* ---- writing ---- */

static bool is_escaped(uint8_t byte)
{
    return byte <= ' ' || byte == '%' || byte == 0x7f;
}

static size_t written_len(struct slice topic)
{
    size_t len = topic.len;
    for (size_t i = 0; i < topic.len; i++)
        if (is_escaped(topic.at[i]))
            len += 2;
    return len;
}

static void write_topic(struct writer *to, struct slice topic)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < topic.len; i++) {
        uint8_t byte = topic.at[i];
        if (!is_escaped(byte)) {
            writer_u8(to, byte);
            continue;
        }
        writer_u8(to, '%');
        writer_u8(to, (uint8_t)digits[byte >> 4]);
        writer_u8(to, (uint8_t)digits[byte & 15]);
    }
}

/* Writes the decimal digits of n to the end of `room`. */
static struct slice digits_of(uint64_t n, uint8_t room[20])
{
    size_t at = 20;
    do {
        room[--at] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n);
    return slice_of(room + at, 20 - at);
}

static bool has_payload(const struct raw_line *line)
{
    return line->verb == RAW_PUB || line->verb == RAW_MSG;
}

static bool has_qos(const struct raw_line *line)
{
    return line->verb == RAW_SUB && line->qos;
}

size_t raw_size(const struct raw_line *line)
{
    uint8_t room[20];
    size_t size = strlen(verbs[line->verb].name);
    if (verbs[line->verb].topic)
        size += 1 + written_len(line->topic);
    if (line->verb == RAW_ERR && line->reason.len)
        size += 1 + line->reason.len;
    if (verbs[line->verb].number)
        size += 1 + digits_of(line->id, room).len;
    else if (line->has_id)
        size += 4 + digits_of(line->id, room).len;
    size += line->retain ? 7 : 0;
    size += has_qos(line) ? 6 : 0;
    return size + (has_payload(line) ? 1 + line->payload.len : 0);
}

void raw_encode(struct writer *to, const struct raw_line *line)
{
    uint8_t room[20];
    writer_bytes(to, slice_of_str(verbs[line->verb].name));
    if (verbs[line->verb].topic) {
        writer_u8(to, ' ');
        write_topic(to, line->topic);
    }
    if (line->verb == RAW_ERR && line->reason.len) {
        writer_u8(to, ' ');
        writer_bytes(to, line->reason);
    }
    if (line->retain)
        writer_bytes(to, SLICE(" retain"));
    if (verbs[line->verb].number)
        writer_u8(to, ' ');
    else if (line->has_id)
        writer_bytes(to, SLICE(" id="));
    if (verbs[line->verb].number || line->has_id)
        writer_bytes(to, digits_of(line->id, room));
    if (has_qos(line))
        writer_bytes(to, SLICE(" qos=1"));
    if (has_payload(line)) {
        writer_u8(to, '\n');
        writer_bytes(to, line->payload);
    }
}

/* ---- templates ---- */

static bool fits_in_level(struct slice device, bool first)
{
    for (size_t i = 0; i < device.len; i++)
        if (device.at[i] == '/' || device.at[i] == '+' || device.at[i] == '#' || device.at[i] == 0)
            return false;
    return device.len && !(first && device.at[0] == '$');
}

bool raw_fill_template(struct slice pattern, struct slice device, struct writer *to)
{
    static const struct slice mark = {(const uint8_t *)"${device}", 9};
    for (size_t i = 0; i < pattern.len;) {
        if (!slice_starts_with(slice_from(pattern, i), mark)) {
            writer_u8(to, pattern.at[i++]);
            continue;
        }
        if (!fits_in_level(device, i == 0))
            return false;
        writer_bytes(to, device);
        i += mark.len;
    }
    return !to->overflow;
}
