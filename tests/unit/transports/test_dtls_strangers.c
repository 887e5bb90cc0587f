/* Tests transports/dtls*.c over a wire in memory: what somebody without keys, or somewhere else,
 * can do. */
#include "base/hash.h"
#include "dtls_wire.h"
#include "tls_pki.h"

#include "base/random.h"
#include "transports/dtls_cookie.h"
#include <malloc.h>
#include <unistd.h>

static const int versions[] = {WOLFSSL_DTLSV1_2, WOLFSSL_DTLSV1_3};

static void nothing_optional(struct tls_settings *settings)
{
    settings->groups = (char *)"X25519MLKEM768,X25519,P-256";
}

/* What the guest sends while the wire holds it, as one block to be freed. */
struct captured {
    size_t len;
    uint8_t bytes[2000];
};

static struct slice slice_of_captured(const struct captured *captured)
{
    return slice_of(captured->bytes, captured->len);
}

static struct captured capture_first(struct guest *guest)
{
    struct captured captured = {.len = 0};
    struct slice *datagrams;
    wire_hold(true);
    wolfSSL_connect(guest->ssl);
    assert_int_equal(wire_held(&datagrams), 1);
    captured.len = datagrams[0].len;
    memcpy(captured.bytes, datagrams[0].at, captured.len);
    wire_hold(false);
    return captured;
}

static struct captured second_hello;
static struct endpoint second_from;

static bool keep_second(bool to_server, struct slice datagram)
{
    struct dtls_hello hello;
    if (!to_server || !dtls_hello_read(datagram, 0, &hello) || !hello.offers.cookie.len)
        return true;
    second_hello.len = datagram.len;
    memcpy(second_hello.bytes, datagram.at, datagram.len);
    return false;
}

/* A ClientHello with a good cookie, which has not reached the listener. */
static struct guest *open_with_cookie(int version, uint16_t port)
{
    second_from = wire_endpoint(1, port);
    struct guest *guest = guest_new(version, second_from);
    second_hello.len = 0;
    wire.judge = keep_second;
    assert_false(guest_shake(guest, 1));
    wire.judge = NULL;
    assert_true(second_hello.len > 0);
    assert_int_equal(wire.admissions, 0);
    return guest;
}

/* ---- cookies ---- */

static void a_hello_without_a_cookie_gets_one_and_no_state(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(nothing_optional);
        struct guest *guest = guest_new(versions[i], wire_endpoint(1, 1000));
        struct captured hello = capture_first(guest);
        wire_inject(wire_endpoint(2, 1000), slice_of_captured(&hello));
        assert_int_equal(wire.answers, 1);
        assert_int_equal(wire.admissions, 0);
        assert_true(wire.bytes_out <= wire.bytes_in);
        wire_close();
    }
}

static void a_cookie_is_worth_nothing_elsewhere(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        open_with_cookie(versions[i], 1000);
        const struct endpoint others[] = {wire_endpoint(2, 1000), wire_endpoint(1, 1001)};
        for (int n = 0; n < 2; n++)
            wire_inject(others[n], slice_of_captured(&second_hello));
        assert_int_equal(wire.admissions, 0);
        wire_inject(second_from, slice_of_captured(&second_hello));
        assert_int_equal(wire.admissions, 1);
        assert_true(wire.answers <= 3);
        wire_close();
    }
}

static void a_cookie_is_good_for_one_period_and_not_for_two(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        for (int late = 0; late < 2; late++) {
            wire_open(NULL);
            wire.now_ms += (uint64_t)(10 + i * 2 + late) * 1000000; /* a fresh secret */
            open_with_cookie(versions[i], 1000);
            wire.now_ms += late ? 2 * COOKIE_PERIOD_MS : COOKIE_PERIOD_MS + 1000;
            wire_inject(second_from, slice_of_captured(&second_hello));
            assert_int_equal(wire.admissions, !late);
            wire_close();
        }
    }
}

/* wolfSSL's own secrets are of one object each. */
static void any_object_takes_the_cookie_of_any_other(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        open_with_cookie(versions[i], 1000);
        struct dtls_home *home = wire.home;
        dtls_shake_free(home->plain);
        home->plain = NULL;
        wire_inject(second_from, slice_of_captured(&second_hello));
        assert_int_equal(wire.admissions, 1);
        wire_close();
    }
}

/* ---- silence ---- */

