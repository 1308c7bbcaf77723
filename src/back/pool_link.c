/* back/pool_link.c -- one connection to PostgreSQL that never waits longer than it was told.
 *
 * The connection is non-blocking and, but for link_script(), in pipeline mode. Every wait is a
 * poll() with a deadline; what ends a connection goes through fail(), with a reason.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/pool_link.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "core/stats.h"

enum {
    WHY_MAX = 255,
    SQLSTATE_LEN = 5,
    MAX_SETTINGS = 96, /* libpq 15 knows 44, libpq 17 knows 50 */
    SETTING_MAX = 255, /* one host or port out of a list */
    TLS_LOOK_MS = 20   /* bytes may wait inside the TLS library, where poll() cannot see them */
};

struct link {
    PGconn *conn;
    const struct clock *clock;
    char *name;
    uint32_t timeout_ms, connect_timeout_ms;
    int stop_fd;           /* -1: none */
    PQconninfoOption *url; /* parsed */
    unsigned attempts;     /* chooses the host */
    uint64_t deadline_us;  /* while connecting */
    short wants;           /* while connecting: POLLIN or POLLOUT */
    bool is_open, hung_up, timed_out;
    char sqlstate[SQLSTATE_LEN + 1];
    char note[LINK_NOTE_MAX + 1];
    char why[WHY_MAX + 1];
};

static uint64_t us_of(uint32_t ms) { return (uint64_t)ms * 1000; }

static int ms_until(const struct link *l, uint64_t deadline_us) {
    uint64_t now = clock_mono_us(l->clock);
    return deadline_us <= now ? 0 : (int)((deadline_us - now + 999) / 1000);
}

enum rc link_new(const struct link_config *config, const struct clock *clock, struct link **out) {
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return RC_NO_MEMORY;
    l->clock = clock;
    l->timeout_ms = config->timeout_ms;
    l->connect_timeout_ms = config->connect_timeout_ms;
    l->stop_fd = config->stop_fd > 0 ? config->stop_fd : -1;
    l->name = strdup(config->name);
    /* libpq's sentence about a bad URL may repeat the password in it: it is not asked for. */
    l->url = PQconninfoParse(config->url, NULL);
    enum rc rc = !l->name ? RC_NO_MEMORY : !l->url ? RC_MALFORMED : RC_OK;
    if (rc == RC_OK)
        *out = l;
    else
        link_free(l);
    return rc;
}

void link_free(struct link *l) {
    if (!l)
        return;
    link_close(l);
    PQconninfoFree(l->url);
    free(l->name);
    free(l);
}

/* ---- ending ---- */

void link_close(struct link *l) {
    PQfinish(l->conn);
    l->conn = NULL;
    l->is_open = false;
    l->note[0] = '\0';
}

/* Keeps the first line of `why`. */
static void keep_why(struct link *l, const char *why) {
    size_t n = strcspn(why, "\r\n");
    if (n > WHY_MAX)
        n = WHY_MAX;
    memcpy(l->why, why, n);
    l->why[n] = '\0';
}

static void fail(struct link *l, const char *why) {
    stats_add(store_errors, 1);
    keep_why(l, why && *why ? why : "no reason given");
    link_close(l);
}

void link_refuse(struct link *l, const char *why) {
    l->timed_out = false;
    fail(l, why);
}

static enum rc fail_late(struct link *l, const char *why) {
    fail(l, why);
    l->timed_out = true;
    return RC_TIMEOUT;
}

static bool is_told_to_stop(const struct link *l) {
    struct pollfd p = {.fd = l->stop_fd, .events = POLLIN};
    return l->stop_fd >= 0 && poll(&p, 1, 0) > 0;
}

static enum rc fail_stopped(struct link *l) {
    link_refuse(l, "told to stop");
    return RC_UNAVAILABLE;
}

/* libpq broke it off, or the server did. libpq's sentence is asked for only while connecting: later
 * on it may begin with what the server said about a statement, which quotes it. */
static enum rc fail_broken(struct link *l) {
    link_refuse(l, l->is_open ? "the connection was cut" : PQerrorMessage(l->conn));
    return RC_UNAVAILABLE;
}

/* ---- opening ---- */

struct settings {
    size_t n;
    const char *names[MAX_SETTINGS + 1], *values[MAX_SETTINGS + 1];
    char host[SETTING_MAX + 1], address[SETTING_MAX + 1], port[SETTING_MAX + 1];
};

static void add(struct settings *s, const char *name, const char *value) {
    if (s->n < MAX_SETTINGS) {
        s->names[s->n] = name;
        s->values[s->n] = value;
        s->n++;
    }
}

