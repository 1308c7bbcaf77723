/* wire/shortest.h -- the shortest decimal that reads back as a double.
 *
 * Source: ECMA-262, Number::toString, step 5, with its note 2 (of several, the nearest; of two as
 * near, the even one); Burger and Dybvig, Printing Floating-Point Numbers Quickly and Accurately
 * (1996), 3: free-format output.
 * It works in whole numbers of fixed size: nothing is allocated, and no number takes much longer
 * than another. (To try one length after the other by the C library takes several times as long,
 * and whoever registers may send thousands of numbers.)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_SHORTEST_H
#define WIRE_SHORTEST_H

#include <stdint.h>

/* digits * 10^exponent; digits has at most 17 digits and does not end in 0. */
struct decimal {
    uint64_t digits;
    int exponent;
};

/* value: finite and above 0. */
struct decimal shortest_decimal(double value);

#endif