static void strangers_hear_nothing(void **unused)
{
    (void)unused;
    wire_open(NULL);
    struct guest *guest = guest_new(WOLFSSL_DTLSV1_2, wire_endpoint(1, 1000));
    assert_true(guest_shake(guest, 100));
    struct captured hello = capture_first(guest_new(WOLFSSL_DTLSV1_3, wire_endpoint(1, 1001)));
    uint64_t out = wire.bytes_out;
    struct endpoint stranger = wire_endpoint(3, 3);
    uint8_t noise[1500];
    for (unsigned first = 0; first < 256; first++) {
        for (size_t len = 0; len < 80; len++) {
            random_bytes(noise, len);
            noise[0] = (uint8_t)first;
            if (len > 2) {
                noise[1] = 0xfe;
                noise[2] = 0xfd;
            }
            wire_inject(stranger, slice_of(noise, len));
        }
    }
    static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40};
    wire_inject(stranger, slice_of(alert, sizeof(alert)));
    /* a hello that is cut anywhere */
    for (size_t len = 0; len < hello.len; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        memcpy(exact, hello.bytes, len);
        wire_inject(stranger, slice_of(exact, len));
        free(exact);
    }
    assert_int_equal(wire.bytes_out, out);
    assert_int_equal(wire.admissions, 1);
    wire_inject(stranger, slice_of_captured(&hello));
    assert_true(wire.bytes_out > out); /* it was not for want of listening */
    wire_close();
}

/* Each byte bent: the answer is never longer than the question and never more than a cookie. */
static void every_bent_byte_of_a_hello_is_survived(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct captured hello = capture_first(guest_new(versions[i], wire_endpoint(1, 1001)));
        for (size_t at = 0; at < hello.len; at++) {
            static const uint8_t bends[] = {1, 0x80, 0xff};
            for (int n = 0; n < 3; n++) {
                uint64_t out = wire.bytes_out;
                hello.bytes[at] ^= bends[n];
                wire_inject(wire_endpoint(3, 3), slice_of_captured(&hello));
                hello.bytes[at] ^= bends[n];
                assert_true(wire.bytes_out - out <= hello.len);
            }
        }
        open_with_cookie(versions[i], 1002);
        for (size_t at = 0; at < second_hello.len; at++) {
            uint64_t out = wire.bytes_out;
            second_hello.bytes[at] ^= 0x55;
            wire_inject(wire_endpoint(3, 3), slice_of_captured(&second_hello));
            second_hello.bytes[at] ^= 0x55;
            assert_true(wire.bytes_out - out <= second_hello.len);
        }
        assert_int_equal(wire.admissions, 0);
        struct guest *honest = guest_new(versions[i], wire_endpoint(9, 9));
        assert_true(guest_shake(honest, 100));
        wire_close();
    }
}

/* Sanitizers keep what is freed, and count for themselves. */
static bool memory_is_measured(void)
{
    return mallinfo2().uordblks > 0;
}

static size_t resident(void)
{
    char line[128];
    size_t pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    if (fgets(line, sizeof(line), file))
        assert_int_equal(sscanf(line, "%zu %zu", &ignored, &pages), 2);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static bool nobody_answers(bool to_server, struct slice datagram)
{
    (void)datagram;
    return to_server;
}

static void a_storm_of_hellos_leaves_nothing_behind(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct captured hello = capture_first(guest_new(versions[i], wire_endpoint(1, 1001)));
        wire.judge = nobody_answers;
        size_t before = 0;
        unsigned storm = memory_is_measured() ? 1000000 : 50000;
        for (unsigned n = 0; n < storm; n++) {
            if (n == 1000)
                before = resident();
            wire_inject(wire_endpoint((uint8_t)(n >> 16), (uint16_t)n), slice_of_captured(&hello));
        }
        if (memory_is_measured())
            assert_in_range(resident(), 0, before + (1 << 20));
        assert_int_equal(wire.answers, storm);
        assert_int_equal(wire.admissions, 0);
        assert_true(wire.bytes_out <= wire.bytes_in);
        wire.judge = NULL;
        struct guest *honest = guest_new(versions[i], wire_endpoint(200, 9));
        assert_true(guest_shake(honest, 100));
        wire_close();
    }
}

static void few(struct tls_settings *settings)
{
    settings->half_open = 10;
}

static bool only_cookies_come_back(bool to_server, struct slice datagram)
{
    return to_server || dtls_record_asks_cookie(datagram);
}

