/* Tests protocols/raw/wire.c. */
#include "protocols/raw/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) slice_of_str(literal)

static void equal(struct slice a, const char *text)
{
    assert_int_equal(a.len, strlen(text));
    assert_memory_equal(a.len ? (const void *)a.at : "", text, a.len);
}

static struct raw_line good(const char *text)
{
    struct raw_line line;
    int fault = raw_decode(TEXT(text), &line);
    if (fault != RAW_GOOD)
        fail_msg("%s: fault %d", text, fault);
    return line;
}

static void faulty(const char *text, enum raw_fault wanted)
{
    struct raw_line line;
    assert_int_equal(raw_decode(TEXT(text), &line), wanted);
}

static void a_publish_has_a_topic_words_and_any_payload(void **state)
{
    (void)state;
    struct raw_line line = good("PUB a/b retain id=7\n21.5\nPUB c");
    assert_int_equal(line.verb, RAW_PUB);
    equal(line.topic, "a/b");
    equal(line.payload, "21.5\nPUB c");
    assert_true(line.retain && line.has_id && line.id == 7);
    line = good("PUB  a/b   id=0  retain \r\n\r\n");
    assert_true(line.retain && line.has_id && line.id == 0);
    equal(line.payload, "\r\n");
    line = good("PUB a");
    assert_false(line.retain || line.has_id);
    equal(line.payload, "");
    equal(good("PUB a\n").payload, "");
    faulty("PUB", RAW_NO_TOPIC);
    faulty("PUB \na", RAW_NO_TOPIC);
    faulty("PUB a retain retain\n", RAW_BAD_WORD);
    faulty("PUB a id=1 id=1\n", RAW_BAD_WORD);
    faulty("PUB a qos=1\n", RAW_BAD_WORD);
    faulty("PUB a b\n", RAW_BAD_WORD);
}

static void ids_are_numbers_with_one_spelling(void **state)
{
    (void)state;
    assert_true(good("PUB a id=18446744073709551615").id == UINT64_MAX);
    faulty("PUB a id=18446744073709551616", RAW_BAD_ID);
    faulty("PUB a id=99999999999999999999999", RAW_BAD_ID);
    faulty("PUB a id=", RAW_BAD_ID);
    faulty("PUB a id=-1", RAW_BAD_ID);
    faulty("PUB a id=01", RAW_BAD_ID);
    faulty("PUB a id=1x", RAW_BAD_ID);
    assert_int_equal(good("ACK 12").id, 12);
    faulty("ACK", RAW_BAD_ID);
    faulty("ACK x", RAW_BAD_ID);
    faulty("ACK 1 2", RAW_BAD_WORD);
}

static void the_other_verbs_take_what_they_take(void **state)
{
    (void)state;
    assert_int_equal(good("SUB a/#").qos, 0);
    assert_int_equal(good("SUB a/# qos=0").qos, 0);
    assert_int_equal(good("SUB a/# qos=1\n").qos, 1);
    faulty("SUB a/# qos=2", RAW_BAD_WORD);
    faulty("SUB a/# qos=1 qos=1", RAW_BAD_WORD);
    faulty("SUB a/# qos=0 qos=1", RAW_BAD_WORD);
    faulty("SUB a/# retain", RAW_BAD_WORD);
    assert_int_equal(good("UNSUB a/#").verb, RAW_UNSUB);
    faulty("UNSUB a b", RAW_BAD_WORD);
    assert_int_equal(good("PING").verb, RAW_PING);
    equal(good("PING\npadding").payload, "padding");
    faulty("PING x", RAW_BAD_WORD);
    assert_int_equal(good("BYE\r\n").verb, RAW_BYE);
    assert_int_equal(good("OK").verb, RAW_OK);
    assert_int_equal(good("OK id=5").id, 5);
    faulty("OK retain", RAW_BAD_WORD);
    assert_int_equal(good("PONG").verb, RAW_PONG);
    assert_int_equal(good("ERR").verb, RAW_ERR);
    equal(good("ERR no such thing").reason, "no such thing");
    struct raw_line line = good("MSG a id=5\nx");
    assert_true(line.verb == RAW_MSG && line.id == 5);
    faulty("MSG a retain\nx", RAW_BAD_WORD);
}

