/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sandboxes reach, as far as it is the manager's: settings, requests, and what is shown. */
#include "plugin/manager/berth-manager-private.h"

#include "pool/berth-error.h"

static BerthReachPolicy *
make_policy (const BerthConfig *config, GError **error)
{
  return berth_reach_policy_new ((const char *const *)config->network_allow,
                                 (const char *const *)config->network_deny,
                                 config->network_allow_all == 1, error);
}

gboolean
berth_manager_make_reach (BerthManager *self, GError **error)
{
  self->reach.config = self->config;
  self->reach.metrics = self->metrics;
  self->reach.policy = make_policy (self->config, error);
  self->reach.connector = berth_connector_new (self->config);
  return self->reach.policy != NULL;
}

void
berth_manager_reload_reach (BerthManager *self)
{
  BerthReachPolicy *policy = make_policy (self->config, NULL);
  GHashTableIter iter;
  gpointer sandbox;

  if (policy == NULL)
    return; /* the settings were looked at when they were read */
  g_clear_pointer (&self->reach.policy, berth_reach_policy_free);
  self->reach.policy = policy;
  berth_connector_reload (self->reach.connector, self->config);
  g_hash_table_iter_init (&iter, self->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &sandbox))
    if (berth_sandbox_get_reach (sandbox) != NULL)
      berth_sandbox_reach_review (berth_sandbox_get_reach (sandbox));
}

void
berth_manager_clear_reach (BerthManager *self)
{
  if (self->reach.connector != NULL)
    berth_connector_close (self->reach.connector);
  g_clear_object (&self->reach.connector);
  g_clear_pointer (&self->reach.policy, berth_reach_policy_free);
}

char **
berth_manager_narrow_reach (BerthManager *self, const BerthSandboxOptions *options, GError **error)
{
  g_autoptr (GPtrArray) rules = berth_reach_policy_narrow (
      self->reach.policy, (const char *const *)options->allow, options->allow_all, error);

  return rules != NULL ? berth_reach_rules_to_texts (rules) : NULL;
}

void
berth_manager_add_reach (BerthManager *self, BerthSandbox *sandbox, BerthRequest *request)
{
  const BerthPurpose *purpose = berth_purpose_of (request);
  g_autoptr (GPtrArray) rules = NULL;
  g_autoptr (BerthSandboxReach) reach = NULL;

  if (purpose->allow == NULL || purpose->allow[0] == NULL)
    return;
  /* of another berthd's sandbox they may be of another form */
  rules = berth_reach_rules_parse (purpose->allow, NULL);
  if (rules == NULL)
    return;
  reach = berth_sandbox_reach_new (self->host, berth_sandbox_get_vm (sandbox), rules, &self->reach);
  berth_sandbox_set_reach (sandbox, reach);
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  /* one that is paused has the news before it, and takes it when it is woken */
  if (!berth_sandbox_reach_start_finish (BERTH_SANDBOX_REACH (source), result, &error)
      && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT))
    g_warning ("a sandbox that was found again reaches nothing: %s", error->message);
}

void
berth_manager_start_reach (BerthManager *self, BerthSandbox *sandbox)
{
  BerthSandboxReach *reach = berth_sandbox_get_reach (sandbox);

  if (reach != NULL)
    berth_sandbox_reach_start_async (reach, started_cb, NULL);
}

GVariant *
berth_manager_dup_net (BerthManager *self, const char *id, guint32 uid, guint64 after,
                       GError **error)
{
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, error);
  BerthSandboxReach *reach = sandbox != NULL ? berth_sandbox_get_reach (sandbox) : NULL;

  if (sandbox == NULL)
    return NULL;
  return reach != NULL ? berth_sandbox_reach_dup_list (reach, after)
                       : g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE_VARDICT, NULL, 0));
}
