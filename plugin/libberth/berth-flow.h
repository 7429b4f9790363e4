/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file's way into a sandbox or out of one: the call, and the bytes beside it. */
#pragma once

#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

/**
 * BerthFlow:
 * @id: of the sandbox
 * @path: in it
 * @from: (nullable): of a put, what is read
 * @to: (nullable): of a get, what is written
 * @size: of a put: how many bytes are read
 * @options: of the call, consumed; the descriptor and the size are added
 */
typedef struct
{
  const char *id;
  const char *path;
  GInputStream *from;
  GOutputStream *to;
  guint64 size;
  GVariantDict *options;
} BerthFlow;

/* @task is (transfer full), of a BerthClient. It ends when the call was answered and neither stream
 * is used any more. */
void berth_flow_start (GTask *task, const BerthFlow *what);
gboolean
berth_flow_finish (BerthClient *client, GAsyncResult *result, gpointer tag, GError **error);
/* (transfer none): what a get that has succeeded wrote to */
GOutputStream *berth_flow_get_target (GAsyncResult *result);

gboolean berth_flow_check_path (const char *path, GError **error);
gboolean berth_flow_check_where (const char *id, const char *path, GError **error);

G_END_DECLS
