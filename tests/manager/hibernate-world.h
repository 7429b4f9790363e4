/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manager's sandboxes that are hibernated, and go on. */
#pragma once

#include "manager-world.h"

G_BEGIN_DECLS

#define OWNER 1000u

/* What it has begun ends: files are removed behind the answers. */
void world_stop (World *world, gconstpointer data);
void world_tear_down_kept (World *world, gconstpointer data);
char *world_create_session (World *world);
gboolean world_hibernate (World *world, const char *id, guint32 uid, GError **error);
/* (transfer full) (nullable): as the list tells it, where the id may be only once */
char *world_dup_state (World *world, const char *id);
/* A VM that came in vain is listed until libvirt has let go of it. */
void world_assert_state (World *world, const char *id, const char *wanted);
void world_assert_works (World *world, const char *id);
BerthSandbox *world_find (World *world, const char *id);
/* Whether the VM that it has was the first to go on with what was kept: the fake takes no note. */
gboolean world_was_sole (World *world, const char *id);
char *world_dup_path (World *world, const char *id, const char *below);
void world_restart (World *world, gconstpointer data);

G_END_DECLS
