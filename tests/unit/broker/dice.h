/* Repeatable chance for tests: the same seed, the same game (xorshift64*). */
#ifndef SIOTD_TESTS_DICE_H
#define SIOTD_TESTS_DICE_H

#include <stdint.h>

struct dice {
    uint64_t state; /* the seed; not 0 */
};

/* A number from 0 to sides - 1. */
static inline uint32_t dice_throw(struct dice *dice, uint32_t sides)
{
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return (uint32_t)((dice->state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % sides;
}

#endif
