/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether a sandbox may be as it is asked for, before it waits for a place. */
#include "plugin/manager/berth-manager-private.h"

#include <unistd.h>

#include "pool/berth-error.h"

#define MEMORY_MIN_MB 128u /* contract.md, Input */
#define TEMPLATE_DEFAULT "python"

/* What was asked for may have been allowed by settings of before; 0 is never. */
gint64
berth_manager_get_idle_us (BerthManager *self, const BerthRequest *request)
{
  gint64 most_us = self->config->idle_timeout_s * G_USEC_PER_SEC;
  gint64 wanted_us = berth_purpose_of (request)->idle_timeout_ms * G_GINT64_CONSTANT (1000);

  if (wanted_us == 0 || (most_us > 0 && wanted_us > most_us))
    return most_us;
  return wanted_us;
}

/* No caller keeps a place for longer than the administrator would let it stay unused. */
static gboolean
manager_check_idle (BerthManager *self, guint idle_timeout_ms, GError **error)
{
  gint64 most_s = self->config->idle_timeout_s;

  if (idle_timeout_ms == 0 || most_s == 0 || idle_timeout_ms <= most_s * 1000)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "an idle timeout of %g s is more than the %" G_GINT64_FORMAT
               " s that this berthd allows: give less, or have idle_timeout_s raised",
               idle_timeout_ms / 1000.0, most_s);
  return FALSE;
}

/* What comes out of one becomes part of other people's VMs. */
static gboolean
check_builder (const BerthSandboxOptions *options, GError **error)
{
  if (!options->is_builder || options->uid == 0 || options->uid == geteuid ())
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_DENIED,
                       "only root and the user that berthd runs as may build templates");
  return FALSE;
}

const char *
berth_manager_get_template_name (const BerthSandboxOptions *options)
{
  return options->template_name != NULL ? options->template_name : TEMPLATE_DEFAULT;
}

gboolean
berth_manager_settle_exec (BerthManager *self, const char *template_name, BerthExec *exec,
                           GError **error)
{
  BerthTemplate *template = g_hash_table_lookup (self->templates, template_name);
  const char *const *entry = template != NULL ? berth_template_get_entry (template) : NULL;

  if (template == NULL)
    return TRUE; /* who makes the VM says so; a session's may be gone */
  if (exec->is_entry && entry != NULL)
    berth_exec_set_entry (exec, entry, berth_template_get_workdir (template));
  else if (exec->is_entry)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "template %s has no entry point: give code, or -x and a program", template_name);
      return FALSE;
    }
  if (exec->is_command || exec->language != NULL || berth_template_has_language (template))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "template %s has no language that code could be of: %sgive -x and a program of its",
               template_name, entry != NULL ? "leave it out to run the entry point, or " : "");
  return FALSE;
}

BerthRequest *
berth_manager_make_request (BerthManager *self, const BerthSandboxOptions *options,
                            gboolean is_session, GError **error)
{
  const char *name = berth_manager_get_template_name (options);
  BerthTemplate *template = berth_manager_find_template (self, name);
  g_auto (GStrv) allow
      = template != NULL ? berth_manager_narrow_reach (self, options, name, error) : NULL;
  const BerthPurpose purpose = { .is_cold = options->is_cold || options->is_builder,
                                 .is_builder = options->is_builder,
                                 .is_session = is_session,
                                 .idle_timeout_ms = options->idle_timeout_ms,
                                 .idle_pause_ms = options->idle_pause_ms,
                                 .idle_hibernate_ms = options->idle_hibernate_ms,
                                 .allow = (const char *const *)allow,
                                 .boot_log = options->boot_log };
  BerthShape shape;

  if (!check_builder (options, error))
    return NULL;
  if (template == NULL)
    berth_manager_set_no_template_error (self, name, error);
  if (template == NULL || allow == NULL)
    return NULL;
  shape = berth_template_get_shape (template);
  if (options->memory_mb != 0)
    shape.memory_mb = options->memory_mb;
  if (shape.memory_mb < MEMORY_MIN_MB)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "memory of %u MiB is too small: a guest needs %u MiB or more", shape.memory_mb,
                   MEMORY_MIN_MB);
      return NULL;
    }
  if (!manager_check_idle (self, options->idle_timeout_ms, error))
    return NULL;
  return berth_purpose_make_request (&purpose, &shape, options->tenant, options->task, options->uid,
                                     options->wait_us, error);
}
