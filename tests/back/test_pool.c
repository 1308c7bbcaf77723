/* tests/back/test_pool.c -- workers: who gets a job, what happens without a server, and healing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/pool.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/table.h"
#include "support/postgres.h"
#include "support/proc.h"

enum { UP_MS = 60000, WAIT_S = 120, PATIENT_MS = 60000 };

static struct postgres *pg;

struct job {
    struct queue_item item;
    const char *sql;
    enum rc rc;
    unsigned worker;
    size_t taken; /* jobs that its worker took at once, this one among them */
    sem_t *gate;  /* it runs until this is posted; NULL: no longer than it takes */
    sem_t done;
};

struct watch {
    struct pool *pool;
    atomic_uint prepared, accepting;
    atomic_bool prepare_fails, push_again, look_fails;
    sem_t *gate; /* a job that runs takes one; NULL: none is needed */
};

static enum rc prepare(void *arg, struct link *l) {
    struct watch *w = arg;
    atomic_fetch_add(&w->prepared, 1);
    if (!atomic_load(&w->prepare_fails))
        return RC_OK;
    link_refuse(l, "the test says so");
    return RC_CONFLICT;
}

static void look(void *arg, struct link *l) {
    struct watch *w = arg;
    if (atomic_exchange(&w->look_fails, false))
        link_refuse(l, "it is not what it was");
    else if (link_ping(l) == RC_IO)
        link_refuse(l, "a ping failed");
}

static void run_one(struct watch *of, struct pool_worker *w, struct job *job) {
    struct pg_result *r[1];
    sem_t *gate = job->gate ? job->gate : of->gate;
    while (gate && sem_wait(gate) != 0)
        continue; /* EINTR */
    link_send_sql(pool_link(w), job->sql, 0, NULL);
    link_sync(pool_link(w));
    job->worker = pool_index(w);
    job->rc = link_collect(pool_link(w), 1, r);
    if (job->rc == RC_OK)
        link_clear(1, r);
    if (!atomic_exchange(&of->push_again, false) || pool_push_again(w, &job->item) != RC_OK)
        sem_post(&job->done);
}

static void run(void *arg, struct pool_worker *w, struct queue_item *jobs) {
    size_t taken = 0;
    for (const struct queue_item *i = jobs; i; i = i->next)
        taken++;
    for (struct queue_item *next; jobs; jobs = next) {
        next = jobs->next;
        container_of(jobs, struct job, item)->taken = taken;
        run_one(arg, w, container_of(jobs, struct job, item));
    }
}

static void refuse(void *arg, struct queue_item *jobs) {
    (void)arg;
    for (struct queue_item *next; jobs; jobs = next) {
        struct job *job = container_of(jobs, struct job, item);
        next = jobs->next;
        job->rc = RC_UNAVAILABLE;
        sem_post(&job->done);
    }
}

static void changed(void *arg, bool one_more) {
    struct watch *w = arg;
    atomic_fetch_add(&w->accepting, one_more ? 1u : 0u - 1u);
}

static struct pool_config config_for(const char *url, unsigned workers) {
    return (struct pool_config){.link = {.url = url,
                                         .name = "a pool",
                                         .timeout_ms = PATIENT_MS,
                                         .connect_timeout_ms = PATIENT_MS},
                                .workers = workers,
                                .queue_items = 1000,
                                .queue_bytes = 1000000,
                                .take_items = 10,
                                .take_bytes = 100000,
                                .reconnect_max_ms = 200};
}

static void start_with(struct watch *w, const struct pool_config *config,
                       const struct clock *clock) {
    struct pool_events events = {.arg = w,
                                 .prepare = prepare,
                                 .look = look,
                                 .run = run,
                                 .refuse = refuse,
                                 .changed = changed};
    assert_int_equal(pool_start(config, &events, clock, &w->pool), RC_OK);
}

static void start(struct watch *w, const struct pool_config *config) {
    start_with(w, config, clock_system());
}

static struct watch *watch;
static unsigned wanted;

static bool accepts_as_wanted(void *arg) {
    (void)arg;
    return atomic_load(&watch->accepting) == wanted && pool_is_up(watch->pool) == (wanted > 0);
}

