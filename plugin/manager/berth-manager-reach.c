/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sandboxes reach, as far as it is the manager's: settings, requests, and what is shown. */
#include "plugin/manager/berth-manager-private.h"

#include "pool/berth-error.h"

static gboolean
add_settings (BerthReachPolicy *policy, const BerthConfig *config, GError **error)
{
  const BerthReachWords words = { .allow = (const char *const *)config->network_allow,
                                  .deny = (const char *const *)config->network_deny,
                                  .private = (const char *const *)config->network_private };

  return berth_reach_policy_add (policy, BERTH_REACH_OF_ALL, &words, error)
         && (config->network_proxy == NULL
             || berth_reach_policy_set_proxy (policy, config->network_proxy,
                                              (const char *const *)config->network_no_proxy,
                                              error));
}

static gboolean
add_user (BerthReachPolicy *policy, const BerthConfig *config, guint32 uid, GError **error)
{
  g_auto (GStrv) allow = berth_config_dup_of_user (config->uid_network_allow, uid);
  g_auto (GStrv) deny = berth_config_dup_of_user (config->uid_network_deny, uid);
  g_auto (GStrv) private = berth_config_dup_of_user (config->uid_network_private, uid);
  const BerthReachWords words = { .allow = (const char *const *)allow,
                                  .deny = (const char *const *)deny,
                                  .private = (const char *const *)private };

  return berth_reach_policy_add (policy, BERTH_REACH_OF_USER, &words, error);
}

/* Of one that is not there any more nobody knows what it allowed. */
static gboolean
add_template (BerthReachPolicy *policy, BerthTemplate *template, GError **error)
{
  static const char *const nothing[] = { NULL };
  const BerthReachWords none = { .allow = nothing };

  return berth_reach_policy_add (policy, BERTH_REACH_OF_TEMPLATE,
                                 template != NULL ? berth_template_get_reach (template) : &none,
                                 error);
}

/* (transfer full): of what @uid makes of @template_name; one that is not understood allows nothing,
 * but settings and templates were looked at when they were read. */
static BerthReachPolicy *
manager_make_policy (BerthManager *self, guint32 uid, const char *template_name, GError **error)
{
  BerthReachPolicy *policy = berth_reach_policy_new (self->config->network_allow_all == 1);

  if (add_settings (policy, self->config, error) && add_user (policy, self->config, uid, error))
    add_template (policy, g_hash_table_lookup (self->templates, template_name), error);
  return policy;
}

gboolean
berth_manager_make_reach (BerthManager *self, GError **error)
{
  g_autoptr (BerthReachPolicy) policy = berth_reach_policy_new (FALSE);

  self->reach.config = self->config;
  self->reach.of_users = g_hash_table_new (NULL, NULL);
  self->reach.metrics = self->metrics;
  self->reach.connector = berth_connector_new (self->config);
  return add_settings (policy, self->config, error);
}

void
berth_manager_reload_reach (BerthManager *self)
{
  GHashTableIter at;
  gpointer sandbox;

  g_hash_table_iter_init (&at, self->sandboxes);
  while (g_hash_table_iter_next (&at, NULL, &sandbox))
    {
      BerthSandboxReach *reach = berth_sandbox_get_reach (sandbox);
      const char *template_name = berth_vm_get_template (berth_sandbox_get_vm (sandbox));
      g_autoptr (BerthReachPolicy) policy
          = reach != NULL
                ? manager_make_policy (self, berth_sandbox_get_uid (sandbox), template_name, NULL)
                : NULL;

      if (reach != NULL)
        berth_sandbox_reach_set_policy (reach, policy);
    }
}

void
berth_manager_clear_reach (BerthManager *self)
{
  if (self->reach.connector != NULL)
    berth_connector_close (self->reach.connector);
  g_clear_object (&self->reach.connector);
  g_clear_pointer (&self->reach.of_users, g_hash_table_unref);
}

char **
berth_manager_narrow_reach (BerthManager *self, const BerthSandboxOptions *options,
                            const char *template_name, GError **error)
{
  BerthTemplate *template = g_hash_table_lookup (self->templates, template_name);
  g_autoptr (BerthReachPolicy) policy = NULL;
  g_autoptr (GPtrArray) rules = NULL;

  if (!options->allow_all && (options->allow == NULL || options->allow[0] == NULL))
    return g_new0 (char *, 1);
  if (template != NULL && berth_template_has_card (template) && !options->is_builder)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "sandboxes of %s have a network card, and reach what its network lets them: ask "
                   "without --allow, or for another template",
                   template_name);
      return NULL;
    }
  policy = manager_make_policy (self, options->uid, template_name, NULL);
  rules = berth_reach_policy_narrow (policy, (const char *const *)options->allow,
                                     options->allow_all, error);
  return rules != NULL ? berth_reach_rules_to_texts (rules) : NULL;
}

void
berth_manager_add_reach (BerthManager *self, BerthSandbox *sandbox, BerthRequest *request)
{
  const BerthPurpose *purpose = berth_purpose_of (request);
  g_autoptr (GPtrArray) rules = NULL;
  g_autoptr (BerthReachPolicy) policy = NULL;
  g_autoptr (BerthSandboxReach) reach = NULL;

  if (purpose->allow == NULL || purpose->allow[0] == NULL)
    return;
  /* of another berthd's sandbox they may be of another form */
  rules = berth_reach_rules_parse (purpose->allow, NULL);
  if (rules == NULL)
    return;
  policy = manager_make_policy (self, request->uid, request->shape.template_name, NULL);
  reach = berth_sandbox_reach_new (self->host, berth_sandbox_get_vm (sandbox), rules, policy,
                                   &self->reach);
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
