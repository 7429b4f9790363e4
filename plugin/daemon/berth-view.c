/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "berth-view.h"

#include <string.h>

static const char *const of_status[]
    = { "slots", "memory_mb", "vcpus",    "open",    "admitting",  "evicted", "pauses",
        "wakes", "n_waiting", "pressure", "libvirt", "hibernated", NULL };

static const char *const of_own_waiter[]
    = { "tenant", "task", "uid", "template", "position", "since", "waits_for", "estimate_s", NULL };

static const char *const of_any_waiter[] = { "template", "position", "since", "estimate_s", NULL };

static const char *const of_template[]
    = { "warm", "target", "snapshot", "snapshots", "snapshot_mb", "failures", "entry", NULL };

static void
copy_keys (GVariantDict *to, GVariant *from, const char *const *keys)
{
  for (guint i = 0; keys[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (from, keys[i], NULL);

      if (value != NULL)
        g_variant_dict_insert_value (to, keys[i], value);
    }
}

static GVariant *
view_waiter (GVariant *waiter, guint uid)
{
  GVariantDict dict;
  guint32 its_uid;
  gboolean is_own = g_variant_lookup (waiter, "uid", "u", &its_uid) && its_uid == uid;

  g_variant_dict_init (&dict, NULL);
  if (!is_own) /* the keys stay, for programs that read them */
    {
      g_variant_dict_insert (&dict, "tenant", "s", "");
      g_variant_dict_insert (&dict, "task", "s", "");
    }
  copy_keys (&dict, waiter, is_own ? of_own_waiter : of_any_waiter);
  return g_variant_dict_end (&dict);
}

static GVariant *
view_waiters (GVariant *waiters, guint uid)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantIter iter;
  GVariant *next;

  g_variant_iter_init (&iter, waiters);
  while ((next = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) waiter = next;

      g_variant_builder_add_value (&builder, view_waiter (waiter, uid));
    }
  return g_variant_builder_end (&builder);
}

/* An error names paths of the host and, where snapshots are of tenants, somebody's names. */
static GVariant *
view_template (GVariant *template)
{
  GVariantDict dict;
  const char *error = "";

  g_variant_dict_init (&dict, NULL);
  copy_keys (&dict, template, of_template);
  g_variant_lookup (template, "last_error", "&s", &error);
  g_variant_dict_insert (&dict, "last_error", "s",
                         *error != '\0' ? "administrators are told (sudo berth status)" : "");
  return g_variant_dict_end (&dict);
}

static GVariant *
view_templates (GVariant *templates)
{
  GVariantDict dict;
  GVariantIter iter;
  const char *name;
  GVariant *next;

  g_variant_dict_init (&dict, NULL);
  g_variant_iter_init (&iter, templates);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &next))
    {
      g_autoptr (GVariant) template = next;

      g_variant_dict_insert_value (&dict, name, view_template (template));
    }
  return g_variant_dict_end (&dict);
}

GVariant *
berth_view_new_status (GVariant *status, guint uid)
{
  g_autoptr (GVariant) waiters
      = g_variant_lookup_value (status, "waiters", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) templates
      = g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  copy_keys (&dict, status, of_status);
  if (waiters != NULL)
    g_variant_dict_insert_value (&dict, "waiters", view_waiters (waiters, uid));
  if (templates != NULL)
    g_variant_dict_insert_value (&dict, "templates", view_templates (templates));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