static const char *value_of(const struct link *l, const char *name) {
    for (const PQconninfoOption *o = l->url; o->keyword; o++)
        if (strcmp(o->keyword, name) == 0)
            return o->val;
    return NULL;
}

static void add_unless_given(struct settings *s, const struct link *l, const char *name,
                             const char *value) {
    if (!value_of(l, name))
        add(s, name, value);
}

static unsigned entries(const char *list) {
    unsigned n = 1;
    for (; list && *list; list++)
        n += *list == ',';
    return n;
}

/* The entry number `index` of a comma separated list; of a list of one, that one. */
static const char *entry(const char *list, unsigned index, char out[SETTING_MAX + 1]) {
    if (entries(list) == 1)
        return list;
    for (; index > 0; index--)
        list += strcspn(list, ",") + 1;
    (void)snprintf(out, SETTING_MAX + 1, "%.*s", (int)strcspn(list, ","), list);
    return out;
}

/* libpq has no time-out for each of several hosts when it connects without blocking, and would hang
 * at a dead first one for ever. So an attempt gets one host of the list, the next attempt the
 * next. */
static void add_host(struct settings *s, const struct link *l) {
    const char *hosts = value_of(l, "host"), *addresses = value_of(l, "hostaddr");
    const char *ports = value_of(l, "port");
    unsigned n = entries(hosts) > entries(addresses) ? entries(hosts) : entries(addresses);
    unsigned index = l->attempts % n;
    bool ports_fit = entries(ports) == 1 || entries(ports) == n;
    bool hosts_fit = !hosts || !addresses || entries(hosts) == entries(addresses);
    if (!ports_fit || !hosts_fit) { /* libpq has the sentence for it */
        add(s, "host", hosts);
        add(s, "hostaddr", addresses);
        add(s, "port", ports);
        return;
    }
    if (hosts)
        add(s, "host", entry(hosts, index, s->host));
    if (addresses)
        add(s, "hostaddr", entry(addresses, index, s->address));
    if (ports)
        add(s, "port", entry(ports, index, s->port));
}

static bool is_host_or_port(const char *name) {
    return strcmp(name, "host") == 0 || strcmp(name, "hostaddr") == 0 || strcmp(name, "port") == 0;
}

static void settle(struct settings *s, const struct link *l, const char *user_timeout) {
    for (const PQconninfoOption *o = l->url; o->keyword; o++)
        if (o->val && !is_host_or_port(o->keyword))
            add(s, o->keyword, o->val);
    add_host(s, l);
    add_unless_given(s, l, "application_name", l->name);
    add_unless_given(s, l, "target_session_attrs", "read-write");
    add_unless_given(s, l, "keepalives_idle", "10");
    add_unless_given(s, l, "keepalives_interval", "5");
    add_unless_given(s, l, "keepalives_count", "3");
    add_unless_given(s, l, "tcp_user_timeout", user_timeout);
    add(s, "client_encoding", "UTF8"); /* a later one wins */
}

/* libpq would print them on standard error; they may quote what was sent. */
static void ignore_notice(void *arg, const PGresult *notice) {
    (void)arg;
    (void)notice;
}

void link_begin(struct link *l) {
    struct settings s = {.n = 0};
    char user_timeout[16];
    (void)snprintf(user_timeout, sizeof user_timeout, "%u", (unsigned)l->timeout_ms);
    link_close(l);
    settle(&s, l, user_timeout);
    l->attempts++;
    l->hung_up = l->timed_out = false;
    l->wants = POLLOUT;
    l->deadline_us = clock_mono_us(l->clock) + us_of(l->connect_timeout_ms);
    l->conn = PQconnectStartParams(s.names, s.values, 0);
    if (l->conn)
        (void)PQsetNoticeReceiver(l->conn, ignore_notice, NULL);
}

static enum link_step opened(struct link *l) {
    if (PQsetnonblocking(l->conn, 1) != 0 || !PQenterPipelineMode(l->conn)) {
        (void)fail_broken(l);
        return LINK_FAILED;
    }
    l->is_open = true;
    l->why[0] = '\0';
    return LINK_OPEN;
}

enum link_step link_go_on(struct link *l) {
    if (!l->conn) {
        keep_why(l, "out of memory");
        return LINK_FAILED;
    }
    if (PQstatus(l->conn) == CONNECTION_BAD) {
        (void)fail_broken(l);
        return LINK_FAILED;
    }
    /* PQconnectPoll() may be called only when the socket is ready. */
    struct pollfd p = {.fd = PQsocket(l->conn), .events = l->wants};
    if (poll(&p, 1, 0) <= 0) {
        if (ms_until(l, l->deadline_us) > 0)
            return l->wants == POLLIN ? LINK_READS : LINK_WRITES;
        (void)fail_late(l, "no answer while connecting");
        return LINK_FAILED;
    }
    PostgresPollingStatusType status = PQconnectPoll(l->conn);
    if (status == PGRES_POLLING_OK)
        return opened(l);
    if (status == PGRES_POLLING_FAILED) {
        (void)fail_broken(l);
        return LINK_FAILED;
    }
    l->wants = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    return l->wants == POLLIN ? LINK_READS : LINK_WRITES;
}