static void wait_accepting(struct watch *w, unsigned n) {
    watch = w;
    wanted = n;
    if (!proc_poll(accepts_as_wanted, NULL, UP_MS))
        fail_msg("%u workers accept jobs, not %u", atomic_load(&w->accepting), n);
}

static void init_job(struct job *job, const char *sql) {
    *job = (struct job){.sql = sql, .item.bytes = 1};
    sem_init(&job->done, 0, 0);
}

static enum rc wait_job(struct job *job) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    if (sem_timedwait(&job->done, &until) != 0)
        fail_msg("a job was not answered");
    sem_destroy(&job->done);
    return job->rc;
}

static enum rc ask(struct watch *w, const char *sql) {
    struct job job;
    init_job(&job, sql);
    enum rc rc = pool_push_any(w->pool, &job.item);
    return rc == RC_OK ? wait_job(&job) : rc;
}

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    postgres_stop(pg);
    return 0;
}

/* ---- */

static void jobs_of_one_hash_go_to_one_worker_in_order_others_take_turns(void **state) {
    enum { N = 30, WORKERS = 3 };
    struct watch w = {0};
    struct pool_config config = config_for(postgres_url(pg, "pool"), WORKERS);
    struct job jobs[N];
    bool seen[WORKERS] = {false};
    (void)state;
    start(&w, &config);
    wait_accepting(&w, WORKERS);
    for (unsigned i = 0; i < N; i++) {
        init_job(&jobs[i], "SELECT 1");
        assert_int_equal(pool_push(w.pool, i % 5, &jobs[i].item), RC_OK);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(wait_job(&jobs[i]), RC_OK);
        assert_int_equal(jobs[i].worker, i % 5 % WORKERS);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        init_job(&jobs[i], "SELECT 1");
        assert_int_equal(pool_push_any(w.pool, &jobs[i].item), RC_OK);
        assert_int_equal(wait_job(&jobs[i]), RC_OK);
        seen[jobs[i].worker] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    pool_stop(w.pool);
}

static void a_job_may_be_put_back(void **state) {
    struct watch w = {.push_again = true};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 1);
    (void)state;
    start(&w, &config);
    wait_accepting(&w, 1);
    assert_int_equal(ask(&w, "SELECT 1"), RC_OK);
    assert_false(atomic_load(&w.push_again));
    pool_stop(w.pool);
}

static void stopping_runs_what_was_pushed_and_refuses_more(void **state) {
    enum { N = 25 };
    struct watch w = {0};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 1);
    struct job jobs[N];
    (void)state;
    start(&w, &config);
    wait_accepting(&w, 1);
    for (unsigned i = 0; i < N; i++) {
        init_job(&jobs[i], "SELECT pg_sleep(0.01)");
        assert_int_equal(pool_push_any(w.pool, &jobs[i].item), RC_OK);
    }
    pool_stop(w.pool);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(wait_job(&jobs[i]), RC_OK);
}

static void without_a_server_jobs_are_refused_until_it_comes(void **state) {
    struct watch w = {0};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 2);
    (void)state;
    postgres_halt(pg, "fast");
    start(&w, &config);
    assert_int_equal(ask(&w, "SELECT 1"), RC_UNAVAILABLE);
    assert_false(pool_is_up(w.pool));
    postgres_resume(pg);
    wait_accepting(&w, 2);
    assert_int_equal(ask(&w, "SELECT 1"), RC_OK);
    postgres_halt(pg, "immediate");
    wait_accepting(&w, 0);
    assert_int_equal(ask(&w, "SELECT 1"), RC_UNAVAILABLE);
    /* It can be stopped while it tries. */
    pool_stop(w.pool);
    postgres_resume(pg);
}

static bool was_tried_thrice(void *arg) {
    struct watch *w = arg;
    return atomic_load(&w->prepared) >= 3;
}

static void a_connection_that_cannot_be_set_up_is_tried_again(void **state) {
    struct watch w = {.prepare_fails = true};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 1);
    (void)state;
    start(&w, &config);
    assert_true(proc_poll(was_tried_thrice, &w, UP_MS));
    assert_int_equal(ask(&w, "SELECT 1"), RC_UNAVAILABLE);
    atomic_store(&w.prepare_fails, false);
    wait_accepting(&w, 1);
    assert_int_equal(ask(&w, "SELECT 1"), RC_OK);
    pool_stop(w.pool);
}

enum { SLOWNESS = 20 };

