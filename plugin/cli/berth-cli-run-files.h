/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run with files: --upload and --download, around a program in a sandbox that is made for it and
 * goes with our connection. */
#pragma once

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"

G_BEGIN_DECLS

typedef struct _BerthRunFiles BerthRunFiles;

/* *@out_carry becomes NULL where the options ask for no files. */
gboolean
berth_run_files_new (const BerthOptionValues *values, BerthRunFiles **out_carry, GError **error);
void berth_run_files_free (BerthRunFiles *self);

/* Makes the sandbox and uploads. @sandbox: what makes it, sunk; @fds: for its handles, taken over.
 * On failure, the sandbox is gone. */
gboolean berth_run_files_begin (BerthRunFiles *self, BerthClient *client, GVariant *sandbox,
                                GUnixFDList *fds, const BerthOptionValues *values, GError **error);
const char *berth_run_files_get_id (BerthRunFiles *self);
/* Downloads, if the program's end is known, and destroys the sandbox. Takes @result (nullable)
 * over. Each download that fails is told; *@out_failure becomes the first one's. (transfer full)
 * (nullable): @result as of a run */
GVariant *berth_run_files_end (BerthRunFiles *self, GVariant *result, GError **out_failure);

G_END_DECLS
