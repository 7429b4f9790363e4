/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The D-Bus interface for administrators: who may, and what it does. */
#include "plugin/daemon/berth-peer-admin.h"

#include <unistd.h>

#include "plugin/bus/berth-dbus-admin.h"
#include "plugin/daemon/berth-peer-private.h"
#include "pool/berth-error.h"

#define BERTH_TYPE_PEER_ADMIN (berth_peer_admin_get_type ())
G_DECLARE_FINAL_TYPE (BerthPeerAdmin, berth_peer_admin, BERTH, PEER_ADMIN, BerthDBusAdminSkeleton)

struct _BerthPeerAdmin
{
  BerthDBusAdminSkeleton parent_instance;
  BerthManager *manager;
  BerthPeerCalls *calls; /* of the connection */
};

static void iface_init (BerthDBusAdminIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BerthPeerAdmin, berth_peer_admin, BERTH_DBUS_TYPE_ADMIN_SKELETON,
                               G_IMPLEMENT_INTERFACE (BERTH_DBUS_TYPE_ADMIN, iface_init))

static void
answer (GDBusMethodInvocation *invocation, gboolean ok, GError *failure)
{
  g_autoptr (GError) error = failure;

  if (ok)
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    berth_peer_answer_error (invocation, error);
}

static gboolean
handle_set_warm (BerthDBusAdmin *object, GDBusMethodInvocation *invocation,
                 const char *template_name, guint min, guint max)
{
  BerthPeerAdmin *self = BERTH_PEER_ADMIN (object);
  GError *error = NULL;
  gboolean ok = FALSE;

  if (min > max)
    error = g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                         "%u to %u: the second is smaller than the first", min, max);
  else
    ok = berth_manager_set_warm (self->manager, template_name, min, max, &error);
  answer (invocation, ok, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_fill (BerthDBusAdmin *object, GDBusMethodInvocation *invocation, const char *template_name)
{
  GError *error = NULL;
  gboolean ok = berth_manager_fill_pool (BERTH_PEER_ADMIN (object)->manager, template_name, &error);

  answer (invocation, ok, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_drain (BerthDBusAdmin *object, GDBusMethodInvocation *invocation, const char *template_name)
{
  GError *error = NULL;
  gboolean ok
      = berth_manager_drain_pool (BERTH_PEER_ADMIN (object)->manager, template_name, &error);

  answer (invocation, ok, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_set_admitting (BerthDBusAdmin *object, GDBusMethodInvocation *invocation, gboolean admitting)
{
  berth_manager_set_admitting (BERTH_PEER_ADMIN (object)->manager, admitting);
  answer (invocation, TRUE, NULL);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_list_templates (BerthDBusAdmin *object, GDBusMethodInvocation *invocation)
{
  g_autoptr (GVariant) templates = berth_manager_dup_templates (BERTH_PEER_ADMIN (object)->manager);

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", templates));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_show_template (BerthDBusAdmin *object, GDBusMethodInvocation *invocation,
                      const char *template_name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *xml
      = berth_manager_dup_template_xml (BERTH_PEER_ADMIN (object)->manager, template_name, &error);

  if (xml != NULL)
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(s)", xml));
  else
    berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_check_template (BerthDBusAdmin *object, GDBusMethodInvocation *invocation, const char *path)
{
  GError *error = NULL;
  gboolean ok = berth_manager_check_template (BERTH_PEER_ADMIN (object)->manager, path, &error);

  answer (invocation, ok, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_reload_templates (BerthDBusAdmin *object, GDBusMethodInvocation *invocation,
                         const char *template_name)
{
  GError *error = NULL;
  gboolean ok
      = berth_manager_reload_templates (BERTH_PEER_ADMIN (object)->manager, template_name, &error);

  answer (invocation, ok, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
snapshot_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean ok = berth_manager_snapshot_finish (BERTH_MANAGER (source), result, &error);

  answer (user_data, ok, error);
}

static gboolean
handle_snapshot (BerthDBusAdmin *object, GDBusMethodInvocation *invocation,
                 const char *template_name)
{
  BerthPeerAdmin *self = BERTH_PEER_ADMIN (object);

  berth_peer_calls_add (self->calls, invocation);
  berth_manager_snapshot_async (self->manager, template_name, snapshot_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_remove_snapshot (BerthDBusAdmin *object, GDBusMethodInvocation *invocation,
                        const char *template_name)
{
  GError *error = NULL;
  gboolean ok
      = berth_manager_remove_snapshot (BERTH_PEER_ADMIN (object)->manager, template_name, &error);

  answer (invocation, ok, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
admitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gboolean ok = berth_manager_admit_domain_finish (BERTH_MANAGER (source), result, &error);

  answer (user_data, ok, error);
}

static gboolean
handle_admit_domain (BerthDBusAdmin *object, GDBusMethodInvocation *invocation, const char *xml)
{
  BerthPeerAdmin *self = BERTH_PEER_ADMIN (object);

  berth_manager_admit_domain_async (
      self->manager, xml, berth_peer_calls_add (self->calls, invocation), admitted_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* Of any method */
static gboolean
deny_cb (BerthDBusAdmin *object, GDBusMethodInvocation *invocation)
{
  g_dbus_method_invocation_return_error (
      invocation, BERTH_ERROR, BERTH_ERROR_DENIED,
      "only root and the user that berthd runs as may steer the pool and the templates");
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* In front of the handlers below. GDBus would ask g_authorize_method on a thread of its own, which
 * lets go of the skeleton there if its caller goes meanwhile. */
static void
deny_all (BerthPeerAdmin *self)
{
  guint count;
  g_autofree guint *ids = g_signal_list_ids (BERTH_DBUS_TYPE_ADMIN, &count);

  for (guint i = 0; i < count; i++)
    g_signal_connect (self, g_signal_name (ids[i]), G_CALLBACK (deny_cb), NULL);
}

static void
iface_init (BerthDBusAdminIface *iface)
{
  iface->handle_admit_domain = handle_admit_domain;
  iface->handle_set_warm = handle_set_warm;
  iface->handle_fill = handle_fill;
  iface->handle_drain = handle_drain;
  iface->handle_set_admitting = handle_set_admitting;
  iface->handle_list_templates = handle_list_templates;
  iface->handle_show_template = handle_show_template;
  iface->handle_check_template = handle_check_template;
  iface->handle_reload_templates = handle_reload_templates;
  iface->handle_snapshot = handle_snapshot;
  iface->handle_remove_snapshot = handle_remove_snapshot;
}

static void
berth_peer_admin_dispose (GObject *object)
{
  BerthPeerAdmin *self = BERTH_PEER_ADMIN (object);

  g_clear_object (&self->manager);
  g_clear_pointer (&self->calls, berth_peer_calls_unref);
  G_OBJECT_CLASS (berth_peer_admin_parent_class)->dispose (object);
}

static void
berth_peer_admin_class_init (BerthPeerAdminClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_peer_admin_dispose;
}

static void
berth_peer_admin_init (BerthPeerAdmin *self)
{
}

GDBusInterfaceSkeleton *
berth_peer_admin_new (BerthManager *manager, guint32 uid, BerthPeerCalls *calls)
{
  BerthPeerAdmin *self = g_object_new (BERTH_TYPE_PEER_ADMIN, NULL);

  self->manager = g_object_ref (manager);
  self->calls = berth_peer_calls_ref (calls);
  if (uid != 0 && uid != geteuid ())
    deny_all (self);
  return G_DBUS_INTERFACE_SKELETON (self);
}