static uint64_t slow_us(void *arg) {
    (void)arg;
    return clock_mono_us(clock_system()) / SLOWNESS;
}

/* By its clock a new connection is made within the second that jobs are kept for it, however slow
 * the machine is. */
static void a_session_that_was_ended_is_replaced_and_no_job_refused(void **state) {
    enum { ENDS = 5 };
    static const struct clock slow = {.mono_us = slow_us};
    struct watch w = {0};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 1);
    (void)state;
    config.reconnect_max_ms = 50;
    start_with(&w, &config, &slow);
    wait_accepting(&w, 1);
    for (unsigned i = 1; i <= ENDS; i++) {
        unsigned before = atomic_load(&w.prepared);
        postgres_exec(pg, "pool",
                      "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                      " WHERE application_name = 'a pool'");
        assert_int_equal(ask(&w, "SELECT 1"), RC_OK);
        assert_true(atomic_load(&w.prepared) > before);
        assert_int_equal(atomic_load(&w.accepting), 1);
    }
    pool_stop(w.pool);
}

static void a_silent_server_is_dropped_and_jobs_are_refused_at_once(void **state) {
    struct watch w = {0};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 1);
    (void)state;
    config.link.timeout_ms = 3000;
    start(&w, &config);
    wait_accepting(&w, 1);
    postgres_freeze(pg);
    assert_int_equal(ask(&w, "SELECT 1"), RC_TIMEOUT);
    wait_accepting(&w, 0);
    assert_int_equal(ask(&w, "SELECT 1"), RC_UNAVAILABLE); /* after a wait: RC_TIMEOUT */
    postgres_thaw(pg);
    wait_accepting(&w, 1);
    assert_int_equal(ask(&w, "SELECT 1"), RC_OK);
    pool_stop(w.pool);
}

static bool is_made_anew_while_it_is_busy(void *arg) {
    struct watch *w = arg;
    assert_int_equal(ask(w, "SELECT 1"), RC_OK);
    return atomic_load(&w->prepared) == 2;
}

static void a_connection_is_looked_at_and_made_anew_when_it_is_no_good(void **state) {
    struct watch w = {.look_fails = true};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 1);
    (void)state;
    start(&w, &config);
    wait_accepting(&w, 1);
    assert_true(proc_poll(is_made_anew_while_it_is_busy, &w, UP_MS));
    assert_false(atomic_load(&w.look_fails));
    pool_stop(w.pool);
}

static void another_worker_takes_the_place_of_one_that_has_no_connection(void **state) {
    struct watch w = {0};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 2);
    (void)state;
    postgres_exec(pg, "pool", "CREATE ROLE narrow LOGIN CONNECTION LIMIT 1");
    char *url = strdup(config.link.url), text[128];
    (void)snprintf(text, sizeof text, "postgresql://narrow@%s", strchr(url, '@') + 1);
    config.link.url = text;
    start(&w, &config);
    wait_accepting(&w, 1);
    struct job jobs[2];
    for (unsigned i = 0; i < 2; i++) {
        init_job(&jobs[i], "SELECT 1");
        assert_int_equal(pool_push(w.pool, i, &jobs[i].item), RC_OK);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(wait_job(&jobs[i]), RC_OK);
    assert_int_equal(jobs[0].worker, jobs[1].worker);
    pool_stop(w.pool);
    free(url);
}

/* ---- turns ---- */

/* A clock that stands, so that nobody hangs before the test says so. */
static _Atomic uint64_t hand_us = 1000000;
static uint64_t read_hand(void *arg) {
    (void)arg;
    return atomic_load(&hand_us);
}
static const struct clock standing = {.mono_us = read_hand};

static struct pool *turns;
struct runs {
    unsigned worker;
    size_t jobs;
};
static bool runs_as_wanted(void *arg) {
    const struct runs *want = arg;
    return pool_look(turns, want->worker).running == want->jobs;
}

static void wait_running(unsigned worker, size_t jobs) {
    if (!proc_poll(runs_as_wanted, &(struct runs){worker, jobs}, UP_MS))
        fail_msg("worker %u runs %zu jobs", worker, pool_look(turns, worker).running);
}

static void push_to(struct watch *w, unsigned worker, struct job *job, sem_t *gate) {
    init_job(job, "SELECT 1");
    job->gate = gate;
    assert_int_equal(pool_push_to(w->pool, worker, &job->item), RC_OK);
}

