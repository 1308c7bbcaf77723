/* tests/flow/world.h -- a story run to its end against a fake store: for the tests of flow/ alone.
 *
 * Fakes by linking: store_submit(), push_reserve() and push_release() stand here, so the real ones
 * are not linked. alice and bob are registered, carol is not; every job is answered at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TESTS_FLOW_WORLD_H
#define TESTS_FLOW_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/flow.h"

#define NOW_S 1780000000

static struct {
    struct flow flow;
    enum rc submit_rc; /* what store_submit() says */
    enum rc job_rc;    /* what jobs other than FIND and REGISTER end with */
    enum rc register_rc;
    enum rc reserve_rc; /* what push_reserve() says */
    unsigned jobs, reserved;
    uint64_t client;        /* of the last reservation */
    struct store_job *last; /* valid inside the story only */
    struct store_post post; /* a copy of the last one */
    struct store_read read;
    struct store_trim trim;
    struct store_account account;
    uint64_t gone_inbox; /* posts to it end with gone_rc; 0: none is */
    enum rc gone_rc;
    int64_t registered_at_ms; /* in records; 0: now */
    uint64_t blocked_inbox;   /* of who is blocked: 1 alice, 2 bob; 0: nobody */
    uint64_t leaving_version;
    bool leaving;                  /* each change leaves one of conversations_left */
    unsigned conversations_left;   /* what STORE_CONVERSATION_LIST gives, in pages */
    unsigned closed;               /* how many inboxes, */
    bool closed_first;             /* before anything was left */
    unsigned lists;                /* how often it was asked */
    unsigned conflicts;            /* so many changes come too late */
    struct conversation_make make; /* with `titled`: what its draft, or the change's, held */
    struct conversation_change change;
    struct conversation_show show;
    struct conversation_list list;
    struct conversation_post utter;
    char titled[TITLE_MAX + 1], text[64];
    size_t added, removed;
    struct handle missing; /* whom jobs about conversations do not find */
    char proofs[64];
} world;

static const uint8_t seeds[2][32] = {{0x42}, {0x17}};

static bool known_user(const struct handle *h, struct user *out) {
    static const char *const names[] = {"alice", "bob"};
    for (unsigned i = 0; i < 2; i++)
        if (str_eq(handle_str(h), str_of(names[i]))) {
            *out = (struct user){
                .handle = *h, .inbox = i + 1, .is_blocked = world.blocked_inbox == i + 1};
            auth_key_of_seed(seeds[i], &out->primary);
            return true;
        }
    return false;
}

static void run_find(struct store_find *find) {
    struct user user;
    static const char *const names[] = {"alice", "bob"};
    find->job.rc = RC_NOT_FOUND;
    for (unsigned i = 0; i < 2; i++) {
        struct handle h;
        assert_int_equal(handle_read(str_of(names[i]), &h), RC_OK);
        assert_true(known_user(&h, &user));
        if (find->by_primary ? key_eq(&user.primary, &find->primary)
                             : handle_eq(&user.handle, &find->handle)) {
            find->user = user;
            find->job.rc = RC_OK;
        }
    }
}

static void run_read(struct store_read *read) {
    world.read = *read;
    read->page = (struct page){.at = {.head = 7, .first = 3, .epoch = {"e1"}}};
    if (read->job.rc != RC_OK || read->after >= 7)
        return;
    struct row row = {.seq = 7, .type = ROW_MESSAGE, .envelope = STR("{\"a\":1}")};
    assert_int_equal(page_add_take(&read->page, frame_new(&row)), RC_OK);
}

static void keep_draft(const struct conversation_draft *draft) {
    snprintf(world.titled, sizeof world.titled, "%s", draft->title);
    world.added = draft->add.n;
    world.removed = draft->remove.n;
}

#define CONVERSATION_JSON "{\"sid\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"version\":3}"

/* As many as there are and were asked for. */
static void put_list(struct buf *json) {
    unsigned n = world.leaving ? world.conversations_left : 1;
    world.lists++;
    buf_put_byte(json, '[');
    for (unsigned i = 0; i < n && i < world.list.limit; i++)
        buf_putf(json, "%s%s", i ? "," : "", CONVERSATION_JSON);
    buf_put_byte(json, ']');
}

/* The jobs of back/conversations.h. */
static void run_conversation(struct store_job *job) {
    struct conversation_make *make = (struct conversation_make *)job;
    struct conversation_change *change = (struct conversation_change *)job;
    struct conversation_post *utter = (struct conversation_post *)job;
    struct buf *json = NULL;
    if (job->kind == STORE_CONVERSATION_MAKE) {
        keep_draft(make->draft);
        make->missing = world.missing;
        json = &make->json;
        world.make = *make;
    } else if (job->kind == STORE_CONVERSATION_CHANGE) {
        keep_draft(change->draft);
        change->missing = world.missing;
        json = &change->json;
        world.change = *change;
        world.closed_first = world.closed == 1;
        world.leaving_version = change->draft->version;
        if (world.conflicts > 0 && world.conflicts--)
            job->rc = RC_CONFLICT;
        if (world.leaving && job->rc == RC_OK)
            world.conversations_left--;
    } else if (job->kind == STORE_CONVERSATION_SHOW) {
        world.show = *(struct conversation_show *)job;
        json = &((struct conversation_show *)job)->json;
    } else if (job->kind == STORE_CONVERSATION_LIST) {
        world.list = *(struct conversation_list *)job;
        put_list(&((struct conversation_list *)job)->json);
    } else {
        utter->seq = 7;
        utter->created_at_ms = 1780000000123;
        world.utter = *utter;
        snprintf(world.text, sizeof world.text, "%s", buf_cstr(&utter->envelope));
    }
    if (json)
        buf_put(json, STR(CONVERSATION_JSON));
}

