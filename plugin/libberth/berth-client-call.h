/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call to berthd. */
#pragma once

#include <gio/gunixfdlist.h>

#include "plugin/libberth/berth-client.h"
#include "plugin/model/berth-spec.h"
#include "plugin/model/berth-tty.h"

G_BEGIN_DECLS

/**
 * BerthClientCallKind:
 * @BERTH_CLIENT_CALL_ASKS: cancelling it ends the wait for the answer, nothing else
 * @BERTH_CLIENT_CALL_CREATES: cancelling it withdraws the request; no sandbox of it stays
 * @BERTH_CLIENT_CALL_CARRIES: cancelling it withdraws the request
 * @BERTH_CLIENT_CALL_RUNS_CODE: cancelling it ends the program; without an answer nobody knows its
 * end
 */
typedef enum
{
  BERTH_CLIENT_CALL_ASKS,
  BERTH_CLIENT_CALL_CREATES,
  BERTH_CLIENT_CALL_CARRIES,
  BERTH_CLIENT_CALL_RUNS_CODE,
} BerthClientCallKind;

/**
 * BerthClientCall:
 * @kind: what cancelling it means
 * @method: of the interface
 * @arguments: (nullable): sunk
 * @fds: (nullable) (transfer full): leave this process with the message
 * @answer_type: of the answer's body
 * @spec: (nullable): hears of its progress
 * @tty: (nullable): whose size berthd is told
 * @client: (nullable): whose connections it uses; %NULL for the task's source
 * @interface: (nullable): another one than the manager's
 */
typedef struct
{
  BerthClientCallKind kind;
  const char *method;
  GVariant *arguments;
  GUnixFDList *fds;
  const char *answer_type;
  BerthSpec *spec;
  BerthTty *tty;
  BerthClient *client;
  const char *interface;
} BerthClientCall;

/* @task is (transfer full), and returns the answer's body, a GVariant. */
void berth_client_call_start (GTask *task, const BerthClientCall *what);

/* The same of a call about the sandbox @id, its first argument, which may be any bytes: it is
 * checked before. @rest: (nullable) (transfer floating): a tuple of the other arguments */
void
berth_client_call_start_for (GTask *task, BerthClientCall *what, const char *id, GVariant *rest);

/* A task for berth_client_call_start(), whose asynchronous function is @tag. */
GTask *berth_client_call_new_task (gpointer source, gpointer tag, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full) (nullable): the answer's body */
GVariant *
berth_client_call_finish (gpointer source, GAsyncResult *result, gpointer tag, GError **error);
/* (transfer full) (nullable): the first child of it */
GVariant *berth_client_call_finish_child (gpointer source, GAsyncResult *result, gpointer tag,
                                          GError **error);
/* FALSE with @error; the answer says nothing more than that it was done */
gboolean berth_client_call_finish_nothing (gpointer source, GAsyncResult *result, gpointer tag,
                                           GError **error);

G_END_DECLS