/* Lets the second worker run two jobs, until the gate is posted twice. */
static void occupy(struct watch *w, struct job jobs[3], sem_t *gate) {
    turns = w->pool;
    push_to(w, 1, &jobs[0], gate);
    wait_running(1, 1);
    push_to(w, 1, &jobs[1], gate); /* these wait behind it */
    push_to(w, 1, &jobs[2], gate);
    sem_post(gate);
    assert_int_equal(wait_job(&jobs[0]), RC_OK);
    wait_running(1, 2);
}

static void let_go(struct job jobs[3], sem_t *gate) {
    sem_post(gate);
    sem_post(gate);
    for (unsigned i = 1; i < 3; i++)
        assert_int_equal(wait_job(&jobs[i]), RC_OK);
    wait_running(1, 0);
}

static void where_they_take_turns_jobs_wait_until_they_are_as_many_as_another_runs(void **state) {
    struct watch w = {0};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 2);
    struct job others[3], a, b;
    sem_t gate;
    (void)state;
    config.takes_turns = true;
    sem_init(&gate, 0, 0);
    start_with(&w, &config, &standing);
    wait_accepting(&w, 2);
    occupy(&w, others, &gate);

    for (unsigned i = 0; i < 20; i++) { /* by chance it might be right once */
        push_to(&w, 0, &a, NULL);
        push_to(&w, 0, &b, NULL);
        assert_int_equal(wait_job(&a), RC_OK);
        assert_int_equal(wait_job(&b), RC_OK);
        assert_int_equal(a.taken, 2);
        wait_running(0, 0);
    }
    let_go(others, &gate);

    /* One that is not joined goes when the other is done. */
    occupy(&w, others, &gate);
    push_to(&w, 0, &a, NULL);
    assert_int_equal(pool_look(w.pool, 0).running, 0);
    let_go(others, &gate);
    assert_int_equal(wait_job(&a), RC_OK);

    /* Or when the other hangs. */
    occupy(&w, others, &gate);
    push_to(&w, 0, &a, NULL);
    atomic_fetch_add(&hand_us, POOL_HANGS_MS * 1000);
    assert_int_equal(wait_job(&a), RC_OK);
    assert_int_equal(pool_look(w.pool, 1).running, 2);
    let_go(others, &gate);
    pool_stop(w.pool);
    sem_destroy(&gate);
}

static void a_full_queue_is_an_answer(void **state) {
    sem_t gate;
    struct watch w = {.gate = &gate};
    struct pool_config config = config_for(postgres_url(pg, "pool"), 1);
    struct job jobs[4];
    enum rc rc = RC_OK;
    unsigned n = 0;
    (void)state;
    config.queue_items = 2;
    config.take_items = 1;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    start(&w, &config);
    wait_accepting(&w, 1);
    for (; n < 4 && rc == RC_OK; n += rc == RC_OK) {
        init_job(&jobs[n], "SELECT 1");
        rc = pool_push_any(w.pool, &jobs[n].item);
    }
    assert_int_equal(rc, RC_FULL);
    assert_true(n >= 2); /* and one more when the first has been taken */
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(sem_post(&gate), 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(wait_job(&jobs[i]), RC_OK);
    pool_stop(w.pool);
    sem_destroy(&gate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_of_one_hash_go_to_one_worker_in_order_others_take_turns),
        cmocka_unit_test(a_job_may_be_put_back),
        cmocka_unit_test(stopping_runs_what_was_pushed_and_refuses_more),
        cmocka_unit_test(without_a_server_jobs_are_refused_until_it_comes),
        cmocka_unit_test(a_connection_that_cannot_be_set_up_is_tried_again),
        cmocka_unit_test(a_session_that_was_ended_is_replaced_and_no_job_refused),
        cmocka_unit_test(a_silent_server_is_dropped_and_jobs_are_refused_at_once),
        cmocka_unit_test(a_connection_is_looked_at_and_made_anew_when_it_is_no_good),
        cmocka_unit_test(another_worker_takes_the_place_of_one_that_has_no_connection),
        cmocka_unit_test(where_they_take_turns_jobs_wait_until_they_are_as_many_as_another_runs),
        cmocka_unit_test(a_full_queue_is_an_answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
