/* name: what certificates are issued to. */
#include "siotctl/name.h"

#include <arpa/inet.h>

enum { TAG_DNS = DER_CONTEXT(2), TAG_URI = DER_CONTEXT(6), TAG_IP = DER_CONTEXT(7) };

/* Not isalnum: that one asks the locale. */
static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *name_mistake(const char *name)
{
    /* Files of the folder that are no certificate's. */
    static const char *const taken[] = {"ca", "index", "revoked"};
    size_t len = strlen(name);
    if (len == 0 || len > NAME_LEN_MAX)
        return "a name has 1 to 63 characters";
    for (size_t i = 0; i < len; i++)
        if (!is_alphanumeric(name[i]) && !strchr("-_.", name[i]))
            return "a name has only letters, digits, '-', '_' and '.'";
    if (!is_alphanumeric(name[0]) || !is_alphanumeric(name[len - 1]) || strstr(name, ".."))
        return "a name begins and ends with a letter or a digit, and has no '..'";
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(name, taken[i]) == 0)
            return "that name is for the authority itself";
    return NULL;
}

static bool is_host(const char *host)
{
    size_t len = strlen(host), label = 0;
    if (strncmp(host, "*.", 2) == 0)
        return is_host(host + 2) && host[2] != '*' && strchr(host + 2, '.');
    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (host[i] == '.') {
            if (label == 0 || host[i - 1] == '-')
                return false;
            label = 0;
        } else if (is_alphanumeric(host[i]) || host[i] == '_' || (host[i] == '-' && label > 0)) {
            if (++label > 63)
                return false;
        } else {
            return false;
        }
    }
    return label > 0 && host[len - 1] != '-';
}

/* An absolute one: scheme, ':' and something, of the characters that RFC 3986 has. */
static bool is_uri(const char *uri)
{
    const char *colon = strchr(uri, ':');
    if (!colon || colon == uri || colon[1] == '\0' || strlen(uri) > 253)
        return false;
    for (const char *at = uri; at < colon; at++)
        if (!is_alphanumeric(*at) && (at == uri || !strchr("+-.", *at)))
            return false;
    for (const char *at = colon; *at; at++)
        if (!is_alphanumeric(*at) && !strchr("-._~:/?#[]@!$&'()*+,;=%", *at))
            return false;
    return true;
}

/* The address's bytes: 4, 16, or 0 when it is none. */
static size_t address(const char *text, uint8_t bytes[16])
{
    if (inet_pton(AF_INET, text, bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

const char *name_alt_mistake(const char *text)
{
    uint8_t bytes[16];
    if (strncmp(text, "DNS:", 4) == 0)
        return is_host(text + 4) ? NULL : "this is no host name";
    if (strncmp(text, "IP:", 3) == 0)
        return address(text + 3, bytes) ? NULL : "this is no IP address";
    if (strncmp(text, "URI:", 4) == 0)
        return is_uri(text + 4) ? NULL : "this is no absolute URI";
    return "it has to start with DNS:, IP: or URI:";
}

void name_put_alt(struct der *der, const char *const *texts, size_t count)
{
    size_t mark = der->len;
    for (size_t i = count; i-- > 0;) {
        const char *value = strchr(texts[i], ':') + 1;
        uint8_t bytes[16], tag = texts[i][0] == 'D' ? TAG_DNS : TAG_URI;
        struct slice content = slice_of_str(value);
        if (texts[i][0] == 'I') {
            tag = TAG_IP;
            content = slice_of(bytes, address(value, bytes));
        }
        der_put(der, content);
        der_wrap(der, tag, content.len);
    }
    der_wrap_since(der, DER_SEQUENCE, mark);
}
