/* utf8: what MQTT, MQTT-SN and CoAP call a UTF-8 string.
 *
 * Stands in every decoder: the topic of each PUBLISH passes here, nearly always ASCII, so eight
 * bytes are judged at a time and only a word that holds something unusual is read character by
 * character. Pure. */
#include "base/utf8.h"

#include <endian.h>

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))
#define HIGH_BITS    EACH_BYTE(0x80)

/* The first byte in memory becomes the lowest, whatever the machine. */
static inline uint64_t load8(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return le64toh(v);
}

static inline uint32_t load4(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

/* 0 when all eight bytes are 0x01..0x7f; clean: 0x20..0x7e. Else the lowest bit that is set is the
 * high bit of the first byte that is not. If no byte has its high bit, taking n from each sets one
 * for the lowest byte below n (which borrows for itself; those above it may borrow wrongly), and
 * adding 1 sets one for 0x7f. */
static inline uint64_t suspects(uint64_t v, bool clean)
{
    uint64_t found = v | (v - EACH_BYTE(clean ? 0x20 : 0x01));
    if (clean)
        found |= v + EACH_BYTE(0x01);
    return found & HIGH_BITS;
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

/* How many bytes at the front of s are ordinary; of the last seven nothing is known. */
static inline size_t skip_ordinary(struct slice s, bool clean)
{
    size_t at = 0;
    while (s.len - at >= 8) {
        uint64_t found = suspects(load8(s.at + at), clean);
        if (found)
            return at + (size_t)__builtin_ctzll(found) / 8;
        at += 8;
    }
    return at;
}

/* Whether the last 1 to 7 bytes are ordinary too: read as one word that overlaps what was passed
 * already or, of a string that is no word long, as parts that overlap each other. */
static inline bool tail_ordinary(struct slice s, bool clean)
{
    uint64_t v;
    if (s.len >= 8)
        v = load8(s.at + s.len - 8);
    else if (s.len >= 4)
        v = (uint64_t)load4(s.at) << 32 | load4(s.at + s.len - 4);
    else
        v = EACH_BYTE('.') << 24 | (uint64_t)s.at[s.len - 1] << 16 |
            (uint64_t)s.at[s.len / 2] << 8 | s.at[0];
    return suspects(v, clean) == 0;
}

/* One character at a time, as far as there is no ASCII. */
static bool check_runes(struct slice s, bool clean)
{
    while (s.len) {
        size_t len;
        int32_t rune = utf8_next(s, &len);
        if (rune <= 0 || (clean && is_unwelcome(rune)))
            return false;
        s = slice_from(s, len);
        if (s.len && s.at[0] < 0x80)
            s = slice_from(s, skip_ordinary(s, clean));
    }
    return true;
}

static inline bool check(struct slice s, bool clean)
{
    size_t passed = skip_ordinary(s, clean);
    if (passed == s.len || (s.len - passed < 8 && tail_ordinary(s, clean)))
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
