/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks what is asked of a new VM: values that no domain can have are told apart from a template's
 * mistakes, and never reach libvirt. */
#include <string.h>

#include "berth-template-private.h"

static gboolean
param_error (GError **error, BerthTemplate *self, const char *name, const char *value,
             const char *allowed)
{
  g_autofree char *valid = g_utf8_make_valid (value != NULL ? value : "", -1);

  g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_DOMAIN,
               "%s: %s='%s' of the new VM must be %s", self->path, name, valid, allowed);
  return FALSE;
}

static gboolean
check_path (BerthTemplate *self, const char *name, const char *path, GError **error)
{
  if (path != NULL && g_path_is_absolute (path) && berth_xml_is_text (path))
    return TRUE;

  return param_error (error, self, name, path, "an absolute path in UTF-8");
}

static gboolean
check_identity (BerthTemplate *self, const BerthDomainParams *params, GError **error)
{
  if (params->mark == NULL)
    return param_error (error, self, "mark", NULL, "there");
  if (params->name == NULL || *params->name == '\0' || strchr (params->name, '/') != NULL
      || !berth_xml_is_text (params->name))
    return param_error (error, self, "name", params->name, "a domain's name, without /");
  if (params->uuid == NULL || !g_uuid_string_is_valid (params->uuid))
    return param_error (error, self, "uuid", params->uuid, "a UUID");
  if (g_strcmp0 (params->domain_type, "kvm") != 0 && g_strcmp0 (params->domain_type, "qemu") != 0)
    return param_error (error, self, "type", params->domain_type, "kvm or qemu");

  return TRUE;
}

static gboolean
check_size (BerthTemplate *self, const BerthDomainParams *params, GError **error)
{
  if (params->memory_mb == 0 || params->vcpus == 0)
    return param_error (error, self, params->memory_mb == 0 ? "memory" : "vcpus", "0",
                        "at least 1");
  if (params->ram_private && params->ram_file == NULL)
    return param_error (error, self, "ram_file", NULL, "there, for a private mapping of it");

  return TRUE;
}

static gboolean
check_files (BerthTemplate *self, const BerthDomainParams *params, GError **error)
{
  guint n_layers = params->layers != NULL ? g_strv_length ((GStrv)params->layers) : 0;

  if (!check_path (self, "kernel", params->kernel, error)
      || !check_path (self, "initramfs", params->initramfs, error))
    return FALSE;
  if (params->ram_file != NULL && !check_path (self, "ram_file", params->ram_file, error))
    return FALSE;
  if (params->dac_label != NULL && !berth_xml_is_text (params->dac_label))
    return param_error (error, self, "dac_label", params->dac_label, "USER:GROUP");
  if (params->console_log != NULL && !check_path (self, "console_log", params->console_log, error))
    return FALSE;
  if (n_layers == 0 || n_layers > BERTH_TEMPLATE_MAX_LAYERS)
    return param_error (error, self, "layers", NULL, "1 to 8 paths");

  for (guint i = 0; i < n_layers; i++)
    {
      if (!check_path (self, "layers", params->layers[i], error))
        return FALSE;
    }

  return TRUE;
}

/* Whether any domain can have what @params says; BERTH_TEMPLATE_ERROR_DOMAIN where not. */
gboolean
berth_template_check_params (BerthTemplate *self, const BerthDomainParams *params, GError **error)
{
  return check_identity (self, params, error) && check_size (self, params, error)
         && check_files (self, params, error);
}
