/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a VM that is none: the real agent on a folder of this host, behind the host's real
 * end; or a hostile guest, whose listings lead out of every folder. */
#pragma once

#include "plugin/model/berth-file-request.h"

G_BEGIN_DECLS

typedef struct _FakeHome FakeHome;

/* BERTH_TEST_AGENT and BERTH_TEST_RUNNERS of the environment say which agent. */
FakeHome *fake_home_new (gboolean is_hostile);
void fake_home_free (FakeHome *self);
const char *fake_home_get_path (FakeHome *self);
void fake_home_file_async (FakeHome *self, BerthFileRequest *file, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
BerthFileResult *fake_home_file_finish (GAsyncResult *result, GError **error);

G_END_DECLS
