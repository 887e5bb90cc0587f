/* uploads: bodies that arrive in blocks (RFC 7959 section 2.5, RFC 9175 section 3).
 *
 * A body belongs to who sends it, the request it is for, and its Request-Tag; it reaches the core
 * only when it is whole. What arrived is all that memory is taken for. */
#ifndef SIOTD_PROTOCOLS_COAP_UPLOADS_H
#define SIOTD_PROTOCOLS_COAP_UPLOADS_H

#include "base/buffer.h"
#include "base/list.h"
#include "protocols/coap/decode.h"
#include "protocols/coap/exchanges.h"

struct coap_upload {
    struct list link; /* in uploads.all, the one heard of last at the end */
    struct coap_where where;
    uint64_t request; /* which resource, how: a hash */
    uint8_t tag[8], tag_len;
    bool has_format;
    uint16_t format;
    uint32_t heard_s;
    struct buffer body;
};

struct coap_uploads {
    struct list all;
    size_t count, bytes;
};

/* What those that arrive may take. */
struct coap_upload_limits {
    uint64_t body;  /* bytes of one */
    uint64_t count; /* at once */
    uint64_t bytes; /* of all */
};

/* Empty. */
void coap_uploads_init(struct coap_uploads *uploads);
/* Frees all of them; empty. */
void coap_uploads_clear(struct coap_uploads *uploads);

/* Takes the Block1 of a request. COAP_EMPTY: the body is whole and in *body, good until
 * coap_upload_end(*upload), which the caller owes (*upload may be NULL). Else the code to answer:
 * 2.31, 4.08, 4.13, 4.00, or 5.03 without memory. */
enum coap_code coap_uploads_take(struct coap_uploads *uploads, const struct coap_where *where,
                                 const struct coap_request *request,
                                 const struct coap_upload_limits *limits, uint32_t now_s,
                                 struct slice *body, struct coap_upload **upload);

/* Frees one; NULL allowed. */
void coap_upload_end(struct coap_uploads *uploads, struct coap_upload *upload);

#endif
