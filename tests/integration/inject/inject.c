/* tests/integration/inject/inject.c -- every call that may fail, on the way of posts and streams,
 * fails once.
 *
 *   inject [--site N]
 *
 * A whole node runs in this program, with its calls behind wrappers (wraps.c): the server itself
 * has no hooks. First stories are told while nothing fails (story.h; one of them also just after
 * the node's links were cut), and every place that calls one of them is noted (sites.h). Then each
 * place in turn fails once, and the story in which it was met is told again: its clients get an
 * error or a broken connection at worst, try again, and come to the same end; then no stream,
 * request or descriptor may be left, and a node that ends does so in order. Places that are met
 * only because something failed are added to the list. Under AddressSanitizer leaks are looked for
 * as well.
 *
 * Exit status: 0 the node goes on whatever fails, 1 it does not, 2 wrong usage.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/config.h"
#include "app/node.h"
#include "base/log.h"
#include "core/stats.h"
#include "integration/inject/sites.h"
#include "integration/inject/story.h"
#include "support/proc.h"
#include "support/site.h"

enum {
    START_MS = 60000,
    SETTLE_MS = 20000, /* nothing of a story is left by then */
    TRIES = 3,         /* stories for a place: in peace, after links were cut, of a new node */
    LEAKS_EACH = 100,  /* places between two looks for leaks */
    ARGS_MAX = 64
};

struct bench {
    struct site site;
    struct node *other;
    uint16_t port, admin_port;
    int argc;
    const char *argv[ARGS_MAX];
    struct config config;
    struct story_place place;
    pthread_t thread;
    int status;
    unsigned descriptors; /* of this program when nothing goes on */
};

/* ---- the node under test ---- */

static void *run_node(void *arg) {
    struct bench *b = arg;
    b->status = node_run(&b->config, b->argc, b->argv);
    return NULL;
}

static bool is_ready(void *arg) {
    struct http_client *c = http_client_new(((struct bench *)arg)->admin_port);
    struct http_reply r;
    bool ready = false;
    if (http_try(c, "GET", STR("/readyz"), STR(""), STR(""), &r)) {
        ready = r.status == 200 && strstr(buf_cstr(&r.room), "\"nats\":\"up\"");
        http_reply_done(&r);
    }
    http_client_free(c);
    return ready;
}

_Noreturn static void give_up(const char *what) {
    (void)fprintf(stderr, "inject: %s\n", what);
    exit(EXIT_FAILURE);
}

static void start_node(struct bench *b) {
    static char bind[32], admin_bind[32];
    /* Short times, so that what is healed by a sweep or a new connection is healed soon. */
    const char *const argv[] = {"kez-chat-server",
                                "--bind",
                                bind,
                                "--admin-bind",
                                admin_bind,
                                "--server",
                                NODE_SERVER,
                                "--database-url",
                                postgres_url(b->site.pg, "chat"),
                                "--nats-url",
                                natsd_url(b->site.nats),
                                "--log-level",
                                "error",
                                "--limit-streams-per-handle",
                                "2",
                                "--directory-entries",
                                "16",
                                "--http-threads",
                                "1",
                                "--push-threads",
                                "1",
                                "--store-writers",
                                "1",
                                "--store-readers",
                                "1",
                                "--store-reconnect-max",
                                "50",
                                "--nats-reconnect-wait",
                                "20",
                                "--nats-reconnect-jitter",
                                "0",
                                "--nats-flush-timeout",
                                "200",
                                "--sweep-up",
                                "200",
                                "--sweep-down",
                                "100",
                                "--look-again-first",
                                "30",
                                "--look-again-second",
                                "60",
                                "--drain-time",
                                "1",
                                "--inbox-retention-period",
                                "1"};
    struct buf why;
    if (b->port == 0) { /* a successor has the same; each that is drawn costs a descriptor */
        b->port = proc_free_port();
        b->admin_port = proc_free_port();
    }
    (void)snprintf(bind, sizeof bind, "127.0.0.1:%u", (unsigned)b->port);
    (void)snprintf(admin_bind, sizeof admin_bind, "127.0.0.1:%u", (unsigned)b->admin_port);
    memcpy(b->argv, argv, sizeof argv);
    b->argc = (int)(sizeof argv / sizeof *argv);
    buf_init(&why, 1024);
    if (config_read(b->argc, b->argv, getenv, &b->config, &why) != RC_OK)
        give_up(buf_cstr(&why));
    buf_done(&why);
    if (pthread_create(&b->thread, NULL, run_node, b) != 0 || !proc_poll(is_ready, b, START_MS))
        give_up("the node does not get ready");
}

