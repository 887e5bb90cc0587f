/* list: an intrusive circular doubly linked list.
 *
 * A list is a head; a member carries a `struct list` of its own. An unlinked member points at
 * itself, so removing twice is harmless and "is it in a list" is a question that can be asked. */
#ifndef SIOTD_BASE_LIST_H
#define SIOTD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

/* The structure that contains the member `link`. */
#define list_item(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/* Walks the links of a list; the body may remove the current one, and no other. */
#define list_each(link, head)                                                                      \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);              \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* For a member: whether it stands in a list. */
static inline bool list_linked(const struct list *l)
{
    return l->next != l;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void list_prepend(struct list *head, struct list *link)
{
    list_append(head->next, link);
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The first link, or NULL. */
static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

#endif
