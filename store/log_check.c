/* log_check: see log_check.h. The format is SQLite's file format, section 4. */
#include "store/log_check.h"

#include "base/cursor.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEAD_SIZE = 32, FRAME_HEAD_SIZE = 24, SUMMED_HEAD = 24, SUMMED_FRAME_HEAD = 8 };
enum { PAGE_MIN = 512, PAGE_MAX = 65536 };
static const uint32_t magic_little = 0x377f0682, magic_big = 0x377f0683;

struct sum {
    uint32_t one, two;
};

struct log {
    int file;
    uint8_t *frame; /* owned: a frame's head and page */
    uint32_t page_size, salt_one, salt_two;
    bool big; /* sums are over big-endian words */
};

static uint32_t word(const uint8_t *at, bool big)
{
    return big ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
               : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static struct sum add(struct sum sum, const uint8_t *at, size_t length, bool big)
{
    for (const uint8_t *end = at + length; at < end; at += 8) {
        sum.one += word(at, big) + sum.two;
        sum.two += word(at + 4, big) + sum.one;
    }
    return sum;
}

static bool equal(struct sum a, struct sum b)
{
    return a.one == b.one && a.two == b.two;
}

/* The head as it is read; false when its sum is wrong or nothing in it can be used. */
static bool read_head(struct log *log, struct sum *sum)
{
    uint8_t head[HEAD_SIZE];
    if (pread(log->file, head, sizeof(head), 0) != sizeof(head))
        return false;
    struct cursor cursor = cursor_of(slice_of(head, sizeof(head)));
    uint32_t magic = cursor_u32(&cursor);
    cursor_u32(&cursor); /* the version of the format */
    log->page_size = cursor_u32(&cursor);
    cursor_u32(&cursor); /* how often the log has started anew */
    log->salt_one = cursor_u32(&cursor);
    log->salt_two = cursor_u32(&cursor);
    sum->one = cursor_u32(&cursor);
    sum->two = cursor_u32(&cursor);
    log->big = magic == magic_big;
    return (magic == magic_big || magic == magic_little) && log->page_size >= PAGE_MIN &&
           log->page_size <= PAGE_MAX && log->page_size % PAGE_MIN == 0 &&
           equal(*sum, add((struct sum){0, 0}, head, SUMMED_HEAD, log->big));
}

/* A frame: whether it belongs to this run of the log, what it says its sum is, whether that is
 * right when it follows a frame with the sum `before`, and whether it ends a commit. */
struct frame {
    bool ours, sound, ends_commit;
    struct sum sum;
};

static bool read_frame(const struct log *log, uint64_t number, struct sum before,
                       struct frame *frame)
{
    size_t size = FRAME_HEAD_SIZE + log->page_size;
    off_t at = HEAD_SIZE + (off_t)(number * size);
    if (pread(log->file, log->frame, size, at) != (ssize_t)size)
        return false;
    struct cursor cursor = cursor_of(slice_of(log->frame, FRAME_HEAD_SIZE));
    cursor_u32(&cursor); /* the page's number */
    frame->ends_commit = cursor_u32(&cursor) != 0;
    frame->ours = cursor_u32(&cursor) == log->salt_one;
    frame->ours = cursor_u32(&cursor) == log->salt_two && frame->ours;
    frame->sum.one = cursor_u32(&cursor);
    frame->sum.two = cursor_u32(&cursor);
    struct sum sum = add(before, log->frame, SUMMED_FRAME_HEAD, log->big);
    sum = add(sum, log->frame + FRAME_HEAD_SIZE, log->page_size, log->big);
    frame->sound = equal(sum, frame->sum);
    return true;
}

/* Commits that end behind the first frame that is not sound. The first of them may be the one that
 * was being written when all stopped, and counts only when another one follows. */
static uint64_t count_lost(const struct log *log, struct sum sum)
{
    struct frame frame;
    uint64_t commits = 0;
    bool broken = false;
    for (uint64_t number = 0; read_frame(log, number, sum, &frame); number++) {
        if (!frame.ours || !frame.sound)
            broken = true;
        else if (broken && frame.ends_commit)
            commits++;
        sum = frame.sum;
    }
    return commits > 1 ? commits : 0;
}

/* Without a head nothing of the log is used, and a frame was only written when its head was. */
static uint64_t look(struct log *log)
{
    struct sum sum;
    off_t size = lseek(log->file, 0, SEEK_END);
    bool sound = read_head(log, &sum);
    if (size < HEAD_SIZE + FRAME_HEAD_SIZE)
        return 0;
    if (!sound)
        return 1;
    log->frame = malloc(FRAME_HEAD_SIZE + (size_t)log->page_size);
    uint64_t lost = log->frame ? count_lost(log, sum) : 0;
    free(log->frame);
    return lost;
}

uint64_t log_check(const char *path)
{
    struct log log = {.file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
    if (log.file < 0)
        return 0;
    uint64_t lost = look(&log);
    close(log.file);
    return lost;
}