static void half_open_ones_are_few_and_small(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(few);
        struct mallinfo2 before = mallinfo2();
        wire.judge = only_cookies_come_back;
        for (uint16_t n = 0; n < 14; n++) {
            struct guest *guest = guest_new(versions[i], wire_endpoint(1, (uint16_t)(1000 + n)));
            assert_false(guest_shake(guest, 1));
        }
        assert_int_equal(wire.admissions, 10);
        assert_int_equal(wire_counts().half_open, 10);
        assert_int_equal(wire_counts().refused, 4);
        while (wire.guests[0] || wire.guests[13])
            for (int g = 0; g < WIRE_GUESTS; g++)
                guest_free(wire.guests[g]);
        size_t each = (mallinfo2().uordblks - before.uordblks) / 10;
        print_message("half open, DTLS 1.%d: %zu bytes\n", i + 2, each);
        if (memory_is_measured())
            assert_in_range(each, 1000, 40000);
        wire_close();
    }
}

/* ---- on live sessions ---- */

static struct guest *live(int version, uint16_t port)
{
    struct guest *guest = guest_new(version, wire_endpoint(1, port));
    guest_number(guest, 0);
    assert_true(guest_shake(guest, 100));
    guest_expect_echo(guest, "hello");
    return guest;
}

static void what_is_in_the_clear_ends_no_session(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = live(versions[i], 1000);
        uint64_t out = wire.bytes_out;
        for (unsigned type = 0; type < 256; type++) {
            for (unsigned epoch = 0; epoch < 4; epoch++) {
                uint8_t record[60] = {(uint8_t)type,
                                      0xfe,
                                      0xfd,
                                      0,
                                      (uint8_t)epoch,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0xff,
                                      0xff,
                                      0,
                                      47,
                                      2,
                                      40};
                wire_inject(guest->at, slice_of(record, sizeof(record)));
                record[12] = 2;
                wire_inject(guest->at, slice_of(record, 15));
                record[13] = 1;
                record[14] = 0; /* close_notify */
                wire_inject(guest->at, slice_of(record, 15));
            }
        }
        assert_non_null(wire_peer_at(guest->at));
        assert_int_equal(wire.bytes_out, out);
        guest_expect_echo(guest, "still there");
        wire_close();
    }
}

enum { FORGED = 1000000 };

static void forged_records_end_no_session(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = live(versions[i], 1000);
        struct slice *datagrams;
        uint8_t forged[100];
        wire_hold(true);
        guest_send(guest, "this one is bent");
        assert_int_equal(wire_held(&datagrams), 1);
        size_t len = datagrams[0].len;
        memcpy(forged, datagrams[0].at, len);
        wire_hold(false);
        uint64_t out = wire.bytes_out;
        for (unsigned n = 0; n < FORGED; n++) {
            memcpy(forged + len - 4, &n, 4);
            forged[len - 5] ^= (uint8_t)(n >> 24 | 1);
            wire_inject(guest->at, slice_of(forged, len));
        }
        struct wire_peer *peer = wire_peer_at(guest->at);
        assert_non_null(peer);
        assert_int_equal(peer->plain, 1);
        assert_int_equal(wire.bytes_out, out);
        guest_expect_echo(guest, "still there");
        wire_close();
    }
}

static void a_replayed_record_is_dropped(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = live(versions[i], 1000);
        struct slice *datagrams;
        uint8_t record[100];
        wire_hold(true);
        guest_send(guest, "once");
        wire_held(&datagrams);
        size_t len = datagrams[0].len;
        memcpy(record, datagrams[0].at, len);
        wire_hold(false);
        struct wire_peer *peer = wire_peer_at(guest->at);
        for (int n = 0; n < 5; n++) {
            wire_inject(guest->at, slice_of(record, len));
            assert_int_equal(peer->plain, 2);
        }
        wire_close();
    }
}

static void a_reused_address_begins_anew_only_with_a_cookie(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *old = live(versions[i], 1000);
        /* somebody spoofs a hello from there */
        struct captured hello = capture_first(guest_new(versions[i], wire_endpoint(7, 7)));
        for (int n = 0; n < 10; n++)
            wire_inject(old->at, slice_of_captured(&hello));
        guest_expect_echo(old, "still there");
        /* the device has started again, with the same port */
        unsigned admissions = wire.admissions;
        struct endpoint at = old->at;
        guest_free(old);
        struct guest *fresh = guest_new(versions[i], at);
        assert_true(guest_shake(fresh, 100));
        assert_int_equal(wire.admissions, admissions + 1);
        guest_expect_echo(fresh, "hello again");
        assert_int_equal(wire_peer_at(at)->plain, 1);
        wire_close();
    }
}

static void a_hello_that_is_played_back_ends_no_session(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = open_with_cookie(versions[i], 1000);
        assert_true(guest_shake(guest, 5000));
        guest_expect_echo(guest, "hello");
        unsigned admissions = wire.admissions;
        for (int n = 0; n < 5; n++)
            wire_inject(guest->at, slice_of_captured(&second_hello));
        assert_int_equal(wire.admissions, admissions);
        guest_expect_echo(guest, "still there");
        wire_close();
    }
}

