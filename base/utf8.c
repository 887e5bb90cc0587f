/* utf8: what MQTT, MQTT-SN and CoAP call a UTF-8 string.
 *
 * Stands in every decoder: the topic of each PUBLISH passes here, nearly always ASCII, so eight
 * bytes are judged at a time and only a word that holds something unusual is read character by
 * character. Pure. */
#include "base/utf8.h"

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))
#define HIGH_BITS    EACH_BYTE(0x80)

static inline uint64_t load8(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

static inline uint32_t load4(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

/* Whether all eight bytes are 0x01..0x7f; clean: 0x20..0x7e. If no byte has its high bit, taking n
 * from each sets one exactly when some byte is below n (the lowest such byte borrows for itself),
 * and adding 1 sets one exactly for 0x7f. */
static inline bool word_ok(uint64_t v, bool clean)
{
    uint64_t suspect = v | (v - EACH_BYTE(clean ? 0x20 : 0x01));
    if (clean)
        suspect |= v + EACH_BYTE(0x01);
    return (suspect & HIGH_BITS) == 0;
}

static inline bool is_continuation(uint8_t b)
{
    return (b & 0xc0) == 0x80;
}

/* RFC 3629 section 4: the range of the second byte depends on the first, and with it overlong
 * forms, surrogates and what lies above U+10FFFF are shut out. */
int32_t utf8_next(struct slice s, size_t *len)
{
    uint8_t first = s.at[0], low = 0x80, high = 0xbf;
    size_t more;
    int32_t rune;
    *len = 1;
    if (first < 0x80)
        return first;
    if (first < 0xc2 || first > 0xf4)
        return -1;
    if (first < 0xe0) {
        more = 1;
        rune = first & 0x1f;
    } else if (first < 0xf0) {
        more = 2;
        rune = first & 0x0f;
        low = first == 0xe0 ? 0xa0 : 0x80;
        high = first == 0xed ? 0x9f : 0xbf;
    } else {
        more = 3;
        rune = first & 0x07;
        low = first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xf4 ? 0x8f : 0xbf;
    }
    if (s.len < 2 || s.at[1] < low || s.at[1] > high)
        return -1;
    rune = rune << 6 | (s.at[1] & 0x3f);
    for (*len = 2; *len <= more; (*len)++) {
        if (*len == s.len || !is_continuation(s.at[*len]))
            return -1;
        rune = rune << 6 | (s.at[*len] & 0x3f);
    }
    return rune;
}

/* MQTT 5.0 section 1.5.4, "SHOULD NOT include". */
static bool is_unwelcome(int32_t rune)
{
    return rune < 0x20 || (rune >= 0x7f && rune <= 0x9f) || (rune >= 0xfdd0 && rune <= 0xfdef) ||
           (rune & 0xfffe) == 0xfffe;
}

/* How many bytes at the front of s are ordinary, in whole words. */
static inline size_t skip_words(struct slice s, bool clean)
{
    size_t at = 0;
    while (s.len - at >= 8 && word_ok(load8(s.at + at), clean))
        at += 8;
    return at;
}

/* Whether the last 1 to 7 bytes are ordinary too: read as one word that overlaps what was passed
 * already or, of a string that is no word long, as parts that overlap each other. */
static inline bool tail_ok(struct slice s, bool clean)
{
    if (s.len >= 8)
        return word_ok(load8(s.at + s.len - 8), clean);
    if (s.len >= 4)
        return word_ok((uint64_t)load4(s.at) << 32 | load4(s.at + s.len - 4), clean);
    uint64_t v = EACH_BYTE('.') << 24 | (uint64_t)s.at[s.len - 1] << 16 |
                 (uint64_t)s.at[s.len / 2] << 8 | s.at[0];
    return word_ok(v, clean);
}

static bool check_runes(struct slice s, bool clean)
{
    while (s.len) {
        size_t len;
        int32_t rune = utf8_next(s, &len);
        if (rune <= 0 || (clean && is_unwelcome(rune)))
            return false;
        s = slice_from(s, len);
        if (rune < 0x80)
            s = slice_from(s, skip_words(s, clean));
    }
    return true;
}

static inline bool check(struct slice s, bool clean)
{
    size_t passed = skip_words(s, clean);
    if (passed == s.len || (s.len - passed < 8 && tail_ok(s, clean)))
        return true;
    return check_runes(slice_from(s, passed), clean);
}

bool utf8_well_formed(struct slice s)
{
    return check(s, false);
}

bool utf8_clean(struct slice s)
{
    return check(s, true);
}
