/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program's three streams, between berthd's pipes and this process's own descriptors. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "plugin/cli/berth-cli-progress.h"

G_BEGIN_DECLS

typedef struct _BerthStreams BerthStreams;

gboolean berth_streams_stdin_is_given (void);
gboolean berth_streams_check_stdin (GError **error);

/**
 * BerthStreamsKind:
 * @BERTH_STREAMS_INPUT: stdin
 * @BERTH_STREAMS_SHOWN: stdout
 * @BERTH_STREAMS_ERRORS: stderr
 * @BERTH_STREAMS_OUTPUT: both
 * @BERTH_STREAMS_BOOT_LOG: the console of a boot, to stderr
 * @BERTH_STREAMS_UNANSWERED: what goes to a terminal goes without what terminals answer to: the
 * answers would be typed at whoever reads our stdin next
 * @BERTH_STREAMS_ANSWERED: there is somebody for the answers; see berth_streams_has_asked()
 *
 * Which streams are carried.
 */
typedef enum
{
  BERTH_STREAMS_INPUT = 1 << 0,
  BERTH_STREAMS_SHOWN = 1 << 1,
  BERTH_STREAMS_ERRORS = 1 << 2,
  BERTH_STREAMS_OUTPUT = BERTH_STREAMS_SHOWN | BERTH_STREAMS_ERRORS,
  BERTH_STREAMS_BOOT_LOG = 1 << 3,
  BERTH_STREAMS_UNANSWERED = 1 << 4,
  BERTH_STREAMS_ANSWERED = 1 << 5,
} BerthStreamsKind;

BerthStreams *
berth_streams_new (BerthStreamsKind kinds, GUnixFDList *fds, GVariantDict *options, GError **error);
void berth_streams_set_progress (BerthStreams *self, BerthProgress *progress);
void berth_streams_start (BerthStreams *self);
gboolean berth_streams_finish (BerthStreams *self, gint64 limit_us, GError **error);
gboolean berth_streams_has_asked (BerthStreams *self);
void berth_streams_free (BerthStreams *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthStreams, berth_streams_free)

G_END_DECLS
