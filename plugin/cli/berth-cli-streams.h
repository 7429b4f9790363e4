/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program's three streams, between berthd's pipes and this process's own descriptors. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "plugin/cli/berth-cli-progress.h"

G_BEGIN_DECLS

typedef struct _BerthStreams BerthStreams;

gboolean berth_streams_stdin_is_given (void);

BerthStreams *berth_streams_new (gboolean with_input, gboolean with_output, GUnixFDList *fds,
                                 GVariantDict *options, GError **error);
void berth_streams_set_progress (BerthStreams *self, BerthProgress *progress);
void berth_streams_start (BerthStreams *self);
gboolean berth_streams_finish (BerthStreams *self, gint64 limit_us, GError **error);
void berth_streams_free (BerthStreams *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthStreams, berth_streams_free)

G_END_DECLS