int link_patience_ms(const struct link *l) { return ms_until(l, l->deadline_us); }

enum rc link_open(struct link *l) {
    enum link_step step;
    link_begin(l);
    while ((step = link_go_on(l)) == LINK_READS || step == LINK_WRITES) {
        struct pollfd p[] = {{.fd = link_fd(l), .events = step == LINK_READS ? POLLIN : POLLOUT},
                             {.fd = l->stop_fd, .events = POLLIN}};
        (void)poll(p, 2, link_patience_ms(l));
        if (is_told_to_stop(l))
            return fail_stopped(l);
    }
    return step == LINK_OPEN ? RC_OK : RC_UNAVAILABLE;
}

bool link_is_open(const struct link *l) { return l->is_open; }

bool link_timed_out(const struct link *l) { return l->timed_out; }

const char *link_why(const struct link *l) { return l->why; }

int link_fd(const struct link *l) { return PQsocket(l->conn); }

const char *link_name(const struct link *l) { return l->name; }

int link_server_version(const struct link *l) { return PQserverVersion(l->conn); }

void link_set_note(struct link *l, const char *note) {
    (void)snprintf(l->note, sizeof l->note, "%s", note);
}

const char *link_note(const struct link *l) { return l->note; }

/* ---- asking ---- */

/* A call of libpq that failed for want of memory has queued nothing: the answers would be out of
 * step with the questions. */
static void sent(struct link *l, int ok) {
    if (!ok)
        (void)fail_broken(l);
}

void link_send(struct link *l, const char *statement, size_t n, const struct str params[]) {
    const char *values[LINK_PARAMS_MAX];
    int lengths[LINK_PARAMS_MAX], formats[LINK_PARAMS_MAX];
    assert(n <= LINK_PARAMS_MAX);
    if (!l->is_open)
        return;
    for (size_t i = 0; i < n; i++) {
        values[i] = params[i].p;
        lengths[i] = (int)params[i].n;
        formats[i] = 1;
    }
    sent(l, PQsendQueryPrepared(l->conn, statement, (int)n, values, lengths, formats, 1));
}

void link_send_sql(struct link *l, const char *sql, size_t n, const char *const params[]) {
    if (l->is_open)
        sent(l, PQsendQueryParams(l->conn, sql, (int)n, NULL, params, NULL, NULL, 0));
}

void link_send_prepare(struct link *l, const char *name, const char *sql) {
    if (l->is_open)
        sent(l, PQsendPrepare(l->conn, name, sql, 0, NULL));
}

void link_send_flush(struct link *l) {
    if (l->is_open)
        sent(l, PQsendFlushRequest(l->conn));
}

void link_sync(struct link *l) {
    if (l->is_open)
        sent(l, PQpipelineSync(l->conn));
}

/* Sends what is queued and reads what has come, once, waiting until the deadline at most. */
static enum rc move_bytes(struct link *l, uint64_t deadline_us) {
    int more = PQflush(l->conn);
    int wait_ms = ms_until(l, deadline_us);
    if (wait_ms == 0)
        return fail_late(l, "no answer in time");
    if (PQsslInUse(l->conn) && wait_ms > TLS_LOOK_MS)
        wait_ms = TLS_LOOK_MS;
    struct pollfd p[] = {{.fd = PQsocket(l->conn), .events = more ? POLLIN | POLLOUT : POLLIN},
                         {.fd = l->stop_fd, .events = POLLIN}};
    bool is_ready = poll(p, 2, wait_ms) > 0;
    if (is_ready && p[1].revents)
        return fail_stopped(l);
    if ((is_ready && p[0].revents && p[0].revents != POLLOUT) || PQsslInUse(l->conn))
        l->hung_up = !PQconsumeInput(l->conn);
    return RC_OK;
}

/* FATAL and PANIC: the server ends the connection, and says why; or libpq has lost it. */
static bool is_fatal(const PGresult *r) {
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    return !severity || strcmp(severity, "ERROR") != 0;
}

static enum rc fail_fatal(struct link *l, PGresult *r) {
    const char *why = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    link_refuse(l, why ? why : "the connection was cut");
    PQclear(r);
    return RC_UNAVAILABLE;
}

