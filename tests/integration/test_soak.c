/* tests/integration/test_soak.c -- many posts and many streams: memory and descriptors stay flat.
 *
 *   test_integration_soak [--posts N] [--opens N]
 *
 * One real node. Threads post to a fixed crowd of users, each post checked for its 201, while
 * others open streams, read what is new up to `ready`, and close them, mostly by hanging up.
 * Resident memory and descriptors of the node are looked at after the first tenth, when caches are
 * warm, and at the end, each time with nothing open: memory may have grown by GROWTH_KIB, and
 * descriptors not at all. Under a sanitizer freed memory is kept for a while, so only descriptors
 * are compared.
 *
 * Exit status: 0 flat, 1 not, 2 wrong usage.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/proc.h"
#include "support/site.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
enum { MEMORY_COUNTS = false };
#else
enum { MEMORY_COUNTS = true };
#endif

enum {
    USERS = 200,
    POSTERS = 8,
    OPENERS = 4,
    TENTHS = 10,
    GROWTH_KIB = 8 * 1024,
    LARGE_EACH = 100, /* one post of so many has LARGE_BYTES */
    LARGE_BYTES = 20000,
    SETTLE_MS = 30000,
    TEXT_MAX = 1 << 16
};

struct footprint {
    uint64_t rss_kib, descriptors;
};

static struct soak {
    struct site site;
    struct node *node;
    struct signer users[USERS];
    atomic_uint_least64_t posts_left, opens_left; /* of this tenth */
    atomic_uint_least64_t posts, opens, rows, wrong;
} soak;

/* ---- the load ---- */

/* False: none is left. */
static bool take_one(atomic_uint_least64_t *left, uint64_t *number) {
    uint64_t n = atomic_load(left);
    while (n > 0 && !atomic_compare_exchange_weak(left, &n, n - 1))
        continue;
    *number = n;
    return n > 0;
}

static void complain(const char *what, int status) {
    if (atomic_fetch_add(&soak.wrong, 1) < 5)
        printf("WRONG: %s: %d\n", what, status);
}

static void *post(void *arg) {
    struct http_client *c = http_client_new(node_port(soak.node));
    struct buf body;
    uint64_t n;
    (void)arg;
    buf_init(&body, TEXT_MAX);
    while (take_one(&soak.posts_left, &n)) {
        struct http_reply r;
        buf_clear(&body);
        buf_putf(&body, "{\"to\":\"%s\",\"envelope\":{\"n\":%" PRIu64 ",\"pad\":\"",
                 soak.users[n % USERS].handle.text, n);
        for (size_t i = 0; n % LARGE_EACH == 0 && i < LARGE_BYTES; i++)
            buf_put_byte(&body, 'x');
        buf_put(&body, STR("\"}}"));
        bool is_answered = http_try(c, "POST", STR("/v1/messages"), STR(""), buf_str(&body), &r);
        if (!is_answered || r.status != 201)
            complain("a post", is_answered ? r.status : 0);
        if (is_answered)
            http_reply_done(&r);
        atomic_fetch_add(&soak.posts, 1);
    }
    buf_done(&body);
    http_client_free(c);
    return NULL;
}

/* Every second one reads all that is kept, as far as it takes some rows; others begin now. */
static void open_one(uint64_t n) {
    const struct signer *s = &soak.users[n % USERS];
    struct sse_reader r;
    struct buf headers;
    char target[96];
    sse_init(&r);
    buf_init(&headers, TEXT_MAX);
    signer_put_stream(s, &headers, s->handle.text);
    (void)snprintf(target, sizeof target, "/v1/inbox/%s/stream%s", s->handle.text,
                   n % 2 ? "?since=0" : "");
    int status = 0;
    if (sse_send(&r, node_port(soak.node), str_of(target), buf_str(&headers)))
        status = sse_await_head(&r);
    if (status != 200)
        complain("a stream", status);
    bool is_enough = status != 200;
    for (unsigned rows = 0; !is_enough; rows++) {
        struct sse_event *e = sse_next(&r, SSE_WAIT_MS);
        if (!e)
            complain("a stream says nothing", (int)rows);
        is_enough = !e || strcmp(e->type, "ready") == 0 || rows == 20;
        atomic_fetch_add(&soak.rows, e && strcmp(e->type, "message") == 0);
        sse_event_free(e);
    }
    buf_done(&headers);
    sse_done(&r);
    atomic_fetch_add(&soak.opens, 1);
}

static void *open_and_close(void *arg) {
    uint64_t n;
    (void)arg;
    while (take_one(&soak.opens_left, &n))
        open_one(n);
    return NULL;
}

