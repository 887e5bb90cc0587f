/* Tests transports/dtls*.c over a wire in memory: hellos that come again, of clients that start
 * again and of somebody who has seen them and changes them. */
#include "base/hash.h"
#include "dtls_wire.h"
#include "tls_pki.h"

#include "transports/dtls_cookie.h"

enum { SEEN = 16, RANDOM_AT = 27, SOME_MS = 100 };

/* The hellos with a cookie that the wire has carried: whole, or their first fragments. */
static struct {
    size_t len;
    uint8_t bytes[1600];
} seen[SEEN];
static unsigned seen_count;

static bool see(bool to_server, struct slice datagram)
{
    struct dtls_hello hello;
    if (to_server && dtls_hello_read(datagram, 0, &hello) && hello.offers.cookie.len > 0) {
        assert_true(seen_count < SEEN && datagram.len <= sizeof(seen[0].bytes));
        seen[seen_count].len = datagram.len;
        memcpy(seen[seen_count++].bytes, datagram.at, datagram.len);
    }
    return true;
}

static struct slice saw(unsigned i)
{
    assert_true(i < seen_count);
    return slice_of(seen[i].bytes, seen[i].len);
}

/* Kinds of clients: the hello with the cookie comes whole, or in fragments. */
static const struct kind {
    int version;
    bool fragments;
} kinds[] = {{WOLFSSL_DTLSV1_2, false}, {WOLFSSL_DTLSV1_3, false}, {WOLFSSL_DTLSV1_3, true}};
enum { KINDS = 3 };

static void hybrid(struct tls_settings *settings)
{
    settings->groups = (char *)"X25519MLKEM768,X25519,P-256";
}

static void start(void)
{
    wire_open(hybrid);
    wire.judge = see;
    seen_count = 0;
}

static struct guest *come(const struct kind *kind, struct endpoint at)
{
    int offered[] = {WOLFSSL_ECC_X25519, WOLFSSL_X25519MLKEM768};
    struct guest *guest = guest_new(kind->version, at);
    wolfSSL_set_groups(guest->ssl, offered, kind->fragments ? 2 : 1);
    if (kind->version == WOLFSSL_DTLSV1_3)
        wolfSSL_UseKeyShare(guest->ssl, WOLFSSL_ECC_X25519);
    if (kind->fragments)
        wolfSSL_dtls_set_mtu(guest->ssl, 600);
    return guest;
}

static struct guest *live(const struct kind *kind, struct endpoint at)
{
    struct guest *guest = come(kind, at);
    assert_true(guest_shake(guest, SOME_MS));
    guest_expect_echo(guest, "hello");
    struct dtls_hello hello;
    assert_true(dtls_hello_read(saw(seen_count - 1), 0, &hello));
    assert_int_equal(hello.whole, !kind->fragments);
    return guest;
}

/* The hello, and the same with each byte of its random changed, from that address. */
static void play_back(struct endpoint at, struct slice hello)
{
    wire_inject(at, hello);
    for (size_t i = 0; i < 32; i++) {
        uint8_t bent[1600];
        memcpy(bent, hello.at, hello.len);
        bent[RANDOM_AT + i] ^= 0x40;
        wire_inject(at, slice_of(bent, hello.len));
    }
    wire_flush();
}

static void a_hello_of_the_session_that_is_changed_does_not_end_it(void **unused)
{
    (void)unused;
    for (int k = 0; k < KINDS; k++) {
        start();
        struct guest *guest = live(&kinds[k], wire_endpoint(1, 1000));
        play_back(guest->at, saw(0));
        assert_int_equal(wire.admissions, 1);
        guest_expect_echo(guest, "still there");
        wire_close();
    }
}

static void a_hello_of_a_former_session_does_not_end_the_present_one(void **unused)
{
    (void)unused;
    for (int k = 0; k < KINDS; k++) {
        start();
        struct endpoint at = wire_endpoint(1, 1000);
        for (unsigned n = 0; n < 5; n++) {
            unsigned before = seen_count;
            guest_free(wire.guests[0]);
            struct guest *guest = live(&kinds[k], at);
            assert_int_equal(wire.admissions, n + 1);
            assert_int_equal(seen_count, before + 1);
            for (unsigned i = 0; i < seen_count; i++)
                play_back(at, saw(i));
            assert_int_equal(wire.admissions, n + 1);
            guest_expect_echo(guest, "still there");
        }
        wire_close();
    }
}

/* It was told to somebody who held it back until there was a session. */
static void a_cookie_from_before_the_session_does_not_end_it(void **unused)
{
    (void)unused;
    for (int k = 0; k < KINDS; k++) {
        for (int held = 0; held < KINDS; held++) {
            start();
            struct endpoint at = wire_endpoint(1, 1000);
            struct guest *other = live(&kinds[held], wire_endpoint(1, 1000));
            wolfSSL_shutdown(other->ssl);
            wire_flush();
            assert_null(wire_peer_at(at));
            guest_free(other);
            struct guest *guest = live(&kinds[k], at);
            play_back(at, saw(0));
            assert_int_equal(wire.admissions, 2);
            guest_expect_echo(guest, "still there");
            wire_close();
        }
    }
}

