/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an administrator steers: the warm pool and the templates' snapshots. */
#pragma once

#include "plugin/manager/berth-manager.h"

G_BEGIN_DECLS

/* Every call: @template_name NULL or "" means all templates; fails with BERTH_ERROR_INVALID where
 * there is no such template. Main context. */

/* From now on (until berthd ends) @min warm VMs are always wanted, and up to @max as requests need
 * them. */
BERTH_AVAILABLE gboolean berth_manager_set_warm (BerthManager *self, const char *template_name,
                                                 guint min, guint max, GError **error);
/* Destroys the warm VMs; none are made until berth_manager_fill_pool(). */
BERTH_AVAILABLE gboolean berth_manager_drain_pool (BerthManager *self, const char *template_name,
                                                   GError **error);
/* Ends a drain, forgets failures, and makes what is wanted, the snapshot first. */
BERTH_AVAILABLE gboolean berth_manager_fill_pool (BerthManager *self, const char *template_name,
                                                  GError **error);

/* FALSE drains the host: requests wait, and no warm VM is kept. TRUE at first. */
BERTH_AVAILABLE void berth_manager_set_admitting (BerthManager *self, gboolean admitting);

/* Waits for a place for the domain of @xml, which is about to be started, as long as the settings
 * say; it has it until it stops. TRUE at once where it does not carry a template's mark. */
BERTH_AVAILABLE void
berth_manager_admit_domain_async (BerthManager *self, const char *xml, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_manager_admit_domain_finish (BerthManager *self,
                                                            GAsyncResult *result, GError **error);

/* (transfer full): aa{sv}, a template each: name, path, language, memory_mb, vcpus, layers,
 * snapshot, snapshot_mb, error (of a file that was left out; then only path and error) */
BERTH_AVAILABLE GVariant *berth_manager_dup_templates (BerthManager *self);
/* (transfer full) (nullable): the domain XML that a VM of it gets */
BERTH_AVAILABLE char *
berth_manager_dup_template_xml (BerthManager *self, const char *template_name, GError **error);
/* Reads the file at @path as a template; what is wrong with it is the error. */
BERTH_AVAILABLE gboolean berth_manager_check_template (BerthManager *self, const char *path,
                                                       GError **error);

/* Reads the folders of templates again: what is new or changed there is there from now on, also for
 * @template_name, which must be one then; one whose file is gone stays until berthd ends. */
BERTH_AVAILABLE gboolean berth_manager_reload_templates (BerthManager *self,
                                                         const char *template_name, GError **error);

/* Makes a new snapshot, whatever there is; completes when clones are made of it. */
BERTH_AVAILABLE void
berth_manager_snapshot_async (BerthManager *self, const char *template_name,
                              GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_manager_snapshot_finish (BerthManager *self, GAsyncResult *result,
                                                        GError **error);
/* Removes the snapshot with its warm VMs; the next request makes a new one. */
BERTH_AVAILABLE gboolean berth_manager_remove_snapshot (BerthManager *self,
                                                        const char *template_name, GError **error);

G_END_DECLS
