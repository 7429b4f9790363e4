/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The warm pool and the templates, for administrators. */
#pragma once

#include <gio/gio.h>

#include "berth-client.h"
#include "berth-macros.h"

G_BEGIN_DECLS

/**
 * BerthAdminAction:
 * @BERTH_ADMIN_ACTION_FILL: ends a drain, forgets failures, and makes the warm VMs that are wanted
 * @BERTH_ADMIN_ACTION_DRAIN: destroys the warm VMs, and makes none until a fill; requests are
 * served as before, slower
 * @BERTH_ADMIN_ACTION_SNAPSHOT: makes a new snapshot; done when clones are made of it, which waits
 *   for capacity
 * @BERTH_ADMIN_ACTION_REMOVE_SNAPSHOT: removes the snapshot with its warm VMs; the next request for
 *   the template makes a new one
 * @BERTH_ADMIN_ACTION_RELOAD: reads the folders of templates again; the template must be there then
 *
 * What is done to a template; see [method@Admin.act].
 */
typedef enum
{
  BERTH_ADMIN_ACTION_FILL,
  BERTH_ADMIN_ACTION_DRAIN,
  BERTH_ADMIN_ACTION_SNAPSHOT,
  BERTH_ADMIN_ACTION_REMOVE_SNAPSHOT,
  BERTH_ADMIN_ACTION_RELOAD,
} BerthAdminAction;

#define BERTH_TYPE_ADMIN (berth_admin_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthAdmin, berth_admin, BERTH, ADMIN, GObject)

BERTH_AVAILABLE BerthAdmin *berth_admin_new (BerthClient *client);

BERTH_AVAILABLE gboolean berth_admin_act (BerthAdmin *self, BerthAdminAction action,
                                          const char *template_name, GCancellable *cancellable,
                                          GError **error);
BERTH_AVAILABLE void
berth_admin_act_async (BerthAdmin *self, BerthAdminAction action, const char *template_name,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_admin_act_finish (BerthAdmin *self, GAsyncResult *result,
                                                 GError **error);

BERTH_AVAILABLE gboolean berth_admin_set_warm (BerthAdmin *self, const char *template_name,
                                               guint min, guint max, GCancellable *cancellable,
                                               GError **error);
BERTH_AVAILABLE void berth_admin_set_warm_async (BerthAdmin *self, const char *template_name,
                                                 guint min, guint max, GCancellable *cancellable,
                                                 GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_admin_set_warm_finish (BerthAdmin *self, GAsyncResult *result,
                                                      GError **error);

BERTH_AVAILABLE gboolean berth_admin_set_admitting (BerthAdmin *self, gboolean admitting,
                                                    GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_admin_set_admitting_async (BerthAdmin *self, gboolean admitting, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_admin_set_admitting_finish (BerthAdmin *self, GAsyncResult *result,
                                                           GError **error);

BERTH_AVAILABLE GVariant *
berth_admin_list_templates (BerthAdmin *self, GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_admin_list_templates_async (BerthAdmin *self, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_admin_list_templates_finish (BerthAdmin *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE char *berth_admin_show_template (BerthAdmin *self, const char *template_name,
                                                 GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_admin_show_template_async (BerthAdmin *self, const char *template_name,
                                 GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data);
BERTH_AVAILABLE char *
berth_admin_show_template_finish (BerthAdmin *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_admin_check_template (BerthAdmin *self, const char *path,
                                                     GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_admin_check_template_async (BerthAdmin *self, const char *path, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_admin_check_template_finish (BerthAdmin *self, GAsyncResult *result,
                                                            GError **error);

G_END_DECLS
