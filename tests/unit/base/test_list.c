/* Tests base/list.h. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct list link;
};

/* The numbers in the list as one decimal, and both directions agree. */
static int shown(const struct list *head)
{
    int forward = 0, backward = 0, factor = 1;
    for (const struct list *l = head->next; l != head; l = l->next)
        forward = forward * 10 + list_item(l, struct item, link)->number;
    for (const struct list *l = head->prev; l != head; l = l->prev) {
        backward += factor * list_item(l, struct item, link)->number;
        factor *= 10;
    }
    assert_int_equal(forward, backward);
    return forward;
}

static void members_stand_in_the_order_of_adding(void **state)
{
    (void)state;
    struct list head;
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    list_append(&head, &items[1].link);
    list_append(&head, &items[2].link);
    list_prepend(&head, &items[0].link);
    list_append(&head, &items[3].link);
    assert_int_equal(shown(&head), 1234);
    assert_ptr_equal(list_first(&head), &items[0].link);
}

static void removing_twice_is_harmless(void **state)
{
    (void)state;
    struct list head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    list_init(&head);
    for (int i = 0; i < 3; i++) {
        list_init(&items[i].link);
        assert_false(list_linked(&items[i].link));
        list_append(&head, &items[i].link);
        assert_true(list_linked(&items[i].link));
    }
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    assert_false(list_linked(&items[1].link));
    assert_int_equal(shown(&head), 13);
    list_prepend(&head, &items[1].link);
    assert_int_equal(shown(&head), 213);
}

static void a_walk_may_remove_what_it_stands_on(void **state)
{
    (void)state;
    struct list head;
    struct item items[6];
    list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i].number = i + 1;
        list_append(&head, &items[i].link);
    }
    int seen = 0;
    list_each(link, &head)
    {
        struct item *item = list_item(link, struct item, link);
        seen = seen * 10 + item->number;
        if (item->number % 2)
            list_remove(link);
    }
    assert_int_equal(seen, 123456);
    assert_int_equal(shown(&head), 246);
    list_each(link, &head)
    {
        list_remove(link);
    }
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_of_adding),
        cmocka_unit_test(removing_twice_is_harmless),
        cmocka_unit_test(a_walk_may_remove_what_it_stands_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
