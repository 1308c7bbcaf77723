/* http/reply.h -- from an answered exchange to an answer of libmicrohttpd.
 *
 * The bytes of ex->out move over and are not copied. Every answer has the security header fields;
 * those of the API have CORS, and are not to be stored.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "http/request.h"

/* The whole of the answer for a connection too many from its address: 503. */
void reply_put_refusal(struct buf *out);

/* Queues the answer, for a stream its head. False: it could not be, end the connection. */
bool reply(struct request *r);

#endif
