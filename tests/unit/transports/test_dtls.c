/* Tests transports/dtls*.c over a wire in memory: what should work. */
#include "base/hash.h"
#include "dtls_wire.h"
#include "tls_pki.h"

#include "broker/auth.h"

static const int versions[] = {WOLFSSL_DTLSV1_2, WOLFSSL_DTLSV1_3};

static void content_passes_in_both_versions(void **unused)
{
    (void)unused;
    wire_open(NULL);
    for (int i = 0; i < 2; i++) {
        struct endpoint at = wire_endpoint(1, (uint16_t)(1000 + i));
        struct guest *guest = guest_new(versions[i], at);
        assert_true(guest_shake(guest, 100));
        guest_expect_echo(guest, "hello");
        guest_expect_echo(guest, "again");
        struct wire_peer *peer = wire_peer_at(at);
        assert_non_null(peer);
        assert_null(peer->identity);
        assert_int_equal(wire_say(peer, "from here"), 0);
        wire_flush();
        assert_int_equal(guest->plain, 3);
    }
    assert_int_equal(wire_counts().done, 2);
    assert_int_equal(wire_counts().version_12, 1);
    assert_int_equal(wire_counts().version_13, 1);
    wire_close();
}

static int make_pki(void **unused)
{
    (void)unused;
    pki_make();
    return 0;
}

static int remove_pki(void **unused)
{
    (void)unused;
    pki_remove();
    return 0;
}

int main(void)
{
    hash_start(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_passes_in_both_versions),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
