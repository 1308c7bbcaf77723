/* kez-bench -- measures nodes from outside, and judges what their streams show.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "bench/scenario.h"

enum { EXIT_GOOD = 0, EXIT_NOT_GOOD = 1, EXIT_USAGE = 2 };
enum { SAY_MAX = 64 * 1024 };

static int complain(struct buf *say) {
    fprintf(stderr, "kez-bench: %s\n", buf_cstr(say));
    return EXIT_USAGE;
}

static int run(const struct options *o, struct buf *say) {
    struct result result;
    enum rc rc = scenario_run(o, &result, say);
    if (rc == RC_MALFORMED)
        return complain(say);
    if (rc != RC_OK) {
        (void)complain(say);
        return EXIT_NOT_GOOD;
    }
    if (o->json)
        report_put_json(say, &result);
    else
        report_put_table(say, &result);
    fputs(buf_cstr(say), stdout);
    return result_is_good(&result) ? EXIT_GOOD : EXIT_NOT_GOOD;
}

int main(int argc, char *argv[]) {
    struct options options;
    struct buf say;
    int status = EXIT_GOOD;
    buf_init(&say, SAY_MAX);
    enum rc rc = options_read(argc, argv, &options, &say);
    if (rc == RC_OK)
        status = run(&options, &say);
    else if (rc == RC_CLOSED)
        fputs(buf_cstr(&say), stdout);
    else
        status = complain(&say);
    buf_done(&say);
    return status;
}
