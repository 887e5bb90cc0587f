/* log_check: whether the log that a killed siotd left behind has been damaged since.
 *
 * SQLite reads its log up to the first frame whose checksum is wrong and takes that for where the
 * power was cut; what stands behind is dropped without a word. But behind a frame that was cut
 * there can be no second commit: each was flushed before the next one was written. So where there
 * is one, what is lost had been acknowledged, and somebody must be told. */
#ifndef SIOTD_STORE_LOG_CHECK_H
#define SIOTD_STORE_LOG_CHECK_H

#include <stdint.h>

/* How many commits stand in the log behind a damaged frame and cannot be used any more; 0 when the
 * log is sound, was cut at its end, or is not there. 1 when its head is damaged, since nobody can
 * count them then. */
uint64_t log_check(const char *path);

#endif