/* The next answer, or NULL where libpq marks the end of a statement's answers. What came before the
 * server hung up is still read. */
static enum rc next(struct link *l, uint64_t deadline_us, PGresult **out) {
    while (l->is_open && PQisBusy(l->conn)) {
        if (l->hung_up)
            return fail_broken(l);
        enum rc rc = move_bytes(l, deadline_us);
        if (rc != RC_OK)
            return rc;
    }
    if (!l->is_open)
        return l->timed_out ? RC_TIMEOUT : RC_UNAVAILABLE;
    PGresult *r = PQgetResult(l->conn);
    if (r && PQresultStatus(r) == PGRES_FATAL_ERROR && is_fatal(r))
        return fail_fatal(l, r);
    *out = r;
    return RC_OK;
}

enum rc link_result(struct link *l, struct pg_result **out) {
    uint64_t deadline_us = clock_mono_us(l->clock) + us_of(l->timeout_ms);
    PGresult *r = NULL;
    enum rc rc = next(l, deadline_us, &r);
    if (rc == RC_OK && !r)
        rc = next(l, deadline_us, &r);
    if (rc == RC_OK && !r) { /* more was read than asked */
        fail(l, "out of step");
        return RC_UNAVAILABLE;
    }
    if (rc == RC_OK)
        *out = r;
    return rc;
}

void link_clear(size_t n, struct pg_result *results[]) {
    for (size_t i = 0; i < n; i++) {
        PQclear(results[i]);
        results[i] = NULL;
    }
}

const char *link_sqlstate(const struct link *l) { return l->sqlstate; }

void link_note_error(struct link *l, const struct pg_result *failed) {
    const char *state = PQresultErrorField(failed, PG_DIAG_SQLSTATE);
    (void)snprintf(l->sqlstate, sizeof l->sqlstate, "%s", state ? state : "XX000");
    stats_add(store_errors, 1);
}

/* Reads up to the sync. An error here is one of the commit. */
static enum rc collect_sync(struct link *l, bool *failed) {
    for (;;) {
        PGresult *r;
        enum rc rc = link_result(l, &r);
        if (rc != RC_OK)
            return rc;
        ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_FATAL_ERROR) {
            link_note_error(l, r);
            *failed = true;
        }
        PQclear(r);
        if (status == PGRES_PIPELINE_SYNC)
            return RC_OK;
    }
}

enum rc link_collect(struct link *l, size_t n, struct pg_result *results[]) {
    bool failed = false;
    size_t got = 0;
    enum rc rc = RC_OK;
    while (got < n && rc == RC_OK) {
        rc = link_result(l, &results[got]);
        if (rc != RC_OK)
            break;
        ExecStatusType status = PQresultStatus(results[got]);
        if (status == PGRES_FATAL_ERROR)
            link_note_error(l, results[got]);
        failed = failed || (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK);
        got++;
    }
    if (rc == RC_OK)
        rc = collect_sync(l, &failed);
    if (rc == RC_OK && failed)
        rc = RC_IO;
    if (rc != RC_OK)
        link_clear(got, results);
    return rc;
}

enum rc link_script(struct link *l, const char *sql, uint32_t within_ms) {
    bool failed = false;
    PGresult *r = NULL;
    if (!l->is_open)
        return RC_UNAVAILABLE;
    if (!PQexitPipelineMode(l->conn) || !PQsendQuery(l->conn, sql))
        return fail_broken(l);
    do {
        enum rc rc = next(l, clock_mono_us(l->clock) + us_of(within_ms), &r);
        if (rc != RC_OK)
            return rc;
        if (r && PQresultStatus(r) == PGRES_FATAL_ERROR) {
            link_note_error(l, r);
            failed = true;
        }
        PQclear(r);
    } while (r);
    if (!PQenterPipelineMode(l->conn))
        return fail_broken(l);
    return failed ? RC_IO : RC_OK;
}

bool link_is_alive(struct link *l) {
    if (!l->is_open)
        return false;
    /* The reason comes first and the end after it: read on as long as there is something. */
    struct pollfd p = {.fd = PQsocket(l->conn), .events = POLLIN};
    while (poll(&p, 1, 0) > 0)
        if (!PQconsumeInput(l->conn)) {
            (void)fail_broken(l);
            return false;
        }
    (void)PQisBusy(l->conn); /* parses: what comes unasked is notices and settings */
    for (PGnotify *n; (n = PQnotifies(l->conn));)
        PQfreemem(n);
    return true;
}

enum rc link_ping(struct link *l) {
    link_sync(l);
    return link_collect(l, 0, NULL);
}