/* Nothing of the listener's reaches the client but cookies. */
static bool see_and_keep_back(bool to_server, struct slice datagram)
{
    see(to_server, datagram);
    return to_server || dtls_record_asks_cookie(datagram);
}

static void a_hello_that_comes_again_is_of_the_same_handshake(void **unused)
{
    (void)unused;
    for (int k = 0; k < KINDS; k++) {
        start();
        wire.judge = see_and_keep_back;
        struct guest *guest = come(&kinds[k], wire_endpoint(1, 1000));
        assert_false(guest_shake(guest, 1));
        assert_int_equal(wire.admissions, 1);
        struct slice hello = saw(0);
        for (int n = 0; n < 5; n++)
            wire_inject(guest->at, hello);
        play_back(guest->at, hello); /* somebody has changed it on the way */
        assert_int_equal(wire.admissions, 1);
        wire.judge = see;
        if (!guest_shake(guest, 14000))
            fail_msg("kind %d: error %d, %u", k, guest->error, wire.answers);
        assert_int_equal(wire.admissions, 1);
        guest_expect_echo(guest, "hello");
        wire_close();
    }
}

static void whoever_starts_again_wins_with_a_new_cookie(void **unused)
{
    (void)unused;
    for (int k = 0; k < KINDS; k++) {
        for (int then = 0; then < KINDS; then++) {
            for (int lost = 0; lost < 2; lost++) {
                start();
                struct endpoint at = wire_endpoint(1, 1000);
                guest_free(live(&kinds[k], at));
                if (lost) {
                    wire.lose = wire.repeat = wire.reorder = 15;
                    wire.seed = (uint64_t)(k * KINDS + then) + 1;
                }
                struct guest *fresh = come(&kinds[then], at);
                assert_true(guest_shake(fresh, 200000));
                wire.lose = wire.repeat = wire.reorder = 0;
                wire_pass(2000);
                assert_int_equal(wire.admissions, 2);
                guest_expect_echo(fresh, "hello again");
                wire_close();
            }
        }
    }
}

/* Also when it was the handshake that was broken off. */
static void whoever_starts_again_in_a_handshake_wins(void **unused)
{
    (void)unused;
    for (int k = 0; k < KINDS; k++) {
        start();
        wire.judge = see_and_keep_back;
        struct endpoint at = wire_endpoint(1, 1000);
        struct guest *guest = come(&kinds[k], at);
        assert_false(guest_shake(guest, 1));
        assert_int_equal(wire.admissions, 1);
        guest_free(guest);
        wire.judge = see;
        struct guest *fresh = live(&kinds[k], at);
        assert_int_equal(wire.admissions, 2);
        assert_int_equal(wire_counts().half_open, 0);
        guest_expect_echo(fresh, "and again");
        wire_close();
    }
}

/* The two secrets that may be good are both tried before wolfSSL is asked. */
static void a_cookie_is_judged_without_wolfssl(void **unused)
{
    (void)unused;
    for (int k = 0; k < KINDS; k++) {
        start();
        struct endpoint at = wire_endpoint(1, 1000);
        live(&kinds[k], at);
        struct dtls_hello hello;
        assert_true(dtls_hello_read(saw(0), 0, &hello));
        const struct cookie_secret *secret = cookie_secret_current(wire.now_ms);
        struct cookie_bond bond = {.from = at};
        assert_true(cookie_is_good(&hello, secret, &bond));
        bond.serial = 1;
        assert_false(cookie_is_good(&hello, secret, &bond));
        bond = (struct cookie_bond){.from = wire_endpoint(1, 1001)};
        assert_false(cookie_is_good(&hello, secret, &bond));
        bond.from = at;
        struct cookie_secret other = *secret;
        other.bytes[31] ^= 1;
        assert_false(cookie_is_good(&hello, &other, &bond));
        other = (struct cookie_secret){.number = 0};
        assert_false(cookie_is_good(&hello, &other, &bond));
        for (; hello.offers.cookie.len > 0; hello.offers.cookie.len--) {
            struct dtls_hello cut = hello;
            cut.offers.cookie.len--;
            assert_false(cookie_is_good(&cut, secret, &bond));
        }
        wire_close();
    }
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_of_the_session_that_is_changed_does_not_end_it),
        cmocka_unit_test(a_hello_of_a_former_session_does_not_end_the_present_one),
        cmocka_unit_test(a_cookie_from_before_the_session_does_not_end_it),
        cmocka_unit_test(a_hello_that_comes_again_is_of_the_same_handshake),
        cmocka_unit_test(whoever_starts_again_wins_with_a_new_cookie),
        cmocka_unit_test(whoever_starts_again_in_a_handshake_wins),
        cmocka_unit_test(a_cookie_is_judged_without_wolfssl),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
