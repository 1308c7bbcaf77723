/* tests/fuzz/fuzz_conversation.c -- whatever the body says: distinct handles within the limits, a
 * title without control characters, both as jansson reads them, and nothing held after a refusal.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wire/conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

/* Each handle of the array is in the list, and no other is, nor any twice. */
static void check_handles(const struct handles *list, const json_t *array) {
    must(list->n <= PARTICIPANTS_MAX && list->n <= json_array_size(array));
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct handle one;
        const char *text = json_string_value(json_array_get(array, i));
        must(text && handle_read(str_of(text), &one) == RC_OK && handles_have(list, &one));
    }
    for (size_t i = 0; i < list->n; i++) {
        struct handles before = {list->at, i};
        must(!handles_have(&before, &list->at[i]));
    }
}

/* C0, DEL and C1, which is c2 80 to c2 9f in UTF-8. */
static void check_title(const struct conversation_draft *d, const json_t *title) {
    must(d->has_title == (title != NULL));
    must(!title || strcmp(json_string_value(title), d->title) == 0);
    for (const char *c = d->title; *c; c++) {
        must((unsigned char)*c >= 0x20 && *c != 0x7f);
        must((unsigned char)*c != 0xc2 || (unsigned char)c[1] >= 0xa0);
    }
}

static void check(struct conversation_draft *d, struct str body, const char *add) {
    json_t *theirs = json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL);
    if (theirs) { /* a number or a name elsewhere may be beyond jansson */
        check_title(d, json_object_get(theirs, "title"));
        check_handles(&d->add, json_object_get(theirs, add));
        if (strcmp(add, "add") == 0)
            check_handles(&d->remove, json_object_get(theirs, "remove"));
    }
    for (size_t i = 0; i < d->add.n; i++)
        must(!handles_have(&d->remove, &d->add.at[i]));
    json_decref(theirs);
    conversation_draft_done(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str body = {(const char *)data, size};
    struct conversation_draft draft;
    struct message message;
    const char *advice;
    if (conversation_read_made(body, &draft, &advice) == RC_OK)
        check(&draft, body, "participants");
    if (conversation_read_change(body, &draft, &advice) == RC_OK)
        check(&draft, body, "add");
    if (conversation_read_post(body, &message, &advice) == RC_OK)
        message_done(&message);
    return 0;
}
