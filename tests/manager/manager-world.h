/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manager that is up on a host without VMs, whose clock stands still; its calls, waited for. */
#pragma once

#include "plugin/manager/berth-manager-private.h"
#include "tests/host/fake-host.h"

G_BEGIN_DECLS

#define WORLD_MAX_VMS 2u

typedef struct
{
  FakeHost *host;
  BerthManager *manager;
  GAsyncResult *result; /* of the call that is waited for */
  char *checkpoint_dir; /* (nullable): a test's own, before world_make() */
} World;

/* For g_test_add(), whose data is NULL: no snapshots; "shared": some; or a folder of more
 * templates. */
void world_set_up (World *world, gconstpointer data);
/* The same without its start */
void world_make (World *world, gconstpointer data);
void world_begin_start (World *world);
void world_end_start (World *world);
void world_tear_down (World *world, gconstpointer data);
/* The same with a folder for what is kept of sandboxes, which stays over a manager's end. */
void world_set_up_kept (World *world, gconstpointer data);
void world_remove_kept (World *world);
/* With whatever is in it */
void world_remove_tree (const char *path);

/* The callback of a call whose result is waited for. */
void world_result_cb (GObject *source, GAsyncResult *result, gpointer user_data);
/* (transfer full) */
GAsyncResult *world_wait (World *world);
/* Whatever is due is done. */
void world_run_dry (void);

BerthExec *world_exec_new (const char *code);
/* (transfer full) (nullable): the id of a new sandbox of user 1000 */
char *world_create (World *world, const BerthSandboxOptions *options, GError **error);
/* (transfer full): the id of a new one with a tenant and a task; 0: the usual idle time */
char *world_create_named (World *world, guint idle_timeout_ms);
BerthResult *world_exec (World *world, const char *id, guint32 uid, GError **error);
/* *@out_was_gone: (transfer full) (nullable) */
gboolean
world_destroy (World *world, const char *id, guint32 uid, char **out_was_gone, GError **error);
BerthResult *world_run (World *world, const BerthSandboxOptions *options, const char *code,
                        GCancellable *cancellable, GError **error);

/* Of user 1000, waiting as long as it takes; a template's name, or NULL */
BerthSandboxOptions world_options (const char *template_name);
/* Of @slots of the status */
guint world_get_slots (World *world, const char *key);
/* Waits until so many VMs exist. */
void world_wait_for_vms (World *world, guint count);

G_END_DECLS