/* Only the node's own thread waits for it. */
static void end_node(void) { (void)kill(getpid(), SIGTERM); }

/* What is met from here on is met on the way to the end. */
static void end_in_story(void *arg) {
    (void)arg;
    sites_record(true);
    end_node();
}

static bool join_node(struct bench *b) {
    pthread_join(b->thread, NULL);
    config_done(&b->config);
    return b->status == 0;
}

static bool stop_node(struct bench *b) {
    end_node();
    return join_node(b);
}

/* Starting is another story. */
static void start_again(struct bench *b) {
    sites_record(false);
    start_node(b);
    sites_record(true);
}

/* What a node does for the first time only, its successor does again. */
static bool renew_node(struct bench *b) {
    sites_record(false);
    bool ok = stop_node(b);
    start_again(b);
    return ok;
}

/* ---- what is left ---- */

static unsigned count_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        (void)closedir(dir);
    return n;
}

static bool has_settled(void *arg) {
    const struct bench *b = arg;
    return atomic_load(&stats.streams) == 0 && atomic_load(&stats.connections) == 0 &&
           atomic_load(&stats.handles_subscribed) == 0 &&
           (b->descriptors == 0 || count_descriptors() <= b->descriptors);
}

static bool settles(struct bench *b) {
    if (proc_poll(has_settled, b, SETTLE_MS))
        return true;
    printf("  is left: streams %d, connections %d, subscriptions %d, descriptors %u of %u\n",
           (int)stats.streams, (int)stats.connections, (int)stats.handles_subscribed,
           count_descriptors(), b->descriptors);
    return false;
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
static bool leaks(void) { return __lsan_do_recoverable_leak_check() != 0; }
#else
static bool leaks(void) { return false; }
#endif

/* ---- the node's links ---- */

static uint16_t port_of(const char *url) {
    const char *at = strstr(url, "127.0.0.1:");
    return at ? (uint16_t)strtoul(at + strlen("127.0.0.1:"), NULL, 10) : 0;
}

/* Cuts the node's connections to PostgreSQL and NATS, which are this program's own: what is met
 * only on the way to new ones is met then. */
static void cut_links(struct bench *b) {
    uint16_t ports[] = {port_of(postgres_url(b->site.pg, "chat")),
                        port_of(natsd_url(b->site.nats))};
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct sockaddr_in peer;
        socklen_t n = sizeof peer;
        int fd = (int)strtol(e->d_name, NULL, 10);
        if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0 || peer.sin_family != AF_INET)
            continue;
        if (ntohs(peer.sin_port) == ports[0] || ntohs(peer.sin_port) == ports[1])
            (void)shutdown(fd, SHUT_RDWR);
    }
    if (dir)
        (void)closedir(dir);
}

/* ---- the places ---- */

struct result {
    size_t met; /* in peace */
    unsigned failed, unmet, wrong;
    bool has_failed[SITES_MAX];
    enum story_kind kinds[SITES_MAX]; /* in which story it was met first */
    size_t told;                      /* so many have a kind */
};

/* Tells a story; what it meets for the first time is met in it. A drained node has a successor
 * then. */
static bool tell(struct bench *b, enum story_kind kind, struct result *r,
                 char why[STORY_WHY_BYTES]) {
    b->place.port = b->port;
    sites_record(kind != STORY_DRAIN);
    bool ok = story_run(kind, &b->place, why);
    if (kind == STORY_DRAIN) {
        if (!ok)
            end_node(); /* which it may have been told before: then at once */
        if (!join_node(b) && ok) {
            (void)snprintf(why, STORY_WHY_BYTES, "the node that was drained ended with an error");
            ok = false;
        }
    }
    for (size_t n = sites_count(); r->told < n; r->told++)
        r->kinds[r->told] = kind;
    return ok;
}

