/* tests/fuzz/fuzz_conversation.c -- whatever the body says: distinct handles within the limits, a
 * title without control characters, and nothing held after a refusal.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "wire/conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct conversation_draft *d) {
    if (d->add.n > PARTICIPANTS_MAX || d->remove.n > PARTICIPANTS_MAX)
        abort();
    for (size_t i = 0; i < d->add.n; i++) {
        struct handles before = {d->add.at, i};
        if (handles_have(&before, &d->add.at[i]) || handles_have(&d->remove, &d->add.at[i]))
            abort();
    }
    for (const char *c = d->title; *c; c++)
        if ((unsigned char)*c < 0x20)
            abort();
    conversation_draft_done(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str body = {(const char *)data, size};
    struct conversation_draft draft;
    struct message message;
    const char *advice;
    if (conversation_read_made(body, &draft, &advice) == RC_OK)
        check(&draft);
    if (conversation_read_change(body, &draft, &advice) == RC_OK)
        check(&draft);
    if (conversation_read_post(body, &message, &advice) == RC_OK)
        message_done(&message);
    return 0;
}
