/* slow_flush: makes every disk as slow as a slow one. Loaded in front of a broker (LD_PRELOAD), it
 * lets each flush of a file take SLOW_FLUSH_US microseconds longer, so that what a broker does on a
 * disk whose flush takes a millisecond can be measured on a machine that has none. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int flush_function(int file);

static void wait_longer(void)
{
    const char *text = getenv("SLOW_FLUSH_US");
    long us = text ? atol(text) : 0;
    struct timespec more = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&more, NULL);
}

static int flush(const char *name, int file)
{
    union {
        void *symbol;
        flush_function *call;
    } real = {.symbol = dlsym(RTLD_NEXT, name)};

    wait_longer();
    return real.call(file);
}

int fsync(int file)
{
    return flush("fsync", file);
}

int fdatasync(int file)
{
    return flush("fdatasync", file);
}
