/* http/openapi.h -- the bytes of deploy/openapi.yaml, built into the program.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_OPENAPI_H
#define HTTP_OPENAPI_H

#include <stddef.h>

extern const unsigned char openapi_yaml[];
extern const size_t openapi_yaml_bytes;

#endif