static void run_tenth(uint64_t posts, uint64_t opens) {
    pthread_t threads[POSTERS + OPENERS];
    atomic_store(&soak.posts_left, posts);
    atomic_store(&soak.opens_left, opens);
    for (int i = 0; i < POSTERS + OPENERS; i++)
        if (pthread_create(&threads[i], NULL, i < POSTERS ? post : open_and_close, NULL) != 0)
            abort();
    for (int i = 0; i < POSTERS + OPENERS; i++)
        (void)pthread_join(threads[i], NULL);
}

/* Rows that nobody needs any more go, so that the inboxes do not grow for ever, either. */
static void trim(void) {
    for (unsigned i = 0; i < USERS; i++) {
        struct http_reply r;
        node_poll(soak.node, &soak.users[i], "?limit=1", 0, &r);
        uint64_t head = http_number(&r, "seq");
        http_reply_done(&r);
        node_trim(soak.node, &soak.users[i], head);
    }
}

/* ---- the footprint ---- */

static uint64_t resident_kib(pid_t pid) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    char *text = proc_read_file(path);
    const char *at = strstr(text, "VmRSS:");
    uint64_t kib = at ? strtoull(at + strlen("VmRSS:"), NULL, 10) : 0;
    free(text);
    return kib;
}

static uint64_t descriptors(pid_t pid) {
    char path[64];
    uint64_t n = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += e->d_name[0] != '.';
    if (dir)
        (void)closedir(dir);
    return n;
}

/* With nothing open. */
static struct footprint look(void) {
    pid_t pid = node_pid(soak.node);
    if (!node_metric_becomes(soak.node, "kez_streams", 0) ||
        !node_metric_becomes(soak.node, "kez_connections", 0) ||
        !node_metric_becomes(soak.node, "kez_handles_subscribed", 0))
        complain("something stays open", (int)node_metric(soak.node, "kez_streams"));
    return (struct footprint){resident_kib(pid), descriptors(pid)};
}

struct descriptors_wanted {
    uint64_t most;
};

static bool has_no_more(void *arg) {
    return descriptors(node_pid(soak.node)) <= ((struct descriptors_wanted *)arg)->most;
}

static bool is_flat(const struct footprint *first, struct footprint *last) {
    bool memory = !MEMORY_COUNTS || last->rss_kib <= first->rss_kib + GROWTH_KIB;
    if (!memory)
        printf("WRONG: memory grew by more than %d KiB\n", GROWTH_KIB);
    /* A connection that the metric has forgotten may still be closing. */
    bool few = proc_poll(has_no_more, &(struct descriptors_wanted){first->descriptors}, SETTLE_MS);
    if (!few)
        printf("WRONG: there are more descriptors than after the first tenth\n");
    last->descriptors = descriptors(node_pid(soak.node));
    return memory && few;
}

static void begin(void) {
    site_start(&soak.site, BUILD_DIR "/kez-chat-server", 1, NULL);
    soak.node = soak.site.nodes[0];
    for (unsigned i = 0; i < USERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "soak%u", i);
        signer_init(&soak.users[i], name);
        node_register(soak.node, &soak.users[i]);
    }
}

static bool run(uint64_t posts, uint64_t opens) {
    struct footprint first = {0}, now = {0};
    struct timespec began, ended;
    begin();
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (unsigned i = 0; i < TENTHS; i++) {
        run_tenth(posts / TENTHS, opens / TENTHS);
        trim();
        now = look();
        if (i == 0)
            first = now;
        printf("  posts %" PRIu64 " opens %" PRIu64 " rows read %" PRIu64 ": resident %" PRIu64
               " KiB, descriptors %" PRIu64 "\n",
               (uint64_t)soak.posts, (uint64_t)soak.opens, (uint64_t)soak.rows, now.rss_kib,
               now.descriptors);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    bool flat = is_flat(&first, &now);
    site_stop(&soak.site);
    printf("soak posts %" PRIu64 " opens %" PRIu64 " resident %+jd KiB%s descriptors %+jd wrong "
           "%" PRIu64 " in %jd s\n",
           (uint64_t)soak.posts, (uint64_t)soak.opens,
           (intmax_t)now.rss_kib - (intmax_t)first.rss_kib,
           MEMORY_COUNTS ? "" : " (not compared: a sanitizer)",
           (intmax_t)now.descriptors - (intmax_t)first.descriptors, (uint64_t)soak.wrong,
           (intmax_t)(ended.tv_sec - began.tv_sec));
    return flat && soak.wrong == 0;
}

int main(int argc, char **argv) {
    uint64_t posts = 20000, opens = 2000;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i += 2) {
        uint64_t *to = strcmp(argv[i], "--posts") == 0   ? &posts
                       : strcmp(argv[i], "--opens") == 0 ? &opens
                                                         : NULL;
        if (!to || i + 1 == argc || str_read_u64(str_of(argv[i + 1]), 1u << 30, to) != RC_OK) {
            (void)fprintf(stderr, "usage: test_integration_soak [--posts N] [--opens N]\n");
            return 2;
        }
    }
    return run(posts, opens) ? 0 : 1;
}
