/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A keeper by itself, on a host without VMs, whose clock stands still. */
#pragma once

#include "plugin/snapshot/berth-snapshot-keeper-private.h"
#include "pool/berth-error.h"
#include "tests/host/fake-host.h"

G_BEGIN_DECLS

#define LIMIT_S 60
#define NAME "python"
#define OTHER "javascript"

typedef struct
{
  char *dir;
  BerthConfig *config;
  GHashTable *templates;
  FakeHost *host;
  BerthPool *pool;
  BerthSnapshotKeeper *keeper;
  guint n_ready;
  GAsyncResult *made; /* of the administrator's call */
  GAsyncResult *shut;
} World;

#define WAIT_UNTIL(condition)                                                                      \
  G_STMT_START                                                                                     \
  {                                                                                                \
    guint wait_limit_id = g_timeout_add_seconds (LIMIT_S, limit_cb, NULL);                         \
                                                                                                   \
    while (!(condition))                                                                           \
      g_main_context_iteration (NULL, TRUE);                                                       \
    g_source_remove (wait_limit_id);                                                               \
  }                                                                                                \
  G_STMT_END

#define error_new(text) g_error_new_literal (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, text)

/* for WAIT_UNTIL() */
gboolean limit_cb (gpointer user_data);
/* @scope: as snapshot_scope */
void world_begin (World *world, const char *scope);
void world_start (World *world);
void world_start_up (World *world);
void world_end (World *world);
BerthSnapshotEntry *entry_of (World *world, const char *name);
void run_dry (void);
/* Nothing is held any more, and nothing is under way. */
void come_to_rest (World *world);
BerthRequest *request_of (const char *template_name, const char *tenant, guint32 uid);
void want (World *world, const char *template_name);
guint count_looks (World *world);
/* The snapshot of NAME could not be recorded. */
void fail_once (World *world);
/* What the pool tells of NAME's warm VMs: "warm" there are, "target" it was told */
guint count_in_pool (World *world, const char *key);
/* What the keeper tells of NAME: printed, or "-" */
void assert_described (World *world, const char *key, const char *wanted);
/* of the administrator's call */
void made_cb (GObject *source, GAsyncResult *result, gpointer user_data);

G_END_DECLS