/* ---- connection ids ---- */

static void a_peer_moves_with_a_newer_record_and_an_answer(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = live(versions[i], 1000);
        struct wire_peer *peer = wire_peer_at(guest->at);
        guest->at = wire_endpoint(2, 2000);
        guest_expect_echo(guest, "from elsewhere"); /* the new address gets its answer at once */
        assert_int_equal(peer->moved, 0);
        guest_expect_echo(guest, "and once more");
        assert_int_equal(peer->moved, 1);
        assert_ptr_equal(wire_peer_at(guest->at), peer);
        /* and back */
        guest->at = wire_endpoint(1, 1000);
        guest_expect_echo(guest, "here again");
        guest_expect_echo(guest, "really");
        assert_int_equal(peer->moved, 2);
        wire_close();
    }
}

static void a_new_address_gets_three_times_what_it_sent(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        wire.echo = false;
        struct guest *guest = guest_new(versions[i], wire_endpoint(1, 1000));
        guest_number(guest, 0);
        assert_true(guest_shake(guest, 100));
        struct wire_peer *peer = wire_peer_at(guest->at);
        uint64_t in = wire.bytes_in;
        guest->at = wire_endpoint(2, 2000);
        guest_send(guest, "from elsewhere");
        in = wire.bytes_in - in;
        uint64_t out = wire.bytes_out;
        for (int n = 0; n < 50; n++)
            assert_int_equal(wire_say(peer, "something that is sent again and again"), 0);
        wire_flush();
        assert_true(peer->sent_to_new > 0);
        assert_true(peer->sent_to_new <= 3 * in);
        assert_true(wire.bytes_out - out > 3 * in); /* the rest goes where it was */
        assert_int_equal(peer->moved, 0);
        wire_close();
    }
}

/* A record that was held back and comes from elsewhere, when newer ones have come since. */
static void an_older_record_moves_nobody(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = live(versions[i], 1000);
        struct wire_peer *peer = wire_peer_at(guest->at);
        struct slice *datagrams;
        uint8_t withheld[100];
        wire_hold(true);
        guest_send(guest, "withheld");
        wire_held(&datagrams);
        size_t len = datagrams[0].len;
        memcpy(withheld, datagrams[0].at, len);
        wire_hold(false);
        guest_expect_echo(guest, "a newer one");
        unsigned before = guest->plain;
        wire_inject(wire_endpoint(6, 6666), slice_of(withheld, len));
        wire_flush();
        /* late, and still good: but the answer goes to where the peer is */
        assert_int_equal(guest->plain, before + 1);
        assert_int_equal(peer->sent_to_new, 0);
        assert_int_equal(peer->moved, 0);
        /* and played back from there: nothing at all */
        wire_inject(wire_endpoint(6, 6666), slice_of(withheld, len));
        assert_int_equal(peer->sent_to_new, 0);
        /* the newest one, from elsewhere: a little goes there, and no more once the peer speaks */
        wire_hold(true);
        guest_send(guest, "withheld, too");
        wire_held(&datagrams);
        len = datagrams[0].len;
        memcpy(withheld, datagrams[0].at, len);
        wire_hold(false);
        wire_inject(wire_endpoint(6, 6666), slice_of(withheld, len));
        assert_in_range(peer->sent_to_new, 1, 3 * len);
        uint64_t sent = peer->sent_to_new;
        guest_expect_echo(guest, "I am here");
        assert_int_equal(peer->sent_to_new, sent);
        assert_int_equal(peer->moved, 0);
        wire_close();
    }
}

/* While a peer is on its way to a second address, a third one plays back what it sent from there,
 * and bends it. */
static void a_third_address_gets_nothing_of_a_move(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = live(versions[i], 1000);
        struct wire_peer *peer = wire_peer_at(guest->at);
        struct slice *datagrams;
        uint8_t seen[100];
        guest->at = wire_endpoint(2, 2000);
        wire_hold(true);
        guest_send(guest, "on my way");
        wire_held(&datagrams);
        size_t len = datagrams[0].len;
        memcpy(seen, datagrams[0].at, len);
        wire_hold(false);
        wire_inject(wire_endpoint(2, 2000), slice_of(seen, len));
        wire_flush();
        uint64_t sent = peer->sent_to_new;
        assert_in_range(sent, 1, 3 * len);
        assert_int_equal(peer->believed, 1);
        for (int n = 0; n < 10; n++) {
            wire_inject(wire_endpoint(6, 6666), slice_of(seen, len));
            seen[len - 1 - (size_t)n] ^= 1;
            wire_inject(wire_endpoint(6, 6666), slice_of(seen, len));
        }
        wire_flush();
        assert_int_equal(peer->sent_to_new, sent);
        assert_int_equal(peer->believed, 1);
        assert_int_equal(peer->moved, 0);
        guest_expect_echo(guest, "arrived");
        assert_int_equal(peer->moved, 1);
        assert_ptr_equal(wire_peer_at(wire_endpoint(2, 2000)), peer);
        assert_null(wire_peer_at(wire_endpoint(6, 6666)));
        wire_close();
    }
}

