/* verdict: see verdict.h. */
#include "broker/verdict.h"

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[VERDICT_COUNT] = {
        [VERDICT_OK] = "ok",
        [VERDICT_NO_SUBSCRIBERS] = "no matching subscribers",
        [VERDICT_NO_SUBSCRIPTION] = "no subscription existed",
        [VERDICT_DENIED] = "not authorized",
        [VERDICT_BAD_TOPIC] = "topic name invalid",
        [VERDICT_BAD_FILTER] = "topic filter invalid",
        [VERDICT_TOO_LARGE] = "packet too large",
        [VERDICT_QUOTA] = "quota exceeded",
        [VERDICT_NO_MEMORY] = "out of memory",
    };
    return names[verdict];
}
