/* cmd/kez-chat-server.c -- the server: reads the settings and runs a node with them.
 *
 * Exit status: 0 after an orderly end, 1 when something failed, 2 for a wrong setting.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "app/config.h"
#include "app/manual.h"
#include "app/node.h"

enum { EXIT_WRONG_SETTING = 2 };

static int complain(const char *line, int status) {
    fprintf(stderr, "kez-chat-server: %s\n", line);
    return status;
}

static int print(const struct buf *text) {
    if (buf_rc(text) != RC_OK)
        return complain(rc_text(buf_rc(text)), EXIT_FAILURE);
    bool is_written = fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0;
    return is_written ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int renew_epoch(const struct config *config) {
    const char *why = "";
    if (store_renew_epoch(&config->store, &why) != RC_OK)
        return complain(why, EXIT_FAILURE);
    puts("Every inbox has a new epoch; clients read their inboxes again.");
    return EXIT_SUCCESS;
}

static int act(const struct config *config, int argc, const char *const argv[], struct buf *text) {
    switch (config->action) {
    case CONFIG_RUN:
        return node_run(config, argc, argv);
    case CONFIG_NEW_EPOCH:
        return renew_epoch(config);
    case CONFIG_CHECK:
        buf_put(text, STR("The configuration is good.\n"));
        break;
    case CONFIG_PRINT:
        manual_put_config(config, text);
        break;
    case CONFIG_MARKDOWN:
        manual_put_markdown(text);
        break;
    case CONFIG_VERSION:
        buf_put(text, STR("kez-chat-server " KEZ_VERSION "\n"));
        break;
    case CONFIG_HELP:
        manual_put_help(text);
        break;
    }
    return print(text);
}

int main(int argc, char *argv[]) {
    struct config config = {0};
    struct buf text;
    buf_init(&text, MANUAL_MAX_BYTES);
    enum rc rc = config_read(argc, (const char *const *)argv, getenv, &config, &text);
    int status;
    if (rc == RC_OK)
        status = act(&config, argc, (const char *const *)argv, &text);
    else
        status = complain(buf_cstr(&text), rc == RC_MALFORMED ? EXIT_WRONG_SETTING : EXIT_FAILURE);
    buf_done(&text);
    config_done(&config);
    return status;
}
