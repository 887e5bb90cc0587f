/* uploads: see uploads.h. Between a request and the resource it is for: request.c.
 *
 * Invariant: bytes is the sum of what the bodies hold. */
#include "protocols/coap/uploads.h"

#include "base/hash.h"

#include <stdlib.h>

void coap_uploads_init(struct coap_uploads *uploads)
{
    *uploads = (struct coap_uploads){0};
    list_init(&uploads->all);
}

void coap_upload_end(struct coap_uploads *uploads, struct coap_upload *upload)
{
    if (!upload)
        return;
    uploads->count--;
    uploads->bytes -= upload->body.len;
    list_remove(&upload->link);
    buffer_clear(&upload->body);
    free(upload);
}

static struct coap_upload *oldest(struct coap_uploads *uploads)
{
    struct list *link = list_first(&uploads->all);
    return link ? list_item(link, struct coap_upload, link) : NULL;
}

void coap_uploads_clear(struct coap_uploads *uploads)
{
    while (oldest(uploads))
        coap_upload_end(uploads, oldest(uploads));
}

/* What the request is for: method, path and query (RFC 7959 section 2.5: the same options). */
static uint64_t request_hash(const struct coap_request *request)
{
    struct coap_option_walk path = request->path, query = request->query;
    struct slice value;
    uint64_t hash = request->message.code;
    for (unsigned i = 0; i < request->path_count && coap_next_of(&path, COAP_URI_PATH, &value); i++)
        hash = hash * 31 + hash_slice(value);
    for (unsigned i = 0; i < request->query_count && coap_next_of(&query, COAP_URI_QUERY, &value);
         i++)
        hash = hash * 37 + hash_slice(value);
    return hash;
}

static struct coap_upload *find(struct coap_uploads *uploads, const struct coap_where *where,
                                const struct coap_request *request)
{
    uint64_t hash = request_hash(request);
    list_each(link, &uploads->all)
    {
        struct coap_upload *u = list_item(link, struct coap_upload, link);
        if (u->request == hash && memcmp(&u->where, where, sizeof *where) == 0 &&
            slice_equal(slice_of(u->tag, u->tag_len), request->request_tag))
            return u;
    }
    return NULL;
}

static struct coap_upload *begin(struct coap_uploads *uploads, const struct coap_where *where,
                                 const struct coap_request *request)
{
    struct coap_upload *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->where = *where;
    u->request = request_hash(request);
    u->tag_len = (uint8_t)request->request_tag.len; /* at most 8: decode.c */
    if (u->tag_len)
        memcpy(u->tag, request->request_tag.at, u->tag_len);
    u->has_format = request->has_content_format;
    u->format = request->content_format;
    list_init(&u->link);
    list_append(&uploads->all, &u->link);
    uploads->count++;
    return u;
}

/* Makes room for `len` bytes more, by letting go of those that nothing was heard of for longest. */
static void make_room(struct coap_uploads *uploads, const struct coap_upload_limits *limits,
                      const struct coap_upload *except, size_t len, uint32_t now_s)
{
    for (;;) {
        struct coap_upload *u = oldest(uploads);
        if (!u || u == except)
            return;
        if (now_s - u->heard_s <= COAP_EXCHANGE_LIFETIME_S && uploads->count <= limits->count &&
            uploads->bytes + len <= limits->bytes)
            return;
        coap_upload_end(uploads, u);
    }
}

static bool append(struct coap_uploads *uploads, struct coap_upload *u, struct slice piece)
{
    if (buffer_append(&u->body, piece) != 0)
        return false;
    uploads->bytes += piece.len;
    return true;
}

/* Whether the block is the one that the body waits for, RFC 7959 section 2.5; *again: it is the
 * one before, which need not be kept twice. */
static bool continues(const struct coap_upload *u, const struct coap_request *request, bool *again)
{
    uint64_t offset = coap_block_offset(request->block1);
    *again = offset + request->message.payload.len == u->body.len && request->block1.more;
    return (offset == u->body.len || *again) && u->has_format == request->has_content_format &&
           u->format == request->content_format;
}

enum coap_code coap_uploads_take(struct coap_uploads *uploads, const struct coap_where *where,
                                 const struct coap_request *request,
                                 const struct coap_upload_limits *limits, uint32_t now_s,
                                 struct slice *body, struct coap_upload **upload)
{
    struct coap_block block = request->block1;
    struct slice piece = request->message.payload;
    struct coap_upload *u = find(uploads, where, request);
    *upload = NULL;
    if (block.number == 0) { /* begins, or begins again */
        coap_upload_end(uploads, u);
        u = NULL;
    }
    if (block.more ? piece.len != coap_block_size(block) : piece.len > coap_block_size(block))
        return COAP_BAD_REQUEST; /* RFC 7959 section 2.2 */
    if (coap_block_offset(block) + piece.len > limits->body ||
        (request->has_size1 && request->size1 > limits->body)) {
        coap_upload_end(uploads, u);
        return COAP_TOO_LARGE; /* RFC 7959 section 2.9.3 */
    }
    if (block.number == 0 && !block.more) {
        *body = piece;
        return COAP_EMPTY;
    }
    bool again = false;
    if (block.number == 0)
        u = begin(uploads, where, request);
    else if (!u || !continues(u, request, &again))
        return COAP_INCOMPLETE; /* RFC 7959 section 2.9.2 */
    if (!u)
        return COAP_UNAVAILABLE;
    u->heard_s = now_s;
    list_remove(&u->link);
    list_append(&uploads->all, &u->link);
    if (again)
        return COAP_CONTINUE;
    make_room(uploads, limits, u, piece.len, now_s);
    if (uploads->bytes + piece.len > limits->bytes || !append(uploads, u, piece)) {
        coap_upload_end(uploads, u);
        return COAP_UNAVAILABLE;
    }
    if (block.more)
        return COAP_CONTINUE;
    *body = buffer_slice(&u->body);
    *upload = u;
    return COAP_EMPTY;
}
