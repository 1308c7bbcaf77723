/* back/pool_link_ask.c -- what goes over one connection to PostgreSQL: pipelines, their answers,
 * and scripts.
 *
 * Every wait is a poll() with a deadline; a link that breaks ends there.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>

#include "core/stats.h"
#include "pool_link_parts.h"

/* Bytes may wait inside the TLS library, where poll() cannot see them. */
enum { TLS_LOOK_MS = 20 };

/* A call of libpq that failed for want of memory has queued nothing: the answers would be out of
 * step with the questions. */
static void sent(struct link *l, int ok) {
    if (!ok)
        (void)link_fail_broken(l);
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
    int wait_ms = link_ms_until(l, deadline_us);
    if (wait_ms == 0)
        return link_fail_late(l, "no answer in time");
    if (PQsslInUse(l->conn) && wait_ms > TLS_LOOK_MS)
        wait_ms = TLS_LOOK_MS;
    struct pollfd p[] = {{.fd = PQsocket(l->conn), .events = more ? POLLIN | POLLOUT : POLLIN},
                         {.fd = l->stop_fd, .events = POLLIN}};
    bool is_ready = poll(p, 2, wait_ms) > 0;
    if (is_ready && p[1].revents)
        return link_fail_stopped(l);
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
            return link_fail_broken(l);
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
    uint64_t deadline_us = link_us_after(l, l->timeout_ms);
    PGresult *r = NULL;
    enum rc rc = next(l, deadline_us, &r);
    if (rc == RC_OK && !r)
        rc = next(l, deadline_us, &r);
    if (rc == RC_OK && !r) { /* more was read than asked */
        link_fail(l, "out of step");
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
        return link_fail_broken(l);
    do {
        enum rc rc = next(l, link_us_after(l, within_ms), &r);
        if (rc != RC_OK)
            return rc;
        if (r && PQresultStatus(r) == PGRES_FATAL_ERROR) {
            link_note_error(l, r);
            failed = true;
        }
        PQclear(r);
    } while (r);
    if (!PQenterPipelineMode(l->conn))
        return link_fail_broken(l);
    return failed ? RC_IO : RC_OK;
}

bool link_is_alive(struct link *l) {
    if (!l->is_open)
        return false;
    /* The reason comes first and the end after it: read on as long as there is something. */
    struct pollfd p = {.fd = PQsocket(l->conn), .events = POLLIN};
    while (poll(&p, 1, 0) > 0)
        if (!PQconsumeInput(l->conn)) {
            (void)link_fail_broken(l);
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
