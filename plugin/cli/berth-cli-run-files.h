/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run with files: --upload and --download, which go with the call that runs the program. */
#pragma once

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"

G_BEGIN_DECLS

typedef struct _BerthRunFiles BerthRunFiles;

/* *@out_files becomes NULL where the options ask for no files. */
gboolean
berth_run_files_new (const BerthOptionValues *values, BerthRunFiles **out_files, GError **error);
void berth_run_files_free (BerthRunFiles *self);

/* Adds the call's options and the far ends of its streams. */
gboolean
berth_run_files_add (BerthRunFiles *self, GVariantDict *options, GUnixFDList *fds, GError **error);
/* From here on, files are carried. */
void berth_run_files_start (BerthRunFiles *self);
/* The call has ended. Tells each download that failed; *@out_failure becomes the first one's. Where
 * an upload is why the call failed, *@error says which.
 * @has_result: its program's end is known */
void berth_run_files_finish (BerthRunFiles *self, BerthClient *client, gboolean has_result,
                             GError **error, GError **out_failure);

G_END_DECLS
