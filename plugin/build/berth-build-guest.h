/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VM that a layer is built in: made, told each step, emptied, ended. It ends with this process,
 * too: berthd sees the connection close. */
#pragma once

#include "plugin/build/berth-build-spec.h"
#include "plugin/config/berth-config.h"
#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

typedef struct _BerthBuildGuest BerthBuildGuest;

/* Waits for capacity. @script: what is done at each step; borrowed */
BerthBuildGuest *
berth_build_guest_new (BerthClient *client, const BerthBuildSpec *spec, const BerthConfig *config,
                       const char *script, GError **error);
void berth_build_guest_free (BerthBuildGuest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildGuest, berth_build_guest_free)

/* Has @words done, the first of which names a step of the script. @step: (nullable): as whom, in
 * which environment. @input: its standard input, or -1. @out_text: (optional) (transfer full): what
 * it wrote. The error has the last lines that it wrote. */
gboolean
berth_build_guest_do (BerthBuildGuest *self, const BerthBuildStep *step, const char *const *words,
                      int input, char **out_text, GError **error);
/* Writes what was packed to @fd, @max_bytes of it at most. */
gboolean berth_build_guest_fetch (BerthBuildGuest *self, int fd, guint64 max_bytes, GError **error);

G_END_DECLS
