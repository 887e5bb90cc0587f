/* watches: room for one more descriptor in libuv's table of those that it watches.
 *
 * The table doubles when a descriptor does not fit, and libuv ends the process when there is no
 * memory for that. So the memory for the next time is put by before it is needed, and nobody is let
 * in while that cannot be done. For the thread of the loop alone. */
#ifndef SIOTD_TRANSPORTS_WATCHES_H
#define SIOTD_TRANSPORTS_WATCHES_H

#include <stdbool.h>

/* Before anything else of libuv; more often does no harm. False when out of memory. */
bool watches_begin(void);

/* Whether the table may grow whatever happens; tries to put memory by when there is none. */
bool watches_have_room(void);

#endif