enum rc store_submit(struct store *s, struct store_job *job) {
    (void)s;
    if (world.submit_rc != RC_OK)
        return world.submit_rc;
    world.jobs++;
    job->rc = world.job_rc;
    switch (job->kind) {
    case STORE_FIND:
        run_find((struct store_find *)job);
        break;
    case STORE_POST: {
        struct store_post *post = (struct store_post *)job;
        post->seq = 7;
        post->created_at_ms = 1780000000123;
        if (post->to.inbox == world.gone_inbox)
            job->rc = world.gone_rc;
        else if (world.gone_inbox)
            snprintf(world.text, sizeof world.text, "%s", buf_cstr(&post->envelope));
        world.post = *post;
        break;
    }
    case STORE_READ:
        run_read((struct store_read *)job);
        break;
    case STORE_TRIM:
        world.trim = *(struct store_trim *)job;
        break;
    case STORE_RECORD: {
        struct store_record *record = (struct store_record *)job;
        record->registered_at_ms =
            world.registered_at_ms ? world.registered_at_ms : (int64_t)NOW_S * 1000;
        buf_put(&record->proofs, STR("[]"));
        break;
    }
    case STORE_PROOFS: {
        struct store_proofs *proofs = (struct store_proofs *)job;
        snprintf(world.proofs, sizeof world.proofs, "%s", buf_cstr(&proofs->proofs));
        break;
    }
    case STORE_REGISTER: {
        struct store_register *reg = (struct store_register *)job;
        reg->user = (struct user){.handle = reg->handle, .primary = reg->primary, .inbox = 9};
        job->rc = world.register_rc;
        break;
    }
    case STORE_CONVERSATION_MAKE:
    case STORE_CONVERSATION_CHANGE:
    case STORE_CONVERSATION_SHOW:
    case STORE_CONVERSATION_LIST:
    case STORE_CONVERSATION_POST:
        run_conversation(job);
        break;
    case STORE_CLOSE:
        world.closed++;
        break;
    case STORE_DELETE:
    case STORE_BLOCK:
        world.account = *(struct store_account *)job;
        break;
    case STORE_HEADS:
        break;
    }
    job->done(job);
    return RC_OK;
}

enum rc push_reserve(struct push *p, const struct user *user, uint64_t client) {
    (void)p, (void)user;
    world.client = client;
    world.reserved += world.reserve_rc == RC_OK;
    return world.reserve_rc;
}

static unsigned woken;
static void wake(struct exchange *ex) {
    (void)ex;
    woken++;
}

/* A request in the making. */
struct asked {
    struct exchange ex;
    struct target target;
    char auth[200];
};

static void world_reset(void) {
    directory_free(world.flow.directory);
    quota_free(world.flow.register_quota);
    memset(&world, 0, sizeof world);
    struct quota *unlimited = quota_new(0, 16);
    world.flow = (struct flow){
        .server = STR("kez.example"),
        .sig_server = STR("https://sig.example"),
        .directory = directory_new(16, 0),
        .register_quota = unlimited,
        .unsigned_quota = unlimited,
        .signed_quota = unlimited,
        .stream_quota = unlimited,
        .opens_quota = unlimited,
        .failures_quota = unlimited,
        .clock = clock_system(),
    };
    assert_non_null(world.flow.directory);
    assert_non_null(unlimited);
}

static inline int world_setup(void **state) {
    (void)state;
    world_reset();
    return 0;
}

static inline int world_teardown(void **state) {
    (void)state;
    directory_free(world.flow.directory);
    quota_free(world.flow.register_quota);
    memset(&world, 0, sizeof world);
    return 0;
}

static inline void ask_begin(struct asked *a, enum method method, const char *target,
                             const char *arg, const char *body) {
    exchange_init(&a->ex);
    assert_int_equal(target_read(str_of(target), &a->target), RC_OK);
    a->ex.method = method;
    a->ex.target = &a->target;
    a->ex.arg = str_of(arg);
    a->ex.body = str_of(body);
    a->ex.now_ms = (int64_t)NOW_S * 1000;
    a->ex.wake = wake;
}

/* X-KEZ-Auth over `text`, at ts_s, with the key of user `who` (0 alice, 1 bob). */
static inline void ask_sign(struct asked *a, unsigned who, const char *text, int64_t ts_s) {
    uint8_t sig[AUTH_SIG_BYTES];
    int n = snprintf(a->auth, sizeof a->auth, "%lld:", (long long)ts_s);
    auth_sign(seeds[who], str_of(text), sig);
    str_put_hex(sig, sizeof sig, a->auth + n);
    a->auth[n + 128] = '\0';
    a->ex.auth = str_of(a->auth);
}

/* The general text, signed by `who` in the name of `handle`. */
static inline void ask_sign_general(struct asked *a, unsigned who, const char *method,
                                    const char *handle) {
    struct buf text;
    char ts[24];
    snprintf(ts, sizeof ts, "%d", NOW_S);
    buf_init(&text, 4096);
    auth_put_request(&text, str_of(method), world.flow.server, a->target.raw, a->ex.body,
                     str_of(ts));
    ask_sign(a, who, buf_cstr(&text), NOW_S);
    a->ex.auth_handle = str_of(handle);
    buf_done(&text);
}

/* Runs the story to its end and returns the status. */
static inline int ask_run(struct asked *a, step_fn *first) {
    enum step step = first(&world.flow, &a->ex);
    while (step == STEP_WAIT)
        step = a->ex.next(&world.flow, &a->ex);
    return a->ex.status;
}

static inline const char *ask_body(struct asked *a) { return buf_cstr(&a->ex.out); }

static inline void ask_end(struct asked *a) { exchange_done(&a->ex); }

#endif
