/* In place of work_dtls.c and work_flood.c where siotd is built without TLS. */
#include "bench/work.h"

int work_dtls(struct crowd *crowd, struct report *report)
{
    (void)report;
    crowd_fail(crowd, "built without TLS");
    return -1;
}

int work_flood(struct crowd *crowd, struct report *report)
{
    return work_dtls(crowd, report);
}
