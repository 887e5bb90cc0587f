/* graft: see graft.h. Stands beside salvage.c. */
#include "store/graft.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offsets in the first page, SQLite file format section 1.3. */
enum {
    PAGE_BYTES = 4096,
    CHANGE_AT = 24,
    PAGES_AT = 28,
    FREE_AT = 32,
    FREE_COUNT_AT = 36,
    COOKIE_AT = 40,
    VALID_AT = 92,
    HEADER_END = 100,
};

static int open_at(const struct folder *folder, const char *name, int flags)
{
    char path[PATH_MAX];
    int opened = open(folder_file(folder, name, path), flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    return opened < 0 ? -errno : opened;
}

static int write_all(int to, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(to, bytes, length);
        if (written < 0)
            return -errno;
        bytes += written;
        length -= (size_t)written;
    }
    return 0;
}

static int copy_bytes(int from, int to)
{
    uint8_t bytes[1 << 16];
    ssize_t length;
    while ((length = read(from, bytes, sizeof(bytes))) > 0) {
        int error = write_all(to, bytes, (size_t)length);
        if (error)
            return error;
    }
    return length < 0 ? -errno : 0;
}

static int copy_file(const struct folder *folder, const char *from_name, const char *to_name)
{
    int from = open_at(folder, from_name, O_RDONLY);
    if (from < 0)
        return from;
    int to = open_at(folder, to_name, O_WRONLY | O_CREAT | O_TRUNC);
    int error = to < 0 ? to : copy_bytes(from, to);
    close(from);
    if (to >= 0 && close(to) < 0 && !error)
        error = -errno;
    return error;
}

static void put_u32(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* The first page of a new database says nothing of the pages that this one has more. */
static void fit(uint8_t *page, uint64_t pages)
{
    put_u32(page + PAGES_AT, pages);
    put_u32(page + FREE_AT, 0);
    put_u32(page + FREE_COUNT_AT, 0);
    memcpy(page + VALID_AT, page + CHANGE_AT, 4); /* "the number of pages is right" */
}

static bool read_first_page(const struct folder *folder, const char *name, uint8_t page[PAGE_BYTES])
{
    int from = open_at(folder, name, O_RDONLY);
    ssize_t length = from < 0 ? -1 : pread(from, page, PAGE_BYTES, 0);
    if (from >= 0)
        close(from);
    return length == PAGE_BYTES;
}

bool graft_needed(const struct folder *folder)
{
    uint8_t ours[PAGE_BYTES], sound[PAGE_BYTES];
    if (!read_first_page(folder, FOLDER_DATABASE, ours) ||
        !read_first_page(folder, FOLDER_NEW, sound))
        return true;
    /* Between these offsets stand counts that change with every commit, then the library's version.
     */
    memset(ours + CHANGE_AT, 0, COOKIE_AT - CHANGE_AT);
    memset(sound + CHANGE_AT, 0, COOKIE_AT - CHANGE_AT);
    memset(ours + VALID_AT, 0, HEADER_END - VALID_AT);
    memset(sound + VALID_AT, 0, HEADER_END - VALID_AT);
    return memcmp(ours, sound, PAGE_BYTES) != 0;
}

static int replace_first_page(const struct folder *folder)
{
    uint8_t page[PAGE_BYTES];
    if (!read_first_page(folder, FOLDER_NEW, page))
        return -EIO;
    fit(page, folder_file_size(folder, GRAFT_NAME) / PAGE_BYTES);
    int to = open_at(folder, GRAFT_NAME, O_WRONLY);
    if (to < 0)
        return to;
    ssize_t length = pwrite(to, page, sizeof(page), 0);
    return close(to) < 0 || length != sizeof(page) ? -EIO : 0;
}

int graft_make(const struct folder *folder)
{
    int error = copy_file(folder, FOLDER_DATABASE, GRAFT_NAME);
    if (!error)
        error = replace_first_page(folder);
    if (!error)
        error = copy_file(folder, FOLDER_DATABASE "-wal", GRAFT_NAME "-wal");
    return error == -ENOENT ? 0 : error; /* a database that was closed well has no log */
}

void graft_remove(const struct folder *folder)
{
    static const char *const names[] = {GRAFT_NAME, GRAFT_NAME "-wal", GRAFT_NAME "-shm"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(folder_file(folder, names[i], path));
}