static void what_begins_with_no_verb_is_none(void **state)
{
    static const char *const texts[] = {
        "",     "\n", " PUB a", "\nPUB a", "pub a", "PUBLISH a",   "PUB\ta",
        "21.5", "PU", "PINGS",  "OKAY",    "\r\n",  "ACKNOWLEDGE", "{\"t\": 1}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        faulty(texts[i], RAW_NO_VERB);
}

static void topics_are_one_word_with_escapes(void **state)
{
    uint8_t room[64];
    (void)state;
    equal(raw_read_topic(good("PUB a%20b%2fc%0A").topic, room), "a b/c\n");
    equal(raw_read_topic(good("PUB plain").topic, room), "plain");
    equal(raw_read_topic(good("PUB %41").topic, room), "A");
    faulty("PUB a%", RAW_BAD_TOPIC);
    faulty("PUB a%4", RAW_BAD_TOPIC);
    faulty("PUB a%4g", RAW_BAD_TOPIC);
    faulty("PUB %%41", RAW_BAD_TOPIC);
}

static struct slice encoded(const struct raw_line *line, uint8_t *room, size_t size)
{
    struct writer w = writer_of(room, size);
    raw_encode(&w, line);
    assert_false(w.overflow);
    assert_int_equal(writer_len(&w), raw_size(line));
    return slice_of(room, writer_len(&w));
}

static void what_is_written_can_be_read(void **state)
{
    uint8_t room[200];
    (void)state;
    equal(encoded(&(struct raw_line){.verb = RAW_OK}, room, 200), "OK");
    equal(encoded(&(struct raw_line){.verb = RAW_ACK, .id = UINT64_MAX}, room, 200),
          "ACK 18446744073709551615");
    equal(encoded(&(struct raw_line){.verb = RAW_ERR, .reason = TEXT("denied")}, room, 200),
          "ERR denied");
    equal(encoded(&(struct raw_line){.verb = RAW_ERR}, room, 200), "ERR");
    equal(encoded(&(struct raw_line){.verb = RAW_SUB, .topic = TEXT("a/#"), .qos = 1}, room, 200),
          "SUB a/# qos=1");
    equal(encoded(&(struct raw_line){.verb = RAW_MSG,
                                     .topic = TEXT("a b\n%"),
                                     .has_id = true,
                                     .id = 10,
                                     .payload = TEXT("x\n")},
                  room, 200),
          "MSG a%20b%0A%25 id=10\nx\n");
    equal(
        encoded(&(struct raw_line){.verb = RAW_PUB, .topic = TEXT("a"), .retain = true}, room, 200),
        "PUB a retain\n");
}

/* Every byte in a topic comes back as it was. */
static void every_topic_survives(void **state)
{
    uint8_t topic[256], room[1024], back[1024];
    (void)state;
    for (int i = 0; i < 256; i++)
        topic[i] = (uint8_t)i;
    struct raw_line line = {.verb = RAW_PUB, .topic = slice_of(topic, 256)}, read;
    struct slice bytes = encoded(&line, room, sizeof room);
    assert_int_equal(raw_decode(bytes, &read), RAW_GOOD);
    assert_true(slice_equal(raw_read_topic(read.topic, back), line.topic));
}

static void no_cut_and_no_changed_byte_is_read_past(void **state)
{
    static const char *const texts[] = {
        "PUB sensors/%41/b retain id=18446744073709551615\r\n21.5\n",
        "SUB a/+/# qos=1\r\n",
        "UNSUB a%20\n",
        "PING\n",
        "ACK 281474976710655\n",
        "BYE\r\n",
        "MSG a%25 id=77\npayload",
        "ERR no topic\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t len = 0; len <= strlen(texts[i]); len++)
            for (int change = -1; change < 256; change += 5) {
                struct raw_line line;
                uint8_t *exact = malloc(len ? len : 1), *room;
                memcpy(exact, texts[i], len);
                if (change >= 0 && len)
                    exact[len - 1] = (uint8_t)change;
                if (raw_decode(slice_of(exact, len), &line) == RAW_GOOD && line.topic.len) {
                    room = malloc(line.topic.len);
                    assert_true(raw_read_topic(line.topic, room).len <= line.topic.len);
                    free(room);
                }
                free(exact);
            }
}

static void no_answer_is_written_past_its_room(void **state)
{
    uint8_t room[64];
    (void)state;
    struct raw_line line = {
        .verb = RAW_MSG, .topic = TEXT("a b"), .has_id = true, .id = 1, .payload = TEXT("payload")};
    for (size_t len = 0; len < raw_size(&line); len++) {
        struct writer w = writer_of(room, len);
        raw_encode(&w, &line);
        assert_true(w.overflow);
    }
}

static bool fills(const char *pattern, const char *device, const char *wanted)
{
    uint8_t room[64];
    struct writer w = writer_of(room, sizeof room);
    if (!raw_fill_template(TEXT(pattern), TEXT(device), &w))
        return false;
    equal(slice_of(room, writer_len(&w)), wanted);
    return true;
}

static void a_template_takes_a_name_that_is_one_level(void **state)
{
    (void)state;
    assert_true(fills("sensors/${device}", "s-7", "sensors/s-7"));
    assert_true(fills("${device}/x/${device}", "s", "s/x/s"));
    assert_true(fills("all", "", "all"));
    assert_true(fills("a$b/${devic", "s", "a$b/${devic"));
    assert_false(fills("sensors/${device}", "", ""));
    assert_false(fills("sensors/${device}", "a/b", ""));
    assert_false(fills("sensors/${device}", "+", ""));
    assert_false(fills("sensors/${device}", "a#", ""));
    assert_false(fills("${device}/x", "$SYS", ""));
    assert_true(fills("x/${device}", "$SYS", "x/$SYS"));
    assert_false(fills("sensors/${device}",
                       "0123456789012345678901234567890123456789012345678901234567890", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publish_has_a_topic_words_and_any_payload),
        cmocka_unit_test(ids_are_numbers_with_one_spelling),
        cmocka_unit_test(the_other_verbs_take_what_they_take),
        cmocka_unit_test(what_begins_with_no_verb_is_none),
        cmocka_unit_test(topics_are_one_word_with_escapes),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(every_topic_survives),
        cmocka_unit_test(no_cut_and_no_changed_byte_is_read_past),
        cmocka_unit_test(no_answer_is_written_past_its_room),
        cmocka_unit_test(a_template_takes_a_name_that_is_one_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
