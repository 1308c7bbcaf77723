/* flow/exchange.c -- an exchange's small verbs: wait for a job, answer, fail.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/exchange.h"

#include <stdarg.h>
#include <stdio.h>

#include "flow/flow.h"
#include "wire/problem.h"

enum {
    WORK_MAX_BYTES = 1024 * 1024, /* a signed text or a compact body */
    DETAIL_MAX_BYTES = 512,       /* of a formatted detail; longer ones are cut */
    RETRY_AFTER_S = 2,            /* what 503 and 429 say when nobody knows better */
};

void exchange_init(struct exchange *ex) {
    *ex = (struct exchange){.status = 0};
    buf_init(&ex->work, WORK_MAX_BYTES);
    buf_init(&ex->out, ANSWER_MAX_BYTES);
}

void exchange_done(struct exchange *ex) {
    if (ex->drop)
        ex->drop(ex);
    message_done(&ex->message);
    conversation_draft_done(&ex->draft);
    buf_done(&ex->work);
    buf_done(&ex->out);
}

void exchange_wake(struct exchange *ex) { ex->wake(ex); }

static void on_job_done(struct store_job *job) { exchange_wake(job->arg); }

enum step exchange_submit(struct flow *flow, struct exchange *ex, enum store_kind kind,
                          step_fn *next) {
    ex->job.job.kind = kind;
    ex->job.job.done = on_job_done;
    ex->job.job.arg = ex;
    ex->next = next;
    /* From here on the job may be done at any moment. */
    enum rc rc = store_submit(flow->store, &ex->job.job);
    if (rc == RC_OK)
        return STEP_WAIT;
    return exchange_fail(ex, RC_UNAVAILABLE,
                         rc == RC_FULL ? "The store is busy; try again shortly."
                                       : "The store cannot be reached; try again shortly.");
}

enum step exchange_answer(struct exchange *ex, int status, const char *content_type) {
    if (buf_rc(&ex->out) != RC_OK)
        return exchange_fail(ex, RC_NO_MEMORY, "The answer found no memory; try again shortly.");
    ex->status = status;
    ex->content_type = content_type;
    return STEP_ANSWERED;
}

enum step exchange_fail(struct exchange *ex, enum rc rc, const char *detail) {
    buf_clear(&ex->out);
    problem_put(&ex->out, rc, str_of(detail));
    ex->status = problem_status(rc);
    ex->content_type = "application/problem+json";
    ex->is_stream = false;
    if ((ex->status == 503 || ex->status == 429) && ex->retry_after_s == 0)
        ex->retry_after_s = RETRY_AFTER_S;
    return STEP_ANSWERED;
}

enum step exchange_failf(struct exchange *ex, enum rc rc, const char *format, ...) {
    char detail[DETAIL_MAX_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    return exchange_fail(ex, rc, detail);
}
