/* text: words for people, as error messages need them.
 *
 * Stands beside the way of a message: the configuration asks it about a key that nobody knows.
 * Pure; quadratic in the length of a word, which is why words are limited. */
#include "base/text.h"

#include <string.h>

enum { WORD_MAX = 64 };

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein, each pair of neighbours swapped at most once. rows[i % 3][j] is the
 * distance of the first i characters of a from the first j of b. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = folded(a[i - 1]), y = folded(b[j - 1]);
            row[j] = smaller(above[j], row[j - 1]) + 1;
            row[j] = smaller(row[j], above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && y == folded(a[i - 2]))
                row[j] = smaller(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

const char *text_nearest(const char *unknown, const char *const *names, size_t count)
{
    size_t len = strlen(unknown);
    if (len == 0 || len > WORD_MAX)
        return NULL;
    const char *nearest = NULL;
    unsigned least = WORD_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(names[i]);
        if (name_len == 0 || name_len > WORD_MAX)
            continue;
        size_t longer = len > name_len ? len : name_len;
        unsigned wrong = distance(unknown, len, names[i], name_len);
        if (wrong * 3 <= longer && wrong < least) {
            nearest = names[i];
            least = wrong;
        }
    }
    return nearest;
}
