/* See failing_memory.h. */
#include "failing_memory.h"
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void __real_free(void *at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void __wrap_free(void *at);
char *__wrap_strdup(const char *text); /* whose malloc is inside the C library */

struct failing_memory allocator;

static bool fails(void)
{
    if (!allocator.on)
        return false;
    long left = allocator.until--;
    return left <= 0 && left > -allocator.failures;
}

void *__wrap_malloc(size_t size)
{
    void *at = fails() ? NULL : __real_malloc(size);
    allocator.live += at != NULL;
    return at;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *at = fails() ? NULL : __real_calloc(count, size);
    allocator.live += at != NULL;
    return at;
}

void *__wrap_realloc(void *at, size_t size)
{
    void *moved = fails() ? NULL : __real_realloc(at, size);
    allocator.live += !at && moved;
    return moved;
}

void __wrap_free(void *at)
{
    allocator.live -= at != NULL;
    __real_free(at);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}
