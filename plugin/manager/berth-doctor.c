/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the doctor looks at: whatever keeps a host from serving requests, with its remedy. */
#include <string.h>
#include <unistd.h>

#include "plugin/manager/berth-manager-private.h"
#include "pool/berth-error.h"

static void
add_finding (GVariantBuilder *findings, const char *check, gboolean ok, const char *text,
             const char *remedy)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "check", "s", check);
  g_variant_dict_insert (&dict, "ok", "b", ok);
  g_variant_dict_insert (&dict, "text", "s", text);
  g_variant_dict_insert (&dict, "remedy", "s", ok ? "" : remedy);
  g_variant_builder_add_value (findings, g_variant_dict_end (&dict));
}

static void
check_libvirt (GVariant *status, GVariantBuilder *findings)
{
  g_autofree char *text = NULL;
  gboolean is_connected = FALSE;
  const char *uri = "";
  const char *version = "";

  g_variant_lookup (status, "connected", "b", &is_connected);
  g_variant_lookup (status, "uri", "&s", &uri);
  g_variant_lookup (status, "version", "&s", &version);
  text = g_strdup_printf (is_connected ? "%s answers, libvirt %s" : "%s does not answer", uri,
                          version);
  add_finding (findings, "libvirt", is_connected, text,
               "start libvirtd; berth connects again by itself");
}

static void
check_kvm (GVariant *status, GVariantBuilder *findings)
{
  const char *problem;
  const char *type = "";

  g_variant_lookup (status, "virt_type", "&s", &type);
  if (g_variant_lookup (status, "kvm_problem", "&s", &problem))
    {
      g_autofree char *text = g_strdup_printf ("KVM can't be used: %s", problem);

      add_finding (
          findings, "kvm", FALSE, text,
          "guests run under TCG until then, slower; where QEMU's user may not open /dev/kvm, let "
          "it (group kvm, mode 0660): every start takes libvirt seconds more; where KVM "
          "itself is at fault (a nested one that runs no kernel, too), set virt_type to qemu; then "
          "restart berthd");
    }
  else
    /* no finding against the host: berth serves without it, only slower */
    add_finding (findings, "kvm", TRUE,
                 strcmp (type, "kvm") == 0 ? "guests run under KVM"
                 : access ("/dev/kvm", F_OK) == 0
                     ? "guests run under TCG, slower, though there is a /dev/kvm"
                     : "no /dev/kvm: guests run under TCG, slower; load the kvm module or turn on "
                       "virtualisation in the firmware",
                 "");
}

static void
check_confinement (BerthManager *self, GVariantBuilder *findings)
{
  const char *dir = self->config->snapshot_dir;
  g_autofree char *problem = NULL;
  g_autofree char *remedy = NULL;
  g_autofree char *kind = berth_host_dup_confinement (self->host, dir, &problem, &remedy);
  g_autofree char *fine = NULL;

  if (kind == NULL || strcmp (self->config->snapshot_scope, "none") == 0)
    return;
  fine = g_strdup_printf ("%s is on, and has a rule for the snapshots in %s", kind, dir);
  add_finding (findings, kind, problem == NULL, problem != NULL ? problem : fine,
               remedy != NULL ? remedy : "");
}

static void
check_images (BerthManager *self, GVariantBuilder *findings)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GList) names = berth_manager_list_templates (self);

  if (!berth_host_check_image (self->host, &error))
    {
      add_finding (findings, "image", FALSE, error->message, "build it with 'berth image build'");
      return;
    }
  add_finding (findings, "image", TRUE, self->config->image_dir, "");
  for (GList *link = names; link != NULL; link = link->next)
    {
      const char *name = link->data;
      BerthTemplate *template = g_hash_table_lookup (self->templates, name);
      g_autoptr (GError) reason = NULL;
      g_autofree char *check = g_strdup_printf ("template %s", name);
      gboolean ok = berth_host_check_layers (self->host, name, &reason);

      add_finding (findings, check, ok, ok ? berth_template_get_path (template) : reason->message,
                   "build the image again with 'berth image build'");
    }
}

static void
check_connector (BerthManager *self, GVariantBuilder *findings)
{
  g_autofree char *problem = NULL;
  g_autofree char *text = berth_connector_dup_user (self->reach.connector, &problem);

  add_finding (findings, "connector", problem == NULL, problem != NULL ? problem : text,
               "make a user for it alone ('useradd --system berth-connector'), set network_user "
               "to it, and restart berthd");
}

static void
check_templates (BerthManager *self, GVariantBuilder *findings)
{
  for (guint i = 0; i < self->template_errors->len; i++)
    {
      GError *error = g_ptr_array_index (self->template_errors, i);

      add_finding (findings, "template", FALSE, error->message, "mend the file and restart berthd");
    }
}

static void
check_capacity (BerthManager *self, GVariantBuilder *findings)
{
  g_autoptr (GVariant) status = berth_pool_dup_status (self->pool);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) memory
      = g_variant_lookup_value (status, "memory_mb", G_VARIANT_TYPE_VARDICT);
  g_autofree char *text = NULL;
  guint total = 0;
  guint free_slots = 0;
  guint total_mb = 0;

  if (slots != NULL)
    {
      g_variant_lookup (slots, "total", "u", &total);
      g_variant_lookup (slots, "free", "u", &free_slots);
    }
  if (memory != NULL)
    g_variant_lookup (memory, "total", "u", &total_mb);
  text = g_strdup_printf ("%u VMs, %u MiB of guest memory; %u free now", total, total_mb,
                          free_slots);
  /* berthd does not start where there is room for none */
  add_finding (findings, "capacity", TRUE, text, "");
}

void
berth_manager_doctor_async (BerthManager *self, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GVariant) libvirt = berth_host_dup_status (self->host);
  GVariantBuilder findings;

  g_task_set_source_tag (task, berth_manager_doctor_async);
  g_variant_builder_init (&findings, G_VARIANT_TYPE ("aa{sv}"));
  check_libvirt (libvirt, &findings);
  check_kvm (libvirt, &findings);
  check_confinement (self, &findings);
  check_images (self, &findings);
  check_connector (self, &findings);
  check_templates (self, &findings);
  check_capacity (self, &findings);
  g_task_return_pointer (task, g_variant_ref_sink (g_variant_builder_end (&findings)),
                         (GDestroyNotify)g_variant_unref);
}

GVariant *
berth_manager_doctor_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
