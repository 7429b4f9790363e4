/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders of files that berthd trusts and deletes, by descriptor: who may write to a folder above
 * can put a link in the place of any path. A descriptor is -1 on failure, with errno. Blocking. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The folder that holds all snapshots, or all of something else that VMs are made of; made where it
 * is not there and @is_made. @setting: what names it. Fails unless it is
 * root's or this process's user's, and nobody else may write to it, sticky or not. ENOENT: errno
 * alone, without @error, where it is not there and not @is_made. */
int berth_snapshot_folder_open_store (const char *setting, const char *path, gboolean is_made,
                                      GError **error);
/* A folder in @store; no link to one. */
int berth_snapshot_folder_open (int store, const char *name);
/* A new one, for walking through: QEMU's user reaches its file and sees nothing else. */
int berth_snapshot_folder_make (int store, const char *name);
/* With the files in it; a link goes itself. */
void berth_snapshot_folder_remove (int store, const char *name);
/* Whether @name is still the folder @fd. */
gboolean berth_snapshot_folder_is (int store, const char *name, int fd);
/* (transfer full) (element-type utf8): what is in @store */
GPtrArray *berth_snapshot_folder_list (int store);
/* A file of at most 64 KiB. */
char *berth_snapshot_folder_read (int folder, const char *name, gsize *out_length);
/* A new file. */
gboolean berth_snapshot_folder_write (int folder, const char *name, const char *text, gsize length);
/* Whether a store through a mapping of a file there leaves its times as they were. */
gboolean berth_snapshot_folder_hides_writes (int folder);

G_END_DECLS
