/* text: words for people, as error messages need them. */
#ifndef SIOTD_BASE_TEXT_H
#define SIOTD_BASE_TEXT_H

#include <stddef.h>

/* What somebody may have meant by `unknown`: the nearest of `count` names by the number of
 * characters left out, added, changed or swapped with a neighbour, the first of them when several
 * are equally near. NULL when none is near: more than a third of the longer word is wrong.
 * Case and '-' for '_' cost nothing. Words longer than 64 bytes are near to nothing. */
const char *text_nearest(const char *unknown, const char *const *names, size_t count);

#endif
