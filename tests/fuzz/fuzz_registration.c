/* fuzz_registration -- what is registered is sound, and what is refused is told why.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "wire/registration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int64_t now_ms = 1779836777123; /* the time of the corpus */
    struct registration reg;
    struct handle again;
    const char *advice = NULL;
    enum rc rc = registration_read((struct str){(const char *)data, size}, STR("chat.example.org"),
                                   now_ms, &reg, &advice);
    must((rc == RC_OK) == (advice == NULL));
    if (rc == RC_OK) {
        must(handle_read(handle_str(&reg.handle), &again) == RC_OK);
        must(!handle_is_reserved(&reg.handle) && key_is_sound(&reg.primary));
    }
    return 0;
}
