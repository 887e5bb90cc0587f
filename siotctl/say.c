/* say: how siotctl ends, and what it says when that is not well. */
#include "siotctl/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(const char *format, va_list values)
{
    fputs("siotctl: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
}

int say_failed(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(format, values);
    va_end(values);
    return ENDED_FAILED;
}

int say_misused(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(format, values);
    va_end(values);
    return ENDED_MISUSED;
}

int say_printed(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return say_failed("standard output: %s", strerror(errno));
    return ENDED_WELL;
}
