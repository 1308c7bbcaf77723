/* tests/fuzz/fuzz_forwarded.c -- lines of forwarding fields, one in each line of the input: the
 * client is the peer or one of the hops, all to the right of it are trusted, and what a proxy adds
 * at the right end decides whatever stands before it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct address must_read(const char *text) {
    struct address a;
    if (address_read(str_of(text), &a) != RC_OK)
        abort();
    return a;
}

static void check_client(const struct hops *hops, const struct networks *trusted,
                         const struct address *peer) {
    struct address client = forwarded_client(hops, trusted, peer);
    if (hops->n > FORWARDED_HOPS_MAX)
        abort();
    if (address_eq(&client, peer))
        return;
    for (size_t i = hops->n; i > 0; i--) {
        const struct hop *hop = &hops->at[i - 1];
        if (!hop->is_known)
            abort();
        if (address_eq(&hop->address, &client))
            return;
        if (!networks_have(trusted, &hop->address))
            abort();
    }
    abort();
}

/* What the nearest proxy adds to the line that it got. */
static void check_added(struct str line, bool is_rfc, const struct networks *trusted,
                        const struct address *peer) {
    static const char *const added[] = {", 192.0.2.77", ", for=192.0.2.77"};
    struct address real = must_read("192.0.2.77");
    struct hops hops = {0};
    struct buf all;
    buf_init(&all, line.n + 32);
    buf_put(&all, line);
    buf_put(&all, str_of(added[is_rfc]));
    bool is_read = true;
    if (is_rfc)
        is_read = forwarded_add(&hops, buf_str(&all)) == RC_OK;
    else
        forwarded_add_for(&hops, buf_str(&all));
    struct address client = forwarded_client(&hops, trusted, peer);
    if (is_read && !address_eq(&client, &real))
        abort();
    buf_done(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static struct networks trusted, read;
    struct address peer = must_read("10.0.0.1");
    struct str rest = {(const char *)data, n}, line;
    struct hops by_for = {0}, by_rfc = {0};
    if (trusted.n == 0 && networks_read(STR("10.0.0.0/8,::1"), &trusted) != RC_OK)
        abort();
    for (bool more = true; more;) {
        more = str_cut(rest, '\n', &line, &rest);
        forwarded_add_for(&by_for, line);
        if (forwarded_add(&by_rfc, line) != RC_OK)
            by_rfc = (struct hops){0};
        check_added(line, false, &trusted, &peer);
        check_added(line, true, &trusted, &peer);
        if (networks_read(line, &read) == RC_OK && (read.n == 0 || read.n > NETWORKS_MAX))
            abort();
    }
    check_client(&by_for, &trusted, &peer);
    check_client(&by_rfc, &trusted, &peer);
    return 0;
}
