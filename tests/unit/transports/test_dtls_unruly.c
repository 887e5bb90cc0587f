/* Tests transports/dtls*.c over a wire in memory: clients that leave out, reorder or invent
 * handshake messages. Nobody is proven to be somebody, and nothing is let through, but by the one
 * right order. And clients that offer what is not to be taken. */
#include "base/hash.h"
#include "dtls_wire.h"
#include "tls_pki.h"
#include "tls_unruly.h"

enum { STEPS_MAX = 8, BYTES_MAX = 12000 };

static void required(struct tls_settings *settings)
{
    settings->ca = pki_path("ca.pem");
    settings->client_certificate = TLS_CLIENT_REQUIRED;
}

static void optional(struct tls_settings *settings)
{
    required(settings);
    settings->client_certificate = TLS_CLIENT_OPTIONAL;
}

static const struct version {
    int number;
    const char *right; /* order of the last flight, and content */
} versions[] = {{WOLFSSL_DTLSV1_2, "CKVHFA"}, {WOLFSSL_DTLSV1_3, "CVFA"}};

static struct guest *unruly_guest(int version, const char *steps)
{
    struct guest *guest = guest_new(version, wire_endpoint(1, 1000));
    guest_certificate(guest, "client");
    wire.echo = false;
    unruly_begin(guest->ssl, steps);
    guest_shake(guest, 300);
    wire_flush();
    return guest;
}

/* What the listener has made of it: whether it believes in a client by that name. */
static bool believes(const struct guest *guest)
{
    const struct wire_peer *peer = wire_peer_at(guest->at);
    assert_true(wire.bytes_out < BYTES_MAX);
    return peer && peer->identity;
}

static unsigned content_of(const struct guest *guest)
{
    const struct wire_peer *peer = wire_peer_at(guest->at);
    return peer ? peer->plain : 0;
}

/* Whether the steps are the right ones; content may come early, as datagrams do. */
static bool is_right(const char *steps, const char *right)
{
    for (; *steps; steps++)
        if (*steps != 'A' && *steps != *right++)
            return false;
    return *right == 'A';
}

static void try_order(const struct version *version, const char *steps)
{
    bool right = is_right(steps, version->right);
    /* in DTLS 1.3 what A says here has the handshake's keys, which are not for content */
    bool may_fail = version->number == WOLFSSL_DTLSV1_3 && strchr(steps, 'A');
    wire_open(required);
    struct guest *guest = unruly_guest(version->number, steps);
    if (!right)
        unruly_say(guest->ssl, 'A'); /* with whatever keys it has come to */
    wire_flush();
    if (believes(guest) != right && !(right && may_fail))
        fail_msg("%s: %s", steps, right ? "refused" : "believed");
    assert_true(wire_counts().done <= right);
    /* what has come before Finished is nobody's */
    if (content_of(guest) != (!may_fail && strcmp(steps, version->right) == 0))
        fail_msg("%s: %u content", steps, content_of(guest));
    unruly_begin(NULL, NULL);
    wire_close();
}

/* Calls for every order of every part of what is right. Returns how many there were. */
static unsigned every_order(const struct version *version, char *steps, size_t len)
{
    unsigned count = 1;
    try_order(version, steps);
    for (const char *s = version->right; *s; s++) {
        if (memchr(steps, *s, len))
            continue;
        steps[len] = *s;
        steps[len + 1] = '\0';
        count += every_order(version, steps, len + 1);
        steps[len] = '\0';
    }
    return count;
}

static void no_order_but_the_right_one_proves_anything(void **unused)
{
    (void)unused;
    static const unsigned expected[] = {1957, 65}; /* arrangements of 6, of 4 */
    unruly_content("content", 7);
    for (int v = 0; v < 2; v++) {
        char steps[STEPS_MAX] = "";
        assert_int_equal(every_order(&versions[v], steps, 0), expected[v]);
    }
}

static void a_certificate_that_need_not_be_shown_proves_nothing_unproven(void **unused)
{
    (void)unused;
    static const char *const parts[][16] = {
        {"KHF", "CKHF", "KVHF", "CVKHF", "KCVHF", "KCHVF", "CKHVF", "CKHFV", "KHFCV", "KHFC"},
        {"F", "CF", "VF", "VCF", "CFV", "FCV", "FC", "FV"}};
    unruly_content("content", 7);
    for (int v = 0; v < 2; v++) {
        for (int i = 0; parts[v][i]; i++) {
            wire_open(optional);
            struct guest *guest = unruly_guest(versions[v].number, parts[v][i]);
            if (believes(guest))
                fail_msg("%s: believed", parts[v][i]);
            unruly_begin(NULL, NULL);
            wire_close();
        }
    }
}

/* What the listener refuses above it refuses for what is missing, not for how it was said: where
 * nothing is asked for, a flight without a certificate is the right one. */
static void a_flight_that_leaves_out_what_nobody_asked_for_is_good(void **unused)
{
    (void)unused;
    static const char *const flights[] = {"KHFA", "F"};
    for (int v = 0; v < 2; v++) {
        wire_open(NULL);
        unruly_guest(versions[v].number, flights[v]);
        assert_int_equal(wire_counts().done, 1);
        assert_int_equal(wire_counts().by_certificate, 0);
        unruly_begin(NULL, NULL);
        wire_close();
    }
}

/* ---- every message in every state ---- */

static const uint8_t odd_types[] = {67, 100, 128, 201, 253, 254, 255};
enum { KNOWN = 30, TYPES = KNOWN + sizeof(odd_types) };

