/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Path and options of Put, Get and Ls, checked and turned into what the manager wants. */
#pragma once

#include <gio/gio.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-file-request.h"

G_BEGIN_DECLS

/* @kind is BERTH_FILE_PUT for both things that Put does */
BerthFileRequest *berth_file_options_parse (BerthFileKind kind, GVariant *path, GVariant *options,
                                            const BerthCallerFds *fds, guint32 uid, GError **error);

G_END_DECLS