static void forged_records_with_a_connection_id_move_nobody(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct guest *guest = live(versions[i], 1000);
        struct wire_peer *peer = wire_peer_at(guest->at);
        struct slice *datagrams;
        uint8_t forged[100];
        wire_hold(true);
        guest_send(guest, "this one is bent");
        wire_held(&datagrams);
        size_t len = datagrams[0].len;
        memcpy(forged, datagrams[0].at, len);
        wire_hold(false);
        assert_int_equal(dtls_record_cid(slice_of(forged, len)).len, DTLS_CID_SIZE);
        for (size_t at = 0; at < len; at++) {
            forged[at] ^= 0x10;
            wire_inject(wire_endpoint(6, 6666), slice_of(forged, len));
            forged[at] ^= 0x10;
            assert_non_null(wire_peer_at(guest->at));
        }
        assert_int_equal(peer->plain, 1);
        assert_int_equal(peer->sent_to_new, 0);
        guest_expect_echo(guest, "still there");
        wire_close();
    }
}

static void no_ids(struct tls_settings *settings)
{
    settings->connection_id = false;
}

static void without_connection_ids_nobody_moves(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        wire_open(no_ids);
        struct guest *guest = live(versions[i], 1000);
        struct wire_peer *peer = wire_peer_at(guest->at);
        guest->at = wire_endpoint(2, 2000);
        guest_send(guest, "from elsewhere");
        assert_int_equal(peer->plain, 1);
        wire_close();
    }
}

/* ---- what it costs ---- */

static void an_idle_peer_costs_little(void **unused)
{
    (void)unused;
    enum { PEERS = 14 };
    for (int i = 0; i < 2; i++) {
        wire_open(NULL);
        struct mallinfo2 before = mallinfo2();
        for (uint16_t n = 0; n < PEERS; n++)
            live(versions[i], (uint16_t)(1000 + n));
        wire_pass(5000);
        for (int g = 0; g < WIRE_GUESTS; g++)
            guest_free(wire.guests[g]);
        size_t each = (mallinfo2().uordblks - before.uordblks) / PEERS;
        print_message("idle, DTLS 1.%d: %zu bytes of wolfSSL's and %zu of ours\n", i + 2, each,
                      sizeof(struct dtls));
        if (memory_is_measured())
            assert_in_range(each + sizeof(struct dtls), 1000, 8500);
        wire_close();
    }
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_without_a_cookie_gets_one_and_no_state),
        cmocka_unit_test(a_cookie_is_worth_nothing_elsewhere),
        cmocka_unit_test(a_cookie_is_good_for_one_period_and_not_for_two),
        cmocka_unit_test(any_object_takes_the_cookie_of_any_other),
        cmocka_unit_test(strangers_hear_nothing),
        cmocka_unit_test(every_bent_byte_of_a_hello_is_survived),
        cmocka_unit_test(a_storm_of_hellos_leaves_nothing_behind),
        cmocka_unit_test(half_open_ones_are_few_and_small),
        cmocka_unit_test(what_is_in_the_clear_ends_no_session),
        cmocka_unit_test(forged_records_end_no_session),
        cmocka_unit_test(a_replayed_record_is_dropped),
        cmocka_unit_test(a_reused_address_begins_anew_only_with_a_cookie),
        cmocka_unit_test(a_hello_that_is_played_back_ends_no_session),
        cmocka_unit_test(a_peer_moves_with_a_newer_record_and_an_answer),
        cmocka_unit_test(a_new_address_gets_three_times_what_it_sent),
        cmocka_unit_test(an_older_record_moves_nobody),
        cmocka_unit_test(a_third_address_gets_nothing_of_a_move),
        cmocka_unit_test(forged_records_with_a_connection_id_move_nobody),
        cmocka_unit_test(without_connection_ids_nobody_moves),
        cmocka_unit_test(an_idle_peer_costs_little),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
