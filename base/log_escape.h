/* log_escape: how bytes become printable; log_escape itself is in base/log.h. */
#ifndef SIOTD_BASE_LOG_ESCAPE_H
#define SIOTD_BASE_LOG_ESCAPE_H

#include "base/slice.h"
#include "base/writer.h"

enum log_escaping {
    LOG_ESCAPE_CONTROLS, /* control and bidi characters, ill-formed UTF-8 */
    LOG_ESCAPE_QUOTES    /* these and '"' and '\\', for what stands between quotes */
};

/* Writes `from` with each byte of what must not be printed as \xNN. Where room ends, writing stops
 * between two characters, with to->overflow set. */
void log_escape_to(struct writer *to, struct slice from, enum log_escaping escaping);

#endif
