/* userfile: a file of lines "NAME:VALUE", of which one is changed.
 *
 * The file is replaced by a new one, never written in place: siotd may read it at any moment. The
 * new one belongs to whom the old one did, so that root may change a file that siotd must read. */
#include "siotctl/userfile.h"

#include "base/utf8.h"
#include "siotctl/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

const char *userfile_name_mistake(const char *name, size_t max)
{
    struct slice whole = slice_of_str(name);
    if (whole.len == 0 || whole.len > max)
        return "it is empty or too long";
    if (!utf8_clean(whole))
        return "it is not UTF-8 or has control characters";
    if (strchr(name, ':') || name[0] == '#')
        return "the file cannot hold a ':', nor a '#' in front";
    if (name[0] == ' ' || name[whole.len - 1] == ' ')
        return "it begins or ends with a blank";
    return NULL;
}

/* Splits the path of the file, behind all links, into folder and name. */
static int place(struct userfile *file)
{
    char *real = realpath(file->path, NULL);
    if (!real && errno != ENOENT)
        return -errno;
    if (!real)
        real = strdup(file->path);
    if (!real)
        return -ENOMEM;
    char *slash = strrchr(real, '/');
    file->name = strdup(slash ? slash + 1 : real);
    if (slash)
        slash[slash == real ? 1 : 0] = '\0';
    file->place = slash ? real : strdup(".");
    if (!slash)
        free(real);
    if (!file->name || !file->place)
        return -ENOMEM;
    return file->name[0] ? 0 : -EISDIR;
}

static int load(struct userfile *file)
{
    if (fstatat(file->folder.fd, file->name, &file->stat, 0) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISREG(file->stat.st_mode))
        return -EINVAL; /* a device or a pipe would be replaced by a file */
    file->exists = true;
    return folder_read(&file->folder, file->name, &file->text, &file->len);
}

int userfile_open(struct userfile *file, const char *path)
{
    *file = (struct userfile){.path = path, .folder = {-1}};
    int failed = place(file);
    if (!failed)
        failed = folder_open(&file->folder, file->place);
    if (!failed)
        failed = load(file);
    if (!failed)
        return ENDED_WELL;
    userfile_close(file);
    return say_failed("%s: %s", path, strerror(-failed));
}

void userfile_close(struct userfile *file)
{
    if (file->text)
        explicit_bzero(file->text, file->len);
    free(file->text);
    free(file->place);
    free(file->name);
    folder_close(&file->folder);
    *file = (struct userfile){.folder = {-1}};
}

/* The line at `offset`, with its line end if it has one. */
static struct slice line_at(const struct userfile *file, size_t offset)
{
    struct slice rest = slice_from(slice_of(file->text, file->len), offset);
    const uint8_t *end = rest.len ? memchr(rest.at, '\n', rest.len) : NULL;
    return end ? slice_of(rest.at, (size_t)(end - rest.at) + 1) : rest;
}

static bool is_of(struct slice line, const char *name)
{
    size_t len = strlen(name);
    return line.len > len && memcmp(line.at, name, len) == 0 && line.at[len] == ':';
}

bool userfile_has(const struct userfile *file, const char *name)
{
    for (size_t at = 0; at < file->len; at += line_at(file, at).len)
        if (is_of(line_at(file, at), name))
            return true;
    return false;
}

static void write_changed(FILE *to, const struct userfile *file, const char *name,
                          const char *value)
{
    bool open_end = file->len > 0 && file->text[file->len - 1] != '\n';
    for (size_t at = 0; at < file->len;) {
        struct slice line = line_at(file, at);
        at += line.len;
        if (!is_of(line, name)) {
            fwrite(line.at, 1, line.len, to);
            continue;
        }
        if (value)
            fprintf(to, "%s:%s\n", name, value);
        value = NULL; /* a second line of that name goes */
        if (at == file->len)
            open_end = false;
    }
    if (value)
        fprintf(to, "%s%s:%s\n", open_end ? "\n" : "", name, value);
}

int userfile_set(struct userfile *file, const char *name, const char *value)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return say_failed("out of memory");
    write_changed(to, file, name, value);
    bool bad = ferror(to) != 0;
    if (fclose(to) != 0 || bad) {
        free(text);
        return say_failed("out of memory");
    }
    int failed = folder_replace(&file->folder, file->name, slice_of(text, len),
                                file->exists ? &file->stat : NULL);
    explicit_bzero(text, len);
    free(text);
    return failed ? say_failed("%s: %s", file->path, strerror(-failed)) : ENDED_WELL;
}
