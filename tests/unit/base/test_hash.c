/* Tests base/hash.c. */
#include "base/hash.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs first: nothing has called hash_start yet. */
static void hashing_before_the_start_stops_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        hash_slice(SLICE("x"));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void equal_bytes_hash_equal_wherever_they_stand(void **state)
{
    (void)state;
    hash_start(7);
    uint8_t there[300];
    for (size_t len = 0; len < 280; len++) {
        uint8_t here[300];
        for (size_t i = 0; i < len; i++)
            here[i] = there[i + 3] = (uint8_t)(i * 7 + len);
        assert_true(hash_slice(slice_of(here, len)) == hash_slice(slice_of(there + 3, len)));
    }
    assert_true(hash_slice(SLICE_EMPTY) == hash_slice(slice_of(there, 0)));
}

static void the_seed_changes_every_hash(void **state)
{
    (void)state;
    enum { KEYS = 200 };
    uint64_t before[KEYS];
    char key[KEYS];
    memset(key, 'k', sizeof(key));
    hash_start(7);
    for (size_t i = 0; i < KEYS; i++)
        before[i] = hash_slice(slice_of(key, i));
    hash_start(8);
    for (size_t i = 0; i < KEYS; i++)
        assert_true(hash_slice(slice_of(key, i)) != before[i]);
    hash_start(7);
    for (size_t i = 0; i < KEYS; i++)
        assert_true(hash_slice(slice_of(key, i)) == before[i]);
}

/* What map.c relies on: the low bits spread, also for names that differ in one place only. */
static void low_bits_of_similar_names_spread(void **state)
{
    (void)state;
    enum { NAMES = 65536, SLOTS = 4096 };
    static unsigned slots[SLOTS];
    hash_start(7);
    for (unsigned i = 0; i < NAMES; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "sensor-%05u", i);
        slots[hash_slice(slice_of(name, (size_t)len)) % SLOTS]++;
    }
    for (unsigned i = 0; i < SLOTS; i++) /* 16 each; four standard deviations and some */
        assert_in_range(slots[i], 1, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashing_before_the_start_stops_the_process),
        cmocka_unit_test(equal_bytes_hash_equal_wherever_they_stand),
        cmocka_unit_test(the_seed_changes_every_hash),
        cmocka_unit_test(low_bits_of_similar_names_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
