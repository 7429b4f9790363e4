/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's refusals mean to who asked. */
#pragma once

#include <gio/gio.h>

#include "berth-frame-decoder.h"
#include "pool/berth-error.h"

G_BEGIN_DECLS

/* Of an ERROR frame of a request. What the agent calls by a code of its own that no host asks for
 * is INTERNAL. */
BerthError berth_guest_error_get_code (const BerthFrame *frame);
/* (transfer full): its text, as UTF-8; of a full guest, with what helps */
char *berth_guest_error_dup_text (const BerthFrame *frame);

G_END_DECLS
