/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run with files: --upload and --download, around a program in a sandbox that is made for it and
 * goes with our connection. */
#pragma once

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"

G_BEGIN_DECLS

typedef struct _BerthCarry BerthCarry;

/* *@out_carry becomes NULL where the options ask for no files. */
gboolean berth_carry_new (const BerthOptionValues *values, BerthCarry **out_carry, GError **error);
void berth_carry_free (BerthCarry *self);

/* Makes the sandbox and uploads. @sandbox: what makes it, sunk; @fds: for its handles, taken over.
 * On failure, the sandbox is gone. */
gboolean berth_carry_begin (BerthCarry *self, BerthClient *client, GVariant *sandbox,
                            GUnixFDList *fds, const BerthOptionValues *values, GError **error);
const char *berth_carry_get_id (BerthCarry *self);
/* Downloads, if the program's end is known, and destroys the sandbox. Takes @result (nullable)
 * over. Each download that fails is told; *@out_failure becomes the first one's. (transfer full)
 * (nullable): @result as of a run */
GVariant *berth_carry_end (BerthCarry *self, GVariant *result, GError **out_failure);

G_END_DECLS
