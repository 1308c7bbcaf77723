/* http/pages.h -- the answers that this floor gives by itself: health, the OpenAPI document, the
 * web client, and what the admin listener tells.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_PAGES_H
#define HTTP_PAGES_H

#include "flow/exchange.h"

step_fn page_health;  /* {"status":"ok","server":<name>}: which server this is */
step_fn page_live;    /* {"status":"ok"} */
step_fn page_openapi; /* deploy/openapi.yaml */
step_fn page_ready;   /* 200 or 503 */
step_fn page_metrics;
step_fn page_options; /* 204; the request knows what is allowed */
step_fn page_plain;   /* "/" without a web client */
step_fn page_file;    /* the file that the request has found */

#endif