static uint8_t type_of(unsigned i)
{
    return i < KNOWN ? (uint8_t)i : odd_types[i - KNOWN];
}

static void honest_ones_are_served(int version)
{
    struct guest *guest = guest_new(version, wire_endpoint(9, 9));
    guest_certificate(guest, "client");
    assert_true(guest_shake(guest, 200));
    guest_free(guest);
}

/* The first steps, the message, and if `rest` what should have followed. */
static void try_message(const struct version *version, size_t before, bool rest)
{
    char steps[2 * STEPS_MAX];
    size_t all = strlen(version->right) - 1;
    snprintf(steps, sizeof(steps), "%.*sX%.*s", (int)before, version->right,
             rest ? (int)(all - before) : 0, version->right + before);
    struct guest *guest = unruly_guest(version->number, steps);
    bool complete = rest || before == all;
    if (believes(guest) && !complete)
        fail_msg("%s: believed", steps);
    assert_int_equal(content_of(guest), 0);
    assert_true(wire_counts().done <= complete);
    unruly_begin(NULL, NULL);
}

static void every_message_in_every_state_is_survived(void **unused)
{
    (void)unused;
    static const size_t lengths[] = {0, 4, 200};
    for (int v = 0; v < 2; v++) {
        for (size_t before = 0; before < strlen(versions[v].right); before++) {
            for (unsigned i = 0; i < TYPES * 3; i++) {
                wire_open(required);
                unruly_message(type_of(i / 3), lengths[i % 3]);
                try_message(&versions[v], before, i % 2);
                if (i % 3 == 0)
                    honest_ones_are_served(versions[v].number);
                wire_pass(20000); /* nobody is half open for ever */
                assert_int_equal(wire_counts().half_open, 0);
                wire_close();
            }
        }
    }
}

/* Messages that come after the handshake, which only the two of them can make. */
static void no_message_after_the_handshake_changes_who_it_is(void **unused)
{
    (void)unused;
    static const size_t lengths[] = {0, 1, 4, 200};
    for (int v = 0; v < 2; v++) {
        for (unsigned i = 0; i < TYPES * 4; i++) {
            wire_open(optional);
            struct guest *guest = guest_new(versions[v].number, wire_endpoint(1, 1000));
            bool named = i % 2;
            if (named)
                guest_certificate(guest, "client");
            assert_true(guest_shake(guest, 200));
            guest_expect_echo(guest, "hello");
            assert_int_equal(believes(guest), named);
            unruly_message(type_of(i / 4), lengths[i % 4]);
            for (int n = 0; n < 3; n++)
                unruly_say(guest->ssl, 'X');
            wire_flush();
            struct wire_peer *peer = wire_peer_at(guest->at);
            assert_true(!peer || (peer->identity != NULL) == named);
            wire_pass(3000);
            assert_true(wire.bytes_out < BYTES_MAX);
            wire_close();
        }
    }
}

/* ---- offers ---- */

static void every_group(struct tls_settings *settings)
{
    settings->groups = (char *)"X25519MLKEM768,X25519,P-256";
    settings->psk_file = pki_path("keys.psk");
}

static void no_hybrid_but_the_one_is_agreed_to(void **unused)
{
    (void)unused;
    static const int groups[] = {WOLFSSL_SECP384R1MLKEM1024, WOLFSSL_SECP256R1MLKEM768,
                                 WOLFSSL_X25519MLKEM768};
    for (int i = 0; i < 3; i++) {
        int group = groups[i];
        wire_open(every_group);
        struct guest *guest = guest_new(WOLFSSL_DTLSV1_3, wire_endpoint(1, 1000));
        assert_int_equal(wolfSSL_set_groups(guest->ssl, &group, 1), WOLFSSL_SUCCESS);
        /* the first hello is to fit into a datagram: the share comes later */
        assert_int_equal(wolfSSL_NoKeyShares(guest->ssl), WOLFSSL_SUCCESS);
        bool good = group == WOLFSSL_X25519MLKEM768;
        assert_int_equal(guest_shake(guest, 3000), good);
        assert_int_equal(wire_counts().done, good);
        wire_close();
    }
}

static void a_key_without_an_exchange_is_refused(void **unused)
{
    (void)unused;
    for (int without = 0; without < 2; without++) {
        wire_open(every_group);
        struct guest *guest = guest_new(WOLFSSL_DTLSV1_3, wire_endpoint(1, 1000));
        guest_key(guest, "sensor-1", pki_psk, sizeof(pki_psk));
        if (without)
            assert_int_equal(wolfSSL_no_dhe_psk(guest->ssl), 0);
        assert_int_equal(guest_shake(guest, 3000), !without);
        assert_int_equal(wire_counts().done, !without);
        wire_close();
    }
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_order_but_the_right_one_proves_anything),
        cmocka_unit_test(a_certificate_that_need_not_be_shown_proves_nothing_unproven),
        cmocka_unit_test(a_flight_that_leaves_out_what_nobody_asked_for_is_good),
        cmocka_unit_test(every_message_in_every_state_is_survived),
        cmocka_unit_test(no_message_after_the_handshake_changes_who_it_is),
        cmocka_unit_test(no_hybrid_but_the_one_is_agreed_to),
        cmocka_unit_test(a_key_without_an_exchange_is_refused),
    };
    return cmocka_run_group_tests(tests, pki_setup, pki_teardown);
}
