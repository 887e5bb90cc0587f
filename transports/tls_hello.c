/* tls_hello: see tls_hello.h. Before the first step of a handshake. */
#include "transports/tls_hello.h"

#include "base/cursor.h"

enum { HANDSHAKE = 22, CLIENT_HELLO = 1, RECORD_HEADER = 5, RECORD_MAX = 16384, HEADER = 4 };

enum {
    EXTENSION_GROUPS = 10,
    EXTENSION_MASTER_SECRET = 23,
    EXTENSION_VERSIONS = 43,
    EXTENSION_COOKIE = 44,
    EXTENSION_SHARES = 51,
    VERSION_13 = 0x0304,
    DTLS_VERSION_13 = 0xfefc,
};

static struct slice take_vector_8(struct cursor *c)
{
    return cursor_take(c, cursor_u8(c));
}

static struct slice take_vector_16(struct cursor *c)
{
    return cursor_take(c, cursor_u16(c));
}

/* ---- records ---- */

/* Puts the contents of the records one behind the other, as far as the message reaches. */
static enum tls_hello_state join(struct slice wire, uint8_t to[TLS_HELLO_MAX], size_t *length)
{
    struct cursor c = cursor_of(wire);
    size_t have = 0;
    while (cursor_left(&c) > 0) {
        if (c.at[0] != HANDSHAKE || (cursor_left(&c) > 1 && c.at[1] != 3))
            return TLS_HELLO_OTHER;
        if (cursor_left(&c) < RECORD_HEADER)
            return TLS_HELLO_PART;
        cursor_take(&c, RECORD_HEADER - 2);
        size_t size = cursor_u16(&c);
        if (size == 0 || size > RECORD_MAX)
            return TLS_HELLO_OTHER;
        if (size > cursor_left(&c)) /* nothing is lost by looking at what is there */
            size = cursor_left(&c);
        if (size > TLS_HELLO_MAX - have)
            return TLS_HELLO_OTHER;
        memcpy(to + have, c.at, size);
        cursor_take(&c, size);
        have += size;
        if (have > 0 && to[0] != CLIENT_HELLO)
            return TLS_HELLO_OTHER;
        if (have < HEADER)
            continue;
        *length = HEADER + ((size_t)to[1] << 16 | (size_t)to[2] << 8 | to[3]);
        if (*length > TLS_HELLO_MAX)
            return TLS_HELLO_OTHER;
        if (have >= *length)
            return TLS_HELLO_WHOLE;
    }
    return TLS_HELLO_PART;
}

/* ---- extensions ---- */

static bool names(struct slice list, uint16_t number)
{
    struct cursor c = cursor_of(list);
    while (cursor_left(&c) >= 2)
        if (cursor_u16(&c) == number)
            return true;
    return false;
}

static bool shares(struct slice list, uint16_t group)
{
    struct cursor c = cursor_of(list);
    while (cursor_left(&c) > 0 && !c.failed) {
        bool same = cursor_u16(&c) == group;
        take_vector_16(&c);
        if (same && !c.failed)
            return true;
    }
    return false;
}

static void read_extension(unsigned kind, struct slice bytes, uint16_t group,
                           struct tls_hello *hello)
{
    struct cursor c = cursor_of(bytes);
    struct slice list;
    switch (kind) {
    case EXTENSION_GROUPS:
        hello->names_group = names(take_vector_16(&c), group);
        break;
    case EXTENSION_MASTER_SECRET:
        hello->extended_master_secret = true;
        break;
    case EXTENSION_VERSIONS:
        list = take_vector_8(&c);
        hello->tls_13 = names(list, VERSION_13) || names(list, DTLS_VERSION_13);
        break;
    case EXTENSION_COOKIE:
        hello->cookie = take_vector_16(&c);
        break;
    case EXTENSION_SHARES:
        hello->shares_group = shares(take_vector_16(&c), group);
        break;
    default:
        break;
    }
}

bool tls_hello_body(struct slice body, bool datagram, uint16_t group, struct tls_hello *hello)
{
    struct cursor c = cursor_of(body);
    *hello = (struct tls_hello){.version = cursor_u16(&c)};
    cursor_take(&c, 32); /* random */
    hello->session = take_vector_8(&c);
    if (datagram)
        hello->cookie = take_vector_8(&c);
    hello->suites = take_vector_16(&c);
    hello->compression = take_vector_8(&c);
    if (c.failed)
        return false;
    if (cursor_left(&c) == 0) /* TLS 1.2 knows hellos without extensions */
        return true;
    size_t size = cursor_u16(&c);
    bool cut = size > cursor_left(&c);
    struct cursor extensions = cursor_of(cut ? cursor_rest(&c) : cursor_take(&c, size));
    while (cursor_left(&extensions) > 0 && !extensions.failed) {
        unsigned kind = cursor_u16(&extensions);
        struct slice bytes = take_vector_16(&extensions);
        if (!extensions.failed)
            read_extension(kind, bytes, group, hello);
    }
    return !cut && !c.failed && !extensions.failed;
}

enum tls_hello_state tls_hello_read(struct slice wire, uint16_t group, struct tls_hello *hello)
{
    uint8_t message[TLS_HELLO_MAX];
    size_t length = 0;
    enum tls_hello_state state = join(wire, message, &length);
    if (state != TLS_HELLO_WHOLE)
        return state;
    struct slice body = slice_of(message + HEADER, length - HEADER);
    bool good = tls_hello_body(body, false, group, hello);
    /* they stood in `message` */
    hello->session = hello->suites = hello->compression = hello->cookie = SLICE_EMPTY;
    return good ? TLS_HELLO_WHOLE : TLS_HELLO_OTHER;
}