/* How many places of each call failed. */
static void print_calls(const struct result *r) {
    bool is_printed[SITES_MAX] = {false};
    size_t n = sites_count();
    for (size_t i = 0; i < n; i++) {
        unsigned places = 0;
        for (size_t k = i; k < n && !is_printed[i]; k++)
            if (sites_name(k) == sites_name(i)) {
                places += r->has_failed[k];
                is_printed[k] = k > i;
            }
        if (places > 0)
            printf("  %-36s %u\n", sites_name(i), places);
    }
}

/* False: the node did not go on. */
static bool try_site(struct bench *b, size_t site, struct result *r) {
    char why[STORY_WHY_BYTES] = "";
    enum story_kind kind = r->kinds[site];
    bool has_failed = false, ok = true;
    /* What was met only because something had failed is not worth a new node. */
    unsigned tries = kind == STORY_DRAIN ? 1 : site < r->met ? TRIES : TRIES - 1;
    for (unsigned i = 0; i < tries && !has_failed && ok; i++) {
        if (i == 2)
            ok = renew_node(b);
        sites_arm(site);
        if (i == 1)
            cut_links(b);
        ok = tell(b, kind, r, why) && ok;
        has_failed = sites_disarm();
        if (kind == STORY_DRAIN)
            start_again(b);
        ok = settles(b) && ok;
    }
    r->failed += has_failed;
    r->has_failed[site] = has_failed;
    r->unmet += !has_failed;
    r->wrong += !ok;
    if (!ok) {
        printf("WRONG at site %zu: %s\n  ", site, why);
        sites_print(site);
    }
    return ok;
}

static bool learn(struct bench *b, struct result *r) {
    /* The slow one last: the node that began after the drain has all its connections then. */
    static const enum story_kind kinds[] = {STORY_POSTS, STORY_POSTS, STORY_POSTS, STORY_DRAIN,
                                            STORY_SLOW};
    char why[STORY_WHY_BYTES];
    sites_record(true);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (i == 2)
            cut_links(b);
        bool ok = tell(b, kinds[i], r, why);
        if (kinds[i] == STORY_DRAIN)
            start_again(b);
        if (!ok || !settles(b)) {
            printf("WRONG before anything failed: %s\n", why);
            return false;
        }
    }
    b->descriptors = count_descriptors();
    return true;
}

static bool try_all(struct bench *b, struct result *r) {
    for (size_t site = 0; site < sites_count(); site++) {
        /* After three of them one knows enough. */
        if (!try_site(b, site, r) && r->wrong == 3)
            return false;
        if (site % LEAKS_EACH == 0 && leaks()) {
            printf("WRONG: memory is lost, by a site up to %zu\n", site);
            return false;
        }
    }
    return r->wrong == 0;
}

static bool run(long only) {
    static struct bench b;
    static struct result r;
    sites_exempt_me();
    site_start(&b.site, BUILD_DIR "/kez-chat-server", 1, NULL);
    b.other = b.site.nodes[0];
    b.place = (struct story_place){.other = b.other, .end = end_in_story};
    start_node(&b);
    bool ok = learn(&b, &r);
    r.met = sites_count();
    if (ok)
        ok = only < 0 ? try_all(&b, &r) : try_site(&b, (size_t)only, &r);
    ok = stop_node(&b) && ok;
    site_stop(&b.site);
    print_calls(&r);
    printf("sites %zu met in peace and %zu after failures; failed %u, not met again %u; answers of "
           "500 or 503 %u, broken connections %u; wrong %u\n",
           r.met, sites_count() - r.met, r.failed, r.unmet, b.place.tally.errors,
           b.place.tally.cuts, r.wrong);
    return ok && (only >= 0 || r.failed * 2 > r.met);
}

int main(int argc, char **argv) {
    uint64_t site = 0;
    sigset_t set;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--site") != 0 ||
                      str_read_u64(str_of(argv[2]), SITES_MAX - 1, &site) != RC_OK)) {
        (void)fprintf(stderr, "usage: inject [--site N]\n");
        return 2;
    }
    sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    return run(argc == 3 ? (long)site : -1) ? 0 : 1;
}
