/* topic: the rules of topic names and filters, MQTT 5.0 section 4.7 and 4.8. Pure. */
#ifndef SIOTD_BROKER_TOPIC_H
#define SIOTD_BROKER_TOPIC_H

#include "base/slice.h"

/* Whether s can name a topic: 1 to max_length bytes, well-formed UTF-8 without U+0000, no '+' or
 * '#' [MQTT-3.3.2-2, MQTT-4.7.3-1..3], at most max_levels levels. */
bool topic_name_valid(struct slice s, size_t max_length, size_t max_levels);

/* Whether s is a filter: as above, with '+' only as a whole level and '#' only as the whole last
 * level [MQTT-4.7.1-1, MQTT-4.7.1-2]. Not for "$share/..." filters: split those first. */
bool topic_filter_valid(struct slice s, size_t max_length, size_t max_levels);

/* Whether the filter selects the topic; both valid. '#' and '+' in first place do not match a
 * topic that begins with '$' [MQTT-4.7.2-1]. */
bool topic_matches(struct slice filter, struct slice topic);

/* Whether every topic that the filter `narrow` selects is selected by `wide`; both valid. */
bool topic_filter_covers(struct slice wide, struct slice narrow);

/* Whether some topic is selected by both filters; both valid. */
bool topic_filters_overlap(struct slice a, struct slice b);

/* Whether a valid filter holds + or #. */
bool topic_has_wildcard(struct slice filter);

/* Takes the next level off *rest into *level; false when there is none left. A topic of n
 * slashes has n + 1 levels, empty ones included [MQTT-4.7.3]. Start with *more = true. */
bool topic_next_level(struct slice *rest, struct slice *level, bool *more);

enum topic_share { TOPIC_NOT_SHARED, TOPIC_SHARED, TOPIC_SHARE_MALFORMED };

/* Splits "$share/NAME/FILTER" into group and inner filter [MQTT-4.8.2-1, MQTT-4.8.2-2]. */
enum topic_share topic_split_share(struct slice s, struct slice *group, struct slice *filter);

#endif
